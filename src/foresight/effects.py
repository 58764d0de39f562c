"""All that the engine wants done. The session carries the effects out, in order; the engine does nothing itself."""

from typing import Generic, Literal, TypeVar

import msgspec

from foresight.events import Fill
from foresight.markets import MarketId, OrderId, Outcome, SlotId, Token
from foresight.strategy import Enter, Exit, Verdict, View

Item = TypeVar("Item")


class Evaluate(msgspec.Struct, frozen=True):
    """Ask live code for one evaluation. It comes back as `Decided` or `Raised` with the same id. `encoded` is the view
    as it crosses to another process and as the tape keeps it (msgpack)."""

    evaluation_id: int
    slot: SlotId
    due_ns: int
    view: View
    encoded: bytes


class KeepOnTape(msgspec.Struct, frozen=True):
    """A view from before the start, encoded: nobody is asked, and rehearsals have it."""

    slot: SlotId
    at_ns: int
    encoded: bytes


class Trip(msgspec.Struct, frozen=True):
    """This release does what it may not: take it back, while it is on probation."""

    release: str
    text: str


class Rebuild(msgspec.Struct, frozen=True):
    """The book of this outcome is lost: fetch a whole one."""

    at_ns: int
    token: Token
    why: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A taker order. A BUY spends `amount_micros` dollars, a SELL gives `amount_micros` shares. `release` and
    `revision` are those that decided on it."""

    order_id: OrderId
    market_id: MarketId
    token: Token
    side: Literal["BUY", "SELL"]
    amount_micros: int
    limit_micros: int
    kind: Literal["FAK", "FOK"]
    release: str
    revision: int


class Approved(msgspec.Struct, Generic[Item], frozen=True):
    """An item that every gate and every risk rule has passed. Only `engine.risk` builds it, and it is the only thing
    that a broker accepts."""

    item: Item


class SendOrder(msgspec.Struct, frozen=True):
    order: Approved[Order]


class Refusal(msgspec.Struct, frozen=True):
    """Who said no, and the measured value beside its limit, as people read it."""

    by: Literal["gate", "risk"]
    name: str
    text: str


class Judged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One proposal and what became of it. `view` stands where an order was sent, for the explanation later."""

    evaluation_id: int
    slot: SlotId
    market_id: MarketId
    due_ns: int
    release: str
    revision: int
    proposal: Enter | Exit
    signals: dict[str, float | None]
    fair: float | None
    verdicts: tuple[Verdict, ...]
    refusals: tuple[Refusal, ...]
    order_id: OrderId | None
    view: View | None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Live code failed on an evaluation; contained and counted."""

    evaluation_id: int
    slot: SlotId
    due_ns: int
    release: str
    revision: int
    kind: str
    text: str


class Deposited(msgspec.Struct, frozen=True, tag=True):
    amount_micros: int


class FillBooked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One execution, as the books take it. `release` and `revision` are those that made the decision behind it.
    `fee_rate_micros` is the market's rate; `assumed` names what the source did not tell of the market, and
    `fill.assumed` what it did not tell of the fill."""

    trade_id: str
    order_id: OrderId
    market_id: MarketId
    slot: SlotId
    outcome: Outcome
    side: Literal["BUY", "SELL"]
    fill: Fill
    book: tuple[tuple[int, int], ...]
    release: str
    revision: int
    source: str
    fee_rate_micros: int
    assumed: tuple[str, ...]


class SettlementBooked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A window's winner, as the books take it: a winning share pays one dollar, a losing one nothing. `release` and
    `revision` are those that entered the trade."""

    trade_id: str
    market_id: MarketId
    winner: Outcome
    source: str
    release: str
    revision: int


class GateScored(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What one gate's refusal saved (negative: cost) per share in one window: the entry it alone refused first,
    held to settlement."""

    gate: str
    market_id: MarketId
    slot: SlotId
    outcome: Outcome
    ask_micros: int
    saved_micros: int


class ReleaseLive(msgspec.Struct, frozen=True, tag=True):
    """From here on this release, with these parameters, answers the evaluations of `slots`, of all when empty. `digest`
    names its stored copy."""

    release: str
    digest: str
    revision: int
    params: dict[str, object]
    slots: tuple[SlotId, ...] = ()
    origin: str = ""
    author: str = ""
    replaced: str = ""


class ReleaseEnded(msgspec.Struct, frozen=True, tag=True):
    """What became of a release: `state` is kept, rolled back, shadow (it answers for information) or refused. `to`
    answers in its place after a rollback, `text` says why."""

    release: str
    revision: int
    state: str
    to: str
    text: str


class Commanded(msgspec.Struct, frozen=True, tag=True):
    """What an operator asked for, and `what` exactly."""

    name: str
    author: str
    what: str = ""


class OrderEnded(msgspec.Struct, frozen=True, tag=True):
    order_id: OrderId
    market_id: MarketId
    ending: str
    why: str


LedgerEntry = Deposited | FillBooked | SettlementBooked
JournalEntry = LedgerEntry | Judged | Failed | OrderEnded | GateScored | ReleaseLive | ReleaseEnded | Commanded


class Journal(msgspec.Struct, frozen=True):
    """Keep this entry. `seq` is the number of the input that led to it."""

    seq: int
    at_ns: int
    entry: JournalEntry


class Notify(msgspec.Struct, frozen=True):
    """Something a person wants to see in the log."""

    at_ns: int
    level: Literal["info", "warning", "error"]
    text: str


class Schedule(msgspec.Struct, frozen=True):
    """Send the next `Timer` at `due_ns`, instead of the one that was asked for before; None asks for none."""

    due_ns: int | None


Effect = Evaluate | KeepOnTape | SendOrder | Trip | Journal | Notify | Schedule | Rebuild
