"""The portable mathematics behind the simulated market, against the platform's own."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresight.sources.simulated.noise import (
    exact_normal_cdf,
    exponential,
    normal_cdf,
    normal_of,
    uniform_stream,
)


def _platform_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def _platform_quantile(probability: float) -> float:
    low, high = -10.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _platform_cdf(middle) < probability else (low, middle)
    return low


@given(st.floats(-30, 30))
def test_the_exponential_is_within_its_stated_relative_error(x: float) -> None:
    assert exponential(x) == pytest.approx(math.exp(x), rel=1e-12, abs=0)


@given(st.floats(-6, 6))
def test_the_exact_normal_cdf_is_within_its_stated_error(x: float) -> None:
    assert abs(exact_normal_cdf(x) - _platform_cdf(x)) < 1e-12


@given(st.floats(-40, 40))
def test_the_tabled_normal_cdf_is_within_its_stated_error(x: float) -> None:
    assert abs(normal_cdf(x) - _platform_cdf(x)) < 2e-6


@given(st.floats(-7, 7), st.floats(-7, 7))
def test_the_tabled_normal_cdf_never_falls_and_stays_a_probability(x: float, y: float) -> None:
    low, high = sorted((x, y))
    assert 0.0 <= normal_cdf(low) <= normal_cdf(high) <= 1.0


@given(st.floats(1 / 512, 511 / 512))
def test_a_normal_variate_inside_the_tails_is_within_its_stated_error(uniform: float) -> None:
    assert abs(normal_of(uniform) - _platform_quantile(uniform)) < 0.02


def test_normal_variates_end_at_their_stated_reach() -> None:
    assert normal_of(0.0) == -3.44
    assert 3.4 < normal_of(1.0 - 2.0**-53) <= 3.44


def test_normal_variates_have_mean_zero_and_variance_one() -> None:
    draws = [normal_of((n + 0.5) / 100_000) for n in range(100_000)]
    assert abs(sum(draws) / len(draws)) < 1e-3
    assert abs(sum(draw * draw for draw in draws) / len(draws) - 1.0) < 1e-3


def test_streams_of_the_same_names_agree_and_others_do_not() -> None:
    draws = {
        names: [uniform() for _ in range(5)]
        for names in (("path", "BTC"), ("path", "ETH"), ("own", "BTC"))
        for uniform in [uniform_stream(1, *names)]
    }
    again = uniform_stream(1, "path", "BTC")
    assert [again() for _ in range(5)] == draws["path", "BTC"]
    assert len({tuple(values) for values in draws.values()}) == 3
    assert uniform_stream(2, "path", "BTC")() != draws["path", "BTC"][0]
