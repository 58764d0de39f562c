"""The book of one market, kept once and shown twice: a bid for UP at p is an ask for DOWN at 1 - p.

A level is a tick from 1 to 99. What rests there is a pair (price, size) for UP and its mirror for DOWN; which side it
is on follows from the best bid and ask, so a whole side of a book is one slice.
"""

from foresight.events import Depth, MarketEvent, Printed
from foresight.markets import Market
from foresight.sources.simulated.noise import Uniform

LEVELS = 5
TICK_MICROS = 10_000
_TICKS = 100
_LOT_MICROS = 10_000
_SHARE_MICROS = 1_000_000
_FRESH = 0.45
"""A level that has just become part of the other side is this much thinner than one that had time to fill."""
_REFRESHED_PER_STEP = 3


class MirroredBook:
    """`bid` and `ask` are the best levels of UP in ticks; 0 and 100 stand for an empty side."""

    def __init__(self, market: Market, *, level_shares: float, uniform: Uniform) -> None:
        self._up, self._down = market.up, market.down
        self._uniform = uniform
        self._scale = level_shares * _SHARE_MICROS / _LOT_MICROS
        self.bid, self.ask = 0, _TICKS
        self._pairs = [(0, 0)] * _TICKS
        self._mirrors = [(0, 0)] * _TICKS
        for tick in range(1, _TICKS):
            self._fill(tick, 1.0)

    def requote(self, bid: int, ask: int) -> None:
        """Move the best prices; levels that change side get a new and thinner size, a few others a new one."""
        low, high = min(bid, self.bid), max(ask, self.ask)
        if bid != self.bid or ask != self.ask:
            for tick in range(max(low, 1), min(high, _TICKS - 1) + 1):
                self._fill(tick, _FRESH)
            self.bid, self.ask = bid, ask
        for _ in range(_REFRESHED_PER_STEP):
            tick = bid - 4 + int(self._uniform() * (ask - bid + 9))
            if 0 < tick < _TICKS:
                self._fill(tick, 1.0)

    def publish(self, at_ns: int, out: list[MarketEvent]) -> None:
        """Append both outcomes' whole books."""
        bid, ask = self.bid, self.ask
        stop = bid - LEVELS if bid > LEVELS else 0
        pairs, mirrors = self._pairs, self._mirrors
        out.append(Depth(at_ns, self._up, tuple(pairs[bid:stop:-1]), tuple(pairs[ask : ask + LEVELS])))
        out.append(Depth(at_ns, self._down, tuple(mirrors[ask : ask + LEVELS]), tuple(mirrors[bid:stop:-1])))

    def take(self, at_ns: int, out: list[MarketEvent], *, lots: int, buys_up: bool) -> int:
        """A taker takes at most `lots` at the best price; returns the lots taken, 0 when that side is empty.

        The trade is printed for one of the outcomes: buying UP is the same as selling DOWN to the mirror.
        """
        tick = self.ask if buys_up else self.bid
        if not 0 < tick < _TICKS:
            return 0
        price, size = self._pairs[tick]
        taken = min(lots * _LOT_MICROS, size)
        if self._uniform() < 0.5:
            out.append(Printed(at_ns, self._up, price, taken))
        else:
            out.append(Printed(at_ns, self._down, self._mirrors[tick][0], taken))
        rest = size - taken
        if rest:
            self._put(tick, rest)
        elif buys_up:
            self.ask += 1
        else:
            self.bid -= 1
        return taken // _LOT_MICROS

    def _fill(self, tick: int, share: float) -> None:
        draw = self._uniform()
        self._put(tick, _LOT_MICROS * (500 + int(self._scale * share * draw / (1.15 - draw))))

    def _put(self, tick: int, size: int) -> None:
        self._pairs[tick] = (tick * TICK_MICROS, size)
        self._mirrors[tick] = ((_TICKS - tick) * TICK_MICROS, size)
