"""Gates: live code measures, the resident side judges and keeps score.

A gate that refused alone is scored when its window settles: the entry that it alone kept out, held to the end, would
have earned or lost so much per share. That is what the gate cost or saved.
"""

from foresight.effects import GateScored, Refusal
from foresight.engine.settings import Settings
from foresight.markets import Market, MarketId, Outcome
from foresight.money import MICROS, fee_of
from foresight.strategy import Verdict


def refusals_of(verdicts: tuple[Verdict, ...], settings: Settings) -> tuple[Refusal, ...]:
    """The gates that say no; an `unknown` counts as no unless the bot's configuration lets it pass."""
    return tuple(
        Refusal("gate", verdict.gate, _text(verdict)) for verdict in verdicts if not _passes(verdict, settings)
    )


def _passes(verdict: Verdict, settings: Settings) -> bool:
    if verdict.answer == "unknown":
        return settings.unknown_passes.get(verdict.gate, settings.unknown_passes_by_default)
    return verdict.answer == "pass"


def _text(verdict: Verdict) -> str:
    if verdict.value is None:
        return f"not known, wanted {verdict.limit} {verdict.unit}".rstrip()
    return f"{verdict.value:.6g}, wanted {verdict.limit} {verdict.unit}".rstrip()


ANSWERS = ("pass", "refuse", "unknown")
GATES_MAX = 64
"""Gates that are counted by name; live code names them, and could name without end. The rest count as `other`."""


class GateScores:
    """Counts of every gate's answers, and the first entry in each window that a gate alone refused."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, int]] = {}
        self._alone: dict[MarketId, dict[str, tuple[Outcome, int]]] = {}

    def count(self, verdicts: tuple[Verdict, ...]) -> None:
        for verdict in verdicts:
            is_known = verdict.gate in self.answers or len(self.answers) < GATES_MAX
            row = self.answers.setdefault(verdict.gate if is_known else "other", dict.fromkeys(ANSWERS, 0))
            row[verdict.answer] += 1

    def refused_alone(self, market_id: MarketId, gate: str, outcome: Outcome, ask_micros: int) -> None:
        if ask_micros > 0:
            self._alone.setdefault(market_id, {}).setdefault(gate, (outcome, ask_micros))

    def settle(self, market: Market, winner: Outcome) -> list[GateScored]:
        """The scores of a window whose winner is known; forgets the window."""
        alone = self._alone.pop(market.market_id, {})
        return [_scored(market, gate, *entry, winner) for gate, entry in alone.items()]

    def forget(self, market_id: MarketId) -> None:
        self._alone.pop(market_id, None)


def _scored(market: Market, gate: str, outcome: Outcome, ask_micros: int, winner: Outcome) -> GateScored:
    payoff = MICROS if outcome == winner else 0
    earned = payoff - ask_micros - fee_of(ask_micros, MICROS, market.fee_rate_micros)
    return GateScored(
        gate=gate,
        market_id=market.market_id,
        slot=market.slot,
        outcome=outcome,
        ask_micros=ask_micros,
        saved_micros=-earned,
    )
