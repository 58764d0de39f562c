"""The engine: `handle(event) -> effects`, and nothing else.

A state machine without I/O. It reads no clock, no file, no random source, never awaits and never calls live code: a
due evaluation is an effect, and its answer comes back as an event like every other. So the same inputs give the same
decisions, wherever the engine runs (invariant 7). Every input gets the next number of one sequence.
"""

from collections.abc import Callable, Sequence

import msgspec

from foresight.effects import (
    Effect,
    Evaluate,
    Failed,
    Journal,
    KeepOnTape,
    Notify,
    Rebuild,
    Schedule,
)
from foresight.engine import conditions, releases
from foresight.engine.answers import problem_of
from foresight.engine.books import BookState
from foresight.engine.desk import Desk
from foresight.engine.digest import DecisionDigest
from foresight.engine.judging import Asked, Judging
from foresight.engine.markets_state import MarketsState
from foresight.engine.settings import Settings
from foresight.engine.settling import Settling
from foresight.engine.shadow import ShadowBook
from foresight.engine.slots import SlotState, Window, stall_cause
from foresight.engine.views import Views
from foresight.events import (
    ClockChecked,
    Command,
    Decided,
    DeployRefused,
    Depth,
    Event,
    JournalChecked,
    Levels,
    Listed,
    OrderClosed,
    OrderFilled,
    Printed,
    Quote,
    Raised,
    Reference,
    ReleaseBack,
    ReleaseBound,
    ReleaseEvent,
    ReleaseKept,
    Resolved,
    Shadowed,
    Shadowing,
    Spot,
    TickChanged,
    Timer,
    TopicsDeclared,
)
from foresight.ledger import Trade
from foresight.markets import SECOND_NS, MarketId
from foresight.strategy import View

NOTHING: Sequence[Effect] = ()
EVENT_MOVE = 1e-4
"""A move of the underlying by a basis point since the last look is worth another in a window's last minute."""
SAMPLE_EVERY_NS = 5 * SECOND_NS
"""How often books are sampled for their histories, whatever the period of the rounds (never more than once a round)."""


