"""Which files a strategy reaches: too many costs a needless deploy, too few would leave old code running."""

import subprocess
import sys
from pathlib import Path

import pytest
from release_trees import a_tree

from tesseract.imports import reach_digest, reached

PACKAGES = {"__init__.py": "", "signals/__init__.py": "", "signals/deep/__init__.py": ""}


def a_source(files: dict[str, str]) -> dict[str, bytes]:
    return {path: source.encode() for path, source in {"__init__.py": "", **files}.items()}


def reach_of(files: dict[str, str], entry: str = "strategy.fast") -> set[str]:
    return set(reached(a_source(files), "strategy", entry))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from strategy.signals import momentum", {"signals/__init__.py", "signals/momentum.py"}),
        ("import strategy.signals.momentum", {"signals/__init__.py", "signals/momentum.py"}),
        ("import strategy.signals.momentum as m", {"signals/__init__.py", "signals/momentum.py"}),
        ("import strategy.signals", {"signals/__init__.py"}),
        ("from strategy.signals.momentum import speed", {"signals/__init__.py", "signals/momentum.py"}),
        ("from .signals.momentum import speed as s", {"signals/__init__.py", "signals/momentum.py"}),
        ("from .signals import momentum, other", {"signals/__init__.py", "signals/momentum.py"}),
        ("from . import signals", {"signals/__init__.py"}),
        ("from . import slow", {"slow.py"}),
        ("from .slow import *", {"slow.py"}),
        ("def f():\n    from .slow import x", {"slow.py"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .slow import X", {"slow.py"}),
        ("try:\n    import strategy.missing\nexcept ImportError:\n    import strategy.slow", {"slow.py"}),
        ("import numpy, math, slow, signals.momentum", set()),
        ("from ... import slow", set()),
        ("from .... import slow", set()),
        ("import strategy.nowhere.deeper", set()),
        ("import importlibrary\nframe.eval('x')", set()),
    ],
)
def test_each_form_of_an_import_reaches_the_module_and_the_packages_above_it(
    statement: str, expected: set[str]
) -> None:
    files = {"fast.py": statement, "slow.py": "", "signals/__init__.py": "", "signals/momentum.py": ""}

    assert reach_of(files) == {"__init__.py", "fast.py"} | expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from . import near", "signals/deep/near.py"),
        ("from .near import x", "signals/deep/near.py"),
        ("from .. import momentum", "signals/momentum.py"),
        ("from ..momentum import x", "signals/momentum.py"),
        ("from ... import slow", "slow.py"),
        ("from ...slow import x", "slow.py"),
    ],
)
@pytest.mark.parametrize("home", ["signals/deep/here.py", "signals/deep/__init__.py"])
def test_relative_imports_of_every_level_resolve_from_modules_and_packages(
    statement: str, expected: str, home: str
) -> None:
    files = {**PACKAGES, "signals/deep/near.py": "", "signals/momentum.py": "", "slow.py": "", home: statement}
    entry = "strategy." + home.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    assert reach_of(files, entry) == {*PACKAGES, home, expected}


def test_helper_two_imports_down_is_reached() -> None:
    files = {"fast.py": "from . import a", "a.py": "from . import b", "b.py": "from . import c", "c.py": "", "d.py": ""}

    assert reach_of(files) == {"__init__.py", "fast.py", "a.py", "b.py", "c.py"}


def test_three_level_reexport_is_followed_through_every_init() -> None:
    files = {
        "fast.py": "from strategy.signals import speed",
        "signals/__init__.py": "from .deep import speed",
        "signals/deep/__init__.py": "from .momentum import speed",
        "signals/deep/momentum.py": "speed = 1",
        "signals/deep/unused.py": "",
    }

    assert reach_of(files) == {"__init__.py", *files} - {"signals/deep/unused.py"}


def test_a_star_import_of_a_package_reaches_the_modules_that_it_lists() -> None:
    files = {
        "fast.py": "from .signals import *",
        "signals/__init__.py": "__all__ = ['momentum']\n__all__ += ['drift', 'speed']",
        "signals/momentum.py": "",
        "signals/drift.py": "",
        "signals/unused.py": "",
    }

    assert reach_of(files) == {"__init__.py", *files} - {"signals/unused.py"}


@pytest.mark.parametrize(
    "listed", ["__all__ = [n for n in names]", "__all__ = []\n__all__.extend(names)", "__all__ = a + b"]
)
def test_a_star_import_with_a_computed_list_reaches_every_module_of_the_package(listed: str) -> None:
    files = {"fast.py": "from .signals import *", "signals/__init__.py": listed, "signals/a.py": "", "slow.py": ""}

    assert reach_of(files) == {"__init__.py", *files} - {"slow.py"}


def test_circular_imports_are_followed_once() -> None:
    files = {"fast.py": "from . import a", "a.py": "from . import b", "b.py": "from . import a, fast"}

    assert reach_of(files) == {"__init__.py", *files}


def test_an_init_that_imports_every_strategy_makes_each_reach_the_others() -> None:
    files = {"__init__.py": "from . import fast, slow", "fast.py": "", "slow.py": ""}

    assert reach_of(files) == set(files)


