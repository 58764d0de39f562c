"""What the engine is told once, at its start. Plain data; the bot's `bot.toml` is one way to get it."""

import msgspec

from foresight.markets import SECOND_NS, Origin
from foresight.money import MICROS

WAY_NS = 2 * SECOND_NS
"""Changes arrive within a fraction of a second, and no order is sent on clocks half a second apart
(`clock_drift_max_ms`); what is later than this was held up on its way."""


def way_ns_at(speed: float | None) -> int:
    """`WAY_NS` is real time: in a venue's time that runs faster it is longer."""
    return round(WAY_NS * max(speed or 1.0, 1.0))


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Hard limits; dollars in micros. A proposal that would pass one is refused by its name."""

    stake_max_micros: int = 5 * MICROS
    slot_exposure_max_micros: int = 10 * MICROS
    asset_exposure_max_micros: int = 20 * MICROS
    timeframe_exposure_max_micros: int = 60 * MICROS
    total_exposure_max_micros: int = 80 * MICROS
    daily_loss_max_micros: int = 50 * MICROS
    loss_streak_max: int = 8
    orders_per_minute_max: int = 30
    book_age_max_ns: int = 10 * SECOND_NS
    underlying_age_max_ns: int = 10 * SECOND_NS
    reference_age_max_ns: int = 120 * SECOND_NS
    clock_drift_max_ms: float = 500.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`unknown_passes` says per gate whether an `unknown` verdict lets a proposal through; a gate that is not named
    follows `unknown_passes_by_default`. `settle_by` picks whose word settles a window: the venue's resolution, or the
    oracle's 60-second averages compared by the engine. `way_ns` is how long what a venue says may be under way: later
    than that it is as old as its stamp (`way_ns_at`)."""

    slots: tuple[tuple[str, str], ...]
    origin: Origin
    period_ns: int = 5 * SECOND_NS
    late_after_ns: int = SECOND_NS // 2
    event_window_ns: int = 60 * SECOND_NS
    event_gap_ns: int = SECOND_NS
    book_stale_ns: int = 15 * SECOND_NS
    underlying_stale_ns: int = 15 * SECOND_NS
    reference_stale_ns: int = 120 * SECOND_NS
    way_ns: int = WAY_NS
    risk: RiskLimits = RiskLimits()
    unknown_passes: dict[str, bool] = {}
    unknown_passes_by_default: bool = False
    settle_by: str = "venue"
    deposit_micros: int = 1_000 * MICROS
