"""The tables of `docs/simulated-market.md`: each a list of lines, written between the page's marks."""

import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from comparison.books import LEFT_BANDS, PRICE_BANDS, Figure, Figures
from comparison.calibration import BINS, LABELS, LEFT_S, Look, Reliability, reliability
from comparison.channel import Changes

MARKED = re.compile(r"(?<=<!-- compared: )(\w+)( -->\n)(.*?)(?=<!-- /compared -->)", re.DOTALL)
UNKNOWN = "unknown"
SAME_RULE, TODAY = "simulated, rule of the recordings", "simulated"


class Rates(msgspec.Struct, frozen=True):
    """What a second holds: the recorded frames by stream and kind, the trades of a BTC 15m market in the mean over its
    window, and the simulated markets' books, trades and ticks of the underlying, for 5m and 15m."""

    trades: float
    channel: dict[str, float]
    spot: dict[str, dict[str, float]]
    simulated: dict[str, float]
    simulated_trades: float


def filled(page: str, tables: dict[str, list[str]]) -> str:
    """The page with what stands between its marks written anew. Raises KeyError for a mark without a table."""
    return MARKED.sub(lambda found: f"{found[1]}{found[2]}\n" + "\n".join(tables[found[1]]) + "\n\n", page)


def books_table(recorded: Figures, same_rule: Figures, today: Figures) -> list[str]:
    rows = [("measure", "recorded", "seconds", SAME_RULE, TODAY)]
    for name, label, digits in _measures():
        found = recorded.get(name)
        count = f"{found.count:,}" if found else ""
        sides = [figure_text(side.get(name), digits) for side in (recorded, same_rule, today)]
        rows.append((label, sides[0], count, sides[1], sides[2]))
    return _lines(rows)


def lag_table(rows: Sequence[tuple[str, Figure | None]]) -> list[str]:
    return _lines(
        [("quotes and underlying", "seconds behind", "moves"),
         *((name, figure_text(found, 1), f"{found.count:,}" if found else "") for name, found in rows)]
    )  # fmt: skip


def rates_table(rates: Rates) -> list[str]:
    channel, spot, own = rates.channel, rates.spot, rates.simulated
    return _lines(
        [
            ("each second", "recorded", "simulated"),
            (
                "`price_change` frames of a BTC 5m market, both outcomes in each",
                _per(channel.get("PriceChange")),
                "none by itself: the venue adds the changes below",
            ),
            ("`book` frames, both outcomes", _per(channel.get("Book")), _per(2 * own["books"])),
            ("`best_bid_ask` frames, both outcomes", _per(channel.get("BestBidAsk")), "none: they follow from books"),
            ("trades", _per(channel.get("LastTrade")), _per(own["trades"])),
            ("trades of a BTC 15m market, mean of its window", f"{rates.trades:.2f}", f"{rates.simulated_trades:.2f}"),
            *(
                (
                    f"Binance {asset}USDT: `{stream}`",
                    _per(found.get(name)),
                    _per(own["spots"]) if name == "BookTicker" else "none",
                )
                for asset, found in spot.items()
                for stream, name in (("bookTicker", "BookTicker"), ("trade", "Trade"))
            ),
        ]
    )


def changes_table(changes: Changes) -> list[str]:
    places = [*(f"{place} ticks behind the best" if place else "at the best price" for place in range(5)), "further"]
    rows = [("changes of levels", "recorded")]
    rows += [(f"share {place}", f"{share:.3f}") for place, share in zip(places, changes.by_distance, strict=True)]
    return _lines(
        [
            *rows,
            ("median step, shares", f"{changes.step_shares:g}"),
            ("share that makes a level larger", f"{changes.larger:.2f}"),
            ("share that undoes the level's last change", f"{changes.undone:.2f}"),
            ("median size of the best level, shares", f"{changes.best_size:.0f}"),
            ("moves of a best price among them", f"{changes.best_moves} of {changes.count:,}"),
            ("a tenth of a second: mean, deviation", f"{changes.tenth_mean:.1f}, {changes.tenth_deviation:.1f}"),
        ]
    )


