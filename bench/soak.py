"""What `make soak` runs: twelve hours of simulated time, and an hour of presence at ten times the pace. Seven minutes.

The two run one after the other. Prints one JSON document, writes it to `bench/results/soak.json`, and ends with exit
code 1 when a bar is not met. `--quick` writes nothing.
"""

import sys

from measuring import arguments
from run_all import Parts, run

PARTS: Parts = {"twelve_hours": ("twelve_hours.py",), "presence": ("presence.py",)}


def main() -> int:
    chosen = arguments(__doc__ or "").parse_args()
    return run(PARTS, "soak.json", quick=chosen.quick, kept=True)


if __name__ == "__main__":
    sys.exit(main())