def test_the_package_itself_is_an_entry() -> None:
    files = {"__init__.py": "from .fast import decide", "fast.py": "", "slow.py": ""}

    assert reach_of(files, "strategy") == {"__init__.py", "fast.py"}


@pytest.mark.parametrize("entry", ["strategy.gone", "strategy.gone.deeper"])
def test_an_entry_that_does_not_exist_reaches_the_packages_above_it(entry: str) -> None:
    assert reach_of({"slow.py": ""}, entry) == {"__init__.py"}


def test_an_entry_of_another_package_reaches_nothing() -> None:
    assert reach_of({"slow.py": ""}, "other.slow") == set()


def test_a_folder_without_an_init_is_a_package_too() -> None:
    assert reach_of({"fast.py": "from .loose import part", "loose/part.py": ""}) == {
        "__init__.py",
        "fast.py",
        "loose/part.py",
    }


def test_a_package_hides_a_module_of_the_same_name() -> None:
    files = {"fast.py": "from . import signals", "signals.py": "", "signals/__init__.py": ""}

    assert reach_of(files) == {"__init__.py", "fast.py", "signals/__init__.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "import importlib",
        "from importlib import import_module",
        "import importlib.util as u",
        "import pkgutil",
        "def f():\n    import runpy",
        "__import__('strategy.slow')",
        "exec(source)",
        "x = eval",
        "import builtins\nbuiltins.exec(source)",
        "from builtins import exec as run",
    ],
)
def test_a_module_that_imports_by_computed_names_reaches_every_file(statement: str) -> None:
    files = {"fast.py": "from . import helper", "helper.py": statement, "slow.py": "", "slow/table.csv": ""}

    assert reach_of(files) == {"__init__.py", *files}


def test_a_dynamic_module_that_is_not_reached_reaches_nothing() -> None:
    assert reach_of({"fast.py": "", "slow.py": "import importlib"}) == {"__init__.py", "fast.py"}


@pytest.mark.parametrize("broken", [b"def f(:", b"x = '\0'", b"# coding: nowhere\n", b"\xff\xfe", b"(" * 5000])
def test_a_file_that_does_not_parse_is_reached_and_reaches_nothing(broken: bytes) -> None:
    files = {"__init__.py": b"", "fast.py": b"from . import slow", "slow.py": broken, "other.py": b""}

    assert reached(files, "strategy", "strategy.fast") == {"__init__.py", "fast.py", "slow.py"}


def test_a_doubtful_escape_does_not_hide_the_imports() -> None:
    assert "slow.py" in reach_of({"fast.py": "x = '\\d'\nfrom . import slow", "slow.py": ""})


def test_data_belongs_to_the_nearest_folder_with_source() -> None:
    files = {
        "rates.csv": "",
        "tables/shared.json": "",
        "fast/__init__.py": "",
        "fast/data/deep/fast.csv": "",
        "slow/__init__.py": "",
        "slow/slow.csv": "",
    }

    assert reach_of(files) == {
        "__init__.py",
        "rates.csv",
        "tables/shared.json",
        "fast/__init__.py",
        "fast/data/deep/fast.csv",
    }


@pytest.mark.parametrize("said", ["'slow/slow.csv'", "HERE / 'slow' / 'slow.csv'", "f'{HERE}/slow.csv'"])
def test_data_of_another_folder_is_reached_by_a_module_that_names_it(said: str) -> None:
    files = {"fast.py": f"HERE = ''\nPATH = {said}", "slow/__init__.py": "", "slow/slow.csv": ""}

    assert reach_of(files) == {"__init__.py", "fast.py", "slow/slow.csv"}


TWO = {"fast.py": "from . import shared", "slow.py": "from . import shared, extra", "shared.py": "", "extra.py": ""}


def digests_of(files: dict[str, str]) -> list[str]:
    return [reach_digest(a_source(files), "strategy", f"strategy.{name}") for name in ("fast", "slow")]


def test_two_strategies_one_edited_changes_the_digest_of_the_one_that_imports_it() -> None:
    fast, slow = digests_of(TWO)
    fast_after, slow_after = digests_of({**TWO, "extra.py": "x = 1"})

    assert fast_after == fast
    assert slow_after != slow


def test_an_edit_of_a_shared_module_changes_both_digests() -> None:
    before, after = digests_of(TWO), digests_of({**TWO, "shared.py": "x = 1"})

    assert all(one != other for one, other in zip(before, after, strict=True))


def test_python_imports_no_file_that_was_not_predicted(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from .base import X",
        "base.py": "X = 1",
        "fast.py": "from .signals import *\nfrom strategy.signals.deep import speed\nimport strategy.tools as t",
        "signals/__init__.py": "from . import momentum\n__all__ = ['drift']",
        "signals/momentum.py": "from ..base import X",
        "signals/drift.py": "",
        "signals/deep/__init__.py": "from .a import speed",
        "signals/deep/a.py": "from ... import tools\nspeed = 1",
        "tools.py": "",
        "slow.py": "",
    }
    tree = a_tree(tmp_path, files)
    script = (
        "import sys; import strategy.fast\n"
        "print('\\n'.join(m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'strategy'))"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    executed = {Path(line).relative_to(tree).as_posix() for line in told.stdout.splitlines()}

    assert executed == reach_of(files) == set(files) - {"slow.py"}
