"""One event of Polymarket's books as it stands on the wire, and the noun that it becomes (venue spec §5.8, §6.1).

One flat Struct takes every event: it costs 1 us for a whole price_change, and what we do not read is skipped in C. An
event counts whole or not at all: half of a book or of a change would be a wrong book that nobody notices.
"""

from collections.abc import Callable

import msgspec

from foresight.events import NOT_TOLD
from foresight.markets import Token
from foresight.wire.clob_messages import (
    BestBidAsk,
    Book,
    Change,
    ClobMessage,
    LastTrade,
    Level,
    MarketResolved,
    NewMarket,
    PriceChange,
    TickSizeChange,
)
from foresight.wire.numbers import named_price, price_of, size_of, stamp_of, token_of
from foresight.wire.rejects import Rejected

LEVELS_MAX = 10_000
"""So many levels a side of a book has at the finest tick, 0.0001, and so many changes a frame; 4 MiB of them would hold
the loop for 190 ms."""


class WireLevel(msgspec.Struct, gc=False):
    price: str
    size: str


class _Change(msgspec.Struct, gc=False):
    price: str
    size: str
    side: str
    asset_id: str | None = None
    best_bid: str | None = None
    best_ask: str | None = None


class WireEvent(msgspec.Struct):
    """Every event's fields; which are there, depends on `event_type`. Times are text in milliseconds, decimals text."""

    event_type: str = ""
    market: str = ""
    asset_id: str = ""
    timestamp: str | int = ""
    price_changes: list[_Change] | None = None
    changes: list[_Change] | None = None
    bids: list[WireLevel] | None = None
    asks: list[WireLevel] | None = None
    hash: str | None = None
    tick_size: str | None = None
    price: str | None = None
    size: str | None = None
    side: str | None = None
    best_bid: str | None = None
    best_ask: str | None = None
    new_tick_size: str | None = None
    condition_id: str | None = None
    slug: str | None = None
    assets_ids: list[str] | None = None
    clob_token_ids: list[str] | None = None
    outcomes: list[str] | None = None
    winning_asset_id: str | None = None
    winning_outcome: str | None = None


def event_name(event: WireEvent) -> str:
    """Its `event_type`, or what its fields say where a client has cut that off; "none" when they say nothing."""
    if event.event_type:
        return event.event_type
    if event.price_changes is not None or event.changes is not None:
        return "price_change"
    if event.bids is not None and event.asks is not None:
        return "book"
    if event.new_tick_size is not None:
        return "tick_size_change"
    return "last_trade_price" if event.price is not None and event.side is not None else "none"


def book_of(event: WireEvent) -> Book:
    if event.bids is None or event.asks is None:
        raise Rejected("bad-book", "a book without both sides")
    return Book(
        _market(event),
        token_of(event.asset_id),
        stamp_of(event.timestamp),
        _best_first(event.bids, is_bid=True),
        _best_first(event.asks, is_bid=False),
        price_of(event.tick_size, "tick") if event.tick_size else None,
        event.hash or "",
    )


def _best_first(levels: list[WireLevel], *, is_bid: bool) -> tuple[Level, ...]:
    """Levels without size are left out; of two at one price the later counts."""
    _check_count(len(levels))
    sizes = {price_of(level.price): size_of(level.size) for level in levels}
    return tuple(sorted((level for level in sizes.items() if level[1]), reverse=is_bid))


def _price_change(event: WireEvent) -> PriceChange:
    """Today's `price_changes`; before, `changes` of one outcome, or one change in the event itself."""
    changes = event.price_changes if event.price_changes is not None else event.changes
    if changes is None:
        if event.price is None or event.size is None or event.side is None:
            raise Rejected("bad-change", "a price_change without changes")
        changes = [_Change(event.price, event.size, event.side, None, event.best_bid, event.best_ask)]
    _check_count(len(changes))
    told = tuple([_change(change, event.asset_id) for change in changes])
    return PriceChange(_market(event), stamp_of(event.timestamp), told)


def _change(change: _Change, of_event: str) -> Change:
    return Change(
        token_of(of_event if change.asset_id is None else change.asset_id),
        _is_buy(change.side),
        price_of(change.price),
        size_of(change.size),
        named_price(change.best_bid),
        named_price(change.best_ask),
    )


def _last_trade(event: WireEvent) -> LastTrade:
    if event.price is None or event.side is None:
        raise Rejected("bad-trade", "a trade without price or side")
    size_micros = size_of(event.size) if event.size else NOT_TOLD
    is_buy, stamped_ns = _is_buy(event.side), stamp_of(event.timestamp)
    return LastTrade(_market(event), token_of(event.asset_id), price_of(event.price), size_micros, is_buy, stamped_ns)


def _tick_size_change(event: WireEvent) -> TickSizeChange:
    tick_micros = price_of(event.new_tick_size or "", "tick")
    return TickSizeChange(_market(event), token_of(event.asset_id), tick_micros, stamp_of(event.timestamp))


def _best_bid_ask(event: WireEvent) -> BestBidAsk:
    bid_micros, ask_micros = named_price(event.best_bid), named_price(event.best_ask)
    return BestBidAsk(_market(event), token_of(event.asset_id), bid_micros, ask_micros, stamp_of(event.timestamp))


def _new_market(event: WireEvent) -> NewMarket:
    tokens = _tokens(event.clob_token_ids or event.assets_ids)
    outcomes = tuple(event.outcomes or ())
    if len(tokens) != len(outcomes):
        raise Rejected("bad-market", f"{len(tokens)} outcome ids and {len(outcomes)} labels")
    condition = event.condition_id or _market(event)
    return NewMarket(condition, event.slug or "", tokens, outcomes, stamp_of(event.timestamp))


def _market_resolved(event: WireEvent) -> MarketResolved:
    tokens = _tokens(event.assets_ids)
    winner = token_of(event.winning_asset_id) if event.winning_asset_id else Token("")
    if winner and tokens and winner not in tokens:
        raise Rejected("bad-winner", "the winner is no outcome of the market")
    return MarketResolved(_market(event), tokens, winner, event.winning_outcome or "", stamp_of(event.timestamp))


def _market(event: WireEvent) -> str:
    if not event.market:
        raise Rejected("no-market", "an event without its market")
    return event.market


def _check_count(count: int) -> None:
    if count > LEVELS_MAX:
        raise Rejected("too-many", f"{count} levels, more than {LEVELS_MAX}")


def _tokens(ids: list[str] | None) -> tuple[Token, ...]:
    return tuple([token_of(text) for text in ids or ()])


def _is_buy(side: str) -> bool:
    if side == "BUY":
        return True
    if side == "SELL":
        return False
    raise Rejected("bad-side", f"a side {side[:20]!r}")


BUILDERS: dict[str, Callable[[WireEvent], ClobMessage]] = {
    "price_change": _price_change,
    "book": book_of,
    "last_trade_price": _last_trade,
    "best_bid_ask": _best_bid_ask,
    "tick_size_change": _tick_size_change,
    "new_market": _new_market,
    "market_resolved": _market_resolved,
}
