"""Recorded markets as a source of events: a folder of Parquet tables in the schema below.

    markets     slug, asset, timeframe, start_ts_ns, end_ts_ns, outcome, outcome_source, source, and where known
                strike, strike_source, ref_open, ref_source, tick_size, taker_fee_rate, up_token, down_token
    quotes      ts_ns, market (slug), outcome (UP/DOWN), bid, ask, source, and where known sizes and depths
    underlying  ts_ns, symbol, feed, price (or bid and ask), source
    trades      ts_ns, market, outcome, price, size, source

The tables also hold what nobody knew at the time: `outcome` leaves the reader only inside `Resolved`, a minute after
the window's end, and `ref_close` and `settle` are never read. Only markets that have quotes are listed. Sources whose
quotes come too rarely to price a fill (a next quote within 10 s) are left out, and `skipped` says so.
"""

import heapq
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Literal

import polars as pl

from foresight.errors import SourceRefused
from foresight.events import ABSENT, NOT_TOLD, Listed, MarketEvent, Printed, Quote, Reference, Resolved, Spot
from foresight.markets import (
    MINUTE_NS,
    SECOND_NS,
    TIMEFRAME_NS,
    Market,
    MarketId,
    Origin,
    Outcome,
    Token,
)
from foresight.money import MICROS

LISTED_AHEAD_NS = 30 * MINUTE_NS
RESOLVED_AFTER_NS = 60 * SECOND_NS
STRIKE_AFTER_NS = 2 * SECOND_NS
QUOTE_GAP_MAX_NS = 10 * SECOND_NS
SIMULATED = "simulated"
"""A source whose name begins so was written by the simulated market; numbers from it are called simulated."""
ROWS_AT_ONCE = 20_000
TWAP_SINCE_NS = int(datetime(2026, 8, 7, tzinfo=UTC).timestamp()) * SECOND_NS
"""Until this day Polymarket's short windows were settled on a single price (docs/venue.md); Kalshi's never were."""

REQUIRED = {
    "markets": ("slug", "asset", "timeframe", "start_ts_ns", "end_ts_ns", "outcome", "outcome_source", "source"),
    "quotes": ("ts_ns", "market", "outcome", "bid", "ask", "source"),
    "underlying": ("ts_ns", "symbol", "feed", "price", "source"),
    "trades": ("ts_ns", "market", "outcome", "price", "size", "source"),
}
OPTIONAL: dict[str, pl.DataType] = {
    "venue": pl.String(),
    "strike": pl.Float64(),
    "strike_source": pl.String(),
    "ref_open": pl.Float64(),
    "ref_source": pl.String(),
    "tick_size": pl.Float64(),
    "taker_fee_rate": pl.Float64(),
    "up_token": pl.String(),
    "down_token": pl.String(),
    "bid_size": pl.Float64(),
    "ask_size": pl.Float64(),
    "bid_depth5": pl.Float64(),
    "ask_depth5": pl.Float64(),
}

WHOLE = ("ts_ns", "start_ts_ns", "end_ts_ns")
NUMBERS = ("bid", "ask", "price", "size", *(column for column, kind in OPTIONAL.items() if kind == pl.Float64()))


