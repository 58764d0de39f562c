"""The standby beside an edit: it answers every call too, in step, so that going back loses nothing."""

from pathlib import Path

from conformance.program import HEAD, a_program
from conformance.swaps import edited, told

SLOW = {
    "__init__.py": HEAD
    + """import time


def decide(given, state, params):
    time.sleep(0.03)
    return Result(State(state.seen + params.step), "slow")
"""
}
FAST = edited(SLOW, ("__init__.py", "    time.sleep(0.03)\n", ""), ("__init__.py", '"slow"', '"fast"'))


def test_a_standby_that_is_slower_than_what_replaced_it_misses_no_call(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=SLOW) as program:
        program.value()
        assert program.deploy(FAST).is_live
        assert [program.value() for _ in range(5)] == ["fast"] * 5
        program.roll_back()
        outcome = program.ask()
        assert (outcome.release, told(outcome), program.state()) == ("v1", "slow", {"seen": 7})


def test_calls_of_a_key_wait_for_its_standby_and_are_all_answered(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=SLOW) as program:
        program.value()
        assert program.deploy(FAST).is_live
        outcomes = program.ask_all(*[("btc", 0)] * 6)
        assert [told(outcome) for outcome in outcomes] == ["fast"] * 6
        program.keep()
        assert program.value() == "fast"
        assert program.state() == {"seen": 8}
