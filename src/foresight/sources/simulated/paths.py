"""The underlying and its oracle: one price path per asset at one step a second.

A step's return is `volatility · (w · common + sqrt(1 - w²) · own)`. Both parts are normal variates, small in a quiet
second and large in a busy one, scaled by a volatility regime (a Markov chain of calm, normal and wild), and rarely
joined by a jump. The oracle's price is the path times
one plus a basis that wanders between -9 and -3 basis points (docs/venue.md).

Oracle values are whole units of their last decimal, and the 60-second average is a difference of two running totals
of such integers: exact, and the same in whatever order it is computed.
"""

from math import sqrt

from foresight.events import MarketEvent, Reference, Spot
from foresight.markets import SECOND_NS, SettlesOn
from foresight.sources.simulated.assets import Profile, profile_of
from foresight.sources.simulated.kept import KeptPath, KeptShocks
from foresight.sources.simulated.noise import Uniform, normal_of, place_of, put_at, uniform_stream

FEED = "binance_sim"
ORACLE = "oracle_twap60_sim"
AVERAGE_S: dict[SettlesOn, int] = {"twap60": 60, "spot": 1}
"""Of how many oracle values the price is the mean that a window is won by."""
RING = 64
"""Seconds that a path remembers; a power of two above each of them, so that `second & (RING - 1)` is a place."""
_MASK = RING - 1

_SECONDS_PER_YEAR = 31_557_600
_JUMPS_PER_SECOND = 1 / 8_000
_QUIET_SHARE, _QUIET_SCALE, _BUSY_SCALE = 0.65, 0.35, 1.62
"""Two of three seconds are quiet; the mean squared scale over both kinds is 1.00."""
_ALARM_KEPT = 0.95
_BASIS_MIDDLE, _BASIS_REACH = -6e-4, 3e-4
_BASIS_PULL, _BASIS_STEP = 1 / 3_000, 9e-6
_VARIANCE_MEMORY = 1 / 200
_RETURN_SEEN_MAX = 25.0
"""Makers take a squared return beyond this many variances for a jump, and count it as this many."""


class Regime:
    """A Markov chain over calm, normal and wild. Their shares of time are 0.36, 0.55 and 0.09, and the mean squared
    scale is 0.99, so that the profile's volatility is the long-run one."""

    _SCALES = (0.6, 0.95, 2.0)
    _FALLS = (0.0, 1 / 1_800, 1 / 400)
    _RISES = (1 / 1_200, 1 / 2_400, 0.0)

    def __init__(self, uniform: Uniform) -> None:
        self._uniform = uniform
        self.put(1)

    def put(self, state: int) -> None:
        """It is calm (0), normal (1) or wild (2)."""
        self.state = state
        self.scale = self._SCALES[state]

    def step(self) -> None:
        draw = self._uniform()
        if draw < self._RISES[self.state]:
            self.put(self.state + 1)
        elif draw > 1.0 - self._FALLS[self.state]:
            self.put(self.state - 1)

    @property
    def is_wild(self) -> bool:
        return self.state == 2


class Shocks:
    """A stream of unit shocks, scaled by a regime and with jumps. The common factor is one, an asset's own part too."""

    def __init__(self, uniform: Uniform) -> None:
        self._uniform = uniform
        self.regime = Regime(uniform)
        self.value = 0.0
        self.is_jump = False

    def step(self, root_of_time: float = 1.0) -> None:
        """The next shock, of a step that spans the square of `root_of_time` seconds."""
        uniform = self._uniform
        self.regime.step()
        scale = _QUIET_SCALE if uniform() < _QUIET_SHARE else _BUSY_SCALE
        self.value = normal_of(uniform()) * self.regime.scale * scale * root_of_time
        self.is_jump = uniform() < _JUMPS_PER_SECOND
        if self.is_jump:
            size = 7.0 / sqrt(1.0 - 0.95 * uniform())
            self.value += size if uniform() < 0.5 else -size

    def kept(self) -> KeptShocks:
        return KeptShocks(self.regime.state, place_of(self._uniform))

    def go_on(self, kept: KeptShocks) -> None:
        """From where they were kept."""
        self.regime.put(kept.regime)
        put_at(self._uniform, kept.stream)


