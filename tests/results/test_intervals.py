"""The statistics of the report against values worked out by hand, and the properties that they must have."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresight.results.distributions import beta_cdf, beta_quantile, student_quantile
from foresight.results.intervals import clusters_of, edge_interval, effective_number, win_rate_interval

shapes = st.floats(0.5, 400)
shares = st.floats(0.01, 0.99)
small_spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=25).map(
    lambda pairs: [(start, start + length) for start, length in pairs]
)


def binomial_tail(wins: int, trials: int, rate: float) -> float:
    """The probability of at least so many wins."""
    return sum(math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(wins, trials + 1))


def test_the_beta_distribution_agrees_with_its_closed_forms():
    assert beta_cdf(0.3, 1, 1) == pytest.approx(0.3)
    assert beta_cdf(0.3, 2, 1) == pytest.approx(0.09)
    assert beta_cdf(0.3, 3, 6) == pytest.approx(binomial_tail(3, 8, 0.3))


@pytest.mark.parametrize(("degrees", "value"), [(1, 6.313752), (2, 2.919986), (9, 1.833113), (60, 1.670649)])
def test_the_quantiles_of_students_t_agree_with_the_tables(degrees, value):
    assert student_quantile(0.95, degrees) == pytest.approx(value, abs=2e-6)


def test_students_t_of_many_degrees_is_normal():
    assert student_quantile(0.95, 50_000) == pytest.approx(1.644854, abs=1e-4)


@given(share=shares, a=shapes, b=shapes)
def test_a_quantile_has_its_share_below_it(share, a, b):
    assert beta_cdf(beta_quantile(share, a, b), a, b) == pytest.approx(share, abs=1e-7)


@given(value=shares, a=shapes, b=shapes)
def test_the_beta_distribution_is_its_own_mirror_image(value, a, b):
    assert beta_cdf(value, a, b) == pytest.approx(1 - beta_cdf(1 - value, b, a), abs=1e-9)


def test_ten_wins_of_ten_may_come_from_a_rate_of_seventy_four_percent():
    low, high = win_rate_interval(1.0, 10)
    assert low == pytest.approx(0.05**0.1)
    assert high == 1.0


def test_the_win_rates_interval_leaves_five_percent_at_either_end():
    low, high = win_rate_interval(0.8, 10)
    assert binomial_tail(8, 10, low) == pytest.approx(0.05)
    assert 1 - binomial_tail(9, 10, high) == pytest.approx(0.05)


@given(wins=st.integers(0, 40), losses=st.integers(0, 40), size=st.integers(2, 9))
def test_trades_that_come_in_clusters_tell_less(wins, losses, size):
    count = wins + losses
    if count == 0:
        return
    rate = wins / count
    low, high = win_rate_interval(rate, count)
    wider_low, wider_high = win_rate_interval(rate, max(1.0, count / size))
    assert wider_low <= low <= rate <= high <= wider_high


def test_windows_that_overlap_are_one_cluster_and_windows_that_touch_are_two():
    assert clusters_of([(0, 15), (15, 30), (20, 25), (24, 40), (40, 55)]) == [0, 1, 1, 1, 2]


def test_clusters_do_not_depend_on_the_order_of_trades():
    spans = [(30, 45), (0, 15), (10, 12), (44, 60)]
    assert clusters_of(spans) == [1, 0, 0, 1]


@given(spans=small_spans)
def test_two_spans_share_a_cluster_whenever_they_overlap(spans):
    numbers = clusters_of(spans)
    for one, (start, end) in enumerate(spans):
        for other, (other_start, other_end) in enumerate(spans):
            if start < other_end and other_start < end:
                assert numbers[one] == numbers[other]


@given(spans=small_spans)
def test_the_effective_number_lies_between_one_and_the_number_of_clusters(spans):
    clusters = clusters_of(spans)
    effective = effective_number(clusters)
    assert effective <= len(set(clusters)) + 1e-9
    assert effective >= (1 if spans else 0) - 1e-9


def test_kishs_effective_number_of_two_one_and_one():
    assert effective_number([0, 0, 1, 2]) == pytest.approx(16 / 6)


def test_the_edges_interval_is_the_robust_one_where_losses_are_many():
    """Eight trades of +0.5 and -0.5 in eight windows: mean 0, robust variance 8/7 · 8·0.25 / 64, t(7) = 1.894579."""
    edges = [0.5, -0.5] * 4
    low, high = edge_interval(edges, list(range(8)), cost=0.5)
    reach = 1.894579 * math.sqrt(8 / 7 * 8 * 0.25 / 64)
    exact_low, exact_high = win_rate_interval(0.5, 8)
    assert low == pytest.approx(min(-reach, exact_low - 0.5), abs=1e-6)
    assert high == pytest.approx(max(reach, exact_high - 0.5), abs=1e-6)


def test_two_trades_of_one_cluster_count_as_one_deviation():
    """Edges 0.1, 0.1 | -0.2, -0.2: mean -0.05, cluster sums ±0.3, variance 2 · 0.18 / 16, t(1) = 6.313752."""
    low, high = edge_interval([0.1, 0.1, -0.2, -0.2], [0, 0, 1, 1], cost=0.9)
    reach = 6.313752 * math.sqrt(2 * 0.18 / 16)
    assert (low, high) == pytest.approx((-0.05 - reach, -0.05 + reach), abs=1e-6)


def test_ten_wins_without_a_loss_are_no_certain_profit():
    low, high = edge_interval([0.05] * 10, list(range(10)), cost=0.95)
    assert low == pytest.approx(0.05**0.1 - 0.95)
    assert high == pytest.approx(0.05)


def test_one_trade_says_almost_nothing():
    low, high = edge_interval([0.05], [0], cost=0.95)
    assert low == pytest.approx(0.05 * 0.05 - 0.95 * 0.95)
    assert high == pytest.approx(0.05)


@given(edges=st.lists(st.floats(-0.99, 0.99), min_size=1, max_size=30), groups=st.integers(1, 30))
def test_the_edges_interval_holds_the_mean(edges, groups):
    clusters = [index % groups for index in range(len(edges))]
    low, high = edge_interval(edges, clusters, cost=0.9)
    mean = sum(edges) / len(edges)
    assert low - 1e-9 <= mean <= high + 1e-9
