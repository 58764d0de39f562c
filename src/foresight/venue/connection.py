"""One WebSocket of the venue: a queue with a limit, a writer, and the one place where faults change what is sent."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from aiohttp import WSMsgType, web

from foresight.venue.faults import Faults
from foresight.venue.frames import Labels
from foresight.venue.sessions import ABNORMAL, End, Say

QUEUE_MAX = 20_000
"""Frames that wait for a slow reader: some ten busy seconds of everything. Beyond it PolyBolt loses frames and says so,
and every other channel closes the connection, for a client of theirs must not miss any."""
CLOSE_S = 0.5
"""How long a close waits for the other side to close as well."""


class Connection:
    """`labels` name the connection to faults: its channel, and `all`."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, *, channel: str, faults: Faults) -> None:
        self.channel = channel
        self.labels: Labels = frozenset({channel})
        self.sent = 0
        self.on_overflow: Callable[[Say], None] | None = None
        self._socket = socket
        self._request = request
        self._faults = faults
        self._waiting: deque[bytes] = deque()
        self._is_due = asyncio.Event()
        self._end: End | None = None
        self.gone = asyncio.Event()

    @property
    def is_ending(self) -> bool:
        return self._end is not None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def say(self, said: Say) -> None:
        """Queue a frame, or what the faults make of it."""
        if self._end is not None:
            return
        if len(self._waiting) >= QUEUE_MAX:
            self._overflow(said)
            return
        labels = said.labels | self.labels
        self._waiting.extend(self._faults.frames(said.body, kind=said.kind, labels=labels, receiver=id(self)))
        self._is_due.set()

    def answer(self, answers: Iterable[Say | End]) -> None:
        for answer in answers:
            if isinstance(answer, End):
                self.end(answer)
            else:
                self.say(answer)

    def end(self, end: End) -> None:
        """Close after what is queued has been sent; 1006 at once and without a close frame."""
        if self._end is None:
            self._end = end
            if end.code == ABNORMAL:
                self._waiting.clear()
            self._is_due.set()

    async def write(self) -> None:
        """Sends what is queued until the connection ends."""
        try:
            while True:
                await self._is_due.wait()
                self._is_due.clear()
                while self._waiting:
                    await self.send(self._waiting.popleft())
                if self._end is not None:
                    await self._close(self._end)
                    return
        except ConnectionError:
            return  # the other side has gone; the reader sees it too

    async def send(self, body: bytes) -> None:
        """One text frame now, past queue and faults."""
        await self._socket.send_frame(body, WSMsgType.TEXT)
        self.sent += 1

    async def send_or_leave(self, body: bytes) -> None:
        """The same, where the other side may have gone meanwhile."""
        try:
            await self.send(body)
        except ConnectionError:
            self.end(End(ABNORMAL))

    async def ping(self, payload: bytes) -> bool:
        """Whether it was sent: a fault may swallow it, and then no pong is owed."""
        is_sent = bool(self._faults.frames(payload, kind="ping", labels=self.labels, receiver=id(self)))
        if is_sent:
            await self._socket.ping(payload)
        return is_sent

    async def pong(self, payload: bytes) -> None:
        if self._faults.frames(payload, kind="pong", labels=self.labels, receiver=id(self)):
            await self._socket.pong(payload)

    def leave(self) -> None:
        """The conversation is over."""
        self.gone.set()
        self._faults.leave(id(self))

    def _overflow(self, said: Say) -> None:
        if self.on_overflow is None:
            self._waiting.clear()
            self.end(End(1008, "slow reader"))
        else:
            self.on_overflow(said)

    async def _close(self, end: End) -> None:
        transport = self._request.transport
        if end.code == ABNORMAL:
            if transport is not None:
                transport.abort()
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=end.code, message=end.reason.encode())
        except TimeoutError:
            if transport is not None:
                transport.close()  # and no abort: what was sent, the close frame too, can still be read