class Recording:
    """A folder of recorded tables. Raises `SourceRefused` when it cannot be read as such."""

    def __init__(self, folder: Path, sources: tuple[str, ...] = ()) -> None:
        """`sources` picks some of the recording's sources by name; empty takes all that can be replayed."""
        self.folder = folder
        self.skipped: dict[str, str] = {}
        self.rejected_rows = 0
        for name in REQUIRED:
            _check(folder, name)
        quotes = _table(folder, "quotes")
        self._sources = self._replayable(quotes, sources)
        self._quotes = quotes.filter(pl.col("source").is_in(self._sources)).sort("ts_ns", maintain_order=True)
        self._markets = self._quoted_markets(_table(folder, "markets"))
        first_ns = self._quotes["ts_ns"].min()
        if self._markets.is_empty() or not isinstance(first_ns, int):
            raise SourceRefused(f"{folder}: no market of 5 or 15 minutes has quotes in {', '.join(self._sources)}")
        self.markets = {_key(row["source"], row["slug"]): _market(row) for row in self._markets.iter_rows(named=True)}
        is_simulated = all(name.startswith(SIMULATED) for name in self._sources)
        self.origin: Origin = "simulated" if is_simulated else "recorded"
        self.name = f"recording {folder.name}: {', '.join(self._sources)}"
        self.slots = tuple(sorted({(market.asset, market.timeframe) for market in self.markets.values()}))
        self.is_live = False
        self.start_ns: int = first_ns // (5 * SECOND_NS) * (5 * SECOND_NS)
        self.end_ns: int = max(market.end_ns for market in self.markets.values()) + RESOLVED_AFTER_NS

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are replayed."""
        return tuple(self._sources)

    def outcome_sources(self) -> dict[MarketId, str]:
        """Who told each market's outcome, for reports; `unresolved` where nobody did."""
        return {
            self.markets[_key(row["source"], row["slug"])].market_id: row["outcome_source"] or "unresolved"
            for row in self._markets.iter_rows(named=True)
        }

    def events(self) -> Iterator[MarketEvent]:
        """All events in the order of time; of one instant the underlying goes before quotes, a resolution last."""
        return heapq.merge(
            self._listings(), self._underlying(), self._quote_events(), self._prints(), self._resolutions(),
            key=attrgetter("at_ns"),
        )  # fmt: skip

    def _replayable(self, quotes: pl.DataFrame, wanted: tuple[str, ...]) -> list[str]:
        known = sorted(quotes["source"].drop_nulls().unique())
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise SourceRefused(f"{self.folder}: no quotes of {', '.join(unknown)}; it has {', '.join(known)}")
        gap_ns = pl.col("ts_ns").diff().over("source", "market", "outcome")
        gaps = quotes.sort("ts_ns").with_columns(gap_ns=gap_ns).group_by("source").agg(pl.col("gap_ns").median())
        for name, gap_ns in gaps.iter_rows():
            if gap_ns is not None and gap_ns > QUOTE_GAP_MAX_NS and name not in wanted:
                self.skipped[name] = f"a quote every {gap_ns / SECOND_NS:.0f} s cannot price a fill"
        return [name for name in (wanted or known) if name not in self.skipped]

    def _quoted_markets(self, markets: pl.DataFrame) -> pl.DataFrame:
        quoted = self._quotes.select(pl.col("market").alias("slug"), pl.col("source")).unique()
        return (
            markets.filter(pl.col("timeframe").is_in(list(TIMEFRAME_NS)))
            .drop_nulls(["start_ts_ns", "end_ts_ns"])
            .join(quoted, on=["slug", "source"], how="semi")
            .sort("start_ts_ns", "slug")
        )

    def _listings(self) -> Iterator[MarketEvent]:
        """Each market ahead of its window, then the official or recorded price at its open, once it was known."""
        pending: list[MarketEvent] = []
        for row in self._markets.iter_rows(named=True):
            market = self.markets[_key(row["source"], row["slug"])]
            pending.append(Listed(max(self.start_ns, market.start_ns - LISTED_AHEAD_NS), market))
            told = _price_to_beat(row, market)
            if told is not None:
                pending.append(told)
        return iter(sorted(pending, key=attrgetter("at_ns")))

    def _resolutions(self) -> Iterator[MarketEvent]:
        rows = self._markets.filter(pl.col("outcome").is_in(["UP", "DOWN"])).sort("end_ts_ns")
        for row in rows.iter_rows(named=True):
            market = self.markets[_key(row["source"], row["slug"])]
            yield Resolved(
                market.end_ns + RESOLVED_AFTER_NS,
                market.market_id,
                _outcome(row["outcome"]),
                row["outcome_source"] or "unresolved",
            )

    def _quote_events(self) -> Iterator[MarketEvent]:
        one_sided = self._one_sided()
        names = ("bid", "ask", "bid_size", "ask_size", "bid_depth5", "ask_depth5")
        for part in self._quotes.iter_slices(ROWS_AT_ONCE):
            columns = part.select("ts_ns", "market", "outcome", "source", *(_micros(name) for name in names))
            for at_ns, slug, outcome, source, bid, ask, *sizes in columns.iter_rows():
                market = self.markets.get(_key(source, slug))
                missing = NOT_TOLD if source in one_sided else ABSENT
                if market is None or at_ns is None or outcome not in ("UP", "DOWN"):
                    self.rejected_rows += 1
                    continue
                yield Quote(at_ns, market.token(outcome), _price(bid, missing), _price(ask, missing), *sizes)

    def _one_sided(self) -> set[str]:
        """Sources that never tell both sides in a row: there a missing side is not told, elsewhere it is empty."""
        has_both = pl.col("bid").is_not_null() & pl.col("ask").is_not_null()
        counted = self._quotes.group_by("source").agg(has_both.any().alias("both"))
        return set(counted.filter(~pl.col("both"))["source"])

    def _underlying(self) -> Iterator[MarketEvent]:
        table = _table(self.folder, "underlying")
        price = pl.col("price").fill_nan(None)
        if {"bid", "ask"} <= set(table.columns):
            price = pl.coalesce(price, (pl.col("bid") + pl.col("ask")) / 2)
        rows = table.filter(pl.col("source").is_in(self._sources)).sort("ts_ns", maintain_order=True)
        for part in rows.iter_slices(ROWS_AT_ONCE):
            for at_ns, symbol, feed, value in part.select("ts_ns", "symbol", "feed", price).iter_rows():
                if at_ns is None or value is None or not 0 < value < math.inf:
                    self.rejected_rows += 1
                    continue
                yield Spot(at_ns, asset_of(symbol), feed, value, at_ns)

    def _prints(self) -> Iterator[MarketEvent]:
        table = _table(self.folder, "trades")
        kind = pl.col("kind") == "TRADE" if "kind" in table.columns else pl.lit(value=True)
        if not {"market", "outcome", "price"} <= set(table.columns):
            return
        rows = table.filter(pl.col("source").is_in(self._sources) & kind).sort("ts_ns", maintain_order=True)
        for part in rows.iter_slices(ROWS_AT_ONCE):
            columns = part.select("ts_ns", "market", "outcome", "source", _micros("price"), _micros("size"))
            for at_ns, slug, outcome, source, price, size in columns.iter_rows():
                market = self.markets.get(_key(source, slug))
                if market is None or at_ns is None or outcome not in ("UP", "DOWN"):
                    continue
                if 0 < price < MICROS and size > 0:
                    yield Printed(at_ns, market.token(outcome), price, size)


