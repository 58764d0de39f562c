"""Ten thousand deploys, one after the other, of ten thousand contents: is the last one like the first hundred?

A small program with processes for its live code deploys a new release, asks it once, and goes on; every third release
is bad and refused. Reported are the seconds from the request to the commit, and what the program and the processes
below it (stager, zygotes, hosts) hold, after the first hundred and at the end. The store is in memory where there is
such a place, so that the disk is not what is measured.
"""

import sys
import tempfile
import time
from pathlib import Path

import msgspec

from measuring import BENCH, Document, arguments, machine, spread, tell

sys.path.insert(0, str(BENCH.parent / "tests"))

from conformance.held import Below, Held, grown_below, held_now, settled_below
from conformance.program import Program, a_program
from conformance.timing import generation

Holds = dict[str, Below]
COUNT = 10_000
WARM = 100
TAPE_IS_FULL = 780
"""Calls after which the tape forgets as much as it takes."""
BAR_GROWN_MB = 16.0
BARS_BELOW_GROWN_MB = {"stager": 64.0, "zygote": 16.0, "host": 16.0}
"""The stager holds the store's index: a line for every release that ever was, with its history."""
BAR_SLOWER = 2.0


def measured(count: int, *, host: str) -> Document:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        files = generation(0)
        with a_program(Path(folder), host=host, files=files, keep=50, rehearse_s=0.0) as program:
            for _ in range(TAPE_IS_FULL):
                program.ask()
            first = seconds_of(program, range(1, WARM + 1))
            before = held_now(), settled_below(program)
            middle = seconds_of(program, range(WARM + 1, count - WARM + 1))
            last = seconds_of(program, range(count - WARM + 1, count + 1))
            return {"host": host, "deploys": count, **told(program, before, (first, middle, last))}


def seconds_of(program: Program, numbers: range) -> list[float]:
    """How long the good ones took, from the request to the commit."""
    seconds = []
    for number in numbers:
        began = time.perf_counter()
        if number % 3 == 0:
            assert program.deploy({"__init__.py": f"GENERATION = {number}\nraise ValueError\n"}).is_refused
            continue
        verdict = program.deploy(generation(number))
        seconds.append(time.perf_counter() - began)
        assert verdict.is_live, verdict.text
        assert program.value() == number
        program.events.clear()
    return seconds


def told(program: Program, held: tuple[Held, Holds], seconds: tuple[list[float], ...]) -> Document:
    (before, below), after, below_after = held, held_now(), settled_below(program)
    grown, below_grown = after.grown(before), grown_below(below, below_after)
    first, middle, last = (spread((each * 1e3 for each in part or [0.0]), 1) for part in seconds)
    same = (grown.files, grown.threads, grown.children, grown.modules) == (0, 0, 0, 0) and all(
        each.files <= 0 for each in below_grown.values()
    )
    return {
        "deploy_ms": {"first": first, "between": middle, "last": last},
        "rss_mb": [round(before.rss_mb, 1), round(after.rss_mb, 1)],
        "below": {
            kind: [msgspec.to_builtins(below.get(kind)), msgspec.to_builtins(held)]
            for kind, held in below_after.items()
        },
        "files": [before.files, after.files],
        "threads": [before.threads, after.threads],
        "children": [before.children, after.children],
        "modules": [before.modules, after.modules],
        "met": same
        and grown.rss_mb <= BAR_GROWN_MB
        and all(each.rss_mb <= BARS_BELOW_GROWN_MB[kind] for kind, each in below_grown.items())
        and last["p50"] <= BAR_SLOWER * first["p50"],
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--host", choices=("process", "in_process"), default="process")
    chosen = parser.parse_args()
    bars = {"bar_grown_mb": BAR_GROWN_MB, "bars_below_grown_mb": BARS_BELOW_GROWN_MB, "bar_slower": BAR_SLOWER}
    tell({"machine": machine(), **bars, **measured(3 * WARM if chosen.quick else chosen.count, host=chosen.host)})


if __name__ == "__main__":
    main()
