"""All that can arrive at the engine. Each event carries `at_ns`: the venue time at which market data arrived, and at
which anything else was taken. When the loop was held up, data that waited keeps the time of its arrival. `stamped_ns`
is the venue's own time of it.

Market data and timers go to the record, everything else to the journal. Prices of outcomes and sizes are integer
micros; prices of underlyings are floats, because they are measurements and not money.
"""

from typing import Literal

import msgspec

from foresight.markets import Market, MarketId, OrderId, Outcome, SlotId, Token
from foresight.strategy import Enter, Exit, Verdict

ABSENT = 0
"""A price of zero: that side of the book is empty."""
NOT_TOLD = -1
"""A price or size that the source does not tell: what was known stays known, an unknown size stays unknown."""
NO_STAMP = 0
"""A `stamped_ns` of zero: the venue gave no time of its own."""


class Listed(msgspec.Struct, frozen=True, tag=True):
    """The venue lists a market; it may lie in the future."""

    at_ns: int
    market: Market


class Quote(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The top of one outcome's book. `*_depth` is the sum of the best five levels."""

    at_ns: int
    token: Token
    bid_micros: int
    ask_micros: int
    bid_size_micros: int = NOT_TOLD
    ask_size_micros: int = NOT_TOLD
    bid_depth_micros: int = NOT_TOLD
    ask_depth_micros: int = NOT_TOLD


class Depth(msgspec.Struct, frozen=True, tag=True):
    """One outcome's whole book: (price, size) in micros, best first."""

    at_ns: int
    token: Token
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    stamped_ns: int = NO_STAMP


class Levels(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Some levels of one outcome's book are new: (price, size now) in micros, a size of 0 takes the level away. It
    means something only after a `Depth` of the same book. `best_*` is the top that the venue names with it: a book that
    keeps another one has diverged."""

    at_ns: int
    token: Token
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    best_bid_micros: int = NOT_TOLD
    best_ask_micros: int = NOT_TOLD
    stamped_ns: int = NO_STAMP


class TickChanged(msgspec.Struct, frozen=True, tag=True):
    """Prices of this outcome's market are multiples of another tick from now on; its book means nothing until the next
    `Depth`."""

    at_ns: int
    token: Token
    tick_micros: int
    stamped_ns: int = NO_STAMP


class Printed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A trade of others at the venue."""

    at_ns: int
    token: Token
    price_micros: int
    size_micros: int
    stamped_ns: int = NO_STAMP


class Spot(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A price of an underlying. `stamped_ns` is the feed's own time of it."""

    at_ns: int
    asset: str
    feed: str
    price: float
    stamped_ns: int


class Reference(msgspec.Struct, frozen=True, tag=True):
    """An observation of the price that settles: `twap60` is the oracle's 60-second average with its own timestamp,
    `price_to_beat` the official open of the window that starts at `stamped_ns`, from whoever `source` names."""

    at_ns: int
    asset: str
    kind: Literal["twap60", "price_to_beat"]
    price: float
    stamped_ns: int
    source: str
    timeframe: str | None = None


class Resolved(msgspec.Struct, frozen=True, tag=True):
    """The venue declares a winner; `source` is the provenance that the books keep."""

    at_ns: int
    market_id: MarketId
    outcome: Outcome
    source: str
    stamped_ns: int = NO_STAMP


class Timer(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The instant `due_ns` has come. `at_ns` may be later, when the loop was held up."""

    at_ns: int
    due_ns: int


class TopicsDeclared(msgspec.Struct, frozen=True, tag=True):
    """The further topics that releases need from now on, all of them: (name, series). The series is the asset whose
    underlying the topic is, where a slot has it, and else the name itself, which prices of it then carry as their
    asset. Prices of a topic that is not declared are not kept, and what is not declared any more is forgotten."""

    at_ns: int
    topics: tuple[tuple[str, str], ...]


class ReleaseBound(msgspec.Struct, frozen=True, tag=True):
    """From now on this release, with this revision of its parameters, answers the evaluations of `slots`; of every
    slot when they are empty. `replaced` names what it replaced, `note` says what its rehearsal found, `needs` are
    the further topics that it has declared."""

    at_ns: int
    release: str
    digest: str
    revision: int
    params: dict[str, object] = {}
    slots: tuple[SlotId, ...] = ()
    origin: str = ""
    author: str = ""
    replaced: str = ""
    note: str = ""
    needs: tuple[str, ...] = ()


class ReleaseKept(msgspec.Struct, frozen=True, tag=True):
    """A release has proved itself, or a person says so; nothing stands by for it any more."""

    at_ns: int
    release: str
    revision: int
    by: str


class ReleaseBack(msgspec.Struct, frozen=True, tag=True):
    """A release was taken back; `to` answers from now on, from the very evaluation that failed. `line` says why, `text`
    is all that is known (a traceback), and `needs` are the further topics that `to` has declared."""

    at_ns: int
    release: str
    revision: int
    to: str
    to_digest: str
    to_revision: int
    line: str
    text: str
    needs: tuple[str, ...] = ()


class Shadowing(msgspec.Struct, frozen=True, tag=True):
    """From now on this release answers beside the live one, for information."""

    at_ns: int
    release: str
    text: str


class Shadowed(msgspec.Struct, frozen=True, tag=True):
    """What a shadow answered to the last view of `slot`; it decides nothing."""

    at_ns: int
    slot: SlotId
    market_id: MarketId
    release: str
    proposal: Enter | Exit | None
    verdicts: tuple[Verdict, ...]


class DeployRefused(msgspec.Struct, frozen=True, tag=True):
    """A deploy changed nothing; `text` is the whole sentence."""

    at_ns: int
    release: str
    text: str


class Answer(msgspec.Struct, frozen=True):
    """A strategy's evaluation as it crosses the seam: typed plain data, and the next state still encoded."""

    state: msgspec.Raw
    signals: dict[str, float | None] = {}
    fair: float | None = None
    proposal: Enter | Exit | None = None
    verdicts: tuple[Verdict, ...] = ()


class Decided(msgspec.Struct, frozen=True, tag=True):
    """Live code answered evaluation `evaluation_id`."""

    at_ns: int
    evaluation_id: int
    release: str
    revision: int
    took_ns: int
    signals: dict[str, float | None]
    fair: float | None
    proposal: Enter | Exit | None
    verdicts: tuple[Verdict, ...]


class Raised(msgspec.Struct, frozen=True, tag=True):
    """Live code failed on evaluation `evaluation_id`; `text` is its traceback or a sentence."""

    at_ns: int
    evaluation_id: int
    release: str
    revision: int
    took_ns: int
    kind: Literal["raised", "overran", "answer", "lost"]
    text: str


class Fill(msgspec.Struct, frozen=True):
    """One execution at one price. `assumed` names what the source did not tell about it."""

    price_micros: int
    shares_micros: int
    fee_micros: int
    assumed: tuple[str, ...] = ()


class OrderFilled(msgspec.Struct, frozen=True, tag=True):
    """Executions of an order, with the side of the book that was there: (price, size) in micros, best first."""

    at_ns: int
    order_id: OrderId
    fills: tuple[Fill, ...]
    book: tuple[tuple[int, int], ...] = ()


class OrderClosed(msgspec.Struct, frozen=True, tag=True):
    """Nothing more will come of this order."""

    at_ns: int
    order_id: OrderId
    ending: Literal["filled", "killed", "rejected"]
    why: str = ""


class Command(msgspec.Struct, frozen=True, tag=True):
    """What an operator asks: `halt` refuses every new entry until `resume`; the others change live code, `what` they
    say, and what becomes of them is told by release events."""

    at_ns: int
    name: Literal["halt", "resume", "deploy", "rollback", "keep", "params"]
    author: str
    what: str = ""


class JournalChecked(msgspec.Struct, frozen=True, tag=True):
    """Whether the journal can be written."""

    at_ns: int
    is_writable: bool


class ClockChecked(msgspec.Struct, frozen=True, tag=True):
    """How far the machine's clock has moved away from where it should be."""

    at_ns: int
    drift_ms: float


MarketEvent = Listed | Quote | Depth | Levels | TickChanged | Printed | Spot | Reference | Resolved
BrokerEvent = OrderFilled | OrderClosed
ReleaseEvent = ReleaseBound | ReleaseKept | ReleaseBack | Shadowing | DeployRefused
Event = (
    MarketEvent
    | BrokerEvent
    | Timer
    | ReleaseEvent
    | TopicsDeclared
    | Shadowed
    | Decided
    | Raised
    | Command
    | ClockChecked
    | JournalChecked
)