def calibration_table(recorded: Sequence[Look], same_rule: Sequence[Look], today: Sequence[Look]) -> list[str]:
    """By who labelled the outcome, and by time left."""
    rows = [("outcome by", "left, s", "markets", "mean price", "won", "interval")]
    groups = [(f"recorded: {LABELS[label]}", label, recorded) for label in LABELS]
    groups += [(SAME_RULE, "", same_rule), (TODAY, "", today)]
    for name, label, looks in groups:
        for left_s in LEFT_S:
            found = reliability(look for look in looks if look.label == label and look.left_s == left_s)
            rows.append((name, str(left_s), *_reliability(found)))
    return _lines(rows)


def bins_table(recorded: Sequence[Look], same_rule: Sequence[Look], today: Sequence[Look], left_s: int) -> list[str]:
    rows = [
        ("favourite's price", "recorded: price, won", "markets", f"{SAME_RULE}: price, won", f"{TODAY}: price, won")
    ]
    for low, high in pairwise(BINS):
        sides = [
            reliability(look for look in looks if look.left_s == left_s and low <= look.price < high)
            for looks in (recorded, same_rule, today)
        ]
        told = [_won(side) for side in sides]
        rows.append((f"{low:.2f} to {high:.2f}", told[0], str(sides[0].count if sides[0] else 0), told[1], told[2]))
    return _lines(rows)


def figure_text(found: Figure | None, digits: int) -> str:
    if found is None:
        return UNKNOWN
    value, low, high = (f"{one:,.{digits}f}" for one in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _measures() -> list[tuple[str, str, int]]:
    """(name of the figure, what it says, digits)."""
    spreads = [
        (f"spread {n}", f"share of spreads of {text}", 3)
        for n, text in (("1", "1 tick"), ("2", "2 ticks"), ("3+", "3 ticks or more"))
    ]
    lefts = [f"{low} to {min(high, 900)}" for low, high in LEFT_BANDS]
    prices = [f"{low / 100:.2f} to {high / 100:.2f}" for low, high in PRICE_BANDS]
    return [
        *spreads,
        ("one side empty", "share of seconds with one side empty", 3),
        *((f"one side empty, {left} s left", f"… with {left} s left", 3) for left in lefts),
        *((f"mid changed {s}", f"share of mids that differ after {s} s", 3) for s in (1, 5, 30)),
        *((f"deviation {s}", f"deviation of the mid's change over {s} s, $", 4) for s in (1, 5, 30)),
        *((f"deviation at {price}", f"… over 5 s, favourite at {price}", 4) for price in prices),
        *((f"deviation, {left} s left", f"… over 5 s, {left} s left", 4) for left in lefts),
        *((f"correlation {s}", f"correlation of successive changes over {s} s", 3) for s in (1, 5, 30)),
        *(
            (f"{name} {quantile}", f"shares on the best five {text}, {label}", 0)
            for name, text in (("bid_depth", "bids"), ("ask_depth", "asks"))
            for quantile, label in ((0.1, "lowest tenth"), (0.5, "median"), (0.9, "highest tenth"))
        ),
        ("bid_size 0.5", "shares at the best bid, median", 0),
        ("ask_size 0.5", "shares at the best ask, median", 0),
    ]


def _reliability(found: Reliability | None) -> tuple[str, str, str, str]:
    if found is None:
        return "0", UNKNOWN, UNKNOWN, ""
    return str(found.count), f"{found.price:.3f}", f"{found.won:.3f}", f"[{found.low:.2f}, {found.high:.2f}]"


def _won(found: Reliability | None) -> str:
    return UNKNOWN if found is None else f"{found.price:.3f}, {found.won:.3f} [{found.low:.2f}, {found.high:.2f}]"


def _per(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)]
