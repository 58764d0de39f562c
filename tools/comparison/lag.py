"""By how many seconds a market's quotes follow the underlying, from quotes that come with a price of it.

The recording that pairs them for hours has one side of one outcome every 6.7 s (the median), so a lag below that cannot
be seen directly. It can be inferred: with a lag of L < g seconds, the quote's move over g seconds holds (g - L) / g of
the fair value's own move over the same seconds and L / g of its move over the g seconds before; with a lead, part of
the move over the g seconds after. So the quote's move is regressed on the three, and the lag is the mean gap times
(before - after) / (before + same + after). To first order a fair value moves by density(score) / sqrt(left) for each
standard deviation of the underlying, so the underlying's log move is weighted with that; its scale cancels.

The simulated market is seen at the same instants of its windows, on the same side of the same outcome.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import NormalDist

import msgspec
import polars as pl

from comparison.books import LEVEL, RESAMPLES, Figure
from comparison.quotes import Measured
from foresight.markets import SECOND_NS
from foresight.sources.simulated.noise import uniform_stream

GAP_S = (2.0, 20.0)
"""A gap outside of this says nothing of a lag of some seconds."""
PRICES = (0.08, 0.92)
LEFT_S_MIN = 60
HALF_TICK = 0.005
TERMS_MIN = 5
"""A market with fewer moves is left out: a resample of such markets alone may not tell three coefficients."""
_NORMAL = NormalDist()


class Pair(msgspec.Struct, frozen=True):
    """A quote with the underlying's price at the same instant. `is_up`, `is_bid` say of which outcome and side it is;
    `up` is what it says of UP's mid, half a tick from it."""

    market: str
    at_s: float
    left_s: float
    is_up: bool
    is_bid: bool
    up: float
    price: float


Terms = tuple[float, float, float, float, float]
"""The quote's move, the fair value's weighted moves over the gap before, the same one and the one after, the gap."""


def recorded_pairs(folder: Path, source: str) -> list[Pair]:
    """Of `thevalerka_marks` (Bybit's last price) or `weiuou` (a poll of the oracle)."""
    ends = pl.read_parquet(folder / "markets.parquet").select("slug", "end_ts_ns", "asset").unique("slug")
    quotes = pl.read_parquet(folder / "quotes.parquet").filter(
        (pl.col("source") == source) & (pl.col("asset") == "BTC")
    )
    prices = pl.read_parquet(folder / "underlying.parquet").filter(
        (pl.col("source") == source) & pl.col("symbol").str.starts_with("BTC")
    )
    rows = quotes.join(prices.select("ts_ns", "price").unique("ts_ns"), on="ts_ns")
    rows = rows.join(ends.select("slug", "end_ts_ns"), left_on="market", right_on="slug").sort("market", "ts_ns")
    columns = rows.select("market", "ts_ns", "end_ts_ns", "outcome", "bid", "ask", "price").iter_rows()
    return [_pair(*row) for row in columns if row[4] is not None or row[5] is not None]


def _pair(
    market: str, at_ns: int, end_ns: int, outcome: str, bid: float | None, ask: float | None, price: float
) -> Pair:
    told = ask - HALF_TICK if bid is None and ask is not None else (bid or 0.0) + HALF_TICK
    is_up = outcome == "UP"
    at_s, left_s = at_ns / SECOND_NS, (end_ns - at_ns) / SECOND_NS
    return Pair(market, at_s, left_s, is_up, bid is not None, told if is_up else 1 - told, price)


def simulated_pairs(side: Measured, pattern: Sequence[Pair]) -> list[Pair]:
    """The simulated windows at the instants of the pattern's windows, one after the other. Both prices are the last
    before the end of the second."""
    spots = {(seed, second): price for seed, second, price in side.spots.iter_rows()}
    books = _by_market(side.quotes)
    seen = list(_grouped(pattern))
    out: list[Pair] = []
    for number, (market, quotes) in enumerate(books.items()):
        seed, end = int(market.split("/")[0]), max(second + left for second, (left, _, _) in quotes.items())
        for pair in seen[number % len(seen)]:
            second = end - int(pair.left_s) - 1
            left, bid, ask = quotes.get(second, (0, None, None))
            tick = bid if pair.is_bid == pair.is_up else ask
            if tick is not None and (seed, second) in spots:
                up = tick / 100 + (HALF_TICK if pair.is_bid == pair.is_up else -HALF_TICK)
                out.append(Pair(market, second, left, pair.is_up, pair.is_bid, up, spots[seed, second]))
    return out


