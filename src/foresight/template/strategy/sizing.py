"""How much to stake: a fixed sum, or a fraction of Kelly's (Bell System Technical Journal 35, 1956), both capped.

Kelly's share of the bankroll for a share bought at `a` that pays 1 with probability `q` is (q - a) / (1 - a). A
fraction of it costs little growth and much less variance, and forgives a `q` that is too sure. Without an edge, or
without a `q`, it stakes nothing.
"""

from foresight.strategy import micros

from .params import Params

STAKE_USD_MIN = 1.0
"""The venue takes no marketable order under a dollar."""


def stake_micros(ask: float, fair: float | None, params: Params) -> int:
    """The stake; 0 is no bet. `fair` is the probability of the side that is bought."""
    stake = params.stake_usd
    if params.sizing == "kelly":
        share = 0.0 if fair is None else max(0.0, (fair - ask) / (1 - ask))
        stake = params.kelly_fraction * share * params.bankroll_usd
    stake = min(stake * params.aggression, params.stake_usd_max)
    return 0 if stake <= 0 else micros(max(round(stake, 2), STAKE_USD_MIN))
