"""Reference prices: the oracle's 60-second averages with their own timestamps, and what follows from them.

The price to beat of a window is the average stamped exactly at its start, its final price the one stamped at its end
(venue spec §4). PolyBolt shows the last two minutes (§7.1). A source tells averages and underlyings, but no oracle spot
price: `price.crypto` is the underlying's price times the ratio of the average to the underlying's mean over the same 60
seconds, an assumption that `/control/status` names.
"""

from collections import deque

import msgspec

from foresight.markets import MINUTE_NS, SECOND_NS

SNAPSHOT_NS = 2 * MINUTE_NS
BOUNDARY_NS = 5 * MINUTE_NS
_BOUNDARIES_KEPT = 2 * 24 * 12
"""Two days of five-minute boundaries for each asset: as long as listings are kept."""
_AVERAGE_NS = MINUTE_NS


class Price(msgspec.Struct, frozen=True):
    """A value of one series; `stamped_ns` is its own time."""

    series: str
    asset: str
    value: float
    stamped_ns: int
    at_ns: int


class AssetPrices:
    """What is known of one asset. `altered` are boundaries whose average a fault has changed."""

    def __init__(self, asset: str) -> None:
        self.asset = asset
        self.averages: deque[Price] = deque()
        self.oracle_spots: deque[Price] = deque()
        self.underlying: deque[Price] = deque()
        self.averages_at: dict[int, float] = {}
        self.spots_at: dict[int, float] = {}
        self.told: dict[int, float] = {}
        self.altered: set[int] = set()
        self._ratio: float | None = None

    def take_average(self, value: float, stamped_ns: int, at_ns: int) -> Price:
        price = Price("twap", self.asset, value, stamped_ns, at_ns)
        _append(self.averages, price)
        self._ratio = self._new_ratio(price)
        if stamped_ns % BOUNDARY_NS == 0:
            _remember(self.averages_at, stamped_ns, value)
        return price

    def take_price_to_beat(self, value: float, start_ns: int) -> None:
        """The source says the official open of the windows that start there."""
        _remember(self.told, start_ns, value)

    def take_underlying(self, value: float, stamped_ns: int, at_ns: int) -> Price | None:
        """Returns the oracle's spot price that follows, None as long as there is no average to compare with."""
        _append(self.underlying, Price("underlying", self.asset, value, stamped_ns, at_ns))
        if self._ratio is None:
            return None
        price = Price("spot", self.asset, round(value * self._ratio, 8), stamped_ns, at_ns)
        _append(self.oracle_spots, price)
        if stamped_ns % BOUNDARY_NS == 0:
            _remember(self.spots_at, stamped_ns, price.value)
        return price

    def boundary(self, at_ns: int) -> float | None:
        """The official price of a boundary between two windows; None before it is known."""
        told = self.averages_at.get(at_ns)
        return self.told.get(at_ns) if told is None else told

    def recent(self, series: str, now_ns: int) -> list[Price]:
        """The last two minutes of a series (`twap`, `spot` or `underlying`), oldest first."""
        known = {"twap": self.averages, "spot": self.oracle_spots, "underlying": self.underlying}[series]
        return [price for price in known if price.stamped_ns > now_ns - SNAPSHOT_NS]

    def _new_ratio(self, average: Price) -> float | None:
        """Once an average, and not once a price: an exchange may tell hundreds a second."""
        inside = [p.value for p in self.underlying if 0 <= average.stamped_ns - p.stamped_ns < _AVERAGE_NS]
        return average.value * len(inside) / sum(inside) if inside else None


def _append(prices: deque[Price], price: Price) -> None:
    prices.append(price)
    while prices[0].stamped_ns < price.stamped_ns - SNAPSHOT_NS - SECOND_NS:
        prices.popleft()


def _remember(values: dict[int, float], at_ns: int, value: float) -> None:
    values[at_ns] = value
    while len(values) > _BOUNDARIES_KEPT:
        del values[next(iter(values))]
