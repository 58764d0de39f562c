"""What live code may use: the view it is given, and the evaluation it returns.

Everything here is frozen plain data. Prices of outcomes are probabilities between 0 and 1 (a share pays $1);
proposals carry integer micros, because they are money. `None` means unknown, never zero.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from foresight.markets import Outcome, SlotId
from foresight.money import micros

__all__ = [
    "Board",
    "Book",
    "Enter",
    "Evaluation",
    "Exit",
    "Holding",
    "Level",
    "Meta",
    "Outcome",
    "Prices",
    "SlotId",
    "Verdict",
    "View",
    "Watched",
    "gate",
    "micros",
]

Shares = float
"""A number of shares, or None where the source does not tell."""

Level = tuple[float, float]
"""(price, shares) of one level of a book."""


class Book(msgspec.Struct, frozen=True, array_like=True):
    """One outcome's book as last seen. An absent side is None; an unknown size is None.

    `bids` and `asks` are the known levels, best first (at most ten); empty where only the top is known.
    `bid_depth` and `ask_depth` are shares over the best five levels. `age_s` is the time since the last update.
    `mid_fast` and `mid_slow` are exponential averages of the mid over updates (weights 1/8 and 1/64), `mid_deviation`
    is the standard deviation about the slow one, with the same weights (West, Communications of the ACM 22(9), 1979).
    `mid_history` holds the mid, and `ask_history` the ask, every 5 s, oldest first, at most the last two minutes, this
    moment included; an ask that was over 10 s old is None.
    `last_trade` is the price of the last trade of others, `traded` the shares traded since the market was listed.
    """

    bid: float | None
    bid_size: Shares | None
    ask: float | None
    ask_size: Shares | None
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    bid_depth: Shares | None
    ask_depth: Shares | None
    age_s: float | None
    mid_fast: float | None
    mid_slow: float | None
    mid_deviation: float | None
    mid_history: tuple[float, ...]
    ask_history: tuple[float | None, ...]
    last_trade: float | None
    traded: Shares

    @property
    def mid(self) -> float | None:
        """The middle of bid and ask; with one side known, that side."""
        if self.bid is None or self.ask is None:
            return self.ask if self.bid is None else self.bid
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float | None:
        return None if self.bid is None or self.ask is None else self.ask - self.bid


class Prices(msgspec.Struct, frozen=True, array_like=True):
    """The underlying, from one feed.

    `move` is ln(now / open of this window) in this feed's prices, so that a basis between feeds cancels; None where the
    open is not known. For a market that settles on a 60-second average the open is that average. `returns` are
    (seconds, log return) over the last {10, 30, 60, 120, 300, 900} seconds, `volatility` is (seconds, realised
    volatility per square-root second) over {60, 300, 1800} seconds of one-second returns. Each is absent where the feed
    does not reach back far enough (for volatility, over 95 % of its window). `settling_s` seconds of the closing
    average are already known, with mean log move `settling_move` from the open. `closes` are the prices every 5 s,
    oldest first, at most the last five minutes. `open_by` says how the open is known: `feed`, or `basis` where this
    feed did not tell it and the official price to beat was brought over by `basis`, which is ln(oracle / underlying).
    """

    feed: str
    last: float
    age_s: float
    move: float | None
    returns: tuple[tuple[int, float], ...]
    volatility: tuple[tuple[int, float], ...]
    settling_s: int
    settling_move: float | None
    closes: tuple[float, ...]
    open_by: Literal["feed", "basis"] | None = None
    basis: float | None = None

    def return_over(self, seconds: int) -> float | None:
        """The log return over one of the horizons, None where it is not known."""
        return dict(self.returns).get(seconds)

    def volatility_over(self, seconds: int) -> float | None:
        """The realised volatility of one of the windows, None where it is not known."""
        return dict(self.volatility).get(seconds)


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """A position in this slot's open window. `cost` is dollars paid without fees."""

    outcome: Outcome
    shares: float
    cost: float
    opened_s_ago: float
    release: str


class Board(msgspec.Struct, frozen=True, array_like=True):
    """One line of the board: what a strategy may know of every slot, its own included."""

    slot: SlotId
    seconds_left: float
    up_mid: float | None
    move: float | None
    held: Outcome | None


