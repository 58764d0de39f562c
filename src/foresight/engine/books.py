"""One outcome's order book, as the engine keeps it between events. The hottest code of the bot: one call a quote.

UP and DOWN are mirror images (a bid for UP at p is an ask for DOWN at 1 - p, docs/venue.md), so a side that its own
book has not told for `MIRROR_AFTER_NS` is read off the other outcome's book. Where both are fresh the own book
counts, because recorded books were polled one after the other and differ by a moment.

A source tells tops (`Quote`), whole books (`Depth`), or a whole book once and then its changes (`Levels`). Changes mean
something only after a whole book; a book whose top stays another one than the venue names has diverged, and tells
nothing until the next whole one.

A book is as old as its last arrival, unless changes arrive late: a channel that is a minute behind brings something all
the time. Then it is as old as its newest stamp. The stamp of a whole book says nothing of the way, for it is that of
its last change, and a quiet market's is old; it counts only while changes come late too.
"""

import math
from collections import deque

from foresight.engine.ladder import Ladder, Level
from foresight.engine.settings import WAY_NS
from foresight.events import ABSENT, NO_STAMP, NOT_TOLD, Depth, Levels, Printed, Quote
from foresight.markets import SECOND_NS, Market, MarketId, Outcome, Token
from foresight.money import MICROS
from foresight.strategy import Book

FAST_WEIGHT = 1 / 8
SLOW_WEIGHT = 1 / 64
SLOW_KEPT = 1 - SLOW_WEIGHT
MIRROR_AFTER_NS = 10 * SECOND_NS
HISTORY_SAMPLES = 24
"""Two minutes of mids, one every 5 s."""
LEVELS_SHOWN = 10
DEPTH_LEVELS = 5
NEVER_NS = -(10**18)
AVERAGED_EVERY_NS = SECOND_NS
"""Changes of a streamed book come a hundred times a second; the averages over updates take one of them a second, which
is how often the other kinds of source tell a book."""

DIVERGED_AFTER_NS = SECOND_NS
"""A named top counts all changes of its stamp, and some of them come up to 10 ms later in a recording."""

LATE_FOR_NS = 4 * SECOND_NS
"""A whole book this long after the last late change comes by REST, which reads what the channel has been silent about
for this long (feeds/books.py)."""


