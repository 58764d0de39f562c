"""Namespaces: every release resolves its own imports to its own modules, and leaves nothing behind."""

import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from release_trees import a_release, paths_below

from tesseract.namespace import Namespace

Files = dict[str, str]


def opened(folder: Path, files: Files, number: int = 1, name: str = "strategy") -> Namespace:
    release = a_release(folder, files, number=number, name=name)
    return Namespace(release.path.parent, release.package, f"{release.digest[:12]}_test{number}")


def told_by(module: ModuleType) -> object:
    tell: Callable[[], object] = vars(module)["tell"]
    return tell()


def in_function(statement: str, result: str) -> Files:
    return {"__init__.py": f"def tell():\n    {statement}\n    return {result}\n"}


DEEP = {"deep/__init__.py": "", "deep/low.py": "WHO = '{who}'\n"}

RESOLUTIONS: dict[str, Files] = {
    "absolute_import": {
        "__init__.py": "import strategy.deep.low\n\ndef tell():\n    return strategy.deep.low.WHO\n",
        **DEEP,
    },
    "absolute_from_import": {
        "__init__.py": "from strategy.deep.low import WHO\n\ndef tell():\n    return WHO\n",
        **DEEP,
    },
    "from_package_import_module": {
        "__init__.py": "from strategy.deep import low\n\ndef tell():\n    return low.WHO\n",
        **DEEP,
    },
    "relative_import": {"__init__.py": "from .deep.low import WHO\n\ndef tell():\n    return WHO\n", **DEEP},
    "relative_import_of_the_parent": {
        "__init__.py": "WHO = '{who}'\nfrom .deep.low import tell\n",
        "deep/__init__.py": "",
        "deep/low.py": "from .. import WHO\n\ndef tell():\n    return WHO\n",
    },
    "star_import": {"__init__.py": "from .deep.low import *\n\ndef tell():\n    return WHO\n", **DEEP},
    "star_import_with_all": {
        "__init__.py": "from strategy.deep import *\n\ndef tell():\n    return low.WHO\n",
        "deep/__init__.py": "__all__ = ['low']\n",
        "deep/low.py": "WHO = '{who}'\n",
    },
    "package_init_reexport": {
        "__init__.py": "from strategy.deep import WHO\n\ndef tell():\n    return WHO\n",
        "deep/__init__.py": "from .low import WHO\n",
        "deep/low.py": "WHO = '{who}'\n",
    },
    "three_level_reexport": {
        "__init__.py": "from .a import WHO\n\ndef tell():\n    return WHO\n",
        "a.py": "from strategy.b import WHO\n",
        "b.py": "from .c import WHO\n",
        "c.py": "WHO = '{who}'\n",
    },
    "lazy_absolute_import_in_function": {**in_function("import strategy.deep.low", "strategy.deep.low.WHO"), **DEEP},
    "lazy_from_import_in_function": {**in_function("from strategy.deep.low import WHO", "WHO"), **DEEP},
    "lazy_relative_import_in_function": {**in_function("from .deep.low import WHO", "WHO"), **DEEP},
    "lazy_import_in_a_nested_function_of_a_class": {
        "__init__.py": (
            "class Teller:\n    def tell(self):\n        def inner():\n            from strategy.deep import low\n"
            "            return low.WHO\n        return inner()\n\ntell = Teller().tell\n"
        ),
        **DEEP,
    },
    "import_alias": {
        "__init__.py": "import strategy.deep.low as x\n\ndef tell():\n    return x.WHO\n",
        **DEEP,
    },
    "lazy_import_alias": {**in_function("import strategy.deep.low as x", "x.WHO"), **DEEP},
    "from_import_alias": {"__init__.py": "from .deep import low as x\n\ndef tell():\n    return x.WHO\n", **DEEP},
    "dunder_import": {**in_function("low = __import__('strategy.deep.low', fromlist=['WHO'])", "low.WHO"), **DEEP},
    "import_in_exec": {**in_function("n = {}; exec('from strategy.deep.low import WHO', n)", "n['WHO']"), **DEEP},
    "type_checking_import": {
        "__init__.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from strategy.nowhere import Nothing\n"
            "from .deep.low import WHO\n\ndef tell(x: 'Nothing' = None):\n    return WHO\n"
        ),
        **DEEP,
    },
    "circular_imports": {
        "__init__.py": "from .a import tell\n",
        "a.py": "import strategy.b\n\nWHO = '{who}'\n\ndef tell():\n    return strategy.b.ask()\n",
        "b.py": "import strategy.a\n\ndef ask():\n    return strategy.a.WHO\n",
    },
    "circular_alias_imports": {
        "__init__.py": "from .a import tell\n",
        "a.py": "import strategy.b as b\n\nWHO = '{who}'\n\ndef tell():\n    return b.ask()\n",
        "b.py": "import strategy.a as a\n\ndef ask():\n    return a.WHO\n",
    },
    "circular_from_import": {
        "__init__.py": "from .a import tell\n",
        "a.py": "from strategy import b\n\nWHO = '{who}'\n\ndef tell():\n    return b.ask()\n",
        "b.py": "from strategy import a\n\ndef ask():\n    return a.WHO\n",
    },
    "folder_without_init": {
        "__init__.py": "from strategy.plain.low import WHO\n\ndef tell():\n    return WHO\n",
        "plain/low.py": "WHO = '{who}'\n",
    },
    "module_named_as_one_of_the_standard_library": {
        "__init__.py": (
            "from . import json\nimport json as real\n\ndef tell():\n    real.dumps(1)\n    return json.WHO\n"
        ),
        "json.py": "WHO = '{who}'\n",
    },
}


