"""Builders and fakes: small honest nouns, a live code that follows a script, and a harness that drives an engine.

Prices and shares are given as people say them (`a_quote(bid=0.52)`); None means that the source does not tell, 0 that
the side is empty. Time is virtual: nothing here reads a clock.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from foresight.effects import Effect, Evaluate, Journal, Notify, Order, Schedule, SendOrder
from foresight.engine import Engine, Settings
from foresight.events import (
    NOT_TOLD,
    Decided,
    Depth,
    Event,
    Fill,
    Listed,
    OrderClosed,
    OrderFilled,
    Printed,
    Quote,
    Raised,
    Reference,
    ReleaseBound,
    Resolved,
    Spot,
    Timer,
)
from foresight.markets import SECOND_NS, TIMEFRAME_NS, Market, MarketId, OrderId, Outcome, SlotId, Token
from foresight.money import cost_of, fee_of, micros
from foresight.strategy import Enter, Exit, Verdict

NOON_NS = 1_767_614_400 * SECOND_NS
"""2026-01-05 12:00:00 UTC, a boundary of every timeframe."""
ROUND_NS = 5 * SECOND_NS

Entry = TypeVar("Entry")


def seconds(count: float) -> int:
    return round(count * SECOND_NS)


# Nouns


def a_market(asset: str = "BTC", timeframe: str = "5m", start_ns: int = NOON_NS, **changes: Any) -> Market:
    name = f"{asset.lower()}-updown-{timeframe}-{start_ns // SECOND_NS}"
    market = Market(
        market_id=MarketId(name),
        asset=asset,
        timeframe=timeframe,
        start_ns=start_ns,
        end_ns=start_ns + TIMEFRAME_NS[timeframe],
        up=Token(f"{name}:UP"),
        down=Token(f"{name}:DOWN"),
        source="test",
    )
    return msgspec.structs.replace(market, **changes)


def windows_of(asset: str, timeframe: str, start_ns: int, until_ns: int, **changes: Any) -> list[Market]:
    """The slot's markets one after the other, without a hole."""
    return [a_market(asset, timeframe, at, **changes) for at in range(start_ns, until_ns, TIMEFRAME_NS[timeframe])]


def a_quote(
    bid: float | None = 0.52,
    ask: float | None = 0.54,
    *,
    at_ns: int = NOON_NS,
    market: Market | None = None,
    outcome: Outcome = "UP",
    bid_size: float | None = None,
    ask_size: float | None = None,
    bid_depth: float | None = None,
    ask_depth: float | None = None,
) -> Quote:
    market = market or a_market()
    values = (_told(value) for value in (bid, ask, bid_size, ask_size, bid_depth, ask_depth))
    return Quote(at_ns, market.token(outcome), *values)


def a_depth(
    bids: Iterable[tuple[float, float]] = ((0.52, 100),),
    asks: Iterable[tuple[float, float]] = ((0.54, 100),),
    *,
    at_ns: int = NOON_NS,
    market: Market | None = None,
    outcome: Outcome = "UP",
) -> Depth:
    market = market or a_market()
    return Depth(at_ns, market.token(outcome), _levels(bids), _levels(asks))


def a_print(
    price: float, size: float = 10, *, at_ns: int = NOON_NS, market: Market | None = None, outcome: Outcome = "UP"
) -> Printed:
    market = market or a_market()
    return Printed(at_ns, market.token(outcome), micros(price), micros(size))


def a_spot(
    price: float = 100.0,
    *,
    at_ns: int = NOON_NS,
    asset: str = "BTC",
    feed: str = "binance",
    stamped_ns: int | None = None,
) -> Spot:
    return Spot(at_ns, asset, feed, price, at_ns if stamped_ns is None else stamped_ns)


def a_twap(price: float, *, stamped_ns: int, at_ns: int | None = None, asset: str = "BTC") -> Reference:
    return Reference(stamped_ns + SECOND_NS if at_ns is None else at_ns, asset, "twap60", price, stamped_ns, "oracle")


def a_resolution(market: Market, outcome: Outcome = "UP", *, at_ns: int | None = None) -> Resolved:
    return Resolved(market.end_ns + SECOND_NS if at_ns is None else at_ns, market.market_id, outcome, "venue")


def an_entry(outcome: Outcome = "UP", *, limit: float = 0.6, stake: float = 5, kind: str = "FAK") -> Enter:
    return Enter(outcome, micros(limit), micros(stake), "FOK" if kind == "FOK" else "FAK", "a test wants it")


def an_exit(outcome: Outcome = "UP", *, limit: float = 0.4) -> Exit:
    return Exit(outcome, micros(limit), "FAK", "a test wants it")


def a_verdict(gate: str = "spread", answer: str = "pass", value: float | None = 0.02) -> Verdict:
    return Verdict(gate, answer, None if answer == "unknown" else value, "<= 0.03", "dollars")  # type: ignore[arg-type]


def _told(value: float | None) -> int:
    return NOT_TOLD if value is None else micros(value)


def _levels(levels: Iterable[tuple[float, float]]) -> tuple[tuple[int, int], ...]:
    return tuple((micros(price), micros(size)) for price, size in levels)


