"""Polymarket's market channel (venue spec §6.1): frames to messages, and what we say there. Nothing raises past it."""

from collections.abc import Iterable, Sequence

import msgspec

from foresight.markets import Token
from foresight.wire.clob_messages import (
    BestBidAsk,
    Book,
    Change,
    ClobMessage,
    LastTrade,
    Level,
    MarketInfo,
    MarketResolved,
    NewMarket,
    Pong,
    PriceChange,
    TickSizeChange,
)
from foresight.wire.rejects import OnReject, Rejecter

__all__ = [
    "PING",
    "BestBidAsk",
    "Book",
    "Change",
    "ClobDecoder",
    "ClobMessage",
    "LastTrade",
    "Level",
    "MarketInfo",
    "MarketResolved",
    "NewMarket",
    "Pong",
    "PriceChange",
    "TickSizeChange",
    "subscribe",
    "subscription",
    "unsubscribe",
]

PING = b"PING"
"""Sent as text every 10 s (venue spec §6.1)."""


class ClobDecoder:
    """Decodes the frames of one connection."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("clob", on_reject)

    def decode(self, frame: bytes) -> Sequence[ClobMessage]:
        """The messages of a frame in the wire's order; what is not taken goes to `on_reject`."""
        raise NotImplementedError


def subscription(tokens: Iterable[Token]) -> bytes:
    """The first frame of a connection."""
    return msgspec.json.encode({"type": "market", "assets_ids": list(tokens), "custom_feature_enabled": True})


def subscribe(tokens: Iterable[Token]) -> bytes:
    return msgspec.json.encode({"operation": "subscribe", "assets_ids": list(tokens), "custom_feature_enabled": True})


def unsubscribe(tokens: Iterable[Token]) -> bytes:
    return msgspec.json.encode({"operation": "unsubscribe", "assets_ids": list(tokens)})
