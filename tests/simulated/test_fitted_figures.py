"""A few hours of the simulated market have the figures that `docs/simulated-market.md` says were fitted.

The bands are as wide as a few hours need; the page has the figures of many.
"""

from functools import cache

import pytest
from compare_simulated import PAGE, PLOT
from comparison.books import Figures, book_figures
from comparison.calibration import looks_of
from comparison.quotes import Measured, simulated
from comparison.tables import MARKED, filled

pytestmark = pytest.mark.no_cover

BANDS = {
    "spread 1": (0.68, 0.85), "spread 2": (0.12, 0.30), "one side empty": (0.05, 0.20),
    "one side empty, 600 to 900 s left": (0.0, 0.02), "one side empty, 0 to 60 s left": (0.50, 0.80),
    "mid changed 1": (0.47, 0.57), "mid changed 5": (0.80, 0.90), "deviation 1": (0.014, 0.019),
    "deviation 5": (0.033, 0.046), "deviation 30": (0.075, 0.11), "correlation 1": (0.0, 0.16),
    "bid_depth 0.5": (2_300, 4_000), "ask_depth 0.5": (2_300, 4_000),
}  # fmt: skip


@cache
def some_hours() -> Measured:
    return simulated((11, 12), 6, ("BTC", "15m"), "spot")


@cache
def figures() -> Figures:
    return book_figures(some_hours().quotes)


@pytest.mark.parametrize("name", BANDS)
def test_a_figure_lies_within_its_band(name: str) -> None:
    found = figures()[name]
    assert found is not None
    assert BANDS[name][0] <= found.value <= BANDS[name][1]


def test_late_prices_move_more_than_early_ones() -> None:
    early, late = figures()["deviation, 600 to 900 s left"], figures()["deviation, 60 to 180 s left"]
    assert early is not None
    assert late is not None
    assert late.value > 1.3 * early.value


def test_what_the_favourites_cost_is_about_what_they_win() -> None:
    looks = [look for look in looks_of(some_hours().quotes, some_hours().outcomes) if look.left_s == 120]
    assert len(looks) > 40
    assert abs(sum(look.won - look.price for look in looks) / len(looks)) < 0.15


def test_the_page_shows_the_plot_and_every_table_is_between_its_marks() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert PLOT.name in page
    assert [found[1] for found in MARKED.finditer(page)] == ["books", "lag", "rates", "changes", "calibration", "bins"]
    assert all("| --- |" in found[3] for found in MARKED.finditer(page))


def test_a_table_is_replaced_between_its_marks_and_nothing_else_is() -> None:
    page = "before\n<!-- compared: books -->\nold\n<!-- /compared -->\nafter\n"
    assert filled(page, {"books": ["new"]}) == "before\n<!-- compared: books -->\n\nnew\n\n<!-- /compared -->\nafter\n"
    assert filled(filled(page, {"books": ["new"]}), {"books": ["new"]}) == filled(page, {"books": ["new"]})
