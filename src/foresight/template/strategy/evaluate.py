"""One look at one slot: signals, fair probability, a proposal where there is a favourite, and every gate's verdict.

The idea ("held favourite"): late in a window the market's favourite is a little too cheap. Buy it when it is dear
enough to be likely, cheap enough to pay the fee, and has been the favourite for a while; hold it to settlement.
"""

import msgspec

from foresight.strategy import Enter, Evaluation, Exit, Outcome, View, micros

from .fair import fair_up
from .gates import verdicts_on
from .params import Params, State
from .signals import confirmation, momentum, overreaction, patterns, volatility
from .sizing import stake_micros

INTEREST_FROM = 0.85
"""Below this ask there is no favourite to speak of, and no proposal."""


def evaluate(view: View, state: State, params: Params) -> Evaluation:
    state = _next_state(view, state)
    signals = _signals(view, state, params)
    fair = fair_up(view, signals, params)
    if view.holding is not None:
        return Evaluation(state, signals, fair, _exit(view, fair, params))
    outcome = _favourite(view)
    if outcome is None or not view.can_enter or params.aggression == 0:
        return Evaluation(state, signals, fair)
    proposal = _entry(view, outcome, fair, params)
    if proposal is None:
        return Evaluation(state, signals, fair)
    return Evaluation(state, signals, fair, proposal, verdicts_on(view, outcome, signals, fair, params))


def _next_state(view: View, state: State) -> State:
    if view.market != state.market:
        state = State(market=view.market, regime=state.regime)
    ratio = volatility.ratio(view)
    regime = state.regime
    if ratio is not None:
        regime = ratio if regime is None else 0.9 * regime + 0.1 * ratio
    return msgspec.structs.replace(state, looks=state.looks + 1, regime=regime)


def _signals(view: View, state: State, params: Params) -> dict[str, float | None]:
    """By name; None where the input is not there."""
    return {
        "momentum": momentum.score(view, params.momentum),
        "diffusion_up": overreaction.diffusion_up(view),
        "overreaction": overreaction.gap(view),
        "pattern": patterns.score(view),
        "held_up": confirmation.lowest_ask(view, "UP"),
        "held_down": confirmation.lowest_ask(view, "DOWN"),
        "confirmation": confirmation.agreement(view),
        "volatility_ratio": volatility.ratio(view),
        "volatility_regime": state.regime,
    }


def _favourite(view: View) -> Outcome | None:
    for outcome in ("UP", "DOWN"):
        ask = view.book(outcome).ask
        if ask is not None and INTEREST_FROM <= ask < 1:
            return outcome
    return None


def _entry(view: View, outcome: Outcome, fair: float | None, params: Params) -> Enter | None:
    """Limit: one tick above the ask that was seen, so that a small move does not lose the trade, nor a large one
    make it a bad one. No entry where the sizing stakes nothing."""
    ask = view.book(outcome).ask
    assert ask is not None
    price_max = params.late_price_max if view.seconds_left <= 60 else params.price_max
    stake = stake_micros(ask, fair if outcome == "UP" or fair is None else 1 - fair, params)
    if stake == 0:
        return None
    limit = min(ask + view.tick, price_max + view.tick, 1 - view.tick)
    return Enter(
        outcome=outcome,
        limit_micros=micros(limit),
        stake_micros=stake,
        why=f"favourite at {ask:.3f} with {view.seconds_left:.0f} s left",
    )


def _exit(view: View, fair: float | None, params: Params) -> Exit | None:
    held = view.holding
    if held is None or fair is None or params.exit_fair_below == 0:
        return None
    fair_held = fair if held.outcome == "UP" else 1 - fair
    bid = view.book(held.outcome).bid
    if bid is None or fair_held >= params.exit_fair_below:
        return None
    return Exit(held.outcome, micros(max(bid - view.tick, view.tick)), why=f"fair fell to {fair_held:.2f}")
