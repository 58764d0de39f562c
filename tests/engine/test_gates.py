"""Gates: live code measures, the engine judges, counts every answer, and scores the gate that refused alone."""

import pytest

from foresight.effects import GateScored, Judged
from foresight.engine.gates import GateScores, refusals_of
from foresight.events import Command
from foresight.markets import OPPOSITE, MarketId
from foresight.strategy import Enter, Verdict
from tests.builders import (
    NOON_NS,
    Harness,
    Says,
    a_held_position,
    a_quote,
    a_resolution,
    a_running_harness,
    a_verdict,
    an_entry,
    an_exit,
    seconds,
    some_settings,
)

PASS, REFUSE, UNKNOWN = a_verdict(), a_verdict(answer="refuse", value=0.05), a_verdict(answer="unknown")


def proposing(*verdicts: Verdict, entry: Enter | None = None) -> Says:
    return Says(proposal=entry or an_entry(), verdicts=verdicts)


# Judging


def test_a_passing_gate_lets_a_proposal_through() -> None:
    assert refusals_of((PASS,), some_settings()) == ()


def test_a_refusing_gate_is_a_named_refusal_with_value_and_limit() -> None:
    (refusal,) = refusals_of((REFUSE,), some_settings(unknown_passes={"spread": True}))
    assert (refusal.by, refusal.name, refusal.text) == ("gate", "spread", "0.05, wanted <= 0.03 dollars")


@pytest.mark.parametrize(
    ("named", "by_default", "passes"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"spread": True}, False, True),
        ({"spread": False}, True, False),
        ({"other": True}, False, False),
    ],
)
def test_an_unknown_passes_as_configured_for_its_gate(named: dict[str, bool], by_default: bool, passes: bool) -> None:
    refusals = refusals_of((UNKNOWN,), some_settings(unknown_passes=named, unknown_passes_by_default=by_default))
    assert (refusals == ()) is passes
    assert passes or refusals[0].text == "not known, wanted <= 0.03 dollars"


def test_a_proposal_that_a_gate_refuses_sends_no_order_and_moves_no_money() -> None:
    harness, _ = a_running_harness(proposing(PASS, a_verdict("depth", "refuse")))
    books = harness.engine.desk.books
    harness.run_to(NOON_NS)
    (judged,) = harness.entries(Judged)
    assert [refusal.name for refusal in judged.refusals] == ["depth"]
    assert (judged.order_id, judged.view, harness.orders) == (None, None, [])
    assert harness.engine.desk.books is books
    assert harness.engine.desk.refusals == {"gate:depth": 1}


def test_every_gate_of_every_proposal_is_counted_and_journaled() -> None:
    verdicts = (PASS, a_verdict("depth", "refuse"), a_verdict("edge", "unknown"))
    harness, _ = a_running_harness(proposing(*verdicts), proposing(*verdicts), Says(verdicts=verdicts))
    harness.run_to(NOON_NS + seconds(10))
    assert harness.engine.desk.gates.answers == {
        "spread": {"pass": 2, "refuse": 0, "unknown": 0},
        "depth": {"pass": 0, "refuse": 2, "unknown": 0},
        "edge": {"pass": 0, "refuse": 0, "unknown": 2},
    }
    assert [judged.verdicts for judged in harness.entries(Judged)] == [verdicts, verdicts]


def test_risk_is_asked_even_where_a_gate_has_refused() -> None:
    harness, _ = a_running_harness(proposing(REFUSE, entry=an_entry(stake=6)))
    harness.run_to(NOON_NS)
    (judged,) = harness.entries(Judged)
    assert [(refusal.by, refusal.name) for refusal in judged.refusals] == [("gate", "spread"), ("risk", "stake")]


# Scores


def scores_after(harness: Harness, winner: str = "UP") -> list[GateScored]:
    market = harness.engine.markets.slots["btc-5m"].window.market
    harness.run_to(market.end_ns)
    harness.give(a_resolution(market, winner))  # type: ignore[arg-type]
    return harness.entries(GateScored)


