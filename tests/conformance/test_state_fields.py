"""Group D, fields of State: carried by rule, or refused with the field's path; never an error later."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.program import HOSTS, Program, a_program
from conformance.refusals import states_of
from conformance.state_trees import a_tree

Tree = Mapping[str, str]


class Live(NamedTuple):
    """A tree that goes live, what the state of three calls becomes, what is noted, and the state one call later."""

    tree: Tree
    carried: dict[str, Any]
    notes: tuple[str, ...]
    later: dict[str, Any]


class Case(NamedTuple):
    before: Tree
    live: Live | None
    refused: list[tuple[Tree, str]]


SEEN = a_tree("seen: int = 0", "seen=state.seen + 1")
COUNT = "count=state.count + 1"
WRITE = "write migrate(old, old_schema)"


def level(fields: str) -> str:
    return f"class Level(msgspec.Struct, frozen=True):\n    {fields}\n"


LEVEL = level("price: float = 0.5\n    size: int = 0")
LEVEL_AGED = level("price: float = 0.5\n    size: int = 0\n    age: int = 7")
LEVEL_NEEDS_AGE = level("price: float\n    size: int\n    age: int")
LEVEL_TEXT = level("price: float = 0.5\n    size: str = ''")
ONE_LEVEL = "level: Level = Level()"
GROWN = "level=msgspec.structs.replace(state.level, size=state.level.size + 1)"
LEVELS = "levels: list[Level] = []"
APPENDED = "levels=[*state.levels, Level(0.25, given.number)]"


def sides(names: str) -> str:
    return f"class Side(enum.Enum):\n    {names}\n"


BUY_SELL = sides("BUY = 'buy'\n    SELL = 'sell'")
BUY_SELL_HOLD = sides("BUY = 'buy'\n    SELL = 'sell'\n    HOLD = 'hold'")

CASES = {
    "field_added_with_default": Case(
        SEEN,
        Live(
            a_tree(
                "seen: int = 0; high: float = 1.5; names: list[str] = []", "seen=state.seen + 1, high=state.high * 2"
            ),
            {"seen": 3, "high": 1.5, "names": []},
            ("State.high is new and starts at its default 1.5", "State.names is new and starts at its default []"),
            {"seen": 4, "high": 3.0, "names": []},
        ),
        [],
    ),
    "field_added_without_default": Case(
        SEEN,
        None,
        [
            (
                a_tree("seen: int = 0; high: float", "seen=state.seen + 1"),
                "every field needs a default of plain data: State.high has none (strategy/__init__.py:",
            )
        ],
    ),
    "field_removed": Case(
        a_tree("seen: int = 0; high: float = 1.5", "seen=state.seen + 1, high=9.0"),
        Live(SEEN, {"seen": 3}, ("State.high is dropped",), {"seen": 4}),
        [],
    ),
    "field_renamed_without_migrate": Case(
        SEEN,
        None,
        [
            (
                a_tree("count: int = 0", COUNT),
                "State.seen is gone and State.count is new: if it was renamed, migrate(old, old_schema) must carry it",
            )
        ],
    ),
    "field_renamed_with_migrate": Case(
        SEEN,
        Live(
            a_tree(
                "count: int = 0",
                COUNT,
                functions="def migrate(old, old_schema):\n    return State(count=old['seen'])\n",
            ),
            {"count": 3},
            ("migrate carried 1 states from schema ",),
            {"count": 4},
        ),
        [],
    ),
    "field_type_widened": Case(
        a_tree("seen: int = 0; level: Annotated[int, Meta(ge=0, le=9)] = 1", "seen=state.seen + 1, level=9"),
        Live(
            a_tree("seen: float = 0.0; level: Annotated[int, Meta(ge=0)] = 1", "seen=state.seen + 0.5, level=99"),
            {"seen": 3, "level": 9},
            (),
            {"seen": 3.5, "level": 99},
        ),
        [],
    ),
    "field_type_narrowed": Case(
        a_tree("seen: float = 0.0; level: int = 1", "seen=state.seen + 1.0, level=2"),
        None,
        [
            (
                a_tree("seen: int = 0; level: int = 1", "seen=state.seen + 1"),
                f"State.seen: was number, is now integer, and not every value fits; {WRITE}",
            ),
            (
                a_tree("seen: float = 0.0; level: Annotated[int, Meta(le=5)] = 1", "level=2"),
                f"State.level: was integer, is now integer (le 5), and not every value fits; {WRITE}",
            ),
        ],
    ),
    "nested_struct_changed": Case(
        a_tree(ONE_LEVEL, GROWN, declares=LEVEL),
        Live(
            a_tree(ONE_LEVEL, GROWN, declares=LEVEL_AGED, value="state.level.age"),
            {"level": {"price": 0.5, "size": 3, "age": 7}},
            ("State.level.age is new and starts at its default 7",),
            {"level": {"price": 0.5, "size": 4, "age": 7}},
        ),
        [
            (
                a_tree(ONE_LEVEL, "level=Level()", declares=LEVEL_TEXT),
                f"State.level.size: was integer, is now string, and not every value fits; {WRITE}",
            )
        ],
    ),
    "list_of_struct_changed": Case(
        a_tree(LEVELS, APPENDED, declares=LEVEL),
        Live(
            a_tree(LEVELS, "levels=state.levels[1:]", declares=LEVEL_AGED, value="[each.age for each in state.levels]"),
            {"levels": [{"price": 0.25, "size": size, "age": 7} for size in (1, 2, 3)]},
            ("State.levels[].age is new and starts at its default 7",),
            {"levels": [{"price": 0.25, "size": size, "age": 7} for size in (2, 3)]},
        ),
        [
            (
                a_tree(LEVELS, "levels=[]", declares=LEVEL_NEEDS_AGE),
                f"State.levels[].age is new and has no default; give it one, or {WRITE}",
            )
        ],
    ),
    "optional_added": Case(
        a_tree("seen: int = 0; last: int | None = None", "seen=state.seen + 1, last=given.number"),
        Live(
            a_tree("seen: int | None = 0; last: int | None = None", "seen=None"),
            {"seen": 3, "last": 3},
            (),
            {"seen": None, "last": 3},
        ),
        [
            (
                a_tree("seen: int = 0; last: int = 0", "seen=state.seen + 1"),
                f"State.last: was integer or null, is now integer, and not every value fits; {WRITE}",
            )
        ],
    ),
    "union_changed": Case(
        a_tree("mark: int | str = 0", "mark=given.number if given.number < 3 else 'three'"),
        Live(
            a_tree("mark: int | str | list[int] = 0", "mark=[1, 2]", value="state.mark"),
            {"mark": "three"},
            (),
            {"mark": [1, 2]},
        ),
        [
            (
                a_tree("mark: int = 0", "mark=1"),
                f"State.mark: was integer or string, is now integer, and not every value fits; {WRITE}",
            )
        ],
    ),
    "enum_in_state_changed": Case(
        a_tree("side: Side = Side.BUY", "side=Side.SELL", declares=BUY_SELL),
        Live(
            a_tree("side: Side = Side.BUY", "side=Side.HOLD", declares=BUY_SELL_HOLD, value="state.side is Side.SELL"),
            {"side": "sell"},
            (),
            {"side": "hold"},
        ),
        [
            (
                a_tree("side: Side = Side.BUY", "side=Side.BUY", declares=sides("BUY = 'buy'")),
                f"State.side: was one of 'buy', 'sell', is now one of 'buy', and not every value fits; {WRITE}",
            )
        ],
    ),
    "default_factory": Case(
        SEEN,
        Live(
            a_tree(
                "seen: int = 100; rows: list[int] = msgspec.field(default_factory=lambda: [1, 2])",
                "seen=state.seen + 1, rows=[*state.rows, given.number]",
            ),
            {"seen": 3, "rows": [1, 2]},
            ("State.rows is new and starts at its default [1,2]",),
            {"seen": 4, "rows": [1, 2, 4]},
        ),
        [
            (
                a_tree(
                    "seen: int = 0; rows: list[int] = msgspec.field(default_factory=rows)",
                    "seen=state.seen + 1",
                    declares="def rows():\n    raise ValueError('no rows today')\n",
                ),
                "State() cannot be built, every field needs a default of plain data: no rows today",
            )
        ],
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_a_state_is_carried_by_rule_or_the_release_refused(tmp_path: Path, host: str, case: str) -> None:
    before, live, objections = CASES[case]
    with a_program(tmp_path, host=host, files=before) as program:
        for number in (1, 2, 3):
            assert program.value(number=number) == number
        for tree, text in objections:
            refused_and_unharmed(program, tree, text)
        if live is None:
            goes_live_bit_equal(program, before)
        else:
            goes_live_carried(program, live)


def refused_and_unharmed(program: Program, tree: Tree, text: str) -> None:
    before = states_of(program)
    verdict = program.deploy(tree)
    assert verdict.is_refused, verdict.event
    assert " refused at stage: " in verdict.text
    assert text in verdict.text
    assert verdict.text.endswith("; v1 is still running")
    assert states_of(program) == before


def goes_live_bit_equal(program: Program, tree: Tree) -> None:
    """A good deploy with the same State, after what was refused."""
    before = states_of(program)
    verdict = program.deploy({"__init__.py": tree["__init__.py"] + "\n# better\n"})
    assert verdict.is_live, verdict.text
    assert states_of(program) == before
    assert program.value(number=4) == 4


def goes_live_carried(program: Program, live: Live) -> None:
    verdict = program.deploy(live.tree)
    assert verdict.is_live, verdict.text
    assert program.state() == live.carried
    assert all(note.startswith(expected) for note, expected in zip(verdict.notes, live.notes, strict=True)), (
        verdict.notes
    )
    assert program.ask(number=4).fault is None
    assert program.state() == live.later
    program.ask("eth", 5)
    assert program.ask("eth", 6).fault is None
