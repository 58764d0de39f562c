"""One connection to RTDS, the older socket of reference prices (venue spec §7.2), kept as an optional fallback.

As at the venue, a filter counts only when it is written exactly `{"symbol":"btc/usd"}`: with a space in it the
subscription gets its backfill and then nothing, and one invalid topic silences the whole array.
"""

import re

import msgspec

from foresight.venue.decimals import accurate_units
from foresight.venue.documents import Document, encoded, milliseconds
from foresight.venue.frames import Labels, PriceEvent
from foresight.venue.prices import Price
from foresight.venue.sessions import Answer, Say, document_of
from foresight.venue.state import VenueState

TOPICS = {
    "crypto_prices": "underlying",
    "crypto_prices_chainlink": "spot",
    "crypto_prices_twap_sixty": "twap",
}
SUBSCRIPTIONS_MAX = 64
"""As many as PolyBolt takes; this channel's own limit is not known. More are passed over in silence, as at the venue is
whatever it does not take."""
CONNECTION_ID = "Zm9yZXNpZ2h0="
_EXACT = re.compile(r'\{"symbol":"([a-z0-9]+(?:/usd|usdt))"\}')
_LOOSE = re.compile(r'\s*\{\s*"symbol"\s*:\s*"([a-z0-9]+(?:/usd|usdt))"\s*\}\s*')


class _Subscription(msgspec.Struct, frozen=True):
    """`symbol` empty means all; `is_live` is false where only the backfill comes."""

    topic: str
    symbol: str
    is_live: bool


class RtdsSession:
    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}

    def hear(self, text: str) -> list[Answer]:
        """What the venue answers to a text frame."""
        if text == "PING":
            return [Say(b"PONG", "pong")]
        asked = document_of(text)
        items = None if asked is None else asked.get("subscriptions")
        if asked is None or not isinstance(items, list):
            return []
        read = [_read(item) for item in items]
        wanted = [item for item in read if item is not None]
        if len(wanted) < len(read):
            return []
        if asked.get("action") == "unsubscribe":
            for item in wanted:
                self._subscriptions.pop((item.topic, item.symbol), None)
            return []
        new = {(item.topic, item.symbol): item for item in wanted}
        if len(self._subscriptions | new) > SUBSCRIPTIONS_MAX:
            return []
        self._subscriptions |= new
        return [frame for item in new.values() for frame in self._backfills(item)]

    def tell(self, event: PriceEvent) -> list[Say]:
        price = event.price
        said = []
        for item in self._subscriptions.values():
            symbol = _symbol(item.topic, price.asset)
            if item.is_live and TOPICS[item.topic] == price.series and item.symbol in ("", symbol):
                payload = {"symbol": symbol, **_point(price), **_accurate(item.topic, price)}
                said.append(Say(self._frame(item.topic, "update", payload), "price", event.labels | {"rtds"}))
        return said

    def names(self) -> Labels:
        """What the connection listens to, as faults name it."""
        symbols = (symbol for _, symbol in self._subscriptions)
        return frozenset(symbol.removesuffix("/usd").removesuffix("usdt").upper() for symbol in symbols)

    def _backfills(self, item: _Subscription) -> list[Say]:
        said = []
        for asset, prices in self._state.prices.items():
            symbol = _symbol(item.topic, asset)
            if item.symbol in ("", symbol):
                known = prices.recent(TOPICS[item.topic], self._state.now_ns)
                payload: Document = {"symbol": symbol, "data": [_point(price) for price in known]}
                labels = frozenset({"rtds", asset})
                said.append(Say(self._frame(item.topic, "subscribe", payload), "snapshot", labels))
        return said

    def _frame(self, topic: str, kind: str, payload: Document) -> bytes:
        at_ms = milliseconds(self._state.now_ns)
        told = {"topic": topic, "type": kind, "timestamp": at_ms, "connection_id": CONNECTION_ID, "payload": payload}
        return encoded(told)


def _read(item: object) -> _Subscription | None:
    if not isinstance(item, dict) or item.get("type") not in ("update", "*"):
        return None
    topic, written = item.get("topic"), item.get("filters", "")
    if not isinstance(topic, str) or topic not in TOPICS:
        return None
    if written == "":
        return _Subscription(topic, "", is_live=True)
    found = _LOOSE.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        return None
    return _Subscription(topic, found[1], is_live=_EXACT.fullmatch(written) is not None)


def _symbol(topic: str, asset: str) -> str:
    return f"{asset.lower()}usdt" if topic == "crypto_prices" else f"{asset.lower()}/usd"


def _point(price: Price) -> Document:
    return {"timestamp": milliseconds(price.stamped_ns), "value": price.value}


def _accurate(topic: str, price: Price) -> Document:
    """An integer of 1e-18, but a plain decimal on `crypto_prices`."""
    if topic == "crypto_prices":
        return {"full_accuracy_value": f"{price.value:.8f}"}
    window = {"window_s": 60} if topic == "crypto_prices_twap_sixty" else {}
    return {"full_accuracy_value": accurate_units(price.value), **window}