class AssetPath:
    """One asset. After `step(second)`: `oracle` and `totals` are rings of the oracle's price and of the running total
    of its units, `volatility` is what makers estimate per square-root second, `alarm_ticks` what a jump adds to their
    half spread."""

    def __init__(self, seed: int, asset: str, settles_on: SettlesOn = "twap60") -> None:
        self.profile: Profile = profile_of(asset)
        self.average_s = AVERAGE_S[settles_on]
        self._asset = asset
        self._uniform = uniform_stream(seed, "path", asset)
        self._own = Shocks(uniform_stream(seed, "own", asset))
        self._per_second = self.profile.annual_volatility / sqrt(_SECONDS_PER_YEAR)
        self._weight = self.profile.market_weight
        self._own_weight = sqrt(1.0 - self._weight * self._weight)
        self._digits = self.profile.decimals
        self._price = self.profile.price * (0.85 + 0.3 * self._uniform())
        self._basis = _BASIS_MIDDLE + _BASIS_REACH * (self._uniform() - 0.5)
        self._variance = self._per_second * self._per_second
        self._half_step = False
        self.units: int = 10**self.profile.oracle_decimals
        self.volatility = self._per_second
        self.is_wild = False
        self.alarm_ticks = 0.0
        self.oracle = [self._price] * RING
        self.totals = [0] * RING

    def step(self, second: int, common: Shocks, out: list[MarketEvent]) -> None:
        """Move to this second and append what the feeds say in it: the spot price, and the average stamped one second
        before, which takes about 1.2 s to arrive; no average where none settles."""
        self.is_wild = self._own.regime.is_wild or common.regime.is_wild
        self._move(common)
        self._observe(second)
        uniform, at_ns = self._uniform, second * SECOND_NS
        price = round(self._price, self._digits)
        out.append(Spot(at_ns + 20_000_000 + int(uniform() * 60_000_000), self._asset, FEED, price, at_ns))
        arrival = at_ns + 120_000_000 + int(uniform() * 160_000_000)
        stamped = at_ns - SECOND_NS
        if self.average_s > 1:
            out.append(Reference(arrival, self._asset, "twap60", self.average(second - 1), stamped, ORACLE))
        if self.is_wild:
            self._tick_between(at_ns + SECOND_NS // 2, out)

    def kept(self) -> KeptPath:
        return KeptPath(
            own=self._own.kept(),
            stream=place_of(self._uniform),
            price=self._price,
            basis=self._basis,
            variance=self._variance,
            has_half_step=self._half_step,
        )

    def go_on(self, kept: KeptPath) -> None:
        """From where it was kept. Averages are right once it has been walked for as long as they are."""
        self._own.go_on(kept.own)
        put_at(self._uniform, kept.stream)
        self._price, self._basis, self._variance = kept.price, kept.basis, kept.variance
        self._half_step = kept.has_half_step

    def average_total(self, second: int) -> int:
        """The sum of the `average_s` oracle values, in units, that end at `second`; for this second and the three
        before."""
        return self.totals[second & _MASK] - self.totals[(second - self.average_s) & _MASK]

    def average(self, second: int) -> float:
        return self.average_total(second) / (self.average_s * self.units)

    def _move(self, common: Shocks) -> None:
        own = self._own
        own.step(0.7071067811865476 if self._half_step else 1.0)
        self._half_step = False
        change = self._per_second * (self._weight * common.value + self._own_weight * own.value)
        self._price *= 1.0 + change
        self.alarm_ticks = 2.0 if own.is_jump or common.is_jump else _ALARM_KEPT * self.alarm_ticks
        seen = min(change * change, _RETURN_SEEN_MAX * self._variance)
        self._variance += _VARIANCE_MEMORY * (seen - self._variance)
        self.volatility = sqrt(self._variance)

    def _observe(self, second: int) -> None:
        basis = self._basis
        basis += _BASIS_PULL * (_BASIS_MIDDLE - basis) + _BASIS_STEP * (self._uniform() - 0.5)
        self._basis = min(max(basis, _BASIS_MIDDLE - _BASIS_REACH), _BASIS_MIDDLE + _BASIS_REACH)
        value = int(self._price * (1.0 + self._basis) * self.units + 0.5)
        self.oracle[second & _MASK] = value / self.units
        self.totals[second & _MASK] = self.totals[(second - 1) & _MASK] + value

    def _tick_between(self, stamped_ns: int, out: list[MarketEvent]) -> None:
        """In the wild regime the price also ticks between two seconds; the step to the next one is then shorter."""
        shock = normal_of(self._uniform()) * self._own.regime.scale * 0.7071067811865476
        self._price *= 1.0 + self._per_second * self._own_weight * shock
        self._half_step = True
        at_ns = stamped_ns + 20_000_000 + int(self._uniform() * 60_000_000)
        out.append(Spot(at_ns, self._asset, FEED, round(self._price, self._digits), stamped_ns))