# Live code that follows a script


class Says(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of live code, `after_ns` later."""

    fair: float | None = 0.5
    proposal: Enter | Exit | None = None
    verdicts: tuple[Verdict, ...] = ()
    signals: dict[str, float | None] = {}
    after_ns: int = 0


class Fails(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of live code."""

    kind: str = "raised"
    text: str = 'Traceback (most recent call last):\n  File "strategy/momentum.py", line 12\nZeroDivisionError: oh'
    after_ns: int = 0


class Silent(msgspec.Struct, frozen=True):
    """Live code that never answers."""


Reply = Says | Fails | Silent


class Scripted:
    """Fake live code: answers each `Evaluate` with the next reply of its script (of one slot, where it is named), then
    with `otherwise` for ever. Keeps what it was asked."""

    def __init__(self, *replies: Reply, otherwise: Reply | None = None, release: str = "v1", revision: int = 1) -> None:
        self.asked: list[Evaluate] = []
        self.otherwise: Reply = Says() if otherwise is None else otherwise
        self.release, self.revision = release, revision
        self._replies = list(replies)
        self._of_slot: dict[str, list[Reply]] = {}

    def says_in(self, slot: str, *replies: Reply) -> None:
        self._of_slot.setdefault(slot, []).extend(replies)

    def says_next(self, *replies: Reply) -> None:
        self._replies.extend(replies)

    def answer(self, asked: Evaluate, now_ns: int) -> Decided | Raised | None:
        self.asked.append(asked)
        own = self._of_slot.get(asked.slot)
        script = own or self._replies
        return reply_event(asked, script.pop(0) if script else self.otherwise, now_ns, self.release, self.revision)


def reply_event(asked: Evaluate, reply: Reply, now_ns: int, release: str, revision: int) -> Decided | Raised | None:
    if isinstance(reply, Silent):
        return None
    head = (now_ns + reply.after_ns, asked.evaluation_id, release, revision, 40_000)
    if isinstance(reply, Fails):
        return Raised(*head, reply.kind, reply.text)  # type: ignore[arg-type]
    return Decided(*head, reply.signals, reply.fair, reply.proposal, reply.verdicts)


# A broker that fills everything at its limit

Broker = Callable[[Order, Market, int], list[Event]]


def fills_at_limit(order: Order, market: Market, now_ns: int) -> list[Event]:
    """After the taker delay: all of it, at the limit."""
    at_ns = now_ns + market.taker_delay_ns
    shares = order.amount_micros
    if order.side == "BUY":
        shares = order.amount_micros * 1_000_000 // order.limit_micros
    fill = a_fill_micros(order.limit_micros, shares, market.fee_rate_micros)
    return [OrderFilled(at_ns, order.order_id, (fill,)), OrderClosed(at_ns, order.order_id, "filled")]


def a_fill(price: float = 0.5, shares: float = 10, rate: float = 0.07) -> Fill:
    return a_fill_micros(micros(price), micros(shares), micros(rate))


def a_fill_micros(price: int, shares: int, rate: int = 70_000) -> Fill:
    return Fill(price, shares, fee_of(price, shares, rate))


# The engine and its driver


def some_settings(slots: Sequence[tuple[str, str]] = (("BTC", "5m"),), **changes: Any) -> Settings:
    return msgspec.structs.replace(Settings(slots=tuple(slots), origin="simulated"), **changes)


def an_engine(
    slots: Sequence[tuple[str, str]] = (("BTC", "5m"),), *, start_ns: int = NOON_NS, **settings: Any
) -> Engine:
    return Engine(some_settings(slots, **settings), start_ns)


class Harness:
    """Drives an engine in virtual time, as a session does: market data given by the test, timers as scheduled, answers
    of scripted live code, executions of a fake broker. Keeps every input and every effect."""

    def __init__(
        self,
        engine: Engine | None = None,
        live: Scripted | None = None,
        *,
        broker: Broker | None = None,
        history_ns: int | None = None,
    ) -> None:
        self.engine = engine or an_engine()
        self.live = live or Scripted()
        self.history_ns = self.engine.start_ns if history_ns is None else history_ns
        self.now_ns = self.history_ns
        self.due_ns: int | None = None
        self.inputs: list[Event] = []
        self.effects: list[Effect] = []
        self.orders: list[Order] = []
        self.after_each: Callable[[], None] = _nothing
        self._markets: dict[MarketId, Market] = {}
        self._broker = broker
        self._later: list[tuple[int, int, Event]] = []
        self._count = 0
        self.effects += self.engine.start(self.history_ns)
        self.give(ReleaseBound(self.now_ns, self.live.release, "d" * 32, self.live.revision))

    def give(self, event: Event) -> list[Effect]:
        """Handles one event now, carries its effects out, and returns them."""
        self.now_ns = max(self.now_ns, event.at_ns)
        self.inputs.append(event)
        effects = list(self.engine.handle(event))
        self.effects += effects
        self.after_each()
        if isinstance(event, Listed):
            self._markets[event.market.market_id] = event.market
        self._carry_out(effects)
        return effects

    def run_to(self, until_ns: int, *events: Event) -> None:
        """Moves time on to `until_ns` inclusive: the events, answers, executions and timers, each at its instant."""
        for event in events:
            self._push(event)
        while (at_ns := self._next_ns()) is not None and at_ns <= until_ns:
            self.now_ns = max(self.now_ns, at_ns)
            if self._later and self._later[0][0] <= at_ns:
                self.give(heapq.heappop(self._later)[2])
            else:
                due_ns, self.due_ns = at_ns, None
                self.give(Timer(self.now_ns, due_ns))
        self.now_ns = max(self.now_ns, until_ns)

    def run_for(self, count_s: float, *events: Event) -> None:
        self.run_to(self.now_ns + seconds(count_s), *events)

    def stall_to(self, until_ns: int) -> None:
        """The loop is held up: time passes and nothing is handled; then what was due is handled at `until_ns`."""
        self.now_ns = until_ns
        self.run_to(until_ns)

    def lists(self, *markets: Market, at_ns: int | None = None) -> None:
        for market in markets:
            self.give(Listed(self.now_ns if at_ns is None else at_ns, market))

    def quote(self, market: Market, bid: float = 0.52, ask: float = 0.54) -> None:
        """Both outcomes' tops now; DOWN is the mirror image."""
        self.give(a_quote(bid, ask, at_ns=self.now_ns, market=market))
        self.give(a_quote(1 - ask, 1 - bid, at_ns=self.now_ns, market=market, outcome="DOWN"))

    def fill(self, *fills: Fill, order_id: OrderId | None = None) -> list[Effect]:
        """Executions of the newest order, now."""
        return self.give(OrderFilled(self.now_ns, order_id or self.orders[-1].order_id, fills))

    def close(self, ending: str = "filled", *, order_id: OrderId | None = None) -> list[Effect]:
        """The end of the newest order, now."""
        return self.give(OrderClosed(self.now_ns, order_id or self.orders[-1].order_id, ending, ""))  # type: ignore[arg-type]

    # What was seen

    def entries(self, kind: type[Entry]) -> list[Entry]:
        """The journal's entries of one kind."""
        entries = (effect.entry for effect in self.effects if isinstance(effect, Journal))
        return [entry for entry in entries if isinstance(entry, kind)]

    def notices(self) -> list[str]:
        return [effect.text for effect in self.effects if isinstance(effect, Notify)]

    def rounds(self, slot: str) -> list[int]:
        """The instants at which live code was asked about a slot."""
        return [asked.due_ns for asked in self.live.asked if asked.slot == slot]

    def presence(self, slot: str = "btc-5m") -> Any:
        return self.engine.markets.slots[SlotId(slot)].presence.counts()

    # Inside

    def _next_ns(self) -> int | None:
        times = [self._later[0][0]] if self._later else []
        return min(times if self.due_ns is None else [*times, self.due_ns], default=None)

    def _push(self, event: Event) -> None:
        self._count += 1
        heapq.heappush(self._later, (event.at_ns, self._count, event))

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Schedule):
                self.due_ns = effect.due_ns
            elif isinstance(effect, SendOrder):
                self._send(effect.order.item)
            elif isinstance(effect, Evaluate):
                self._evaluate(effect)

    def _send(self, order: Order) -> None:
        self.orders.append(order)
        if self._broker is not None:
            for event in self._broker(order, self._markets[order.market_id], self.now_ns):
                self._push(event)

    def _evaluate(self, asked: Evaluate) -> None:
        answer = self.live.answer(asked, self.now_ns)
        if answer is None:
            return
        if answer.at_ns > self.now_ns:
            self._push(answer)
        else:
            self.give(answer)


