"""The page that compares the simulated market with the recordings says what the recordings say.

The tables are read where they are; nothing of them is copied."""

import pytest
from compare_simulated import PAGE
from comparison.books import book_figures
from comparison.calibration import contradicted, recorded_looks
from comparison.channel import frames_per_second, level_changes
from comparison.lag import lag, recorded_pairs
from comparison.quotes import recorded_quotes, recorded_trades_per_second, recordings
from comparison.tables import books_table, calibration_table, changes_table, figure_text

FOLDER = recordings()
TEXT = PAGE.read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.recordings,
    pytest.mark.no_cover,
    pytest.mark.skipif(
        not (FOLDER / "polymarket" / "quotes.parquet").exists(),
        reason=f"the recordings are not in {FOLDER}: the page's recorded figures are not held to them",
    ),
]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_recorded_figures_of_books_stand_on_the_page() -> None:
    told = {tuple(cells(line)[:3]) for line in TEXT.splitlines() if line.startswith("| ")}
    rows = [
        tuple(cells(line)[:3]) for line in books_table(book_figures(recorded_quotes(FOLDER / "polymarket")), {}, {})
    ]

    assert len(rows) == 40
    assert set(rows) <= told


def test_the_recorded_lags_stand_on_the_page() -> None:
    found = lag(recorded_pairs(FOLDER / "polymarket", "thevalerka_marks"))

    assert f"| {figure_text(found, 1)} |" in TEXT


def test_the_recorded_rates_and_changes_stand_on_the_page() -> None:
    assert f"| {frames_per_second(FOLDER / 'fixtures')['PriceChange']:.1f} |" in TEXT
    assert f"| {recorded_trades_per_second(FOLDER / 'polymarket'):.2f} |" in TEXT
    assert "\n".join(changes_table(level_changes(FOLDER / "fixtures"))) in TEXT


def test_the_recorded_calibration_stands_on_the_page() -> None:
    table = calibration_table(recorded_looks(FOLDER / "polymarket"), [], [])
    recorded = [line for line in table if line.startswith("| recorded")]

    assert len(recorded) == 15
    assert all(line in TEXT for line in recorded)


def test_no_label_of_a_quoted_market_contradicts_three_official_outcomes_that_agree() -> None:
    wrong, checked = contradicted(FOLDER / "polymarket")

    assert (wrong, checked) == (0, 43)
    assert f"{checked} of them" in TEXT
