"""What the record costs: nanoseconds of the loop for each input, lateness of a 1 ms timer, and bytes for each input.

A loop takes 5,000 market events a second, of the simulated market's own mix, in slices that take turns: recorded by
nobody, by the writer process (as the bot does it), and by a thread of the same process. Every slice is longer than a
segment is open. Every instant that the timer should have met counts with its own lateness. Of each round stands the
ratio to the slice without recording. Prints one JSON document.
"""

import asyncio
import gc
import queue
import tempfile
import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec

from foresight.markets import DEFAULT_ASSETS, MINUTE_NS, SECOND_NS
from foresight.record import Recorder
from foresight.record.kinds import Recorded
from foresight.record.recorder import BATCH_ROWS as BATCH
from foresight.record.rows import table_of
from foresight.record.segments import SegmentWriter
from foresight.sources.simulated import SimulatedMarket
from measuring import Document, arguments, machine, middle, percentile, spread, tell

RATE = 5_000
TICK_S = 0.001
ROUNDS, SLICE_S = 3, 40.0
EVENTS = 200_000
HOUR_EVENTS_MINUTES = 60
DAY_S = 86_400
KEEP_BYTES = 10**12
SHARES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}

Take = Callable[[int, Recorded], None]


class Threaded:
    """The alternative that was not taken: the same writer on a thread of this process."""

    def __init__(self, folder: Path) -> None:
        self._writer = SegmentWriter(folder)
        self._batches: queue.SimpleQueue[tuple[list[int], list[Recorded]] | None] = queue.SimpleQueue()
        self._seqs: list[int] = []
        self._events: list[Recorded] = []
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def take(self, seq: int, event: Recorded) -> None:
        self._seqs.append(seq)
        self._events.append(event)
        if len(self._seqs) >= BATCH:
            self._batches.put((self._seqs, self._events))
            self._seqs, self._events = [], []

    def close(self) -> None:
        self._batches.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._writer.add(*batch, size=BATCH)
            if self._writer.is_due():
                self._writer.close()
        self._writer.close()


class Nobody:
    def take(self, seq: int, event: Recorded) -> None:
        """What a tap costs in any case."""

    def close(self) -> None:
        """Nothing was opened."""


def _recorder(folder: Path) -> Recorder:
    return Recorder(folder, KEEP_BYTES, print, is_patient=False)


WRITERS: dict[str, Callable[[Path], Recorder | Threaded | Nobody]] = {
    "nobody": lambda _: Nobody(),
    "process": _recorder,
    "thread": Threaded,
}


def market_events(count: int) -> list[Recorded]:
    """The simulated market's own mix, received RATE times a second."""
    slots = tuple((asset, timeframe) for asset in DEFAULT_ASSETS for timeframe in ("5m", "15m"))
    found = islice(SimulatedMarket(7, slots).events(), count)
    return [msgspec.structs.replace(event, at_ns=place * SECOND_NS // RATE) for place, event in enumerate(found)]


async def _feed(take: Take, events: list[Recorded], seconds: float) -> None:
    """RATE events a second, every millisecond those that are due."""
    begun, given = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        due = int(passed * RATE)
        for seq in range(given, due):
            take(seq + 1, events[seq % len(events)])
        given = due
        await asyncio.sleep(TICK_S)


async def _tick(seconds: float) -> "array[float]":
    """The lateness of every instant of a 1 ms timer, in milliseconds."""
    late = array("d")
    begun, next_s = time.perf_counter(), TICK_S
    while next_s < seconds:
        await asyncio.sleep(max(0.0, begun + next_s - time.perf_counter()))
        now_s = time.perf_counter() - begun
        while next_s <= now_s:
            late.append((now_s - next_s) * 1000)
            next_s += TICK_S
    return late


async def _slice(take: Take, events: list[Recorded], seconds: float) -> "array[float]":
    async with asyncio.TaskGroup() as group:
        late = group.create_task(_tick(seconds))
        group.create_task(_feed(take, events, seconds))
    return late.result()


def lateness(events: list[Recorded], rounds: int, seconds: float) -> Document:
    """Percentiles of each slice, and of each round the ratio to the slice without recording."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in WRITERS}
    for number in range(rounds):
        names = list(WRITERS) if number % 2 == 0 else list(reversed(WRITERS))
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                writer = WRITERS[name](Path(folder) / "run")
                gc.collect()
                late = sorted(asyncio.run(_slice(writer.take, events, seconds)))
                writer.close()
            told[name].append({key: percentile(late, share) for key, share in SHARES.items()})
    plain = told["nobody"]
    return {
        name: {
            **{key: middle(one[key] for one in slices) for key in SHARES},
            **{f"ratio_{key}": middle(a[key] / b[key] for a, b in zip(slices, plain, strict=True)) for key in SHARES},
        }
        for name, slices in told.items()
    }


def cost(events: list[Recorded]) -> Document:
    """Of the loop's thread: processor time for each input, and the milliseconds that a batch's handover takes of it."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = _recorder(Path(folder) / "run")
        handovers, clock, total = array("d"), time.thread_time_ns, 0
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            begun = clock()
            for seq, event in enumerate(batch[:-1], start=start + 1):
                recorder.take(seq, event)
            between = clock()
            recorder.take(start + len(batch), batch[-1])
            ended = clock()
            total += ended - begun
            handovers.append((ended - between) / 1e6)
            time.sleep(BATCH / RATE / 4)  # four times the rate: the writer keeps up
        recorder.close()
    return {"ns_per_input": round(total / len(events)), "handover_ms": spread(handovers)}


def size(minutes: int) -> Document:
    """Bytes for each input on disk and for a day of all slots, by kind (each alone in a file) and together."""
    slots = tuple((asset, timeframe) for asset in DEFAULT_ASSETS for timeframe in ("5m", "15m"))
    market = SimulatedMarket(7, slots)
    events: list[Recorded] = []
    for event in market.events():
        if event.at_ns >= market.start_ns + minutes * MINUTE_NS:
            break
        if event.at_ns >= market.start_ns:
            events.append(event)
    by_kind: dict[str, list[Recorded]] = defaultdict(list)
    for event in events:
        by_kind[type(event).__name__].append(event)
    seconds = (events[-1].at_ns - events[0].at_ns) / SECOND_NS
    return {
        name: _size(found, seconds) for name, found in [("all", events), *sorted(by_kind.items())]
    }  # fmt: skip


def _size(events: list[Recorded], seconds: float) -> Document:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        table_of(range(1, len(events) + 1), events).write_parquet(file.name, compression="zstd", compression_level=3)
        written = Path(file.name).stat().st_size
    return {
        "inputs_per_s": round(len(events) / seconds, 2),
        "bytes_per_input": round(written / len(events), 1),
        "mb_per_day": round(written / seconds * DAY_S / 1e6, 1),
    }


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    events = market_events(2_000 if chosen.quick else EVENTS)
    rounds, seconds = (1, 0.3) if chosen.quick else (ROUNDS, SLICE_S)
    tell(
        {
            "machine": machine(),
            "rate_per_s": RATE,
            "slice_s": seconds,
            "rounds": rounds,
            "cost": cost(events),
            "lateness": lateness(events, rounds, seconds),
            "size": size(1 if chosen.quick else HOUR_EVENTS_MINUTES),
        }
    )


if __name__ == "__main__":
    main()
