"""Spread, empty sides, depth, and how far and how often the mid moves: one function for recorded and simulated quotes.

Intervals are 90 %, by the bootstrap over whole markets: seconds of one market are no independent witnesses.
"""

from collections.abc import Callable, Sequence

import msgspec
import polars as pl

from foresight.sources.simulated.noise import uniform_stream

RESAMPLES = 400
LEVEL = 0.90
DISTANT_S = (1, 5, 30)
PRICE_BANDS = ((50, 60), (60, 70), (70, 80), (80, 90), (90, 95), (95, 98), (98, 100))
LEFT_BANDS = ((600, 901), (300, 600), (180, 300), (60, 180), (0, 60))
"""Seconds left, the lower bound included."""


class Figure(msgspec.Struct, frozen=True):
    """A value with its interval; `count` is how many rows it is made of."""

    value: float
    low: float
    high: float
    count: int


Figures = dict[str, Figure | None]
"""None where a side has no such rows: it is unknown."""


def book_figures(quotes: pl.DataFrame) -> Figures:
    """All figures of one side by name."""
    both = quotes.filter(pl.col("bid").is_not_null() & pl.col("ask").is_not_null())
    spread = both.with_columns(spread=pl.col("ask") - pl.col("bid")).filter(pl.col("spread") > 0)
    found = {
        f"spread {name}": _share(spread, test)
        for name, test in (("1", pl.col("spread") == 1), ("2", pl.col("spread") == 2), ("3+", pl.col("spread") >= 3))
    }
    return found | _empty_sides(quotes) | _moves(both) | _depths(quotes)


def _empty_sides(quotes: pl.DataFrame) -> Figures:
    is_empty = pl.col("bid").is_null() | pl.col("ask").is_null()
    bands = {
        f"one side empty, {_left(band)} s left": _share(_between(quotes, "left", band), is_empty) for band in LEFT_BANDS
    }
    return {"one side empty": _share(quotes, is_empty)} | bands


def _depths(quotes: pl.DataFrame) -> Figures:
    names = ("bid_depth", "ask_depth", "bid_size", "ask_size")
    out: Figures = {}
    for name in names:
        for quantile in (0.1, 0.5, 0.9):
            out[f"{name} {quantile}"] = _quantile(quotes, name, quantile)
    return out


def _moves(both: pl.DataFrame) -> Figures:
    out: Figures = {}
    for distance in DISTANT_S:
        moves = moved(both, distance)
        out[f"mid changed {distance}"] = _share(moves, pl.col("move") != 0)
        out[f"deviation {distance}"] = _deviation(moves)
        out[f"correlation {distance}"] = _correlation(moves, distance)
        if distance == 5:
            out |= {
                f"deviation at {_price(band)}": _deviation(_between(moves, "favourite", band)) for band in PRICE_BANDS
            }
            out |= {
                f"deviation, {_left(band)} s left": _deviation(_between(moves, "left", band)) for band in LEFT_BANDS
            }
    return out


def moved(both: pl.DataFrame, distance: int) -> pl.DataFrame:
    """Each second's change of the mid up to `distance` seconds later, in dollars, with the favourite's price before."""
    mids = both.select("market", "second", "left", mid=(pl.col("bid") + pl.col("ask")) / 2)
    later = mids.select("market", pl.col("second") - distance, after=pl.col("mid"))
    return mids.join(later, on=["market", "second"]).with_columns(
        move=(pl.col("after") - pl.col("mid")) / 100, favourite=50 + (pl.col("mid") - 50).abs()
    )


def _between(rows: pl.DataFrame, column: str, band: tuple[int, int]) -> pl.DataFrame:
    return rows.filter((pl.col(column) >= band[0]) & (pl.col(column) < band[1]))


def _left(band: tuple[int, int]) -> str:
    return f"{band[0]} to {min(band[1], 900)}"


def _price(band: tuple[int, int]) -> str:
    return f"{band[0] / 100:.2f} to {band[1] / 100:.2f}"


def _share(rows: pl.DataFrame, test: pl.Expr) -> Figure | None:
    sums = rows.group_by("market", maintain_order=True).agg(test.sum().cast(pl.Float64).alias("x"), n=pl.len())
    return _resampled(sums, lambda x, n: x[0] / n)


def _deviation(moves: pl.DataFrame) -> Figure | None:
    sums = moves.group_by("market", maintain_order=True).agg((pl.col("move") ** 2).sum().alias("x"), n=pl.len())
    return _resampled(sums, lambda x, n: (x[0] / n) ** 0.5)


def _correlation(moves: pl.DataFrame, distance: int) -> Figure | None:
    """Of a change with the one that follows it without overlap."""
    later = moves.select("market", pl.col("second") - distance, next=pl.col("move"))
    pairs = moves.join(later, on=["market", "second"])
    sums = pairs.group_by("market", maintain_order=True).agg(
        (pl.col("move") * pl.col("next")).sum().alias("x"),
        (pl.col("move") ** 2).sum().alias("y"),
        (pl.col("next") ** 2).sum().alias("z"),
        n=pl.len(),
    )
    return _resampled(sums, lambda x, _: x[0] / (x[1] * x[2]) ** 0.5)


def _quantile(rows: pl.DataFrame, column: str, quantile: float) -> Figure | None:
    """Its interval is that of the markets' own quantiles around the whole one's: a bootstrap of their mean."""
    told = rows.filter(pl.col(column).is_not_null())
    if told.is_empty():
        return None
    whole = float(told[column].quantile(quantile, interpolation="linear") or 0.0)
    own = told.group_by("market", maintain_order=True).agg(pl.col(column).quantile(quantile).alias("x"), n=pl.lit(1))
    spread = _resampled(own, lambda x, n: x[0] / n)
    assert spread is not None
    return Figure(whole, whole + spread.low - spread.value, whole + spread.high - spread.value, len(told))


def _resampled(sums: pl.DataFrame, figure: Callable[[Sequence[float], float], float]) -> Figure | None:
    """`sums` has a row a market: the columns that are added up, and `n`, how many rows they stand for."""
    rows = [(tuple(values), float(count)) for *values, count in sums.drop("market").iter_rows()]
    if sum(count for _, count in rows) < 2:
        return None
    uniform = uniform_stream(1, "bootstrap")
    picks = [[rows[int(uniform() * len(rows))] for _ in rows] for _ in range(RESAMPLES)]
    found = sorted(_of(pick, figure) for pick in picks)
    tail = int(len(found) * (1 - LEVEL) / 2)
    return Figure(_of(rows, figure), found[tail], found[-1 - tail], int(sum(count for _, count in rows)))


def _of(rows: Sequence[tuple[tuple[float, ...], float]], figure: Callable[[Sequence[float], float], float]) -> float:
    return figure([sum(column) for column in zip(*(x for x, _ in rows), strict=True)], sum(n for _, n in rows))
