"""The report of a replay: one strategy, and the baseline beside it, over the same recording."""

from collections.abc import Sequence

import msgspec

from foresight.effects import GateScored
from foresight.markets import Origin
from foresight.results.replaying import Replayed
from foresight.results.splits import Split, Splitter
from tesseract import Counts


class GateLine(msgspec.Struct, frozen=True, kw_only=True):
    """One gate: its answers, and the windows in which it alone refused an entry. `saved_cents` is what those entries,
    held to the end, would have lost per share in the mean; below zero the gate cost that much."""

    passes: int
    refusals: int
    unknown: int
    windows_scored: int
    saved_cents: float | None
    saved_cents_total: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers of one replay. Every split but `by_outcome_source` and `independent` is over the headline: all
    settled trades except quote-labelled ones that were entered in the last minute.

    `markets` were evaluated at least once. `repeated` are further trades in a window that had one, `unsettled`
    positions whose winner nobody told, `outside_headline` the late quote-labelled trades. `risk_alone` counts by rule
    the windows without an entry that risk alone kept out.
    """

    origin: Origin
    source: tuple[str, ...]
    markets: int
    markets_recorded: int
    evaluations: int
    headline: Split
    independent: Split
    scored_again: Split
    by_outcome_source: dict[str, Split]
    by_source: dict[str, Split]
    by_asset: dict[str, Split]
    by_timeframe: dict[str, Split]
    by_seconds_left: dict[str, Split]
    by_gate: dict[str, GateLine]
    unsettled: int
    repeated: int
    outside_headline: int
    risk_alone: dict[str, int]
    presence: Counts
    failures: int
    skipped: dict[str, str]
    rejected_rows: int
    events: int
    seconds: float
    digest: str
    release: str
    params: dict[str, object]

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, object]:
        """Plain data for `json.dumps`. The headline's numbers stand at the top, with `baseline` and `brier`."""
        plain: dict[str, object] = {}
        for name, value in msgspec.structs.asdict(self).items():
            if name == "headline":
                plain |= self.headline.to_json()
            else:
                plain[name] = _plain(value)
        return plain | {"events_per_second": self.events_per_second}


def report_of(replayed: Replayed, baseline: Replayed | None = None) -> Report:
    """The report of a replay, with the baseline's replay of the same recording beside it."""
    cut = Splitter(replayed, baseline)
    return Report(
        origin=replayed.origin,
        source=replayed.sources,
        markets=len({look.window for look in replayed.looks}),
        markets_recorded=len(replayed.labels),
        evaluations=replayed.evaluations,
        headline=cut.headline(),
        independent=cut.independent(),
        scored_again=cut.scored_again(),
        by_outcome_source=cut.by_outcome_source(),
        by_source=cut.by(lambda market: market.source),
        by_asset=cut.by(lambda market: market.asset),
        by_timeframe=cut.by(lambda market: market.timeframe),
        by_seconds_left=cut.by_seconds_left(),
        by_gate=_gate_lines(replayed),
        unsettled=len(replayed.open_positions),
        repeated=cut.repeated,
        outside_headline=sum(trade.is_late_and_circular for trade in cut.trades),
        risk_alone=replayed.risk_alone,
        presence=replayed.presence,
        failures=replayed.failures,
        skipped=replayed.skipped,
        rejected_rows=replayed.rejected_rows,
        events=replayed.events,
        seconds=replayed.seconds,
        digest=replayed.digest,
        release=replayed.release,
        params=replayed.params,
    )


def _gate_lines(replayed: Replayed) -> dict[str, GateLine]:
    """In the order in which the strategy asks its gates."""
    by_gate: dict[str, list[GateScored]] = {}
    for each in replayed.gate_scores:
        by_gate.setdefault(each.gate, []).append(each)
    return {gate: _gate_line(answers, by_gate.get(gate, [])) for gate, answers in replayed.gate_answers.items()}


def _gate_line(answers: dict[str, int], scores: Sequence[GateScored]) -> GateLine:
    saved_cents = sum(each.saved_micros for each in scores) / 10_000
    return GateLine(
        passes=answers["pass"],
        refusals=answers["refuse"],
        unknown=answers["unknown"],
        windows_scored=len(scores),
        saved_cents=saved_cents / len(scores) if scores else None,
        saved_cents_total=saved_cents,
    )


def _plain(value: object) -> object:
    match value:
        case Split():
            return value.to_json()
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case _:
            plain: object = msgspec.to_builtins(value)
            return plain