@pytest.mark.parametrize(("winner", "saved_micros"), [("UP", -442_610), ("DOWN", 557_390)])
def test_a_gate_that_refused_alone_is_scored_at_settlement(winner: str, saved_micros: int) -> None:
    """By hand: the ask is 0.54, the fee 0.07 x 0.54 x 0.46 = 0.017388, which is 0.01739; a win would have earned
    1 - 0.54 - 0.01739 = 0.44261 a share, a loss -0.55739."""
    harness, market = a_running_harness(proposing(REFUSE))
    harness.run_to(NOON_NS)
    (score,) = scores_after(harness, winner)
    assert (score.gate, score.market_id, score.slot) == ("spread", market.market_id, "btc-5m")
    assert (score.outcome, score.ask_micros, score.saved_micros) == ("UP", 540_000, saved_micros)


def test_a_gate_that_kept_out_a_bet_on_down_is_scored_at_downs_ask() -> None:
    harness, _ = a_running_harness(proposing(REFUSE, entry=an_entry("DOWN")))
    harness.run_to(NOON_NS)
    (score,) = scores_after(harness, "DOWN")
    assert (score.outcome, score.ask_micros) == ("DOWN", 480_000)
    assert score.saved_micros == -(1_000_000 - 480_000 - 17_470)


def test_an_unknown_that_does_not_pass_is_scored_like_a_refusal() -> None:
    harness, _ = a_running_harness(proposing(UNKNOWN))
    harness.run_to(NOON_NS)
    assert len(scores_after(harness)) == 1


def test_only_the_first_entry_that_a_gate_refused_in_a_window_is_scored() -> None:
    harness, market = a_running_harness(proposing(REFUSE), proposing(REFUSE))
    harness.run_to(NOON_NS)
    harness.give(a_quote(0.7, 0.71, at_ns=NOON_NS, market=market))
    harness.run_for(5)
    (score,) = scores_after(harness)
    assert score.ask_micros == 540_000


def test_two_gates_that_refused_together_are_not_scored() -> None:
    harness, _ = a_running_harness(proposing(REFUSE, a_verdict("depth", "refuse")))
    harness.run_to(NOON_NS)
    assert scores_after(harness) == []


def test_a_gate_beside_a_refusal_of_risk_is_not_scored() -> None:
    harness, _ = a_running_harness(proposing(REFUSE))
    harness.give(Command(NOON_NS, "halt", "ann"))
    harness.run_to(NOON_NS)
    assert scores_after(harness) == []


def test_a_refused_exit_is_not_scored() -> None:
    harness, _ = a_held_position()
    harness.live.says_next(Says(proposal=an_exit(), verdicts=(REFUSE,)))
    harness.run_for(5)
    assert harness.entries(Judged)[-1].refusals != ()
    assert scores_after(harness) == []


def test_a_score_needs_an_ask() -> None:
    harness, market = a_running_harness()
    harness.engine.desk.gates.refused_alone(market.market_id, "spread", "UP", 0)
    assert harness.engine.desk.gates.settle(market, "UP") == []


def test_a_window_is_scored_once() -> None:
    harness, market = a_running_harness(proposing(REFUSE))
    harness.run_to(NOON_NS)
    assert len(scores_after(harness)) == 1
    assert harness.engine.desk.gates.settle(market, OPPOSITE["UP"]) == []


def test_a_window_nobody_resolves_takes_its_scores_with_it() -> None:
    harness, market = a_running_harness(proposing(REFUSE))
    harness.run_to(NOON_NS)
    harness.engine.desk.gates.forget(MarketId("never known"))
    harness.engine.desk.gates.forget(market.market_id)
    assert scores_after(harness) == []


def test_gates_that_live_code_makes_up_without_end_are_counted_as_other() -> None:
    scores = GateScores()
    scores.count(tuple(a_verdict(str(number)) for number in range(100)))
    assert len(scores.answers) == 65
    assert scores.answers["other"]["pass"] == 36
