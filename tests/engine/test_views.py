"""What live code is shown."""

import math

import msgspec
import pytest

from foresight.markets import SECOND_NS
from foresight.strategy import View
from tests.builders import (
    NOON_NS,
    Harness,
    Says,
    Scripted,
    a_held_position,
    a_market,
    a_quote,
    a_running_harness,
    a_spot,
    an_engine,
    an_entry,
    seconds,
)


def test_the_view_that_live_code_gets_is_the_one_that_the_tape_keeps() -> None:
    harness, _ = a_running_harness()
    harness.run_to(NOON_NS + seconds(20))
    assert [msgspec.msgpack.decode(asked.encoded, type=View) for asked in harness.live.asked] == [
        asked.view for asked in harness.live.asked
    ]


def test_a_view_tells_the_market_and_the_moment() -> None:
    harness, market = a_running_harness()
    harness.run_to(NOON_NS + seconds(5))
    view = harness.live.asked[-1].view
    assert (view.slot, view.asset, view.timeframe, view.market) == ("btc-5m", "BTC", "5m", market.market_id)
    assert (view.origin, view.source) == ("simulated", "test")
    assert (view.due_ns, view.now_ns) == (NOON_NS + seconds(5), NOON_NS + seconds(5))
    assert (view.window_s, view.seconds_left) == (300, 295)
    assert (view.tick, view.min_shares, view.fee_rate) == (0.01, 5, 0.07)
    assert (view.up.bid, view.down.bid) == (0.52, 0.46)


def test_without_ticks_of_the_underlying_the_prices_are_absent_and_not_zero() -> None:
    harness, _ = a_running_harness()
    harness.run_to(NOON_NS)
    assert harness.live.asked[0].view.prices is None


def test_a_view_is_frozen_plain_data() -> None:
    harness, _ = a_running_harness()
    harness.give(a_spot(100, at_ns=NOON_NS))
    harness.run_to(NOON_NS)
    view = harness.live.asked[0].view
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(view), type=View) == view
    with pytest.raises(AttributeError):
        view.asset = "ETH"  # type: ignore[misc]


def test_a_view_shows_the_position_of_its_window() -> None:
    harness, _ = a_held_position()
    assert harness.live.asked[0].view.can_enter
    harness.run_for(5)
    view = harness.live.asked[-1].view
    assert view.holding is not None
    assert (view.holding.outcome, view.holding.shares, view.holding.cost) == ("UP", 10, 5)
    assert (view.holding.opened_s_ago, view.holding.release, view.can_enter) == (5, "v1", False)


def test_a_view_says_that_an_order_stands() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS + seconds(5))
    view = harness.live.asked[-1].view
    assert (view.holding, view.can_enter) == (None, False)


def test_the_board_has_a_line_for_every_open_slot() -> None:
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "15m"), ("SOL", "5m")]), Scripted(Says(proposal=an_entry())))
    for market in (a_market(), a_market("ETH", "15m")):
        harness.lists(market)
        harness.quote(market)
    harness.run_to(NOON_NS)
    harness.fill()
    harness.run_for(5)
    board = harness.live.asked[-1].view.board
    assert [(line.slot, line.seconds_left, line.held) for line in board] == [
        ("btc-5m", 295, None),
        ("eth-15m", 895, None),
    ]
    assert board[0].up_mid == pytest.approx(0.53)
    assert board == harness.live.asked[-2].view.board


def test_the_board_shows_what_is_held() -> None:
    harness, _ = a_held_position("DOWN")
    harness.run_for(5)
    assert harness.live.asked[-1].view.board[0].held == "DOWN"


def near_the_end() -> tuple[Harness, int]:
    """Half a minute before the end of a window, the underlying quiet for three seconds."""
    harness, market = a_running_harness()
    at_ns = market.end_ns - seconds(30)
    harness.run_to(at_ns - seconds(3))
    harness.give(a_spot(100, at_ns=at_ns - seconds(3)))
    return harness, at_ns


def test_a_round_sees_prices_of_its_own_moment_after_an_event_at_the_same_instant() -> None:
    harness, at_ns = near_the_end()
    harness.give(a_quote(0.6, 0.61, at_ns=at_ns))
    harness.run_to(at_ns)
    on_event, on_time = (asked.view.prices for asked in harness.live.asked[-2:])
    assert on_event is not None
    assert on_time is not None
    assert on_time.closes == (100,)


def test_each_view_sees_the_last_tick_even_of_the_same_instant() -> None:
    at_ns = a_market().end_ns - seconds(30)
    harness = Harness(an_engine([("BTC", "5m"), ("BTC", "15m")]))
    short, long = a_market(), a_market("BTC", "15m", NOON_NS - seconds(600))
    for market in (short, long):
        harness.lists(market)
    harness.run_to(at_ns - 1)
    for price, market in ((100.0, short), (110.0, long)):
        harness.give(a_spot(price, at_ns=at_ns - 1))
        harness.give(a_quote(0.6, 0.61, at_ns=at_ns - 1, market=market))
    last_two = [asked.view.prices.last for asked in harness.live.asked[-2:] if asked.view.prices is not None]
    assert last_two == [100, 110]


def test_returns_are_shown_for_the_horizons_that_the_feed_reaches() -> None:
    harness, _ = a_running_harness()
    for n in range(16):
        harness.give(a_spot(100 + n, at_ns=NOON_NS + n * SECOND_NS))
    harness.run_to(NOON_NS + seconds(15))
    prices = harness.live.asked[-1].view.prices
    assert prices is not None
    assert prices.returns == ((10, pytest.approx(math.log(115 / 105))),)
    assert (prices.volatility, prices.closes) == ((), (104, 109, 114))
