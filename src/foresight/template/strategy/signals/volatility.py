"""The volatility regime: the last minute's realised volatility against that of the last half hour.

Volatility clusters (Mandelbrot, Journal of Business 36(4), 1963): after a wild minute another is likely, and a
favourite is worth less than its price says until the market has caught up.
"""

from foresight.strategy import View


def ratio(view: View) -> float | None:
    """1 minute over 30 minutes; None where either is not known or the underlying did not move."""
    if view.prices is None:
        return None
    short, long = view.prices.volatility_over(60), view.prices.volatility_over(1800)
    return None if short is None or not long else short / long
