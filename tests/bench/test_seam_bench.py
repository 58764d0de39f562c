"""The benchmark of live changes of code: its arithmetic, its tables, and its pieces with small counts. Nothing here
looks at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
PAGE = BENCH.parent / "docs" / "benchmarks.md"
FIGURES = ("loop", "lateness", "live", "restart", "round_trip")


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_two_minutes_at_a_period_of_5_s_miss_24_evaluations_of_a_slot_and_384_of_sixteen():
    from seam_restart import missed

    assert missed(120.0, slots=1) == 24
    assert missed(120.0) == 384
    assert missed(0.0) == 0
    assert missed(4.9, slots=1) == 0


@pytest.mark.parametrize("lines", [300, 3_000])
def test_the_generated_live_code_has_about_so_many_lines_and_can_be_compiled(lines):
    from seam_program import tree_of

    files = tree_of(lines)

    for name, text in files.items():
        compile(text, name, "exec")
    assert 0.9 < sum(text.count("\n") for text in files.values()) / lines < 1.1


def test_an_edit_changes_one_line_and_nothing_else():
    from seam_saver import edited

    assert edited("A = 1\nEDIT = 4\nB = 2\n", 5) == "A = 1\nEDIT = 5\nB = 2\n"


def test_the_interval_of_equal_ratios_is_that_ratio_and_one_of_many_holds_their_mean():
    from seam_lateness import geometric_mean, interval

    assert interval([1.25] * 10) == pytest.approx((1.25, 1.25))
    ratios = [0.8, 0.9, 1.0, 1.1, 1.6]
    low, high = interval(ratios)
    assert low < geometric_mean(ratios) < high
    assert interval(ratios) == (low, high), "the draws are the same every time"


def test_twice_and_half_as_late_make_a_ratio_of_one():
    from seam_lateness import geometric_mean

    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)


def test_a_loop_that_was_held_up_counts_every_instant_that_it_passed():
    from array import array

    from seam_lateness import _tick

    late = array("d")
    _tick(HeldUp(10.0), late, 9.9965, 9.999)

    assert [round(each, 6) for each in late] == [3.5, 2.5, 1.5, 0.5]


class HeldUp:
    """A loop at one instant, which must not be asked for another."""

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s

    def time(self) -> float:
        return self._now_s


def test_every_table_of_the_page_has_its_figure_and_every_figure_its_table():
    from seam import FIGURES as MEASURED
    from seam_tables import MARKED, TABLES

    marked = [found[1] for found in MARKED.finditer(PAGE.read_text())]

    assert tuple(marked) == tuple(TABLES) == tuple(MEASURED) == FIGURES


def test_a_page_without_figures_says_so_and_one_that_was_filled_is_not_changed_again():
    from seam_tables import filled

    page = "before\n\n<!-- seam: restart -->\n\nanything\n\n<!-- /seam -->\n\nafter\n"

    empty = filled(page, {})
    assert "Not measured yet: `python bench/seam.py restart --keep`" in empty
    assert "anything" not in empty
    full = filled(page, {"restart": RESTART})
    assert "| restart, median of 5 | 3.1 s | 9 |" in full
    assert full.startswith("before\n") and full.endswith("after\n")
    assert filled(full, {"restart": RESTART}) == full
    assert filled(full, {}) == empty


MACHINE = {"processor": "a core", "cores": 2, "system": "Linux 6", "python": "3.13.0", "load_average": [0.1, 0.1, 0.1]}
RESTART = {
    "machine": MACHINE,
    "took_s": 60,
    "period_s": 5.0,
    "slots": 16,
    "restart": {"restarts": 5, "outage_s": 3.1, "missed_per_restart": 9},
    "known_case": {"outage_s": 120.0, "missed": 384},
    "swap": {"live": 12, "due": 256, "missed": 0},
}


@pytest.mark.process
@pytest.mark.parametrize("figure", FIGURES)
def test_each_figure_is_measured_with_small_counts_and_makes_its_table(figure):
    from seam_tables import TABLES

    done = subprocess.run(
        [sys.executable, BENCH / "seam.py", figure, "--quick"], capture_output=True, text=True, check=False, timeout=240
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["quick"]
    assert found[figure]["machine"]["cores"]
    assert all(row.startswith("|") for row in TABLES[figure](found[figure])[:3])