class BookState:
    """Prices and sizes are micros; `ABSENT` is an empty side, `NOT_TOLD` an unknown one."""

    __slots__ = (
        "_asks",
        "_averaged_ns",
        "_bids",
        "_doubted_ns",
        "_known_ns",
        "_late_until_ns",
        "_way_ns",
        "ask",
        "ask_at_ns",
        "ask_depth",
        "ask_history",
        "ask_size",
        "bid",
        "bid_at_ns",
        "bid_depth",
        "bid_size",
        "event_from_ns",
        "last_trade",
        "market",
        "mid_fast",
        "mid_history",
        "mid_slow",
        "mid_variance",
        "mirror",
        "outcome",
        "slot_id",
        "traded",
    )

    def __init__(self, market: Market, outcome: Outcome, event_from_ns: int, way_ns: int = WAY_NS) -> None:
        self.market = market
        self.slot_id = market.slot
        self.outcome = outcome
        self.event_from_ns = event_from_ns
        self._way_ns = way_ns
        self.mirror: BookState = self
        self.bid = self.ask = NOT_TOLD
        self.bid_size = self.ask_size = NOT_TOLD
        self.bid_depth = self.ask_depth = NOT_TOLD
        self.bid_at_ns = self.ask_at_ns = NEVER_NS
        self._bids: Ladder | None = None
        self._asks: Ladder | None = None
        self._averaged_ns = NEVER_NS
        self._doubted_ns: int | None = None
        self._known_ns = self._late_until_ns = NEVER_NS
        self.mid_fast = self.mid_slow = -1.0
        self.mid_variance = 0.0
        self.last_trade = NOT_TOLD
        self.traded = 0
        self.mid_history: deque[float] = deque(maxlen=HISTORY_SAMPLES)
        self.ask_history: deque[float | None] = deque(maxlen=HISTORY_SAMPLES)

    def take_quote(self, quote: Quote) -> None:
        """A new top of book. A side that is `NOT_TOLD` stays as it was; levels below the old top are not known."""
        self._bids = self._asks = None
        bid = quote.bid_micros
        ask = quote.ask_micros
        if bid >= ABSENT:
            self.bid = bid
            self.bid_at_ns = quote.at_ns
            self.bid_size = quote.bid_size_micros
            self.bid_depth = quote.bid_depth_micros
        else:
            bid = self.bid
        if ask >= ABSENT:
            self.ask = ask
            self.ask_at_ns = quote.at_ns
            self.ask_size = quote.ask_size_micros
            self.ask_depth = quote.ask_depth_micros
        else:
            ask = self.ask
        if bid > 0 and ask > 0:
            self._average((bid + ask) * 0.5)

    def _average(self, mid: float) -> None:
        if self.mid_fast < 0:
            self.mid_fast = self.mid_slow = mid
        else:
            self.mid_fast += (mid - self.mid_fast) * FAST_WEIGHT
            away = mid - self.mid_slow
            step = away * SLOW_WEIGHT
            self.mid_slow += step
            self.mid_variance = SLOW_KEPT * (self.mid_variance + away * step)

    def take_depth(self, depth: Depth) -> None:
        """A new whole book. Levels that are newer than it is stay as they are."""
        earlier, at_ns, stamped_ns = (self._bids, self._asks), depth.at_ns, depth.stamped_ns
        bids, asks = Ladder(depth.bids, stamped_ns, is_bid=True), Ladder(depth.asks, stamped_ns, is_bid=False)
        if stamped_ns != NO_STAMP:
            for ladder, before in zip((bids, asks), earlier, strict=True):
                for price, size, stamp in before.newer_than(stamped_ns) if before is not None else ():
                    ladder.put(price, size, stamp)
            self._known_ns = max(self._known_ns, min(at_ns, stamped_ns + self._way_ns))
            at_ns = self._known_ns if at_ns < self._late_until_ns else at_ns
        self.take_quote(
            Quote(
                at_ns,
                depth.token,
                bids.best,
                asks.best,
                bids.size_at_best() or NOT_TOLD,
                asks.size_at_best() or NOT_TOLD,
                _depth(bids.levels()),
                _depth(asks.levels()),
            )
        )
        self._bids, self._asks = bids, asks
        self._doubted_ns = None

    def take_levels(self, event: Levels) -> bool:
        """New sizes of some levels. False when the book has diverged from the tops that the venue names, and is lost.
        Before a whole book it changes nothing."""
        bids, asks = self._bids, self._asks
        if bids is None or asks is None:
            return True
        for price, size in event.bids:
            bids.put(price, size, event.stamped_ns)
        for price, size in event.asks:
            asks.put(price, size, event.stamped_ns)
        if self._has_diverged(event, bids.best, asks.best):
            self.lose()
            return False
        self.bid, self.ask = bids.best, asks.best
        self.bid_size, self.ask_size = bids.size_at_best(), asks.size_at_best()
        at_ns = known_ns = event.at_ns
        if event.stamped_ns < at_ns - self._way_ns:
            known_ns = self._held_up(event)
        self._known_ns = self.bid_at_ns = self.ask_at_ns = known_ns
        if self.bid > 0 and self.ask > 0 and at_ns - self._averaged_ns >= AVERAGED_EVERY_NS:
            self._averaged_ns = at_ns
            self._average((self.bid + self.ask) * 0.5)
        return True

    def _held_up(self, event: Levels) -> int:
        """When a book of which a change has arrived late was last known to be so."""
        if event.stamped_ns == NO_STAMP:
            return event.at_ns
        self._late_until_ns = event.at_ns + LATE_FOR_NS
        return max(self._known_ns, event.stamped_ns + self._way_ns)

    def _has_diverged(self, event: Levels, bid: int, ask: int) -> bool:
        """Whether the top has been another one than the venue names for longer than its own order of frames
        explains."""
        if event.best_bid_micros in (NOT_TOLD, bid) and event.best_ask_micros in (NOT_TOLD, ask):
            self._doubted_ns = None
            return False
        if self._doubted_ns is None:
            self._doubted_ns = event.at_ns
        return event.at_ns - self._doubted_ns > DIVERGED_AFTER_NS

    def lose(self) -> None:
        """The book means nothing until the next whole one; the other outcome's may still stand for it."""
        self._bids = self._asks = self._doubted_ns = None
        self.bid = self.ask = self.bid_size = self.ask_size = self.bid_depth = self.ask_depth = NOT_TOLD
        self.bid_at_ns = self.ask_at_ns = NEVER_NS

    @property
    def bids(self) -> tuple[Level, ...]:
        """Every known level, best first; empty where only the top is known."""
        return () if self._bids is None else self._bids.levels()

    @property
    def asks(self) -> tuple[Level, ...]:
        return () if self._asks is None else self._asks.levels()

    def take_print(self, printed: Printed) -> None:
        """A trade of others."""
        self.last_trade = printed.price_micros
        self.traded += printed.size_micros

    def best_ask(self, now_ns: int) -> tuple[int, int, int]:
        """(price, size, time) of the ask: the own one, or the other outcome's bid turned round where that is newer
        and the own one is old. The price is `ABSENT` or `NOT_TOLD` where there is none."""
        other = self.mirror
        if now_ns - self.ask_at_ns > MIRROR_AFTER_NS and other.bid_at_ns > self.ask_at_ns and other.bid > 0:
            return MICROS - other.bid, other.bid_size, other.bid_at_ns
        return self.ask, self.ask_size, self.ask_at_ns

    def best_bid(self, now_ns: int) -> tuple[int, int, int]:
        """As `best_ask`, for the bid."""
        other = self.mirror
        if now_ns - self.bid_at_ns > MIRROR_AFTER_NS and other.ask_at_ns > self.bid_at_ns and other.ask > 0:
            return MICROS - other.ask, other.ask_size, other.ask_at_ns
        return self.bid, self.bid_size, self.bid_at_ns

    def sides(self, now_ns: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """((bid, size), (ask, size)) as they can be seen together. Of a source that tells one side at a time, the
        side that is much the older is left out: a spread or a middle between then and now means nothing."""
        bid, bid_size, bid_ns = self.best_bid(now_ns)
        ask, ask_size, ask_ns = self.best_ask(now_ns)
        if ask_ns - bid_ns > MIRROR_AFTER_NS:
            bid, bid_size = NOT_TOLD, NOT_TOLD
        elif bid_ns - ask_ns > MIRROR_AFTER_NS:
            ask, ask_size = NOT_TOLD, NOT_TOLD
        return (bid, bid_size), (ask, ask_size)

    def told_at_ns(self) -> int:
        """When either outcome's book last told anything."""
        other = self.mirror
        return max(self.bid_at_ns, self.ask_at_ns, other.bid_at_ns, other.ask_at_ns)

    def mid(self, now_ns: int) -> float | None:
        """The middle as a probability; with one side known, that side."""
        (bid, _), (ask, _) = self.sides(now_ns)
        if bid > 0 and ask > 0:
            return (bid + ask) / 2 / MICROS
        known = bid if bid > 0 else ask
        return known / MICROS if known > 0 else None

    def sample(self, now_ns: int) -> None:
        """Adds the mid and the ask of this moment to the histories; an ask that is old is not there."""
        mid = self.mid(now_ns)
        if mid is not None:
            self.mid_history.append(mid)
        ask, _, told_ns = self.best_ask(now_ns)
        self.ask_history.append(ask / MICROS if ask > 0 and now_ns - told_ns <= MIRROR_AFTER_NS else None)

    def view(self, now_ns: int) -> Book:
        (bid, bid_size), (ask, ask_size) = self.sides(now_ns)
        told_at_ns = self.told_at_ns()
        bids, asks = self.bids, self.asks
        return Book(
            bid=_known(bid) if bid > 0 else None,
            bid_size=_known(bid_size),
            ask=_known(ask) if ask > 0 else None,
            ask_size=_known(ask_size),
            bids=_levels(bids),
            asks=_levels(asks),
            bid_depth=_known(_depth(bids) if bids else self.bid_depth),
            ask_depth=_known(_depth(asks) if asks else self.ask_depth),
            age_s=None if told_at_ns == NEVER_NS else (now_ns - told_at_ns) / SECOND_NS,
            mid_fast=None if self.mid_fast < 0 else self.mid_fast / MICROS,
            mid_slow=None if self.mid_slow < 0 else self.mid_slow / MICROS,
            mid_deviation=None if self.mid_fast < 0 else math.sqrt(self.mid_variance) / MICROS,
            mid_history=tuple(self.mid_history),
            ask_history=tuple(self.ask_history),
            last_trade=_known(self.last_trade),
            traded=self.traded / MICROS,
        )


def pair_of(market: Market, event_window_ns: int, way_ns: int = WAY_NS) -> tuple[BookState, BookState]:
    """The empty books of a market's two outcomes, each the other's mirror."""
    event_from_ns = market.end_ns - event_window_ns
    up, down = BookState(market, "UP", event_from_ns, way_ns), BookState(market, "DOWN", event_from_ns, way_ns)
    up.mirror, down.mirror = down, up
    return up, down


NOWHERE = Market(
    market_id=MarketId(""),
    asset="",
    timeframe="5m",
    start_ns=0,
    end_ns=0,
    up=Token(""),
    down=Token(""),
    source="",
)
NOBODY = BookState(NOWHERE, "UP", 0)
"""The mirror of a book whose market is over: it tells nothing."""


def _known(value_micros: int) -> float | None:
    return None if value_micros == NOT_TOLD else value_micros / MICROS


def _depth(levels: tuple[Level, ...]) -> int:
    return sum(size for _, size in levels[:DEPTH_LEVELS])


def _levels(levels: tuple[tuple[int, int], ...]) -> tuple[tuple[float, float], ...]:
    return tuple((price / MICROS, size / MICROS) for price, size in levels[:LEVELS_SHOWN])
