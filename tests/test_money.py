"""Exact money: the venue's fee vectors, and rounding that is always against us."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresight.money import MICROS, cost_of, dollars, fee_of, micros, proceeds_of, shares_for, text_of

PRICES = st.integers(1, MICROS - 1)
AMOUNTS = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("price", "fee"),
    [
        (0.50, 1.75), (0.30, 1.47), (0.70, 1.47), (0.20, 1.12), (0.80, 1.12), (0.90, 0.63), (0.95, 0.3325),
        (0.99, 0.0693),
    ],
)  # fmt: skip
def test_the_fee_of_a_hundred_shares_is_that_of_the_venues_table(price: float, fee: float) -> None:
    assert fee_of(micros(price), 100 * MICROS, 70_000) == micros(fee)


@given(PRICES, AMOUNTS, st.integers(0, MICROS))
def test_a_fee_is_rounded_half_up_at_the_fifth_decimal(price: int, shares: int, rate: int) -> None:
    p = Decimal(price) / MICROS
    exact = Decimal(shares) / MICROS * (Decimal(rate) / MICROS) * p * (1 - p)

    assert fee_of(price, shares, rate) == int(exact.quantize(Decimal("0.00001"), ROUND_HALF_UP) * MICROS)


def test_a_fee_of_half_a_step_is_one_step_and_of_less_is_nothing() -> None:
    assert fee_of(500_000, 20, MICROS) == 10  # 0.000005 exactly
    assert fee_of(500_000, 19, MICROS) == 0


@given(PRICES, AMOUNTS)
def test_a_cost_is_rounded_up_and_proceeds_down(price: int, shares: int) -> None:
    exact = Decimal(price) * shares / MICROS

    assert 0 <= cost_of(price, shares) - exact < 1
    assert 0 <= exact - proceeds_of(price, shares) < 1


def test_whole_amounts_are_not_rounded() -> None:
    assert cost_of(530_000, 2 * MICROS) == proceeds_of(530_000, 2 * MICROS) == 1_060_000


@given(AMOUNTS, PRICES)
def test_shares_for_an_amount_never_cost_more_than_it_and_one_more_would(amount: int, price: int) -> None:
    shares = shares_for(amount, price)

    assert cost_of(price, shares) <= amount
    assert Decimal(price) * (shares + 1) / MICROS > amount


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_amount_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        micros(value)


@given(st.integers(-(10**12), 10**12))
def test_micros_and_dollars_are_each_others_inverse(amount: int) -> None:
    assert micros(dollars(amount)) == amount


def test_a_float_becomes_the_nearest_micro() -> None:
    assert micros(0.57) == 570_000
    assert micros(0.1 + 0.2) == 300_000


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"), (-4_310_000, "-$4.31"), (1_234_567_890_000, "$1,234,567.89"), (1, "$0.000001"),
        (-500_000, "-$0.50"), (1_005_000, "$1.005"), (5_000_000, "$5.00"),
    ],
)  # fmt: skip
def test_money_is_told_with_cents_and_keeps_its_micros(amount: int, text: str) -> None:
    assert text_of(amount) == text
