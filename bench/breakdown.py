"""Where the time of the replay goes, on our side: per quote by differences, per evaluation by spans.

Per quote, each row does more than the one before, through the same `Engine.handle`:
    iterate     the quotes in a plain loop
    dispatch    quotes of a market that nobody listed: the handler is found, the book is not
    book        quotes without an ask: prices, sizes and times are kept, no average is touched
    averages    whole quotes: the mid and both of its averages
    session     the same quotes through `Session.run_lockstep`, with no evaluation due
Per evaluation, on eight instruments, the time inside each part of a whole run, in microseconds: on one instrument they
are too few to tell apart from the noise of a million quotes. `parquet` is the way from files: a
recording of the same quotes is read, turned into events and replayed. Prints one JSON document.
"""

import gc
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any, Self

import msgspec
import polars as pl

from crossing import START_NS, Counted, Quotes, session_over, settings_for, timed_run
from foresight.engine import Engine
from foresight.engine.views import Views
from foresight.events import ABSENT, Listed, MarketEvent, Quote
from foresight.markets import SECOND_NS, Token
from foresight.sources.recording import Recording
from measuring import Document, arguments, machine, tell
from quotes import MICROS, quotes
from tesseract.guest import Guest

NEVER_NS = 10**9 * SECOND_NS
ROUNDS = 5


def per_quote(instruments: int, events: int, rounds: int) -> dict[str, float]:
    """Nanoseconds a quote for each row: the median of several rounds, the rows taking turns."""
    source = Quotes(instruments, events, 7)
    replaced = msgspec.structs.replace
    strange = [replaced(quote, token=Token("nobody's")) for quote in source.quotes]
    no_ask = [replaced(quote, ask_micros=ABSENT) for quote in source.quotes]
    rows: dict[str, Callable[[], float]] = {
        "iterate": lambda: _iterated(source.quotes),
        "dispatch": lambda: _handled(source, strange),
        "book": lambda: _handled(source, no_ask),
        "averages": lambda: _handled(source, source.quotes),
        "session": lambda: _replayed(source),
    }
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, run in rows.items():
            taken[name].append(run())
    return {name: round(median(seconds) / events * 1e9) for name, seconds in taken.items()}


def _iterated(given: list[Quote]) -> float:
    begun = time.perf_counter()
    for _quote in given:
        pass
    return time.perf_counter() - begun


def _handled(source: Quotes, given: Iterable[MarketEvent]) -> float:
    engine = Engine(settings_for(source), START_NS)
    for market in source.markets:
        engine.handle(Listed(START_NS - 1, market))
    gc.collect()
    handle = engine.handle
    begun = time.perf_counter()
    for event in given:
        handle(event)
    return time.perf_counter() - begun


def _replayed(source: Quotes) -> float:
    settings = msgspec.structs.replace(settings_for(source), period_ns=NEVER_NS)
    with tempfile.TemporaryDirectory() as folder:
        return timed_run(*session_over(source, settings, Path(folder), Counted()))


class Span:
    """The time spent inside a method of a class while the block lasts."""

    def __init__(self, owner: type, name: str) -> None:
        self.seconds = 0.0
        self._owner, self._name = owner, name

    def __enter__(self) -> Self:
        plain = self._plain = getattr(self._owner, self._name)

        def timed(*given: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return plain(*given, **named)
            finally:
                self.seconds += time.perf_counter() - begun

        setattr(self._owner, self._name, timed)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self._owner, self._name, self._plain)


def per_evaluation(instruments: int, events: int) -> Document:
    """Microseconds an evaluation: in all (what a whole run takes beyond its quotes), and inside its parts."""
    source, sink = Quotes(instruments, events, 7), Counted()
    quotes_s = median(_replayed(source) for _ in range(3))
    with tempfile.TemporaryDirectory() as folder:
        session, clock = session_over(source, settings_for(source), Path(folder), sink)
        with Span(Views, "build") as views, Span(Guest, "call") as seam:
            seconds = timed_run(session, clock)
    engine = session.engine
    live_ns = sink.took_ns
    parts = {
        "build the view": views.seconds,
        "live function": live_ns / 1e9,
        "around it: watchdog, state and answer through their encoding": seam.seconds - live_ns / 1e9,
    }
    whole = seconds - quotes_s
    rest = "encode the view, judge, orders, presence, digest and the round itself"
    parts[rest] = whole - views.seconds - seam.seconds
    return {
        "evaluations": engine.evaluations,
        "all": round(whole / engine.evaluations * 1e6, 1),
        **{name: round(taken / engine.evaluations * 1e6, 1) for name, taken in parts.items()},
    }


def from_parquet(events: int) -> Document:
    """A recording of the quotes of one market, from its files to the last decision."""
    with tempfile.TemporaryDirectory() as folder:
        _write_recording(Path(folder), events)
        begun = time.perf_counter()
        recording = Recording(Path(folder))
        opened_s = time.perf_counter() - begun
        begun = time.perf_counter()
        built = sum(1 for _ in recording.events())
        built_s = time.perf_counter() - begun
        replayed_s = timed_run(*session_over(recording, settings_for(recording), Path(folder) / "releases", Counted()))
    return {
        "events": built,
        "open_and_sort_s": round(opened_s, 3),
        "build_events_s": round(built_s, 3),
        "build_and_replay_s": round(replayed_s, 3),
        "end_to_end_events_per_second": round(built / (opened_s + replayed_s)),
    }


def _write_recording(folder: Path, events: int) -> None:
    """The tables that a recording has, with one long market."""
    rows = list(quotes(events, 1, 7))
    dollars = {name: pl.Series([row[place] for row in rows]) / MICROS for place, name in ((2, "bid"), (3, "ask"))}
    sizes = pl.Series([row[4] for row in rows]) / MICROS
    one = {"market": "bench-1", "outcome": "UP", "source": "bench"}
    pl.DataFrame({"ts_ns": [row[0] for row in rows], **dollars, "bid_size": sizes, "ask_size": sizes}).with_columns(
        **{name: pl.lit(value) for name, value in one.items()}
    ).write_parquet(folder / "quotes.parquet")
    end_ns = rows[-1][0] + 120 * SECOND_NS
    pl.DataFrame(
        {
            "slug": ["bench-1"], "asset": ["BENCH"], "timeframe": ["15m"], "start_ts_ns": [START_NS],
            "end_ts_ns": [end_ns], "outcome": ["UP"], "outcome_source": ["bench"], "source": ["bench"],
            "venue": ["BENCH"], "taker_fee_rate": [0.0], "tick_size": [0.01],
        }
    ).write_parquet(folder / "markets.parquet")  # fmt: skip
    empty = {"ts_ns": pl.Int64, "price": pl.Float64, "source": pl.String}
    pl.DataFrame(schema={**empty, "symbol": pl.String, "feed": pl.String}).write_parquet(folder / "underlying.parquet")
    trades = {"market": pl.String, "outcome": pl.String, "size": pl.Float64}
    pl.DataFrame(schema={**empty, **trades}).write_parquet(folder / "trades.parquet")


def measured(events: int, rounds: int = ROUNDS) -> Document:
    return {
        "ns_per_quote": {str(count): per_quote(count, events, rounds) for count in (1, 8)},
        "us_per_evaluation": per_evaluation(8, events),
        "parquet": from_parquet(events),
    }


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    tell({"machine": machine(), **(measured(20_000, 1) if chosen.quick else measured(1_000_000))})


if __name__ == "__main__":
    main()
