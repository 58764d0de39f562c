"""The live code of the replay benchmark: buys five shares when the fast average of the mid is above the slow one by
more than a band, and sells them when it is as far below. The engine keeps both averages, quote by quote.
"""

import msgspec

from foresight.strategy import Enter, Evaluation, Exit, View, micros

SHARES = 5
HIGHEST, LOWEST = 990_000, 10_000


class Params(msgspec.Struct, frozen=True):
    """`band` is a difference of probabilities: wider makes fewer orders."""

    band: float = 0.01


class State(msgspec.Struct, frozen=True):
    """Nothing is remembered: the averages live in the engine and the position in the books."""


def evaluate(view: View, state: State, params: Params) -> Evaluation:
    fast, slow, ask = view.up.mid_fast, view.up.mid_slow, view.up.ask
    if fast is None or slow is None or ask is None:
        return Evaluation(state)
    gap = fast - slow
    if view.can_enter and gap > params.band:
        return Evaluation(state, proposal=Enter("UP", HIGHEST, micros(SHARES * ask)))
    if view.holding is not None and gap < -params.band:
        return Evaluation(state, proposal=Exit("UP", LOWEST))
    return Evaluation(state)
