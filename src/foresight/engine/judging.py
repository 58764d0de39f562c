"""From a proposal to an order: every gate and every risk rule is asked, and the order goes when nobody refuses."""

from collections.abc import Sequence

import msgspec

from foresight.effects import Effect, Journal, Judged, Refusal
from foresight.engine import gates, releases
from foresight.engine.desk import Desk, book_of
from foresight.engine.digest import DecisionDigest
from foresight.engine.markets_state import Ages, MarketsState
from foresight.engine.settings import Settings
from foresight.engine.slots import SlotState, Window
from foresight.events import Decided
from foresight.markets import SECOND_NS
from foresight.strategy import Enter, View


class Asked(msgspec.Struct, frozen=True):
    """An evaluation that live code has not answered yet. `ages` are those of what its view shows."""

    slot: SlotState
    window: Window
    view: View
    is_due: bool
    blind: tuple[str, ...]
    ages: Ages
    silent_topics: list[str]


class Judging:
    """Judges what live code proposes. What is sent, refused and counted is the desk's."""

    def __init__(self, settings: Settings, markets: MarketsState, desk: Desk, digest: DecisionDigest) -> None:
        self._settings = settings
        self._markets = markets
        self._desk = desk
        self._digest = digest

    def judge(self, seq: int, asked: Asked, event: Decided) -> Sequence[Effect]:
        """Asks every gate and every risk rule, and sends the order when nobody refuses."""
        proposal = event.proposal
        assert proposal is not None
        refusals = self._refusals(asked, event)
        order_id, send = None, None
        if not refusals:
            order_id, send = self._desk.send(
                proposal,
                asked.slot,
                asked.window.market,
                now_ns=event.at_ns,
                release=event.release,
                revision=event.revision,
            )
        judged = Judged(
            evaluation_id=event.evaluation_id,
            slot=asked.slot.id,
            market_id=asked.window.market.market_id,
            due_ns=asked.view.due_ns,
            release=event.release,
            revision=event.revision,
            proposal=proposal,
            signals=event.signals,
            fair=event.fair,
            verdicts=event.verdicts,
            refusals=refusals,
            order_id=order_id,
            view=asked.view if order_id is not None else None,
        )
        self._digest.add(proposal, [refusal.name for refusal in refusals], order_id)
        effects: list[Effect] = [Journal(seq, event.at_ns, judged), *self._trips(event, refusals)]
        return effects if send is None else [*effects, send]

    def _trips(self, event: Decided, refusals: tuple[Refusal, ...]) -> Sequence[Effect]:
        return releases.trips(
            event.release,
            refusals,
            orders_of_it=self._desk.account.orders_last_minute_of((event.release, event.revision), event.at_ns),
            orders_max=self._settings.risk.orders_per_minute_max,
        )

    def _refusals(self, asked: Asked, event: Decided) -> tuple[Refusal, ...]:
        proposal, slot, window = event.proposal, asked.slot, asked.window
        assert proposal is not None
        self._desk.gates.count(event.verdicts)
        by_gates = gates.refusals_of(event.verdicts, self._settings)
        # What came while live code thought does not make its answer one on fresh data: the older of both counts.
        by_risk = self._desk.refuse(
            proposal,
            slot,
            window,
            now_ns=event.at_ns,
            ages=self._markets.ages(slot.asset, event.at_ns).or_older(asked.ages),
            seen_book_ns=round((asked.view.book(proposal.outcome).age_s or 0.0) * SECOND_NS),
            silent_topics=sorted({*asked.silent_topics, *self.silent_topics(slot, event.at_ns)}),
        )
        if len(by_gates) == 1 and not by_risk and isinstance(proposal, Enter):
            ask_micros = book_of(window, proposal.outcome).best_ask(event.at_ns)[0]
            market_id = window.market.market_id
            self._desk.gates.refused_alone(market_id, by_gates[0].name, proposal.outcome, ask_micros)
        refusals = by_gates + by_risk
        self._desk.count_refusals(refusals)
        return refusals

    def silent_topics(self, slot: SlotState, now_ns: int) -> list[str]:
        """The further topics of the live release that are older than an order may rest on."""
        return self._markets.stale_topics(slot, now_ns, self._settings.risk.underlying_age_max_ns)