class Watched(msgspec.Struct, frozen=True, array_like=True):
    """A further topic that a release has declared in `NEEDS`, such as `binance:AVAXUSDT`.

    `last` and `age_s` are None before the first price; `returns` and `volatility` are those of `Prices`.
    """

    name: str
    last: float | None
    age_s: float | None
    returns: tuple[tuple[int, float], ...]
    volatility: tuple[tuple[int, float], ...]

    def return_over(self, seconds: int) -> float | None:
        """The log return over one of the horizons, None where it is not known."""
        return dict(self.returns).get(seconds)

    def volatility_over(self, seconds: int) -> float | None:
        """The realised volatility of one of the windows, None where it is not known."""
        return dict(self.volatility).get(seconds)


class View(msgspec.Struct, frozen=True, array_like=True):
    """All that one evaluation sees. Times are venue time.

    `reference` is the official price to beat, where it is known, and `reference_source` says who told it.
    `average_s` is the length of the average that settles this market, 0 when a single price does. `can_enter` is
    False while an order or a position of this slot's window stands. `watched` are the further topics that are followed
    now, for this release or another.
    """

    slot: SlotId
    asset: str
    timeframe: str
    market: str
    origin: str
    source: str
    due_ns: int
    now_ns: int
    window_s: float
    seconds_left: float
    average_s: int
    reference: float | None
    reference_source: str | None
    prices: Prices | None
    up: Book
    down: Book
    tick: float
    min_shares: float
    fee_rate: float
    holding: Holding | None
    can_enter: bool
    board: tuple[Board, ...]
    watched: tuple[Watched, ...] = ()

    def watch(self, name: str) -> Watched | None:
        """A further topic by its name; None in views of before it was followed, which a rehearsal sees."""
        return next((each for each in self.watched if each.name == name), None)

    def book(self, outcome: Outcome) -> Book:
        return self.up if outcome == "UP" else self.down

    def fee(self, price: float) -> float:
        """The taker's fee for one share bought or sold at `price`, in dollars."""
        return self.fee_rate * price * (1 - price)


Price = Annotated[int, Meta(ge=1, le=999_999)]


class Enter(msgspec.Struct, frozen=True, tag="enter"):
    """Buy an outcome. `stake_micros` dollars at most, at `limit_micros` per share or better.

    FAK takes what is there and drops the rest; FOK takes all or nothing.
    """

    outcome: Outcome
    limit_micros: Price
    stake_micros: Annotated[int, Meta(ge=1)]
    kind: Literal["FAK", "FOK"] = "FAK"
    why: Annotated[str, Meta(max_length=400)] = ""


class Exit(msgspec.Struct, frozen=True, tag="exit"):
    """Sell the whole position of this window at `limit_micros` per share or better."""

    outcome: Outcome
    limit_micros: Price
    kind: Literal["FAK", "FOK"] = "FAK"
    why: Annotated[str, Meta(max_length=400)] = ""


class Verdict(msgspec.Struct, frozen=True):
    """One gate's answer: the measured value beside its limit, both in `unit`."""

    gate: Annotated[str, Meta(min_length=1, max_length=64)]
    answer: Literal["pass", "refuse", "unknown"]
    value: float | None
    limit: str
    unit: str = ""


class Evaluation(msgspec.Struct, frozen=True):
    """What a strategy answers: named signals, its fair probability of UP, at most one proposal with the verdict of
    every gate on it, and the state for the next evaluation of this slot."""

    state: Any
    signals: dict[str, float | None] = {}
    fair: float | None = None
    proposal: Enter | Exit | None = None
    verdicts: tuple[Verdict, ...] = ()


def gate(
    name: str, value: float | None, *, low: float | None = None, high: float | None = None, unit: str = ""
) -> Verdict:
    """A verdict from a measured value and its inclusive limits; a value that is not there answers `unknown`."""
    limit = " and ".join(
        text for text in (f">= {low:g}" if low is not None else "", f"<= {high:g}" if high is not None else "") if text
    )
    if value is None:
        return Verdict(name, "unknown", None, limit, unit)
    is_inside = (low is None or value >= low) and (high is None or value <= high)
    return Verdict(name, "pass" if is_inside else "refuse", value, limit, unit)
