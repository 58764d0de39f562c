"""The sink of a replay: keeps what the score needs of every answer and journal entry, in compact rows."""

from collections.abc import Callable

import msgspec

from foresight.effects import Deposited, Evaluate, FillBooked, GateScored, Journal, Judged, Notify, SettlementBooked
from foresight.engine import Engine
from foresight.events import Decided, Raised
from foresight.ledger import Books, Trade, fold
from foresight.markets import MarketId, SlotId
from foresight.results.labels import Window
from foresight.strategy import Enter

PROGRESS_EVERY = 500
"""Evaluations between two reports of progress: a few a second at the speed of a replay."""

Progress = Callable[[int], None]


class Look(msgspec.Struct, frozen=True, gc=False):
    """One evaluation: the strategy's fair probability of UP beside the market's own middle, as they stood."""

    source: str
    market_id: MarketId
    slot: SlotId
    due_ns: int
    seconds_left: float
    fair: float | None
    up_mid: float | None
    is_on_event: bool

    @property
    def window(self) -> Window:
        return self.source, self.market_id


class Collector:
    """Folds the ledger entries into trades of its own, so that the score does not rest on the engine's books."""

    def __init__(self, engine: Engine, on_progress: Progress | None) -> None:
        self.looks: list[Look] = []
        self.trades: list[Trade] = []
        self.gate_scores: list[GateScored] = []
        self.books = Books()
        self.failures = 0
        self.entered: set[MarketId] = set()
        self.risk_alone: dict[str, set[MarketId]] = {}
        self._engine = engine
        self._on_progress = on_progress
        self._on_event: dict[SlotId, int] = {}

    def answered(self, asked: Evaluate, answer: Decided | Raised) -> None:
        view = asked.view
        fair = answer.fair if isinstance(answer, Decided) else None
        self.failures += isinstance(answer, Raised)
        on_event = self._is_on_event(asked.slot)
        market_id, left_s = MarketId(view.market), view.seconds_left
        self.looks.append(Look(view.source, market_id, asked.slot, asked.due_ns, left_s, fair, view.up.mid, on_event))
        if self._on_progress is not None and len(self.looks) % PROGRESS_EVERY == 0:
            self._on_progress(view.now_ns)

    def journal(self, effect: Journal) -> None:
        match effect.entry:
            case Judged() as judged:
                self._judged(judged)
            case GateScored() as score:
                self.gate_scores.append(score)
            case Deposited() | FillBooked() | SettlementBooked() as entry:
                self.books, trade = fold(self.books, effect.at_ns, entry)
                if trade is not None:
                    self.trades.append(trade)

    def notify(self, effect: Notify) -> None:
        """A replay shows no notices."""

    def _is_on_event(self, slot: SlotId) -> bool:
        """Whether this evaluation was asked for by an event: presence has just counted one more of them."""
        count = self._engine.markets.slots[slot].presence.on_event
        before, self._on_event[slot] = self._on_event.get(slot, 0), count
        return count > before

    def _judged(self, judged: Judged) -> None:
        if not isinstance(judged.proposal, Enter):
            return
        if judged.order_id is not None:
            self.entered.add(judged.market_id)
        elif all(refusal.by == "risk" for refusal in judged.refusals):
            for refusal in judged.refusals:
                self.risk_alone.setdefault(refusal.name, set()).add(judged.market_id)
