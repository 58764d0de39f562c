"""Do favourites win as often as their price says? One look at each market a time left, so that looks are independent.

Whose word an outcome is decides what the answer is worth (the recordings' README): a market that is labelled from its
own last quote confirms late favourites in a circle, and undecided ones drop out; a label from the move of another
exchange errs where the move is small. Where three official 5-minute outcomes agree, they imply the official outcome of
the 15 minutes: a check of the labels, and no sample of its own, for windows that go one way throughout are trends.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import polars as pl

from comparison.quotes import recorded_quotes
from foresight.results.intervals import win_rate_interval

LEFT_S = (600, 300, 120, 60, 30)
STALE_S_MAX = {"every second": 5, "marks": 15}
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0)
WINDOW_S, PART_S = 900, 300
LABELS = {
    "final_quote>=0.9_last10s": "its own last quote (circular)",
    "derived:binance_5m(felixdoteth)": "the sign of Binance's move",
    "derived:bybit_mark_1m_open(thevalerka)": "the sign of Bybit's move",
}


class Look(msgspec.Struct, frozen=True):
    """What a favourite cost (the mid, in dollars) at this time left, and whether it won (1.0 or 0.0)."""

    market: str
    left_s: int
    price: float
    won: float
    label: str


class Reliability(msgspec.Struct, frozen=True):
    """The interval of `won` is 90 % (Clopper and Pearson)."""

    count: int
    price: float
    won: float
    low: float
    high: float


def reliability(looks: Iterable[Look]) -> Reliability | None:
    found = list(looks)
    if not found:
        return None
    won = sum(look.won for look in found) / len(found)
    low, high = win_rate_interval(won, len(found))
    return Reliability(len(found), sum(look.price for look in found) / len(found), won, low, high)


def looks_of(
    quotes: pl.DataFrame, outcomes: Mapping[str, float], labels: Mapping[str, str] | None = None
) -> list[Look]:
    """Of quotes every second; a look takes the last book with both sides of the `STALE_S_MAX` before it, and an empty
    side is half a tick from the end: an ask at 0.99 without a bid is a mid of 0.995."""
    mids = quotes.select(
        "market", "left", mid=(pl.col("bid").fill_null(0) + pl.col("ask").fill_null(100)).cast(pl.Float64) / 200
    )
    return _looks(mids, outcomes, labels or {}, STALE_S_MAX["every second"])


def recorded_looks(folder: Path) -> list[Look]:
    """Of all quoted BTC 15m markets whose outcome somebody labelled."""
    table = pl.read_parquet(folder / "markets.parquet")
    labelled = table.filter(pl.col("outcome").is_in(["UP", "DOWN"]) & (pl.col("timeframe") == "15m"))
    outcomes: dict[str, float] = {}
    labels: dict[str, str] = {}
    for slug, source, outcome, label in labelled.select(
        "slug", "quote_source", "outcome", "outcome_source"
    ).iter_rows():
        name = f"{source}/{slug}"
        outcomes[name], labels[name] = float(outcome == "UP"), label
    marks = _looks(_marks(folder), outcomes, labels, STALE_S_MAX["marks"])
    return looks_of(recorded_quotes(folder), outcomes, labels) + marks


def contradicted(folder: Path) -> tuple[int, int]:
    """(of quoted markets with an implied official outcome, those whose own label differs; how many there are)."""
    table = pl.read_parquet(folder / "markets.parquet")
    implied = _implied(table)
    rows = table.filter(pl.col("quote_source").is_not_null() & pl.col("outcome").is_in(["UP", "DOWN"]))
    both = [(slug, outcome) for slug, outcome in rows.select("slug", "outcome").iter_rows() if slug in implied]
    return sum(implied[slug] != float(outcome == "UP") for slug, outcome in both), len(both)


def _looks(mids: pl.DataFrame, outcomes: Mapping[str, float], labels: Mapping[str, str], stale_s: int) -> list[Look]:
    """`mids` has market, left and UP's mid in dollars."""
    out: list[Look] = []
    for left_s in LEFT_S:
        seen = mids.filter((pl.col("left") >= left_s) & (pl.col("left") < left_s + stale_s))
        last = seen.sort("market", "left", descending=[False, True]).group_by("market", maintain_order=True).last()
        for market, mid in last.select("market", "mid").iter_rows():
            if market in outcomes and mid != 0.5:
                won = outcomes[market] if mid > 0.5 else 1 - outcomes[market]
                out.append(Look(market, left_s, max(mid, 1 - mid), won, labels.get(market, "")))
    return out


def _marks(folder: Path) -> pl.DataFrame:
    """UP's mid from one side of one outcome, half a tick beside it."""
    quotes = pl.read_parquet(folder / "quotes.parquet").filter(pl.col("source") == "thevalerka_marks")
    ends = pl.read_parquet(folder / "markets.parquet").select("slug", "end_ts_ns").unique("slug")
    told = pl.coalesce(pl.col("bid") + 0.005, pl.col("ask") - 0.005)
    return quotes.join(ends, left_on="market", right_on="slug").select(
        pl.lit("thevalerka_marks/").add(pl.col("market")).alias("market"),
        left=(pl.col("end_ts_ns") - pl.col("ts_ns")) / 1e9,
        mid=pl.when(pl.col("outcome") == "UP").then(told).otherwise(1 - told),
    )


def _implied(table: pl.DataFrame) -> dict[str, float]:
    """By the slug of a 15m market: the outcome where its three official 5m ones agree."""
    official = table.filter(
        (pl.col("asset") == "BTC") & (pl.col("timeframe") == "5m")
        & pl.col("outcome_source").str.starts_with("polymarket_gamma")
    )  # fmt: skip
    votes: dict[int, Counter[str]] = {}
    for start_ns, outcome in official.select("start_ts_ns", "outcome").unique().iter_rows():
        start_s = start_ns // 1_000_000_000
        votes.setdefault(start_s - start_s % WINDOW_S, Counter())[outcome] += 1
    return {
        f"btc-updown-15m-{start_s}": float(outcome == "UP")
        for start_s, told in votes.items()
        for outcome, count in told.items()
        if count == WINDOW_S // PART_S
    }
