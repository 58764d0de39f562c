"""The venue's WebSocket routes: each connection has a session, a reader, a writer and a keeper of its rules."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TypeVar

from aiohttp import WSMessage, WSMsgType, web

from foresight.markets import SECOND_NS
from foresight.runtime.clock import monotonic_ns
from foresight.venue.binance_session import TOO_MANY_MESSAGES, BinanceSession, Path, Request
from foresight.venue.clob_session import ClobSession
from foresight.venue.connection import Connection
from foresight.venue.desk import Desk
from foresight.venue.exchange import is_stream
from foresight.venue.frames import BinanceMarket
from foresight.venue.polybolt_session import FRAME_BYTES_MAX, PolyBoltSession
from foresight.venue.rtds_session import RtdsSession
from foresight.venue.sessions import ABNORMAL, End, Rate

FRAME_MAX = 4 * 1024 * 1024
"""Bytes of one frame of a client; longer ones end the connection. PolyBolt's own limit is smaller."""
OVER = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
GONE = End(ABNORMAL)
MISSED = End(4002, "slow consumer")
LIFE_OVER = End(1008, "24 hours")
LOOK_S = 0.1

Session = TypeVar("Session")
Task = Callable[[], Coroutine[None, None, None]]
Hear = Callable[[WSMessage], Awaitable[None]]


class Sockets:
    """Adds its routes to an application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        pace = desk.settings.pace
        self._attempts = Rate(pace.binance_attempts, pace.binance_attempts_within_s)

    def routes(self) -> list[web.RouteDef]:
        found = [
            web.get("/ws/market", self._clob),
            web.get("/ws/rt", self._polybolt),
            web.get("/ws/rtds", self._rtds),
            web.get("/stream", self._spot(is_combined=True)),
            web.get("/ws", self._spot(is_combined=False)),
            web.get("/ws/{streams:.*@.*}", self._spot(is_combined=False)),
        ]
        paths: tuple[tuple[str, Path], ...] = (("", "all"), ("/market", "market"), ("/public", "public"))
        for prefix, path in paths:
            combined, raw = (self._futures(path, is_combined=combined) for combined in (True, False))
            found += [
                web.get(f"/futures{prefix}/stream", combined),
                web.get(f"/futures{prefix}/ws", raw),
                web.get(f"/futures{prefix}/ws/{{streams:.*@.*}}", raw),
            ]
        return found

    async def _clob(self, request: web.Request) -> web.StreamResponse:
        socket, connection = await self._open(request, "clob")
        session = ClobSession(self._desk.state)
        patience_s = self._desk.settings.pace.clob_ping_patience_s
        heard = _Heard()

        async def hear(message: WSMessage) -> None:
            if message.type == WSMsgType.TEXT:
                if message.data == "PING":
                    heard.now()
                connection.answer(session.hear(message.data))

        async def watch() -> None:
            await heard.nothing_for(patience_s)
            connection.end(GONE)

        with _listed(self._desk.hub.clob, session, connection):
            try:
                await self._converse(socket, connection, hear, watch)
            finally:
                session.leave()
        return socket

    async def _polybolt(self, request: web.Request) -> web.StreamResponse:
        socket, connection = await self._open(request, "polybolt")
        pace = self._desk.settings.pace
        session = PolyBoltSession(self._desk.state, self._desk.faults, pace)
        connection.on_overflow = session.lose
        missed = 0

        async def hear(message: WSMessage) -> None:
            nonlocal missed
            if message.type == WSMsgType.TEXT:
                connection.answer(session.hear(message.data, monotonic_ns()))
            elif message.type == WSMsgType.PONG:
                missed = 0

        async def ping() -> None:
            nonlocal missed
            while True:
                await asyncio.sleep(pace.polybolt_ping_every_s)
                if missed >= pace.polybolt_missed_pings:
                    connection.end(MISSED)
                    return
                missed += connection.ping(b"")

        with _listed(self._desk.hub.prices, session, connection):
            await self._converse(socket, connection, hear, ping)
        return socket

    async def _rtds(self, request: web.Request) -> web.StreamResponse:
        socket, connection = await self._open(request, "rtds")
        session, heard = RtdsSession(self._desk.state), _Heard()

        async def hear(message: WSMessage) -> None:
            if message.type == WSMsgType.TEXT:
                heard.now()
                connection.answer(session.hear(message.data))

        async def watch() -> None:
            await heard.nothing_for(self._desk.settings.pace.rtds_ping_patience_s)
            connection.end(GONE)

        with _listed(self._desk.hub.prices, session, connection):
            await self._converse(socket, connection, hear, watch)
        return socket

    def _spot(self, *, is_combined: bool) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._binance(request, "spot", "all", is_combined=is_combined)

        return handle

    def _futures(self, path: Path, *, is_combined: bool) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._binance(request, "futures", path, is_combined=is_combined)

        return handle

    async def _binance(
        self, request: web.Request, market: BinanceMarket, path: Path, *, is_combined: bool
    ) -> web.StreamResponse:
        streams = _streams(request, is_combined=is_combined)
        if not self._attempts.allows(monotonic_ns()):
            return web.Response(status=429, text="Too many connection attempts")
        if streams is None:
            return web.json_response({"code": 2, "msg": "Invalid request: Invalid stream name"}, status=400)
        channel = "binance" if market == "spot" else "binance_futures"
        socket, connection = await self._open(request, channel)
        unit = 1_000 if request.query.get("timeUnit", "").upper() == "MICROSECOND" else 1_000_000
        asked = Request(market=market, path=path, is_combined=is_combined, ns_per_unit=unit)
        messages = Rate(self._desk.settings.pace.binance_messages_per_s, 1.0)
        session = BinanceSession(self._desk.state.exchange, asked, messages, streams)
        keeper = _Keeper(self._desk, connection, session)
        with _listed(self._desk.hub.binance, session, connection):
            try:
                await self._converse(socket, connection, keeper.hear, keeper.keep)
            finally:
                session.leave()
        return socket

    async def _open(self, request: web.Request, channel: str) -> tuple[web.WebSocketResponse, Connection]:
        limit = FRAME_BYTES_MAX * 2 if channel == "polybolt" else FRAME_MAX
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=limit, timeout=0.5)
        await socket.prepare(request)
        return socket, Connection(socket, request, channel=channel, faults=self._desk.faults)

    async def _converse(self, socket: web.WebSocketResponse, connection: Connection, hear: Hear, keep: Task) -> None:
        """Until one side has closed; reader, writer and keeper end together."""
        try:
            async with asyncio.TaskGroup() as group:
                others = [
                    group.create_task(connection.write(), name=f"{connection.channel} writer"),
                    group.create_task(keep(), name=f"{connection.channel} keeper"),
                ]
                await _read(socket, connection, hear)
                for task in others[1:] if connection.is_ending else others:
                    task.cancel()
        finally:
            connection.leave()


class _Heard:
    """When the client was heard last."""

    def __init__(self) -> None:
        self._is_heard = asyncio.Event()

    def now(self) -> None:
        self._is_heard.set()

    async def nothing_for(self, patience_s: float) -> None:
        """Returns when the client has been silent for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(patience_s):
                    await self._is_heard.wait()
                self._is_heard.clear()


