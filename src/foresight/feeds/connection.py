"""One WebSocket connection: frames as they arrive, texts that are sent, and how it ended. The one file that knows
picows."""

import asyncio
from collections.abc import Callable

import msgspec
import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from foresight.errors import FeedFailed

HANDSHAKE_S = 5.0
FRAME_BYTES_MAX = 4 * 1024 * 1024
"""A book of a thousand levels has 40 kB; whatever is a hundred times that is no frame of a venue, and ends the
connection."""
PING_IDLE_S = 10.0
"""After so long without any frame the other side is asked (a ping) whether it lives, and has as long to answer."""

REASON_BYTES_MAX = 120
"""Of a close frame's 125 bytes two are its code."""

OnFrame = Callable[["Connection", bytes], None]
OnChange = Callable[["Connection"], None]


class Ended(msgspec.Struct, frozen=True):
    """How a connection ended. `code` is 1006 where no close frame came."""

    code: int
    reason: str
    by_us: bool = False

    def text(self) -> str:
        return f"closed by us: {self.reason}" if self.by_us else f"closed {self.code} {self.reason}".rstrip()


class Connection:
    """An open connection. Whoever reads its frames says `warmed`, once all that was asked for has been heard."""

    def __init__(self, number: int, on_frame: OnFrame, on_ended: OnChange, on_opened: OnChange) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.frames = 0
        self.opened_s = self.heard_s = loop.time()
        self.ended: Ended | None = None
        self._on_frame = on_frame
        self._on_ended = on_ended
        self._on_opened = on_opened
        self._warm: asyncio.Future[None] = loop.create_future()
        self._over: asyncio.Future[None] = loop.create_future()
        self._transport: WSTransport | None = None
        self._time = loop.time
        self._closing = ""

    @property
    def was_opened(self) -> bool:
        return self._transport is not None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and self.ended is None

    def say(self, text: bytes) -> None:
        """Sends a text frame; on a connection that has ended it is lost, like all that is sent too late."""
        if self._transport is not None and self.is_open:
            self._transport.send(WSMsgType.TEXT, text)

    def close(self, why: str, code: int = 1000) -> None:
        if self._transport is not None and self.ended is None:
            self._closing = why
            told = why.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")  # a letter that was cut in two is left out
            self._transport.send_close(picows.WSCloseCode(code), told.encode())
            self._transport.disconnect()

    def heard(self) -> None:
        """Data has come, not only a sign of life."""
        self.heard_s = self._time()

    def silent_s(self) -> float:
        return self._time() - self.heard_s

    def age_s(self) -> float:
        return self._time() - self.opened_s

    @property
    def has_spoken(self) -> bool:
        """Whether it has brought any data, or is warm because nothing was asked for."""
        return self.is_warm or self.heard_s > self.opened_s

    @property
    def is_warm(self) -> bool:
        return self._warm.done()

    def warmed(self) -> None:
        """All that was asked for has been heard."""
        if not self._warm.done():
            self._warm.set_result(None)

    async def wait_ended(self, seconds: float) -> None:
        """Returns when it has ended, or after so long."""
        await asyncio.wait((self._over,), timeout=seconds)

    async def wait_warm(self, seconds: float) -> None:
        """Returns when it is warm or has ended, or after so long."""
        await asyncio.wait((self._over, self._warm), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def _opened(self, transport: WSTransport) -> None:
        self._transport = transport
        self._on_opened(self)

    def _took(self, payload: bytes) -> None:
        self.frames += 1
        self._on_frame(self, payload)

    def _gone(self, code: int, reason: str) -> None:
        if self.ended is None:
            self.ended = Ended(code, self._closing or reason, bool(self._closing))
            self._over.set_result(None)
            self._on_ended(self)


class _Listener(WSListener):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parts = b""
        self._code, self._reason = 1006, ""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._connection._opened(transport)  # noqa: SLF001 - the two halves of one connection

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.payload_size > FRAME_BYTES_MAX:  # picows ends such a connection, and brings the frame all the same
            self._too_long(transport)
        elif kind is WSMsgType.TEXT and frame.fin:
            self._connection._took(frame.get_payload_as_bytes())  # noqa: SLF001
        elif kind is WSMsgType.CLOSE:
            self._closed(transport, frame)
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._join(transport, frame)

    def _join(self, transport: WSTransport, frame: WSFrame) -> None:
        """A message in parts, or as binary data."""
        self._parts += frame.get_payload_as_bytes()
        if len(self._parts) > FRAME_BYTES_MAX:
            self._too_long(transport)
        elif frame.fin:
            whole, self._parts = self._parts, b""
            self._connection._took(whole)  # noqa: SLF001

    def _too_long(self, transport: WSTransport) -> None:
        self._parts = b""
        self._reason = f"a message of over {FRAME_BYTES_MAX} bytes"
        transport.disconnect(False)

    def _closed(self, transport: WSTransport, frame: WSFrame) -> None:
        code, message = frame.get_close_code(), frame.get_close_message()
        self._code = 1005 if code is None else code.value
        self._reason = (message or b"").decode("utf-8", "replace") if isinstance(message, bytes) else str(message or "")
        transport.send_close(picows.WSCloseCode.OK)
        transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        asyncio.get_running_loop().call_soon(self._gone, transport)  # what went wrong is known then

    def _gone(self, transport: WSTransport) -> None:
        error = _error_of(transport)
        self._connection._gone(self._code, self._reason or error)  # noqa: SLF001


def _error_of(transport: WSTransport) -> str:
    """Why picows itself has ended a connection that is gone; empty where it has not. It must be asked for, or it is
    logged as an error that nobody wanted to know."""
    try:
        transport.wait_disconnected().send(None)
    except StopIteration:
        return ""
    except Exception as error:  # noqa: BLE001 - whatever ended it, it has ended
        return _told(error)
    raise AssertionError("a connection that is gone is not waited for")


async def connect(
    url: str, number: int, on_frame: OnFrame, on_ended: OnChange, on_opened: OnChange = lambda _connection: None
) -> Connection:
    """Opens a connection. `on_opened` is called before its first frame, which may come with the handshake. Raises
    FeedFailed, with the reason as a sentence."""
    connection = Connection(number, on_frame, on_ended, on_opened)
    try:
        await picows.ws_connect(
            lambda: _Listener(connection),
            url,
            websocket_handshake_timeout=HANDSHAKE_S,
            max_frame_size=FRAME_BYTES_MAX,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING_IDLE_S,
            auto_ping_reply_timeout=PING_IDLE_S,
            read_buffer_init_size=65_536,
        )
    except (OSError, TimeoutError, ValueError, picows.WSError) as error:  # a redirect may name an address that is none
        raise FeedFailed(f"{url} cannot be reached: {_told(error)}") from None
    except asyncio.CancelledError:
        connection.close("not needed any more")
        raise
    if not connection.was_opened:  # picows calls it connected when the other end leaves during the handshake
        raise FeedFailed(f"{url} cannot be reached: it was closed before the handshake was done")
    return connection


def _told(error: Exception) -> str:
    text = str(error.args[1] if isinstance(error, picows.WSProtocolError) else error)
    return text.splitlines()[0][:200] if text else type(error).__name__
