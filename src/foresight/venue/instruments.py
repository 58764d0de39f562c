"""The exchange's state: of each asset the price, its trades, candles and a book around the price.

A source tells a price and no more. The rest is assumed, in the same way for the same price: the book is a tick wide
with its bid at the price rounded down to a tick, its sizes follow from each level's price, and each price is one trade.
Update ids are venue time in nanoseconds, made to rise: they go on rising when a venue is started again, and a client
that knows the clock of `/control/clock` can read off when a frame was made.
"""

from collections import deque

import msgspec

from foresight.venue.candles import Candles
from foresight.venue.symbols import Symbol, symbol_of

LEVELS = 100
"""Levels on each side of the book around the price; a REST depth is at most as deep."""
TRADES_KEPT = 1_000
NS_PER_MS = 1_000_000

Level = tuple[int, float]
"""(price in ticks, quantity)."""


class AggTrade(msgspec.Struct, frozen=True):
    trade_id: int
    price: float
    quantity: float
    stamped_ns: int
    at_ns: int
    is_buyer_maker: bool


class Instrument:
    """One asset at the exchange; spot and futures show the same prices."""

    def __init__(self, asset: str, price: float, at_ns: int) -> None:
        self.symbol: Symbol = symbol_of(asset, price)
        self.price = price
        self.update_id = at_ns - 1
        self.stamped_ns = at_ns
        self.candles = Candles()
        self.trades: deque[AggTrade] = deque(maxlen=TRADES_KEPT)
        self._next_trade_id = at_ns // NS_PER_MS
        self._was_buy = False

    def take(self, price: float, stamped_ns: int, at_ns: int) -> AggTrade:
        """A new price: one trade, and a book that has moved."""
        is_buy = price > self.price or (price == self.price and self._was_buy)
        self._was_buy = is_buy
        self.price, self.stamped_ns = price, stamped_ns
        self.next_update_id(at_ns)
        trade = AggTrade(self._next_trade_id, price, self.quantity_of(self.bid_ticks), stamped_ns, at_ns, not is_buy)
        self._next_trade_id += 1
        self.trades.append(trade)
        self.candles.add(stamped_ns, price, trade.quantity, trade.trade_id, is_buy=is_buy)
        return trade

    def next_update_id(self, at_ns: int) -> int:
        """The id of an update at this time, above every one before."""
        self.update_id = max(self.update_id + 1, at_ns)
        return self.update_id

    @property
    def bid_ticks(self) -> int:
        """The best bid; the best ask is the tick above it."""
        return max(int(self.price / self.symbol.tick + 1e-6), 1)

    def bids(self, count: int = LEVELS) -> list[Level]:
        """Best first."""
        best = self.bid_ticks
        return [(ticks, self.quantity_of(ticks)) for ticks in range(best, max(best - count, 0), -1)]

    def asks(self, count: int = LEVELS) -> list[Level]:
        """Best first."""
        best = self.bid_ticks + 1
        return [(ticks, self.quantity_of(ticks)) for ticks in range(best, best + count)]

    def price_of(self, ticks: int) -> float:
        return round(ticks * self.symbol.tick, self.symbol.decimals)

    def quantity_of(self, ticks: int) -> float:
        """Between a tenth of a lot and two lots, by a hash of the level."""
        share = (ticks * 2_654_435_761 % 2_048 + 108) / 1_078
        return max(round(self.symbol.lot * share, self.symbol.quantity_decimals), 10.0**-self.symbol.quantity_decimals)
