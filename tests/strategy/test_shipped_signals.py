"""The shipped strategy's signals and fair probability, as pure functions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_builders import a_book, a_view, some_prices

from foresight.template.strategy.fair import fair_up
from foresight.template.strategy.params import Momentum, Params
from foresight.template.strategy.signals import confirmation, momentum, overreaction, patterns, volatility
from foresight.template.strategy.signals.overreaction import student_cdf

NO_PRICES = a_view(prices=None)


def test_without_an_underlying_the_signals_that_need_it_are_absent_and_not_zero() -> None:
    assert momentum.score(NO_PRICES, Momentum()) is None
    assert overreaction.diffusion_up(NO_PRICES) is None
    assert overreaction.gap(NO_PRICES) is None
    assert volatility.ratio(NO_PRICES) is None
    assert confirmation.agreement(NO_PRICES) is None


def test_momentum_is_the_weighted_mean_of_standardised_returns() -> None:
    prices = some_prices(returns={30: 5e-5 * math.sqrt(30), 60: -5e-5 * math.sqrt(60)})

    assert momentum.score(a_view(prices=prices), Momentum()) == pytest.approx((0.4 - 0.3) / 0.7)


@pytest.mark.parametrize(("change", "score"), [(1.0, 4.0), (-1.0, -4.0)])
def test_momentum_is_capped_at_four_deviations(change: float, score: float) -> None:
    assert momentum.score(a_view(prices=some_prices(returns={30: change})), Momentum()) == score


def test_momentum_falls_back_to_five_minutes_of_volatility_and_is_absent_without_any() -> None:
    short = some_prices(volatility={300: 5e-5}, returns={30: 5e-5 * math.sqrt(30)})

    assert momentum.score(a_view(prices=short), Momentum()) == pytest.approx(1.0)
    assert momentum.score(a_view(prices=some_prices(volatility={60: 1e-4})), Momentum()) is None
    assert momentum.score(a_view(prices=some_prices(returns={})), Momentum()) is None


def test_the_diffusion_is_one_half_at_the_open_and_leans_with_the_move() -> None:
    fair = {move: overreaction.diffusion_up(a_view(prices=some_prices(move))) for move in (-0.001, 0.0, 0.001)}

    assert fair[0.0] == 0.5
    assert (fair[-0.001] or 0) + (fair[0.001] or 0) == pytest.approx(1)
    assert (fair[0.001] or 0) > 0.9


@pytest.mark.parametrize(
    "changed",
    [
        {"prices": some_prices(None)}, {"prices": some_prices(age_s=15.001)}, {"seconds_left": 0.0},
        {"prices": some_prices(volatility={60: 1e-4})},
    ],
)  # fmt: skip
def test_the_diffusion_is_absent_without_a_fresh_price_a_known_open_and_a_volatility(
    changed: dict[str, object],
) -> None:
    assert overreaction.diffusion_up(a_view(**changed)) is None


def test_a_price_of_fifteen_seconds_is_still_fresh() -> None:
    assert overreaction.diffusion_up(a_view(prices=some_prices(age_s=15.0))) is not None


def test_what_the_closing_average_already_knows_counts_in_the_last_minute() -> None:
    settled = some_prices(0.0, settling_s=50, settling_move=0.001)

    known = overreaction.diffusion_up(a_view(seconds_left=10.0, prices=settled))
    unknown = overreaction.diffusion_up(a_view(seconds_left=10.0, prices=some_prices(0.0)))

    assert (known or 0) > 0.9
    assert unknown == 0.5


def test_an_average_is_surer_than_the_single_price_at_its_end_in_the_last_minute_and_before() -> None:
    for left in (30.0, 60.0, 61.0, 200.0):
        averaged = overreaction.diffusion_up(a_view(seconds_left=left))
        single = overreaction.diffusion_up(a_view(seconds_left=left, average_s=0))
        assert (averaged or 0) > (single or 0)


def test_the_variance_of_an_average_is_continuous_where_its_minute_begins() -> None:
    before, after = (overreaction.diffusion_up(a_view(seconds_left=left)) for left in (60.0001, 60.0))

    assert before == pytest.approx(after, abs=1e-4)


def test_the_gap_is_the_market_less_the_diffusion() -> None:
    view = a_view(prices=some_prices(0.0))

    assert overreaction.gap(view) == pytest.approx(0.93 - 0.5)
    assert overreaction.gap(a_view(up=a_book(None, None))) is None


@given(st.floats(-50, 50))
def test_students_cdf_agrees_with_its_integral_and_is_symmetric(value: float) -> None:
    scale = value / math.sqrt(4 + value**2)

    assert student_cdf(value) == pytest.approx(0.5 + 0.75 * (scale - scale**3 / 3), abs=1e-12)
    assert student_cdf(value) + student_cdf(-value) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mids", "score"),
    [
        ((0.5, 0.6, 0.7, 0.8, 0.85, 0.9), 1.0), ((0.9, 0.8, 0.7, 0.6, 0.55, 0.5), -1.0),
        ((0.5, 0.6, 0.5, 0.6, 0.5, 0.6), 0.2), ((0.5,) * 6, None), ((0.5, 0.6, 0.7, 0.8, 0.9), None),
    ],
)  # fmt: skip
def test_a_pattern_is_the_net_change_over_the_path(mids: tuple[float, ...], score: float | None) -> None:
    found = patterns.score(a_view(up=a_book(mid_history=mids)))

    assert found == (None if score is None else pytest.approx(score))


@pytest.mark.parametrize(("left", "lowest"), [(300.0, 0.81), (100.0, 0.87), (60.0, 0.89), (30.0, 0.90), (5.0, 0.90)])
def test_the_lowest_ask_looks_back_over_a_third_of_the_time_left_between_15_s_and_60_s(
    left: float, lowest: float
) -> None:
    rising = tuple(step / 100 for step in range(70, 94))

    assert confirmation.lowest_ask(a_view(seconds_left=left, up=a_book(ask_history=rising)), "UP") == lowest


@pytest.mark.parametrize(
    ("history", "lowest"), [((), None), ((0.9,), None), ((None, 0.9), None), ((0.9, None, 0.8), 0.8)]
)
def test_the_lowest_ask_needs_two_looks_that_had_one(history: tuple[float | None, ...], lowest: float | None) -> None:
    assert confirmation.lowest_ask(a_view(up=a_book(ask_history=history)), "UP") == lowest


@pytest.mark.parametrize(
    ("move", "bid", "answer"),
    [(0.001, 0.9, 1.0), (-0.001, 0.9, -1.0), (-0.001, 0.1, 1.0), (0.0, 0.9, 0.0), (None, 0.9, None), (0.1, None, None)],
)
def test_agreement_says_whether_market_and_underlying_are_on_one_side(
    move: float | None, bid: float | None, answer: float | None
) -> None:
    assert confirmation.agreement(a_view(up=a_book(bid, bid), prices=some_prices(move))) == answer


def test_the_volatility_ratio_is_a_minute_over_half_an_hour() -> None:
    assert volatility.ratio(a_view(prices=some_prices(volatility={60: 4e-5, 1800: 2e-5}))) == 2.0
    assert volatility.ratio(a_view(prices=some_prices(volatility={60: 4e-5}))) is None
    assert volatility.ratio(a_view(prices=some_prices(volatility={60: 4e-5, 1800: 0.0}))) is None


SIGNALS = {"diffusion_up": None, "momentum": None, "pattern": None}


def test_the_fair_probability_stretches_the_markets_odds() -> None:
    even = fair_up(a_view(up=a_book(0.5, 0.5)), SIGNALS, Params())
    favourite = fair_up(a_view(), SIGNALS, Params())

    assert even == 0.5
    assert favourite == pytest.approx(1 / (1 + math.exp(-1.10 * math.log(0.93 / 0.07))))


def test_without_a_market_price_the_diffusion_stands_alone() -> None:
    assert fair_up(a_view(up=a_book(None, None)), SIGNALS | {"diffusion_up": 0.7}, Params()) == 0.7
    assert fair_up(a_view(up=a_book(None, None)), SIGNALS, Params()) is None


@pytest.mark.parametrize("signal", ["diffusion_up", "momentum", "pattern"])
def test_each_weighted_signal_moves_the_fair_probability_its_way(signal: str) -> None:
    params = Params(overreaction_weight=0.5, momentum_weight=0.5, pattern_weight=0.5)
    view = a_view(up=a_book(0.5, 0.5))

    assert (fair_up(view, SIGNALS | {signal: 0.9}, params) or 0) > 0.5


@given(st.floats(0.001, 0.999), st.floats(0, 1), st.floats(-4, 4), st.floats(-1, 1))
def test_a_fair_probability_is_one(mid: float, diffusion: float, move: float, pattern: float) -> None:
    params = Params(overreaction_weight=1, momentum_weight=5, pattern_weight=5)
    signals = {"diffusion_up": diffusion, "momentum": move, "pattern": pattern}

    assert 0 <= (fair_up(a_view(up=a_book(mid, mid)), signals, params) or 0) <= 1
