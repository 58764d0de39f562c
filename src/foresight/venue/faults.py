"""The fault menu (venue spec §13.4): every fault by name, and which of them are on.

Four places ask: a connection for each frame it is about to send (`frames`), the sessions and the REST edge for what
else they are about to do (`find`), and the pump for each event of the source. What acts once when it is asked for (a
close, a change of tick, a closed listener) is done by `control`. A fault is on for `seconds`, for `count` hits, or
until it is taken off; `target` narrows it to what is labelled so: a channel, asset, slot, slug, token, stream or route.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from foresight.venue.frames import Labels

Place = Literal["frames", "session", "rest", "market", "now"]
Parameters = dict[str, int | float | str | bool]

SECONDS_MAX = 86_400.0
COUNT_MAX = 1_000_000
SHOWN_MAX = 40
"""Characters of a refused number that the refusal repeats."""
ACTIVE_MAX = 64
"""Faults that may be on at once: each is asked for every frame."""


class Fault(msgspec.Struct, frozen=True):
    """`parameters` are its own and their defaults, numbers in `RANGES`. `counts` is how often it acts when neither
    count nor seconds are given; None is until it is taken off."""

    name: str
    place: Place
    what: str
    parameters: Parameters = {}
    counts: int | None = None


MENU = (
    Fault("stall", "frames", "a WebSocket stays open and says nothing at all, no pongs and no pings"),
    Fault("pong_only", "frames", "a WebSocket answers pings and says nothing else"),
    Fault("duplicate", "frames", "every frame of market data is sent twice"),
    Fault("out_of_order", "frames", "every two frames of market data change places"),
    Fault("reshape", "frames", "CLOB arrays come as objects, one by one, and its objects as arrays of one"),
    Fault("drop_delta", "frames", "a price_change of the CLOB is lost", counts=1),
    Fault("no_initial_book", "frames", "the CLOB does not send the books that a subscription begins with"),
    Fault("garbage", "frames", "a hostile frame comes before the next frame of data", {"kind": "truncated"}, counts=1),
    Fault("close", "now", "WebSockets are closed with this code; 1006 is without a close frame", {"code": 1006}),
    Fault("server_shutdown", "now", "Binance announces serverShutdown and closes after a while", {"after_s": 10.0}),
    Fault("day_close", "now", "Binance closes its connections as at the end of their 24 hours"),
    Fault("deaf_to_pongs", "session", "Binance takes no pong for an answer, and closes when it waited long enough"),
    Fault("ping_often", "session", "Binance pings this often and waits this long", {"every_s": 1.0, "within_s": 3.0}),
    Fault("auth", "session", "PolyBolt refuses credentials with this code", {"code": "auth_unavailable"}),
    Fault("lost_frames", "session", "PolyBolt loses frames and says so in `dropped`", {"frames": 3}, counts=1),
    Fault("empty_snapshot", "session", "PolyBolt's snapshots have no data"),
    Fault("missing_boundary", "session", "PolyBolt never sends the second at which a window starts"),
    Fault("http_429", "rest", "too many requests; with `retry_after` seconds when above 0", {"retry_after": 0}),
    Fault("http_418", "rest", "an address that did not back off is banned", {"retry_after": 120}),
    Fault("http_500", "rest", "an internal error"),
    Fault("http_503", "rest", "the service is unavailable"),
    Fault("http_reset", "rest", "the connection is reset before an answer"),
    Fault("http_slow", "rest", "the answer takes this long", {"delay_s": 5.0}),
    Fault("book_404", "rest", "there is no order book for a token that has one"),
    Fault("stale_gamma", "rest", "Gamma shows a resolved market as open"),
    Fault("metadata_missing", "rest", "Gamma's events have no eventMetadata"),
    Fault("tie", "market", "the average at a window's end is exactly that of its start; Up wins", counts=1),
    Fault("late_resolution", "market", "a window is resolved this much later, in venue time", {"delay_s": 600.0}),
    Fault("contrary_winner", "market", "the winner is the other one than every price says", counts=1),
    Fault("silent_underlying", "market", "the exchange says nothing of an asset"),
    Fault("silent_reference", "market", "the oracle says nothing of an asset"),
    Fault("tick_change", "now", "the tick of open windows changes, and books follow", {"tick": 0.001}),
    Fault("refuse_connections", "now", "nothing listens for this long", {"for_s": 3.0}),
)
RANGES: dict[str, tuple[float, float]] = {
    "code": (1000, 4999),
    "after_s": (0, 3_600),
    "every_s": (0.05, 3_600),
    "within_s": (0.05, 3_600),
    "frames": (1, 10_000),
    "retry_after": (0, 86_400),
    "delay_s": (0, 86_400),
    "tick": (0.0001, 0.1),
    "for_s": (0.05, 300),
}
"""From where to where a numeric parameter may lie, both included: beyond it nothing is shown that a client may meet."""
BY_NAME = {fault.name: fault for fault in MENU}

NESTED = 50_000
GARBAGE: dict[str, bytes] = {
    "truncated": b'{"event_type":"book","market":"0x',
    "not_json": b"<html>502 Bad Gateway</html>",
    "types": b'{"event_type":17,"price_changes":"none","stream":[],"data":"x","channel":{},"payload":[1]}',
    "nan": b'{"event_type":"last_trade_price","market":"0x0","asset_id":"1","price":"NaN","size":"Infinity",'
    b'"side":"BUY","timestamp":"1"}',
    "negative": b'{"event_type":"book","market":"0x0","asset_id":"1","timestamp":"1","hash":"",'
    b'"bids":[{"price":"-0.5","size":"-3"}],"asks":[]}',
    "duplicate_keys": b'{"event_type":"book","event_type":"price_change","market":"0x0","market":"0x1"}',
    "nested": b"[" * NESTED + b"]" * NESTED,
    "huge": b'{"event_type":"' + b"x" * 1_000_000 + b'"}',
    "empty": b"",
}


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /control/faults` takes."""

    name: str
    target: str | None = None
    parameters: Parameters = {}
    seconds: float | None = None
    count: int | None = None


