"""The paper broker against a streamed book: delay, depth, limits, minimums and fees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_builders import (
    DELAY_NS,
    Venue,
    a_market,
    an_order,
    ending_of,
    fills_of,
    spent_by,
    with_notional,
)

from foresight.effects import Order
from foresight.events import Depth, Fill, OrderClosed, OrderFilled
from foresight.markets import MarketId, OrderId, Token
from foresight.money import MICROS, cost_of, fee_of, micros


def test_an_order_meets_the_book_after_the_takers_delay() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 100)])
    venue.send(an_order(), at_ns=1_000)

    assert venue.broker.is_waiting
    assert venue.broker.next_wake_ns == 1_000 + DELAY_NS
    assert venue.broker.wake(1_000 + DELAY_NS - 1) == []
    assert len(venue.broker.wake(1_000 + DELAY_NS)) == 2
    assert not venue.broker.is_waiting
    assert venue.broker.next_wake_ns is None


def test_the_book_at_arrival_counts_and_not_the_one_at_sending() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 100)])
    venue.send(an_order())
    venue.depth(asks=[(0.55, 100)], at_ns=DELAY_NS - 1)

    (fill,) = fills_of(venue.broker.wake(DELAY_NS))

    assert fill.price_micros == 550_000


def test_a_book_that_has_gone_beyond_the_limit_before_arrival_fills_nothing() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 100)])
    venue.send(an_order(limit=0.5))
    venue.depth(asks=[(0.51, 100)], at_ns=1)

    assert ending_of(venue.broker.wake(DELAY_NS)) == (
        "killed",
        "was killed: nothing was offered at the limit or better",
    )


def test_a_buy_spends_its_stake_and_a_better_price_gives_more_shares() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 100)])

    (fill,) = fills_of(venue.answered(an_order(amount=5, limit=0.6)))

    assert (fill.price_micros, fill.shares_micros) == (500_000, 10 * MICROS)


def test_the_fee_is_that_of_each_fills_own_price() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 4), (0.6, 100)])

    first, second = fills_of(venue.answered(an_order(amount=5)))

    assert first == Fill(500_000, 4 * MICROS, micros(0.07))
    assert second == Fill(600_000, 5 * MICROS, micros(0.084))


def test_a_buy_walks_the_asks_from_the_best() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.50, 2), (0.52, 2), (0.54, 100)])

    fills = fills_of(venue.answered(an_order(amount=5)))

    assert [fill.price_micros for fill in fills] == [500_000, 520_000, 540_000]
    assert [fill.shares_micros for fill in fills][:2] == [2 * MICROS, 2 * MICROS]


def test_a_sale_walks_the_bids_from_the_best_and_gives_shares() -> None:
    venue = Venue(a_market())
    venue.depth(bids=[(0.50, 4), (0.48, 100)])

    fills = fills_of(venue.answered(an_order("SELL", amount=10, limit=0.45)))

    assert [(fill.price_micros, fill.shares_micros) for fill in fills] == [(500_000, 4 * MICROS), (480_000, 6 * MICROS)]
    assert fills[1].fee_micros == fee_of(480_000, 6 * MICROS, 70_000)


@pytest.mark.parametrize(("side", "price", "is_filled"), [
    ("BUY", 0.60, True), ("BUY", 0.600001, False), ("BUY", 0.59, True),
    ("SELL", 0.60, True), ("SELL", 0.599999, False), ("SELL", 0.61, True),
])  # fmt: skip
def test_the_limit_is_the_last_price_that_fills(side: str, price: float, is_filled: bool) -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(price, 100)], bids=[(price, 100)])

    events = venue.answered(an_order("BUY" if side == "BUY" else "SELL", limit=0.60))

    assert (len(events) == 2) == is_filled


def test_fak_takes_what_is_there_and_drops_the_rest() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 4), (0.7, 100)])

    events = venue.answered(an_order(amount=5, kind="FAK"))

    assert [fill.shares_micros for fill in fills_of(events)] == [4 * MICROS]
    assert isinstance(events[1], OrderClosed)
    assert events[1].why == "the rest was dropped"


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_fok_takes_nothing_when_it_cannot_have_all(side: str) -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 9.99)], bids=[(0.5, 4.99)])

    events = venue.answered(an_order("BUY" if side == "BUY" else "SELL", amount=5, limit=0.5, kind="FOK"))

    assert ending_of(events) == ("killed", "was killed: the book could not fill all of it")


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_fok_takes_all_when_there_is_exactly_enough(side: str) -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 10)], bids=[(0.5, 5)])

    events = venue.answered(an_order("BUY" if side == "BUY" else "SELL", amount=5, limit=0.5, kind="FOK"))

    assert len(fills_of(events)) == 1


def test_a_fill_says_which_book_it_met() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5 + 0.001 * step, 1) for step in range(12)])

    filled = venue.answered(an_order(amount=2))[0]

    assert isinstance(filled, OrderFilled)
    assert filled.book == tuple((500_000 + 1_000 * step, MICROS) for step in range(10))


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_empty_side_kills_the_order(side: str) -> None:
    venue = Venue(a_market())

    events = venue.answered(an_order("BUY" if side == "BUY" else "SELL"))

    assert ending_of(events) == ("killed", "was killed: nothing was offered at the limit or better")


def test_a_buy_under_the_minimum_notional_is_rejected_and_at_it_is_filled() -> None:
    venue = Venue(with_notional(a_market(), 1))
    venue.depth(asks=[(0.5, 100)])

    under = venue.answered(an_order(amount=0.999999))
    at = venue.answered(an_order(amount=1, order_id="o2"))

    assert ending_of(under) == ("rejected", "was rejected: under the venue's minimum for a marketable order")
    assert len(fills_of(at)) == 1


def test_a_sale_has_no_minimum_notional() -> None:
    venue = Venue(with_notional(a_market(), 1))
    venue.depth(bids=[(0.5, 100)])

    assert len(fills_of(venue.answered(an_order("SELL", amount=0.5, limit=0.5)))) == 1


@pytest.mark.parametrize(("early_ns", "is_open"), [(1, True), (0, False)])
def test_an_order_that_arrives_at_the_windows_end_is_rejected(early_ns: int, is_open: bool) -> None:
    market = a_market()
    venue = Venue(market)
    venue.depth(asks=[(0.5, 100)])
    venue.send(an_order(), at_ns=market.end_ns - DELAY_NS - early_ns)

    events = venue.broker.wake(market.end_ns - early_ns)

    assert (len(events) == 2) == is_open
    if not is_open:
        assert ending_of(events) == ("rejected", "was rejected: the market is closed")


def test_an_order_whose_market_closed_before_arrival_is_rejected() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 100)])
    venue.send(an_order())
    venue.close()

    assert ending_of(venue.broker.wake(DELAY_NS)) == ("rejected", "was rejected: the market is closed")


def test_an_order_for_a_market_that_is_not_there_is_rejected_at_once() -> None:
    venue = Venue(a_market())

    assert ending_of(venue.answered(an_order(token="unknown"), at_ns=7))[0] == "rejected"
    assert not venue.broker.is_waiting


def test_without_levels_the_best_price_fills_and_an_unknown_size_is_assumed() -> None:
    venue = Venue(a_market())
    venue.quote(ask=0.5)

    (fill,) = fills_of(venue.answered(an_order(amount=5)))

    assert fill == Fill(500_000, 10 * MICROS, micros(0.175), ("size",))


def test_without_levels_a_size_that_is_told_limits_the_fill() -> None:
    venue = Venue(a_market())
    venue.quote(ask=0.5, size=4 * MICROS)

    (fill,) = fills_of(venue.answered(an_order(amount=5)))

    assert (fill.shares_micros, fill.assumed) == (4 * MICROS, ())


def test_orders_are_answered_each_at_its_own_time() -> None:
    venue = Venue(a_market())
    venue.depth(asks=[(0.5, 100)])
    venue.send(an_order(order_id="o1"), at_ns=0)
    venue.send(an_order(order_id="o2"), at_ns=10)

    first = venue.broker.wake(DELAY_NS)
    assert venue.broker.next_wake_ns == DELAY_NS + 10
    second = venue.broker.wake(DELAY_NS + 10)

    assert [{event.order_id for event in events} for events in (first, second)] == [{"o1"}, {"o2"}]


LEVELS = st.lists(
    st.tuples(st.integers(1, MICROS - 1), st.integers(0, 50 * MICROS)), max_size=6, unique_by=lambda level: level[0]
)


def an_order_of(side: str, amount: int, limit: int, kind: str) -> Order:
    return Order(
        order_id=OrderId("o1"),
        market_id=MarketId("m"),
        token=Token("up"),
        side="BUY" if side == "BUY" else "SELL",
        amount_micros=amount,
        limit_micros=limit,
        kind="FAK" if kind == "FAK" else "FOK",
        release="v1",
        revision=1,
    )


@given(
    LEVELS,
    st.sampled_from(["BUY", "SELL"]),
    st.integers(MICROS, 100 * MICROS),
    st.integers(1, MICROS - 1),
    st.sampled_from(["FAK", "FOK"]),
)
def test_no_fill_is_beyond_the_limit_the_level_or_the_amount(
    levels: list[tuple[int, int]], side: str, amount: int, limit: int, kind: str
) -> None:
    venue = Venue(a_market())
    book = venue.books[venue.market.up]
    asks, bids = tuple(sorted(levels)), tuple(sorted(levels, reverse=True))
    book.take_depth(Depth(0, venue.market.up, bids, asks))
    offered = dict(levels)

    events = venue.answered(an_order_of(side, amount, limit, kind))

    fills = fills_of(events) if len(events) == 2 else ()
    for fill in fills:
        assert fill.price_micros <= limit if side == "BUY" else fill.price_micros >= limit
        assert 0 < fill.shares_micros <= offered[fill.price_micros]
        assert fill.fee_micros == fee_of(fill.price_micros, fill.shares_micros, 70_000)
    if side == "BUY":
        assert spent_by(events) <= amount
        if fills and kind == "FOK":
            assert amount - spent_by(events) <= len(fills), "all was spent, but for what no further share costs"
    else:
        assert sum(fill.shares_micros for fill in fills) <= amount
        assert kind == "FAK" or not fills or sum(fill.shares_micros for fill in fills) == amount


@given(st.integers(MICROS, 100 * MICROS), st.integers(1, MICROS - 1))
def test_a_deep_level_gives_as_many_shares_as_the_stake_can_buy(amount: int, price: int) -> None:
    venue = Venue(a_market())
    venue.books[venue.market.up].take_depth(Depth(0, venue.market.up, (), ((price, 10**15),)))

    (fill,) = fills_of(venue.answered(an_order_of("BUY", amount, price, "FOK")))

    assert cost_of(price, fill.shares_micros) <= amount < price * (fill.shares_micros + 1) / MICROS
