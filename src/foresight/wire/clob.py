"""Polymarket's market channel (venue spec §6.1): frames to messages, and what we say there. Nothing raises past it."""

from collections.abc import Iterable, Sequence

import msgspec

from foresight.markets import Token
from foresight.wire.clob_events import BUILDERS, WireEvent, event_name
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
from foresight.wire.clob_rest import book_hash, books_request, decode_books, decode_market_info
from foresight.wire.rejects import FAULTS, OnReject, Rejecter, Unknown, check_length, taken

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
    "book_hash",
    "books_request",
    "decode_books",
    "decode_market_info",
    "subscribe",
    "subscription",
    "unsubscribe",
]

PING = b"PING"
"""Sent as text every 10 s (venue spec §6.1)."""
_PONG = b"PONG"


class _Named(msgspec.Struct):
    event_type: str = ""


_FRAME = msgspec.json.Decoder(WireEvent | list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(WireEvent)
_NAMED = msgspec.json.Decoder(_Named)


class ClobDecoder:
    """Decodes the frames of one connection. Its only state is which unknown events it has named."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("clob", on_reject)

    def decode(self, frame: bytes) -> Sequence[ClobMessage]:
        """The messages of a frame in the wire's order; what is not taken goes to `on_reject`."""
        if frame == _PONG:
            return (Pong(),)
        try:
            check_length(frame)
            whole = _FRAME.decode(frame)
            if isinstance(whole, WireEvent):
                return (_message_of(whole),)
            return taken(whole, _element, lambda error: self._rejecter.fault(error, frame))
        except FAULTS as error:
            self._rejecter.fault(_named(error, frame), frame)
            return ()


def _element(raw: msgspec.Raw) -> ClobMessage:
    try:
        return _message_of(_EVENT.decode(raw))
    except msgspec.ValidationError as error:
        raise _named(error, raw) from error


def _message_of(event: WireEvent) -> ClobMessage:
    name = event_name(event)
    build = BUILDERS.get(name)
    if build is None:
        raise Unknown("event", name)
    return build(event)


def _named(error: Exception, event: bytes | msgspec.Raw) -> Exception:
    """An event that we do not know may have fields of our names with other types: it is unknown and not wrong."""
    if not isinstance(error, msgspec.ValidationError):
        return error
    try:
        name = _NAMED.decode(event).event_type
    except FAULTS:
        return error
    return error if not name or name in BUILDERS else Unknown("event", name)


def subscription(tokens: Iterable[Token]) -> bytes:
    """The first frame of a connection."""
    return msgspec.json.encode({"type": "market", "assets_ids": list(tokens), "custom_feature_enabled": True})


def subscribe(tokens: Iterable[Token]) -> bytes:
    return msgspec.json.encode({"operation": "subscribe", "assets_ids": list(tokens), "custom_feature_enabled": True})


def unsubscribe(tokens: Iterable[Token]) -> bytes:
    return msgspec.json.encode({"operation": "unsubscribe", "assets_ids": list(tokens)})
