"""The basis between the oracle and the underlying, and what it is used for."""

import math

import pytest

from builders import NOON_NS, Harness, a_market, a_running_harness, a_spot, a_twap, an_engine, seconds
from foresight.engine.basis import KNOWN_AFTER, Basis
from foresight.engine.prices import PriceSeries
from foresight.markets import SECOND_NS

BASIS = -6e-4


def a_minute_of(price: float, *, feed: str = "binance") -> PriceSeries:
    series = PriceSeries()
    for second in range(-61, 1):
        series.take(a_spot(price, at_ns=NOON_NS + seconds(second), feed=feed))
    return series


def test_the_basis_is_known_after_half_a_minute_of_averages() -> None:
    basis, series = Basis(), a_minute_of(100.0)
    for _ in range(KNOWN_AFTER - 1):
        basis.observe(100.0 * math.exp(BASIS), NOON_NS, series)
    assert basis.value is None
    basis.observe(100.0 * math.exp(BASIS), NOON_NS, series)
    assert basis.value == pytest.approx(BASIS, abs=1e-12)
    assert basis.deviation == pytest.approx(0.0, abs=1e-9)


def test_nothing_is_learnt_where_the_underlying_does_not_tell_the_whole_minute() -> None:
    basis, series = Basis(), a_minute_of(100.0)
    basis.observe(100.0, NOON_NS + 2 * SECOND_NS, series)
    assert basis.observed == 0


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_an_average_that_is_no_price_changes_nothing(price: float) -> None:
    basis = Basis()
    basis.observe(price, NOON_NS, a_minute_of(100.0))
    assert basis.observed == 0


def test_another_feed_begins_anew() -> None:
    basis = Basis()
    for _ in range(KNOWN_AFTER):
        basis.observe(100.0, NOON_NS, a_minute_of(100.0))
    basis.observe(100.0, NOON_NS, a_minute_of(101.0, feed="binance-futures"))
    assert basis.observed == 1
    assert basis.value is None


def with_oracle_and_feed(since_s: int) -> Harness:
    """A market from noon on that the bot meets late: the feed speaks from `since_s` on, the oracle all the time."""
    harness = Harness(an_engine(start_ns=NOON_NS + seconds(since_s)))
    harness.lists(a_market())
    harness.give(a_twap(100.0, stamped_ns=NOON_NS, at_ns=NOON_NS + seconds(since_s)))
    return harness


def test_an_open_that_the_feed_did_not_tell_is_brought_over_from_the_price_to_beat() -> None:
    harness = with_oracle_and_feed(60)
    market = a_market()
    for second in range(60, 200):
        at_ns = NOON_NS + seconds(second)
        harness.run_to(at_ns, a_spot(101.0 * math.exp(-BASIS), at_ns=at_ns))
        harness.give(a_twap(101.0, stamped_ns=at_ns - SECOND_NS, at_ns=at_ns))
    asked = harness.live.asked[-1].view
    assert asked.market == market.market_id
    assert asked.prices.open_by == "basis"
    assert asked.prices.basis == pytest.approx(BASIS, abs=1e-6)
    assert asked.prices.move == pytest.approx(math.log(101.0 / 100.0), abs=1e-6)


def test_an_open_that_the_feed_told_itself_needs_no_basis() -> None:
    harness, _ = a_running_harness()
    for second in range(-61, 12):
        at_ns = NOON_NS + seconds(second)
        if at_ns < NOON_NS:
            harness.give(a_spot(100.0, at_ns=at_ns))
        else:
            harness.run_to(at_ns, a_spot(100.5, at_ns=at_ns))
    prices = harness.live.asked[-1].view.prices
    assert prices.open_by == "feed"
    assert prices.move == pytest.approx(math.log(100.5 / 100.0))


def test_an_oracle_that_was_heard_and_falls_silent_blinds_its_slots() -> None:
    harness, market = a_running_harness(reference_stale_ns=seconds(10))
    harness.give(a_twap(100.0, stamped_ns=NOON_NS - SECOND_NS, at_ns=NOON_NS))
    for second in range(0, 30, 5):
        harness.run_to(NOON_NS + seconds(second))
        harness.quote(market)
    counts = harness.presence()
    assert counts.done == 3, "at 0, 5 and 10 seconds"
    assert counts.blind == 3


def test_an_oracle_that_nobody_ever_told_is_absent_and_blinds_nothing() -> None:
    harness, market = a_running_harness(reference_stale_ns=seconds(10))
    for second in range(0, 30, 5):
        harness.run_to(NOON_NS + seconds(second))
        harness.quote(market)
    assert harness.presence().blind == 0
