"""Resident memory of a real `foresight run` at the pace of the market, and which imports it consists of.

Two bots run at the same time: one draws its live view on a terminal, one prints lines into a pipe. Each is sampled
once a second; the share of a core that it uses is told beside, without its first ten seconds. Prints one JSON document.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from measuring import Document, arguments, json_of, machine, tell
from processes import Sample, a_bot, document_of, samples_of, started, started_on_a_terminal

BAR_MB = 200.0
SECONDS = 75
SETTLING_S = 10.0
IMPORTS = ("asyncio", "sqlite3", "msgspec", "pydantic", "structlog", "rich.live", "typer", "polars")
OWN = (
    "foresight.engine",
    "foresight.sources.simulated",
    "foresight.config",
    "foresight.runtime.bot",
    "foresight.cli.running",
)
PROBE = """
import importlib, json, sys, time
import psutil
process = psutil.Process()
before, begun = process.memory_info().rss, time.perf_counter()
importlib.import_module(sys.argv[1])
seconds = time.perf_counter() - begun
megabytes = (process.memory_info().rss - before) / 1024 / 1024
print(json.dumps({"mb": round(megabytes, 1), "ms": round(seconds * 1000), "polars": "polars" in sys.modules}))
"""


def running(folder: Path, seconds: int, *, on_a_terminal: bool, is_small: bool) -> dict[str, Any]:
    """One bot from its start to its end."""
    bot = a_bot(folder / ("terminal" if on_a_terminal else "pipe"), is_small=is_small)
    start = started_on_a_terminal if on_a_terminal else started
    with start(bot, "--for", f"{seconds}s") as process:
        samples = samples_of(process, every_s=1.0)
    presence = document_of("presence", "--bot", str(bot))
    return {
        "rss_mb": round(median(sample.rss_mb for sample in samples), 1),
        "rss_mb_max": round(max(sample.rss_mb for sample in samples), 1),
        "cpu_percent": _cpu_percent(samples),
        **{name: presence[name] for name in ("due", "done", "late", "missed", "lateness_ms")},
    }


def _cpu_percent(samples: list[Sample]) -> float | None:
    """Of one core, once the history has been taken; None for a run that is too short to tell."""
    steady = [sample for sample in samples if sample.at_s >= SETTLING_S]
    if len(steady) < 2:
        return None
    first, last = steady[0], steady[-1]
    return round(100 * (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s), 1)


def imported(name: str) -> Document:
    """What importing one module costs a fresh interpreter: megabytes, milliseconds, and whether it brings polars."""
    return json_of([sys.executable, "-c", PROBE, name])


def measured(seconds: int, names: tuple[str, ...] = IMPORTS + OWN, *, is_small: bool = False) -> Document:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        kinds = {"terminal": True, "pipe": False}
        waiting = {
            name: pool.submit(running, Path(folder), seconds, on_a_terminal=kind, is_small=is_small)
            for name, kind in kinds.items()
        }
        runs = {name: future.result() for name, future in waiting.items()}
    highest = max(run["rss_mb_max"] for run in runs.values())
    imports = {name: imported(name) for name in names}
    return {"bar_mb": BAR_MB, "seconds": seconds, "runs": runs, "met": highest <= BAR_MB, "imports": imports}


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    result = measured(3, ("msgspec", "foresight.cli.running"), is_small=True) if chosen.quick else measured(SECONDS)
    tell({"machine": machine(), **result})


if __name__ == "__main__":
    main()
