"""Counting rules: what one trade is, which trades count where, and what their score is. Pure functions.

One trade is one window's position from entry to exit or settlement, and a win is a profit after fees above zero. At
most one trade counts per slot and window, the first; later ones are only numbered. A window that two sources recorded
is counted for each, and its two trades are one cluster for every interval. A trade that nobody settled is in no rate.
A trade whose label is the market's own last quote, entered in the last minute, stays out of the headline.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from foresight.ledger import Trade
from foresight.markets import SECOND_NS
from foresight.money import MICROS, dollars
from foresight.results.collecting import Look
from foresight.results.intervals import Interval, clusters_of, edge_interval, effective_number, win_rate_interval
from foresight.results.labels import LAST_MINUTE_S, Label, Window, is_circular


class ScoredTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A settled or sold trade with what is known of its market. `seconds_left` is counted from the fill."""

    trade: Trade
    label: Label

    @property
    def seconds_left(self) -> float:
        return (self.label.market.end_ns - self.trade.position.opened_ns) / SECOND_NS

    @property
    def span(self) -> tuple[int, int]:
        return self.label.market.start_ns, self.label.market.end_ns

    @property
    def edge(self) -> float:
        """Profit after fees in dollars per share bought."""
        return self.trade.pnl_micros / self.trade.position.bought_shares_micros

    @property
    def cost(self) -> float:
        """Dollars paid per share, fees included: the win rate at which a trade held to the end breaks even."""
        held = self.trade.position
        return (held.bought_micros + held.fees_micros) / held.bought_shares_micros

    @property
    def is_circular(self) -> bool:
        return is_circular(self.label.outcome_source) and self.trade.closed_by == "settlement"

    @property
    def is_late_and_circular(self) -> bool:
        return self.is_circular and self.seconds_left <= LAST_MINUTE_S


class Brier(msgspec.Struct, frozen=True, kw_only=True):
    """Mean squared errors of the strategy's fair probability and of the market's own middle over the same `n`
    evaluations of `windows` windows: those on the regular beat that had both, in windows whose outcome is known.
    Evaluations of quote-labelled windows in their last minute are left out."""

    n: int
    windows: int
    strategy: float | None
    market: float | None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """`break_even` is the mean price plus fee per share; `edge_cents` the mean over trades of the profit per share;
    intervals are at 90 % (intervals.py). `pnl` and `fees` are dollars. None where there is no trade."""

    trades: int
    wins: int
    win_rate: float | None
    win_rate_interval: Interval | None
    break_even: float | None
    edge_cents: float | None
    edge_interval: Interval | None
    pnl: float
    fees: float
    clusters: int
    effective_trades: float


class Counted(msgspec.Struct, frozen=True):
    """Trades that count, and the number of later ones in windows that had one already."""

    trades: tuple[ScoredTrade, ...]
    repeated: int


def count_trades(trades: Iterable[Trade], labels: Mapping[Window, Label]) -> Counted:
    """The first trade of each slot and window, in the order of entry."""
    first: dict[Window, ScoredTrade] = {}
    repeated = 0
    for trade in sorted(trades, key=lambda each: (each.position.opened_ns, each.position.trade_id)):
        window = trade.position.source, trade.position.market_id
        if window in first:
            repeated += 1
        else:
            first[window] = ScoredTrade(trade=trade, label=labels[window])
    return Counted(tuple(first.values()), repeated)


def score(trades: Sequence[ScoredTrade]) -> Score:
    """The score of trades that all count."""
    wins = sum(each.trade.pnl_micros > 0 for each in trades)
    clusters = clusters_of([each.span for each in trades])
    effective = effective_number(clusters)
    edges = [each.edge for each in trades]
    cost = _mean([each.cost for each in trades])
    rate, edge = _mean([float(value > 0) for value in edges]), _mean(edges)
    return Score(
        trades=len(trades),
        wins=wins,
        win_rate=rate,
        win_rate_interval=None if rate is None else win_rate_interval(rate, effective),
        break_even=cost,
        edge_cents=None if edge is None else edge * 100,
        edge_interval=None if cost is None else _in_cents(edge_interval(edges, clusters, cost=cost)),
        pnl=dollars(sum(each.trade.pnl_micros for each in trades)),
        fees=dollars(sum(each.trade.position.fees_micros for each in trades)),
        clusters=len(set(clusters)),
        effective_trades=effective,
    )


def brier(looks: Iterable[Look], labels: Mapping[Window, Label]) -> Brier:
    """Both errors over the evaluations that `Brier` names."""
    strategy = market = 0.0
    count, windows = 0, set()
    for look in looks:
        label = labels[look.window]
        if look.fair is None or look.up_mid is None or label.outcome is None or not _counts(look, label):
            continue
        truth = 1.0 if label.outcome == "UP" else 0.0
        strategy += (look.fair - truth) ** 2
        market += (look.up_mid - truth) ** 2
        count += 1
        windows.add(look.window)
    return Brier(
        n=count,
        windows=len(windows),
        strategy=strategy / count if count else None,
        market=market / count if count else None,
    )


def scored_again(trades: Iterable[ScoredTrade]) -> list[ScoredTrade]:
    """Quote-labelled trades, as they would have ended by the sign of another venue's move over the window; those
    whose move is not known are left out."""
    return [_settled_by_second(each) for each in trades if each.is_circular and each.label.second is not None]


def split(trades: Iterable[ScoredTrade], name: Callable[[ScoredTrade], str]) -> dict[str, list[ScoredTrade]]:
    """Trades by name, names in order."""
    parts: dict[str, list[ScoredTrade]] = {}
    for each in trades:
        parts.setdefault(name(each), []).append(each)
    return dict(sorted(parts.items()))


def _settled_by_second(each: ScoredTrade) -> ScoredTrade:
    held = each.trade.position
    payout = held.shares_micros if held.outcome == each.label.second else 0
    pnl = each.trade.pnl_micros - each.trade.payout_micros + payout
    trade = msgspec.structs.replace(each.trade, winner=each.label.second, payout_micros=payout, pnl_micros=pnl)
    return msgspec.structs.replace(each, trade=trade)


def _counts(look: Look, label: Label) -> bool:
    if look.is_on_event:
        return False
    return not is_circular(label.outcome_source) or look.seconds_left > LAST_MINUTE_S


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _in_cents(interval: Interval) -> Interval:
    return interval[0] * 100, interval[1] * 100


assert MICROS == 1_000_000, "edges divide micros of dollars by micros of shares, so their units cancel"
