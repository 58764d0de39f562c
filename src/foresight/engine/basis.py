"""How far the oracle's price is from the underlying's, per asset, measured while both speak.

The venue settles on an oracle, the bot sees another venue's price. The two differ by a few basis points that drift
(venue spec §4), so levels of one say nothing about levels of the other before this is known. Measured is ln(average of
the oracle / average of the underlying over the same 60 seconds), once for every average of the oracle.
"""

import math

from foresight.engine.prices import SETTLING_S, PriceSeries
from foresight.markets import SECOND_NS

WEIGHT = 1 / 300
"""An exponential average over about five minutes: the basis drifts by a basis point or so an hour."""
KNOWN_AFTER = 30
"""So many observations make it known: half a minute of an oracle that speaks every second."""


class Basis:
    """`value` is ln(oracle / underlying), `deviation` the standard deviation of single observations about it."""

    def __init__(self) -> None:
        self.observed = 0
        self._feed = ""
        self._mean = 0.0
        self._variance = 0.0

    @property
    def value(self) -> float | None:
        return self._mean if self.observed >= KNOWN_AFTER else None

    @property
    def deviation(self) -> float | None:
        return math.sqrt(self._variance) if self.observed >= KNOWN_AFTER else None

    def observe(self, oracle_average: float, stamped_ns: int, prices: PriceSeries) -> None:
        """Takes the oracle's 60-second average stamped `stamped_ns`. Where the underlying does not tell all of these
        seconds nothing is learnt; another feed of the underlying begins anew."""
        if not (0.0 < oracle_average < math.inf) or not prices.feed:
            return
        average = prices.average_until(stamped_ns // SECOND_NS - 1, SETTLING_S)
        if average is None or average[1] < SETTLING_S:
            return
        if prices.feed != self._feed:
            self._feed, self.observed = prices.feed, 0
        seen = math.log(oracle_average / average[0])
        self.observed += 1
        weight = max(WEIGHT, 1 / self.observed)
        away = seen - self._mean if self.observed > 1 else 0.0
        self._mean = seen if self.observed == 1 else self._mean + weight * away
        self._variance = (1 - weight) * (self._variance + weight * away * away) if self.observed > 1 else 0.0
