"""Builders of a market, its books, and a paper broker that trades in it."""

from typing import Literal

import msgspec

from foresight.broker import PaperBroker
from foresight.effects import Approved, Order
from foresight.engine.books import BookState, pair_of
from foresight.events import NOT_TOLD, BrokerEvent, Depth, Fill, OrderClosed, OrderFilled, Quote
from foresight.markets import SECOND_NS, Market, MarketId, OrderId, Token
from foresight.money import MICROS, micros

DELAY_NS = 150_000_000
Levels = list[tuple[float, float]]


def a_market(fills: Literal["book", "next_quote"] = "book", *, fee_rate: int = 70_000, end_s: int = 300) -> Market:
    return Market(
        market_id=MarketId("btc-updown-5m-0"),
        asset="BTC",
        timeframe="5m",
        start_ns=0,
        end_ns=end_s * SECOND_NS,
        up=Token("up"),
        down=Token("down"),
        source="test",
        fills=fills,
        fee_rate_micros=fee_rate,
    )


class Venue:
    """One market with its books, and the broker, in venue time."""

    def __init__(self, market: Market) -> None:
        self.market = market
        up, down = pair_of(market, 0)
        self.books: dict[Token, BookState] = {market.up: up, market.down: down}
        self.broker = PaperBroker(self.books.get)

    def depth(self, *, asks: Levels = [], bids: Levels = [], at_ns: int = 0) -> None:  # noqa: B006 - never changed
        self.books[self.market.up].take_depth(Depth(at_ns, self.market.up, _micros(bids), _micros(asks)))

    def quote(
        self, *, bid: float | None = None, ask: float | None = None, at_ns: int = 0, token: str = "up",
        size: int = NOT_TOLD,
    ) -> list[BrokerEvent]:  # fmt: skip
        """None is not told."""
        told = [NOT_TOLD if price is None else micros(price) for price in (bid, ask)]
        quote = Quote(at_ns, Token(token), told[0], told[1], size, size)
        self.books[quote.token].take_quote(quote)
        return self.broker.observe(quote)

    def close(self) -> None:
        self.books.clear()

    def send(self, order: Order, at_ns: int = 0) -> None:
        self.broker.send(Approved(order), at_ns)

    def answered(self, order: Order, at_ns: int = 0) -> list[BrokerEvent]:
        """The answer at the order's next wake."""
        self.send(order, at_ns)
        wakes_ns = self.broker.next_wake_ns
        assert wakes_ns is not None
        return self.broker.wake(wakes_ns)


def an_order(
    side: Literal["BUY", "SELL"] = "BUY", *, amount: float = 5.0, limit: float = 0.6,
    kind: Literal["FAK", "FOK"] = "FAK", token: str = "up", order_id: str = "o1",
) -> Order:  # fmt: skip
    return Order(
        order_id=OrderId(order_id),
        market_id=MarketId("btc-updown-5m-0"),
        token=Token(token),
        side=side,
        amount_micros=micros(amount),
        limit_micros=micros(limit),
        kind=kind,
        release="v1",
        revision=1,
    )


def fills_of(events: list[BrokerEvent]) -> tuple[Fill, ...]:
    """The fills of a filled order; fails the test when it was not."""
    filled, closed = events
    assert isinstance(filled, OrderFilled)
    assert isinstance(closed, OrderClosed)
    assert closed.ending == "filled"
    return filled.fills


def ending_of(events: list[BrokerEvent]) -> tuple[str, str]:
    """(ending, why) of an order that got nothing."""
    (closed,) = events
    assert isinstance(closed, OrderClosed)
    return closed.ending, closed.why


def spent_by(events: list[BrokerEvent]) -> int:
    filled = [event for event in events if isinstance(event, OrderFilled)]
    return sum(-(-fill.price_micros * fill.shares_micros // MICROS) for event in filled for fill in event.fills)


def with_notional(market: Market, minimum: float) -> Market:
    return msgspec.structs.replace(market, min_notional_micros=micros(minimum))


def _micros(levels: Levels) -> tuple[tuple[int, int], ...]:
    return tuple((micros(price), micros(size)) for price, size in levels)
