"""A WebSocket server on loopback that does what a test says: it opens, sends, closes, falls silent or goes away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport


class Peer(WSListener):
    """The server's side of one connection."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.said: list[bytes] = []
        self.is_gone = False
        self.pings = 0
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.server.peers.append(self)
        self.server.on_open(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            self.said.append(frame.get_payload_as_bytes())
            self.server.on_text(self, self.said[-1])
        elif frame.msg_type is WSMsgType.PING:
            self.pings += 1
            if self.server.answers_pings:
                transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_gone = True

    def send(self, data: bytes, kind: WSMsgType = WSMsgType.TEXT, *, fin: bool = True) -> None:
        assert self._transport is not None
        self._transport.send(kind, data, fin)

    def write(self, raw: bytes) -> None:
        """Bytes that need not be a frame."""
        assert self._transport is not None
        self._transport.underlying_transport.write(raw)

    def close(self, code: int, reason: bytes = b"") -> None:
        assert self._transport is not None
        payload = code.to_bytes(2, "big") + reason
        self._transport.send(WSMsgType.CLOSE, payload)
        self._transport.disconnect()

    def cut(self) -> None:
        """Ends it without a word."""
        assert self._transport is not None
        self._transport.disconnect(False)


class Server:
    """`on_open` and `on_text` are the script; `refuse` answers 404 to who comes."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.on_open: Callable[[Peer], None] = lambda _peer: None
        self.on_text: Callable[[Peer, bytes], None] = lambda _peer, _text: None
        self.refuses = False
        self.answers_pings = True
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def open(self) -> list[Peer]:
        return [peer for peer in self.peers if not peer.is_gone]

    async def start(self) -> None:
        """Serves, on the same port as before."""
        self._server = await picows.ws_create_server(
            lambda _request: None if self.refuses else Peer(self), "127.0.0.1", self.port, enable_auto_pong=False
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes its door and cuts all connections."""
        if self._server is not None:
            self._server.close()
            for peer in self.open:
                peer.cut()
            await until(lambda: not self.open)
            self._server = None


@contextlib.asynccontextmanager
async def a_server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def until(is_it: Callable[[], object], within_s: float = 10.0) -> None:
    """Waits until something holds."""
    try:
        async with asyncio.timeout(within_s):
            while not is_it():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s") from None


@contextlib.contextmanager
def no_task_left() -> Iterator[None]:
    """Nothing that was started inside runs on afterwards."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() == before
