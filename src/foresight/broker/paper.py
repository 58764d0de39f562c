"""The paper broker: fills against the real book, by the venue's rules, with its delay, fees and minimums.

An order arrives at the venue after the market's taker delay and meets the book of that moment (docs/venue.md). It
walks the asks (or bids) best first up to its limit. FAK takes what is there and drops the rest, FOK takes all or
nothing. A BUY spends dollars, so a better price gives more shares, not change (§5.4).

Where only quotes about a second apart were recorded the book between them is unknown. Then a fill costs the worse of
the last quote and the next one within `NEXT_QUOTE_NS`; with no next quote there is no fill. A size that was not told
fills up to the stake, and the fill says `assumed: size`.
"""

from collections.abc import Callable
from typing import Literal

from foresight.effects import Approved, Order
from foresight.engine.books import NOWHERE, BookState
from foresight.events import BrokerEvent, Fill, OrderClosed, OrderFilled, Quote
from foresight.markets import SECOND_NS, Market, OrderId, Token
from foresight.money import MICROS, cost_of, fee_of, shares_for

NEXT_QUOTE_NS = 10 * SECOND_NS

Lookup = Callable[[Token], BookState | None]
Ending = Literal["filled", "killed", "rejected"]
Level = tuple[int, int | None]
"""(price, size) in micros; a size of None is not told."""


class Waiting:
    """An order that has not met the book yet."""

    def __init__(self, order: Order, market: Market, arrives_ns: int) -> None:
        self.order = order
        self.market = market
        self.arrives_ns = arrives_ns
        self.wakes_ns = arrives_ns
        self.last: Level | None = None
        self.mirrored: Level | None = None


