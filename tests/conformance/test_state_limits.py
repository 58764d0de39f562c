"""Group D, what can be no state: refused with the path, whether the type says so already or only a call shows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.program import HOSTS, Program, a_program
from conformance.refusals import refused, states_of
from conformance.state_trees import a_tree

SEEN = a_tree("seen: int = 0", "seen=state.seen + 1")
COUNTS = "seen=state.seen + 1"


class Case(NamedTuple):
    """Trees that are refused when their types are looked at, and one that is when it is called, with what is said."""

    declared: list[tuple[Mapping[str, str], str]]
    called: tuple[str, str, str, tuple[str, ...]] | None


def level(size: str) -> str:
    return f"class Level(msgspec.Struct, frozen=True):\n    size: {size} = 0\n    inner: 'list[Level]' = []\n"


NO_STATE = "and cannot be part of a state"
CASES = {
    "function_in_state": Case(
        [
            (
                a_tree("seen: int = 0; hook: Callable[[int], int] = len", COUNTS),
                f"State.hook: Callable is not plain data of a declared type, {NO_STATE}",
            ),
            (
                a_tree("seen: int = 0; level: Level = Level()", COUNTS, declares=level("Callable[[int], int] | None")),
                f"State.level.size: Callable is not plain data of a declared type, {NO_STATE}",
            ),
        ],
        (
            "seen: int = 0; levels: list[Level] = []",
            "seen=state.seen + 1, levels=[Level(1), Level(lambda: 1)] if BAD else []",
            level("int"),
            ("State.levels[1].size is a function, and no plain data",),
        ),
    ),
    "socket_in_state": Case(
        [
            (
                a_tree("seen: int = 0; link: socket.socket | None = None", COUNTS),
                f"State.link: socket is not plain data of a declared type, {NO_STATE}",
            ),
            (
                a_tree("seen: int = 0; links: dict[str, list[socket.socket]] = {}", COUNTS),
                f"State.links: socket is not plain data of a declared type, {NO_STATE}",
            ),
        ],
        (
            "seen: int = 0; links: dict[str, int] = {}",
            "seen=state.seen + 1, links={'feed': socket.socket.__new__(socket.socket) if BAD else 1}",
            "",
            ("State.links['feed'] is a socket, and no plain data",),
        ),
    ),
    "type_outside_the_declared_schema": Case(
        [
            (
                a_tree("seen: int = 0; mark: Any = 0", COUNTS),
                f"State.mark: Any is not plain data of a declared type, {NO_STATE}",
            ),
            (
                a_tree("seen: int = 0; mark: complex = 0j", COUNTS),
                f"State.mark: complex is not plain data of a declared type, {NO_STATE}",
            ),
        ],
        (
            "seen: int = 0; levels: list[Level] = []",
            "seen=state.seen + 1, levels=[Level('much' if BAD else 1)]",
            level("int"),
            ("the state is not a State", "Expected `int`, got `str` - at `$.levels[0].size`"),
        ),
    ),
    "cyclic_state": Case(
        [],
        (
            "seen: int = 0; level: Level = Level()",
            "seen=state.seen + 1, level=around(BAD)",
            level("int") + "\n\ndef around(is_bad):\n    found = Level()\n    if is_bad:\n"
            "        found.inner.append(found)\n    return found\n",
            ("State.level.inner refers to itself or is nested too deep",),
        ),
    ),
    "state_over_64_kib": Case(
        [],
        (
            "seen: int = 0; note: str = ''; rows: list[int] = []",
            "seen=state.seen + 1, note='x' * 1000, rows=[1] * (70_000 if BAD else 10)",
            "",
            ("the state is 71", " bytes, over the limit of 65536 for one key; State.rows has 70005 of them"),
        ),
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_state_is_refused_with_its_path(tmp_path: Path, host: str, case: str) -> None:
    declared, called = CASES[case]
    with a_program(tmp_path, host=host, files=SEEN) as program:
        assert program.value(number=7) == 7
        for tree, says in declared:
            refused(program, tree, says, "strategy/__init__.py:")
        if called is not None:
            fields, step, declares, texts = called
            always = a_tree(fields, step.replace("BAD", "True"), declares=declares)
            refused(program, always, "btc: ", *texts, step="rehearsal")
            later = a_tree(fields, step.replace("BAD", "given.number == 13"), declares=declares)
            taken_back_at_the_first_bad_state(program, later, texts)


def taken_back_at_the_first_bad_state(program: Program, tree: Mapping[str, str], texts: tuple[str, ...]) -> None:
    """What no rehearsal could show costs no answer and no state: the standby has answered the same call."""
    verdict = program.deploy(tree)
    assert verdict.is_live, verdict.text
    assert program.ask(number=1).release == verdict.event.release.name
    seen = program.state()["seen"]

    outcome = program.ask(number=13)

    assert outcome.fault is None
    assert outcome.release == program.running == "v1"
    assert program.state() == {"seen": seen + 1}
    for text in texts:
        assert text in program.events[-1].details
    before = states_of(program)
    assert program.deploy({"__init__.py": SEEN["__init__.py"] + "\n# better\n"}).is_live
    assert states_of(program) == before


@pytest.mark.parametrize("host", HOSTS)
def test_a_state_that_migrate_makes_too_large_is_refused_with_its_size(tmp_path: Path, host: str) -> None:
    big = "def migrate(old, old_schema):\n    return State(rows=[1] * 70_000)\n"
    with a_program(tmp_path, host=host, files=SEEN) as program:
        assert program.value(number=7) == 7
        says = ("btc: the state is 70", "over the limit of 65536 for one key; State.rows has 70005 of them")
        refused(program, a_tree("seen: int = 0; rows: list[int] = []", COUNTS, functions=big), *says)
        assert program.deploy(a_tree("seen: int = 0; rows: list[int] = []", COUNTS)).is_live
        assert program.state() == {"seen": 2, "rows": []}
