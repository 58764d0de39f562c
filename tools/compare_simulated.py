"""Measures the recordings and the simulated market with the same code, and writes the tables and the plot of
`docs/simulated-market.md`.

    python tools/compare_simulated.py            prints the tables
    python tools/compare_simulated.py --write    replaces them in the page, and the plot beside it

The recordings are read from the folder in FORESIGHT_RECORDINGS (by default `../shared/data`). It takes
about a minute.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
from comparison.books import LEFT_BANDS, PRICE_BANDS, Figure, Figures, book_figures
from comparison.calibration import BINS, Look, looks_of, recorded_looks, reliability
from comparison.channel import binance_per_second, frames_per_second, level_changes
from comparison.drawing import Panel, Point, picture
from comparison.lag import lag, recorded_pairs, simulated_pairs
from comparison.quotes import Measured, recorded_quotes, recorded_trades_per_second, recordings, simulated
from comparison.tables import (
    SAME_RULE,
    TODAY,
    Rates,
    bins_table,
    books_table,
    calibration_table,
    changes_table,
    filled,
    lag_table,
    rates_table,
)

PAGE = Path(__file__).parent.parent / "docs" / "simulated-market.md"
PLOT = PAGE.with_suffix(".svg")
SEEDS, HOURS = (1, 2, 3), 60
RATES_HOURS = 20
BTC_15M, BTC_5M = ("BTC", "15m"), ("BTC", "5m")
BINS_LEFT_S = 120

Band = tuple[int, int]


class Comparison(msgspec.Struct, frozen=True):
    recorded: Figures
    same_rule: Figures
    today: Figures
    looks: tuple[list[Look], list[Look], list[Look]]
    tables: dict[str, list[str]]


def compared(folder: Path) -> Comparison:
    """Everything, from the recordings in `folder`."""
    tables_folder, fixtures = folder / "polymarket", folder / "fixtures"
    same_rule, today = (simulated(SEEDS, HOURS, BTC_15M, rule) for rule in ("spot", "twap60"))
    recorded_books = book_figures(recorded_quotes(tables_folder))
    books = (recorded_books, book_figures(same_rule.quotes), book_figures(today.quotes))
    looks = (
        recorded_looks(tables_folder),
        looks_of(same_rule.quotes, same_rule.outcomes),
        looks_of(today.quotes, today.outcomes),
    )
    rates = Rates(
        trades=recorded_trades_per_second(tables_folder),
        channel=frames_per_second(fixtures),
        spot={asset: binance_per_second(fixtures, asset) for asset in ("BTC", "ETH")},
        simulated=simulated(SEEDS[:1], RATES_HOURS, BTC_5M, "twap60").published,
        simulated_trades=today.published["trades"],
    )
    tables = {
        "books": books_table(*books),
        "lag": lag_table(lags(tables_folder, same_rule)),
        "rates": rates_table(rates),
        "changes": changes_table(level_changes(fixtures)),
        "calibration": calibration_table(*looks),
        "bins": bins_table(*looks, BINS_LEFT_S),
    }
    return Comparison(*books, looks=looks, tables=tables)


def lags(folder: Path, side: Measured) -> list[tuple[str, Figure | None]]:
    pattern = recorded_pairs(folder, "thevalerka_marks")
    return [
        ("recorded: `thevalerka_marks`, Bybit's last price", lag(pattern)),
        ("recorded: `weiuou`, a poll of the oracle", lag(recorded_pairs(folder, "weiuou"))),
        (f"{SAME_RULE}, seen as `thevalerka_marks`", lag(simulated_pairs(side, pattern))),
    ]


def plot(found: Comparison) -> str:
    sides = (found.recorded, found.same_rule, found.today)

    def of(name: Callable[[Band], str], bands: tuple[Band, ...]) -> tuple[tuple[Point | None, ...], ...]:
        return tuple(tuple(_point(side.get(name(band))) for band in bands) for side in sides)

    lefts = tuple(f"{low}-{min(high, 900)}" for low, high in LEFT_BANDS)
    prices = tuple(f"{low}-{high}" for low, high in PRICE_BANDS)
    left = of(lambda band: f"deviation, {band[0]} to {min(band[1], 900)} s left", LEFT_BANDS)
    price = of(lambda band: f"deviation at {band[0] / 100:.2f} to {band[1] / 100:.2f}", PRICE_BANDS)
    empty = of(lambda band: f"one side empty, {band[0]} to {min(band[1], 900)} s left", LEFT_BANDS)
    won = tuple(tuple(_won(looks, *band) for band in pairwise(BINS)) for looks in found.looks)
    bins = tuple(f"{low * 100:.0f}-{high * 100:.0f}" for low, high in pairwise(BINS))
    middles = tuple((low + high) / 2 for low, high in pairwise(BINS))
    return picture(
        (
            Panel("Deviation of the mid over 5 s, $, by seconds left", lefts, left, top=0.20),
            Panel("Deviation of the mid over 5 s, $, by favourite's price, ¢", prices, price, top=0.06, digits=3),
            Panel("Share of seconds with one side empty, by seconds left", lefts, empty, top=1.0),
            Panel("Favourites that won, by price in ¢ with 120 s left", bins, won, top=1.0, bottom=0.2, even=middles),
        ),
        ("recorded, with 90 % intervals", SAME_RULE, f"{TODAY}, today's rule"),
    )


def _point(found: Figure | None) -> Point | None:
    return None if found is None else (found.value, found.low, found.high)


def _won(looks: list[Look], low: float, high: float) -> Point | None:
    found = reliability(look for look in looks if look.left_s == BINS_LEFT_S and low <= look.price < high)
    return None if found is None else (found.won, found.low, found.high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="replace the tables of the page, and the plot")
    is_write = parser.parse_args().write
    found = compared(recordings())
    if is_write:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), found.tables), encoding="utf-8")
        PLOT.write_text(plot(found), encoding="utf-8")
        return
    for name, lines in found.tables.items():
        print(f"{name}\n", *lines, "", sep="\n")


if __name__ == "__main__":
    main()
