"""Timers and presence: each due evaluation ends exactly once, on time, late, blind, or missed with its cause."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.effects import Evaluate, Failed, KeepOnTape
from foresight.events import ABSENT, NOT_TOLD, Decided, Quote, Raised
from foresight.markets import MINUTE_NS, SECOND_NS, SlotId
from foresight.strategy import View
from tests.builders import (
    NOON_NS,
    ROUND_NS,
    Fails,
    Harness,
    Says,
    Scripted,
    Silent,
    a_depth,
    a_market,
    a_quote,
    a_running_harness,
    a_spot,
    an_engine,
    an_entry,
    seconds,
    windows_of,
)

LAST_MINUTE_NS = a_market().end_ns - MINUTE_NS


def counts(harness: Harness, slot: str = "btc-5m") -> tuple[int, int, int, int, int]:
    seen = harness.presence(slot)
    return seen.due, seen.done, seen.late, seen.missed, seen.blind


# How an evaluation ends


def test_an_answer_at_once_is_done() -> None:
    harness, _ = a_running_harness()
    harness.run_to(NOON_NS)
    assert counts(harness) == (1, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("after_ns", "expected"),
    [
        (SECOND_NS // 2, (1, 1, 0, 0, 0)),
        (SECOND_NS // 2 + 1, (1, 0, 1, 0, 0)),
        (ROUND_NS - 1, (1, 0, 1, 0, 0)),
    ],
)
def test_an_answer_is_late_after_half_a_second(after_ns: int, expected: tuple[int, ...]) -> None:
    harness, _ = a_running_harness(Says(after_ns=after_ns))
    harness.run_to(NOON_NS + after_ns)
    assert counts(harness) == expected
    assert harness.presence().lateness_ms.max == after_ns / 1e6


def test_an_answer_that_comes_with_the_next_round_is_missed_and_its_proposal_dropped() -> None:
    harness, _ = a_running_harness(Says(after_ns=ROUND_NS, proposal=an_entry()))
    harness.run_to(NOON_NS + ROUND_NS)
    assert counts(harness) == (2, 1, 0, 1, 0)
    assert harness.presence().missed_by_cause == {"answered after the next round": 1}
    assert harness.orders == []


def test_an_answer_after_the_next_round_is_dropped_and_changes_nothing() -> None:
    harness, _ = a_running_harness(Says(after_ns=ROUND_NS + 1, proposal=an_entry(), fair=0.9))
    harness.run_to(NOON_NS + ROUND_NS + 1)
    assert counts(harness) == (2, 1, 0, 1, 0)
    assert harness.presence().missed_by_cause == {"live code had not answered by the next round": 1}
    assert harness.orders == []
    assert harness.engine.markets.slots[SlotId("btc-5m")].fair == 0.5


def test_a_failure_after_the_next_round_is_dropped_too() -> None:
    harness, _ = a_running_harness(Fails(after_ns=ROUND_NS + 1))
    harness.run_to(NOON_NS + ROUND_NS + 1)
    assert counts(harness) == (2, 1, 0, 1, 0)
    assert harness.entries(Failed) == []


@pytest.mark.parametrize(
    "answer",
    [
        Decided(NOON_NS, 99, "v1", 1, 0, {}, 0.5, an_entry(), ()),
        Raised(NOON_NS, 99, "v1", 1, 0, "raised", "oh"),
    ],
)
def test_an_answer_to_what_was_never_asked_changes_nothing(answer: Decided | Raised) -> None:
    harness, _ = a_running_harness()
    before = harness.engine.digest.hex()
    assert harness.give(answer) == []
    assert harness.engine.digest.hex() == before


def test_an_answer_counts_once() -> None:
    harness, _ = a_running_harness()
    harness.run_to(NOON_NS)
    answer = harness.inputs[-1]
    assert isinstance(answer, Decided)
    harness.give(answer)
    assert counts(harness) == (1, 1, 0, 0, 0)


def test_live_code_that_never_answers_is_missed_at_every_next_round() -> None:
    harness, _ = a_running_harness(Silent(), Silent(), Silent())
    harness.run_to(NOON_NS + seconds(15))
    assert counts(harness) == (4, 1, 0, 3, 0)


def test_an_evaluation_of_a_window_that_ended_can_still_be_answered_in_time() -> None:
    harness, market = a_running_harness()
    harness.run_to(market.end_ns - seconds(6))
    harness.quote(market)
    harness.live.says_next(Says(after_ns=ROUND_NS - 1))
    before = harness.presence()
    harness.run_to(market.end_ns)
    assert (harness.presence().late, harness.presence().missed) == (before.late + 1, before.missed)


# Stalls


@pytest.mark.parametrize(
    ("stalled_s", "missed", "late", "cause"),
    [
        (4.9, 0, 1, None),
        (5, 1, 0, "loop stalled under 10 s"),
        (10, 2, 0, "loop stalled under 30 s"),
        (12, 2, 1, "loop stalled under 30 s"),
        (40, 8, 0, "loop stalled under 60 s"),
        (100, 20, 0, "loop stalled under 300 s"),
        (295, 59, 0, "loop stalled under 300 s"),
    ],
)
def test_rounds_a_stall_went_over_are_missed_with_its_length(
    stalled_s: float, missed: int, late: int, cause: str | None
) -> None:
    harness, _ = a_running_harness()
    harness.stall_to(NOON_NS + seconds(stalled_s))
    seen = harness.presence()
    assert (seen.missed, seen.late) == (missed, late)
    assert seen.due == seen.done + seen.late + seen.missed + seen.blind
    assert cause is None or cause in seen.missed_by_cause
    assert sum(seen.missed_by_cause.values()) == missed


def test_a_stall_of_an_hour_is_on_record_in_every_window_it_went_over() -> None:
    harness = Harness()
    harness.lists(*[a_market(start_ns=NOON_NS + seconds(300 * n)) for n in range(13)])
    harness.stall_to(NOON_NS + seconds(3600))
    seen = harness.presence()
    assert (seen.due, seen.missed) == (721, 720)
    assert seen.missed_by_cause["loop stalled over 300 s"] == 661


def test_live_code_is_not_asked_for_a_round_that_is_already_missed() -> None:
    harness, _ = a_running_harness()
    harness.stall_to(NOON_NS + seconds(11))
    assert harness.rounds("btc-5m") == [NOON_NS + seconds(10)]


# Blind


def test_an_evaluation_on_a_book_past_its_limit_is_blind() -> None:
    harness, _ = a_running_harness()
    harness.run_to(NOON_NS + seconds(15))
    assert counts(harness) == (4, 4, 0, 0, 0)
    harness.run_for(5)
    assert counts(harness) == (5, 4, 0, 0, 1)


def test_an_evaluation_on_a_book_that_was_never_told_is_blind() -> None:
    harness = Harness()
    harness.lists(a_market())
    harness.run_to(NOON_NS)
    assert counts(harness) == (1, 0, 0, 0, 1)
    assert harness.engine.markets.slots[SlotId("btc-5m")].note == "blind: book"


def test_an_evaluation_on_an_underlying_past_its_limit_is_blind() -> None:
    harness, market = a_running_harness()
    harness.give(a_spot(100, at_ns=NOON_NS))
    harness.run_to(NOON_NS + seconds(15))
    harness.quote(market)
    harness.run_for(5)
    assert counts(harness) == (5, 4, 0, 0, 1)
    assert harness.engine.markets.slots[SlotId("btc-5m")].note == "blind: underlying"


def test_a_late_answer_on_stale_data_is_blind_and_not_late() -> None:
    harness = Harness(live=Scripted(Says(after_ns=SECOND_NS)))
    harness.lists(a_market())
    harness.run_to(NOON_NS + SECOND_NS)
    assert counts(harness) == (1, 0, 0, 0, 1)


# Live code that fails


def test_live_code_that_raises_is_recorded_with_its_traceback() -> None:
    harness, _ = a_running_harness(Fails(text='File "strategy/momentum.py", line 12\nZeroDivisionError: oh'))
    harness.run_to(NOON_NS)
    (failed,) = harness.entries(Failed)
    assert (failed.slot, failed.due_ns, failed.release, failed.revision) == ("btc-5m", NOON_NS, "v1", 1)
    assert (failed.kind, failed.text) == ("raised", 'File "strategy/momentum.py", line 12\nZeroDivisionError: oh')
    assert harness.notices()[-1] == "btc-5m v1 raised: ZeroDivisionError: oh; the other slots go on"


@pytest.mark.parametrize("kind", ["raised", "overran", "answer", "lost"])
def test_a_failure_is_a_missed_evaluation_with_its_cause(kind: str) -> None:
    harness, _ = a_running_harness(Fails(kind=kind, text=""))
    harness.run_to(NOON_NS)
    assert harness.presence().missed_by_cause == {f"live code {kind}": 1}
    assert harness.notices()[-1] == f"btc-5m v1 {kind}: {kind}; the other slots go on"


def test_when_one_slot_fails_the_others_go_on() -> None:
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "5m")]))
    harness.lists(a_market(), a_market("ETH"))
    harness.live.says_in("btc-5m", *[Fails()] * 100)
    for n in range(10):
        for asset in ("BTC", "ETH"):
            harness.quote(a_market(asset))
        harness.run_to(NOON_NS + seconds(5 * n))
    assert counts(harness, "btc-5m") == (10, 0, 0, 10, 0)
    assert counts(harness, "eth-5m") == (10, 10, 0, 0, 0)


def test_the_first_good_answer_ends_a_row_of_failures() -> None:
    harness, _ = a_running_harness(Fails(), Fails(), Says(fair=0.7, signals={"momentum": 0.1}))
    harness.run_to(NOON_NS + seconds(5))
    slot = harness.engine.markets.slots[SlotId("btc-5m")]
    assert (slot.failures, slot.fair, slot.signals, slot.note) == (2, None, {}, "live code raised")
    harness.run_for(5)
    assert (slot.failures, slot.fair, slot.signals, slot.note) == (0, 0.7, {"momentum": 0.1}, "")


# On events, in the last minute


def in_the_last_minute(*replies: Says | Fails | Silent) -> Harness:
    """One instant before the last minute, with the round at its start still to come."""
    harness, _ = a_running_harness()
    harness.run_to(LAST_MINUTE_NS - 1)
    harness.live.says_next(*replies)
    harness.live.asked.clear()
    return harness


def moved(at_ns: int, bid: float = 0.6) -> Quote:
    return a_quote(bid, bid + 0.01, at_ns=at_ns)


def test_a_price_that_moves_before_the_last_minute_asks_for_nothing() -> None:
    harness = in_the_last_minute()
    harness.give(moved(LAST_MINUTE_NS - 1))
    assert (harness.live.asked, harness.presence().on_event) == ([], 0)


@pytest.mark.parametrize("is_depth", [False, True])
def test_a_price_that_moves_in_the_last_minute_is_evaluated_at_once_and_counted_apart(is_depth: bool) -> None:
    harness = in_the_last_minute()
    before = counts(harness)
    event = a_depth([(0.6, 1)], [(0.61, 1)], at_ns=LAST_MINUTE_NS) if is_depth else moved(LAST_MINUTE_NS)
    harness.give(event)
    assert [asked.due_ns for asked in harness.live.asked] == [LAST_MINUTE_NS]
    assert harness.presence().on_event == 1
    assert counts(harness) == before


def test_a_depth_before_the_last_minute_asks_for_nothing() -> None:
    harness = in_the_last_minute()
    assert harness.give(a_depth(at_ns=LAST_MINUTE_NS - 1)) == []


def test_events_of_one_slot_are_evaluated_at_most_once_a_second() -> None:
    harness = in_the_last_minute()
    first_ns = LAST_MINUTE_NS + seconds(1)
    for after_ns, bid in ((0, 0.60), (1, 0.61), (SECOND_NS - 1, 0.62), (SECOND_NS, 0.63), (SECOND_NS + 1, 0.64)):
        harness.give(moved(first_ns + after_ns, bid))
    assert [asked.due_ns for asked in harness.live.asked] == [first_ns, first_ns + SECOND_NS]


def test_a_quote_that_moves_no_price_is_not_evaluated() -> None:
    harness = in_the_last_minute()
    for after_s in (0.5, 2, 4):
        harness.give(moved(LAST_MINUTE_NS + seconds(after_s)))
    assert len(harness.live.asked) == 1


def test_each_outcomes_price_counts_for_itself() -> None:
    harness = in_the_last_minute()
    harness.give(moved(LAST_MINUTE_NS))
    harness.give(a_quote(0.3, 0.4, at_ns=LAST_MINUTE_NS + SECOND_NS, outcome="DOWN"))
    assert len(harness.live.asked) == 2


def test_nothing_is_asked_on_an_event_while_an_answer_is_awaited() -> None:
    harness = in_the_last_minute(Silent())
    harness.run_to(LAST_MINUTE_NS)
    harness.give(moved(LAST_MINUTE_NS + SECOND_NS))
    assert len(harness.live.asked) == 1
    assert harness.presence().on_event == 0


def test_an_unanswered_event_is_dropped_at_the_next_round_without_counting_as_missed() -> None:
    harness = in_the_last_minute(Says(), Silent())
    harness.run_to(LAST_MINUTE_NS)
    harness.give(moved(LAST_MINUTE_NS + SECOND_NS))
    harness.run_for(4)
    seen = harness.presence()
    assert (seen.on_event, seen.missed) == (1, 0)
    assert seen.due == seen.done + seen.blind


def test_a_failure_on_an_event_is_recorded_without_counting_as_missed() -> None:
    harness = in_the_last_minute(Fails())
    harness.give(moved(LAST_MINUTE_NS))
    assert len(harness.entries(Failed)) == 1
    assert harness.presence().missed == 0


def test_a_price_that_moves_at_the_windows_end_is_not_evaluated() -> None:
    harness = in_the_last_minute()
    end_ns = a_market().end_ns
    harness.run_to(end_ns - 1)
    harness.live.asked.clear()
    harness.give(moved(end_ns - 1, 0.7))
    assert len(harness.live.asked) == 1
    harness.give(moved(end_ns, 0.8))
    assert len(harness.live.asked) == 1


def test_a_price_of_the_next_window_is_no_event_of_this_one() -> None:
    harness = in_the_last_minute()
    coming = a_market(start_ns=a_market().end_ns)
    harness.lists(coming)
    harness.give(a_quote(0.6, 0.61, at_ns=LAST_MINUTE_NS + SECOND_NS, market=coming))
    assert harness.live.asked == []


# Before the start


def a_warming_harness() -> Harness:
    harness = Harness(an_engine(start_ns=NOON_NS + seconds(270)), history_ns=NOON_NS)
    harness.lists(a_market())
    harness.quote(a_market())
    return harness


def test_before_the_start_nothing_is_due_and_the_tape_fills() -> None:
    harness = a_warming_harness()
    harness.run_to(NOON_NS + seconds(269))
    assert counts(harness) == (0, 0, 0, 0, 0)
    kept = [effect for effect in harness.effects if isinstance(effect, KeepOnTape)]
    assert (harness.live.asked, len(kept)) == ([], 54)
    assert [effect.at_ns for effect in kept[:2]] == [NOON_NS, NOON_NS + seconds(5)]
    assert msgspec.msgpack.decode(kept[-1].encoded, type=View).now_ns == NOON_NS + seconds(265)


def test_at_the_start_the_first_round_is_due_with_histories_of_before() -> None:
    harness = a_warming_harness()
    harness.run_to(NOON_NS + seconds(270))
    assert counts(harness)[0] == 1
    assert len(harness.live.asked[0].view.up.mid_history) == 24


def test_before_the_start_events_ask_for_nothing() -> None:
    harness = a_warming_harness()
    harness.run_to(NOON_NS + seconds(265))
    assert harness.give(moved(NOON_NS + seconds(270) - 1)) == []
    assert any(isinstance(effect, Evaluate) for effect in harness.give(moved(NOON_NS + seconds(270), 0.62)))


# Invariant 1

stalls = st.sampled_from([0.0, 0.1, 0.6, 1.0, 4.99, 5.0, 5.01, 9.0, 31.0, 70.0, 400.0])
delays = st.sampled_from([0, 1, SECOND_NS // 2, SECOND_NS, ROUND_NS - 1, ROUND_NS, ROUND_NS + 1, 3 * ROUND_NS])
replies = st.one_of(
    delays.map(lambda after_ns: Says(after_ns=after_ns)),
    delays.map(lambda after_ns: Fails(after_ns=after_ns)),
    st.just(Silent()),
    st.just(Says(fair=2.0)),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(stalls, st.integers(1, 99)), min_size=5, max_size=60), st.lists(replies, max_size=60))
def test_every_due_evaluation_is_accounted_for_at_every_moment(
    steps: list[tuple[float, int]], script: list[Says | Fails | Silent]
) -> None:
    """Invariant 1: due = done + late + missed + blind, plus the one that is not answered yet, after every input."""
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "15m")]), Scripted(*script))
    harness.after_each = lambda: check_all_accounted_for(harness)
    for asset, timeframe in (("BTC", "5m"), ("ETH", "15m")):
        harness.lists(*windows_of(asset, timeframe, NOON_NS, NOON_NS + 60 * MINUTE_NS))
    for gap_s, cents in steps:
        if gap_s > 5:
            harness.stall_to(harness.now_ns + seconds(gap_s))
        else:
            harness.run_for(gap_s)
        windows = [slot.window for slot in harness.engine.markets.slots.values() if slot.window is not None]
        for window in windows:
            harness.give(a_quote(cents / 100, None, at_ns=harness.now_ns, market=window.market))
    assert harness.presence().due > 0


def check_all_accounted_for(harness: Harness) -> None:
    for slot in harness.engine.markets.slots.values():
        seen = slot.presence
        waiting = sum(1 for asked in harness.engine._asked.values() if asked.slot is slot and asked.is_due)
        assert waiting <= 1
        assert seen.due == seen.done + seen.late + seen.missed + seen.blind + waiting
        assert sum(seen.causes.values()) == seen.missed


def test_a_top_is_compared_as_it_stands_after_a_side_that_was_not_told() -> None:
    harness = in_the_last_minute()
    harness.give(moved(LAST_MINUTE_NS))
    token = a_market().up
    harness.give(Quote(LAST_MINUTE_NS + SECOND_NS, token, NOT_TOLD, NOT_TOLD))
    assert len(harness.live.asked) == 1
    harness.give(Quote(LAST_MINUTE_NS + 2 * SECOND_NS, token, ABSENT, NOT_TOLD))
    assert len(harness.live.asked) == 2


def with_underlying(price: float = 100.0) -> Harness:
    harness = in_the_last_minute()
    harness.run_to(LAST_MINUTE_NS, a_spot(price, at_ns=LAST_MINUTE_NS - 1))
    harness.live.asked.clear()
    return harness


@pytest.mark.parametrize(("price", "asked"), [(100.0, 0), (100.009, 0), (100.0101, 1), (99.98, 1)])
def test_an_underlying_that_moves_by_a_basis_point_in_the_last_minute_is_an_event(price: float, asked: int) -> None:
    harness = with_underlying()
    harness.give(a_spot(price, at_ns=LAST_MINUTE_NS + SECOND_NS))
    assert len(harness.live.asked) == harness.presence().on_event == asked


def test_the_first_quote_of_the_last_minute_is_no_event_unless_it_moves_the_price() -> None:
    harness = in_the_last_minute()
    harness.give(a_quote(at_ns=LAST_MINUTE_NS + 1))
    assert harness.live.asked == []
