"""What `make soak` runs. About an hour.

A day of simulated time, an hour of presence at ten times the pace, ten minutes of each storm of deploys, ten
thousand deploys, and a change at every step of a recorded run. `--only NAME` runs one of them, and leaves what is kept
of the others.

They run one after the other. Prints one JSON document, writes it to `bench/results/soak.json`, and ends with exit
code 1 when a bar is not met. `--quick` writes nothing.
"""

import sys

from measuring import arguments
from run_all import Parts, run

PARTS: Parts = {
    "a_day": ("a_day.py",),
    "presence": ("presence.py",),
    "storm_second_by_second": ("storm.py", "--plan", "second"),
    "storm_at_the_due_instant": ("storm.py", "--plan", "due"),
    "storm_second_over_sockets": ("storm.py", "--plan", "second_over_sockets"),
    "storm_due_over_sockets": ("storm.py", "--plan", "due_over_sockets"),
    "ten_thousand_deploys": ("deploys.py",),
    "swap_at_every_step": ("swaps.py",),
}


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", choices=tuple(PARTS))
    chosen = parser.parse_args()
    parts = PARTS if chosen.only is None else {chosen.only: PARTS[chosen.only]}
    return run(parts, "soak.json", quick=chosen.quick, kept=True)


if __name__ == "__main__":
    sys.exit(main())
