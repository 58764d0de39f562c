"""One connection to PolyBolt, the reference prices (venue spec §7.1).

Any well-formed credentials are good: three texts that are not empty. `seq` counts the frames of a channel on this
connection, and those that a slow reader lost; `dropped` says how many were lost before this frame.
"""

from collections import Counter

from foresight.venue.decimals import accurate_text
from foresight.venue.documents import Document, encoded, milliseconds
from foresight.venue.faults import Faults
from foresight.venue.frames import Labels, PriceEvent
from foresight.venue.prices import BOUNDARY_NS, Price
from foresight.venue.sessions import Answer, End, Rate, Say, document_of
from foresight.venue.settings import Pace
from foresight.venue.state import VenueState

SUBSCRIPTIONS_MAX = 64
FRAME_BYTES_MAX = 64 * 1024
AUTH_FRAMES_MAX = 8
CREDENTIAL_MAX = 512
TWAP, SPOT = "price.crypto.twap", "price.crypto"
WINDOW_S = 60
CHANNEL = frozenset({"polybolt"})
POLICY = End(4008, "policy violation")
SYMBOL_SUFFIX = "usd"

Key = tuple[str, str, str]
"""Channel, symbol, provider."""


class PolyBoltSession:
    """`hear` and `tell` are all of the protocol; `dropped` is counted by who sends."""

    def __init__(self, state: VenueState, faults: Faults, pace: Pace) -> None:
        self._state = state
        self._faults = faults
        self._rate = Rate(pace.polybolt_subscribes_per_s, 1.0)
        self._is_authed = False
        self._auths = 0
        self._seq: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._to_lose: Counter[str] = Counter()
        self._keys: dict[Key, int] = {}

    def hear(self, text: str, mono_ns: int) -> list[Answer]:
        """What the venue answers to a text frame."""
        if len(text.encode()) > FRAME_BYTES_MAX:
            return [POLICY]
        asked = document_of(text)
        if asked is None:
            return [_error("bad_op", None, None)]
        rid = asked.get("rid")
        match asked.get("op"):
            case "ping":
                return [Say(encoded(_with_rid({"op": "pong"}, rid)), "pong")]
            case "auth":
                return self._auth(asked.get("auth"), rid)
            case "subscribe" | "unsubscribe" as op:
                if not self._is_authed:
                    return [_error("auth_required", None, rid)]
                if not self._rate.allows(mono_ns):
                    return [_error("rate_limited", None, rid)]
                return self._each(str(op), asked.get("subscriptions"), rid)
            case _:
                return [_error("bad_op", None, rid)]

    def tell(self, event: PriceEvent) -> list[Say]:
        """The frames that a price makes here: one for each subscription that means it."""
        price, labels = event.price, event.labels | CHANNEL
        channel = {"twap": TWAP, "spot": SPOT}.get(price.series)
        if channel is None:
            return []
        said = []
        for key, window_s in self._keys.items():
            if key[:2] == (channel, _symbol(price.asset)) and window_s in (0, WINDOW_S):
                said += self._update(key, price, labels)
        return said

    def names(self) -> Labels:
        """What the connection listens to, as faults name it."""
        return frozenset(symbol.removesuffix(SYMBOL_SUFFIX).upper() for _, symbol, _ in self._keys)

    def lose(self, said: Say) -> None:
        """A frame that was made here could not be sent, and with it what it said of frames before it."""
        told = document_of(said.body.decode()) or {}
        before = told.get("dropped", 0)
        assert isinstance(before, int)
        for channel in {TWAP, SPOT} & said.labels:
            self._dropped[channel] += 1 + before

    def _auth(self, given: object, rid: object) -> list[Answer]:
        self._auths += 1
        if self._auths > AUTH_FRAMES_MAX:
            return [_error("auth_attempts", None, rid)]
        fault = self._faults.find("auth", CHANNEL)
        if fault is not None:
            return [_error(str(fault.parameters["code"]), None, rid)]
        if not _is_well_formed(given):
            return [_error("auth_invalid", None, rid)]
        self._is_authed = True
        return [Say(encoded(_with_rid({"op": "authed"}, rid)), "reply")]

    def _each(self, op: str, items: object, rid: object) -> list[Answer]:
        if not isinstance(items, list) or not items:
            return [_error("bad_op", None, rid)]
        answers: list[Answer] = []
        snapshots: list[Answer] = []
        for item in items:
            channel, key, window_s = _read(item)
            if key is None:
                answers.append(_error("bad_filter" if channel in (TWAP, SPOT) else "bad_channel", channel, rid))
            elif op == "unsubscribe":
                self._keys.pop(key, None)
                answers.append(_ack("unsubscribed", channel, rid))
            elif key not in self._keys and len(self._keys) >= SUBSCRIPTIONS_MAX:
                answers.append(_error("sub_limit", channel, rid))
            else:
                self._keys[key] = window_s
                answers.append(_ack("subscribed", channel, rid))
                snapshots.append(self._snapshot(key, window_s))
        return answers + snapshots

    def _snapshot(self, key: Key, window_s: int) -> Say:
        """The last two minutes."""
        channel, symbol, provider = key
        asset = symbol.removesuffix(SYMBOL_SUFFIX).upper()
        labels = frozenset({asset}) | CHANNEL
        prices = self._state.prices.get(asset)
        series = "twap" if channel == TWAP else "spot"
        known = [] if prices is None or window_s not in (0, WINDOW_S) else prices.recent(series, self._state.now_ns)
        if self._faults.find("empty_snapshot", labels) is not None:
            known = []
        points = [_point(price) for price in known if not self._is_missing(price, labels)]
        payload = {"symbol": symbol, "source": provider, **_window(window_s), "data": points}
        return self._frame(channel, payload, "snapshot", labels, is_snapshot=True)

    def _update(self, key: Key, price: Price, labels: frozenset[str]) -> list[Say]:
        channel, symbol, provider = key
        if self._is_missing(price, labels):
            return []
        if self._to_lose[channel] == 0 and (lost := self._faults.find("lost_frames", labels)) is not None:
            self._to_lose[channel] = round(lost.number("frames"))
        if self._to_lose[channel] > 0:
            self._to_lose[channel] -= 1
            self._seq[channel] += 1
            self._dropped[channel] += 1
            return []
        payload = {"symbol": symbol, "source": provider, **_window(self._keys[key]), **_point(price)}
        return [self._frame(channel, payload, "price", labels)]

    def _is_missing(self, price: Price, labels: frozenset[str]) -> bool:
        is_boundary = price.series == "twap" and price.stamped_ns % BOUNDARY_NS == 0
        return is_boundary and self._faults.find("missing_boundary", labels) is not None

    def _frame(
        self, channel: str, payload: Document, kind: str, labels: frozenset[str], *, is_snapshot: bool = False
    ) -> Say:
        self._seq[channel] += 1
        told: Document = {"v": 1, "channel": channel, "seq": self._seq[channel]}
        told["ts"] = milliseconds(self._state.now_ns)
        if is_snapshot:
            told["snapshot"] = True
        if self._dropped[channel]:
            told["dropped"] = self._dropped.pop(channel)
        return Say(encoded(told | {"payload": payload}), kind, labels | {channel})


