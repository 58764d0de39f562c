"""From a save to the new code: the time from the close of the saved file to the commit, as the program is told of it,
and to the first answer of the new release.

Two programs without a rehearsal, of 300 and 3,000 lines, and a bot with its sixteen slots and the strategy that ships,
without a rehearsal and with one over fifteen of its thirty minutes of tape. Nothing else happens in them meanwhile. The
watch waits 20 ms after a save, which is part of it.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from measuring import Document, percentile
from seam_bot import RunningBot, a_running_bot
from seam_program import KEYS, Program, a_program

SAVES, REHEARSED_SAVES = 40, 20
WARM_UP = 2
PAUSE_S = 0.1
"""Between two saves: what follows a commit is not part of the next."""
BAR_MS, AIM_MS, BAR_REHEARSED_MS = 100.0, 50.0, 1_000.0
REHEARSED_MIN = 15

Times = list[tuple[float, float]]
"""Milliseconds from the save to the commit, and to the first answer."""


def measured(*, quick: bool) -> Document:
    """Every kind; `met` is judged on medians to the commit, without a rehearsal for the shipped strategy."""
    saves, rehearsed = (2, 2) if quick else (SAVES, REHEARSED_SAVES)
    lines = {str(count): _told(asyncio.run(_of_size(count, saves))) for count in (300, 3_000)}
    plain = _told(asyncio.run(_of_bot(0, saves)), BAR_MS)
    full = _told(asyncio.run(_of_bot(REHEARSED_MIN, rehearsed)), BAR_REHEARSED_MS)
    return {"aim_ms": AIM_MS, "lines": lines, "bot": plain, "bot_rehearsed": full}


def _told(times: Times, bar_ms: float = BAR_MS) -> Document:
    live = median(live for live, _ in times)
    return {
        "saves": len(times),
        "live_ms": _spread(sorted(live for live, _ in times)),
        "answer_ms": _spread(sorted(answer for _, answer in times)),
        "bar_ms": bar_ms,
        "met": live < bar_ms,
    }


def _spread(ordered: list[float]) -> Document:
    told = {"median": median(ordered), "p90": percentile(ordered, 0.9), "max": ordered[-1]}
    return {name: round(value, 1) for name, value in told.items()}


async def _of_size(lines: int, saves: int) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        async with a_program(Path(folder), lines=lines) as program:
            times = [await _one(program) for _ in range(WARM_UP + saves)]
            return times[WARM_UP:]


async def _one(program: Program) -> tuple[float, float]:
    saved_ns = program.save()
    await program.went_live()
    live_ns = time.monotonic_ns()
    outcome = await program.ask(KEYS[0])
    answered_ns = time.monotonic_ns()
    assert outcome.value is not None, outcome.fault
    assert outcome.value.edit == program.edits, "the answer is the new release's"
    await asyncio.sleep(PAUSE_S)
    return (live_ns - saved_ns) / 1e6, (answered_ns - saved_ns) / 1e6


async def _of_bot(rehearse_min: int, saves: int) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        async with a_running_bot(Path(folder), rehearse_min=rehearse_min) as running:
            times = [await _one_of_bot(running) for _ in range(WARM_UP + saves)]
            return times[WARM_UP:]


async def _one_of_bot(running: RunningBot) -> tuple[float, float]:
    saved_ns = running.save()
    release = await running.went_live()
    live_ns = time.monotonic_ns()
    outcome = await running.ask(next(iter(running.newest)))
    answered_ns = time.monotonic_ns()
    assert outcome.release == release, "the answer is the new release's"
    await asyncio.sleep(PAUSE_S)
    return (live_ns - saved_ns) / 1e6, (answered_ns - saved_ns) / 1e6
