"""What a change costs a bot that has to be started again for it, beside one that is edited while it runs.

A restart: `foresight run` is asked to leave by SIGINT, and started again in the same folder as soon as it has ended.
Its first evaluations are due when its clock starts, which its own documents tell to the millisecond. What falls due
between the signal and that moment is missed. A swap: the strategy of a running bot is edited every few seconds, and the
bot's own presence tells what was missed.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from measuring import BENCH, Document
from processes import a_bot, document_of, started
from seam_saver import PLACE

PERIOD_S = 5.0
SLOTS = 16
RESTARTS, SWAPS = 5, 12
RUNNING_S, SWAP_EVERY_S = 8.0, 5.0
KNOWN_OUTAGE_S = 120.0
"""A restart by hand after a merge, as it is known from a bot without live code: two minutes."""
BEGUN_S_MAX = 60.0
LOOK_S = 0.01
BAR_MISSED = 0


def missed(outage_s: float, period_s: float = PERIOD_S, slots: int = SLOTS) -> int:
    """How many evaluations fall due in an outage, on average over where in a period it begins, rounded down."""
    return int(outage_s / period_s * slots)


def measured(*, quick: bool) -> Document:
    """`met` says whether the swap missed nothing."""
    restarts, swaps = (1, 1) if quick else (RESTARTS, SWAPS)
    running_s, every_s = (2.0, 2.0) if quick else (RUNNING_S, SWAP_EVERY_S)
    with tempfile.TemporaryDirectory() as folder:
        outages = _restarted(a_bot(Path(folder) / "restarted", is_small=quick), restarts, running_s)
        swapped = _swapped(a_bot(Path(folder) / "swapped", is_small=quick), swaps, every_s)
    outage_s = median(whole for _, whole in outages)
    return {
        "period_s": PERIOD_S,
        "slots": SLOTS,
        "restart": {
            "restarts": len(outages),
            "leaving_s": round(median(leaving for leaving, _ in outages), 2),
            "outage_s": round(outage_s, 2),
            "outage_s_max": round(max(whole for _, whole in outages), 2),
            "missed_per_restart": missed(outage_s),
        },
        "known_case": {"outage_s": KNOWN_OUTAGE_S, "missed": missed(KNOWN_OUTAGE_S)},
        "swap": swapped,
        "bar_missed": BAR_MISSED,
        "met": swapped["missed"] == BAR_MISSED and swapped["live"] == swaps,
    }


def _restarted(bot: Path, count: int, running_s: float) -> list[tuple[float, float]]:
    """Of each restart the seconds until the process had left, and until the next one's first evaluation."""
    found = []
    with started(bot) as process:
        run = _begun(bot, "")["run"]
        time.sleep(running_s)
        asked_ns = _leave(process)
        left_ns = time.time_ns()
    for _ in range(count):
        with started(bot) as process:
            status = _begun(bot, run)
            found.append(((left_ns - asked_ns) / 1e9, (_first_due_ns(status) - asked_ns) / 1e9))
            run = status["run"]
            time.sleep(running_s)
            asked_ns = _leave(process)
            left_ns = time.time_ns()
    return found


def _leave(process: "subprocess.Popen[bytes]") -> int:
    """Asks it to leave, waits until it has, and returns the wall time of the asking."""
    asked_ns = time.time_ns()
    process.send_signal(signal.SIGINT)
    if process.wait() != 0:
        raise RuntimeError(f"foresight run ended with exit code {process.returncode}")
    return asked_ns


def _begun(bot: Path, before: str) -> dict[str, Any]:
    """The first status of a run that evaluates, other than the run `before`."""

    def begun() -> dict[str, Any] | None:
        status = _observed(bot, "status.json")
        return status if status and status["run"] != before and status["running"] and status["release"] else None

    return _waited(begun)


def _observed(bot: Path, name: str) -> dict[str, Any]:
    path = bot / "state" / "observed" / name
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def _waited(look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    end_s = time.monotonic() + BEGUN_S_MAX
    while time.monotonic() < end_s:
        found = look()
        if found is not None:
            return found
        time.sleep(LOOK_S)
    raise RuntimeError(f"foresight run did not come within {BEGUN_S_MAX:.0f} s to what was waited for")


def _first_due_ns(status: dict[str, Any]) -> float:
    """The wall time at which the run's clock started, at the pace of the wall: its first round is due then."""
    written, now, began = (datetime.fromisoformat(status[name]) for name in ("written_at", "now", "started_at"))
    return (written - (now - began)).timestamp() * 1e9


def _swapped(bot: Path, count: int, every_s: float) -> Document:
    """A run whose strategy is edited again and again: how many edits went live, and its presence."""
    edit = bot / "strategy" / "fair.py"
    with edit.open("a") as file:
        file.write(f"\n{PLACE}0\n")
    with started(bot) as process:
        first = _begun(bot, "")["release"]
        subprocess.run(
            [sys.executable, str(BENCH / "seam_saver.py"), str(edit), *map(str, (1, count, every_s, every_s))],
            check=True,
        )
        last = f"v{_number(first) + count}"
        status = _waited(lambda: found if (found := _observed(bot, "status.json"))["release"] == last else None)
        time.sleep(every_s)
        _leave(process)
    presence = document_of("presence", "--bot", str(bot))
    return {
        "live": _number(status["release"]) - _number(first),
        **{name: presence[name] for name in ("due", "done", "late", "missed", "lateness_ms")},
    }


def _number(release: str) -> int:
    return int(release.removeprefix("v"))
