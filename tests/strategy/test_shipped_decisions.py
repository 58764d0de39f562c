"""The shipped strategy's gates, sizing, proposals and state, as pure functions."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_builders import a_book, a_holding, a_view, some_prices

from foresight.money import micros
from foresight.strategy import Enter, Exit, Verdict, View, gate
from foresight.template.strategy import Params, State, evaluate
from foresight.template.strategy.sizing import stake_micros

GATES = (
    "snipe_window", "price_band", "spread", "depth", "volatility", "confirmation", "overreaction", "edge", "staleness",
)  # fmt: skip


def verdicts_of(view: View, params: Params | None = None) -> dict[str, Verdict]:
    return {verdict.gate: verdict for verdict in evaluate(view, State(), params or Params()).verdicts}


def test_a_held_favourite_late_in_the_window_passes_every_gate() -> None:
    evaluation = evaluate(a_view(), State(), Params())

    assert isinstance(evaluation.proposal, Enter)
    assert evaluation.proposal.outcome == "UP"
    assert {verdict.answer for verdict in evaluation.verdicts} == {"pass"}
    assert tuple(verdict.gate for verdict in evaluation.verdicts) == GATES


def test_a_favourite_that_is_down_is_bought_as_down() -> None:
    view = a_view(up=a_book(0.06, 0.08), down=a_book(), prices=some_prices(-0.002))

    evaluation = evaluate(view, State(), Params())

    assert isinstance(evaluation.proposal, Enter)
    assert evaluation.proposal.outcome == "DOWN"
    assert {verdict.answer for verdict in evaluation.verdicts} == {"pass"}


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("snipe_window", {"seconds_left": 10.0}, {"seconds_left": 9.99}),
        ("snipe_window", {"seconds_left": 480.0}, {"seconds_left": 480.01}),
        ("price_band", {"up": a_book(0.89, 0.90)}, {"up": a_book(0.89, 0.899)}),
        ("price_band", {"up": a_book(0.96, 0.97)}, {"up": a_book(0.96, 0.971)}),
        ("price_band", {"up": a_book(0.92, 0.93), "seconds_left": 60.0},
         {"up": a_book(0.92, 0.92), "seconds_left": 60.0}),
        ("price_band", {"up": a_book(0.97, 0.98), "seconds_left": 60.0},
         {"up": a_book(0.97, 0.98), "seconds_left": 60.1}),
        ("spread", {"up": a_book(0.91, 0.94)}, {"up": a_book(0.89, 0.94)}),
        ("depth", {"up": a_book(ask_depth=6.0)}, {"up": a_book(ask_depth=5.0)}),
        ("volatility", {"prices": some_prices(volatility={60: 6e-5, 300: 1e-5, 1800: 1e-5})},
         {"prices": some_prices(volatility={60: 6.1e-5, 300: 1e-5, 1800: 1e-5})}),
        ("confirmation", {"up": a_book(ask_history=(0.88, 0.94))}, {"up": a_book(ask_history=(0.87, 0.94))}),
        ("overreaction", {"prices": some_prices(0.002)}, {"prices": some_prices(0.0)}),
        ("edge", {"up": a_book(0.93, 0.93)}, {"up": a_book(0.60, 0.96)}),
        ("staleness", {"up": a_book(age_s=10.0)}, {"up": a_book(age_s=10.1)}),
    ],
)  # fmt: skip
def test_a_gate_passes_inside_its_limit_and_refuses_outside(
    name: str, inside: dict[str, object], outside: dict[str, object]
) -> None:
    assert verdicts_of(a_view(**inside))[name].answer == "pass"
    assert verdicts_of(a_view(**outside))[name].answer == "refuse"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("spread", {"up": a_book(None, 0.94)}), ("depth", {"up": a_book(ask_depth=None, ask_size=None)}),
        ("volatility", {"prices": None}), ("overreaction", {"prices": None}),
        ("confirmation", {"up": a_book(ask_history=())}), ("staleness", {"up": a_book(age_s=None)}),
    ],
)  # fmt: skip
def test_a_gate_without_its_input_answers_unknown(name: str, changed: dict[str, object]) -> None:
    verdict = verdicts_of(a_view(**changed))[name]

    assert (verdict.answer, verdict.value) == ("unknown", None)


def test_the_edge_is_unknown_without_a_fair_probability() -> None:
    view = a_view(up=a_book(None, None), down=a_book(None, 0.94), prices=None)

    assert verdicts_of(view)["edge"].answer == "unknown"


def test_depth_falls_back_to_the_size_at_the_ask() -> None:
    assert verdicts_of(a_view(up=a_book(ask_depth=None, ask_size=10.0)))["depth"].value == pytest.approx(9.4)


def test_every_gate_is_asked_even_when_the_first_refuses() -> None:
    assert tuple(verdicts_of(a_view(seconds_left=1.0))) == GATES


@pytest.mark.parametrize(
    ("value", "answer"), [(None, "unknown"), (0.9, "refuse"), (1.0, "pass"), (2.0, "pass"), (2.1, "refuse")]
)
def test_a_gates_limits_are_inclusive(value: float | None, answer: str) -> None:
    verdict = gate("x", value, low=1, high=2, unit="u")

    assert verdict == Verdict("x", answer, value, ">= 1 and <= 2", "u")  # type: ignore[arg-type]


def test_a_gate_says_only_the_limits_it_has() -> None:
    assert [gate("x", 1.0, **limits).limit for limits in ({"low": 1}, {"high": 2}, {})] == [">= 1", "<= 2", ""]


@pytest.mark.parametrize(
    ("changed", "params"),
    [
        ({"up": a_book(0.82, 0.849)}, Params()),
        ({"up": a_book(0.99, None)}, Params()),
        ({"can_enter": False}, Params()),
        ({}, Params(aggression=0)),
    ],
    ids=["no favourite", "nobody asks", "may not enter", "aggression zero"],
)
def test_there_is_no_proposal_without_a_reason(changed: dict[str, object], params: Params) -> None:
    evaluation = evaluate(a_view(**changed), State(), params)

    assert evaluation.proposal is None
    assert evaluation.verdicts == ()
    assert evaluation.signals


def test_a_favourite_at_exactly_the_level_of_interest_is_proposed() -> None:
    assert evaluate(a_view(up=a_book(0.84, 0.85)), State(), Params()).proposal is not None


@pytest.mark.parametrize(
    ("ask", "left", "limit"), [(0.94, 100.0, 0.95), (0.97, 100.0, 0.98), (0.98, 100.0, 0.98), (0.98, 60.0, 0.99)]
)
def test_the_limit_is_a_tick_above_the_ask_and_never_beyond_the_band(ask: float, left: float, limit: float) -> None:
    proposal = evaluate(a_view(up=a_book(0.93, ask), seconds_left=left), State(), Params()).proposal

    assert isinstance(proposal, Enter)
    assert proposal.limit_micros == micros(limit)
    assert proposal.stake_micros == 5_000_000


def test_without_an_underlying_the_strategy_works_from_the_markets_prices() -> None:
    evaluation = evaluate(a_view(prices=None), State(), Params())

    assert isinstance(evaluation.proposal, Enter)
    assert evaluation.fair is not None
    assert evaluation.signals["momentum"] is None


@pytest.mark.parametrize(("aggression", "stake"), [(0.1, 1.0), (0.5, 2.5), (1.0, 5.0), (2.0, 5.0)])
def test_aggression_scales_the_stake_between_the_venues_minimum_and_the_cap(aggression: float, stake: float) -> None:
    assert stake_micros(0.94, 0.95, Params(aggression=aggression)) == micros(stake)


@pytest.mark.parametrize(
    ("fair", "stake"), [(None, 0.0), (0.89, 0.0), (0.90, 0.0), (0.9001, 1.0), (0.902, 2.5), (0.904, 5.0), (1.0, 5.0)]
)
def test_a_kelly_stake_grows_with_the_edge_up_to_its_cap(fair: float | None, stake: float) -> None:
    assert stake_micros(0.90, fair, Params(sizing="kelly")) == micros(stake)


@given(st.floats(0.85, 0.99), st.none() | st.floats(0, 1), st.floats(0, 2), st.sampled_from(["fixed", "kelly"]))
def test_a_stake_is_nothing_or_between_the_venues_minimum_and_the_cap(
    ask: float, fair: float | None, aggression: float, sizing: str
) -> None:
    params = msgspec.convert({"aggression": aggression, "sizing": sizing, "stake_usd": 50.0}, Params)

    stake = stake_micros(ask, fair, params)

    assert stake == 0 or micros(1) <= stake <= micros(5)


def test_a_sizing_that_stakes_nothing_makes_no_proposal() -> None:
    view = a_view(up=a_book(0.91, 0.94), prices=None)

    assert evaluate(view, State(), Params()).proposal is not None
    assert evaluate(view, State(), Params(sizing="kelly", market_slope=0.5)).proposal is None


def test_a_position_is_held_to_settlement_by_default() -> None:
    view = a_view(holding=a_holding(), up=a_book(0.1, 0.12), can_enter=False)

    assert evaluate(view, State(), Params()).proposal is None


@pytest.mark.parametrize(("outcome", "bid"), [("UP", 0.30), ("DOWN", 0.68)])
def test_a_position_is_sold_a_tick_under_the_bid_when_its_fair_probability_fell(outcome: str, bid: float) -> None:
    view = a_view(
        holding=a_holding(outcome), up=a_book(0.30, 0.32), down=a_book(0.68, 0.70), prices=None, can_enter=False
    )
    params = Params(exit_fair_below=0.9)

    proposal = evaluate(view, State(), params).proposal

    assert isinstance(proposal, Exit)
    assert proposal.outcome == outcome
    assert proposal.limit_micros == micros(bid - 0.01)


@pytest.mark.parametrize("changed", [{"up": a_book(None, None), "prices": None}, {"up": a_book(None, 0.3)}, {}])
def test_a_position_is_not_sold_without_a_bid_a_fair_probability_or_a_reason(changed: dict[str, object]) -> None:
    view = a_view(holding=a_holding(), **changed)

    assert evaluate(view, State(), Params(exit_fair_below=0.5)).proposal is None


def test_the_state_counts_looks_at_one_market_and_starts_anew_with_the_next() -> None:
    first = evaluate(a_view(), State(), Params()).state
    second = evaluate(a_view(), first, Params()).state
    other = evaluate(a_view(market="m2"), second, Params()).state

    assert [(state.market, state.looks) for state in (first, second, other)] == [("m1", 1), ("m1", 2), ("m2", 1)]


def test_the_regime_is_smoothed_and_goes_on_in_the_next_window() -> None:
    wild = some_prices(volatility={60: 3e-5, 1800: 1e-5})

    first = evaluate(a_view(prices=wild), State(), Params()).state
    second = evaluate(a_view(market="m2", prices=some_prices()), first, Params()).state

    assert first.regime == pytest.approx(3.0)
    assert second.regime == pytest.approx(0.9 * 3.0 + 0.1 * 1.0)


def test_an_evaluation_changes_nothing_it_was_given() -> None:
    view, state, params = a_view(), State("m1", 3, 1.0), Params()
    before = [msgspec.msgpack.encode(given) for given in (view, state, params)]

    assert evaluate(view, state, params) == evaluate(view, state, params)
    assert [msgspec.msgpack.encode(given) for given in (view, state, params)] == before
