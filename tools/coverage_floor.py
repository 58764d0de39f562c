"""Holds the branch coverage of the parts that decide about money above its floor.

python tools/coverage_floor.py COVERAGE.json
"""

import json
import sys
from pathlib import Path

FLOOR_PERCENT = 95.0
ENGINE = "src/foresight/engine/"
RUNTIME = "src/tesseract/"
RELEASES = (
    "candidate", "carry", "schema", "compatible", "contract", "imports", "life", "namespace", "params", "presence",
    "release", "store",
)  # fmt: skip
"""What runs in hosts, zygotes and stagers runs in processes of its own, where nobody counts lines."""
GUARDED = {
    "engine": (ENGINE,),
    "market state": tuple(f"{ENGINE}{name}.py" for name in ("markets_state", "slots", "books", "prices")),
    "risk": (f"{ENGINE}risk.py",),
    "broker": ("src/foresight/broker/",),
    "ledger": ("src/foresight/ledger/",),
    "releases and their state": tuple(f"{RUNTIME}{name}.py" for name in RELEASES),
}


def main(path: str) -> int:
    """Prints each part's branch and line coverage; returns 1 when one is not above the floor."""
    files = json.loads(Path(path).read_text())["files"]
    short = 0
    for name, prefixes in GUARDED.items():
        summaries = [files[file]["summary"] for file in files if file.startswith(prefixes)]
        branches = _percent(summaries, "covered_branches", "num_branches")
        lines = _percent(summaries, "covered_lines", "num_statements")
        short += min(branches, lines) <= FLOOR_PERCENT
        print(f"coverage of {name}: {branches:.1f} % of branches, {lines:.1f} % of lines (above {FLOOR_PERCENT:.0f} %)")
    return 1 if short else 0


def _percent(summaries: list[dict[str, int]], covered: str, total: str) -> float:
    count = sum(summary[total] for summary in summaries)
    return 100 * sum(summary[covered] for summary in summaries) / count if count else 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
