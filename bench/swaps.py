"""A change to an identical release at each single step of a recorded run, each in a run of its own, against the run
without: see `tests/storms/swapping_alone.py`. Thirty thousand of them take ten minutes. Prints one JSON document.
"""

import sys
import tempfile
import time
from pathlib import Path

from measuring import BENCH, Document, arguments, machine, tell

sys.path.insert(0, str(BENCH.parent / "tests"))

from storms.swapping import Kept
from storms.swapping_alone import each_step_alone


def measured(every: int) -> Document:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        alone = each_step_alone(Path(folder), Kept(), every=every)
    return {
        "steps": alone.steps,
        "changed_at": alone.changed,
        "differing": alone.differing,
        "seconds": round(time.perf_counter() - began, 1),
        "met": not alone.differing,
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--every", type=int, default=1, help="change at every so many steps")
    chosen = parser.parse_args()
    tell({"machine": machine(), **measured(1_000 if chosen.quick else chosen.every)})


if __name__ == "__main__":
    main()
