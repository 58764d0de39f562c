"""One connection to the exchange's streams (venue spec §10.2): subscriptions, their replies and error replies."""

import re
from typing import Literal

import msgspec

from foresight.venue.documents import Document, Unreadable, decoded, encoded
from foresight.venue.exchange import Exchange, is_stream
from foresight.venue.frames import BinanceMarket, Labels, StreamEvent
from foresight.venue.sessions import Answer, End, Rate, Say, texts_of

STREAMS_MAX = 1024
ID_TEXT_MAX = 36
INVALID_REQUEST, INVALID_JSON = 2, 3
TOO_MANY_MESSAGES = End(1008, "Too many requests")
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

Path = Literal["all", "market", "public"]
"""Futures serve book data under `/public` and the rest under `/market`; elsewhere all is served (venue spec §10.1)."""

_BOOK_DATA = re.compile(r".+@(bookTicker|depth.*)")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection was asked for."""

    market: BinanceMarket
    path: Path = "all"
    is_combined: bool = False
    ns_per_unit: int = 1_000_000


class BinanceSession:
    """`streams` are those the connection listens to."""

    def __init__(self, exchange: Exchange, request: Request, messages: Rate, streams: list[str]) -> None:
        self._exchange = exchange
        self.request = request
        self._messages = messages
        self.is_combined = request.is_combined
        self.streams: dict[str, None] = {}
        self._watch(streams)

    def allows(self, now_ns: int) -> bool:
        """One more message of the client: JSON, ping or pong alike."""
        return self._messages.allows(now_ns)

    def hear(self, text: str) -> list[Answer]:
        """What the venue answers to a text frame."""
        try:
            asked = decoded(text, object)
        except Unreadable:
            return [_error(INVALID_JSON, "Invalid JSON: expected value at line 1 column 1", None, has_id=False)]
        if not isinstance(asked, dict):
            return [_error(INVALID_REQUEST, "Invalid request: expected an object", None, has_id=False)]
        id_ = asked.get("id")
        if not _is_id(id_):
            return [_error(INVALID_REQUEST, "Invalid request: id must be an integer, a short string or null", None)]
        wrong = self._do(asked)
        if isinstance(wrong, str):
            return [_error(INVALID_REQUEST, f"Invalid request: {wrong}", id_)]
        return [Say(encoded({"result": wrong, "id": id_}), "reply")]

    def wants(self, event: StreamEvent) -> bool:
        return event.market == self.request.market and event.stream in self.streams

    def body_of(self, event: StreamEvent) -> bytes:
        return event.body(self.request.ns_per_unit, is_combined=self.is_combined)

    def shutdown_notice(self, now_ns: int) -> Say:
        """`serverShutdown`, raw or combined."""
        notice = {"e": "serverShutdown", "E": now_ns // self.request.ns_per_unit}
        told: object = {"stream": "!serverShutdown", "data": notice} if self.is_combined else notice
        return Say(encoded(told), "server_shutdown")

    def names(self) -> Labels:
        """What the connection listens to, as faults name it."""
        symbols = {stream.partition("@")[0].upper() for stream in self.streams}
        return frozenset(symbols | {symbol.removesuffix("USDT") for symbol in symbols} | self.streams.keys())

    def leave(self) -> None:
        self._unwatch(list(self.streams))

    def _do(self, asked: Document) -> object:
        """The result, or a sentence on what is wrong."""
        method = asked.get("method")
        match method:
            case "SUBSCRIBE" | "UNSUBSCRIBE":
                return self._change(str(method), asked.get("params"))
            case "LIST_SUBSCRIPTIONS":
                return list(self.streams)
            case "SET_PROPERTY" | "GET_PROPERTY":
                return self._property(str(method), asked.get("params"))
            case _:
                known = ", ".join(f"`{name}`" for name in METHODS)
                return f"unknown variant `{method}`, expected one of {known} at line 1 column 1"

    def _change(self, method: str, params: object) -> str | None:
        streams = texts_of(params)
        if streams is None:
            return "params must be an array of strings"
        if not all(is_stream(stream) for stream in streams):
            return "Invalid stream name"
        if method == "UNSUBSCRIBE":
            self._unwatch([stream for stream in dict.fromkeys(streams) if stream in self.streams])
            return None
        if len(self.streams | dict.fromkeys(streams)) > STREAMS_MAX:
            return f"more than {STREAMS_MAX} streams"
        self._watch(streams)
        return None

    def _property(self, method: str, params: object) -> object:
        if not isinstance(params, list) or not params or params[0] != "combined":
            return "unknown property"
        if method == "GET_PROPERTY":
            return self.is_combined
        if len(params) != 2 or not isinstance(params[1], bool):
            return "combined is true or false"
        self.is_combined = params[1]
        return None

    def _watch(self, streams: list[str]) -> None:
        for stream in streams:
            if stream not in self.streams:
                self.streams[stream] = None
                if self._is_served(stream):
                    self._exchange.watched[self.request.market, stream] += 1

    def _unwatch(self, streams: list[str]) -> None:
        watched = self._exchange.watched
        for stream in streams:
            del self.streams[stream]
            key = (self.request.market, stream)
            if not self._is_served(stream):
                continue
            watched[key] -= 1
            if watched[key] <= 0:
                del watched[key]
                self._exchange.forget(*key)

    def _is_served(self, stream: str) -> bool:
        if self.request.path == "all":
            return True
        return (_BOOK_DATA.fullmatch(stream) is not None) == (self.request.path == "public")


def _is_id(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, str) and len(value) <= ID_TEXT_MAX)


def _error(code: int, message: str, id_: object, *, has_id: bool = True) -> Say:
    told: Document = {"code": code, "msg": message}
    return Say(encoded(told | ({"id": id_} if has_id else {})), "reply")