def lag(pairs: Sequence[Pair]) -> Figure | None:
    """Seconds; the interval is 90 %, by the bootstrap over markets. None for too few moves to tell."""
    groups = [terms for group in _grouped(pairs) if len(terms := list(_terms(group))) >= TERMS_MIN]
    count = sum(len(group) for group in groups)
    if len(groups) < 4 or count < 100:
        return None
    uniform = uniform_stream(1, "bootstrap")
    sums = [_sums(group) for group in groups]
    found = sorted(_lag([sums[int(uniform() * len(sums))] for _ in sums]) for _ in range(RESAMPLES))
    tail = int(len(found) * (1 - LEVEL) / 2)
    return Figure(_lag(sums), found[tail], found[-1 - tail], count)


def _terms(group: Sequence[Pair]) -> Iterable[Terms]:
    """The middle of four quotes. Of quotes that are closer together than the smallest gap the first is taken."""
    group = _thinned(group)
    for first, second, third, fourth in zip(group, group[1:], group[2:], group[3:], strict=False):
        gaps = [second.at_s - first.at_s, third.at_s - second.at_s, fourth.at_s - third.at_s]
        is_clear = PRICES[0] < second.up < PRICES[1] and third.left_s > LEFT_S_MIN
        if not is_clear or min(gaps) < GAP_S[0] or max(gaps) > GAP_S[1]:
            continue
        weight = _NORMAL.pdf(_NORMAL.inv_cdf(second.up)) / second.left_s**0.5
        before, same, after = (
            weight * (later.price / earlier.price - 1)
            for earlier, later in ((first, second), (second, third), (third, fourth))
        )
        yield third.up - second.up, before, same, after, gaps[1]


def _thinned(group: Sequence[Pair]) -> list[Pair]:
    kept: list[Pair] = []
    for pair in group:
        if not kept or pair.at_s - kept[-1].at_s >= GAP_S[0]:
            kept.append(pair)
    return kept


def _sums(terms: Sequence[Terms]) -> list[float]:
    """The normal equations of the regression of the move on the three, the sum of the gaps, and their number."""
    rows = [(x, y) for y, *x, _ in terms]
    squares = [sum(x[i] * x[j] for x, _ in rows) for i in range(3) for j in range(3)]
    products = [sum(x[i] * y for x, y in rows) for i in range(3)]
    return [*squares, *products, sum(term[4] for term in terms), float(len(terms))]


def _lag(sums: Sequence[Sequence[float]]) -> float:
    total = [sum(column) for column in zip(*sums, strict=True)]
    before, same, after = _solved([total[0:3], total[3:6], total[6:9]], total[9:12])
    gap_s = total[12] / total[13]
    return gap_s * (before - after) / (before + same + after)


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Cramer's rule for three unknowns."""

    def determinant(a: Sequence[Sequence[float]]) -> float:
        return sum(
            a[0][i] * (a[1][(i + 1) % 3] * a[2][(i + 2) % 3] - a[1][(i + 2) % 3] * a[2][(i + 1) % 3]) for i in range(3)
        )

    whole = determinant(matrix)
    replaced = [
        [[right[row] if column == k else matrix[row][column] for column in range(3)] for row in range(3)]
        for k in range(3)
    ]
    return [determinant(one) / whole for one in replaced]


def _grouped(pairs: Sequence[Pair]) -> list[list[Pair]]:
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.market, []).append(pair)
    return [sorted(group, key=lambda pair: pair.at_s) for group in groups.values()]


def _by_market(quotes: pl.DataFrame) -> dict[str, dict[int, tuple[int, int | None, int | None]]]:
    books: dict[str, dict[int, tuple[int, int | None, int | None]]] = {}
    for market, second, left, bid, ask in quotes.select("market", "second", "left", "bid", "ask").iter_rows():
        books.setdefault(market, {})[second] = (left, bid, ask)
    return books
