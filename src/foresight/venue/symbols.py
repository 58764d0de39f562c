"""The exchange's symbols: which exist where, and their prices' decimals (venue spec §10.1)."""

from typing import Literal

import msgspec

BinanceMarket = Literal["spot", "futures"]

ONLY_FUTURES = frozenset({"HYPE"})
"""Assets that the exchange lists as futures and not on spot."""

_KNOWN = {
    "BTC": (2, 0.12), "ETH": (2, 3.5), "SOL": (2, 80.0), "BNB": (2, 12.0), "ZEC": (2, 25.0), "HYPE": (3, 300.0),
    "XRP": (4, 5_000.0), "DOGE": (5, 75_000.0),
}  # fmt: skip
"""Decimals of the price, and the usual quantity of one level and one trade: an assumption of about 10,000 dollars, for
sources tell no sizes of the underlying."""
_SIGNIFICANT = 5
"""Digits before and after the point that the price of any other asset has, at least."""


class Symbol(msgspec.Struct, frozen=True):
    """`lot` is the usual quantity of a level, `quantity_decimals` how finely quantities are counted."""

    asset: str
    decimals: int
    lot: float
    quantity_decimals: int = 5

    @property
    def name(self) -> str:
        return f"{self.asset}USDT"

    @property
    def tick(self) -> float:
        return float(f"1e-{self.decimals}")

    def is_on(self, market: BinanceMarket) -> bool:
        return market == "futures" or self.asset not in ONLY_FUTURES


def symbol_of(asset: str, price: float) -> Symbol:
    """The symbol of an asset whose price is about this."""
    digits = len(str(int(price)))
    decimals, lot = _KNOWN.get(asset, (max(_SIGNIFICANT - digits, 2), 10.0 ** (_SIGNIFICANT - digits)))
    return Symbol(asset, decimals, lot)