def of(who: str, files: Files) -> Files:
    return {name: text.replace("{who}", who) for name, text in files.items()}


@pytest.mark.parametrize("case", sorted(RESOLUTIONS))
def test_two_releases_side_by_side_resolve_to_themselves(tmp_path: Path, case: str) -> None:
    """Invariant 3, as far as it is built."""
    one = opened(tmp_path, of("one", RESOLUTIONS[case]), 1)
    other = opened(tmp_path, of("other", RESOLUTIONS[case]), 2)

    first, second = one.load(), other.load()

    assert [told_by(first), told_by(second), told_by(first)] == ["one", "other", "one"]
    one.close()
    other.close()


@pytest.mark.parametrize("case", sorted(RESOLUTIONS))
def test_a_module_of_the_program_with_the_same_name_is_neither_used_nor_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    resident = ModuleType("strategy")
    monkeypatch.setitem(sys.modules, "strategy", resident)
    before = dict(vars(resident))
    namespace = opened(tmp_path, of("live", RESOLUTIONS[case]))

    assert told_by(namespace.load()) == "live"

    namespace.close()
    assert sys.modules["strategy"] is resident
    assert vars(resident) == before
    assert not [name for name in sys.modules if name.startswith("strategy.")]


def test_the_plain_name_of_the_live_package_never_enters_the_programs_modules(tmp_path: Path) -> None:
    namespace = opened(tmp_path, of("x", RESOLUTIONS["absolute_import"]))
    before = {name for name in sys.modules if not name.startswith(namespace.prefix)}

    namespace.load()

    added = {name for name in sys.modules if not name.startswith(namespace.prefix)} - before
    assert not {name for name in added if name.split(".")[0] == "strategy"}
    namespace.close()


def test_all_holders_inside_a_release_see_the_same_module(tmp_path: Path) -> None:
    files = {
        "__init__.py": (
            "import strategy.low as a\nfrom strategy import low as b\nfrom . import low as c\n\n"
            "def tell():\n    from strategy import low as d\n    import strategy\n"
            "    return a is b is c is d is strategy.low\n"
        ),
        "low.py": "",
    }
    namespace = opened(tmp_path, files)

    assert told_by(namespace.load()) is True
    namespace.close()


def test_modules_of_others_are_the_programs_own(tmp_path: Path) -> None:
    namespace = opened(tmp_path, {"__init__.py": "import json, tesseract.seam\n\ndef tell():\n    return json\n"})

    assert told_by(namespace.load()) is sys.modules["json"]
    namespace.close()


def test_a_package_whose_name_begins_with_the_live_ones_is_not_taken_for_it(tmp_path: Path) -> None:
    namespace = opened(tmp_path, {"__init__.py": ""})

    assert namespace.mapped("strategy") == f"{namespace.prefix}.strategy"
    assert namespace.mapped("strategy.x") == f"{namespace.prefix}.strategy.x"
    assert namespace.mapped("strategyx") == "strategyx"
    assert namespace.mapped("other.strategy") == "other.strategy"
    namespace.close()


