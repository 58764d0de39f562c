"""Which trades a page of the Data API shows: chosen by their own fields, the newest first; only these become documents.

A cursor names the last row of its page, and not how many came before it: trades that arrive meanwhile move nothing. A
page looks at no more than `LOOKED_AT_MAX` rows; it may be short then, and its cursor says where the next one goes on.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Literal

import msgspec

from foresight.markets import SECOND_NS
from foresight.money import MICROS
from foresight.venue.identities import wallet
from foresight.venue.listings import Listing, Trade

Role = Literal["taker", "maker"]
Measure = Literal["", "CASH", "TOKENS"]
LIMIT_USUAL = 100
LOOKED_AT_MAX = 10_000
"""A filter that hardly any trade passes must not hold up the sockets: so many take some 40 ms at most."""
OTHER_SIDE = {"BUY": "SELL", "SELL": "BUY"}
_CURSOR = re.compile(r"([0-9]{1,19})\.([0-9]{1,9})\.([01])\.([a-z0-9-]{1,80})", re.ASCII)


class Place(msgspec.Struct, frozen=True, order=True):
    """Where a row stands among all; a trade's taker comes before its maker, so later rows are smaller."""

    at_ns: int
    slug: str
    number: int
    is_taker: bool

    def text(self) -> str:
        """As a cursor."""
        return f"{self.at_ns}.{self.number}.{int(self.is_taker)}.{self.slug}"


class TradesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request for trades wants. `start_s` and `end_s` are Unix seconds, both included; `least_micros` is of
    dollars or of shares, as `measure` says."""

    takers_only: bool = True
    side: str = ""
    user: str = ""
    start_s: int = 0
    end_s: int = 2**62
    measure: Measure = ""
    least_micros: int = 0
    limit: int = LIMIT_USUAL
    after: Place | None = None


class Row(msgspec.Struct, frozen=True):
    listing: Listing
    trade: Trade
    role: Role

    @property
    def side(self) -> str:
        return self.trade.side if self.role == "taker" else OTHER_SIDE[self.trade.side]

    @property
    def wallet(self) -> str:
        return wallet(self.listing.slug, self.trade.number, self.role)

    @property
    def place(self) -> Place:
        return Place(self.trade.at_ns, self.listing.slug, self.trade.number, self.role == "taker")


class Page(msgspec.Struct, frozen=True):
    """`following` is the cursor of the next page, None when there is none."""

    rows: list[Row]
    following: str | None


def place_of(cursor: str) -> Place | None:
    """The place that a cursor names; None for what is no cursor."""
    found = _CURSOR.fullmatch(cursor)
    return None if found is None else Place(int(found[1]), found[4], int(found[2]), found[3] == "1")


def page_of(listings: Iterable[Listing], asked: TradesAsked) -> Page:
    """The rows of one page."""
    rows: list[Row] = []
    last: Place | None = None
    for looked_at, row in enumerate(_rows(listings, asked)):
        if last is not None and (len(rows) >= asked.limit or looked_at >= LOOKED_AT_MAX):
            return Page(rows, last.text())
        last = row.place
        if _is_asked(row, asked):
            rows.append(row)
    return Page(rows, None)


def _rows(listings: Iterable[Listing], asked: TradesAsked) -> Iterator[Row]:
    """All that come after the cursor."""
    roles: tuple[Role, ...] = ("taker",) if asked.takers_only else ("taker", "maker")
    for listing, trade in _newest_first(listings, asked):
        for role in roles:
            row = Row(listing, trade, role)
            if asked.after is None or row.place < asked.after:
                yield row


def _newest_first(listings: Iterable[Listing], asked: TradesAsked) -> Iterator[tuple[Listing, Trade]]:
    first_ns, last_ns = asked.start_s * SECOND_NS, (asked.end_s + 1) * SECOND_NS - 1
    if asked.after is not None:
        last_ns = min(last_ns, asked.after.at_ns)
    streams = [_backwards(listing, first_ns, last_ns) for listing in listings if listing.trades]
    return merge(*streams, key=_order, reverse=True)


def _backwards(listing: Listing, first_ns: int, last_ns: int) -> Iterator[tuple[Listing, Trade]]:
    """The listing's trades of these times, the newest first."""
    trades = listing.trades
    if trades[0].at_ns > last_ns or trades[-1].at_ns < first_ns:
        return
    later = 0 if trades[-1].at_ns <= last_ns else len(trades) - bisect_right(trades, last_ns, key=_at_ns)
    for trade in islice(reversed(trades), later, None):
        if trade.at_ns < first_ns:
            return
        yield listing, trade


def _is_asked(row: Row, asked: TradesAsked) -> bool:
    return (
        asked.side in ("", row.side)
        and (not asked.measure or _measured(row.trade, asked.measure) >= asked.least_micros * MICROS)
        and (not asked.user or asked.user == row.wallet)
    )


def _measured(trade: Trade, measure: Measure) -> int:
    """Dollars or shares, in millionths of a micro."""
    return trade.size_micros * (trade.price_micros if measure == "CASH" else MICROS)


def _order(item: tuple[Listing, Trade]) -> tuple[int, str, int]:
    return item[1].at_ns, item[0].slug, item[1].number


def _at_ns(trade: Trade) -> int:
    return trade.at_ns