class PaperBroker:
    """Holds orders until they have an answer. `lookup` gives the live book of a token, None once it has closed."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._waiting: dict[OrderId, Waiting] = {}

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def next_wake_ns(self) -> int | None:
        return min((waiting.wakes_ns for waiting in self._waiting.values()), default=None)

    def send(self, approved: Approved[Order], at_ns: int) -> None:
        """Takes an order at `at_ns`. An order for a market that is not open is answered at its next wake."""
        order = approved.item
        book = self._lookup(order.token)
        delay_ns = book.market.taker_delay_ns if book is not None else 0
        if book is not None:
            self._waiting[order.order_id] = Waiting(order, book.market, at_ns + delay_ns)
        else:
            self._waiting[order.order_id] = Waiting(order, NOWHERE, at_ns)

    def wake(self, at_ns: int) -> list[BrokerEvent]:
        """The answers that are due at `at_ns`."""
        events: list[BrokerEvent] = []
        for waiting in [waiting for waiting in self._waiting.values() if waiting.wakes_ns <= at_ns]:
            events += self._meet(waiting, at_ns)
        return events

    def observe(self, quote: Quote) -> list[BrokerEvent]:
        """The next quote, for orders that wait for one."""
        events: list[BrokerEvent] = []
        for waiting in list(self._waiting.values()):
            if waiting.last is not None and quote.token in (waiting.market.up, waiting.market.down):
                events += self._next_quote(waiting, quote)
        return events

    def _meet(self, waiting: Waiting, at_ns: int) -> list[BrokerEvent]:
        order, market = waiting.order, waiting.market
        book = self._lookup(order.token)
        if book is None or at_ns >= market.end_ns:
            return self._close(order, at_ns, "rejected", "the market is closed")
        if order.side == "BUY" and order.amount_micros < market.min_notional_micros:
            return self._close(order, at_ns, "rejected", "under the venue's minimum for a marketable order")
        if market.fills == "book":
            return self._execute(waiting, _side(book, order, at_ns), at_ns)
        if waiting.last is not None:
            return self._give_up(waiting, at_ns)
        levels = _side(book, order, at_ns)
        if not levels:
            return self._close(order, at_ns, "killed", "nobody was on the other side")
        waiting.last = levels[0]
        waiting.wakes_ns = at_ns + NEXT_QUOTE_NS
        return []

    def _next_quote(self, waiting: Waiting, quote: Quote) -> list[BrokerEvent]:
        told = _told(waiting, quote)
        if told is None or quote.at_ns >= waiting.market.end_ns:
            return []
        if quote.token != waiting.order.token:
            waiting.mirrored = waiting.mirrored or told
            return []
        return self._execute(waiting, [_worse(waiting, told)], quote.at_ns)

    def _give_up(self, waiting: Waiting, at_ns: int) -> list[BrokerEvent]:
        """No quote of the order's own outcome came: the other outcome's counts, as its mirror image."""
        if waiting.mirrored is None:
            return self._close(waiting.order, at_ns, "killed", "no later quote within 10 s")
        return self._execute(waiting, [_worse(waiting, waiting.mirrored)], at_ns)

    def _execute(self, waiting: Waiting, levels: list[Level], at_ns: int) -> list[BrokerEvent]:
        order = waiting.order
        fills, left = _walk(order, levels, waiting.market.fee_rate_micros)
        if not fills:
            return self._close(order, at_ns, "killed", "nothing was offered at the limit or better")
        if left and order.kind == "FOK":
            return self._close(order, at_ns, "killed", "the book could not fill all of it")
        shown = tuple((price, -1 if size is None else size) for price, size in levels[:10])
        why = "the rest was dropped" if left else ""
        return [OrderFilled(at_ns, order.order_id, tuple(fills), shown), *self._close(order, at_ns, "filled", why)]

    def _close(self, order: Order, at_ns: int, ending: Ending, why: str) -> list[BrokerEvent]:
        del self._waiting[order.order_id]
        text = why if ending == "filled" else f"was {ending}: {why}"
        return [OrderClosed(at_ns, order.order_id, ending, text)]


def _side(book: BookState, order: Order, at_ns: int) -> list[Level]:
    """The levels that the order would take, best first."""
    is_buy = order.side == "BUY"
    levels = book.asks if is_buy else book.bids
    if levels:
        return [(price, size) for price, size in levels]
    price, size, _ = book.best_ask(at_ns) if is_buy else book.best_bid(at_ns)
    return [(price, None if size < 0 else size)] if price > 0 else []


def _told(waiting: Waiting, quote: Quote) -> Level | None:
    """What a quote tells of the side that the order takes, directly or as the mirror image."""
    is_own, is_buy = quote.token == waiting.order.token, waiting.order.side == "BUY"
    if is_own == is_buy:
        price, size = quote.ask_micros, quote.ask_size_micros
    else:
        price, size = quote.bid_micros, quote.bid_size_micros
    if price <= 0:
        return None
    return price if is_own else MICROS - price, None if size < 0 else size


def _worse(waiting: Waiting, told: Level) -> Level:
    assert waiting.last is not None
    pick = max if waiting.order.side == "BUY" else min
    return pick(waiting.last[0], told[0]), told[1]


def _walk(order: Order, levels: list[Level], fee_rate_micros: int) -> tuple[list[Fill], int]:
    """The fills of an order against levels, and what is left of its amount (dollars of a BUY, shares of a SELL)."""
    fills: list[Fill] = []
    left = order.amount_micros
    for price, size in levels:
        if price > order.limit_micros if order.side == "BUY" else price < order.limit_micros:
            break
        wanted = shares_for(left, price) if order.side == "BUY" else left
        shares = wanted if size is None else min(wanted, size)
        if shares <= 0:
            break
        assumed = ("size",) if size is None else ()
        fills.append(Fill(price, shares, fee_of(price, shares, fee_rate_micros), assumed))
        is_done = shares == wanted
        left = 0 if is_done else left - (cost_of(price, shares) if order.side == "BUY" else shares)
        if is_done:
            break
    return fills, left
