"""Cutting a replay into parts: by source, label, asset or timeframe, always with the baseline over the same part."""

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec

from foresight.markets import Market
from foresight.results.collecting import Look
from foresight.results.labels import LAST_MINUTE_S, Label, is_circular
from foresight.results.replaying import Replayed
from foresight.results.scoring import Brier, Score, ScoredTrade, brier, count_trades, score, scored_again, split

LATE_SUFFIX = f", entered in the last {LAST_MINUTE_S:.0f} s"

LEFT_S = (LAST_MINUTE_S, 300.0)
"""Where the time left at entry is cut: the last minute, where a feed may know what the quotes do not, and the last five
minutes, all that a 5-minute window has."""

Keep = Callable[[ScoredTrade], bool]
Sees = Callable[[Label], bool]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the trades, the baseline's score over the same part, and the Brier scores of the part's windows."""

    score: Score
    baseline: Score | None
    brier: Brier | None

    def to_json(self) -> dict[str, object]:
        return {
            **msgspec.to_builtins(self.score),
            "baseline": msgspec.to_builtins(self.baseline),
            "brier": msgspec.to_builtins(self.brier),
        }


class Splitter:
    """The counted trades of strategy and baseline and the looks of the strategy, all cut alike."""

    def __init__(self, replayed: Replayed, baseline: Replayed | None) -> None:
        counted = count_trades(replayed.trades, replayed.labels)
        self.repeated = counted.repeated
        self.trades = counted.trades
        self.against = None if baseline is None else count_trades(baseline.trades, baseline.labels).trades
        self._labels = replayed.labels
        self._looks = replayed.looks

    def headline(self) -> Split:
        """All settled trades except quote-labelled ones that were entered in the last minute."""
        return self._part(lambda trade: not trade.is_late_and_circular, _any)

    def independent(self) -> Split:
        """Trades whose label is not the market's own last quote."""
        return self._part(lambda trade: not trade.is_circular, lambda label: not is_circular(label.outcome_source))

    def scored_again(self) -> Split:
        """The quote-labelled trades of all times, by the sign of another venue's move instead."""
        against = None if self.against is None else scored_again(self.against)
        return _split(scored_again(self.trades), against, None)

    def by(self, name: Callable[[Market], str]) -> dict[str, Split]:
        """The headline's trades, cut by a name of their markets. A name without trades still has its Brier scores."""
        names = sorted({name(self._labels[look.window].market) for look in self._looks})
        return {each: self._named(name, each) for each in names}

    def by_seconds_left(self) -> dict[str, Split]:
        """The headline's trades by the time left at their fill."""
        low, high = LEFT_S
        return {
            f"over {high:.0f} s": self._left(high, math.inf),
            f"{low:.0f} to {high:.0f} s": self._left(low, high),
            f"the last {low:.0f} s": self._left(-math.inf, low),
        }

    def _left(self, low: float, high: float) -> Split:
        trades, against = (
            [each for each in some or () if not each.is_late_and_circular and low < each.seconds_left <= high]
            for some in (self.trades, self.against)
        )
        return _split(trades, None if self.against is None else against, None)

    def by_outcome_source(self) -> dict[str, Split]:
        """Every settled trade under the name of its label; the ones outside the headline under a name of their own."""
        sources = sorted({self._labels[look.window].outcome_source for look in self._looks})
        parts = {each: self._labelled(each) for each in sources}
        late = split((trade for trade in self.trades if trade.is_late_and_circular), _late_name)
        against = split((trade for trade in self.against or () if trade.is_late_and_circular), _late_name)
        for name in sorted({*late, *against}):
            beside = None if self.against is None else against.get(name, [])
            parts[name] = _split(late.get(name, []), beside, None)
        return parts

    def _named(self, name: Callable[[Market], str], wanted: str) -> Split:
        return self._part(
            lambda trade: not trade.is_late_and_circular and name(trade.label.market) == wanted,
            lambda label: name(label.market) == wanted,
        )

    def _labelled(self, wanted: str) -> Split:
        return self._part(
            lambda trade: not trade.is_late_and_circular and trade.label.outcome_source == wanted,
            lambda label: label.outcome_source == wanted,
        )

    def _part(self, keep: Keep, sees: Sees) -> Split:
        """The trades that `keep` takes and the windows that `sees` takes."""
        trades = [each for each in self.trades if keep(each)]
        against = None if self.against is None else [each for each in self.against if keep(each)]
        return _split(trades, against, brier(self._looks_at(sees), self._labels))

    def _looks_at(self, sees: Sees) -> Iterable[Look]:
        wanted = {window for window, label in self._labels.items() if sees(label)}
        return (look for look in self._looks if look.window in wanted)


def _any(_label: Label) -> bool:
    return True


def _late_name(trade: ScoredTrade) -> str:
    return trade.label.outcome_source + LATE_SUFFIX


def _split(trades: Sequence[ScoredTrade], against: Sequence[ScoredTrade] | None, errors: Brier | None) -> Split:
    return Split(score=score(trades), baseline=None if against is None else score(against), brier=errors)
