"""The form in which a recording and the simulated market are measured: the book of UP at the end of each second.

    market (text), second (Unix), left (seconds to the window's end), bid, ask (ticks of a cent, null for an empty
    side), bid_depth, ask_depth (shares on the best five levels), bid_size, ask_size (at the best; null where not told)

and the underlying as `second, price`. Nothing is filled: a second without a row is not there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl

from foresight.events import Depth, Listed, MarketEvent, Printed, Resolved, Spot
from foresight.markets import SECOND_NS, Market, SettlesOn, Token
from foresight.money import MICROS
from foresight.sources.simulated import SimulatedMarket

EVERY_SECOND = ("borisz42", "thevalerka_csv")
TICK_MICROS = 10_000
DEFAULT_FOLDER = Path(__file__).parents[3] / "shared" / "data"
QUOTES = {
    "market": pl.String, "second": pl.Int64, "left": pl.Int64, "bid": pl.Int64, "ask": pl.Int64,
    "bid_depth": pl.Float64, "ask_depth": pl.Float64, "bid_size": pl.Float64, "ask_size": pl.Float64,
}  # fmt: skip


class Measured(msgspec.Struct, frozen=True):
    """One side of the comparison. `outcomes` maps a market to 1.0 where UP won and 0.0 where DOWN did; `events` counts
    the slot's published books and trades by market-second."""

    quotes: pl.DataFrame
    spots: pl.DataFrame
    outcomes: dict[str, float]
    published: dict[str, float] = {}


def recordings() -> Path:
    return Path(os.environ.get("FORESIGHT_RECORDINGS") or DEFAULT_FOLDER)


def recorded_quotes(folder: Path) -> pl.DataFrame:
    """The markets with quotes every second, from the tables under `folder`."""
    ends = pl.read_parquet(folder / "markets.parquet").select(
        pl.col("slug").alias("market"), pl.col("end_ts_ns") // SECOND_NS, "quote_source"
    )
    rows = pl.read_parquet(folder / "quotes.parquet").filter(
        pl.col("source").is_in(EVERY_SECOND) & (pl.col("outcome") == "UP")
    )
    return (
        rows.join(ends, left_on=["market", "source"], right_on=["market", "quote_source"])
        .sort("source", "market", "ts_ns")
        .with_columns(second=pl.col("ts_ns") // SECOND_NS, market=pl.col("source") + "/" + pl.col("market"))
        .with_columns(left=pl.col("end_ts_ns") - pl.col("second"))
        .group_by("market", "second", maintain_order=True)
        .last()
        .filter((pl.col("left") > 0) & (pl.col("left") <= 900))
        .select(
            "market",
            "second",
            "left",
            _ticks("bid"),
            _ticks("ask"),
            pl.col("bid_depth5").alias("bid_depth"),
            pl.col("ask_depth5").alias("ask_depth"),
            pl.col("bid_size"),
            pl.col("ask_size"),
        )
    )


def recorded_outcomes(folder: Path) -> dict[str, float]:
    """By slug, of every market that somebody labelled; how far to trust a label says its `outcome_source`."""
    table = pl.read_parquet(folder / "markets.parquet").filter(pl.col("outcome").is_in(["UP", "DOWN"]))
    return {slug: float(outcome == "UP") for slug, outcome in table.select("slug", "outcome").iter_rows()}


def recorded_trades_per_second(folder: Path) -> float:
    """Of the BTC 15m markets whose trades were recorded, within their windows."""
    windows = pl.read_parquet(folder / "markets.parquet").select("slug", "start_ts_ns", "end_ts_ns").unique("slug")
    trades = pl.read_parquet(folder / "trades.parquet").filter(
        (pl.col("source") == EVERY_SECOND[0]) & (pl.col("kind") == "TRADE")
    )
    within = trades.join(windows, left_on="market", right_on="slug").filter(
        (pl.col("ts_ns") > pl.col("start_ts_ns")) & (pl.col("ts_ns") <= pl.col("end_ts_ns"))
    )
    return len(within) / within["market"].n_unique() / 900


def simulated(seeds: tuple[int, ...], hours: int, slot: tuple[str, str], settles_on: SettlesOn) -> Measured:
    """Simulated hours of one slot, the seeds one after the other; a market is named by its seed and its slug."""
    parts = [_simulated_part(seed, hours, slot, settles_on) for seed in seeds]
    seconds = sum(len(part.quotes) for part in parts)
    names = sorted({name for part in parts for name in part.published})
    return Measured(
        quotes=pl.concat([part.quotes for part in parts]),
        spots=pl.concat([part.spots for part in parts]),
        outcomes={name: won for part in parts for name, won in part.outcomes.items()},
        published={name: sum(part.published.get(name, 0.0) for part in parts) / seconds for name in names},
    )


def _simulated_part(seed: int, hours: int, slot: tuple[str, str], settles_on: SettlesOn) -> Measured:
    keeper = _Keeper(seed)
    market = SimulatedMarket(seed, (slot,), hours * 3_600 * SECOND_NS, settles_on=settles_on)
    for event in market.events():
        keeper.take(event)
    spots = {"seed": pl.Int64, "second": pl.Int64, "price": pl.Float64}
    return Measured(
        quotes=pl.DataFrame(list(keeper.rows()), schema=QUOTES, orient="row").filter(pl.col("left") > 0),
        spots=pl.DataFrame([(seed, *pair) for pair in keeper.spots.items()], schema=spots, orient="row"),
        outcomes=keeper.outcomes,
        published=keeper.published,
    )


class _Keeper:
    """The last book of UP in each second, and how many were published."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ups: dict[Token, Market] = {}
        self._books: dict[tuple[str, int], tuple[Market, Depth]] = {}
        self.spots: dict[int, float] = {}
        self.outcomes: dict[str, float] = {}
        self.published = {"books": 0.0, "trades": 0.0, "spots": 0.0}

    def take(self, event: MarketEvent) -> None:
        match event:
            case Depth() if (market := self._ups.get(event.token)) is not None:
                self._books[market.market_id, event.at_ns // SECOND_NS] = (market, event)
                self.published["books"] += 1
            case Spot():
                self.spots[event.at_ns // SECOND_NS] = event.price
                self.published["spots"] += 1
            case Printed():
                self.published["trades"] += 1
            case Listed():
                self._ups[event.market.up] = event.market
            case Resolved():
                self.outcomes[self._name(event.market_id)] = float(event.outcome == "UP")
            case _:
                pass

    def rows(self) -> Iterator[tuple[str | int | float | None, ...]]:
        for (slug, second), (market, book) in self._books.items():
            bids, asks = book.bids, book.asks
            left = market.end_ns // SECOND_NS - second
            if second * SECOND_NS < market.start_ns:
                continue
            yield (
                self._name(slug), second, left, *(side[0][0] // TICK_MICROS if side else None for side in (bids, asks)),
                *(sum(size for _, size in side) / MICROS if side else None for side in (bids, asks)),
                *(side[0][1] / MICROS if side else None for side in (bids, asks)),
            )  # fmt: skip

    def _name(self, slug: str) -> str:
        return f"{self._seed}/{slug}"


def _ticks(column: str) -> pl.Expr:
    """A price in ticks of a cent; one outside the open interval between 0 and 1 is an empty side."""
    ticks = (pl.col(column) * 100).round().cast(pl.Int64)
    return pl.when((ticks > 0) & (ticks < 100)).then(ticks).alias(column)
