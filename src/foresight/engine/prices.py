"""The rolling prices of one underlying: one-second closes over half an hour, and what follows from them.

A second without a tick carries the last price forward, so realised volatility is that of previous-tick sampling on a
one-second grid. Sums of squared returns are kept cumulatively: the variance of any window is one subtraction.
One feed at a time: prices of different venues differ by a drifting basis, and mixing them would look like a move.
"""

import math
from collections import deque
from itertools import islice

from foresight.events import Spot
from foresight.markets import SECOND_NS
from foresight.strategy import Prices

MEMORY_S = 1_800
SETTLING_S = 60
RETURN_HORIZONS_S = (10, 30, 60, 120, 300, 900)
VOLATILITY_WINDOWS_S = (60, 300, 1_800)
SHOWN_EVERY_S = 5
SHOWN_CLOSES = 60
KNOWN_SHARE = 0.95
"""So much of a window must be known for its volatility to be told."""
FEED_LOST_NS = 60 * SECOND_NS
"""A feed that is silent for this long is replaced by another that speaks; the memory then starts again."""
AHEAD_MAX_NS = 10 * SECOND_NS
"""A tick stamped further ahead of its arrival is an error of the feed: once taken, it would make all others old."""


class PriceSeries:
    """`closes[-1]` is the close of second `second - 1`; `last` is the newest price, in second `second`."""

    def __init__(self) -> None:
        self.feed = ""
        self.last = 0.0
        self.second = 0
        self.at_ns = 0
        self.closes: deque[float] = deque(maxlen=MEMORY_S + SETTLING_S + 1)
        self._squares: deque[float] = deque(maxlen=MEMORY_S + SETTLING_S + 1)

    def take(self, tick: Spot) -> bool:
        """Takes a tick, and says whether it was used. A price that is not positive and finite is not, nor one of
        another feed while the present one speaks, nor one older than the present second or from far ahead."""
        price = tick.price
        if not (0.0 < price < math.inf) or tick.stamped_ns - tick.at_ns > AHEAD_MAX_NS:
            return False
        if tick.feed != self.feed:
            if self.feed and tick.at_ns - self.at_ns < FEED_LOST_NS:
                return False
            self._restart(tick)
        second = tick.stamped_ns // SECOND_NS
        if second > self.second:
            self._advance(second)
        elif second < self.second:
            return False
        self.last = price
        self.at_ns = tick.at_ns
        return True

    def _restart(self, tick: Spot) -> None:
        self.feed = tick.feed
        self.last = tick.price
        self.second = tick.stamped_ns // SECOND_NS
        self.closes.clear()
        self._squares.clear()

    def _advance(self, second: int) -> None:
        """Closes the seconds before `second`, each with the last known price."""
        gap = second - self.second
        if gap > MEMORY_S:
            self.closes.clear()
            self._squares.clear()
            gap = 1
        last = self.last
        cumulative = self._squares[-1] if self._squares else 0.0
        if self.closes:
            cumulative += math.log(last / self.closes[-1]) ** 2
        for _ in range(gap):
            self.closes.append(last)
            self._squares.append(cumulative)
        self.second = second

    def catch_up(self, now_ns: int) -> None:
        """Closes all seconds before `now_ns`, so that a quiet feed still has a close for each of them."""
        second = now_ns // SECOND_NS
        if self.feed and second > self.second:
            self._advance(second)

    def return_over(self, seconds: int) -> float | None:
        """ln(now / price `seconds` ago), None where the memory does not reach."""
        if len(self.closes) < seconds:
            return None
        return math.log(self.last / self.closes[-seconds])

    def volatility_over(self, seconds: int) -> float | None:
        """Realised volatility per square-root second; None where the memory does not reach."""
        known = min(seconds, len(self._squares) - 1)
        if known < seconds * KNOWN_SHARE:
            return None
        return math.sqrt(max(0.0, self._squares[-1] - self._squares[-1 - known]) / known)

    def average_until(self, end_second: int, seconds: int) -> tuple[float, int] | None:
        """(mean, count) of the closes of the `seconds` seconds that end with `end_second`, as far as they are over."""
        newest = self.second - 1
        skip = newest - end_second
        count = seconds if skip >= 0 else seconds + skip
        start = len(self.closes) - max(skip, 0) - count
        if count <= 0 or start < 0:
            return None
        return sum(islice(self.closes, start, start + count)) / count, count

    def shown_closes(self) -> tuple[float, ...]:
        count = min(SHOWN_CLOSES, (len(self.closes) + SHOWN_EVERY_S - 1) // SHOWN_EVERY_S)
        return tuple(self.closes[-1 - SHOWN_EVERY_S * index] for index in range(count - 1, -1, -1))

    def shared(self, now_ns: int) -> Prices:
        """What all slots of the asset see; the parts that belong to one window are empty."""
        returns = {horizon: self.return_over(horizon) for horizon in RETURN_HORIZONS_S}
        volatility = {window: self.volatility_over(window) for window in VOLATILITY_WINDOWS_S}
        return Prices(
            feed=self.feed,
            last=self.last,
            age_s=(now_ns - self.at_ns) / SECOND_NS,
            move=None,
            returns=tuple((key, value) for key, value in returns.items() if value is not None),
            volatility=tuple((key, value) for key, value in volatility.items() if value is not None),
            settling_s=0,
            settling_move=None,
            closes=self.shown_closes(),
        )
