"""Round trips: what a call of a process host takes, from asyncio, with nothing else going on.

A small input, and the view of one slot with the strategy that ships; one call after the other, and with 50 ms between
them, as after any pause of a program: caches are cold and cores asleep then. `beside_us` is without the time inside the
live function. Then the sixteen views of one round, asked at once, until the last answer.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from measuring import Document, spread
from seam_bot import a_running_bot
from seam_contract import Given
from seam_program import KEYS, a_program
from tesseract import Answer, Host

CALLS, SPACED_CALLS, BATCHES = 5_000, 400, 400
WARM_UP = 50
SPACE_S = 0.050
LINES = 300
BAR_P50_US = 85.0
"""One call after the other, a small input; see DESIGN.md, 4.2."""

Call = tuple[bytes, bytes]
"""An input and a state, encoded."""


def measured(*, quick: bool) -> Document:
    """`met` says whether the median of a small call keeps the bar."""
    counts = (50, 5, 5) if quick else (CALLS, SPACED_CALLS, BATCHES)
    small = asyncio.run(_small(counts))
    views = asyncio.run(_views(counts))
    beside = small["in_a_row"]
    assert isinstance(beside, dict)
    return {"bar_us_p50": BAR_P50_US, "small": small, "view": views, "met": beside["beside_us"]["p50"] <= BAR_P50_US}


async def _small(counts: tuple[int, int, int]) -> Document:
    with tempfile.TemporaryDirectory() as folder:
        async with a_program(Path(folder), lines=LINES, follow="none") as program:
            seam = program.runtime.seam
            call = (msgspec.msgpack.encode(Given(1, (1.0,))), seam.state_of(KEYS[0]))
            return await _times(seam.strategies[""], [call], counts)


async def _views(counts: tuple[int, int, int]) -> Document:
    with tempfile.TemporaryDirectory() as folder:
        async with a_running_bot(Path(folder), rehearse_min=0) as running:
            seam = running.seam
            calls = [(taped.given, seam.state_of(key)) for key, taped in running.newest.items()]
            return await _times(seam.strategies[""], calls, counts)


async def _times(host: Host, calls: Sequence[Call], counts: tuple[int, int, int]) -> Document:
    in_a_row, spaced, batches = counts
    for _ in range(WARM_UP):
        await _round_trip(host, calls[0])
    found: Document = {
        "input_bytes": len(calls[0][0]),
        "state_bytes": len(calls[0][1]),
        "in_a_row": await _series(host, calls[0], in_a_row, 0.0),
        "spaced": await _series(host, calls[0], spaced, SPACE_S),
    }
    if len(calls) > 1:
        found["together"] = {
            "calls": len(calls),
            "in_a_row_us": spread([await _together(host, calls, 0.0) for _ in range(batches)], 1),
            "spaced_us": spread([await _together(host, calls, SPACE_S) for _ in range(batches)], 1),
        }
    return found


async def _series(host: Host, call: Call, count: int, space_s: float) -> Document:
    whole, beside = [], []
    for _ in range(count):
        if space_s:
            await asyncio.sleep(space_s)
        took_us, inside_us = await _round_trip(host, call)
        whole.append(took_us)
        beside.append(took_us - inside_us)
    return {"whole_us": spread(whole, 1), "beside_us": spread(beside, 1)}


async def _round_trip(host: Host, call: Call) -> tuple[float, float]:
    """Microseconds of one call, and those of them that were inside the live function."""
    done: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
    begun = time.perf_counter_ns()

    def deliver(answer: Answer) -> None:
        assert answer.fault is None, answer.fault
        done.set_result(((time.perf_counter_ns() - begun) / 1e3, answer.took_ns / 1e3))

    host.submit(None, *call, deliver)
    return await done


async def _together(host: Host, calls: Sequence[Call], space_s: float) -> float:
    """Microseconds until the last of several calls is answered."""
    await asyncio.sleep(space_s)
    done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    left = len(calls)
    begun = time.perf_counter_ns()

    def deliver(answer: Answer) -> None:
        nonlocal left
        assert answer.fault is None, answer.fault
        left -= 1
        if not left:
            done.set_result((time.perf_counter_ns() - begun) / 1e3)

    for given, state in calls:
        host.submit(None, given, state, deliver)
    return await done