def _nothing() -> None:
    """Called after each input, where a test sets nothing else."""


def a_running_harness(*replies: Reply, broker: Broker | None = None, **settings: Any) -> tuple[Harness, Market]:
    """One BTC 5m window from noon on, listed and quoted 0.52 to 0.54, one instant before its first round."""
    harness = Harness(an_engine(**settings), Scripted(*replies), broker=broker)
    market = a_market()
    harness.lists(market)
    harness.quote(market)
    return harness, market


def a_held_position(outcome: Outcome = "UP", **settings: Any) -> tuple[Harness, Market]:
    """As `a_running_harness`, five seconds on, with 10 shares bought at 0.50 for a fee of 0.175."""
    harness, market = a_running_harness(Says(proposal=an_entry(outcome)), **settings)
    harness.run_to(NOON_NS)
    harness.fill(a_fill(0.5, 10))
    harness.close()
    return harness, market


def replayed(harness: Harness) -> tuple[Engine, list[Effect]]:
    """A fresh engine after the harness's recorded inputs, and its effects."""
    engine = Engine(harness.engine.settings, harness.engine.start_ns)
    effects = list(engine.start(harness.history_ns))
    for event in harness.inputs:
        effects += engine.handle(event)
    return engine, effects


def cost_micros(fill: Fill) -> int:
    """What a bought fill takes out of the cash, fee included."""
    return cost_of(fill.price_micros, fill.shares_micros) + fill.fee_micros
