"""Risk: the resident rules that stand between a proposal and an order. Live code cannot change them.

Each rule looks at the measured context and answers with a refusal or nothing; all of them are asked every time, so
that the record shows every reason. Only this module builds `Approved`.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from foresight.effects import Approved, Order, Refusal
from foresight.engine.settings import RiskLimits
from foresight.ledger import Trade
from foresight.markets import MINUTE_NS, SECOND_NS
from foresight.money import MICROS, text_of

DAY_NS = 24 * 60 * MINUTE_NS
Sender = tuple[str, int]
"""A release and the revision of its parameters."""


class Exposure(msgspec.Struct, frozen=True):
    """Cost of open positions plus what orders in flight may spend, in micros of a dollar."""

    slot: int = 0
    asset: int = 0
    timeframe: int = 0
    total: int = 0


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules measure. `fee_max_micros` is the most that the stake's fee can be; `price_micros` is the best
    price on the side that would be taken, 0 when there is none; `underlying_age_ns` is None for an asset whose
    underlying no source tells, `reference_age_ns` where no oracle does. `silent_topics` are the further topics that the
    release has declared and that are older than an underlying may be."""

    is_entry: bool
    stake_micros: int
    fee_max_micros: int
    limit_micros: int
    tick_micros: int
    notional_min_micros: int
    cash_micros: int
    price_micros: int
    has_order_in_flight: bool
    holds_this_side: bool
    window_left_ns: int
    book_age_ns: int
    underlying_age_ns: int | None
    reference_age_ns: int | None
    exposure: Exposure
    day_pnl_micros: int
    loss_streak: int
    orders_last_minute: int
    drift_ms: float
    is_halted: bool
    has_journal: bool
    silent_topics: tuple[str, ...] = ()


class Account:
    """The counters that risk keeps over time. The loss streak ends with a win, a new day (UTC) or `resume`."""

    def __init__(self) -> None:
        self.day = 0
        self.day_pnl_micros = 0
        self.loss_streak = 0
        self.is_halted = False
        self.has_journal = True
        self.drift_ms = 0.0
        self._orders: deque[tuple[int, Sender]] = deque(maxlen=10_000)

    def turn_to(self, now_ns: int) -> None:
        """Starts a new day's counters when a later day has come; what arrived before midnight may be taken after."""
        day = now_ns // DAY_NS
        if day > self.day:
            self.day, self.day_pnl_micros, self.loss_streak = day, 0, 0

    def took(self, realised_micros: int) -> None:
        self.day_pnl_micros += realised_micros

    def closed(self, trade: Trade) -> None:
        self.loss_streak = 0 if trade.pnl_micros > 0 else self.loss_streak + 1

    def sent(self, now_ns: int, sender: Sender) -> None:
        self._orders.append((now_ns, sender))

    def orders_last_minute(self, now_ns: int) -> int:
        """Of all releases: the limit is the bot's."""
        while self._orders and self._orders[0][0] <= now_ns - MINUTE_NS:
            self._orders.popleft()
        return len(self._orders)

    def orders_last_minute_of(self, sender: Sender, now_ns: int) -> int:
        """Of one release with its parameters: what another one sent is not its fault."""
        return sum(by == sender and at_ns > now_ns - MINUTE_NS for at_ns, by in self._orders)


Rule = Callable[[Context, RiskLimits], str | None]


def _halt(context: Context, limits: RiskLimits) -> str | None:
    return "entries are halted by the operator until `resume`" if context.is_entry and context.is_halted else None


def _journal(context: Context, limits: RiskLimits) -> str | None:
    return "the journal cannot be written" if context.is_entry and not context.has_journal else None


def _order_in_flight(context: Context, limits: RiskLimits) -> str | None:
    return "an order of this slot is still in flight" if context.has_order_in_flight else None


def _one_position(context: Context, limits: RiskLimits) -> str | None:
    if context.is_entry and context.holds_this_side:
        return "this slot and side already has a position"
    if not context.is_entry and not context.holds_this_side:
        return "there is no position of this side to sell"
    return None


def _window(context: Context, limits: RiskLimits) -> str | None:
    return None if context.window_left_ns > 0 else "the window is over"


def _no_price(context: Context, limits: RiskLimits) -> str | None:
    return None if context.price_micros > 0 else "nobody offers on the side that the order would take"


def _limit(context: Context, limits: RiskLimits) -> str | None:
    """A limit beyond the last valid price could only be moved to one that is worse for us."""
    if context.is_entry and context.limit_micros < context.tick_micros:
        return f"limit {text_of(context.limit_micros)} is under the lowest price {text_of(context.tick_micros)}"
    highest_micros = MICROS - context.tick_micros
    if not context.is_entry and context.limit_micros > highest_micros:
        return f"limit {text_of(context.limit_micros)} is over the highest price {text_of(highest_micros)}"
    return None


