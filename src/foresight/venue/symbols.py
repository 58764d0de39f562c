"""The exchange's symbols: which exist where, and their prices' decimals (venue spec §10.1)."""

from typing import Literal

import msgspec

BinanceMarket = Literal["spot", "futures"]

ONLY_FUTURES = frozenset({"HYPE"})
"""Assets that the exchange lists as futures and not on spot."""

_DECIMALS = {"BTC": 2, "ETH": 2, "SOL": 2, "BNB": 2, "ZEC": 2, "HYPE": 3, "XRP": 4, "DOGE": 5}
_SIGNIFICANT = 5
"""Digits before and after the point that the price of any other asset has, at least."""
_STAKE = 10_000.0
"""Dollars of one level and one trade: an assumption, for the sources tell no sizes of the underlying."""


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
    decimals = _DECIMALS.get(asset)
    if decimals is None:
        decimals = max(_SIGNIFICANT - len(str(int(price))), 2)
    return Symbol(asset, decimals, round(_STAKE / price, 5))
