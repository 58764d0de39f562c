"""A session joins the engine to its surroundings: it feeds inputs in their order and carries effects out.

One `step` takes whatever comes next: a market event, a timer or a broker's answer. Lock-step replay and the paced
program differ only in whether they wait between steps, so both run the very same code. Answers of live code come at
once from a host inside this process, and later from a process of its own; either way they come in as events.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from foresight.broker import Broker
from foresight.effects import Effect, Evaluate, Journal, KeepOnTape, Notify, Rebuild, Schedule, SendOrder, Trip
from foresight.engine import Engine
from foresight.events import Answer, Decided, Event, MarketEvent, Quote, Raised, Timer
from foresight.runtime.clock import Clock, LockstepClock
from foresight.sources import Source
from tesseract import Outcome, Seam

FOREVER_NS = 2**63 - 1


class Sink(Protocol):
    """Where answers, journal entries and notices go. Must not wait."""

    def answered(self, asked: Evaluate, answer: Decided | Raised) -> None: ...
    def journal(self, effect: Journal) -> None: ...
    def notify(self, effect: Notify) -> None: ...


Tap = Callable[[int, Event], None]
"""Is told every input of the engine, with its number, as it was taken. Must not wait."""


class Session:
    """Drives one engine over one source."""

    def __init__(
        self,
        engine: Engine,
        source: Source,
        seam: Seam[Answer],
        broker: Broker,
        *,
        clock: Clock,
        sink: Sink,
        tap: Tap | None = None,
    ) -> None:
        self.engine = engine
        self.events = 0
        self._seam = seam
        self._broker = broker
        self._clock = clock
        self._sink = sink
        self.tap = tap
        self._events: Iterator[MarketEvent] = source.events()
        self._is_live = source.is_live
        self._next: MarketEvent | None = None
        self._due_ns: int | None = None
        self.on_rebuild: Callable[[Rebuild], None] = lambda _lost: None
        self.on_trip: Callable[[str, str], None] = lambda _release, _text: None
        self.on_begin: Callable[[int], None] = lambda _history_ns: None
        """Is told what the engine is told at its start, before it is."""

    def begin(self) -> None:
        """Opens the books and takes the history before the start, rounds included; live code is not asked yet."""
        self._next = next(self._events, None)
        start_ns = self.engine.start_ns
        history_ns = start_ns if self._next is None else min(start_ns, self._next.at_ns)
        self.on_begin(history_ns)
        self._do(self.engine.start(history_ns))
        history = LockstepClock(0)
        clock, self._clock = self._clock, history
        until_ns = min(start_ns - 1, clock.now_ns()) if self._is_live else start_ns - 1
        self.run_lockstep(history, until_ns)
        self._clock = clock

    @property
    def is_live(self) -> bool:
        """Whether more can come when nothing is there now."""
        return self._is_live

    def use_clock(self, clock: Clock) -> None:
        self._clock = clock

    def next_ns(self) -> int | None:
        """When the next step is due; None when nothing will come any more, or, from a live source, when nothing is
        due."""
        if self._next is None and self._is_live:
            self._next = next(self._events, None)
        times = [
            at
            for at in (
                self._next.at_ns if self._next is not None else None,
                self._due_ns if self._next is not None or self._is_live else None,
                self._broker.next_wake_ns,
            )
            if at is not None
        ]
        return min(times, default=None)

    def step(self) -> None:
        """Takes what comes next. At the same instant market data goes first, then the broker, then the timer."""
        at_ns = self.next_ns()
        assert at_ns is not None, "a session that has ended takes no step"
        event = self._next
        if event is not None and event.at_ns <= at_ns:
            self._take_market(event)
            self._next = next(self._events, None)
        elif self._broker.next_wake_ns is not None and self._broker.next_wake_ns <= at_ns:
            for answer in self._broker.wake(at_ns):
                self.take(answer)
        else:
            self._tick(at_ns)

    def run_lockstep(self, clock: LockstepClock, until_ns: int = FOREVER_NS) -> None:
        """Steps as fast as it goes, to the end of the source or until `until_ns`."""
        while (at_ns := self.next_ns()) is not None and at_ns <= until_ns:
            clock.move_to(at_ns)
            if not self._run_of_market(until_ns, clock):
                self.step()

    def run_due(self, now_ns: int, steps_max: int) -> None:
        """Takes what is due by `now_ns`, as far as `steps_max` inputs go."""
        steps = 0
        while steps < steps_max and (at_ns := self.next_ns()) is not None and at_ns <= now_ns:
            taken = self._run_of_market(now_ns, None, steps_max - steps)
            if not taken:
                self.step()
            steps += taken or 1

    def _run_of_market(self, until_ns: int, clock: LockstepClock | None, count_max: int = FOREVER_NS) -> int:
        """Takes market events up to `until_ns`, until one asks for something. The hot loop of a replay, and of a busy
        venue: between two timers, with no order waiting, nothing but market data can come. Returns how many it took;
        none while an order waits. `clock` goes with them."""
        if self._broker.is_waiting:
            return 0
        handle, events, event, count = self.engine.handle, self._events, self._next, 0
        tap, limit_ns = self.tap, min(self._due_ns or FOREVER_NS, until_ns)
        while event is not None and event.at_ns <= limit_ns and count < count_max:
            effects = handle(event)
            count += 1
            if tap is not None:
                tap(self.engine.seq, event)
            now_ns = event.at_ns
            event = next(events, None)
            if effects:
                self._next = event
                if clock is not None:
                    clock.move_to(now_ns)
                self._do(effects)
                break
        self._next = event
        self.events += count
        return count

    def take(self, event: Event) -> None:
        """One input into the engine, and its effects carried out."""
        self._do(self._handled(event))

    def _handled(self, event: Event) -> Sequence[Effect]:
        self.events += 1
        effects = self.engine.handle(event)
        if self.tap is not None:
            self.tap(self.engine.seq, event)
        return effects

    def _take_market(self, event: MarketEvent) -> None:
        effects = self._handled(event)
        if self._broker.is_waiting and type(event) is Quote:
            for answer in self._broker.observe(event):
                self.take(answer)
        self._do(effects)

    def _tick(self, due_ns: int) -> None:
        self._due_ns = None
        self.take(Timer(max(due_ns, self._clock.now_ns()), due_ns))

    def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Evaluate() | KeepOnTape() | Trip():
                    self._to_live_code(effect)
                case SendOrder():
                    self._broker.send(effect.order, self._clock.now_ns())
                case Journal():
                    self._sink.journal(effect)
                case Notify():
                    self._sink.notify(effect)
                case Schedule():
                    self._due_ns = effect.due_ns
                case Rebuild():
                    self.on_rebuild(effect)

    def _to_live_code(self, effect: Evaluate | KeepOnTape | Trip) -> None:
        match effect:
            case Evaluate():
                self._evaluate(effect)
            case KeepOnTape(slot=slot, at_ns=at_ns, encoded=encoded):
                self._seam.keep_on_tape(slot, encoded, at_ns)
            case Trip(release=release, text=text):
                self.on_trip(release, text)

    def _evaluate(self, asked: Evaluate) -> None:
        view = asked.view
        self._seam.submit(asked.slot, view, partial(self._answered, asked), at_ns=view.now_ns, encoded=asked.encoded)

    def _answered(self, asked: Evaluate, outcome: Outcome[Answer]) -> None:
        at_ns = max(asked.view.now_ns, self._clock.now_ns())
        answer = answer_event(asked.evaluation_id, outcome, at_ns)
        self._sink.answered(asked, answer)
        self.take(answer)


def answer_event(evaluation_id: int, outcome: Outcome[Answer], at_ns: int) -> Decided | Raised:
    """Live code's answer as the engine's input."""
    if outcome.value is None:
        assert outcome.fault is not None
        fault = outcome.fault
        return Raised(at_ns, evaluation_id, outcome.release, outcome.revision, outcome.took_ns, fault.kind, fault.text)
    value = outcome.value
    return Decided(
        at_ns,
        evaluation_id,
        outcome.release,
        outcome.revision,
        outcome.took_ns,
        value.signals,
        value.fair,
        value.proposal,
        value.verdicts,
    )