class Active(msgspec.Struct):
    """A fault that is on. `left` hits remain, None for no end; `until_ns` is monotonic, None for no end."""

    id: int
    name: str
    target: str | None
    parameters: Parameters
    left: int | None
    until_ns: int | None
    hits: int = 0
    held: dict[int, bytes] = {}

    def number(self, parameter: str) -> float:
        value = self.parameters[parameter]
        assert not isinstance(value, str)
        return float(value)


class FaultRefused(ValueError):
    """The fault that is asked for is not on the menu, or not like this."""


class Faults:
    """Which faults are on; `clock` is a monotonic one in nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._active: dict[int, Active] = {}
        self._last_id = 0

    def switch_on(self, asked: Asked) -> Active:
        """Raises FaultRefused with the reason; nothing is on then that was not."""
        fault = BY_NAME.get(asked.name)
        if fault is None:
            raise FaultRefused(f"there is no fault {asked.name!r}; GET /control/faults lists them")
        _check(fault, asked)
        if len(self._now()) >= ACTIVE_MAX:
            raise FaultRefused(f"{ACTIVE_MAX} faults are on already; take one off")
        endless = asked.count is None and asked.seconds is None
        self._last_id += 1
        active = Active(
            id=self._last_id,
            name=asked.name,
            target=asked.target,
            parameters=fault.parameters | asked.parameters,
            left=fault.counts if endless else asked.count,
            until_ns=None if asked.seconds is None else self._clock() + round(asked.seconds * 1e9),
        )
        if fault.place != "now":
            self._active[active.id] = active
        return active

    def switch_off(self, name: str | None, fault_id: int | None = None) -> int:
        """Those of this name, that one, or all of them; returns how many were on."""
        gone = [
            number
            for number, active in self._active.items()
            if (name is None or active.name == name) and (fault_id is None or number == fault_id)
        ]
        for number in gone:
            del self._active[number]
        return len(gone)

    def active(self) -> list[Active]:
        return self._now()

    def find(self, name: str, labels: Collection[str], *, only_named: bool = False) -> Active | None:
        """The first such fault that means one of these labels; this counts as a hit. Without a target it means all,
        but not where it is `only_named`."""
        for active in self._now():
            is_meant = not only_named if active.target is None else active.target in labels
            if active.name == name and is_meant:
                return self._hit(active)
        return None

    def frames(self, body: bytes, *, kind: str, labels: Labels, receiver: int) -> list[bytes]:
        """What a connection sends instead of this body. `kind` is `reply`, `pong`, `ping`, `snapshot` or an event's."""
        bodies = [body]
        if not self._active:
            return bodies
        for active in self._now():
            change = _FRAME_FAULTS.get(active.name)
            if change is None or (active.target is not None and active.target not in labels):
                continue
            if not _concerns(active.name, kind, labels):
                continue
            bodies = [new for old in bodies for new in change(active, old, receiver)]
            if receiver not in active.held:  # a frame that is held has not changed places yet
                self._hit(active)
        return bodies

    def leave(self, receiver: int) -> None:
        """A connection has gone: nothing is held for it any more."""
        for active in self._active.values():
            active.held.pop(receiver, None)

    def _hit(self, active: Active) -> Active:
        active.hits += 1
        if active.left is not None:
            active.left -= 1
        return active

    def _now(self) -> list[Active]:
        if not self._active:
            return []
        now_ns = self._clock()
        over = [
            number
            for number, active in self._active.items()
            if (active.until_ns is not None and active.until_ns <= now_ns)
            or (active.left is not None and active.left <= 0)
        ]
        for number in over:
            del self._active[number]
        return list(self._active.values())


