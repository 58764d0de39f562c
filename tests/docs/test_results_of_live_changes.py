"""docs/results.md and docs/benchmarks.md show the kept figures of live changes of code, and nothing else."""

import json
import sys

from docs.pages import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import seam_tables
import summary


def test_the_page_of_results_is_written_from_the_kept_figures() -> None:
    page = summary.PAGE.read_text()
    assert summary.filled(page) == page, "write it anew: python bench/summary.py"


def test_the_page_of_benchmarks_is_written_from_the_kept_figures() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    kept = ROOT / "bench" / "results" / "seam.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    assert seam_tables.filled(page, figures) == page


def test_everything_that_the_pages_promise_has_been_measured() -> None:
    assert summary.NOT_YET not in summary.PAGE.read_text()
    assert "Not measured yet" not in (ROOT / "docs" / "benchmarks.md").read_text()