class _Keeper:
    """Keeps the exchange's connection rules: pings and the answer to them, messages a second, 24 hours (spec §10.2)."""

    def __init__(self, desk: Desk, connection: Connection, session: BinanceSession) -> None:
        self._desk = desk
        self._pace = desk.settings.pace
        self._connection = connection
        self._session = session
        self._payload = b""
        self._pinged_ns = self._opened_ns = monotonic_ns()
        self._waits_since_ns: int | None = None

    async def hear(self, message: WSMessage) -> None:
        now_ns = monotonic_ns()
        if not self._session.allows(now_ns):
            self._connection.end(TOO_MANY_MESSAGES)
        elif message.type == WSMsgType.TEXT:
            self._connection.answer(self._session.hear(message.data))
        elif message.type == WSMsgType.PING:
            await self._connection.pong(bytes(message.data))
        elif message.type == WSMsgType.PONG and bytes(message.data) == self._payload and self._payload:
            is_deaf = self._desk.faults.find("deaf_to_pongs", self._connection.labels) is not None
            self._waits_since_ns = self._waits_since_ns if is_deaf else None

    async def keep(self) -> None:
        while not self._connection.is_ending:
            await asyncio.sleep(min(LOOK_S, self._pace.binance_ping_every_s / 4))
            self._look(monotonic_ns())

    def _look(self, now_ns: int) -> None:
        often = self._desk.faults.find("ping_often", self._connection.labels)
        every_s = self._pace.binance_ping_every_s if often is None else often.number("every_s")
        within_s = self._pace.binance_pong_within_s if often is None else often.number("within_s")
        if now_ns - self._opened_ns > self._pace.binance_life_s * SECOND_NS:
            self._connection.end(LIFE_OVER)
        elif self._waits_since_ns is not None and now_ns - self._waits_since_ns > within_s * SECOND_NS:
            self._connection.end(GONE)
        elif now_ns - self._pinged_ns >= every_s * SECOND_NS:
            self._pinged_ns = now_ns
            self._payload = str(now_ns).encode()
            if self._connection.ping(self._payload) and self._waits_since_ns is None:
                self._waits_since_ns = now_ns


async def _read(socket: web.WebSocketResponse, connection: Connection, hear: Hear) -> None:
    while not socket.closed:
        message = await socket.receive()
        if message.type in OVER:
            return
        if message.type == WSMsgType.PING and connection.channel not in ("binance", "binance_futures"):
            await connection.pong(bytes(message.data))
            continue
        try:
            await hear(message)
        except ConnectionError:
            return


@contextlib.contextmanager
def _listed(table: dict[Session, Connection], session: Session, connection: Connection) -> Iterator[None]:
    table[session] = connection
    try:
        yield
    finally:
        del table[session]


def _streams(request: web.Request, *, is_combined: bool) -> list[str] | None:
    """The streams that a URL names; None when one of them is no stream's name."""
    named = request.query.get("streams", "") if is_combined else request.match_info.get("streams", "")
    streams = [stream for stream in named.split("/") if stream]
    return streams if all(is_stream(stream) for stream in streams) else None