def _check(fault: Fault, asked: Asked) -> None:
    unknown = sorted(asked.parameters.keys() - fault.parameters.keys())
    if unknown:
        raise FaultRefused(f"{fault.name} has no parameter {', '.join(unknown)}; it has {sorted(fault.parameters)}")
    for name, value in asked.parameters.items():
        _check_value(fault, name, value)
    if fault.name == "garbage" and asked.parameters.get("kind", "truncated") not in GARBAGE:
        raise FaultRefused(f"garbage: kind is one of {', '.join(GARBAGE)}")
    if asked.seconds is not None and not 0 < asked.seconds <= SECONDS_MAX:
        raise FaultRefused(f"seconds lie between 0 and {SECONDS_MAX:.0f}")
    if asked.count is not None and not 1 <= asked.count <= COUNT_MAX:
        raise FaultRefused(f"count lies between 1 and {COUNT_MAX}")


def _check_value(fault: Fault, name: str, value: str | float) -> None:
    usual = fault.parameters[name]
    if isinstance(value, bool) or isinstance(value, str) != isinstance(usual, str):
        raise FaultRefused(f"{fault.name}: {name} is like {usual!r}, and not {value!r}")
    if isinstance(value, str):
        return
    least, most = RANGES[name]
    if not least <= value <= most:
        raise FaultRefused(
            f"{fault.name}: {name} lies between {least:g} and {most:g}, and not at {str(value)[:SHOWN_MAX]}"
        )


_ANSWERS = frozenset({"reply", "pong", "ping"})


def _concerns(name: str, kind: str, labels: Labels) -> bool:
    """Which kinds of frames a fault is about."""
    match name:
        case "stall":
            return True
        case "pong_only":
            return kind not in ("pong", "ping")
        case "drop_delta":
            return kind == "price_change"
        case "no_initial_book":
            return kind == "snapshot" and "clob" in labels
        case "silent_underlying":  # its candles come by the clock, whether or not prices do
            return not labels.isdisjoint(("binance", "binance_futures")) and kind not in _ANSWERS
        case "reshape":
            return "clob" in labels and kind not in _ANSWERS
        case "duplicate" | "out_of_order":
            return kind not in _ANSWERS and kind != "snapshot"
        case _:
            return kind not in _ANSWERS


def _nothing(active: Active, body: bytes, receiver: int) -> list[bytes]:  # noqa: ARG001 - the table's signature
    return []


def _twice(active: Active, body: bytes, receiver: int) -> list[bytes]:  # noqa: ARG001 - the table's signature
    return [body, body]


def _swapped(active: Active, body: bytes, receiver: int) -> list[bytes]:
    held = active.held.pop(receiver, None)
    if held is not None:
        return [body, held]
    active.held[receiver] = body
    return []


def _reshaped(active: Active, body: bytes, receiver: int) -> list[bytes]:  # noqa: ARG001 - the table's signature
    if body.startswith(b"["):
        return [msgspec.json.encode(part) for part in msgspec.json.decode(body, type=list[msgspec.Raw])]
    return [b"[" + body + b"]"]


def _spoiled(active: Active, body: bytes, receiver: int) -> list[bytes]:  # noqa: ARG001 - the table's signature
    return [GARBAGE[str(active.parameters["kind"])], body]


_FRAME_FAULTS: dict[str, Callable[[Active, bytes, int], list[bytes]]] = {
    "stall": _nothing,
    "pong_only": _nothing,
    "duplicate": _twice,
    "out_of_order": _swapped,
    "reshape": _reshaped,
    "drop_delta": _nothing,
    "no_initial_book": _nothing,
    "garbage": _spoiled,
    "silent_underlying": _nothing,
}