def asset_of(symbol: str) -> str:
    """`BTCUSDT`, `BTC-USD` and `BTC` are all BTC."""
    return symbol.removesuffix("USDT").removesuffix("USD").rstrip("-/")


def _check(folder: Path, name: str) -> None:
    """Refuses a table that cannot be read, or whose columns are not those of the schema. Reads no rows."""
    path = folder / f"{name}.parquet"
    try:
        schema = pl.read_parquet_schema(path)
        is_empty = pl.scan_parquet(path).select(pl.len()).collect().item() == 0
    except FileNotFoundError:
        raise SourceRefused(
            f"{path} does not exist; a recording is a folder with {', '.join(REQUIRED)}.parquet"
        ) from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceRefused(f"{path} cannot be read as Parquet: {error}") from None
    missing = [column for column in REQUIRED[name] if column not in schema]
    if missing and (not is_empty or name in ("markets", "quotes")):
        raise SourceRefused(f"{path} lacks the columns {', '.join(missing)}")
    for column, kind in schema.items():
        is_right = kind.is_integer() if column in WHOLE else kind.is_numeric() or column not in NUMBERS
        if not is_right and kind != pl.Null():
            raise SourceRefused(f"{path}: {column} is {kind}, and must be a {'whole ' * (column in WHOLE)}number")


def _table(folder: Path, name: str) -> pl.DataFrame:
    """A table that was checked, with a column of nothing for each that it does not have."""
    table = pl.read_parquet(folder / f"{name}.parquet")
    absent = [
        pl.lit(None, dtype=kind).alias(column) for column, kind in OPTIONAL.items() if column not in table.columns
    ]
    return table.with_columns(absent)


def _key(source: str, slug: str) -> str:
    return f"{source}/{slug}"


def _outcome(text: str) -> Outcome:
    return "UP" if text == "UP" else "DOWN"


def _micros(column: str) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64).fill_nan(None) * MICROS
    return value.round().cast(pl.Int64, strict=False).fill_null(NOT_TOLD).alias(column)


def _price(value: int, missing: int) -> int:
    """A quoted price; one outside the open interval between 0 and 1 is an empty side."""
    if value == NOT_TOLD:
        return missing
    return value if 0 < value < MICROS else ABSENT


def _market(row: dict[str, object]) -> Market:
    fee, tick = row["taker_fee_rate"], row["tick_size"]
    slug, start_ns, end_ns = str(row["slug"]), _int(row["start_ts_ns"]), _int(row["end_ts_ns"])
    is_spot = row["venue"] != "KALSHI" and start_ns < TWAP_SINCE_NS
    settles_on: Literal["twap60", "spot"] = "spot" if is_spot else "twap60"
    return Market(
        market_id=MarketId(slug),
        asset=str(row["asset"]),
        timeframe=str(row["timeframe"]),
        start_ns=start_ns,
        end_ns=end_ns,
        up=Token(str(row["up_token"] or f"{slug}:UP")),
        down=Token(str(row["down_token"] or f"{slug}:DOWN")),
        source=str(row["source"]),
        tick_micros=round(tick * MICROS) if isinstance(tick, float) else 10_000,
        fee_rate_micros=round(fee * MICROS) if isinstance(fee, float) else 70_000,
        settles_on=settles_on,
        fills="next_quote",
        assumed=tuple(name for name, value in (("fee_rate", fee), ("tick", tick)) if value is None),
    )


def _price_to_beat(row: dict[str, object], market: Market) -> Reference | None:
    """The official price to beat, else the recorded price of another venue at the open; never one from later."""
    price, source, delay_ns = _finite(row["strike"]), row["strike_source"], STRIKE_AFTER_NS
    if price is None:
        price, source, delay_ns = _finite(row["ref_open"]), row["ref_source"], SECOND_NS
    if price is None:
        return None
    return Reference(
        market.start_ns + delay_ns,
        market.asset,
        "price_to_beat",
        price,
        market.start_ns,
        str(source),
        market.timeframe,
    )


def _finite(value: object) -> float | None:
    return value if isinstance(value, float) and math.isfinite(value) else None


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
