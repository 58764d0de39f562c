"""RTDS, Polymarket's old open socket of reference prices, an optional fallback (venue spec §7.2) with its traps."""

from collections.abc import Iterable

import msgspec

from foresight.wire.numbers import accurate, measured, ns_of
from foresight.wire.rejects import FAULTS, OnReject, Rejected, Rejecter, Unknown, check_length, taken

PING = b"PING"
"""Sent as text every 5 s; the answer may be empty or `PONG`."""


class Price(msgspec.Struct, frozen=True, gc=False):
    """One price with the source's own time of it; `window_s` is 60 or 30 for averages, None for a spot price."""

    topic: str
    symbol: str
    window_s: int | None
    stamped_ns: int
    value: float


class Backfill(msgspec.Struct, frozen=True):
    """What came before the subscription, as (stamped_ns, value); may be empty."""

    topic: str
    symbol: str
    window_s: int | None
    values: tuple[tuple[int, float], ...]


class Pong(msgspec.Struct, frozen=True):
    """An empty frame or `PONG`: the connection lives, no sign of data."""


RtdsMessage = Price | Backfill | Pong


class _Point(msgspec.Struct, gc=False):
    timestamp: int
    value: float | None = None
    full_accuracy_value: str | None = None


class _Payload(msgspec.Struct, gc=False):
    symbol: str
    timestamp: int = 0
    value: float | None = None
    full_accuracy_value: str | None = None
    window_s: int | None = None
    data: list[msgspec.Raw] = []


class _Frame(msgspec.Struct):
    topic: str = ""
    type: str = ""
    payload: msgspec.Raw = msgspec.Raw()


_FRAME = msgspec.json.Decoder(_Frame)
_PAYLOAD = msgspec.json.Decoder(_Payload)
_POINT = msgspec.json.Decoder(_Point)
WINDOW_S_OF: dict[str, int | None] = {
    "crypto_prices": None,
    "crypto_prices_chainlink": None,
    "crypto_prices_twap_thirty": 30,
    "crypto_prices_twap_sixty": 60,
}
"""The topics that we read."""
PLAIN_TOPIC = "crypto_prices"
"""Here the accurate value is decimal text, elsewhere an integer of 1e-18."""
SCALE = 10**18
DIGITS_MAX = 60


class RtdsDecoder:
    """Decodes the frames of one connection. Its only state is which unknown names it has named."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("rtds", on_reject)

    def decode(self, frame: bytes) -> RtdsMessage | None:
        """The frame's message; None when it went to `on_reject`. Of a backfill each bad point goes there alone."""
        if frame.strip() in (b"", b"PONG"):
            return Pong()
        try:
            check_length(frame)
            return self._message(_FRAME.decode(frame), frame)
        except FAULTS as error:
            self._rejecter.fault(error, frame)
            return None

    def _message(self, told: _Frame, frame: bytes) -> RtdsMessage:
        topic = told.topic
        if topic not in WINDOW_S_OF:
            raise Unknown("topic", topic)
        if told.type not in ("update", "subscribe"):
            raise Unknown("type", told.type)
        payload = _PAYLOAD.decode(told.payload)
        window_s = _window(topic, payload.window_s)
        if told.type == "update":
            return Price(topic, payload.symbol, window_s, ns_of(payload.timestamp), _value(topic, payload))
        points = taken(payload.data, lambda raw: _point(topic, raw), lambda error: self._rejecter.fault(error, frame))
        return Backfill(topic, payload.symbol, window_s, tuple(sorted(points)))


def _window(topic: str, told_s: int | None) -> int | None:
    window_s = WINDOW_S_OF[topic]
    if told_s is not None and told_s != window_s:
        raise Rejected("bad-window", f"a window of {told_s} s in {topic}")
    return window_s


def _point(topic: str, raw: msgspec.Raw) -> tuple[int, float]:
    point = _POINT.decode(raw)
    return ns_of(point.timestamp), _value(topic, point)


def _value(topic: str, told: _Point | _Payload) -> float:
    if told.full_accuracy_value is not None:
        return accurate(_accurate(topic, told.full_accuracy_value), told.value)
    if told.value is None:
        raise Rejected("bad-price", "a price without a value")
    return measured(told.value)


def _accurate(topic: str, text: str) -> float:
    whole, _, fraction = text.partition(".")
    if len(text) > DIGITS_MAX or not ((whole + fraction).isdigit() and text.isascii()):
        raise Rejected("bad-price", f"{text[:40]!r} is no price")
    return float(text) if topic == PLAIN_TOPIC or fraction else int(text) / SCALE


def subscribe(topics: Iterable[str], symbol: str = "") -> bytes:
    """Asks for updates of topics, of every symbol or of one (`btc/usd`)."""
    chosen = msgspec.json.encode({"symbol": symbol}).decode() if symbol else ""
    wanted = [{"topic": topic, "type": "update", "filters": chosen} for topic in topics]
    return msgspec.json.encode({"action": "subscribe", "subscriptions": wanted})