class Engine:
    """State of the whole bot."""

    def __init__(self, settings: Settings, start_ns: int) -> None:
        self.settings = settings
        self.start_ns = start_ns
        self.seq = 0
        self.now_ns = start_ns
        self.live = releases.LiveReleases()
        self.shadow: ShadowBook | None = None
        self.markets = MarketsState(settings)
        self.desk = Desk(settings, self._on_trade)
        self.digest = DecisionDigest()
        self.evaluations = 0
        self._judging = Judging(settings, self.markets, self.desk, self.digest)
        self._settling = Settling(settings, self.markets)
        self._views = Views(settings, self.markets)
        self._encoder = msgspec.msgpack.Encoder()
        self._asked: dict[int, Asked] = {}
        self._due_ns = _first_due(start_ns, settings.period_ns)
        self._handlers: dict[type, Callable[..., Sequence[Effect]]] = {
            Quote: self._on_quote,
            Depth: self._on_depth,
            Levels: self._on_levels,
            TickChanged: self._on_tick_changed,
            Spot: self._on_spot,
            Printed: self._on_printed,
            Timer: self._on_timer,
            Decided: self._on_decided,
            Raised: self._on_raised,
            Listed: self._on_listed,
            Reference: self._on_reference,
            Resolved: self._on_resolved,
            OrderFilled: self._on_filled,
            OrderClosed: self._on_closed,
            ReleaseBound: self._on_release,
            ReleaseKept: self._on_release,
            ReleaseBack: self._on_release,
            DeployRefused: self._on_release,
            Shadowing: self._on_shadowing,
            Shadowed: self._on_shadowed,
            TopicsDeclared: self._on_topics,
            Command: self._on_command,
            ClockChecked: self._on_clock,
            JournalChecked: self._on_journal,
        }

    def handle(self, event: Event) -> Sequence[Effect]:
        """Takes one input and returns what is to be done, in order. Events come in the order of their `at_ns`."""
        self.seq += 1
        return self._handlers[type(event)](event)

    @property
    def is_waiting(self) -> bool:
        """Whether live code has not answered yet somewhere."""
        return bool(self._asked)

    def start(self, history_ns: int) -> Sequence[Effect]:
        """Opens the books with the paper deposit. Called once, before the first event, which is at `history_ns`.

        Rounds before `start_ns`, and before the first release is bound, warm the engine: windows roll, prices are
        sampled and the tape fills, but nothing is due and live code is not asked.
        """
        self._due_ns = _first_due(history_ns, self.settings.period_ns)
        return self.desk.deposit(self.seq, self.start_ns)

    def _next_due_ns(self) -> int | None:
        """The instant of the next round. While no window is open it is the round at which the next one opens, or at
        which a window that waits for its closing average waits no longer."""
        if any(slot.window is not None for slot in self.markets.slots.values()):
            return self._due_ns
        opens = [at for slot in self.markets.slots.values() if (at := slot.next_change_ns()) is not None]
        overdue_ns = self._settling.next_overdue_ns()
        opens += [] if overdue_ns is None else [overdue_ns]
        if not opens:
            return None
        return max(self._due_ns, _first_due(min(opens), self.settings.period_ns))

    # Market data

    def _on_quote(self, quote: Quote) -> Sequence[Effect]:
        book = self.markets.take_quote(quote)
        if book is not None and quote.at_ns >= book.event_from_ns:
            return self._price_moved(book, quote.at_ns)
        return NOTHING

    def _on_depth(self, depth: Depth) -> Sequence[Effect]:
        book = self.markets.take_depth(depth)
        if book is not None and depth.at_ns >= book.event_from_ns:
            return self._price_moved(book, depth.at_ns)
        return NOTHING

    def _on_levels(self, event: Levels) -> Sequence[Effect]:
        book, is_whole = self.markets.take_levels(event)
        if not is_whole:
            return (Rebuild(event.at_ns, event.token, "its top is not the one that the venue names"),)
        if book is not None and event.at_ns >= book.event_from_ns:
            return self._price_moved(book, event.at_ns)
        return NOTHING

    def _on_tick_changed(self, event: TickChanged) -> Sequence[Effect]:
        self.markets.take_tick(event)
        return (Rebuild(event.at_ns, event.token, "its tick has changed"),)

    def _on_spot(self, tick: Spot) -> Sequence[Effect]:
        return self._underlying_moved(tick.asset, tick.at_ns) if self.markets.take_spot(tick) else NOTHING

    def _on_printed(self, printed: Printed) -> Sequence[Effect]:
        self.markets.take_print(printed)
        return NOTHING

    def _on_listed(self, event: Listed) -> Sequence[Effect]:
        self.markets.list_market(event)
        return (Schedule(self._next_due_ns()),)

    def _on_reference(self, event: Reference) -> Sequence[Effect]:
        return self._settle_by(self._settling.by_average(event))

    def _on_resolved(self, event: Resolved) -> Sequence[Effect]:
        words = self._settling.by_venue(event)
        return self._settle_by(words) if words else (Schedule(self._next_due_ns()),)

    def _settle_by(self, words: Sequence[Resolved]) -> list[Effect]:
        return [effect for word in words for effect in self._settle(word)]

    def _settle(self, event: Resolved) -> Sequence[Effect]:
        window = self.markets.window_of(event.market_id)
        if window is None:
            return NOTHING
        window.is_settled = True
        if self.shadow is not None:
            self.shadow.settle(event.market_id, event.outcome)
        self.markets.ended.pop(event.market_id, None)
        return self.desk.settle(self.seq, event, window.market)

    # Evaluations

    def _price_moved(self, book: BookState, now_ns: int) -> Sequence[Effect]:
        """In a window's last minute a new price of the market is looked at without waiting for the next round."""
        slot = self.markets.slots[book.slot_id]
        window = slot.window
        if window is None or window.market is not book.market or (book.bid, book.ask) == slot.seen.get(book.outcome):
            return NOTHING
        return self._ask_on_event(slot, window, now_ns)

    def _underlying_moved(self, asset: str, now_ns: int) -> Sequence[Effect]:
        """As `_price_moved`, for a move of the underlying since the last look."""
        effects: list[Effect] = []
        last = self.markets.prices[asset].last
        for slot in self.markets.by_asset[asset]:
            window = slot.window if slot.seen_underlying else None
            if window is None or now_ns < window.up.event_from_ns:
                continue
            if abs(last / slot.seen_underlying - 1) >= EVENT_MOVE:
                effects += self._ask_on_event(slot, window, now_ns)
        return effects

    def _ask_on_event(self, slot: SlotState, window: Window, now_ns: int) -> Sequence[Effect]:
        """Not too often, not while an answer is awaited, and only while the window is open."""
        is_open = max(self.start_ns, self.live.since_ns) <= now_ns < window.market.end_ns
        too_soon = now_ns - slot.event_evaluated_ns < self.settings.event_gap_ns
        if not is_open or too_soon or slot.pending_evaluation is not None or slot.is_paused:
            return NOTHING
        slot.event_evaluated_ns = now_ns
        slot.presence.ran_on_event()
        return [self._ask(slot, window, due_ns=now_ns, now_ns=now_ns, is_due=False)]

    def _on_timer(self, event: Timer) -> Sequence[Effect]:
        due_ns, now_ns = event.due_ns, event.at_ns
        self.now_ns = now_ns
        self._due_ns = due_ns + self.settings.period_ns
        self.markets.roll(due_ns)
        effects: list[Effect] = self._settle_by(self._settling.overdue(now_ns))
        self._forget(now_ns)
        held = self.desk.positions()
        self._views.new_round(now_ns, held)
        for slot in self.markets.slots.values():
            if slot.window is not None:
                effects += self._due(slot, slot.window, event)
        effects.append(Schedule(self._next_due_ns()))
        return effects

    def _due(self, slot: SlotState, window: Window, event: Timer) -> Sequence[Effect]:
        if event.due_ns >= window.sampled_ns + SAMPLE_EVERY_NS:
            window.sampled_ns = event.due_ns
            window.up.sample(event.at_ns)
            window.down.sample(event.at_ns)
        if event.due_ns < max(self.start_ns, self.live.since_ns):
            view = self._view(slot, window, due_ns=event.due_ns, now_ns=event.at_ns)
            return [KeepOnTape(slot.id, view.now_ns, self._encoder.encode(view))]
        slot.presence.became_due()
        if slot.pending_evaluation is not None:
            self._drop(slot, "live code had not answered by the next round")
        if event.at_ns >= self._due_ns:
            slot.presence.was_missed(stall_cause(event.at_ns - event.due_ns))
            return NOTHING
        if slot.is_paused:
            slot.presence.was_missed(releases.PAUSED)
            return NOTHING
        return [self._ask(slot, window, due_ns=event.due_ns, now_ns=event.at_ns, is_due=True)]

    def _ask(self, slot: SlotState, window: Window, *, due_ns: int, now_ns: int, is_due: bool) -> Evaluate:
        self.evaluations += 1
        view = self._view(slot, window, due_ns=due_ns, now_ns=now_ns)
        blind = tuple(self.markets.topics_blind(slot, window, now_ns))
        ages, silent = self.markets.ages(slot.asset, now_ns), self._judging.silent_topics(slot, now_ns)
        self._asked[self.evaluations] = Asked(slot, window, view, is_due, blind, ages, silent)
        slot.pending_evaluation = self.evaluations
        slot.look(window, self.markets.prices[slot.asset])
        slot.note = f"blind: {', '.join(blind)}" if blind else ""
        return Evaluate(self.evaluations, slot.id, due_ns, view, self._encoder.encode(view))

    def _view(self, slot: SlotState, window: Window, *, due_ns: int, now_ns: int) -> View:
        position = self.desk.positions().get(window.market.market_id)
        return self._views.build(slot, window, position, due_ns=due_ns, now_ns=now_ns)

    def _drop(self, slot: SlotState, cause: str) -> None:
        assert slot.pending_evaluation is not None
        asked = self._asked.pop(slot.pending_evaluation)
        slot.pending_evaluation = None
        if asked.is_due:
            slot.presence.was_missed(cause)

    def _answered(self, event: Decided | Raised) -> Asked | None:
        asked = self._asked.pop(event.evaluation_id, None)
        if asked is not None and asked.slot.pending_evaluation == event.evaluation_id:
            asked.slot.pending_evaluation = None
        return asked

    def _on_decided(self, event: Decided) -> Sequence[Effect]:
        asked = self._answered(event)
        if asked is None:
            return NOTHING
        problem = problem_of(event)
        if problem is not None:
            return self._failed(asked, event, "answer", problem)
        lateness_ns = event.at_ns - asked.view.due_ns
        if asked.is_due and lateness_ns >= self.settings.period_ns:
            asked.slot.presence.was_missed("answered after the next round")
            return NOTHING
        if asked.is_due:
            late = lateness_ns > self.settings.late_after_ns
            asked.slot.presence.ended("blind" if asked.blind else "late" if late else "done", lateness_ns)
        asked.slot.fair, asked.slot.signals, asked.slot.failures = event.fair, event.signals, 0
        asked.slot.release, asked.slot.revision = event.release, event.revision
        effects = self._judging.judge(self.seq, asked, event) if event.proposal is not None else NOTHING
        self.digest.add(
            event.evaluation_id, asked.slot.id, asked.view.due_ns, event.release, event.revision, event.fair
        )
        return effects

    def _on_raised(self, event: Raised) -> Sequence[Effect]:
        asked = self._answered(event)
        return NOTHING if asked is None else self._failed(asked, event, event.kind, event.text)

    def _failed(self, asked: Asked, event: Decided | Raised, kind: str, text: str) -> Sequence[Effect]:
        """Live code failed: the evaluation has no answer, the slot keeps its state, everything else goes on."""
        slot = asked.slot
        slot.failures += asked.is_due
        slot.fair, slot.signals, slot.note = None, {}, f"live code {kind}"
        if asked.is_due:
            slot.presence.was_missed(f"live code {kind}")
        self.digest.add(event.evaluation_id, slot.id, asked.view.due_ns, event.release, event.revision, kind)
        entry = Failed(event.evaluation_id, slot.id, asked.view.due_ns, event.release, event.revision, kind, text)
        last_line = text.strip().splitlines()[-1] if text.strip() else kind
        notice = Notify(event.at_ns, "error", f"{slot.id} {event.release} {kind}: {last_line}; the other slots go on")
        return [Journal(self.seq, event.at_ns, entry), notice, *releases.pause(slot, event.at_ns)]

    # Orders

    def _on_filled(self, event: OrderFilled) -> Sequence[Effect]:
        return self.desk.filled(self.seq, event)

    def _on_closed(self, event: OrderClosed) -> Sequence[Effect]:
        return self.desk.ended(self.seq, event, self.markets.slots)

    # The operator's side

    def _on_release(self, event: ReleaseEvent) -> Sequence[Effect]:
        return self.live.take(self.seq, event, self.markets.slots.values())

    def _on_shadowing(self, event: Shadowing) -> Sequence[Effect]:
        self.shadow = ShadowBook(self.settings, event.release, event.at_ns)
        return self._on_release(event)

    def _on_shadowed(self, event: Shadowed) -> Sequence[Effect]:
        if self.shadow is not None and self.shadow.release == event.release:
            window = self.markets.slots[event.slot].window
            is_open = window is not None and window.market.market_id == event.market_id
            self.shadow.take(event, window if is_open else None)
        return NOTHING

    def _on_topics(self, event: TopicsDeclared) -> Sequence[Effect]:
        self.markets.declare(event)
        names = ", ".join(self.markets.topics) or "none"
        return [Notify(event.at_ns, "info", f"further topics: {names}")]

    def _on_trade(self, trade: Trade) -> None:
        if self.shadow is not None:
            self.shadow.live_closed(trade)

    def _on_command(self, event: Command) -> Sequence[Effect]:
        return conditions.commanded(self.desk.account, self.seq, event)

    def _on_journal(self, event: JournalChecked) -> Sequence[Effect]:
        return conditions.journal_checked(self.desk.account, event)

    def _on_clock(self, event: ClockChecked) -> Sequence[Effect]:
        return conditions.clock_checked(self.desk.account, self.settings.risk.clock_drift_max_ms, event)

    def _forget(self, now_ns: int) -> None:
        wanted = {MarketId(position.market_id) for position in self.desk.books.positions.values()}
        for market_id in self.markets.forget_old(now_ns, wanted):
            self.desk.gates.forget(market_id)


def _first_due(at_ns: int, period_ns: int) -> int:
    """The first instant of the grid that is not before `at_ns`."""
    return -(-at_ns // period_ns) * period_ns
