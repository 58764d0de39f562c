"""What a deploy costs the program's loop: CPU time of its thread, from the save to the closing of the old host.

Twice. First as the steps of a loop that goes on meanwhile, as an engine's does: it has a timer of 1 ms, and the time
inside every callback but the benchmark's own is added up. That has to keep the bars. Then as all that the thread of an
idle loop takes: everything that it uses belongs to the deploy, also being woken, which costs as much as the steps do on
a core that sleeps, and whatever the kernel does meanwhile. The same waiting without a deploy is the baseline; its
median is taken off. The file is written before the thread's clock is read, and the watch waits 20 ms before it says a
word.

What the link's thread takes beside it is told too: it is no step of the loop, but it is the same interpreter's. Which
callbacks the time goes to is measured in a pass of its own, because asking costs time as well.
"""

import asyncio
import tempfile
import threading
import time
from asyncio.events import Handle
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from measuring import Document, spread
from seam_lateness import TICK_S
from seam_program import Program, a_program
from tesseract.candidate import Candidate
from tesseract.deployer import Deployer
from tesseract.process_host import ProcessHost
from tesseract.process_link import ProcessLink
from tesseract.seam import Seam

LINES = (300, 3_000)
DEPLOYS, WAITS = 300, 100
PROFILED = 50
WARM_UP = 5
SETTLED_S = 0.030
"""After the commit: what is closed and written down then belongs to the deploy as well."""
BASELINE_S = 0.1
BAR_P99_MS, BAR_MAX_MS = 0.5, 2.0
WRAPPED: tuple[tuple[type, str], ...] = (
    (Deployer, "_advance"),
    (Candidate, "states_now"),
    (ProcessHost, "start"),
    (ProcessLink, "order"),
    (Seam, "keep_inputs"),
    (Seam, "commit"),
    (ProcessHost, "close"),
)
LINK = "stager link"
OWN = {
    "loop: Task.task_wakeup",
    "loop: TaskStepMethWrapper",
    "loop: _set_result_unless_cancelled",
    "loop: _ticking.<locals>.tick",
}
"""Callbacks of this benchmark: it sleeps, it waits, it ticks."""
Times = dict[str, list[float]]
"""Milliseconds by name."""


def measured(*, quick: bool) -> Document:
    """Every size of live code; `met` says whether each keeps the bars."""
    counts = (5, 5, 2) if quick else (DEPLOYS, WAITS, PROFILED)
    sizes = {str(lines): asyncio.run(_of_size(lines, counts)) for lines in LINES}
    met = all(size["met"] for size in sizes.values())
    return {"bar_p99_ms": BAR_P99_MS, "bar_max_ms": BAR_MAX_MS, "lines": sizes, "met": met}


async def _of_size(lines: int, counts: tuple[int, int, int]) -> Document:
    count, waits, profiled = counts
    with tempfile.TemporaryDirectory() as folder:
        async with a_program(Path(folder), lines=lines) as program:
            for _ in range(WARM_UP):
                await _deploy(program)
            with _of_thread(LINK) as beside:
                spent = [await _deploy(program) for _ in range(count)]
            waited = [await nothing() for _ in range(waits)]
            with _ticking(), _profiler() as times:
                stepped = [await _steps(program, times) for _ in range(count)]
            with _profiler(*WRAPPED) as times:
                for _ in range(profiled):
                    await _deploy(program)
    waiting = median(waited)
    told = spread(took - waiting for took in spent)
    steps = spread(stepped)
    return {
        "steps_ms": steps,
        "loop_ms": told,
        "whole_ms": spread(spent),
        "waiting_ms": spread(waited),
        "beside_ms": round(beside[0] / count, 3),
        "met": _keeps_bars(steps),
        "met_by_an_idle_loop": _keeps_bars(told),
        "callbacks_ms_per_deploy": costliest(times, profiled),
    }