def test_the_live_package_may_have_any_name(tmp_path: Path) -> None:
    namespace = opened(
        tmp_path, {"__init__.py": "from other.low import WHO\n\ndef tell():\n    return WHO\n", "low.py": "WHO = 1\n"},
        name="other",
    )  # fmt: skip

    assert told_by(namespace.load()) == 1
    namespace.close()


def test_a_module_that_is_not_in_the_release_is_not_found_in_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "strategy.helper", ModuleType("strategy.helper"))
    namespace = opened(tmp_path, {"__init__.py": "import strategy.helper\n"})

    with pytest.raises(ModuleNotFoundError, match=r"strategy\.helper"):
        namespace.load()
    namespace.close()


def test_close_leaves_no_module_and_no_finder(tmp_path: Path) -> None:
    """Invariant 11, as far as it is built."""
    modules, finders = set(sys.modules), list(sys.meta_path)
    namespace = opened(tmp_path, of("x", RESOLUTIONS["circular_imports"]))
    namespace.load()

    namespace.close()

    assert set(sys.modules) == modules
    assert sys.meta_path == finders


def test_close_after_a_failed_import_leaves_no_module_and_no_finder(tmp_path: Path) -> None:
    modules, finders = set(sys.modules), list(sys.meta_path)
    namespace = opened(tmp_path, {"__init__.py": "from . import low\n1 / 0\n", "low.py": ""})
    with pytest.raises(ZeroDivisionError):
        namespace.load()

    namespace.close()

    assert set(sys.modules) == modules
    assert sys.meta_path == finders


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    namespace = opened(tmp_path, {"__init__.py": ""})
    namespace.close()
    finders = list(sys.meta_path)

    namespace.close()

    assert sys.meta_path == finders


def test_closing_one_release_leaves_the_other_running(tmp_path: Path) -> None:
    files = RESOLUTIONS["lazy_from_import_in_function"]
    one, other = opened(tmp_path, of("one", files), 1), opened(tmp_path, of("other", files), 2)
    one.load()
    running = other.load()

    one.close()

    assert told_by(running) == "other"
    other.close()


FAILING = {"__init__.py": "def tell():\n    return helper()\n\ndef helper():\n    raise KeyError('in v{who}')\n"}


def test_a_traceback_shows_the_stored_copy_and_its_line(tmp_path: Path) -> None:
    one, other = opened(tmp_path, of("1", FAILING), 1), opened(tmp_path, of("2", FAILING), 2)
    one.load()
    module = other.load()
    (tmp_path / "tree2" / "strategy" / "__init__.py").write_text("# edited since\n" * 9)

    with pytest.raises(KeyError) as caught:
        told_by(module)

    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (module.__file__, 5)
    assert last.line == "raise KeyError('in v2')"
    assert str(tmp_path / "store") in last.filename
    one.close()
    other.close()


def test_getsource_and_linecache_show_the_stored_copy(tmp_path: Path) -> None:
    one, other = opened(tmp_path, of("1", FAILING), 1), opened(tmp_path, of("2", FAILING), 2)
    modules = [one.load(), other.load()]

    sources = [inspect.getsource(module.helper) for module in modules]

    assert sources == [f"def helper():\n    raise KeyError('in v{number}')\n" for number in (1, 2)]
    assert linecache.getline(str(modules[1].__file__), 5) == "    raise KeyError('in v2')\n"
    assert inspect.getdoc(modules[0]) is None
    one.close()
    other.close()


def test_module_names_end_in_the_name_that_the_source_uses(tmp_path: Path) -> None:
    namespace = opened(tmp_path, of("x", RESOLUTIONS["absolute_import"]))
    module = namespace.load()

    assert module.__name__ == f"{namespace.prefix}.strategy"
    assert sys.modules[f"{namespace.prefix}.strategy.deep.low"].__name__.endswith(".strategy.deep.low")
    namespace.close()


def test_no_byte_code_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    namespace = opened(tmp_path, of("x", RESOLUTIONS["three_level_reexport"]))
    namespace.load()

    assert not [name for name in paths_below(tmp_path) if "__pycache__" in name or name.endswith(".pyc")]
    namespace.close()


def test_the_programs_own_builtins_are_untouched(tmp_path: Path) -> None:
    before = __import__
    namespace = opened(tmp_path, {"__init__.py": "def tell():\n    return __builtins__['__import__']\n"})

    assert told_by(namespace.load()) is not before
    assert __import__ is before
    namespace.close()
