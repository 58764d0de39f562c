"""What `make bench` runs: replay beside the peer, rounds, memory, three hours of the day, and the seam but for its
lateness, which takes twenty minutes by itself. About ten minutes.

Each part is a process of its own. Prints one JSON document, says on standard error how far it is and which bars are
met, and ends with exit code 1 when one is not. `--keep` also writes the document to `bench/results/bench.json`.
"""

import json
import sys
from subprocess import CalledProcessError
from typing import Any

from measuring import RESULTS, arguments, json_of, keep, machine, script, tell

PARTS = {
    "replay": ("replay.py", "--pairs", "3"),
    "round": ("round.py",),
    "memory": ("memory.py",),
    "three_hours": ("a_day.py", "--hours", "3"),
    "seam": ("seam.py", "loop", "live", "restart", "round_trip"),
}

Parts = dict[str, tuple[str, ...]]


def all_of(parts: Parts, *, quick: bool) -> dict[str, Any]:
    """Every part's document, by name; a part that fails has the sentence of its failure instead."""
    found: dict[str, Any] = {}
    for name, (file, *options) in parts.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            document: dict[str, Any] = json_of(script(file, *(["--quick"] if quick else options)))
        except CalledProcessError as error:
            document = {"met": False, "failed": str(error)}
        found[name] = document
        print(f"{name}: {_verdict(document)}", file=sys.stderr, flush=True)
    return found


def _verdict(document: dict[str, Any]) -> str:
    if "failed" in document:
        return str(document["failed"])
    missed = unmet(document)
    return f"not met: {', '.join(missed)}" if missed else "met"


def unmet(document: dict[str, Any], place: str = "") -> list[str]:
    """Where in a document a bar is not met, as dotted names."""
    found = [place or "bar"] if document.get("met") is False else []
    for name, value in document.items():
        if isinstance(value, dict):
            found += unmet(value, f"{place}.{name}".lstrip("."))
    return found


def run(parts: Parts, file: str, *, quick: bool, kept: bool) -> int:
    """Runs the parts, prints their document, and returns the exit code: small counts measure nothing, so with `quick`
    only a failure counts. What is kept takes the place of the same parts in the file, with the machine of each."""
    results = all_of(parts, quick=quick)
    document = {"machine": machine(), "quick": quick, **results}
    tell(document)
    if kept and not quick:
        keep(file, {**_kept(file), **document})
    failed = any("failed" in result for result in results.values())
    return int(failed if quick else bool(unmet(results)))


def _kept(file: str) -> dict[str, Any]:
    path = RESULTS / file
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def main() -> int:
    parser = arguments(__doc__ or "")
    parser.add_argument("--keep", action="store_true", help="write bench/results/bench.json as well")
    chosen = parser.parse_args()
    return run(PARTS, "bench.json", quick=chosen.quick, kept=chosen.keep)


if __name__ == "__main__":
    sys.exit(main())
