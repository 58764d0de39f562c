"""PolyBolt, Polymarket's authenticated socket of reference prices (venue spec §7.1): frames to messages, and back."""

from collections.abc import Iterable

import msgspec

from foresight.wire.rejects import OnReject, Rejecter


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


class PolyboltDecoder:
    """Decodes the frames of one connection."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("polybolt", on_reject)

    def decode(self, frame: bytes) -> PolyboltMessage | None:
        """The frame's message; None when it went to `on_reject`."""
        raise NotImplementedError


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
