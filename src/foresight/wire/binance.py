"""Binance's streams (venue spec §10.2, §10.3): frames to messages, and what we say there. Nothing raises past it.

A frame of a combined connection names its stream, so the busy ones need no second look; a raw one is told by its `e`,
and spot's bookTicker by having none.
"""

from collections.abc import Callable, Sequence

import msgspec

from foresight.events import NO_STAMP
from foresight.wire.binance_messages import (
    AggTrade,
    BinanceMessage,
    BookTicker,
    Candle,
    DepthUpdate,
    Kline,
    PartialDepth,
    Reply,
    ServerShutdown,
    Trade,
)
from foresight.wire.binance_rest import (
    decode_agg_trades,
    decode_book_ticker,
    decode_klines,
    decode_symbols,
    decode_time,
)
from foresight.wire.numbers import count_of, measured, ns_of, quantity_of
from foresight.wire.rejects import FAULTS, OnReject, Rejecter, Unknown, check_length

__all__ = [
    "AggTrade",
    "BinanceDecoder",
    "BinanceMessage",
    "BookTicker",
    "Candle",
    "DepthUpdate",
    "Kline",
    "PartialDepth",
    "Reply",
    "ServerShutdown",
    "Trade",
    "decode_agg_trades",
    "decode_book_ticker",
    "decode_klines",
    "decode_symbols",
    "decode_time",
    "subscribe",
    "unsubscribe",
]


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Head(msgspec.Struct, gc=False):
    """What tells frames apart. `u`, `lastUpdateId` and `result` are only asked whether they are there."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    e: str = ""
    u: msgspec.Raw = msgspec.Raw()
    lastUpdateId: msgspec.Raw = msgspec.Raw()  # noqa: N815 - the wire's name
    result: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    code: int | None = None
    msg: str = ""
    error: _Error | None = None


class _BookTicker(msgspec.Struct, gc=False):
    u: int
    s: str
    b: float
    B: float
    a: float
    A: float
    E: int = 0


class _Deal(msgspec.Struct, gc=False):
    """A trade or an aggregated one: the id is `t` or `a`."""

    s: str
    p: float
    q: float
    T: int
    E: int
    m: bool
    t: int = -1
    a: int = -1


class _Candle(msgspec.Struct, gc=False):
    t: int
    T: int
    i: str
    c: float
    x: bool


class _Kline(msgspec.Struct, gc=False):
    s: str
    E: int
    k: _Candle


class _Depth(msgspec.Struct, gc=False):
    s: str
    E: int
    U: int
    u: int


class _PartialDepth(msgspec.Struct, gc=False):
    lastUpdateId: int  # noqa: N815 - the wire's name


class _Shutdown(msgspec.Struct, gc=False):
    E: int


# Prices come as text: without strictness msgspec makes floats of it in C.
_HEAD = msgspec.json.Decoder(_Head)
_BOOK_TICKER = msgspec.json.Decoder(_BookTicker, strict=False)
_DEAL = msgspec.json.Decoder(_Deal, strict=False)
_KLINE = msgspec.json.Decoder(_Kline, strict=False)
_DEPTH = msgspec.json.Decoder(_Depth)
_PARTIAL_DEPTH = msgspec.json.Decoder(_PartialDepth)
_SHUTDOWN = msgspec.json.Decoder(_Shutdown)
_Bytes = bytes | msgspec.Raw


class BinanceDecoder:
    """Decodes the frames of one connection, wrapped (`/stream`) and raw (`/ws`), spot and futures. Its only state is
    which unknown events it has named."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("binance", on_reject)

    def decode(self, frame: bytes) -> BinanceMessage | None:
        """The frame's message; None when it went to `on_reject`."""
        try:
            check_length(frame)
            return _message_of(frame)
        except FAULTS as error:
            self._rejecter.fault(error, frame)
            return None


