"""Writes a stretch of the simulated market as a recording, in the schema of `foresight.sources.recording`.

    python tools/record_simulation.py OUT [--seed 7] [--minutes 55]

The small recording in `tests/recordings/simulated` was written so. Its source is called `simulated`, and whatever is
computed from it says so.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from foresight.events import Depth, Listed, MarketEvent, Printed, Reference, Resolved, Spot
from foresight.markets import MINUTE_NS, Market
from foresight.money import MICROS
from foresight.sources.simulated import SimulatedMarket

SLOTS = (("BTC", "5m"), ("ETH", "15m"))
SOURCE = "simulated"
VENUE = "SIMULATED"
DEPTH_LEVELS = 5

Row = dict[str, Any]


class Tables:
    """The rows of the four tables."""

    def __init__(self) -> None:
        self.markets: dict[str, Row] = {}
        self.quotes: list[Row] = []
        self.underlying: list[Row] = []
        self.trades: list[Row] = []
        self._by_token: dict[str, Market] = {}

    def take(self, event: MarketEvent) -> None:
        """Turns one event into its row; what the schema has no place for is left out."""
        match event:
            case Listed(market=market):
                self.markets[market.market_id] = _market(market)
                self._by_token[market.up] = self._by_token[market.down] = market
            case Depth():
                self.quotes.append(_quote(event, self._by_token[event.token]))
            case Spot():
                self.underlying.append(_price(event))
            case Printed():
                self.trades.append(_trade(event, self._by_token[event.token]))
            case Reference(kind="price_to_beat"):
                self._strike(event)
            case Resolved():
                told = {"outcome": event.outcome, "outcome_source": event.source}
                self.markets[event.market_id].update(told)

    def _strike(self, event: Reference) -> None:
        for row in self.markets.values():
            if (row["asset"], row["timeframe"], row["start_ts_ns"]) == (event.asset, event.timeframe, event.stamped_ns):
                row.update(strike=event.price, strike_source=event.source)

    def write(self, out: Path) -> None:
        """Writes the four Parquet files; markets without a quote are left out, and their trades."""
        out.mkdir(parents=True, exist_ok=True)
        quoted = {row["market"] for row in self.quotes}
        markets = [row for row in self.markets.values() if row["slug"] in quoted]
        trades = [row for row in self.trades if row["market"] in quoted]
        tables = {"markets": markets, "quotes": self.quotes, "underlying": self.underlying, "trades": trades}
        for name, rows in tables.items():
            pl.DataFrame(rows, infer_schema_length=None).write_parquet(out / f"{name}.parquet", compression="zstd")


def _market(market: Market) -> Row:
    return {
        "venue": VENUE,
        "slug": market.market_id,
        "asset": market.asset,
        "timeframe": market.timeframe,
        "start_ts_ns": market.start_ns,
        "end_ts_ns": market.end_ns,
        "strike": None,
        "strike_source": None,
        "outcome": None,
        "outcome_source": None,
        "up_token": market.up,
        "down_token": market.down,
        "tick_size": market.tick_micros / MICROS,
        "taker_fee_rate": market.fee_rate_micros / MICROS,
        "source": SOURCE,
    }


def _quote(event: Depth, market: Market) -> Row:
    row: Row = {"ts_ns": event.at_ns, "market": market.market_id, "outcome": market.outcome_of(event.token)}
    for side, levels in (("bid", event.bids), ("ask", event.asks)):
        row[side] = levels[0][0] / MICROS if levels else None
        row[f"{side}_size"] = levels[0][1] / MICROS if levels else None
        row[f"{side}_depth5"] = sum(size for _, size in levels[:DEPTH_LEVELS]) / MICROS
    return {**row, "source": SOURCE}


def _price(event: Spot) -> Row:
    return {
        "ts_ns": event.at_ns,
        "symbol": f"{event.asset}USDT",
        "feed": event.feed,
        "price": event.price,
        "source": SOURCE,
    }


def _trade(event: Printed, market: Market) -> Row:
    return {
        "ts_ns": event.at_ns,
        "market": market.market_id,
        "outcome": market.outcome_of(event.token),
        "price": event.price_micros / MICROS,
        "size": event.size_micros / MICROS,
        "source": SOURCE,
    }


def tables_of(events: Iterable[MarketEvent]) -> Tables:
    """All rows of a run of events."""
    tables = Tables()
    for event in events:
        tables.take(event)
    return tables


def main() -> None:
    """Writes the recording that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=55)
    wanted = parser.parse_args()
    market = SimulatedMarket(wanted.seed, SLOTS, int(wanted.minutes * MINUTE_NS))
    tables_of(market.events()).write(wanted.out)


if __name__ == "__main__":
    main()
