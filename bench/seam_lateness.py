"""What a deploy a second does to a loop's punctuality: a timer of 1 ms, and evaluations through the seam.

Slices with and without deploys take turns, the order changing from pair to pair, so that a busy neighbour meets both.
Every instant that a timer should have met counts, also those that pass while the loop is held up, each with its own
lateness. An evaluation is as late as its answer. Of each pair stands the ratio of the two 99.9th percentiles; of all
pairs their geometric mean, with a bootstrap interval over the pairs (10,000 draws from a fixed seed, 95 %).
"""

import asyncio
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import exp, log
from pathlib import Path
from random import Random
from statistics import fmean

from measuring import BENCH, Document, percentile
from seam_contract import Given, Told
from seam_program import KEYS, PRICES, SECOND_NS, Program, a_program
from tesseract import Outcome

TICK_S = 0.001
EVALUATION_S = 0.5
LINES = 300
PAIRS, SLICE_S = 10, 60.0
SETTLE_S = 1.5
"""Between two slices: a deploy that is on its way ends, and the saver's process has started."""
DEPLOY_EVERY_S = 1.0
BAR_RATIO = 1.1
SHARE = 0.999
DRAWS, SEED = 10_000, 7
INTERVAL = (0.025, 0.975)
ANSWERS_S = 2.0


class Lateness:
    """Milliseconds after the due instant, of the ticks and of the answers of one slice."""

    def __init__(self) -> None:
        self.ticks = array("d")
        self.answers = array("d")


def measured(*, quick: bool, pairs: int = PAIRS, slice_s: float = SLICE_S, period_s: float = EVALUATION_S) -> Document:
    """All pairs, in one program; `met` says whether neither interval lies above the bar."""
    count, seconds = (2, 2.0) if quick else (pairs, slice_s)
    slices, deploys = asyncio.run(_slices(count, seconds, period_s))
    told = {
        name: _compared([(_late(plain, name), _late(deployed, name)) for plain, deployed in slices])
        for name in ("ticks", "answers")
    }
    return {
        "pairs": count,
        "slice_s": seconds,
        "evaluations_every_s": period_s,
        "keys": len(KEYS),
        "deploys": deploys,
        "bar_ratio": BAR_RATIO,
        **told,
        "met": all(each["met"] for each in told.values()),
    }


async def _slices(count: int, seconds: float, period_s: float) -> tuple[list[tuple[Lateness, Lateness]], int]:
    """(without, with) of each pair, and how many deploys went live in them."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with a_program(Path(folder), lines=LINES) as program:
            before = program.live
            for pair in range(count):
                order = (False, True) if pair % 2 == 0 else (True, False)
                both = {deploys: await _slice(program, seconds, period_s, deploys=deploys) for deploys in order}
                found.append((both[False], both[True]))
            return found, program.live - before


async def _slice(program: Program, seconds: float, period_s: float, *, deploys: bool) -> Lateness:
    with _saver(program, seconds if deploys else 0.0):
        await asyncio.sleep(SETTLE_S)
        lateness = Lateness()
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds
        _tick(loop, lateness.ticks, loop.time(), end_s)
        _evaluate(loop, program, lateness.answers, loop.time(), end_s, period_s=period_s)
        await asyncio.sleep(seconds)
    await asyncio.sleep(ANSWERS_S)
    return lateness


@contextmanager
def _saver(program: Program, seconds: float) -> Iterator[None]:
    """Saves an edit a second for so long, from a process of its own, once a slice has settled."""
    count = int(seconds / DEPLOY_EVERY_S)
    if not count:
        yield
        return
    numbers = (program.edits + 1, count, SETTLE_S, DEPLOY_EVERY_S)
    program.edits += count
    command = [sys.executable, str(BENCH / "seam_saver.py"), str(program.edit), *map(str, numbers)]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            if process.poll() is None:
                process.terminate()


def _tick(loop: asyncio.AbstractEventLoop, late: "array[float]", due_s: float, end_s: float) -> None:
    now_s = loop.time()
    while due_s <= now_s:
        late.append((now_s - due_s) * 1e3)
        due_s += TICK_S
    if due_s < end_s:
        loop.call_at(due_s, _tick, loop, late, due_s, end_s)


def _evaluate(
    loop: asyncio.AbstractEventLoop,
    program: Program,
    late: "array[float]",
    due_s: float,
    end_s: float,
    *,
    period_s: float,
) -> None:
    """A round: every key asked at once; what the answers' lateness counts from is when the round was due."""

    def answered(outcome: Outcome[Told]) -> None:
        assert outcome.fault is None, outcome.fault.text
        late.append((loop.time() - due_s) * 1e3)

    program.at_ns += round(period_s * SECOND_NS)
    for key in KEYS:
        program.runtime.submit(key, Given(0, PRICES), answered, at_ns=program.at_ns)
    following_s = due_s + period_s
    if following_s < end_s:
        loop.call_at(following_s, lambda: _evaluate(loop, program, late, following_s, end_s, period_s=period_s))


def _late(lateness: Lateness, name: str) -> float:
    """The 99.9th percentile, in milliseconds."""
    return percentile(sorted(getattr(lateness, name)), SHARE)


def _compared(pairs: Sequence[tuple[float, float]]) -> Document:
    """Pairs of (without, with), their ratio and its interval."""
    ratios = [deployed / plain for plain, deployed in pairs]
    low, high = interval(ratios)
    return {
        "p999_ms_without": [round(plain, 3) for plain, _ in pairs],
        "p999_ms_with": [round(deployed, 3) for _, deployed in pairs],
        "ratio": round(geometric_mean(ratios), 3),
        "interval": [round(low, 3), round(high, 3)],
        "met": low <= BAR_RATIO,
    }


def geometric_mean(ratios: Sequence[float]) -> float:
    """Of ratios: twice and half as late give one."""
    return exp(fmean(log(ratio) for ratio in ratios))


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """The bootstrap interval of the geometric mean: pairs drawn with replacement (Efron, Annals of Statistics 7(1),
    1979)."""
    draw = Random(SEED)
    means = sorted(geometric_mean(draw.choices(ratios, k=len(ratios))) for _ in range(DRAWS))
    return percentile(means, INTERVAL[0]), percentile(means, INTERVAL[1])