def _message_of(frame: bytes) -> BinanceMessage:
    head = _HEAD.decode(frame)
    if not head.stream:
        return _raw_message(head, frame)
    symbol, _, suffix = head.stream.partition("@")
    build = _BY_STREAM.get(suffix)
    if build is not None:
        return build(head.data)
    inner = _HEAD.decode(head.data)
    if not inner.e and bytes(inner.lastUpdateId):
        return _partial_depth(head.data, symbol.upper())
    return _by_event(inner.e or suffix or head.stream, head.data)


def _raw_message(head: _Head, frame: bytes) -> BinanceMessage:
    if head.e:
        return _by_event(head.e, frame)
    if head.error is not None or head.code is not None or bytes(head.result):
        return _reply(head)
    if bytes(head.u):
        return _book_ticker(frame)
    if bytes(head.lastUpdateId):
        return _partial_depth(frame, "")
    raise Unknown("event", "none")


def _reply(head: _Head) -> Reply:
    if head.error is not None:
        return Reply(head.id, f"{head.error.code} {head.error.msg[:200]}")
    return Reply(head.id, None if head.code is None else f"{head.code} {head.msg[:200]}")


def _by_event(name: str, payload: _Bytes) -> BinanceMessage:
    build = _BY_EVENT.get(name)
    if build is None:
        raise Unknown("event", name)
    return build(payload)


def _book_ticker(payload: _Bytes) -> BookTicker:
    told = _BOOK_TICKER.decode(payload)
    bid, ask = measured(told.b), measured(told.a)
    quantities = quantity_of(told.B), quantity_of(told.A)
    return BookTicker(told.s, bid, ask, *quantities, count_of(told.u), ns_of(told.E) if told.E else NO_STAMP)


def _agg_trade(payload: _Bytes) -> AggTrade:
    told = _DEAL.decode(payload)
    price, quantity = measured(told.p), quantity_of(told.q)
    return AggTrade(told.s, count_of(told.a), price, quantity, ns_of(told.T), ns_of(told.E), told.m)


def _trade(payload: _Bytes) -> Trade:
    told = _DEAL.decode(payload)
    price, quantity = measured(told.p), quantity_of(told.q)
    return Trade(told.s, count_of(told.t), price, quantity, ns_of(told.T), ns_of(told.E), told.m)


def _kline(payload: _Bytes) -> Kline:
    told = _KLINE.decode(payload)
    candle = told.k
    opened_ns, closed_ns = ns_of(candle.t), ns_of(candle.T)
    return Kline(told.s, candle.i, opened_ns, closed_ns, measured(candle.c), candle.x, ns_of(told.E))


def _depth(payload: _Bytes) -> DepthUpdate:
    told = _DEPTH.decode(payload)
    return DepthUpdate(told.s, count_of(told.U), count_of(told.u), ns_of(told.E))


def _partial_depth(payload: _Bytes, symbol: str) -> PartialDepth:
    return PartialDepth(symbol, count_of(_PARTIAL_DEPTH.decode(payload).lastUpdateId))


def _shutdown(payload: _Bytes) -> ServerShutdown:
    return ServerShutdown(ns_of(_SHUTDOWN.decode(payload).E))


_BY_STREAM: dict[str, Callable[[_Bytes], BinanceMessage]] = {
    "bookTicker": _book_ticker,
    "aggTrade": _agg_trade,
    "trade": _trade,
    "kline_1s": _kline,
    "kline_1m": _kline,
    "depth": _depth,
    "depth@100ms": _depth,
}
_BY_EVENT: dict[str, Callable[[_Bytes], BinanceMessage]] = {
    "bookTicker": _book_ticker,
    "aggTrade": _agg_trade,
    "trade": _trade,
    "kline": _kline,
    "depthUpdate": _depth,
    "serverShutdown": _shutdown,
}


def subscribe(streams: Sequence[str], id: int) -> bytes:  # noqa: A002 - the protocol's own word
    return msgspec.json.encode({"method": "SUBSCRIBE", "params": list(streams), "id": id})


def unsubscribe(streams: Sequence[str], id: int) -> bytes:  # noqa: A002 - the protocol's own word
    return msgspec.json.encode({"method": "UNSUBSCRIBE", "params": list(streams), "id": id})
