"""Windows: a slot rolls without a hole, and keeps the open and the settling average by the market's rule."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.engine.markets_state import BOUNDARY_NS, OPENS_KEPT
from foresight.engine.slots import UPCOMING_MAX
from foresight.events import Reference
from foresight.markets import MINUTE_NS, SECOND_NS, MarketId, SlotId
from foresight.strategy import View
from tests.builders import (
    NOON_NS,
    ROUND_NS,
    Harness,
    Scripted,
    Silent,
    a_market,
    a_quote,
    a_running_harness,
    a_spot,
    a_twap,
    an_engine,
    seconds,
    windows_of,
)

HOUR_NS = 60 * MINUTE_NS


def spots(start_ns: int, prices: list[float], step_s: float = 1) -> list[object]:
    return [a_spot(price, at_ns=start_ns + seconds(index * step_s)) for index, price in enumerate(prices)]


def last_view(harness: Harness) -> View:
    return harness.live.asked[-1].view


# Rolling


def test_every_boundary_of_three_hours_is_due_exactly_once_in_every_listed_slot() -> None:
    slots = [(asset, timeframe) for asset in ("BTC", "ETH") for timeframe in ("5m", "15m")]
    harness = Harness(an_engine(slots))
    end_ns = NOON_NS + 3 * HOUR_NS
    for asset, timeframe in slots:
        harness.lists(*windows_of(asset, timeframe, NOON_NS, end_ns))
    harness.run_to(end_ns + HOUR_NS)
    expected = list(range(NOON_NS, end_ns, ROUND_NS))
    for slot in ("btc-5m", "btc-15m", "eth-5m", "eth-15m"):
        assert harness.rounds(slot) == expected
        assert harness.presence(slot).due == len(expected)


def test_each_round_sees_the_window_that_is_open_at_its_instant() -> None:
    harness = Harness()
    harness.lists(*windows_of("BTC", "5m", NOON_NS, NOON_NS + HOUR_NS))
    harness.run_to(NOON_NS + HOUR_NS)
    for asked in harness.live.asked:
        start_s = asked.due_ns // SECOND_NS // 300 * 300
        assert asked.view.market == f"btc-updown-5m-{start_s}"
        assert 0 < asked.view.seconds_left <= 300


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 11), unique=True), st.integers(0, 8))
def test_only_listed_windows_are_due_whatever_is_missing_between(missing: list[int], first: int) -> None:
    harness = Harness()
    listed = [
        market
        for index, market in enumerate(windows_of("BTC", "5m", NOON_NS, NOON_NS + HOUR_NS))
        if index not in missing and index >= first
    ]
    harness.lists(*reversed(listed))
    harness.run_to(NOON_NS + 2 * HOUR_NS)
    assert harness.rounds("btc-5m") == [at for m in listed for at in range(m.start_ns, m.end_ns, ROUND_NS)]


def test_the_books_of_the_next_window_are_kept_before_it_opens() -> None:
    harness = Harness()
    now, coming = windows_of("BTC", "5m", NOON_NS, NOON_NS + seconds(600))
    harness.lists(now, coming)
    harness.run_to(NOON_NS + seconds(295))
    harness.quote(coming, 0.30, 0.32)
    harness.run_to(coming.start_ns)
    assert last_view(harness).market == coming.market_id
    assert last_view(harness).up.bid == 0.30


def test_the_books_of_an_ended_window_take_nothing_more() -> None:
    harness = Harness()
    market = a_market()
    harness.lists(market)
    harness.run_to(market.end_ns)
    harness.quote(market)
    assert harness.engine.markets.unknown_tokens == 2
    assert harness.engine.markets.slots[SlotId("btc-5m")].window is None


def test_a_window_listed_late_is_due_from_the_next_round_on() -> None:
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "5m")]))
    harness.lists(a_market("ETH"))
    harness.run_to(NOON_NS + seconds(61))
    harness.lists(a_market())
    harness.run_to(NOON_NS + seconds(75))
    assert harness.rounds("btc-5m") == [NOON_NS + seconds(s) for s in (65, 70, 75)]
    assert harness.presence().missed == 0


def test_a_window_listed_late_while_nothing_is_open_owes_no_rounds_from_before_its_listing() -> None:
    harness = Harness()
    harness.run_to(NOON_NS + seconds(61))
    harness.lists(a_market())
    harness.run_to(NOON_NS + seconds(75))
    assert harness.rounds("btc-5m") == [NOON_NS + seconds(s) for s in (65, 70, 75)]
    assert (harness.presence().due, harness.presence().missed) == (3, 0)


def test_a_window_that_waits_still_owes_its_rounds_when_another_is_listed_during_a_stall() -> None:
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "5m")]))
    harness.lists(a_market())
    harness.now_ns = NOON_NS + seconds(12)
    harness.lists(a_market("ETH"))
    harness.run_to(NOON_NS + seconds(15))
    assert harness.presence("btc-5m").due == 4
    assert harness.presence("eth-5m").due == 1


def test_a_slot_without_a_market_has_nothing_due_and_costs_the_others_nothing() -> None:
    alone = Harness()
    beside = Harness(an_engine([("MATIC", "5m"), ("BTC", "5m"), ("AVAX", "15m")]))
    for harness in (alone, beside):
        harness.lists(*windows_of("BTC", "5m", NOON_NS, NOON_NS + HOUR_NS))
        harness.run_to(NOON_NS + HOUR_NS)
    assert beside.rounds("btc-5m") == alone.rounds("btc-5m")
    assert beside.presence("matic-5m").due == beside.presence("avax-15m").due == 0
    assert len(beside.inputs) == len(alone.inputs)


def test_without_any_market_no_timer_is_asked_for() -> None:
    harness = Harness()
    market = a_market()
    harness.lists(market)
    harness.run_to(market.end_ns)
    assert harness.due_ns is None


def test_while_no_window_is_open_the_next_timer_is_that_of_the_next_opening() -> None:
    harness = Harness()
    harness.lists(a_market(start_ns=NOON_NS + HOUR_NS))
    assert harness.due_ns == NOON_NS + HOUR_NS


def test_a_market_of_a_slot_that_is_not_traded_changes_nothing() -> None:
    harness = Harness()
    harness.lists(a_market("ETH"), a_market("BTC", "15m"))
    assert (harness.due_ns, harness.engine.markets.books) == (None, {})


def test_a_market_listed_twice_keeps_its_books() -> None:
    harness = Harness()
    market = a_market()
    harness.lists(market)
    harness.quote(market)
    harness.lists(market)
    harness.run_to(NOON_NS)
    harness.lists(market)
    harness.run_for(5)
    assert last_view(harness).up.bid == 0.52
    assert harness.presence().due == 2


def test_another_market_for_the_same_window_is_not_taken() -> None:
    harness = Harness()
    first, second = a_market(), a_market(market_id=MarketId("other"), up="other:UP", down="other:DOWN")
    harness.lists(first, second)
    harness.run_to(NOON_NS)
    assert last_view(harness).market == first.market_id
    assert "other:UP" not in harness.engine.markets.books


def test_a_market_that_is_over_when_it_is_listed_leaves_nothing_behind() -> None:
    harness = Harness()
    harness.run_to(NOON_NS + HOUR_NS)
    harness.lists(a_market())
    harness.run_for(3600)
    assert harness.engine.markets.books == {}
    assert harness.engine.markets.slots[SlotId("btc-5m")].upcoming == {}
    assert harness.presence().due == 0


def test_more_windows_ahead_than_the_limit_are_not_kept() -> None:
    harness = Harness()
    harness.lists(*windows_of("BTC", "5m", NOON_NS, NOON_NS + (UPCOMING_MAX + 2) * seconds(300)))
    slot = harness.engine.markets.slots[SlotId("btc-5m")]
    assert len(slot.upcoming) == UPCOMING_MAX
    assert len(harness.engine.markets.books) == 2 * UPCOMING_MAX


def test_overlapping_windows_of_one_slot_are_taken_one_after_the_other() -> None:
    harness = Harness()
    first, second = a_market(), a_market(start_ns=NOON_NS + seconds(120), market_id=MarketId("overlap"))
    covered = a_market(start_ns=NOON_NS + seconds(60), market_id=MarketId("covered"), end_ns=NOON_NS + seconds(180))
    harness.lists(first, second, covered)
    harness.run_to(NOON_NS + seconds(300))
    assert last_view(harness).market == "overlap"


def test_a_start_off_the_grid_is_first_due_at_the_next_boundary() -> None:
    harness = Harness(an_engine(start_ns=NOON_NS + 1))
    harness.lists(a_market())
    harness.run_to(NOON_NS + seconds(10))
    assert harness.rounds("btc-5m") == [NOON_NS + seconds(5), NOON_NS + seconds(10)]


# The open


def an_opened_harness(prices: list[float], *, settles_on: str = "twap60") -> Harness:
    """A BTC 5m window that opens a minute after the first of `prices`, one a second."""
    harness = Harness(an_engine(start_ns=NOON_NS), history_ns=NOON_NS - MINUTE_NS)
    harness.lists(a_market(settles_on=settles_on))
    harness.run_to(NOON_NS - 1, *spots(NOON_NS - MINUTE_NS, prices))
    harness.run_to(NOON_NS)
    return harness


def test_the_open_of_a_twap60_market_is_the_mean_of_the_minute_before_it() -> None:
    prices = [100 + n / 10 for n in range(60)]
    harness = an_opened_harness(prices)
    prices_seen = last_view(harness).prices
    assert prices_seen is not None
    assert prices_seen.move == pytest.approx(math.log(prices[-1] / (sum(prices) / 60)))
    assert last_view(harness).average_s == 60


def test_the_open_of_a_spot_market_is_the_last_price_before_it() -> None:
    harness = an_opened_harness([100 + n / 10 for n in range(60)], settles_on="spot")
    harness.give(a_spot(110, at_ns=NOON_NS + seconds(1)))
    harness.run_to(NOON_NS + ROUND_NS)
    prices = last_view(harness).prices
    assert prices is not None
    assert prices.move == pytest.approx(math.log(110 / 105.9))
    assert (prices.settling_s, last_view(harness).average_s) == (0, 0)


def test_an_open_is_not_known_where_the_feed_does_not_reach_back_to_its_minute() -> None:
    harness = an_opened_harness([100.0] * 59)
    assert harness.engine.markets.slots[SlotId("btc-5m")].window.open_price == 100
    short = Harness(an_engine(start_ns=NOON_NS), history_ns=NOON_NS - MINUTE_NS)
    short.lists(a_market())
    short.run_to(NOON_NS - 1, *spots(NOON_NS - seconds(59), [100.0] * 59))
    short.run_to(NOON_NS)
    prices = last_view(short).prices
    assert prices is not None
    assert (prices.move, prices.settling_s, prices.settling_move) == (None, 0, None)


@pytest.mark.parametrize(("age_s", "is_known"), [(15, True), (15.000_000_001, False)])
def test_an_open_is_not_known_from_a_feed_past_its_staleness_limit(age_s: float, is_known: bool) -> None:
    harness = Harness(an_engine(start_ns=NOON_NS), history_ns=NOON_NS - 2 * MINUTE_NS)
    harness.lists(a_market())
    first, last = NOON_NS - 2 * MINUTE_NS, NOON_NS - round(age_s * SECOND_NS)
    harness.run_to(NOON_NS, a_spot(100, at_ns=first), a_spot(101, at_ns=last))
    assert (harness.engine.markets.slots[SlotId("btc-5m")].window.open_price is not None) is is_known


def test_a_window_listed_late_takes_its_open_from_the_memory() -> None:
    harness = Harness(an_engine([("ETH", "5m"), ("BTC", "5m")]), history_ns=NOON_NS - MINUTE_NS)
    harness.lists(a_market("ETH"))
    harness.run_to(NOON_NS + seconds(90), *spots(NOON_NS - MINUTE_NS, [100.0] * 60 + [120.0] * 91))
    harness.lists(a_market())
    harness.run_to(NOON_NS + seconds(95))
    assert last_view(harness).prices.move == pytest.approx(math.log(1.2))


def test_a_move_is_only_told_by_the_feed_that_told_the_open() -> None:
    harness = an_opened_harness([100.0] * 60)
    harness.run_to(NOON_NS + seconds(70), a_spot(90, at_ns=NOON_NS + seconds(66), feed="coinbase"))
    prices = last_view(harness).prices
    assert (prices.feed, prices.move, prices.settling_s) == ("coinbase", None, 0)


def test_an_open_is_not_decided_before_its_instant() -> None:
    harness = Harness()
    harness.lists(a_market(settles_on="spot"))
    window = harness.engine.markets.slots[SlotId("btc-5m")].upcoming[NOON_NS]
    prices = harness.engine.markets.prices["BTC"]
    prices.take(a_spot(100, at_ns=NOON_NS - SECOND_NS))
    prices.catch_up(NOON_NS)
    window.capture_open(prices, NOON_NS - 1, MINUTE_NS)
    assert (window.open_is_decided, window.open_price) == (False, None)
    window.capture_open(prices, NOON_NS, MINUTE_NS)
    assert (window.open_is_decided, window.open_price) == (True, 100)


def test_a_part_of_the_opening_average_is_not_the_open() -> None:
    harness = Harness()
    harness.lists(a_market())
    window = harness.engine.markets.slots[SlotId("btc-5m")].upcoming[NOON_NS]
    prices = harness.engine.markets.prices["BTC"]
    prices.take(a_spot(100, at_ns=NOON_NS - MINUTE_NS))
    prices.catch_up(NOON_NS - SECOND_NS)
    window.capture_open(prices, NOON_NS, 2 * MINUTE_NS)
    assert (window.open_is_decided, window.open_price) == (True, None)


# The settling average


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(90, 110), min_size=360, max_size=360), st.integers(0, 59))
def test_the_settling_average_equals_a_naive_recomputation(prices: list[float], offset: int) -> None:
    harness = Harness(an_engine(start_ns=NOON_NS), history_ns=NOON_NS - MINUTE_NS)
    harness.lists(a_market())
    harness.run_to(NOON_NS + seconds(299.9), *spots(NOON_NS - MINUTE_NS, prices))
    opened = sum(prices[:60]) / 60
    for asked in harness.live.asked[-12 + offset // 5 :]:
        known = (asked.due_ns - NOON_NS) // SECOND_NS - 240
        seen = asked.view.prices
        assert seen is not None
        assert seen.settling_s == known
        naive = math.log(sum(prices[300 : 300 + known]) / known / opened) if known else None
        assert seen.settling_move == pytest.approx(naive)


# The reference


def test_a_reference_comes_from_the_oracles_average_stamped_at_the_open() -> None:
    harness = Harness()
    harness.lists(a_market())
    harness.run_to(NOON_NS + ROUND_NS, a_twap(99.5, stamped_ns=NOON_NS))
    assert (last_view(harness).reference, last_view(harness).reference_source) == (99.5, "oracle")


def test_an_average_stamped_at_another_instant_is_no_reference() -> None:
    harness = Harness()
    harness.lists(a_market())
    harness.run_to(NOON_NS + ROUND_NS, a_twap(99.5, stamped_ns=NOON_NS + SECOND_NS))
    assert (last_view(harness).reference, last_view(harness).reference_source) == (None, None)


@pytest.mark.parametrize(("is_first", "told"), [(True, (99.7, "venue page")), (False, (99.5, "oracle"))])
def test_a_price_to_beat_from_elsewhere_counts_only_before_the_oracles_average(
    is_first: bool, told: tuple[float, str]
) -> None:
    harness = Harness()
    harness.lists(a_market())
    official = Reference(NOON_NS, "BTC", "price_to_beat", 99.7, NOON_NS, "venue page", "5m")
    average = a_twap(99.5, stamped_ns=NOON_NS, at_ns=NOON_NS)
    harness.run_to(NOON_NS, *((official, average) if is_first else (average, official)))
    assert (last_view(harness).reference, last_view(harness).reference_source) == told
    assert harness.engine.markets.slots[SlotId("btc-5m")].window.twap_open == 99.5


@pytest.mark.parametrize("timeframe", ["5m", "15m"])
def test_an_average_of_the_open_that_comes_before_its_window_is_listed_is_its_reference(timeframe: str) -> None:
    harness = Harness(an_engine([("BTC", timeframe)]))
    market = a_market(timeframe=timeframe)
    harness.give(a_twap(99.5, stamped_ns=NOON_NS))
    for at_ns in range(NOON_NS + SECOND_NS, market.end_ns - 2 * ROUND_NS, SECOND_NS):
        harness.give(a_twap(98, stamped_ns=at_ns))
    harness.lists(market)
    harness.run_for(5)
    assert (last_view(harness).reference, last_view(harness).reference_source) == (99.5, "oracle")
    assert harness.engine.markets.slots[market.slot].window.twap_open == 99.5


@pytest.mark.parametrize(("late_s", "age_s"), [(1, 0), (3, 0), (4, 1), (200, 197)])
def test_an_average_that_arrives_late_is_as_old_as_its_stamp(late_s: float, age_s: float) -> None:
    harness = Harness()
    at_ns = NOON_NS + seconds(late_s)
    harness.give(a_twap(99, stamped_ns=NOON_NS, at_ns=at_ns))
    harness.give(a_twap(98, stamped_ns=NOON_NS - SECOND_NS, at_ns=at_ns))
    assert harness.engine.markets.ages("BTC", at_ns).reference_ns == seconds(age_s)


def test_averages_that_wait_for_a_window_are_few() -> None:
    harness = Harness()
    for number in range(2 * OPENS_KEPT):
        harness.give(a_twap(99, stamped_ns=NOON_NS + number * BOUNDARY_NS))
    newest = NOON_NS + (2 * OPENS_KEPT - 1) * BOUNDARY_NS
    waiting = harness.engine.markets._opens["BTC"]
    assert sorted(waiting) == [newest - number * BOUNDARY_NS for number in reversed(range(OPENS_KEPT))]


@pytest.mark.parametrize(("timeframe", "slots"), [("5m", ["btc-5m"]), (None, ["btc-15m", "btc-5m"])])
def test_a_price_to_beat_belongs_to_its_timeframe_or_to_all(timeframe: str | None, slots: list[str]) -> None:
    harness = Harness(an_engine([("BTC", "5m"), ("BTC", "15m"), ("ETH", "5m")]))
    harness.lists(a_market(), a_market("BTC", "15m"), a_market("ETH"))
    harness.run_to(NOON_NS, Reference(NOON_NS, "BTC", "price_to_beat", 99.7, NOON_NS, "venue", timeframe))
    assert sorted(asked.slot for asked in harness.live.asked if asked.view.reference == 99.7) == slots


def test_a_reference_told_before_the_window_opens_is_kept_for_it() -> None:
    harness = Harness()
    now, coming = windows_of("BTC", "5m", NOON_NS, NOON_NS + seconds(600))
    harness.lists(now, coming)
    early = Reference(NOON_NS + seconds(299), "BTC", "price_to_beat", 99.7, coming.start_ns, "venue", "5m")
    harness.run_to(coming.start_ns, early)
    assert last_view(harness).reference == 99.7


# What is forgotten


def test_an_ended_window_nobody_resolves_is_forgotten_after_a_day() -> None:
    harness = Harness(live=Scripted(otherwise=Silent()))
    market = a_market()
    harness.lists(market, a_market(start_ns=market.end_ns + 24 * HOUR_NS - seconds(5)))
    harness.run_to(market.end_ns + 24 * HOUR_NS)
    assert market.market_id in harness.engine.markets.ended
    harness.run_for(5)
    assert market.market_id not in harness.engine.markets.ended


def test_ticks_and_trades_of_what_is_not_followed_are_counted_and_change_nothing() -> None:
    harness = Harness()
    harness.lists(a_market())
    before = harness.engine.digest.hex()
    unknown = a_market("ETH")
    harness.give(a_quote(market=unknown))
    harness.give(a_spot(asset="ETH"))
    harness.give(a_spot(-1))
    assert (harness.engine.markets.unknown_tokens, harness.engine.markets.unused_ticks) == (1, 2)
    assert harness.engine.digest.hex() == before


def test_the_next_round_is_always_one_period_after_the_last() -> None:
    harness = Harness()
    harness.lists(*windows_of("BTC", "5m", NOON_NS, NOON_NS + HOUR_NS))
    harness.run_to(NOON_NS + HOUR_NS)
    rounds = harness.rounds("btc-5m")
    assert {later - earlier for earlier, later in pairwise(rounds)} == {ROUND_NS}


# Feeds


@pytest.mark.parametrize(("gap_ns", "has_prices"), [(HOUR_NS, True), (HOUR_NS + 1, False)])
def test_an_underlying_that_fell_silent_over_an_hour_ago_with_no_window_open_is_absent_not_stale(
    gap_ns: int, has_prices: bool
) -> None:
    harness, _ = a_running_harness()
    later = a_market(start_ns=NOON_NS + 2 * HOUR_NS)
    harness.lists(later)
    harness.run_to(later.start_ns, a_spot(at_ns=later.start_ns - gap_ns))
    assert (last_view(harness).prices is not None) == has_prices
