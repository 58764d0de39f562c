"""What the makers of one slot believe: the probability of UP behind their quotes, and how wide they quote.

The window is won by the mean of 60 oracle values that end with it. Seen from a second with `left` seconds to go, the
values not yet stamped are a random walk, so the mean is normal around its expectation with variance, in units of the
variance of one second,

    left - 60 + 20.5                        while none of the 60 values is known (20.5 = sum of (i/60)² for i = 1…60),
    sum of (i/60)² for i = 1…left           once 60 - left of them are known.

A window that is won by the oracle's last price alone is the same with an average of one value.

Makers are wrong in five ways that a bot can use: they see the oracle some seconds late, they overreact to a fast move,
their volatility is an estimate, their mood wanders, and takers push them.
"""

from math import sqrt

from foresight.sources.simulated.noise import Uniform, normal_cdf, normal_of
from foresight.sources.simulated.paths import RING, AssetPath

_MASK = RING - 1

_LAG_CHANGES_PER_SECOND = 0.12
_LAGS_S = (0, 0, 0, 1, 2)
_FOLLOWED = 0.85
"""Of the way to what they believe now, the share that makers go within a second."""
_INERTIA_TICKS = 0.7
"""Quotes stay while the fair price is within this distance of the one they were made for."""
_RUSH_KEPT = 0.88
_OVERREACTION = 0.10
_DOUBT = 1.11
"""Makers quote as if the volatility were this much higher than they measure, which makes favourites a little cheap."""
_MOOD_KEPT = 0.985
_MOOD_STEP = 0.009
_PUSH_KEPT = 0.9
_WILD_TICKS = 0.4


class Makers:
    """The state of the makers of one slot; `quote` is called once a second while a window is open."""

    def __init__(self, uniform: Uniform, average_s: int) -> None:
        self._uniform = uniform
        variances = _unseen_variances(average_s)
        self._unseen_variances = variances
        self._known_whole = average_s - variances[average_s]
        self._lag = 1
        self._last = 0.0
        self._rush = 0.0
        self._mood = 0.0
        self._push = 0.0
        self._shown: float | None = None
        self._centre = 50.0

    def open(self) -> None:
        """A window opens: nothing is quoted yet."""
        self._shown = None

    def quote(self, second: int, path: AssetPath, *, strike_total: int, end_s: int) -> tuple[int, int]:
        """The best bid and ask for UP in whole ticks of a cent; 0 or 100 where a side is left empty."""
        score = self._score(second, path, strike_total, end_s)
        shown = score if self._shown is None else self._shown + _FOLLOWED * (score - self._shown)
        self._shown = shown
        ticks = 100.0 * normal_cdf(shown)
        if -_INERTIA_TICKS < ticks - self._centre < _INERTIA_TICKS:
            ticks = self._centre
        self._centre = ticks
        half = path.profile.half_spread_ticks + path.alarm_ticks
        if path.is_wild:
            half += _WILD_TICKS
        bid = int(ticks - half) if ticks > half else 0
        ask = 100 - int(100.0 - ticks - half) if 100.0 - ticks > half else 100
        if bid < ask:
            return bid, ask
        return bid, bid + 1

    def push(self, weight: float) -> None:
        """A taker bought UP (or sold it, below zero); the quotes lean with him for some seconds."""
        self._push += weight

    def _score(self, second: int, path: AssetPath, strike_total: int, end_s: int) -> float:
        self._wander()
        seen = second - self._lag
        price = path.oracle[seen & _MASK]
        if self._last:
            self._rush = _RUSH_KEPT * self._rush + price / self._last - 1.0
        self._last = price
        average_s = path.average_s
        strike = strike_total / (average_s * path.units)
        price *= 1.0 + _OVERREACTION * self._rush
        left = end_s - seen
        if left >= average_s:
            gap, variance = price - strike, left - self._known_whole
        else:
            known = (path.totals[seen & _MASK] - path.totals[(end_s - average_s) & _MASK]) / path.units
            gap, variance = (known + left * price) / average_s - strike, self._unseen_variances[left]
        return gap / (strike * path.volatility * _DOUBT * sqrt(variance)) + self._mood + self._push

    def _wander(self) -> None:
        uniform = self._uniform
        draw = uniform()
        if draw < _LAG_CHANGES_PER_SECOND:
            self._lag = _LAGS_S[int(uniform() * len(_LAGS_S))]
        self._mood = _MOOD_KEPT * self._mood + _MOOD_STEP * normal_of(uniform())
        self._push *= _PUSH_KEPT


def _unseen_variances(average_s: int) -> list[float]:
    """By the number of values that are not yet known, up to all of them."""
    return [left * (left + 1) * (2 * left + 1) / (6 * average_s * average_s) for left in range(average_s + 1)]
