"""A day of simulated time with `--fast` in a real process: does memory stay where it is after the first hour, and how
much does a day leave on disk?

How far the process has come is read from its own journal; its resident memory is sampled beside. Reported are the
highest resident memory in each simulated hour, and a straight line through the hours after the first. The process
grows on purpose for an hour, until the tape is full; `grown_mb` is by how much the highest later hour passes the
first, and `slope_mb_per_hour` the line's slope. `kept_mb` is what the record and the run's journal and ledger hold.
Prints one JSON document.
"""

import tempfile
import time
from pathlib import Path
from statistics import linear_regression

from measuring import Document, arguments, machine, tell
from processes import NS_PER_HOUR, Sample, a_bot, document_of, journal_time, samples_of, started

HOURS = 24
BAR_GROWN_MB = 8.0
"""What is bounded but fills slowly: the page caches of two SQLite files (4 MB), entries that wait for the disk (2 MB),
the newest latenesses of each slot (0.5 MB), and holes in the heap. A view kept for ever by each evaluation would be
tens of megabytes an hour."""
BAR_RSS_MB = 200.0


def measured(hours: int, *, is_small: bool = False) -> Document:
    with tempfile.TemporaryDirectory() as folder:
        bot = a_bot(Path(folder) / "bot", is_small=is_small)
        begun = time.perf_counter()
        options = ("--fast", "--for", f"{hours}h", "--json")
        with started(bot, *options) as process:
            samples = samples_of(process, every_s=0.2, venue_time=journal_time(bot))
        seconds = time.perf_counter() - begun
        kept = {name: _megabytes(bot / "data" / name) for name in ("record", "runs")}
        told = {name: document_of(name, "--bot", str(bot)) for name in ("status", "presence", "trades")}
    trades = told["trades"]["trades"]
    assert isinstance(trades, list)
    return {
        "command": f"foresight run {' '.join(options)}",
        "seconds": round(seconds, 1),
        "times_real_time": round(hours * 3_600 / seconds),
        "evaluations": told["status"]["evaluations"],
        "trades": len(trades),
        "presence": {name: told["presence"][name] for name in ("due", "done", "late", "missed", "blind")},
        "kept_mb": {name: round(value, 1) for name, value in kept.items()},
        "kept_mb_per_day": {name: round(value * 24 / hours, 1) for name, value in kept.items()},
        **memory_of(by_hour(samples)),
    }


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def by_hour(samples: list[Sample]) -> list[float]:
    """The highest resident memory in each simulated hour, in megabytes; the first hour first."""
    told = [(sample.venue_ns, sample.rss_mb) for sample in samples if sample.venue_ns is not None]
    start_ns = told[0][0]
    highest: dict[int, float] = {}
    for venue_ns, rss_mb in told:
        hour = max(0, venue_ns - start_ns - 1) // NS_PER_HOUR  # an instant at a full hour ends the hour before it
        highest[hour] = max(highest.get(hour, 0.0), rss_mb)
    return [highest[hour] for hour in sorted(highest)]


def memory_of(hours: list[float]) -> Document:
    """The hours' memory, and what it did after the first."""
    first, later = hours[0], hours[1:]
    slope = linear_regression(range(len(later)), later).slope if len(later) > 1 else 0.0
    grown = max(later, default=first) - first
    return {
        "rss_mb_by_hour": [round(value, 1) for value in hours],
        "slope_mb_per_hour": round(slope, 3),
        "grown_mb": round(grown, 1),
        "met": grown <= BAR_GROWN_MB and max(hours) <= BAR_RSS_MB,
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--hours", type=int, default=HOURS)
    chosen = parser.parse_args()
    bars = {"bar_grown_mb": BAR_GROWN_MB, "bar_rss_mb": BAR_RSS_MB}
    tell({"machine": machine(), **bars, **measured(1 if chosen.quick else chosen.hours, is_small=chosen.quick)})


if __name__ == "__main__":
    main()
