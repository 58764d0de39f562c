"""The underlying: one-second closes, and returns and volatility that equal a naive recomputation from the ticks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresight.engine.prices import (
    AHEAD_MAX_NS,
    FEED_LOST_NS,
    KNOWN_SHARE,
    MEMORY_S,
    RETURN_HORIZONS_S,
    SHOWN_CLOSES,
    VOLATILITY_WINDOWS_S,
    PriceSeries,
)
from foresight.markets import SECOND_NS
from tests.builders import NOON_NS, a_spot, seconds

NOON_S = NOON_NS // SECOND_NS

# (milliseconds since the tick before, price): mostly several ticks a second, sometimes minutes of silence.
ticks = st.lists(
    st.tuples(st.one_of(st.integers(0, 3_000), st.integers(0, 400_000)), st.floats(50, 200)), min_size=1, max_size=80
)


def a_series(*prices: float, step_s: float = 1) -> PriceSeries:
    series = PriceSeries()
    for index, price in enumerate(prices):
        assert series.take(a_spot(price, at_ns=NOON_NS + seconds(index * step_s)))
    return series


def after(walk: list[tuple[int, float]]) -> tuple[PriceSeries, dict[int, float]]:
    """A series after a walk, and naively: the last price of every second from the first on, gaps carried forward."""
    series, naive, at_ns = PriceSeries(), {}, NOON_NS
    for gap_ms, price in walk:
        at_ns += gap_ms * 1_000_000
        assert series.take(a_spot(price, at_ns=at_ns))
        naive[at_ns // SECOND_NS] = price
    for second in range(NOON_S, max(naive)):
        naive.setdefault(second + 1, naive.get(second, math.nan))
    first = min(second for second, price in naive.items() if price == price)
    return series, {second: naive[second] for second in range(first, max(naive) + 1)}


def test_a_second_without_a_tick_carries_the_last_price_forward() -> None:
    series = a_series(100, 101)
    series.take(a_spot(105, at_ns=NOON_NS + seconds(4)))
    assert list(series.closes) == [100, 101, 101, 101]
    assert (series.last, series.second) == (105, NOON_S + 4)


def test_a_quiet_feed_has_a_close_for_each_second_once_caught_up() -> None:
    series = a_series(100)
    series.catch_up(NOON_NS + seconds(3))
    series.catch_up(NOON_NS + seconds(2))
    assert list(series.closes) == [100, 100, 100]
    assert series.at_ns == NOON_NS


def test_there_is_nothing_to_catch_up_before_the_first_tick() -> None:
    series = PriceSeries()
    series.catch_up(NOON_NS)
    assert not series.closes


@given(ticks)
def test_returns_equal_a_naive_recomputation(walk: list[tuple[int, float]]) -> None:
    series, naive = after(walk)
    now = max(naive)
    for horizon in RETURN_HORIZONS_S:
        expected = math.log(naive[now] / naive[now - horizon]) if now - horizon in naive else None
        assert series.return_over(horizon) == pytest.approx(expected)


@given(ticks)
def test_volatility_equals_a_naive_recomputation(walk: list[tuple[int, float]]) -> None:
    series, naive = after(walk)
    newest = max(naive) - 1
    for window in VOLATILITY_WINDOWS_S:
        span = [s for s in range(newest - window + 1, newest + 1) if s - 1 in naive]
        squares = [math.log(naive[s] / naive[s - 1]) ** 2 for s in span]
        expected = math.sqrt(sum(squares) / len(span)) if len(span) >= KNOWN_SHARE * window else None
        assert series.volatility_over(window) == pytest.approx(expected, abs=1e-9)


@given(ticks, st.integers(-90, 90), st.sampled_from([1, 60]))
def test_averages_equal_a_naive_recomputation(walk: list[tuple[int, float]], shift: int, length: int) -> None:
    series, naive = after(walk)
    newest = max(naive) - 1
    end = newest + shift
    wanted = range(end - length + 1, min(end, newest) + 1)
    got = series.average_until(end, length)
    if not wanted or any(second not in naive for second in wanted):
        assert got is None
    else:
        known = [naive[second] for second in wanted]
        assert got == (pytest.approx(sum(known) / len(known)), len(known))


def test_a_memory_that_does_not_reach_back_is_absent_and_not_zero() -> None:
    series = a_series(*[100.0] * 61)
    assert series.return_over(60) == 0
    assert series.return_over(61) is None
    assert set(dict(series.shared(NOON_NS + seconds(60)).returns)) == {10, 30, 60}
    assert set(dict(series.shared(NOON_NS + seconds(60)).volatility)) == {60}
    assert PriceSeries().volatility_over(60) is None


def test_volatility_is_told_from_95_percent_of_its_window_on() -> None:
    assert a_series(*[100.0] * 58).volatility_over(60) is None
    assert a_series(*[100.0] * 59).volatility_over(60) == 0


def test_a_tick_of_an_earlier_second_is_not_used() -> None:
    series = a_series(100, 101)
    assert not series.take(a_spot(50, at_ns=NOON_NS + seconds(1.5), stamped_ns=NOON_NS + seconds(0.9)))
    assert (series.last, series.at_ns) == (101, NOON_NS + seconds(1))


def test_a_tick_of_the_present_second_replaces_its_price() -> None:
    series = a_series(100, 101)
    assert series.take(a_spot(102, at_ns=NOON_NS + seconds(1.5)))
    assert (list(series.closes), series.last) == ([100], 102)


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, -1.0, 0.0])
def test_a_price_that_is_not_positive_and_finite_is_not_used(price: float) -> None:
    series = a_series(100)
    assert not series.take(a_spot(price, at_ns=NOON_NS + seconds(1)))
    assert (series.last, series.second, list(series.closes)) == (100, NOON_S, [])


def test_a_bad_price_does_not_choose_the_feed() -> None:
    series = PriceSeries()
    assert not series.take(a_spot(math.nan))
    assert series.feed == ""


def test_a_tick_stamped_far_in_the_future_does_not_silence_the_feed() -> None:
    series = a_series(100)
    assert not series.take(a_spot(101, at_ns=NOON_NS + seconds(1), stamped_ns=NOON_NS + seconds(86_400)))
    assert series.take(a_spot(102, at_ns=NOON_NS + seconds(2)))
    assert list(series.closes) == [100, 100]


def test_a_tick_may_be_stamped_a_little_ahead_of_its_arrival() -> None:
    series = a_series(100)
    assert series.take(a_spot(101, at_ns=NOON_NS, stamped_ns=NOON_NS + AHEAD_MAX_NS))
    assert not series.take(a_spot(101, at_ns=NOON_NS, stamped_ns=NOON_NS + AHEAD_MAX_NS + 1))


def test_another_feed_is_not_used_while_the_first_speaks() -> None:
    series = a_series(100)
    just_before = NOON_NS + FEED_LOST_NS - 1
    assert not series.take(a_spot(90, at_ns=just_before, feed="coinbase"))
    assert (series.feed, series.last) == ("binance", 100)


def test_another_feed_takes_over_after_sixty_seconds_of_silence_and_the_memory_starts_again() -> None:
    series = a_series(100, 101)
    lost_ns = NOON_NS + seconds(1) + FEED_LOST_NS
    assert series.take(a_spot(90, at_ns=lost_ns, feed="coinbase"))
    assert (series.feed, series.last, list(series.closes)) == ("coinbase", 90, [])
    assert series.take(a_spot(91, at_ns=lost_ns + seconds(1), feed="coinbase"))
    assert series.return_over(1) == pytest.approx(math.log(91 / 90))
    assert not series.take(a_spot(100, at_ns=lost_ns + seconds(2)))


def test_the_memory_holds_half_an_hour_and_the_settling_minute() -> None:
    series = a_series(100)
    series.catch_up(NOON_NS + seconds(MEMORY_S))
    series.catch_up(NOON_NS + seconds(MEMORY_S + 500))
    assert len(series.closes) == MEMORY_S + 61
    assert series.volatility_over(MEMORY_S) == 0


def test_a_gap_longer_than_the_memory_starts_it_again_from_the_last_price() -> None:
    series = a_series(100, 101)
    series.take(a_spot(102, at_ns=NOON_NS + seconds(MEMORY_S + 2)))
    assert list(series.closes) == [101]
    assert series.volatility_over(60) is None


def test_the_shown_closes_are_every_five_seconds_oldest_first() -> None:
    series = a_series(*[float(100 + n) for n in range(13)])
    assert series.shown_closes() == (101, 106, 111)
    series.catch_up(NOON_NS + seconds(1_000))
    assert len(series.shown_closes()) == SHOWN_CLOSES


def test_what_all_slots_share_says_the_feed_the_price_and_its_age() -> None:
    shared = a_series(100, 101).shared(NOON_NS + seconds(3))
    assert (shared.feed, shared.last, shared.age_s, shared.move, shared.settling_s) == ("binance", 101, 2, None, 0)
