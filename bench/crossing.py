"""Our side of the replay benchmark: the quotes of `quotes.py` through the engine of the live program.

The session, the engine, the seam, the host and the paper broker are the ones that `foresight run` puts together, and
quotes go through `Engine.handle`. Only the sink differs: it counts journal entries and writes none, as the peer keeps
nothing on disk either. Events are built before the clock starts, as the peer's are.

On every quote the engine brings two averages of the mid and a variance up to date, as the peer's strategy does. Prints
one line of JSON.

    .venv/bin/python bench/crossing.py --instruments 8 --events 1000000 --seed 7
"""

import argparse
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from foresight.broker import PaperBroker
from foresight.contract import CONTRACT
from foresight.effects import Evaluate, Journal, Notify
from foresight.engine import Engine, Settings
from foresight.engine.settings import RiskLimits
from foresight.events import Answer, Decided, Listed, MarketEvent, Quote, Raised
from foresight.markets import SECOND_NS, Market, MarketId, Origin, Token
from foresight.money import MICROS
from foresight.runtime.clock import LockstepClock
from foresight.runtime.session import Session
from foresight.sources import Source
from quotes import GAP_NS, START_NS, quotes
from tesseract import InProcessHost, Seam, take_release

STRATEGY = Path(__file__).resolve().parent / "ema_strategy"
BANDS = {1: 0.0155, 8: 0.0315}
"""By the number of instruments: these make about as many orders as the peer sends."""
AFTER_NS = 120 * SECOND_NS
"""The markets end so long after the last quote: the peer's instruments have no last minute either."""
PLENTY = 10**9
WIDE = RiskLimits(
    stake_max_micros=PLENTY * MICROS,
    slot_exposure_max_micros=PLENTY * MICROS,
    asset_exposure_max_micros=PLENTY * MICROS,
    timeframe_exposure_max_micros=PLENTY * MICROS,
    total_exposure_max_micros=PLENTY * MICROS,
    daily_loss_max_micros=PLENTY * MICROS,
    loss_streak_max=PLENTY,
    orders_per_minute_max=PLENTY,
    book_age_max_ns=PLENTY * SECOND_NS,
)


class Quotes:
    """A source of ready-made events: one long market for each instrument, quoted on its UP side."""

    origin: Origin = "simulated"
    is_live = False
    name = "benchmark quotes"

    def __init__(self, instruments: int, events: int, seed: int) -> None:
        self.markets = [a_market(index, START_NS + events * GAP_NS + AFTER_NS) for index in range(instruments)]
        self.start_ns = START_NS
        self.slots = tuple((market.asset, market.timeframe) for market in self.markets)
        self.quotes = [
            Quote(at_ns, self.markets[index].up, bid, ask, size, size)
            for at_ns, index, bid, ask, size in quotes(events, instruments, seed)
        ]

    def events(self) -> Iterator[MarketEvent]:
        listed: list[MarketEvent] = [Listed(START_NS - 1, market) for market in self.markets]
        return chain(listed, self.quotes)


class Counted:
    """A sink that counts journal entries and notices, and adds up the time inside the live function."""

    def __init__(self) -> None:
        self.entries = self.notices = self.took_ns = 0

    def answered(self, asked: Evaluate, answer: Decided | Raised) -> None:  # noqa: ARG002 - the session names both
        self.took_ns += answer.took_ns

    def journal(self, effect: Journal) -> None:  # noqa: ARG002 - an entry is counted unread
        self.entries += 1

    def notify(self, effect: Notify) -> None:  # noqa: ARG002 - a notice is counted unread
        self.notices += 1


def a_market(index: int, end_ns: int) -> Market:
    """Tradable without minimum and delay, as the peer's instruments are."""
    return Market(
        market_id=MarketId(f"outcome-{index}"),
        asset=f"A{index}",
        timeframe="15m",
        start_ns=START_NS,
        end_ns=end_ns,
        up=Token(f"outcome-{index}:UP"),
        down=Token(f"outcome-{index}:DOWN"),
        source="benchmark",
        min_notional_micros=1,
        min_shares_micros=1,
        taker_delay_ns=0,
        fee_rate_micros=0,
    )


def settings_for(source: Source) -> Settings:
    return Settings(slots=source.slots, origin=source.origin, risk=WIDE, deposit_micros=1_000_000 * MICROS)


def session_over(source: Source, settings: Settings, releases: Path, sink: Counted) -> tuple[Session, LockstepClock]:
    """A session as the live program builds it, with the benchmark's strategy, before its first event."""
    release = take_release(STRATEGY, releases, number=1, origin="bench", now_ns=0)
    host = InProcessHost(release, CONTRACT, overrides={"band": BANDS[len(source.slots)]})
    seam: Seam[Answer] = Seam(CONTRACT, host)
    engine = Engine(settings, source.start_ns)
    clock = LockstepClock(source.start_ns)
    broker = PaperBroker(engine.markets.books.get)
    return Session(engine, source, seam, broker, clock=clock, sink=sink), clock


def timed_run(session: Session, clock: LockstepClock) -> float:
    """Seconds of the whole replay, from the first event to the last answer."""
    gc.collect()
    begun = time.perf_counter()
    session.begin()
    session.run_lockstep(clock)
    return time.perf_counter() - begun


def measured(instruments: int, events: int, seed: int) -> dict[str, object]:
    """Runs once; raises rather than report a run that lost quotes, evaluations or fills."""
    source = Quotes(instruments, events, seed)
    with tempfile.TemporaryDirectory() as folder:
        session, clock = session_over(source, settings_for(source), Path(folder), Counted())
        seconds = timed_run(session, clock)
    engine = session.engine
    failed = [slot.id for slot in engine.markets.slots.values() if slot.presence.missed]
    if engine.markets.unknown_tokens or engine.desk.refusals or failed:
        raise RuntimeError(f"{engine.markets.unknown_tokens=} {engine.desk.refusals=} {failed=}")
    return {
        "engine": "foresight",
        "instruments": instruments,
        "events": events,
        "seconds": round(seconds, 4),
        "events_per_second": round(events / seconds),
        "evaluations": engine.evaluations,
        "orders": engine.desk.orders_sent,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time Foresight's engine on a million quotes.")
    parser.add_argument("--instruments", type=int, choices=(1, 8), default=1)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    line = measured(chosen.instruments, chosen.events, chosen.seed)
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
