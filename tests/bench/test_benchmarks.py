"""The benchmarks' plumbing, with small counts. Nothing here looks at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from foresight.engine import Engine
from foresight.events import Decided, Event, Quote, Timer
from foresight.runtime.session import Session

BENCH = Path(__file__).resolve().parents[2] / "bench"
EVENTS = 2_000
ROUNDS = EVENTS // 250


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_replay_puts_every_quote_and_every_round_through_the_handle_of_the_live_engine(monkeypatch, tmp_path):
    from crossing import Counted, Quotes, session_over, settings_for

    taken: list[Event] = []
    plain = Engine.handle

    def counting(engine: Engine, event: Event):
        taken.append(event)
        return plain(engine, event)

    monkeypatch.setattr(Engine, "handle", counting)
    source = Quotes(8, EVENTS, 7)
    session, clock = session_over(source, settings_for(source), tmp_path, Counted())
    session.begin()
    session.run_lockstep(clock)

    assert type(session) is Session
    assert type(session.engine) is Engine
    assert [event for event in taken if type(event) is Quote] == source.quotes
    assert sum(type(event) is Timer for event in taken) >= ROUNDS
    assert sum(type(event) is Decided for event in taken) == session.engine.evaluations >= 8 * (ROUNDS - 1)


def test_the_quotes_are_the_same_on_every_machine_and_every_python():
    from hashlib import sha256

    from quotes import quotes

    digest = sha256()
    for quote in quotes(1_000, 8, 7):
        digest.update(b"%d %d %d %d %d\n" % quote)

    assert digest.hexdigest()[:16] == "34b1e7e12b3ed85d"


def test_memory_is_told_by_simulated_hour_and_growth_after_the_first_breaks_the_bar():
    from a_day import BAR_GROWN_MB, by_hour, memory_of
    from processes import NS_PER_HOUR, Sample

    def sampled(rss_mb: float, hours: float) -> Sample:
        return Sample(0.0, rss_mb, 0.0, int(hours * NS_PER_HOUR))

    hours = by_hour([sampled(50, 0), sampled(90, 0.9), sampled(88, 1.1), sampled(91, 1.9), sampled(90, 2.5)])
    assert hours == [90, 91, 90]
    assert memory_of(hours)["met"]
    assert not memory_of([90.0, 91.0, 90.1 + BAR_GROWN_MB])["met"]


def test_a_bar_that_is_not_met_is_named_with_its_place():
    from run_all import unmet

    assert unmet({"instruments": {"1": {"met": True}, "8": {"met": False}}, "met": True}) == ["instruments.8"]


@pytest.mark.process
@pytest.mark.parametrize("name", ["breakdown", "memory", "presence", "record", "round", "a_day"])
def test_each_benchmark_prints_one_json_document_with_small_counts(name):
    done = subprocess.run(
        [sys.executable, BENCH / f"{name}.py", "--quick"], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["machine"]["python"]


@pytest.mark.process
def test_our_side_of_the_replay_prints_one_line_as_the_peer_does():
    done = subprocess.run(
        [sys.executable, BENCH / "crossing.py", "--events", str(EVENTS), "--instruments", "8"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    line = json.loads(done.stdout)
    assert (line["engine"], line["events"], line["instruments"]) == ("foresight", EVENTS, 8)


def test_the_books_of_windows_that_are_over_are_freed_without_the_garbage_collector(tmp_path):
    import gc

    from crossing import Counted, session_over, settings_for
    from foresight.engine.books import BookState
    from foresight.markets import MINUTE_NS
    from foresight.sources.simulated import SimulatedMarket

    source = SimulatedMarket(7, (("BTC", "5m"),), duration_ns=40 * MINUTE_NS)
    gc.collect()
    gc.disable()
    try:
        before = sum(type(found) is BookState for found in gc.get_objects())
        session, clock = session_over(source, settings_for(source), tmp_path, Counted())
        session.begin()
        session.run_lockstep(clock)
        alive = sum(type(found) is BookState for found in gc.get_objects()) - before
    finally:
        gc.enable()

    markets = session.engine.markets
    windows = [slot.window for slot in markets.slots.values() if slot.window is not None]
    followed = len(windows) + len(markets.ended) + sum(len(slot.upcoming) for slot in markets.slots.values())
    assert alive == 2 * followed
