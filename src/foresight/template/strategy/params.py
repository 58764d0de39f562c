"""What can be tuned, with ranges, and what one slot remembers from evaluation to evaluation.

There are few parameters on purpose: each was measured on recorded markets (docs/results.md), and the more of them are
fitted, the less the past says about the future.
"""

from typing import Annotated, Literal

import msgspec

from foresight.strategy import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=-5, le=5)]


class Momentum(msgspec.Struct, frozen=True):
    """Weights of the horizons (seconds) that make up the momentum score; they need not add up to one."""

    s30: Weight = 0.4
    s60: Weight = 0.3
    s120: Weight = 0.2
    s300: Weight = 0.1


class Params(msgspec.Struct, frozen=True):
    """Prices are probabilities, times are seconds."""

    aggression: Annotated[float, Meta(ge=0, le=2)] = 1.0
    """Scales the stake: 0 trades nothing, 1 the plain stake, 2 twice that; never above `stake_usd_max`."""

    sizing: Literal["fixed", "kelly"] = "fixed"
    stake_usd: Annotated[float, Meta(ge=1, le=100)] = 5.0
    stake_usd_max: Annotated[float, Meta(ge=1, le=100)] = 5.0
    kelly_fraction: Share = 0.25
    bankroll_usd: Annotated[float, Meta(ge=1, le=1_000_000)] = 500.0
    """With `kelly` the stake is this fraction of Kelly's share of this bankroll; `stake_usd_max` caps both."""

    seconds_left_min: Annotated[float, Meta(ge=0, le=900)] = 10.0
    seconds_left_max: Annotated[float, Meta(ge=0, le=900)] = 480.0
    """Favourites are slightly too cheap for about the last eight minutes; earlier the bias is gone."""

    price_min: Share = 0.90
    price_max: Share = 0.97
    late_price_min: Share = 0.93
    late_price_max: Share = 0.98
    """The band of the last minute: a cheaper favourite is then within the noise between feed and oracle."""

    held_above: Share = 0.88
    """The ask must have stayed above this for a while (confirmation.py): the first touch of the band selects spikes."""

    fair_min: Share = 0.70
    """The underlying must not speak against the favourite (overreaction.py). A veto: it adds no measured edge."""

    edge_min: Annotated[float, Meta(ge=-0.2, le=0.5)] = -0.005
    spread_max: Share = 0.04
    """These two keep out what is plainly overpriced or thin; on the recordings they changed nothing measurable."""

    volatility_ratio_max: Annotated[float, Meta(ge=1, le=50)] = 6.0
    book_age_max_s: Annotated[float, Meta(ge=0, le=60)] = 10.0

    market_slope: Annotated[float, Meta(ge=0.5, le=2)] = 1.10
    """How much further from one half the truth lies than the market's price, on the log-odds scale (fair.py)."""

    overreaction_weight: Annotated[float, Meta(ge=0, le=1)] = 0.05
    momentum_weight: Weight = 0.0
    pattern_weight: Weight = 0.0
    """Momentum and patterns are shown as signals; on the recordings they added nothing to the price, hence zero."""

    momentum: Momentum = Momentum()

    exit_fair_below: Share = 0.0
    """Sell when the fair probability of the held side falls below this; 0 holds to settlement, which did best."""


class State(msgspec.Struct, frozen=True):
    """`market` is the window that the rest belongs to; `regime` the smoothed volatility ratio of the slot."""

    market: str = ""
    looks: int = 0
    regime: float | None = None
