"""The gates: named checks on a proposal, each a measured value beside its limit. All are asked every time.

A gate without its input answers `unknown`; `bot.toml` says per gate whether that passes.
"""

from foresight.strategy import Outcome, Verdict, View, gate

from .params import Params
from .signals import confirmation

LATE_S = 60.0


def verdicts_on(
    view: View, outcome: Outcome, signals: dict[str, float | None], fair: float | None, params: Params
) -> tuple[Verdict, ...]:
    book = view.book(outcome)
    is_late = view.seconds_left <= LATE_S
    price_min, price_max = (
        (params.late_price_min, params.late_price_max) if is_late else (params.price_min, params.price_max)
    )
    return (
        gate(
            "snipe_window", view.seconds_left, low=params.seconds_left_min, high=params.seconds_left_max, unit="s left"
        ),
        gate("price_band", book.ask, low=price_min, high=price_max, unit="ask"),
        gate("spread", book.spread, high=params.spread_max, unit="ask - bid"),
        gate("depth", _depth_usd(view, outcome), low=params.stake_usd * params.aggression, unit="USD near the ask"),
        gate("volatility", signals["volatility_ratio"], high=params.volatility_ratio_max, unit="1 min / 30 min"),
        gate("confirmation", confirmation.lowest_ask(view, outcome), low=params.held_above, unit="lowest ask of late"),
        gate("overreaction", _for(outcome, signals["diffusion_up"]), low=params.fair_min, unit="diffusion fair"),
        gate("edge", _edge(view, outcome, fair), low=params.edge_min, unit="USD per share after fee"),
        gate("staleness", book.age_s, high=params.book_age_max_s, unit="s since the book"),
    )


def _depth_usd(view: View, outcome: Outcome) -> float | None:
    """What could be bought within the best five levels, at the ask's price; None where no size is told."""
    book = view.book(outcome)
    shares = book.ask_depth if book.ask_depth is not None else book.ask_size
    return None if shares is None or book.ask is None else shares * book.ask


def _edge(view: View, outcome: Outcome, fair: float | None) -> float | None:
    ask, fair_here = view.book(outcome).ask, _for(outcome, fair)
    return None if ask is None or fair_here is None else fair_here - ask - view.fee(ask)


def _for(outcome: Outcome, probability_up: float | None) -> float | None:
    if probability_up is None or outcome == "UP":
        return probability_up
    return 1 - probability_up
