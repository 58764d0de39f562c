"""Answers of the right types that are still unusable are failures of live code: contained, recorded, without effect."""

import math

import pytest

from foresight.effects import Failed, Judged
from tests.builders import NOON_NS, Says, a_running_harness, a_verdict, an_entry

TWICE = (a_verdict("spread"), a_verdict("depth"), a_verdict("spread"))

HOSTILE = [
    (Says(fair=math.nan), "fair is nan, and must be a probability between 0 and 1"),
    (Says(fair=math.inf), "fair is inf, and must be a probability between 0 and 1"),
    (Says(fair=-0.01), "fair is -0.01, and must be a probability between 0 and 1"),
    (Says(fair=1.01), "fair is 1.01, and must be a probability between 0 and 1"),
    (Says(signals={"momentum": math.nan}), "signal momentum is nan, and must be a finite number or None"),
    (Says(signals={"a": 1.0, "b": -math.inf}), "signal b is -inf, and must be a finite number or None"),
    (Says(verdicts=TWICE), "a gate answers twice: spread, depth, spread"),
]


def proposing(answer: Says) -> Says:
    return Says(fair=answer.fair, signals=answer.signals, verdicts=answer.verdicts, proposal=an_entry())


@pytest.mark.parametrize(("answer", "text"), HOSTILE)
def test_a_hostile_answer_is_a_failure_with_its_reason(answer: Says, text: str) -> None:
    harness, _ = a_running_harness(proposing(answer))
    harness.run_to(NOON_NS)
    (failed,) = harness.entries(Failed)
    assert (failed.kind, failed.text, failed.release) == ("answer", text, "v1")
    assert harness.presence().missed_by_cause == {"live code answer": 1}


@pytest.mark.parametrize("answer", [answer for answer, _ in HOSTILE])
def test_a_hostile_answer_sends_no_order_and_counts_no_gate(answer: Says) -> None:
    harness, _ = a_running_harness(proposing(answer))
    books = harness.engine.desk.books
    harness.run_to(NOON_NS)
    assert (harness.orders, harness.entries(Judged)) == ([], [])
    assert harness.engine.desk.books is books
    assert harness.engine.desk.gates.answers == {}


@pytest.mark.parametrize("answer", [answer for answer, _ in HOSTILE])
def test_the_next_good_answer_after_a_hostile_one_counts(answer: Says) -> None:
    harness, _ = a_running_harness(answer, Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    harness.run_for(5)
    assert len(harness.orders) == 1
    assert harness.presence().done == 1


@pytest.mark.parametrize("fair", [None, 0.0, 1.0])
def test_a_fair_of_the_whole_range_or_none_is_an_answer(fair: float | None) -> None:
    harness, _ = a_running_harness(Says(fair=fair, signals={"momentum": None, "edge": -3.0}))
    harness.run_to(NOON_NS)
    assert harness.entries(Failed) == []
    slot = harness.engine.markets.slots["btc-5m"]
    assert (slot.fair, slot.signals) == (fair, {"momentum": None, "edge": -3.0})


def test_a_failure_forgets_what_the_slot_believed() -> None:
    harness, _ = a_running_harness(Says(fair=0.7, signals={"momentum": 1.0}), Says(fair=math.nan))
    harness.run_to(NOON_NS)
    harness.run_for(5)
    slot = harness.engine.markets.slots["btc-5m"]
    assert (slot.fair, slot.signals) == (None, {})


def test_a_verdict_that_measured_nan_refuses_as_it_says() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry(), verdicts=(a_verdict("edge", "refuse", math.nan),)))
    harness.run_to(NOON_NS)
    assert harness.engine.desk.refusals == {"gate:edge": 1}
