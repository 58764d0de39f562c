"""The three controls of an honest pipeline, as checks on any recording: made up or real."""

from pathlib import Path

import foresight
from foresight.config import Config
from foresight.results import Replayed, count_trades, replay, score
from foresight.sources.recording import Recording
from tests.results.paper_markets import coin_flip, cut_recording, oracle, spy

STRATEGY = Path(foresight.__file__).parent / "template" / "strategy"
SETTINGS = Config().settings("recorded")


def replayed(folder: Path, sources: tuple[str, ...], strategy: Path, store: Path) -> Replayed:
    return replay(Recording(folder, sources), strategy, SETTINGS, store=store)


def check_no_look_ahead(folder: Path, sources: tuple[str, ...], tmp: Path, *, shares: tuple[float, ...]) -> None:
    """Views, decisions and entries before a cut are the same whether the rest of the recording is there or not."""
    recording = Recording(folder, sources)
    tree = spy(tmp)
    whole, seen = (replayed(folder, sources, strategy, tmp / "store") for strategy in (STRATEGY, tree))
    assert whole.trades, "a control on no trade proves nothing"
    for share in shares:
        at_ns = recording.start_ns + int(share * (recording.end_ns - recording.start_ns))
        part = cut_recording(folder, tmp / f"cut{share}", at_ns=at_ns, sources=sources)
        before = replayed(part, sources, STRATEGY, tmp / "store")
        assert _looks(before, at_ns) == _looks(whole, at_ns)
        assert _entries(before, at_ns) == _entries(whole, at_ns)
        assert _looks(replayed(part, sources, tree, tmp / "store"), at_ns) == _looks(seen, at_ns)


def check_coin_flip(folder: Path, sources: tuple[str, ...], tmp: Path, *, trades_min: int) -> None:
    """A coin pays spread and fees, and no more than noise lies between what it pays and what it ends with."""
    done = replayed(folder, sources, coin_flip(tmp), tmp / "store")
    counted = count_trades(done.trades, done.labels).trades
    found = score(counted)
    assert found.trades >= trades_min
    assert found.edge_interval is not None
    low, high = found.edge_interval
    mids = {(look.market_id, look.due_ns): look.up_mid for look in done.looks}
    costs = [each.cost - mid for each in counted if (mid := _mid_before(each, mids)) is not None]
    expected_cents = -100 * sum(costs) / len(costs)
    assert -8 < expected_cents < 0
    assert low <= expected_cents <= high
    assert low < 0


def check_oracle(folder: Path, sources: tuple[str, ...], tmp: Path, *, trades_min: int) -> None:
    """Whoever is told the winner wins: nothing in the pipeline stands between a right decision and its profit."""
    recording = Recording(folder, sources)
    told = replayed(folder, sources, STRATEGY, tmp / "store").labels
    outcomes = {name: label.outcome for (_, name), label in told.items() if label.outcome is not None}
    done = replayed(folder, recording.sources, oracle(tmp, outcomes), tmp / "store")
    found = score(count_trades(done.trades, done.labels).trades)
    assert found.trades >= trades_min
    assert found.win_rate is not None
    assert found.win_rate >= 0.99
    assert found.edge_cents is not None
    assert found.edge_cents > 10
    assert found.pnl > 0


def _looks(done: Replayed, until_ns: int) -> list[object]:
    return [look for look in done.looks if look.due_ns < until_ns]


def _entries(done: Replayed, until_ns: int) -> set[tuple[object, ...]]:
    positions = [trade.position for trade in done.trades] + list(done.open_positions)
    return {
        (held.market_id, held.outcome, held.opened_ns, held.bought_micros, held.bought_shares_micros)
        for held in positions
        if held.opened_ns < until_ns
    }


def _mid_before(each, mids) -> float | None:
    """The middle of the bought outcome at the last regular look before the fill."""
    held, period_ns = each.trade.position, 5_000_000_000
    due_ns = held.opened_ns // period_ns * period_ns
    for step in range(3):
        mid = mids.get((held.market_id, due_ns - step * period_ns))
        if mid is not None and due_ns - step * period_ns < held.opened_ns:
            return mid if held.outcome == "UP" else 1 - mid
    return None
