"""Group D, over generations: up, down and up again, and back to a release that has answered all along."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from conformance.program import HOSTS, Program, a_program
from conformance.refusals import states_of
from conformance.state_trees import a_tree
from tesseract.release import read_tree

GENERATIONS = Path(__file__).parent / "generations"
NUMBERS = tuple((number * 37) % 101 for number in range(30))


def generation(name: str) -> Mapping[str, bytes]:
    return read_tree(GENERATIONS / name)


def to(program: Program, name: str) -> tuple[str, ...]:
    """Deploys a generation and returns what was noted."""
    program.replace(generation(name))
    verdict = program.deploy()
    assert verdict.is_live, verdict.text
    return verdict.notes


def ask(program: Program, name: str, numbers: Iterator[int], count: int) -> None:
    for _ in range(count):
        assert program.value("btc", next(numbers))[0] == name


@pytest.mark.parametrize("host", HOSTS)
def test_up_down_up_over_three_generations(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path / "straight", host=host, files=generation("g1")) as program:
        numbers = iter(NUMBERS)
        ask(program, "g1", numbers, 10)
        for name in ("g2", "g3"):
            to(program, name)
            ask(program, name, numbers, 10)
        straight = program.state()

    with a_program(tmp_path / "winding", host=host, files=generation("g1")) as program:
        numbers = iter(NUMBERS)
        ask(program, "g1", numbers, 4)
        assert "State.peak is new and is folded from the tape" in to(program, "g2")
        ask(program, "g2", numbers, 3)
        assert to(program, "g1") == ("State.peak is dropped", "State.boosts is dropped")
        assert program.state() == {"seen": 7, "total": sum(NUMBERS[:7])}
        ask(program, "g1", numbers, 3)
        to(program, "g2")
        assert program.state() == {"seen": 10, "total": sum(NUMBERS[:10]), "peak": max(NUMBERS[:10]), "boosts": 0}
        ask(program, "g2", numbers, 5)
        assert "State.powers is new and is folded from the tape" in to(program, "g3")
        ask(program, "g3", numbers, 5)
        to(program, "g2")
        assert program.state() == {"seen": 20, "total": sum(NUMBERS[:20]), "peak": max(NUMBERS[:20]), "boosts": 10}
        to(program, "g3")
        ask(program, "g3", numbers, 10)
        winding = program.state()

    assert straight.pop("boosts") == winding.pop("boosts") == 20  # counted anew since the way down to g1
    assert winding == straight
    powers = sum(number**2 for number in NUMBERS)
    assert straight == {"seen": 30, "sums": {"total": sum(NUMBERS)}, "peak": max(NUMBERS), "powers": powers}


STAYS = a_tree("seen: int = 0; total: int = 0", "seen=state.seen + 1, total=state.total + given.number")
LEAVES = a_tree(
    "seen: float = 0.0; total: int = 0; high: int = 0",
    "seen=state.seen + 10, total=-1, high=max(state.high, given.number)",
    before="assert given.number != 13, 'unlucky'",
)


def asked(program: Program, numbers: range) -> list[str]:
    """Asks two keys; the second one for the first time when it is a candidate's turn already. Returns who answered."""
    releases = []
    for number in numbers:
        releases.append(program.ask("btc", number).release)
        if number >= 130:
            releases.append(program.ask("eth", number).release)
    return sorted(set(releases))


@pytest.mark.parametrize("how", ["by a person", "by a fault"])
@pytest.mark.parametrize("host", HOSTS)
def test_rollback_after_fifty_evaluations(tmp_path: Path, host: str, how: str) -> None:
    """The standby's state is bit by bit that of a program that never left the old release; also of a key that was
    asked for the first time during the probation."""
    with a_program(tmp_path / "stayed", host=host, files=STAYS) as program:
        assert asked(program, range(100, 170)) == ["v1"]
        if how == "by a fault":
            program.ask("btc", 13)
        stayed = states_of(program)

    with a_program(tmp_path / "left", host=host, files=STAYS, rounds=100) as program:
        assert asked(program, range(100, 120)) == ["v1"]
        assert program.deploy(LEAVES).is_live
        assert asked(program, range(120, 170)) == ["v2"]
        assert program.state()["seen"] == 20 + 50 * 10
        if how == "by a fault":
            outcome = program.ask("btc", 13)
            assert (outcome.release, outcome.fault) == ("v1", None)
            assert "unlucky" in program.events[-1].details
        else:
            program.roll_back()
        assert states_of(program) == stayed
        assert asked(program, range(170, 175)) == ["v1"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_key_that_is_new_on_probation_takes_its_release_back_too(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files=STAYS, rounds=100) as program:
        assert program.ask("btc", 1).release == "v1"
        assert program.deploy(LEAVES).is_live
        outcome = program.ask("eth", 13)
        assert (outcome.release, outcome.fault) == ("v1", None)
        assert program.running == program.ask("btc", 1).release == "v1"
        assert program.state("eth") == {"seen": 1, "total": 13}
