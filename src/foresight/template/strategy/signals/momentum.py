"""Momentum of the underlying over several horizons, in standard deviations.

Each horizon's log return is divided by what a random walk of the slot's volatility would make of it, so horizons can be
added. Time-series momentum is documented for months (Moskowitz, Ooi and Pedersen, Journal of Financial Economics
104(2), 2012); over seconds, on the recordings, it added nothing to the market's price, so its weight in the fair
probability is zero and it is shown for judgement.
"""

import math

from foresight.strategy import View

from ..params import Momentum


def score(view: View, weights: Momentum) -> float | None:
    """The weighted mean of the standardised returns that are there, between -4 and 4; positive speaks for UP."""
    prices = view.prices
    if prices is None:
        return None
    volatility = prices.volatility_over(1800) or prices.volatility_over(300)
    if not volatility:
        return None
    total = weight_sum = 0.0
    for seconds, weight in ((30, weights.s30), (60, weights.s60), (120, weights.s120), (300, weights.s300)):
        change = prices.return_over(seconds)
        if change is not None:
            total += weight * change / (volatility * math.sqrt(seconds))
            weight_sum += abs(weight)
    return None if weight_sum == 0 else max(-4.0, min(4.0, total / weight_sum))
