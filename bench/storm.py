"""Ten minutes of a storm: a whole bot in its pace while releases come down on it, one in three of them bad.

`second`: a round every half second and a deploy every second. `due`: the pace of the market, commits within 20 ms of
the instant at which a round is due. `…_over_sockets` trades at a local venue, with no reconnect. What must hold is said
in `tests/storms/storm.py`. Prints one JSON document.
"""

import sys
import tempfile
from pathlib import Path

import msgspec

from measuring import BENCH, Document, arguments, machine, spread, tell

sys.path.insert(0, str(BENCH.parent / "tests"))

from storms.storm import AT_THE_DUE_INSTANT, OVER_SOCKETS, SECOND_BY_SECOND, SECONDS_OVER_SOCKETS, run_storm

PLANS = {
    "second": SECOND_BY_SECOND,
    "due": AT_THE_DUE_INSTANT,
    "second_over_sockets": SECONDS_OVER_SOCKETS,
    "due_over_sockets": OVER_SOCKETS,
}
SECONDS = 600.0


def measured(name: str, seconds: float) -> Document:
    with tempfile.TemporaryDirectory() as folder:
        told = run_storm(Path(folder), msgspec.structs.replace(PLANS[name], seconds=seconds))
    document: Document = msgspec.to_builtins(told)
    document["aimed_ms"] = spread((abs(distance) for distance in told.aimed_ms or [0.0]), 1)
    document["bad"] = len(told.bad)
    return {"plan": name, **document, "met": not told.problems}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--plan", choices=tuple(PLANS), default="second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    chosen = parser.parse_args()
    tell({"machine": machine(), **measured(chosen.plan, 20.0 if chosen.quick else chosen.seconds)})


if __name__ == "__main__":
    main()
