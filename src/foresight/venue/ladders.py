"""The book of one condition, kept once in prices of Up and shown twice: a bid for Up at p is an ask for Down at 1 - p.

Deltas are computed from one published book to the next (venue spec §5.8, §6.1).
"""

from collections.abc import Iterable

import msgspec

from foresight.markets import Outcome
from foresight.money import MICROS

Level = tuple[int, int]
"""(price, size) in micros."""


class Change(msgspec.Struct, frozen=True):
    """A level of Up has this size now; 0 means that it is gone."""

    is_bid: bool
    price_micros: int
    size_micros: int


class Ladder:
    """`bids` and `asks` are Up's, price to size in micros."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def replace(self, bids: Iterable[Level] | None, asks: Iterable[Level] | None) -> list[Change]:
        """Publish these sides of Up; None leaves a side as it is, but for levels that the other side now crosses.
        Returns what changed, removals first."""
        new_bids = dict(self.bids if bids is None else bids)
        new_asks = dict(self.asks if asks is None else asks)
        if new_bids and new_asks and max(new_bids) >= min(new_asks):
            if asks is None:
                new_asks = {price: size for price, size in new_asks.items() if price > max(new_bids)}
            else:
                new_bids = {price: size for price, size in new_bids.items() if price < min(new_asks)}
        changes = _changes(self.bids, new_bids, is_bid=True) + _changes(self.asks, new_asks, is_bid=False)
        self.bids, self.asks = new_bids, new_asks
        return sorted(changes, key=lambda change: change.size_micros > 0)

    def sides(self, outcome: Outcome) -> tuple[list[Level], list[Level]]:
        """An outcome's bids, ascending, and asks, descending: the best level is the last of both (venue spec §5.8)."""
        if outcome == "UP":
            return sorted(self.bids.items()), sorted(self.asks.items(), reverse=True)
        return sorted(mirrored(self.asks.items())), sorted(mirrored(self.bids.items()), reverse=True)

    def best(self, outcome: Outcome) -> tuple[int | None, int | None]:
        """An outcome's best bid and ask; None where a side is empty."""
        bid, ask = max(self.bids, default=None), min(self.asks, default=None)
        if outcome == "UP":
            return bid, ask
        return (None if ask is None else MICROS - ask, None if bid is None else MICROS - bid)


def mirrored(levels: Iterable[Level]) -> list[Level]:
    """The other outcome's levels."""
    return [(MICROS - price, size) for price, size in levels]


def _changes(before: dict[int, int], after: dict[int, int], *, is_bid: bool) -> list[Change]:
    gone = [Change(is_bid, price, 0) for price in before if price not in after]
    return gone + [Change(is_bid, price, size) for price, size in after.items() if before.get(price) != size]
