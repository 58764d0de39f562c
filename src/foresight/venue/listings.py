"""One market as the venue knows it, and all of them: listed a day ahead, found by slug, condition or token."""

from collections import deque
from collections.abc import Iterator

import msgspec

from foresight.markets import MINUTE_NS, SECOND_NS, TIMEFRAME_NS, Market, Outcome
from foresight.money import MICROS
from foresight.sources.simulated.windows import market_of
from foresight.venue.identities import Identity, VersionRule, identity_of
from foresight.venue.ladders import Ladder

LISTED_AHEAD_NS = 24 * 60 * MINUTE_NS
"""A row exists about a day before its window (venue spec §3.1), and is kept as long after it."""
TRADES_KEPT = 2_000
"""Trades that one market keeps for the Data API; the venue pages through all, and 15 minutes seldom have more."""


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A trade of others; `side` is the taker's, read off the book when the source does not tell."""

    at_ns: int
    outcome: Outcome
    price_micros: int
    size_micros: int
    side: str
    number: int


class Listing:
    """A market's state. `winner` is None until it is resolved."""

    def __init__(self, market: Market, identity: Identity, listed_ns: int) -> None:
        self.market = market
        self.identity = identity
        self.listed_ns = listed_ns
        self.ladder = Ladder()
        self.tick_micros = market.tick_micros
        self.changed_ns = listed_ns
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.trade_count = 0
        self.volume_micros = 0
        self.owes_book = False
        self.winner: Outcome | None = None
        self.resolved_ns = 0
        self.resolved_by = ""
        self.side_told_ns: dict[str, int] = {}

    @property
    def slug(self) -> str:
        return str(self.market.market_id)

    @property
    def last_trade(self) -> Trade | None:
        return self.trades[-1] if self.trades else None

    def last_price(self, outcome: Outcome) -> int | None:
        """The last trade's price, in this outcome's terms."""
        trade = self.last_trade
        if trade is None:
            return None
        return trade.price_micros if trade.outcome == outcome else MICROS - trade.price_micros

    def outcome_of(self, token: str) -> Outcome:
        return "UP" if token == self.identity.up else "DOWN"

    def labels(self) -> frozenset[str]:
        """What a fault may name this market by."""
        market = self.market
        return frozenset((market.asset, market.slot, self.slug, *self.identity.tokens, self.identity.condition))


class Listings:
    """All markets. A simulated venue lists every window of its slots a day ahead by slug arithmetic; a recorded one
    lists what its source lists."""

    def __init__(self, slots: tuple[tuple[str, str], ...], rule: VersionRule, *, by_arithmetic: bool) -> None:
        self._slots = slots
        self._rule: VersionRule = rule
        self._by_arithmetic = by_arithmetic
        self._by_slug: dict[str, Listing] = {}
        self._by_token: dict[str, Listing] = {}
        self._by_condition: dict[str, Listing] = {}
        self._by_source_token: dict[str, Listing] = {}
        self._next_s: dict[tuple[str, str], int] = {}

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._by_slug.values())

    def __len__(self) -> int:
        return len(self._by_slug)

    def of_slug(self, slug: str) -> Listing | None:
        return self._by_slug.get(slug)

    def of_token(self, token: str) -> Listing | None:
        return self._by_token.get(token)

    def of_condition(self, condition: str) -> Listing | None:
        """By the form of CLOB and Data API; Gamma's shorter form of a v2 condition finds nothing (venue spec §2.3)."""
        return self._by_condition.get(condition.lower())

    def of_source_token(self, token: str) -> Listing | None:
        return self._by_source_token.get(token)

    def add(self, market: Market, listed_ns: int) -> Listing:
        """The market's listing, made when it is new."""
        known = self._by_slug.get(market.market_id)
        if known is not None:
            return known
        listing = Listing(market, identity_of(market, self._rule), listed_ns)
        self._by_slug[listing.slug] = listing
        self._by_condition[listing.identity.condition] = listing
        for token in listing.identity.tokens:
            self._by_token[token] = listing
        self._by_source_token[market.up] = self._by_source_token[market.down] = listing
        return listing

    def extend(self, now_ns: int) -> list[Listing]:
        """The windows that came within a day since the last call; those that a day has passed over are forgotten."""
        self._forget(now_ns)
        if not self._by_arithmetic:
            return []
        return [listing for slot in self._slots for listing in self._extend(slot, now_ns)]

    def _extend(self, slot: tuple[str, str], now_ns: int) -> Iterator[Listing]:
        length_s = TIMEFRAME_NS[slot[1]] // SECOND_NS
        start_s = self._next_s.get(slot, -(-now_ns // SECOND_NS // length_s) * length_s)
        while start_s * SECOND_NS <= now_ns + LISTED_AHEAD_NS:
            listed_ns = min(now_ns, start_s * SECOND_NS - LISTED_AHEAD_NS)
            yield self.add(market_of(*slot, start_s), listed_ns)
            start_s += length_s
        self._next_s[slot] = start_s

    def _forget(self, now_ns: int) -> None:
        old = [listing for listing in self if listing.market.end_ns + LISTED_AHEAD_NS < now_ns]
        for listing in old:
            self._drop(listing)

    def _drop(self, listing: Listing) -> None:
        del self._by_slug[listing.slug]
        del self._by_condition[listing.identity.condition]
        for token in listing.identity.tokens:
            del self._by_token[token]
        for source_token in (listing.market.up, listing.market.down):
            del self._by_source_token[source_token]
