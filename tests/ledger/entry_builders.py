"""Builders of ledger entries."""

from typing import Literal

import msgspec

from foresight.effects import FillBooked, SettlementBooked
from foresight.events import Fill
from foresight.ledger import Books
from foresight.markets import MarketId, OrderId, Outcome, SlotId
from foresight.money import MICROS


def a_fill(
    side: Literal["BUY", "SELL"] = "BUY",
    *,
    trade: str = "t1",
    price: int = 500_000,
    shares: int = 10 * MICROS,
    fee: int = 0,
    outcome: Outcome = "UP",
    release: str = "v1",
    revision: int = 1,
    assumed: tuple[str, ...] = (),
    market: str = "",
) -> FillBooked:
    return FillBooked(
        trade_id=trade,
        order_id=OrderId("o1"),
        market_id=MarketId(market or f"market-of-{trade}"),
        slot=SlotId("btc-5m"),
        outcome=outcome,
        side=side,
        fill=Fill(price, shares, fee, assumed),
        book=(),
        release=release,
        revision=revision,
        source="test",
        fee_rate_micros=70_000,
        assumed=(),
    )


def a_settlement(winner: Outcome = "UP", *, trade: str = "t1", market: str = "") -> SettlementBooked:
    return SettlementBooked(
        trade_id=trade,
        market_id=MarketId(market or f"market-of-{trade}"),
        winner=winner,
        source="official",
        release="v1",
        revision=1,
    )


def frozen_copy(books: Books) -> bytes:
    return msgspec.msgpack.encode(books)
