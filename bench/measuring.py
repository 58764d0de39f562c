"""What the benchmarks share: the machine's description, percentiles, repeated runs, and one JSON document as output."""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "results"

Document = dict[str, object]


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser that every benchmark extends: `--quick` for small counts."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small counts: checks the plumbing, measures nothing")
    return parser


def machine() -> Document:
    """Where the figures come from."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def _processor() -> str:
    names = [line.split(":", 1)[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank of sorted samples."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(samples: Iterable[float], digits: int = 3) -> dict[str, float]:
    """Count, median, 99th percentile and maximum."""
    ordered = sorted(samples)
    told = {"p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99), "max": ordered[-1]}
    return {"count": len(ordered), **{name: round(value, digits) for name, value in told.items()}}


def middle(samples: Iterable[float], digits: int = 3) -> dict[str, float]:
    """Median with the lowest and the highest of a few runs."""
    values = list(samples)
    told = {"median": median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, digits) for name, value in told.items()}


def json_of(command: Sequence[str | Path], timeout_s: float = 3_600) -> Document:
    """Runs a command in a process of its own and returns the JSON document it prints. Raises CalledProcessError, its
    errors already on ours, when it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True, timeout=timeout_s)
    document: Document = json.loads(done.stdout)
    return document


def script(name: str, *options: str) -> list[str]:
    """The command that runs another benchmark with this interpreter."""
    return [sys.executable, str(BENCH / name), *options]


def tell(document: Document) -> None:
    """Prints one document."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def keep(name: str, document: Document) -> None:
    """Writes a result that is committed."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(document, indent=2) + "\n")