def _stake(context: Context, limits: RiskLimits) -> str | None:
    if not context.is_entry:
        return None
    if context.stake_micros < context.notional_min_micros:
        return f"stake {text_of(context.stake_micros)} is under the venue's {text_of(context.notional_min_micros)}"
    spend_micros = context.stake_micros + context.fee_max_micros
    if spend_micros > context.cash_micros:
        return f"stake and fee of {text_of(spend_micros)} are over the cash of {text_of(context.cash_micros)}"
    return _over("stake", context.stake_micros, limits.stake_max_micros)


def _slot_exposure(context: Context, limits: RiskLimits) -> str | None:
    return _exposure("slot", context, context.exposure.slot, limits.slot_exposure_max_micros)


def _asset_exposure(context: Context, limits: RiskLimits) -> str | None:
    return _exposure("asset", context, context.exposure.asset, limits.asset_exposure_max_micros)


def _timeframe_exposure(context: Context, limits: RiskLimits) -> str | None:
    return _exposure("timeframe", context, context.exposure.timeframe, limits.timeframe_exposure_max_micros)


def _total_exposure(context: Context, limits: RiskLimits) -> str | None:
    return _exposure("total", context, context.exposure.total, limits.total_exposure_max_micros)


def _daily_loss(context: Context, limits: RiskLimits) -> str | None:
    if context.is_entry and -context.day_pnl_micros >= limits.daily_loss_max_micros:
        return f"today's loss {text_of(-context.day_pnl_micros)} has reached {text_of(limits.daily_loss_max_micros)}"
    return None


def _loss_streak(context: Context, limits: RiskLimits) -> str | None:
    if context.is_entry and context.loss_streak >= limits.loss_streak_max:
        return f"{context.loss_streak} losses in a row have reached {limits.loss_streak_max}"
    return None


def _order_rate(context: Context, limits: RiskLimits) -> str | None:
    if context.orders_last_minute >= limits.orders_per_minute_max:
        return f"{context.orders_last_minute} orders in the last minute have reached {limits.orders_per_minute_max}"
    return None


def _stale_feed(context: Context, limits: RiskLimits) -> str | None:
    if context.book_age_ns > limits.book_age_max_ns:
        return f"the book is {_seconds(context.book_age_ns)} old, over {_seconds(limits.book_age_max_ns)}"
    age_ns = context.underlying_age_ns
    if context.is_entry and age_ns is not None and age_ns > limits.underlying_age_max_ns:
        return f"the underlying is {_seconds(age_ns)} old, over {_seconds(limits.underlying_age_max_ns)}"
    if context.is_entry and context.silent_topics:
        return f"{', '.join(context.silent_topics)} silent for over {_seconds(limits.underlying_age_max_ns)}"
    age_ns = context.reference_age_ns
    if context.is_entry and age_ns is not None and age_ns > limits.reference_age_max_ns:
        return f"the oracle's price is {_seconds(age_ns)} old, over {_seconds(limits.reference_age_max_ns)}"
    return None


def _clock_drift(context: Context, limits: RiskLimits) -> str | None:
    if abs(context.drift_ms) > limits.clock_drift_max_ms:
        return f"the clock is off by {context.drift_ms:.0f} ms, over {limits.clock_drift_max_ms:.0f} ms"
    return None


RULES: dict[str, Rule] = {
    "halt": _halt,
    "journal": _journal,
    "order_in_flight": _order_in_flight,
    "one_position": _one_position,
    "window": _window,
    "no_price": _no_price,
    "limit": _limit,
    "stake": _stake,
    "slot_exposure": _slot_exposure,
    "asset_exposure": _asset_exposure,
    "timeframe_exposure": _timeframe_exposure,
    "total_exposure": _total_exposure,
    "daily_loss": _daily_loss,
    "loss_streak": _loss_streak,
    "order_rate": _order_rate,
    "stale_feed": _stale_feed,
    "clock_drift": _clock_drift,
}


def refusals_of(context: Context, limits: RiskLimits) -> tuple[Refusal, ...]:
    """Every rule that says no, by name, in the order of the table."""
    answers = ((name, rule(context, limits)) for name, rule in RULES.items())
    return tuple(Refusal("risk", name, text) for name, text in answers if text is not None)


def approve(order: Order, refusals: tuple[Refusal, ...]) -> Approved[Order]:
    """The only way to an approved order."""
    assert not refusals, "a refused order cannot be approved"
    return Approved(order)


def _exposure(name: str, context: Context, exposed_micros: int, limit_micros: int) -> str | None:
    if not context.is_entry:
        return None
    return _over(f"{name} exposure with this stake", exposed_micros + context.stake_micros, limit_micros)


def _over(name: str, value_micros: int, limit_micros: int) -> str | None:
    if value_micros <= limit_micros:
        return None
    return f"{name} {text_of(value_micros)} is over {text_of(limit_micros)}"


def _seconds(age_ns: int) -> str:
    return "never seen and so" if age_ns > DAY_NS else f"{age_ns / SECOND_NS:.1f} s"
