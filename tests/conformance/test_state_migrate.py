"""Group D, `migrate`: whatever goes wrong in it refuses the release, and the old state stays bit by bit."""

from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.program import HOSTS, Program, a_program
from conformance.refusals import refused, states_of
from conformance.state_trees import a_tree

BEFORE = a_tree("seen: int = 0; rows: list[int] = []", "seen=state.seen + 1, rows=[*state.rows, given.number]")
AFTER = ("count: int = 0; rows: list[int] = []", "count=state.count + 1")


class Case(NamedTuple):
    """The body of `migrate`, what must be said, and the text of the line that is named."""

    body: str
    says: tuple[str, ...]
    line: str = ""


CASES = {
    "migrate_raises": Case(
        "return State(count=old['seen'] // 0)",
        ("btc: migrate raised ", "ZeroDivisionError: ", "eth: migrate raised "),
        "return State(count=old['seen'] // 0)",
    ),
    "migrate_slow": Case(
        "while True:\n        math.sqrt(2.0)", ("migrate took longer than 200 ms a key at strategy/__init__.py:",)
    ),
    "migrate_returns_wrong_type": Case(
        "return {'count': old['seen']}",
        ("btc: migrate returned dict, and must return a State", "eth: migrate returned"),
    ),
    "migrate_forgets_field": Case(
        "return State(count=old['seen'])",
        ("btc: migrate forgets State.rows: it was [1, 2, 3] and became its default []",),
    ),
    "migrate_mutates_input": Case(
        "old['rows'].append(4)\n    return State(count=old['seen'], rows=old['rows'])",
        ("btc: migrate changes the state that it is given",),
    ),
}
GOOD = "return State(count=old['seen'], rows=[*old['rows'], 4])"


def migrating(body: str) -> dict[str, str]:
    return dict(a_tree(*AFTER, functions=f"def migrate(old, old_schema):\n    {body}\n", value="state.rows"))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_a_migrate_that_fails_refuses_the_release(tmp_path: Path, host: str, case: str) -> None:
    body, says, line = CASES[case]
    with a_program(tmp_path, host=host, files=BEFORE, budget_s=0.2) as program:
        for number in (1, 2, 3):
            assert program.value("btc", number) == number
        assert program.value("eth", 9) == 9
        files = migrating(body)
        places = [f"strategy/__init__.py:{number_of(files['__init__.py'], line)} "] if line else []

        verdict = refused(program, files, "v2 refused at stage", *says, *places)

        assert str(tmp_path) not in verdict.text
        assert states_as_old(program)
        good = program.deploy(migrating(GOOD))
        assert good.is_live, good.text
        assert good.notes == (good.notes[0],)
        assert good.notes[0].startswith("migrate carried 2 states from schema ")
        assert program.state("eth") == {"count": 1, "rows": [9, 4]}
        assert program.value("btc") == [1, 2, 3, 0, 4]  # `refused` asked once more
        assert program.state("btc") == {"count": 5, "rows": [1, 2, 3, 0, 4]}


def number_of(source: str, line: str) -> int:
    return [each.strip() for each in source.splitlines()].index(line) + 1


def states_as_old(program: Program) -> bool:
    """After the one call of `refused`, which the old release answered from the old state."""
    return program.state("btc") == {"seen": 4, "rows": [1, 2, 3, 0]} and set(states_of(program)) == {"btc", "eth"}


@pytest.mark.parametrize("host", HOSTS)
def test_migrate_slow_in_a_sleep(tmp_path: Path, host: str) -> None:
    """A sleep does nothing that could be counted; the watchdog is a clock."""
    with a_program(tmp_path, host=host, files=BEFORE, budget_s=0.2) as program:
        assert program.value("btc", 1) == 1
        refused(program, migrating("time.sleep(60)\n    return State()"), "migrate took longer than 200 ms a key")


@pytest.mark.parametrize("host", HOSTS)
def test_one_state_of_many_that_cannot_be_migrated_refuses_all(tmp_path: Path, host: str) -> None:
    body = "return State(count=old['seen'] if old['seen'] < 3 else 'three', rows=old['rows'])"
    with a_program(tmp_path, host=host, files=BEFORE, budget_s=0.2) as program:
        for number in (1, 2, 3):
            assert program.value("btc", number) == number
        assert program.value("eth", 1) == 1
        verdict = refused(
            program, migrating(body), "btc: the state is not a State", "Expected `int`, got `str` - at `$.count`"
        )
        assert "eth" not in verdict.text
