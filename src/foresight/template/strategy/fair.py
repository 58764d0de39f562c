"""The fair probability of UP: the market's own price, stretched a little, and moved a little towards our own signals.

On 4,370 recorded windows of another venue and 80 of this one the outcome's log-odds were about 1.10 times those of the
price: favourites are slightly too cheap (the favourite-longshot bias; Snowberg and Wolfers, Journal of Political
Economy 118(4), 2010, discuss why it lasts). A diffusion of the underlying added nothing to the price in the same data,
so its weight is small; without a price of the market it stands alone.
"""

import math

from foresight.strategy import View

from .params import Params


def fair_up(view: View, signals: dict[str, float | None], params: Params) -> float | None:
    mid = view.up.mid
    diffusion = signals["diffusion_up"]
    if mid is None or not 0 < mid < 1:
        return diffusion
    odds = params.market_slope * _log_odds(mid)
    if diffusion is not None:
        odds += params.overreaction_weight * (_log_odds(diffusion) - _log_odds(mid))
    odds += params.momentum_weight * (signals["momentum"] or 0.0)
    odds += params.pattern_weight * (signals["pattern"] or 0.0)
    return 1 / (1 + math.exp(-odds))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 0.001), 0.999)
    return math.log(inside / (1 - inside))
