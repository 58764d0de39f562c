"""One WebSocket of the venue: a queue with a limit, a writer, and the one place where faults change what is sent."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from aiohttp import WSMsgType, web

from foresight.venue.faults import Faults
from foresight.venue.frames import Labels
from foresight.venue.sessions import ABNORMAL, End, Say

QUEUE_MAX = 20_000
"""Frames that wait for a slow reader: some ten busy seconds of everything. Beyond it PolyBolt loses frames and says so,
and every other channel closes the connection, for a client of theirs must not miss any."""
CLOSE_S = 0.5
"""How long a close waits for the other side to close as well."""
ABORT_S = 5.0
"""How long after its end a connection may still send what is queued: one that nobody reads is cut off then."""


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
        self._waiting: deque[tuple[bytes, WSMsgType]] = deque()
        self._is_due = asyncio.Event()
        self._end: End | None = None
        self._timer: asyncio.TimerHandle | None = None
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
        bodies = self._faults.frames(said.body, kind=said.kind, labels=labels, receiver=id(self))
        self._waiting.extend([(body, WSMsgType.TEXT) for body in bodies])
        self._is_due.set()

    def answer(self, answers: Iterable[Say | End]) -> None:
        for answer in answers:
            if isinstance(answer, End):
                self.end(answer)
            else:
                self.say(answer)

    def end(self, end: End) -> None:
        """Close after what is queued has been sent, or a few seconds later; 1006 at once and without a close frame."""
        if self._end is not None or self.gone.is_set():
            return
        self._end = end
        if end.code == ABNORMAL:
            self._waiting.clear()
            self._abort()
        else:
            self._later(ABORT_S, self._abort)
        self._is_due.set()

    def end_later(self, end: End, seconds: float) -> None:
        """The same after a while, if it is still open then; the last one who asks counts."""
        if self._end is None and not self.gone.is_set():
            self._later(seconds, partial(self.end, end))

    async def write(self) -> None:
        """Sends what is queued until the connection ends."""
        try:
            while True:
                await self._is_due.wait()
                self._is_due.clear()
                while self._waiting:
                    body, kind = self._waiting.popleft()
                    await self._send(body, kind)
                if self._end is not None:
                    await self._close(self._end)
                    return
        except ConnectionError:
            return  # the other side has gone; the reader sees it too

    async def send(self, body: bytes) -> None:
        """One text frame now, past queue and faults."""
        await self._send(body, WSMsgType.TEXT)

    async def send_or_leave(self, body: bytes) -> None:
        """The same, where the other side may have gone meanwhile."""
        try:
            await self.send(body)
        except ConnectionError:
            self.end(End(ABNORMAL))

    def ping(self, payload: bytes) -> bool:
        """Queue a ping, for who sends it must go on to see that no pong comes. Whether it is sent: a fault may swallow
        it, and then no pong is owed."""
        is_sent = bool(self._faults.frames(payload, kind="ping", labels=self.labels, receiver=id(self)))
        if is_sent:
            self._waiting.append((payload, WSMsgType.PING))
            self._is_due.set()
        return is_sent

    async def pong(self, payload: bytes) -> None:
        if self._faults.frames(payload, kind="pong", labels=self.labels, receiver=id(self)):
            await self._socket.pong(payload)

    def leave(self) -> None:
        """The conversation is over."""
        self.gone.set()
        if self._timer is not None:
            self._timer.cancel()
        self._faults.leave(id(self))

    async def _send(self, body: bytes, kind: WSMsgType) -> None:
        await self._socket.send_frame(body, kind)
        self.sent += kind == WSMsgType.TEXT

    def _overflow(self, said: Say) -> None:
        if self.on_overflow is None:
            self._waiting.clear()
            self.end(End(1008, "slow reader"))
        else:
            self.on_overflow(said)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        """One timer at a time, and none once the conversation is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, what)

    def _abort(self) -> None:
        """Reader and writer see it, also one that waits for the other side to read."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _close(self, end: End) -> None:
        if end.code == ABNORMAL:
            return  # it is aborted
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=end.code, message=end.reason.encode())
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.close()  # no abort yet: what was sent, the close frame too, can still be read
