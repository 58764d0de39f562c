"""Quantiles of the beta and Student's t distribution, from the regularised incomplete beta function alone.

The continued fraction is Abramowitz and Stegun 26.5.8, evaluated by Lentz's method (Numerical Recipes, section 6.4).
Quantiles are found by bisection: slow, certain, and exact to about 1e-12, which is all that a report needs.
"""

import math

TERMS_MAX = 500
"""The fraction needs about the square root of the larger parameter in terms; samples here stay under 100,000."""
PRECISION = 1e-14
TINY = 1e-300
BISECTIONS = 100


def beta_cdf(value: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_value(a, b), for positive `a` and `b`."""
    if value <= 0:
        return 0.0
    if value >= 1:
        return 1.0
    scale = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(value) + b * math.log1p(-value)
    )
    if value < (a + 1) / (a + b + 2):
        return scale * _fraction(value, a, b) / a
    return 1 - scale * _fraction(1 - value, b, a) / b


def beta_quantile(share: float, a: float, b: float) -> float:
    """The value below which `share` of a beta distribution lies."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_cdf(middle, a, b) < share else (low, middle)
    return (low + high) / 2


def student_quantile(share: float, degrees: float) -> float:
    """The value below which `share` (at least one half) of Student's t lies. With t² / (n + t²) beta(1/2, n/2)
    distributed (Abramowitz and Stegun 26.7.1), it is a quantile of the beta distribution."""
    assert share >= 0.5, "the lower half is the mirror image of the upper one"
    ratio = beta_quantile(2 * share - 1, 0.5, degrees / 2)
    return math.sqrt(degrees * ratio / (1 - ratio)) if ratio < 1 else math.inf


def _fraction(value: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function."""
    c, d = 1.0, 1 / _off_zero(1 - (a + b) * value / (a + 1))
    result = d
    for step in range(1, TERMS_MAX):
        even = step * (b - step) * value / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * value / ((a + 2 * step) * (a + 2 * step + 1))
        for term in (even, odd):
            d = 1 / _off_zero(1 + term * d)
            c = _off_zero(1 + term / c)
            change = c * d
            result *= change
        if abs(change - 1) < PRECISION:
            break
    return result


def _off_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
