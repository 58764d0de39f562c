"""What a book does between two books that its source publishes: many small changes of sizes that come back.

A simulated or recorded source tells a book about once a second; the venue's channel told the two books of a BTC 5m
market in 505 `price_change` frames a second (ten busy seconds of 2026-04-21, 86 to 75 s before the end of the window,
at 0.86), and about 130 in an active minute (venue spec §6.1). Of the 5,181 changes of UP's book in those seconds

- 64 % are at the best level, 4, 2, 3 and 2 % at the four behind it; the rest lies beyond the five levels that a source
  tells, and is told here on those five in their proportions;
- half make a level larger and half smaller, by 5 to 30 shares for most, of levels of 330 to 430;
- 15 % undo the change of the same level before them, half of those within 20 ms;
- 4 take a level away or bring one, and the best prices moved 3 times, for good. So no price comes or goes here, and the
  best price is the source's: a flicker of it that returns was not seen.

A tenth of a second holds 50 changes with a deviation of 13, twice that of independent ones: each tenth has a rate of
its own. How busy other assets and timeframes are is not recorded; their rates are in proportion to their trades.
"""

from collections.abc import Iterator, Mapping

from foresight.markets import SECOND_NS
from foresight.money import MICROS
from foresight.sources.simulated.assets import PROFILES, profile_of
from foresight.sources.simulated.noise import Uniform, exponential, normal_of, uniform_stream

Flick = tuple[int, bool, int, int]
"""(at_ns, is a bid for Up, price, size of the level now), the last two in micros."""

USUAL_PER_SECOND = 130.0
BUSY_PER_SECOND = 505.0
BUSY_LEFT_NS = 90 * SECOND_NS
"""Recorded busy seconds lie so near to the end of their window; nothing is known of where the busy part begins."""
LEVEL_SHARES = (0.848, 0.052, 0.030, 0.039, 0.031)
"""Of the changes on the best five levels of a side."""
STEP_SHARES = (5, 5, 7, 10, 10, 13, 16, 20, 24, 30)
"""The middles of the tenths of the sizes of changes at the best level."""
UNDONE = 0.15
_TENTH_NS = SECOND_NS // 10
_RATE_DEVIATION = 0.22
"""Of the logarithm of a tenth's rate: with the counts' own deviation it gives 13 of 50."""
_STRAY = 0.3
"""A level that is further from its own size than this part of it comes back."""
_STEP_MAX = 0.5
_TENTH_MAX = 500.0
"""Changes of a tenth of a second in the mean, at most: ten times the busiest that was recorded."""
_AT_ONCE_MAX = 25.0


def rate_of(asset: str, left_ns: int) -> float:
    """Changes a second of a market of this asset, with so much time left."""
    busy = BUSY_PER_SECOND if left_ns < BUSY_LEFT_NS else USUAL_PER_SECOND
    return busy * (profile_of(asset).trades_per_second / PROFILES["BTC"].trades_per_second)


class Flicker:
    """The changes of one market. The same seed, market, ladders and spans give the same ones on every machine."""

    def __init__(self, seed: int, slug: str) -> None:
        self._uniform = uniform_stream(seed, "flicker", slug)

    def between(
        self, bids: Mapping[int, int], asks: Mapping[int, int], from_ns: int, until_ns: int, *, per_second: float
    ) -> Iterator[Flick]:
        """Changes at `from_ns` <= at < `until_ns` in order of time, of Up's ladder: price to size in micros.

        The ladders are read once, before the first change, and not changed. No level comes, goes or falls under half
        of its own size, and after the last change each has its own size again. Empty sides have no changes.
        """
        sides = [
            (is_bid, sorted(side.items(), reverse=is_bid)[: len(LEVEL_SHARES)])
            for is_bid, side in ((True, bids), (False, asks))
            if side
        ]
        touched: dict[tuple[int, int], list[int]] = {}
        for at_ns in self._times(from_ns, until_ns, per_second) if sides else ():
            side = int(self._uniform() * len(sides))
            touched.setdefault((side, self._place(len(sides[side][1]))), []).append(at_ns)
        flicks: list[Flick] = []
        for (side, place), times in touched.items():
            is_bid, levels = sides[side]
            price, own = levels[place]
            flicks += [(at_ns, is_bid, price, now) for at_ns, now in self._walk(own, self._paired(times, until_ns))]
        yield from sorted(flicks)

    def _times(self, from_ns: int, until_ns: int, per_second: float) -> Iterator[int]:
        uniform = self._uniform
        for start_ns in range(from_ns, until_ns, _TENTH_NS):
            span_ns = min(_TENTH_NS, until_ns - start_ns)
            mean = per_second * span_ns / SECOND_NS * exponential(_RATE_DEVIATION * normal_of(uniform()))
            yield from sorted(
                start_ns + int(uniform() * span_ns) for _ in range(_count(min(mean, _TENTH_MAX), uniform))
            )

    def _place(self, levels: int) -> int:
        draw = self._uniform() * sum(LEVEL_SHARES[:levels])
        for place in range(levels - 1):
            draw -= LEVEL_SHARES[place]
            if draw < 0:
                return place
        return levels - 1

    def _paired(self, times: list[int], until_ns: int) -> list[int]:
        """A level that is touched once would not come back: every other one is left alone, the rest get a return."""
        if len(times) > 1:
            return times
        at_ns = times[0]
        if self._uniform() < 0.5 or until_ns - at_ns < 2:
            return []
        return [at_ns, at_ns + 1 + int(self._uniform() * (until_ns - at_ns - 1))]

    def _walk(self, own: int, times: list[int]) -> Iterator[tuple[int, int]]:
        """The sizes of one level at these times; the last is its own. A time at which nothing changes is left out."""
        uniform = self._uniform
        before, now = own, own
        for at_ns in times[:-1]:
            after = before if before != now and uniform() < UNDONE else self._stepped(own, now)
            if after != now:
                before, now = now, after
                yield at_ns, now
        if times and now != own:
            yield times[-1], own

    def _stepped(self, own: int, now: int) -> int:
        uniform = self._uniform
        step = min(STEP_SHARES[int(uniform() * len(STEP_SHARES))] * MICROS, int(own * _STEP_MAX))
        if now - own > _STRAY * own:
            return now - step
        if own - now > _STRAY * own:
            return now + step
        return now + step if uniform() < 0.5 else max(now - step, own - int(own * _STEP_MAX))


def _count(mean: float, uniform: Uniform) -> int:
    """A Poisson variate: how many uniform numbers can be multiplied until the product is below e to the -mean (Knuth,
    The Art of Computer Programming 2, section 3.4.1); of a large mean, the sum of two of half of it."""
    if mean > _AT_ONCE_MAX:
        return _count(mean / 2, uniform) + _count(mean / 2, uniform)
    limit, product, count = exponential(-mean), uniform(), 0
    while product > limit:
        product *= uniform()
        count += 1
    return count
