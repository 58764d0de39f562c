"""Whether every evaluation that is due is done, in a real process: `foresight run --speed 10 --for 60m`.

At ten times the pace of the market an hour of it takes six minutes, and every lateness counts tenfold: it is given in
venue time, as `foresight presence` reports it, and in real time. Prints one JSON document.
"""

import tempfile
from pathlib import Path

from measuring import Document, arguments, machine, tell
from processes import a_bot, document_of, samples_of, started

SPEED = 10
BAR_MISSED = 0


def measured(*, minutes: float, speed: float = SPEED) -> Document:
    """One run; `met` says whether nothing was missed, nothing was late and the books add up."""
    with tempfile.TemporaryDirectory() as folder:
        bot = a_bot(Path(folder) / "bot")
        options = ("--speed", f"{speed:g}", "--for", f"{minutes:g}m", "--json")
        with started(bot, *options) as process:
            samples = samples_of(process, every_s=1.0)
        counts = document_of("presence", "--bot", str(bot))
        trades = document_of("trades", "--bot", str(bot))["trades"]
    lateness = counts["lateness_ms"]
    assert isinstance(lateness, dict) and isinstance(trades, list)
    last = samples[-1]
    return {
        "command": f"foresight run {' '.join(options)}",
        "seconds": round(last.at_s, 1),
        "cpu_percent": round(100 * last.cpu_s / last.at_s, 1),
        **{name: counts[name] for name in ("due", "done", "late", "missed", "blind", "on_event", "missed_by_cause")},
        "lateness_ms_venue": {name: round(value, 3) for name, value in lateness.items()},
        "lateness_ms_real": {name: round(value / speed, 3) for name, value in lateness.items()},
        "trades": len(trades),
        "rss_mb_max": round(max(sample.rss_mb for sample in samples), 1),
        "met": counts["missed"] == BAR_MISSED and counts["due"] == sum(_ended(counts)),
    }


def _ended(counts: Document) -> list[int]:
    return [value for name in ("done", "late", "missed", "blind") if isinstance(value := counts[name], int)]


def main() -> None:
    chosen = arguments(__doc__ or "").parse_args()
    result = measured(minutes=1, speed=60) if chosen.quick else measured(minutes=60)
    tell({"machine": machine(), "bar_missed": BAR_MISSED, **result})


if __name__ == "__main__":
    main()
