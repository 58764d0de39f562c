"""Builders of small recordings: a folder of Parquet tables in the schema of `foresight.sources.recording`."""

from pathlib import Path
from typing import Any

import polars as pl

from foresight.markets import MINUTE_NS, SECOND_NS

T0_NS = 1_790_000_100 * SECOND_NS
"""A five-minute boundary after the day on which settlement moved to the 60-second average."""
Row = dict[str, Any]


def a_market_row(slug: str = "m1", *, start_ns: int = T0_NS, **changed: Any) -> Row:
    row: Row = {
        "slug": slug, "asset": "BTC", "timeframe": "5m", "start_ts_ns": start_ns, "end_ts_ns": start_ns + 5 * MINUTE_NS,
        "outcome": "UP", "outcome_source": "official", "source": "alpha", "strike": 100_000.5,
        "strike_source": "venue", "ref_open": 99_999.0, "ref_close": 100_100.0, "ref_source": "binance",
        "settle": 100_090.0, "tick_size": 0.01, "taker_fee_rate": 0.07, "up_token": f"{slug}-up",
        "down_token": f"{slug}-down", "venue": "POLYMARKET",
    }  # fmt: skip
    return row | changed


def a_quote_row(at_s: float = 0, bid: float | None = 0.5, ask: float | None = 0.52, **changed: Any) -> Row:
    row: Row = {
        "ts_ns": T0_NS + int(at_s * SECOND_NS), "market": "m1", "outcome": "UP", "bid": bid, "ask": ask,
        "source": "alpha", "bid_size": None, "ask_size": 20.0, "bid_depth5": None, "ask_depth5": 100.0,
    }  # fmt: skip
    return row | changed


def a_spot_row(at_s: float = 0, price: float | None = 100_000.0, **changed: Any) -> Row:
    row: Row = {
        "ts_ns": T0_NS + int(at_s * SECOND_NS), "symbol": "BTCUSDT", "feed": "binance", "price": price,
        "bid": None, "ask": None, "source": "alpha",
    }  # fmt: skip
    return row | changed


def a_trade_row(at_s: float = 0, price: float | None = 0.51, **changed: Any) -> Row:
    row: Row = {
        "ts_ns": T0_NS + int(at_s * SECOND_NS), "market": "m1", "outcome": "UP", "price": price, "size": 3.0,
        "kind": "TRADE", "source": "alpha",
    }  # fmt: skip
    return row | changed


FLOATS = (
    "strike", "ref_open", "ref_close", "settle", "tick_size", "taker_fee_rate", "bid", "ask", "bid_size", "ask_size",
    "bid_depth5", "ask_depth5", "price", "size",
)  # fmt: skip
INTEGERS = ("ts_ns", "start_ts_ns", "end_ts_ns")


def a_table(rows: list[Row]) -> pl.DataFrame:
    kinds = {
        name: pl.Float64() if name in FLOATS else pl.Int64() if name in INTEGERS else pl.String() for name in rows[0]
    }
    return pl.DataFrame(rows, schema=kinds)


def write(folder: Path, **tables: list[Row] | pl.DataFrame) -> Path:
    """Writes the tables, with ordinary rows for those that are not given."""
    folder.mkdir(parents=True, exist_ok=True)
    ordinary = {
        "markets": [a_market_row()],
        "quotes": [a_quote_row(second) for second in range(0, 300, 5)],
        "underlying": [a_spot_row(second) for second in range(-60, 300, 20)],
        "trades": [a_trade_row(second) for second in range(1, 300, 50)],
    }
    for name, rows in (ordinary | tables).items():
        table = rows if isinstance(rows, pl.DataFrame) else a_table(rows)
        table.write_parquet(folder / f"{name}.parquet")
    return folder
