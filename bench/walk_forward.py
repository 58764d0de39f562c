"""Walk-forward: parameters chosen on earlier days only, tested on the next day, through the engine that runs live.

    python bench/walk_forward.py --recording ../shared/data/polymarket

The family below was declared before it was run, and is small on purpose: 27 settings around the shipped one. For each
day of the recording the setting with the best mean edge over all earlier days, of whatever source, is tested on that
day's windows. With fewer than `TRADES_MIN` earlier trades nothing can be chosen, and the day is only learned from.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import foresight
from foresight.config import Config
from foresight.markets import SECOND_NS
from foresight.results import Score, ScoredTrade, count_trades, replay, score
from foresight.results.replaying import one_by_one
from foresight.sources.recording import Recording

STRATEGY = Path(foresight.__file__).parent / "template" / "strategy"
FAMILY = {
    "held_above": (0.86, 0.88, 0.90),
    "price_max": (0.95, 0.97, 0.98),
    "seconds_left_max": (300.0, 480.0, 600.0),
}
SHIPPED = (0.88, 0.97, 480.0)
TRADES_MIN = 5

Setting = tuple[float, ...]
Trades = dict[Setting, list[ScoredTrade]]


class Day(msgspec.Struct, frozen=True):
    """One tested day: the setting that was chosen for it, and its trades with that setting and with the shipped one."""

    name: str
    setting: Setting
    chosen: list[ScoredTrade]
    shipped: list[ScoredTrade]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--recording", type=Path, required=True, help="a folder such as ../shared/data/polymarket")
    options.add_argument("--source", action="append", default=[], help="only this source; may be given several times")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as store:
        trades = _all_trades(Recording(chosen.recording, tuple(chosen.source)), Path(store))
    days = list(_walk(trades))
    print(_by_day(days))
    print()
    print(_by_source(days))


def _all_trades(recording: Recording, store: Path) -> Trades:
    """The headline's trades of every setting. Windows do not depend on earlier days' parameters: no position outlives
    its window, so one replay of a setting serves every split of the days."""
    parts = one_by_one(recording)
    settings = Config().settings("recorded")
    trades: Trades = {}
    for setting in itertools.product(*FAMILY.values()):
        params = dict(zip(FAMILY, setting, strict=True))
        found: list[ScoredTrade] = []
        for part in parts:
            done = replay(part, STRATEGY, settings, store=store, params=params)
            found += count_trades(done.trades, done.labels).trades
        trades[setting] = [trade for trade in found if not trade.is_late_and_circular]
    return trades


def _walk(trades: Trades) -> Iterator[Day]:
    for day in sorted({_day(trade) for each in trades.values() for trade in each}):
        setting = _best({name: [trade for trade in each if _day(trade) < day] for name, each in trades.items()})
        if setting is not None:
            tested = {name: [trade for trade in each if _day(trade) == day] for name, each in trades.items()}
            yield Day(day, setting, tested[setting], tested[SHIPPED])


def _best(earlier: Trades) -> Setting | None:
    """The best mean edge; of equal ones the one with more trades, then the first of the family."""
    enough = {name: score(each) for name, each in earlier.items() if len(each) >= TRADES_MIN}
    return max(enough, key=lambda name: (enough[name].edge_cents or 0.0, enough[name].trades), default=None)


def _day(trade: ScoredTrade) -> str:
    return datetime.fromtimestamp(trade.label.market.start_ns / SECOND_NS, UTC).strftime("%Y-%m-%d")


def _by_day(days: Sequence[Day]) -> str:
    rows = [
        (day.name, _source(day), " / ".join(f"{value:g}" for value in day.setting), *_cells(score(day.chosen)))
        for day in days
    ]
    return _table(("day", "source", " / ".join(FAMILY), "trades", "wins", "edge c/share [90 %]"), rows)


def _by_source(days: Sequence[Day]) -> str:
    chosen = [trade for day in days for trade in day.chosen]
    shipped = [trade for day in days for trade in day.shipped]
    sources = sorted({trade.label.market.source for trade in chosen + shipped})
    rows = [(name, *_cells(score(_of(chosen, name))), *_cells(score(_of(shipped, name)))) for name in sources]
    rows.append(("all", *_cells(score(chosen)), *_cells(score(shipped))))
    head = ("tested days", "trades", "wins", "edge c/share [90 %]", "shipped: trades", "wins", "edge c/share [90 %]")
    return _table(head, rows)


def _of(trades: Sequence[ScoredTrade], source: str) -> list[ScoredTrade]:
    return [trade for trade in trades if trade.label.market.source == source]


def _source(day: Day) -> str:
    return ", ".join(sorted({trade.label.market.source for trade in day.chosen + day.shipped}))


def _cells(found: Score) -> tuple[str, str, str]:
    if found.edge_cents is None or found.edge_interval is None:
        return "0", "0", "-"
    low, high = found.edge_interval
    return str(found.trades), str(found.wins), f"{found.edge_cents:+.1f} [{low:+.1f}, {high:+.1f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
