"""Exact money: every amount is an integer number of millionths.

`*_micros` of dollars and of shares are integers; a price is micros of a dollar for one share (0 to 1,000,000).
Rounding is always against us: what we pay is rounded up, what we get is rounded down.
"""

MICROS = 1_000_000
FEE_STEP_MICROS = 10
"""The venue rounds a fee to five decimals (docs/venue.md)."""


def micros(value: float) -> int:
    """The nearest whole number of micros: `micros(0.57) == 570_000`. Raises ValueError for NaN and infinity."""
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{value} is not an amount")
    return round(value * MICROS)


def dollars(amount_micros: int) -> float:
    """For display and statistics only; books never hold a float."""
    return amount_micros / MICROS


def cost_of(price_micros: int, shares_micros: int) -> int:
    """Dollars (micros) to pay for the shares, rounded up."""
    return -(-price_micros * shares_micros // MICROS)


def proceeds_of(price_micros: int, shares_micros: int) -> int:
    """Dollars (micros) received for the shares, rounded down."""
    return price_micros * shares_micros // MICROS


def shares_for(amount_micros: int, price_micros: int) -> int:
    """Shares (micros) that an amount buys at a price, rounded down, so that their cost never exceeds the amount."""
    return amount_micros * MICROS // price_micros


def fee_of(price_micros: int, shares_micros: int, rate_micros: int) -> int:
    """The taker's fee in micros of a dollar: `shares · rate · p · (1 - p)`, rounded half up to five decimals.

    Source: docs/venue.md (exponent 1). Charged on top of a buy's cost and
    taken off a sale's proceeds.
    """
    exact_numerator = shares_micros * rate_micros * price_micros * (MICROS - price_micros)
    step = FEE_STEP_MICROS * MICROS**3
    return (2 * exact_numerator + step) // (2 * step) * FEE_STEP_MICROS


def text_of(amount_micros: int) -> str:
    """Dollars with cents and a sign in front, such as `-$4.31`; micros are kept where they are not zero."""
    sign = "-" if amount_micros < 0 else ""
    whole, rest = divmod(abs(amount_micros), MICROS)
    digits = f"{rest:06d}"
    return f"{sign}${whole:,}.{digits[:2]}{digits[2:].rstrip('0')}"
