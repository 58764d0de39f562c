"""Group B, imports: whatever way a name came into a module, after a swap it is the new release's."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from conformance.program import HEAD, HOSTS, Files, Program, a_program

DECIDE = """


def decide(given, state, params):
    return Result(State(state.seen + params.step), told())
"""


class Case(NamedTuple):
    """A tree without its head and `decide`, what `told()` says of it, the edit, and what is said then."""

    files: Files
    told: object
    edit: Files
    told_then: object


def edge(answer: str) -> str:
    return f"def edge():\n    return {answer!r}\n"


CASES = {
    "from_import_holder": Case(
        {
            "signals.py": edge("old"),
            "fast.py": "from strategy.signals import edge\n",
            "slow.py": "from strategy.signals import edge as inner\n\nHELD = {'edge': inner}\n",
            "__init__.py": "from strategy import fast, signals, slow\n\n\n"
            "def told():\n    is_one = fast.edge is slow.inner is slow.HELD['edge'] is signals.edge\n"
            "    return [fast.edge(), slow.HELD['edge'](), is_one]\n",
        },
        ["old", "old", True],
        {"signals.py": edge("new")},
        ["new", "new", True],
    ),
    "three_level_reexport": Case(
        {
            "low.py": edge("old"),
            "middle.py": "from strategy.low import edge\n",
            "high.py": "from strategy.middle import edge\n",
            "__init__.py": "from strategy import high, low\n\n\n"
            "def told():\n    return [high.edge(), high.edge is low.edge]\n",
        },
        ["old", True],
        {"low.py": edge("new")},
        ["new", True],
    ),
    "star_import_with_all": Case(
        {
            "signals.py": "__all__ = ['edge']\n\n\n" + edge("old") + "\n\ndef extra():\n    return 0\n",
            "__init__.py": "from strategy.signals import *\n\n\n"
            "def told():\n    return [edge(), 'extra' in globals()]\n",
        },
        ["old", False],
        {"signals.py": "__all__ = ['edge', 'extra']\n\n\n" + edge("new") + "\n\ndef extra():\n    return 0\n"},
        ["new", True],
    ),
    "package_init_reexport": Case(
        {
            "signals/__init__.py": "from strategy.signals.edges import edge\n",
            "signals/edges.py": edge("old"),
            "__init__.py": "from strategy import signals\nfrom strategy.signals import edge\n\n\n"
            "def told():\n    return [edge(), signals.edge is signals.edges.edge is edge]\n",
        },
        ["old", True],
        {"signals/edges.py": edge("new")},
        ["new", True],
    ),
    "relative_import": Case(
        {
            "signals.py": edge("old"),
            "deep/__init__.py": "",
            "deep/near.py": "def near():\n    return 'near old'\n",
            "deep/inner.py": "from ..signals import edge\nfrom . import near\nfrom .near import near as found\n",
            "__init__.py": "from .deep import inner\n\n\n"
            "def told():\n    return [inner.edge(), inner.near.near(), inner.found is inner.near.near]\n",
        },
        ["old", "near old", True],
        {"signals.py": edge("new"), "deep/near.py": "def near():\n    return 'near new'\n"},
        ["new", "near new", True],
    ),
    "absolute_import": Case(
        {
            "deep/__init__.py": "",
            "deep/signals.py": edge("old"),
            "__init__.py": "import strategy.deep.signals\nfrom strategy.deep.signals import edge\n\n\n"
            "def told():\n    return [strategy.deep.signals.edge(), strategy.deep.signals.edge is edge]\n",
        },
        ["old", True],
        {"deep/signals.py": edge("new")},
        ["new", True],
    ),
    "lazy_import_in_function": Case(
        {
            "late.py": "TABLE = {'answer': 'old'}\n\n\n" + "def edge():\n    return TABLE['answer']\n",
            "__init__.py": "def told():\n    from strategy.late import edge\n    import strategy.late\n\n"
            "    return [edge(), strategy.late.edge is edge]\n",
        },
        ["old", True],
        {"late.py": "TABLE = {'answer': 'new'}\n\n\n" + "def edge():\n    return TABLE['answer']\n"},
        ["new", True],
    ),
    "type_checking_import": Case(
        {
            "shapes.py": "class Shape:\n    kind = 'old'\n",
            "signals.py": "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\n"
            "if TYPE_CHECKING:\n    from strategy.shapes import Shape\n\n\n"
            "def kind_of(shape: Shape) -> str:\n    return shape.kind\n",
            "__init__.py": "from strategy import shapes, signals\n\n\n"
            "def told():\n    return [signals.kind_of(shapes.Shape()), hasattr(signals, 'Shape')]\n",
        },
        ["old", False],
        {"shapes.py": "class Shape:\n    kind = 'new'\n"},
        ["new", False],
    ),
    "import_alias": Case(
        {
            "signals.py": edge("old"),
            "__init__.py": "import strategy.signals as first\nfrom strategy import signals as second\n"
            "from strategy.signals import edge as third\n\n\n"
            "def told():\n    return [first.edge(), third(), first is second, first.edge is third]\n",
        },
        ["old", "old", True, True],
        {"signals.py": edge("new")},
        ["new", "new", True, True],
    ),
    "helper_two_imports_down": Case(
        {
            "units.py": "FACTOR = 1\n\n\ndef scaled(value):\n    return value * FACTOR\n",
            "prices.py": "from strategy.units import scaled\n\nBASE = scaled(10)\n\n\n"
            "def price():\n    return scaled(BASE)\n",
            "momentum.py": "from strategy.prices import price\n\nSEEN_AT_IMPORT = price()\n",
            "other.py": "import strategy.units\n\n\ndef other():\n    return strategy.units.scaled(3)\n",
            "__init__.py": "from strategy import momentum, other\n\n\n"
            "def told():\n    return [momentum.SEEN_AT_IMPORT, momentum.price(), other.other()]\n",
        },
        [10, 10, 3],
        {"units.py": "FACTOR = 2\n\n\ndef scaled(value):\n    return value * FACTOR\n"},
        [40, 40, 6],
    ),
    "circular_imports_both_edited": Case(
        {
            "one.py": "import strategy.two\n\n\ndef mine():\n    return 'one old'\n\n\n"
            "def both():\n    return [mine(), strategy.two.mine()]\n",
            "two.py": "import strategy.one\n\n\ndef mine():\n    return 'two old'\n\n\n"
            "def both():\n    return [mine(), strategy.one.mine()]\n",
            "__init__.py": "from strategy import one, two\n\n\ndef told():\n    return one.both() + two.both()\n",
        },
        ["one old", "two old", "two old", "one old"],
        {
            "one.py": "import strategy.two\n\n\ndef mine():\n    return 'one new'\n\n\n"
            "def both():\n    return [mine(), strategy.two.mine()]\n",
            "two.py": "import strategy.one\n\n\ndef mine():\n    return 'two new'\n\n\n"
            "def both():\n    return [mine(), strategy.one.mine()]\n",
        },
        ["one new", "two new", "two new", "one new"],
    ),
    "circular_from_import": Case(
        {
            "one.py": "from strategy import two\n\n\ndef mine():\n    return 'one old'\n\n\n"
            "def both():\n    return [mine(), two.mine()]\n",
            "two.py": "from . import one\n\n\ndef mine():\n    return 'two old'\n\n\n"
            "from strategy.three import mine as third\n\n\n"
            "def both():\n    return [mine(), one.mine(), third()]\n",
            "three.py": "from strategy.two import mine as second\n\n\ndef mine():\n    return ['three', second()]\n",
            "__init__.py": "from strategy import one, two\n\n\ndef told():\n    return one.both() + two.both()\n",
        },
        ["one old", "two old", "two old", "one old", ["three", "two old"]],
        {
            "two.py": "from . import one\n\n\ndef mine():\n    return 'two new'\n\n\n"
            "from strategy.three import mine as third\n\n\n"
            "def both():\n    return [mine(), one.mine(), third()]\n",
        },
        ["one old", "two new", "two new", "one old", ["three", "two new"]],
    ),
    "module_added": Case(
        {
            "signals.py": edge("old"),
            "__init__.py": "from strategy.signals import edge\n\n\ndef told():\n    return edge()\n",
        },
        "old",
        {
            "added.py": "def more():\n    return 'added'\n",
            "signals.py": "from strategy.added import more\n\n\ndef edge():\n    return more()\n",
        },
        "added",
    ),
    "module_deleted_and_unused": Case(
        {
            "signals.py": edge("stays"),
            "unused.py": "ANSWER = 'old'\n",
            "__init__.py": "import importlib.util\n\nfrom strategy.signals import edge\n\n\n"
            "def told():\n    return [edge(), importlib.util.find_spec('.unused', __package__) is not None]\n",
        },
        ["stays", True],
        {"unused.py": None},
        ["stays", False],
    ),
    "module_renamed_with_importers": Case(
        {
            "signals.py": edge("old name"),
            "fast.py": "from strategy.signals import edge\n",
            "__init__.py": "from strategy import fast\nfrom strategy.signals import edge\n\n\n"
            "def told():\n    return [edge(), edge.__module__.rpartition('.')[2], fast.edge is edge]\n",
        },
        ["old name", "signals", True],
        {
            "signals.py": None,
            "markers.py": edge("new name"),
            "fast.py": "from strategy.markers import edge\n",
            "__init__.py": "from strategy import fast\nfrom strategy.markers import edge\n\n\n"
            "def told():\n    return [edge(), edge.__module__.rpartition('.')[2], fast.edge is edge]\n",
        },
        ["new name", "markers", True],
    ),
    "function_moved_between_modules": Case(
        {
            "fast.py": edge("in fast"),
            "slow.py": "def other():\n    return 1\n",
            "__init__.py": "from strategy import fast, slow\nfrom strategy.fast import edge\n\n\n"
            "def told():\n    return [edge(), hasattr(fast, 'edge'), hasattr(slow, 'edge')]\n",
        },
        ["in fast", True, False],
        {
            "fast.py": "ANSWER = 0\n",
            "slow.py": edge("in slow"),
            "__init__.py": "from strategy import fast, slow\nfrom strategy.slow import edge\n\n\n"
            "def told():\n    return [edge(), hasattr(fast, 'edge'), hasattr(slow, 'edge')]\n",
        },
        ["in slow", False, True],
    ),
    "package_becomes_module": Case(
        {
            "signals/__init__.py": "from strategy.signals.edges import edge\n",
            "signals/edges.py": edge("package"),
            "__init__.py": "from strategy import signals\n\n\n"
            "def told():\n    return [signals.edge(), hasattr(signals, '__path__')]\n",
        },
        ["package", True],
        {"signals/__init__.py": None, "signals/edges.py": None, "signals.py": edge("module")},
        ["module", False],
    ),
}


@pytest.fixture(scope="module", params=HOSTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One program for all cases; each begins by replacing the whole tree."""
    files = {"__init__.py": HEAD + "def told():\n    return 0\n" + DECIDE}
    with a_program(tmp_path_factory.mktemp("program"), host=request.param, files=files) as program:
        yield program


def whole(files: Files) -> dict[str, str | bytes | None]:
    """With the head in front of the package's own source, and `decide` behind it."""
    own = files.get("__init__.py")
    return {**files, **({"__init__.py": f"{HEAD}\n{own}{DECIDE}"} if own is not None else {})}


@pytest.mark.parametrize("case", CASES)
def test_the_next_evaluation_sees_the_new_module_through_every_import(program: Program, case: str) -> None:
    files, told, edit, told_then = CASES[case]
    program.replace(whole(files))
    first = program.deploy()
    assert first.is_live, first.text
    assert program.value() == told
    number = program.state()["seen"]

    verdict = program.deploy(whole(edit))

    assert verdict.is_live, verdict.text
    assert program.value() == told_then
    assert program.value() == told_then
    assert program.state() == {"seen": number + 2}
    program.roll_back()
    assert program.value() == told
    assert program.state() == {"seen": number + 3}
