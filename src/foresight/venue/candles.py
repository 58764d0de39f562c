"""Candles of one symbol, from its trades: a ring of seconds and one of minutes.

Longer ones are put together from minutes. A candle without trades repeats the last close with no volume, as the
exchange does.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from foresight.markets import MINUTE_NS, SECOND_NS

SECONDS_KEPT = 7_200
MINUTES_KEPT = 3_000
"""Two hours of seconds and two days of minutes: more than the 31 minutes that a bot needs."""

INTERVALS_NS = {
    "1s": SECOND_NS,
    **{f"{count}m": count * MINUTE_NS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 60 * MINUTE_NS for count in (1, 2, 4, 6, 8, 12)},
    "1d": 24 * 60 * MINUTE_NS,
}
"""Weeks and months are no fixed length and are not served."""


class Candle(msgspec.Struct):
    """`first` and `last` are trade ids, -1 for none; `bought` is the part that takers bought."""

    open_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    quote: float = 0.0
    bought: float = 0.0
    bought_quote: float = 0.0
    count: int = 0
    first: int = -1
    last: int = -1

    def add(self, price: float, quantity: float, trade_id: int, *, is_buy: bool) -> None:
        if self.count == 0:
            self.first = trade_id
            self.open = self.high = self.low = price
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += quantity
        self.quote += price * quantity
        if is_buy:
            self.bought += quantity
            self.bought_quote += price * quantity
        self.count += 1
        self.last = trade_id


class Candles:
    """All candles of one symbol."""

    def __init__(self) -> None:
        self.seconds: deque[Candle] = deque(maxlen=SECONDS_KEPT)
        self.minutes: deque[Candle] = deque(maxlen=MINUTES_KEPT)

    def add(self, at_ns: int, price: float, quantity: float, trade_id: int, *, is_buy: bool) -> None:
        """A trade at this time; one that is older than the open candle counts in the open one."""
        self.roll(at_ns, price)
        for ring in (self.seconds, self.minutes):
            ring[-1].add(price, quantity, trade_id, is_buy=is_buy)

    def roll(self, now_ns: int, price: float | None = None) -> None:
        """Open the candles that `now_ns` lies in, and the empty ones before it; `price` is for the very first."""
        for ring, length_ns in ((self.seconds, SECOND_NS), (self.minutes, MINUTE_NS)):
            _roll(ring, length_ns, now_ns, price)

    def recent(self, interval: str, count: int) -> list[Candle]:
        """The last candles of this interval, oldest first, the open one at the end."""
        length_ns = INTERVALS_NS[interval]
        if interval in ("1s", "1m"):
            ring = self.seconds if interval == "1s" else self.minutes
            return list(ring)[-count:]
        return joined(self.minutes, length_ns)[-count:]

    def current(self, interval: str) -> Candle | None:
        length_ns = INTERVALS_NS[interval]
        if interval in ("1s", "1m"):
            ring = self.seconds if interval == "1s" else self.minutes
            return ring[-1] if ring else None
        if not self.minutes:
            return None
        open_ns = self.minutes[-1].open_ns // length_ns * length_ns
        newest = reversed(self.minutes)
        inside = []
        for candle in newest:
            if candle.open_ns < open_ns:
                break
            inside.append(candle)
        return joined(reversed(inside), length_ns)[-1]


def joined(candles: Iterable[Candle], length_ns: int) -> list[Candle]:
    """Candles of this length put together from shorter ones in their order; the first may lack its beginning."""
    found: list[Candle] = []
    for candle in candles:
        open_ns = candle.open_ns // length_ns * length_ns
        if not found or found[-1].open_ns != open_ns:
            found.append(msgspec.structs.replace(candle, open_ns=open_ns))
            continue
        _join(found[-1], candle)
    return found


def _join(whole: Candle, part: Candle) -> None:
    whole.high, whole.low, whole.close = max(whole.high, part.high), min(whole.low, part.low), part.close
    whole.volume += part.volume
    whole.quote += part.quote
    whole.bought += part.bought
    whole.bought_quote += part.bought_quote
    whole.count += part.count
    if whole.first < 0:
        whole.first = part.first
    whole.last = max(whole.last, part.last)


def _roll(ring: deque[Candle], length_ns: int, now_ns: int, price: float | None) -> None:
    open_ns = now_ns // length_ns * length_ns
    if not ring:
        if price is not None:
            ring.append(_empty(open_ns, price))
        return
    assert ring.maxlen is not None
    missing = (open_ns - ring[-1].open_ns) // length_ns
    for number in range(max(missing - ring.maxlen, 0), missing):
        ring.append(_empty(open_ns - (missing - 1 - number) * length_ns, ring[-1].close))


def _empty(open_ns: int, price: float) -> Candle:
    return Candle(open_ns, price, price, price, price)
