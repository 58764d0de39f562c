"""Amounts as the venues write them: decimal strings."""

from decimal import Decimal

from foresight.money import MICROS

_SCALE = 18


def decimal_text(amount_micros: int) -> str:
    """A price or size of the CLOB without zeros at its end: 100,000 is `0.1`, 362,170,000 is `362.17`."""
    whole, rest = divmod(amount_micros, MICROS)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") if rest else str(whole)


def price_text(price_micros: int) -> str:
    """A last trade price as books carry it, with three decimals (venue spec §5.8): 520,000 is `0.520`."""
    return f"{price_micros / MICROS:.3f}"


def accurate_text(value: float) -> str:
    """PolyBolt's `full_accuracy_value`: 18 decimals of the shortest decimal that means this float (venue spec §7.1)."""
    return f"{Decimal(repr(value)):.{_SCALE}f}"


def accurate_units(value: float) -> str:
    """RTDS's `full_accuracy_value`: the same as a whole number of 1e-18 (venue spec §7.2)."""
    return str(int(Decimal(repr(value)).scaleb(_SCALE)))


def eight(value: float) -> str:
    """A price or quantity of the exchange's spot market, with eight decimals (venue spec §10.3)."""
    return f"{value:.8f}"
