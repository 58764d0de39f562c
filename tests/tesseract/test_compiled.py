"""Sources compiled ahead: what is imported from them is what its own file says."""

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from release_trees import a_tree

from tesseract.compiled import CompiledSources

PACKAGE = "compiled_ahead"
FILES = {
    "__init__.py": "from .part import fails\n",
    "part.py": "def fails():\n    def inside():\n        return 1 / 0\n    return inside()\n",
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def imported(sources: CompiledSources, tree: Path) -> ModuleType:
    sys.path.insert(0, str(tree.parent))
    importlib.invalidate_caches()
    with sources.used(PACKAGE):
        return importlib.import_module(PACKAGE)


def compiled(folder: Path, files: dict[str, str]) -> CompiledSources:
    sources = CompiledSources()
    sources.add_tree(a_tree(folder / "before", files, PACKAGE))
    return sources


def test_a_known_source_is_not_compiled_again(tmp_path: Path) -> None:
    sources = compiled(tmp_path, FILES)
    after = a_tree(tmp_path / "after", FILES, PACKAGE)
    asked: list[object] = []
    sys.addaudithook(lambda event, given: asked.append(given[1]) if event == "compile" else None)

    imported(sources, after)

    assert not [name for name in asked if PACKAGE in str(name)]


def test_its_places_are_those_of_its_own_file_all_the_way_down(tmp_path: Path) -> None:
    module = imported(compiled(tmp_path, FILES), a_tree(tmp_path / "after", FILES, PACKAGE))

    with pytest.raises(ZeroDivisionError) as raised:
        module.fails()

    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(raised.value.__traceback__)[1:]]
    part = str(tmp_path / "after" / PACKAGE / "part.py")
    assert places == [(part, 4), (part, 3)]
    assert module.__file__ == str(tmp_path / "after" / PACKAGE / "__init__.py")


@pytest.mark.parametrize(
    "changed", ["def fails():\n    return 'new'\n", "\N{BYTE ORDER MARK}def fails():\n    return 'new'\n"]
)
def test_a_source_that_is_not_known_is_compiled_at_its_import(tmp_path: Path, changed: str) -> None:
    after = a_tree(tmp_path / "after", FILES | {"part.py": changed}, PACKAGE)

    assert imported(compiled(tmp_path, FILES), after).fails() == "new"


@pytest.mark.parametrize(
    ("source", "error"),
    [("def (:\n", SyntaxError), ("\0", SyntaxError), ("# coding: nothing\n", SyntaxError)],
    ids=["syntax", "null byte", "encoding"],
)
def test_what_cannot_be_compiled_is_told_by_its_import(tmp_path: Path, source: str, error: type[Exception]) -> None:
    files = FILES | {"part.py": source}

    with pytest.raises(error):
        imported(compiled(tmp_path, files), a_tree(tmp_path / "after", files, PACKAGE))


def test_what_the_compiler_warns_of_is_told_by_its_import(tmp_path: Path) -> None:
    files = FILES | {"part.py": "def fails():\n    return 1 is 1\n"}

    with pytest.warns(SyntaxWarning):
        imported(compiled(tmp_path, files), a_tree(tmp_path / "after", files, PACKAGE))


def test_a_module_of_another_package_is_imported_as_ever(tmp_path: Path) -> None:
    known = {"this_is_another.py": "where = 'before'\n"}
    files = {"__init__.py": "import this_is_another\n"}
    a_tree(tmp_path, known, "after")

    module = imported(compiled(tmp_path, files | known), a_tree(tmp_path / "after", files, PACKAGE))

    other = module.this_is_another
    del sys.modules["this_is_another"]
    assert type(other.__spec__.loader).__name__ == "SourceFileLoader"


def test_the_finders_are_those_of_before_also_when_the_import_fails(tmp_path: Path) -> None:
    before = list(sys.meta_path)

    with pytest.raises(ZeroDivisionError):
        imported(compiled(tmp_path, FILES), a_tree(tmp_path / "after", {"__init__.py": "1 / 0\n"}, PACKAGE))

    assert sys.meta_path == before
