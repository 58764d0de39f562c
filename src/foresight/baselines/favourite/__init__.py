"""The baseline: buy the favourite whenever its price is in the band and the time is right, and hold it.

It has the price bands, the times, the stake and the limit of the strategy that ships, and none of its gates or
signals. What the strategy earns beyond it is what those gates and signals are worth.
"""

from typing import Annotated

import msgspec

from foresight.strategy import Enter, Evaluation, Meta, Outcome, View, micros

LATE_S = 60.0

Share = Annotated[float, Meta(ge=0, le=1)]


class Params(msgspec.Struct, frozen=True):
    """The same names and defaults as in the strategy that ships, so that the strategy's values can be taken over."""

    stake_usd: Annotated[float, Meta(ge=1, le=100)] = 5.0
    seconds_left_min: Annotated[float, Meta(ge=0, le=900)] = 10.0
    seconds_left_max: Annotated[float, Meta(ge=0, le=900)] = 480.0
    price_min: Share = 0.90
    price_max: Share = 0.97
    late_price_min: Share = 0.93
    late_price_max: Share = 0.98


class State(msgspec.Struct, frozen=True):
    """Nothing is remembered."""


def evaluate(view: View, state: State, params: Params) -> Evaluation:
    if not view.can_enter or not params.seconds_left_min <= view.seconds_left <= params.seconds_left_max:
        return Evaluation(state)
    for outcome in ("UP", "DOWN"):
        ask = view.book(outcome).ask
        low, high = _band(view, params)
        if ask is not None and low <= ask <= high:
            return Evaluation(state, proposal=_entry(view, outcome, ask, params))
    return Evaluation(state)


def _band(view: View, params: Params) -> tuple[float, float]:
    if view.seconds_left <= LATE_S:
        return params.late_price_min, params.late_price_max
    return params.price_min, params.price_max


def _entry(view: View, outcome: Outcome, ask: float, params: Params) -> Enter:
    limit = min(ask + view.tick, 1 - view.tick)
    return Enter(outcome, micros(limit), micros(params.stake_usd), why=f"favourite at {ask:.3f}")