def _read(item: object) -> tuple[str | None, Key | None, int]:
    """The channel as it was written, what is meant when it can be, and the window of an average (0 for none)."""
    if not isinstance(item, dict) or not isinstance(item.get("channel"), str):
        return None, None, 0
    channel, chosen = item["channel"], item.get("filter")
    if channel not in (TWAP, SPOT) or not isinstance(chosen, dict):
        return channel, None, 0
    symbol, provider = chosen.get("symbol"), chosen.get("provider", "chainlink")
    window_s = chosen.get("window_seconds", 0)
    is_symbol = isinstance(symbol, str) and symbol.endswith(SYMBOL_SUFFIX) and symbol.isalnum() and symbol.islower()
    is_window = isinstance(window_s, int) and not isinstance(window_s, bool) and (window_s > 0) == (channel == TWAP)
    if not is_symbol or not is_window or provider not in ("chainlink", "pyth"):
        return channel, None, 0
    return channel, (channel, str(symbol), str(provider)), window_s


def _is_well_formed(given: object) -> bool:
    if not isinstance(given, dict):
        return False
    values = [given.get(name) for name in ("apiKey", "secret", "passphrase")]
    return all(isinstance(value, str) and 0 < len(value) <= CREDENTIAL_MAX for value in values)


def _symbol(asset: str) -> str:
    return asset.lower() + SYMBOL_SUFFIX


def _window(window_s: int) -> Document:
    return {"window_seconds": window_s} if window_s else {}


def _point(price: Price) -> Document:
    return {
        "timestamp": milliseconds(price.stamped_ns),
        "value": price.value,
        "full_accuracy_value": accurate_text(price.value),
    }


def _ack(op: str, channel: str | None, rid: object) -> Say:
    return Say(encoded(_with_rid({"op": op, "channel": channel}, rid)), "reply")


def _error(code: str, channel: str | None, rid: object) -> Say:
    told: Document = {"op": "error"} if channel is None else {"op": "error", "channel": channel}
    return Say(encoded(_with_rid(told, rid) | {"code": code}), "reply")


def _with_rid(told: Document, rid: object) -> Document:
    return told if rid is None else told | {"rid": rid}
