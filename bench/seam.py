"""The seam, measured: what a live change of code costs a running program, and what a restart costs beside it.

    python bench/seam.py [FIGURE ...] [--quick] [--keep]

| figure | |
|---|---|
| `loop` | CPU time on the program's loop per deploy |
| `lateness` | a timer of 1 ms and evaluations, in slices with and without a deploy a second |
| `live` | from a save to the commit and to the first answer |
| `restart` | what a restart of the same bot misses, and what a swap does |
| `round_trip` | what a call of a process host takes |

Without names all of them: about half an hour, most of it `lateness`. Prints one JSON document and ends with exit code 1
when a bar is not met. `--keep` writes the figures into `bench/results/seam.json`, each with the machine it was measured
on, and their tables into `docs/benchmarks.md`. Measure on a quiet machine.
"""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable

import seam_cpu
import seam_floor
import seam_lateness
import seam_live
import seam_restart
import seam_round_trip
from measuring import BENCH, RESULTS, Document, arguments, keep, machine, tell
from run_all import unmet
from seam_tables import filled

KEPT = "seam.json"
PAGE = BENCH.parent / "docs" / "benchmarks.md"

FIGURES: dict[str, Callable[[Namespace], Document]] = {
    "loop": lambda chosen: {
        **seam_cpu.measured(quick=chosen.quick),
        "floor_ms": seam_floor.measured(*((5, 5) if chosen.quick else (seam_cpu.DEPLOYS, seam_cpu.WAITS))),
    },
    "lateness": lambda chosen: seam_lateness.measured(
        quick=chosen.quick, pairs=chosen.pairs, slice_s=chosen.minutes * 60, period_s=chosen.period
    ),
    "live": lambda chosen: seam_live.measured(quick=chosen.quick),
    "restart": lambda chosen: seam_restart.measured(quick=chosen.quick),
    "round_trip": lambda chosen: seam_round_trip.measured(quick=chosen.quick),
}


def _chosen() -> Namespace:
    parser = arguments(__doc__ or "")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", choices=[*FIGURES, []], help=", ".join(FIGURES))
    parser.add_argument("--keep", action="store_true", help="write bench/results/seam.json and docs/benchmarks.md")
    parser.add_argument("--pairs", type=int, default=seam_lateness.PAIRS, help="pairs of slices for `lateness`")
    parser.add_argument("--minutes", type=float, default=seam_lateness.SLICE_S / 60, help="length of a slice")
    parser.add_argument(
        "--period", type=float, default=seam_lateness.EVALUATION_S, help="seconds between two rounds of evaluations"
    )
    return parser.parse_args()


def measured(name: str, chosen: Namespace) -> Document:
    """One figure, with the machine as it was just before."""
    print(f"{name} …", file=sys.stderr, flush=True)
    facts, begun = machine(), time.monotonic()
    found = FIGURES[name](chosen)
    missed = ", ".join(unmet(found))
    print(f"{name}: {f'not met: {missed}' if missed else 'met'}", file=sys.stderr, flush=True)
    return {"machine": facts, "took_s": round(time.monotonic() - begun), **found}


def kept() -> Document:
    """What has been kept so far."""
    path = RESULTS / KEPT
    found: Document = json.loads(path.read_text()) if path.exists() else {}
    return found


def main() -> int:
    chosen = _chosen()
    found: Document = {name: measured(name, chosen) for name in chosen.figures or FIGURES}
    tell({"machine": machine(), "quick": chosen.quick, **found})
    if chosen.keep and not chosen.quick:
        keep(KEPT, {**kept(), **found})
        PAGE.write_text(filled(PAGE.read_text(), kept()))
    return int(bool(unmet(found)) and not chosen.quick)


if __name__ == "__main__":
    sys.exit(main())
