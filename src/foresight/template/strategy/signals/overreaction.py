"""Overreaction: how far the market's price is from a diffusion of the underlying.

UP wins when the closing value is at or above the opening one. With a log move `m` so far, volatility `s` per
square-root second and an effective time `T`, the fair probability is F(m / sqrt(s²T + b²)). F is Student's t with four
degrees of freedom: on 399 official windows at 1 Hz the normal law was right up to 1.75 deviations and overconfident
beyond. `b` is two basis points, because the feed and the settling oracle differ by a drifting basis.

A market that settles on the average of the last 60 s: before that minute the average's variance is that of a point
40 s before the end (the mean of a walk over its last 60 s carries a third of that minute's variance, 20 s of 60).
Inside it, with `t` s left, the part already known enters the expected move, ((60 - t)·known + t·now)/60, and what is
left has variance s²·t³/(3·60²).
"""

import math

from foresight.strategy import View

BASIS_NOISE = 2e-4
AVERAGE_S = 60.0
FRESH_S = 15.0


def diffusion_up(view: View) -> float | None:
    """The fair probability of UP from the underlying alone; None without a fresh price and a known open."""
    prices = view.prices
    if prices is None or prices.move is None or prices.age_s > FRESH_S or view.seconds_left <= 0:
        return None
    known = [value for window in (300, 1800) if (value := prices.volatility_over(window))]
    if not known:
        return None
    move, effective_s = _remaining(view, prices.move, prices.settling_s, prices.settling_move)
    return student_cdf(move / math.sqrt(max(known) ** 2 * effective_s + BASIS_NOISE**2))


def gap(view: View) -> float | None:
    """The market's mid minus the diffusion's probability: positive when the market runs ahead towards UP."""
    fair, mid = diffusion_up(view), view.up.mid
    return None if fair is None or mid is None else mid - fair


def _remaining(view: View, move: float, settled_s: int, settled_move: float | None) -> tuple[float, float]:
    """(expected closing move, effective seconds of variance still to come)."""
    left = view.seconds_left
    if view.average_s == 0:
        return move, left
    if left > AVERAGE_S:
        return move, left - AVERAGE_S * 2 / 3
    if settled_move is not None and settled_s > 0:
        move = (settled_s * settled_move + (AVERAGE_S - settled_s) * move) / AVERAGE_S
    return move, left**3 / (3 * AVERAGE_S**2)


def student_cdf(value: float) -> float:
    """Student's t with 4 degrees of freedom: 1/2 + (3/8)·sin θ·(1 + cos² θ / 2)·(4/3), θ = atan(value / 2)
    (Abramowitz and Stegun 26.7.4 for an even number of degrees)."""
    theta = math.atan(value / 2)
    return 0.5 + 0.5 * math.sin(theta) * (1 + math.cos(theta) ** 2 / 2)