def _keeps_bars(told: Document) -> bool:
    return bool(told["p99"] <= BAR_P99_MS and told["max"] <= BAR_MAX_MS)


async def _steps(program: Program, times: Times) -> float:
    """One edit brought live while the loop ticks: milliseconds inside the callbacks that are not this benchmark's."""
    times.clear()
    await _deploy(program)
    return sum(sum(took) for name, took in times.items() if name not in OWN)


@contextmanager
def _ticking() -> Iterator[None]:
    """A timer of 1 ms on the loop."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def tick() -> None:
        nonlocal timer
        timer = loop.call_later(TICK_S, tick)

    tick()
    try:
        yield
    finally:
        assert timer is not None
        timer.cancel()


async def _deploy(program: Program) -> float:
    """One edit brought live, while nothing else happens: milliseconds of this thread."""
    program.save()
    begun = time.thread_time_ns()
    await program.went_live()
    await asyncio.sleep(SETTLED_S)
    return (time.thread_time_ns() - begun) / 1e6


async def nothing() -> float:
    """The same waiting without a deploy."""
    done = asyncio.get_running_loop().create_future()
    begun = time.thread_time_ns()
    asyncio.get_running_loop().call_later(BASELINE_S, done.set_result, None)
    await asyncio.wait_for(done, 2 * BASELINE_S)
    await asyncio.sleep(SETTLED_S)
    return (time.thread_time_ns() - begun) / 1e6


def costliest(times: Times, deploys: int) -> dict[str, Document]:
    """By name: how often in a deploy, milliseconds in all, and the longest; the costliest first. A callback's time
    holds that of what it calls."""
    ordered = sorted(times.items(), key=lambda item: -sum(item[1]))
    return {
        name: {
            "calls": round(len(took) / deploys, 2),
            "total": round(sum(took) / deploys, 4),
            "max": round(max(took), 4),
        }
        for name, took in ordered
    }


@contextmanager
def _of_thread(name: str) -> Iterator[list[float]]:
    """Milliseconds of CPU time of the thread with this name while the block runs; told when it is left."""
    (thread,) = (each for each in threading.enumerate() if each.name == name)
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    begun, told = time.clock_gettime_ns(clock), [0.0]
    try:
        yield told
    finally:
        told[0] = (time.clock_gettime_ns(clock) - begun) / 1e6


@contextmanager
def _profiler(*below: tuple[type, str]) -> Iterator[Times]:
    """Times every callback of the loop, and these functions below them, while the block runs; on its thread alone."""
    times: Times = defaultdict(list)
    plain = [(owner, name, getattr(owner, name)) for owner, name in ((Handle, "_run"), *below)]
    for owner, name, function in plain:
        setattr(owner, name, _timed(function, _callback_name if owner is Handle else _call_name, times))
    try:
        yield times
    finally:
        for owner, name, function in plain:
            setattr(owner, name, function)


def _timed(function: Callable[..., Any], name_of: Callable[..., str], times: Times) -> Callable[..., Any]:
    thread = threading.get_ident()

    def timed(*given: Any, **named: Any) -> Any:
        if threading.get_ident() != thread:
            return function(*given, **named)
        name = name_of(function, *given)
        begun = time.thread_time_ns()
        try:
            return function(*given, **named)
        finally:
            times[name].append((time.thread_time_ns() - begun) / 1e6)

    return timed


def _callback_name(_function: Callable[..., Any], handle: Handle) -> str:
    callback: Any = handle._callback  # type: ignore[attr-defined]  # asyncio's own  # noqa: SLF001
    return f"loop: {getattr(callback, '__qualname__', type(callback).__name__)}"


def _call_name(function: Callable[..., Any], _owner: object, *given: object) -> str:
    """With what was said, where that is a message."""
    said = type(given[0]).__name__ if given and function.__name__ == "order" else ""
    return f"{function.__qualname__}{f'({said})' if said else ''}"
