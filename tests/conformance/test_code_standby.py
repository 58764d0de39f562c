"""The standby beside an edit: it answers every call too, in step, so that going back loses nothing."""

import time
from pathlib import Path

import pytest

from conformance.program import HEAD, HOSTS, Notice, Program, WentBack, WentLive, a_program
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


def test_calls_of_one_key_that_come_together_are_all_answered_and_stood_by(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=SLOW) as program:
        program.value()
        assert program.deploy(FAST).is_live
        outcomes = program.ask_all(*[("btc", 0)] * 6)
        assert [told(outcome) for outcome in outcomes] == ["fast"] * 6
        program.keep()
        assert program.value() == "fast"
        assert program.state() == {"seen": 8}


HANGS = {
    "__init__.py": HEAD
    + """

def decide(given, state, params):
    while given.number == 1:
        pass
    return Result(State(state.seen + params.step), "hangs")
"""
}
MENDED = edited(HANGS, ("__init__.py", "given.number == 1", "False"), ("__init__.py", '"hangs"', '"mended"'))
SLOTS = [f"slot-{number}" for number in range(16)]
BUDGET_S = 0.2


def test_a_standby_that_hangs_holds_up_nobody_and_stands_by_no_more(tmp_path: Path) -> None:
    """All its calls together would take 16 times the budget, and so would those of the release that mends it, if these
    waited for them."""
    with a_program(tmp_path, host="process", files=HANGS, budget_s=BUDGET_S, rehearse_s=0) as program:
        program.ask_all(*[(key, 0) for key in SLOTS])
        assert program.deploy(MENDED).is_live
        began_s = time.monotonic()

        for _ in range(3):
            outcomes = program.ask_all(*[(key, 1) for key in SLOTS])
            assert {(outcome.release, told(outcome)) for outcome in outcomes} == {("v2", "mended")}

        assert time.monotonic() - began_s < len(SLOTS) * BUDGET_S
        lost = program.wait_for(lambda event: isinstance(event, Notice))
        assert lost.text.startswith("v1 stands by no more: it did not answer 3 times in a row: took longer than 200 ms")
        assert lost.text.endswith("v2 goes on without a standby")
        assert program.deploy(edited(MENDED, ("__init__.py", '"mended"', '"again"'))).is_live


def raises_on(number: int, name: str) -> dict[str, str]:
    body = f"""

def decide(given, state, params):
    if given.number == {number}:
        raise ZeroDivisionError
    return Result(State(state.seen + params.step), "{name}")
"""
    return {"__init__.py": HEAD + body}


def proven_then_two_that_fail(program: Program) -> None:
    """v1 is kept; v2 and v3 both raise on 7, and v3 replaced v2 before that was kept."""
    program.value()
    program.keep()
    for name in ("second", "third"):
        assert program.deploy(raises_on(7, name)).is_live


@pytest.mark.parametrize("host", HOSTS)
def test_when_the_standby_fails_too_the_release_that_was_kept_last_is_put_back(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files=raises_on(-1, "first"), rehearse_s=0) as program:
        proven_then_two_that_fail(program)
        seen = program.state()["seen"]

        outcome = program.ask(number=7)

        assert (outcome.release, outcome.fault and outcome.fault.kind) == ("v2", "raised")
        back = program.wait_for(lambda event: isinstance(event, WentLive) and event.request == "instead-of-v2")
        assert (back.release.name, back.replaced) == ("v1", "v2")
        assert [event.release.name for event in program.happened(WentBack)] == ["v3"]
        assert (program.value(number=7), program.state()) == ("first", {"seen": seen + 1})
        assert program.request(action="deploy").is_refused, "v3 is barred"
        program.write(raises_on(7, "second"))
        refused = program.request(action="deploy")
        assert refused.text.startswith("v2 refused at snapshot: v2 was rolled back at ")


@pytest.mark.parametrize("host", HOSTS)
def test_a_release_that_somebody_put_back_before_it_was_kept_gives_way_in_the_same_way(
    tmp_path: Path, host: str
) -> None:
    with a_program(tmp_path, host=host, files=raises_on(-1, "first"), rehearse_s=0) as program:
        proven_then_two_that_fail(program)
        program.roll_back()

        assert program.ask(number=7).fault is not None

        program.wait_for(lambda event: isinstance(event, WentLive) and event.request == "instead-of-v2")
        assert program.value(number=7) == "first"


def a_canary_that_lost_its_standby(program: Program, canary: dict[str, str]) -> None:
    """v1 answers both keys, then v2 answers btc; v1 hangs there beside it, and stands by no more."""
    for key in ("btc", "eth"):
        program.value(key)
    assert program.deploy(canary, canary=("btc",)).is_live
    assert [program.value("btc", 1) for _ in range(3)] == ["canary"] * 3
    program.wait_for(lambda event: isinstance(event, Notice) and "stands by no more" in event.text)


@pytest.mark.parametrize("host", HOSTS)
def test_a_canary_whose_standby_was_lost_gives_its_keys_back_to_what_answers_the_others(
    tmp_path: Path, host: str
) -> None:
    with a_program(tmp_path, host=host, files=HANGS, budget_s=BUDGET_S, rehearse_s=0) as program:
        a_canary_that_lost_its_standby(program, raises_on(7, "canary"))

        failed = program.ask("btc", 7)

        assert (failed.release, failed.fault and failed.fault.kind) == ("v2", "raised")
        (back,) = program.happened(WentBack)
        assert back.text.startswith("v2 r1 was rolled back: btc: ")
        assert back.text.endswith("; v1 is running")
        assert (program.value("btc"), program.state("btc")) == ("hangs", {"seen": 5})
        assert (program.value("eth"), program.state("eth")) == ("hangs", {"seen": 2})
        assert program.request(action="deploy").is_refused, "v2 is barred"


@pytest.mark.parametrize("host", HOSTS)
def test_a_canary_with_a_state_of_its_own_leaves_it_behind_and_that_is_said(tmp_path: Path, host: str) -> None:
    canary = edited(
        raises_on(7, "canary"), ("__init__.py", "    seen: int = 0\n", "    seen: int = 0\n    more: int = 0\n")
    )
    with a_program(tmp_path, host=host, files=HANGS, budget_s=BUDGET_S, rehearse_s=0) as program:
        a_canary_that_lost_its_standby(program, canary)

        assert program.ask("btc", 7).fault is not None

        assert program.happened(Notice)[-1].text == "the State of v2 is another one: btc begins anew"
        assert (program.value("btc"), program.state("btc")) == ("hangs", {"seen": 1})


@pytest.mark.parametrize("host", HOSTS)
def test_where_nothing_was_ever_kept_a_release_that_fails_stays_and_it_is_said_once(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files=raises_on(7, "first"), rehearse_s=0) as program:
        for _ in range(3):
            assert program.ask(number=7).fault is not None

        refused = program.wait_for(lambda event: getattr(event, "request", "") == "instead-of-v1")
        assert refused.text.endswith("no release has been kept yet; v1 is still running")
        assert program.value() == "first"
        assert len(program.happened(Notice)) == 1
