"""Builders of what the shipped strategy is given."""

from typing import Any

import msgspec

from foresight.markets import SECOND_NS, SlotId
from foresight.strategy import Book, Holding, Prices, View


def a_book(bid: float | None = 0.92, ask: float | None = 0.94, **changed: Any) -> Book:
    book = Book(
        bid=bid, bid_size=100.0, ask=ask, ask_size=100.0, bids=(), asks=(), bid_depth=500.0, ask_depth=500.0, age_s=1.0,
        mid_fast=None, mid_slow=None, mid_deviation=None, mid_history=(), ask_history=tuple([ask] * 24),
        last_trade=None, traded=0.0,
    )  # fmt: skip
    return msgspec.structs.replace(book, **changed)


def some_prices(move: float | None = 0.002, **changed: Any) -> Prices:
    """Returns and volatility may be given as {seconds: value}."""
    prices = Prices(
        feed="test", last=100_000.0, age_s=0.5, move=move, returns=((30, 0.0), (60, 0.0), (120, 0.0), (300, 0.0)),
        volatility=((60, 5e-5), (300, 5e-5), (1800, 5e-5)), settling_s=0, settling_move=None, closes=(),
    )  # fmt: skip
    plain = {name: tuple(value.items()) if isinstance(value, dict) else value for name, value in changed.items()}
    return msgspec.structs.replace(prices, **plain)


def a_view(**changed: Any) -> View:
    """Late in a window that UP is likely to win."""
    view = View(
        slot=SlotId("btc-5m"), asset="BTC", timeframe="5m", market="m1", origin="recorded", source="test",
        due_ns=200 * SECOND_NS, now_ns=200 * SECOND_NS, window_s=300.0, seconds_left=100.0, average_s=60,
        reference=100_000.0, reference_source="test", prices=some_prices(), up=a_book(), down=a_book(0.06, 0.08),
        tick=0.01, min_shares=5.0, fee_rate=0.07, holding=None, can_enter=True, board=(),
    )  # fmt: skip
    return msgspec.structs.replace(view, **changed)


def a_holding(outcome: str = "UP") -> Holding:
    return Holding(outcome="UP" if outcome == "UP" else "DOWN", shares=5.0, cost=4.7, opened_s_ago=20.0, release="v1")
