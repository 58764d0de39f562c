"""PolyBolt, Polymarket's authenticated socket of reference prices (venue spec §7.1): frames to messages, and back."""

from collections.abc import Iterable

import msgspec

from foresight.wire.numbers import accurate, count_of, measured, ns_of
from foresight.wire.rejects import FAULTS, OnReject, Rejected, Rejecter, Unknown, check_length, taken

WINDOW_S_MAX = 86_400


class Authed(msgspec.Struct, frozen=True):
    rid: str


class Subscribed(msgspec.Struct, frozen=True):
    """One item of a subscription was taken."""

    channel: str
    rid: str


class Price(msgspec.Struct, frozen=True, gc=False):
    """One price with the oracle's own time of it. `window_s` is 60 for the average that settles, None for a spot price.
    `seq` is dense for a connection and channel; `dropped` counts frames that were lost to a slow reader."""

    channel: str
    symbol: str
    source: str
    window_s: int | None
    stamped_ns: int
    value: float
    seq: int | None = None
    dropped: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """The last minutes of one subscription, oldest first as (stamped_ns, value); may be empty."""

    channel: str
    symbol: str
    source: str
    window_s: int | None
    values: tuple[tuple[int, float], ...]
    seq: int | None = None
    dropped: int = 0


class Refused(msgspec.Struct, frozen=True):
    """The server refused what we sent; the connection stays open. `code` is one of venue spec §7.1."""

    code: str
    channel: str
    rid: str


class Pong(msgspec.Struct, frozen=True):
    """The answer to `ping`; no sign of data."""

    rid: str


PolyboltMessage = Authed | Subscribed | Price | Snapshot | Refused | Pong


class Item(msgspec.Struct, frozen=True):
    """What to subscribe: `Item("price.crypto.twap", "btcusd", 60)`; a spot price has no window."""

    channel: str
    symbol: str
    window_s: int | None = None


class _Point(msgspec.Struct, gc=False):
    timestamp: int
    value: float | None = None
    full_accuracy_value: float | None = None


class _Payload(msgspec.Struct, gc=False):
    symbol: str
    source: str = ""
    window_seconds: int | None = None
    timestamp: int = 0
    value: float | None = None
    full_accuracy_value: float | None = None
    data: list[msgspec.Raw] = []


class _Frame(msgspec.Struct):
    op: str = ""
    rid: str | int | None = None
    channel: str = ""
    code: str = ""
    seq: int | None = None
    dropped: int | None = None
    snapshot: bool = False
    payload: _Payload | None = None


# The accurate value comes as decimal text: without strictness msgspec makes the nearest float of it, in C.
_FRAME = msgspec.json.Decoder(_Frame, strict=False)
_POINT = msgspec.json.Decoder(_Point, strict=False)
CHANNELS = ("price.crypto", "price.crypto.twap")


class PolyboltDecoder:
    """Decodes the frames of one connection. Its only state is which unknown names it has named."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("polybolt", on_reject)

    def decode(self, frame: bytes) -> PolyboltMessage | None:
        """The frame's message; None when it went to `on_reject`. Of a snapshot each bad point goes there alone."""
        try:
            check_length(frame)
            return self._message(_FRAME.decode(frame), frame)
        except FAULTS as error:
            self._rejecter.fault(error, frame)
            return None

    def _message(self, told: _Frame, frame: bytes) -> PolyboltMessage:
        payload = told.payload
        if payload is None:
            return _control(told)
        if told.channel not in CHANNELS:
            raise Unknown("channel", told.channel)
        about = (told.channel, payload.symbol, payload.source, _window(payload.window_seconds))
        counts = (None if told.seq is None else count_of(told.seq), count_of(told.dropped or 0))
        if told.snapshot:
            points = taken(payload.data, _point, lambda error: self._rejecter.fault(error, frame))
            return Snapshot(*about, tuple(sorted(points)), *counts)
        return Price(*about, ns_of(payload.timestamp), _value(payload), *counts)


def _control(told: _Frame) -> PolyboltMessage:
    rid = "" if told.rid is None else str(told.rid)
    if told.op == "authed":
        return Authed(rid)
    if told.op == "subscribed":
        return Subscribed(told.channel, rid)
    if told.op == "pong":
        return Pong(rid)
    if told.op == "error":
        return Refused(told.code, told.channel, rid)
    raise Unknown("op", told.op)


def _window(seconds: int | None) -> int | None:
    if seconds is not None and not 0 < seconds <= WINDOW_S_MAX:
        raise Rejected("bad-window", "a window that is not between a second and a day")
    return seconds


def _point(raw: msgspec.Raw) -> tuple[int, float]:
    point = _POINT.decode(raw)
    return ns_of(point.timestamp), _value(point)


def _value(told: _Point | _Payload) -> float:
    if told.full_accuracy_value is not None:
        return accurate(told.full_accuracy_value, told.value)
    if told.value is None:
        raise Rejected("bad-price", "a price without a value")
    return measured(told.value)


def auth(key: str, secret: str, passphrase: str, rid: str) -> bytes:
    credentials = {"apiKey": key, "secret": secret, "passphrase": passphrase}
    return msgspec.json.encode({"op": "auth", "rid": rid, "auth": credentials})


def subscribe(items: Iterable[Item], rid: str) -> bytes:
    return msgspec.json.encode({"op": "subscribe", "rid": rid, "subscriptions": [_item(item) for item in items]})


def _item(item: Item) -> dict[str, str | dict[str, str | int]]:
    asked: dict[str, str | int] = {"symbol": item.symbol}
    if item.window_s is not None:
        asked["window_seconds"] = item.window_s
    return {"channel": item.channel, "filter": asked}


def ping(rid: str) -> bytes:
    return msgspec.json.encode({"op": "ping", "rid": rid})
