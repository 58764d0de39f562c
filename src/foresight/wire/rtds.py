"""RTDS, Polymarket's old open socket of reference prices, an optional fallback (venue spec §7.2) with its traps."""

from collections.abc import Iterable

import msgspec

from foresight.wire.rejects import OnReject, Rejecter

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


class RtdsDecoder:
    """Decodes the frames of one connection."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("rtds", on_reject)

    def decode(self, frame: bytes) -> RtdsMessage | None:
        """The frame's message; None when it went to `on_reject`."""
        raise NotImplementedError


def subscribe(topics: Iterable[str], symbol: str = "") -> bytes:
    """Asks for updates of topics, of every symbol or of one (`btc/usd`)."""
    chosen = msgspec.json.encode({"symbol": symbol}).decode() if symbol else ""
    wanted = [{"topic": topic, "type": "update", "filters": chosen} for topic in topics]
    return msgspec.json.encode({"action": "subscribe", "subscriptions": wanted})
