"""Frames between the processes of one program: a length, then msgpack. Files travel beside a frame, never inside it.

Three parties talk: the running program, the stager, and the zygotes with the hosts that they fork. All are on one
machine and of one version, so the messages are array-like Structs, and a message that does not decode is an
impossibility of ours, but for what comes from a host: live code may have written there.
"""

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Generic, TypeVar

import msgspec

from tesseract.errors import PeerGone

Message = TypeVar("Message")
LENGTH_BYTES = 4
FRAME_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 64
FILE = struct.Struct("i")
SEND_S = 10.0
RECEIVE_BYTES = 64 * 1024
"""Below the 128 KiB from which the C library maps and unmaps memory of its own for each buffer, at 6 us a time."""


def _path_to_text(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} does not cross between processes")


def _text_to_path(kind: type, value: object) -> object:
    return kind(str(value)) if issubclass(kind, PurePath) else value


_encoder = msgspec.msgpack.Encoder(enc_hook=_path_to_text)


def decoder(kind: Any) -> "msgspec.msgpack.Decoder[Any]":
    """Decodes what `frame` made of a message of this type, which may be a union of tagged Structs."""
    return msgspec.msgpack.Decoder(kind, dec_hook=_text_to_path)


def frame(message: object) -> bytes:
    """A message as it goes over a socket."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def receive_some(sock: socket.socket, files_max: int) -> tuple[bytes, Sequence[int]]:
    """What has arrived on a socket, with at most so many descriptors; the kernel drops what is over. No process that is
    started inherits them. Raises OSError."""
    if not files_max:
        return sock.recv(RECEIVE_BYTES), ()
    space = socket.CMSG_LEN(files_max * FILE.size)
    received, ancillary, _, _ = sock.recvmsg(RECEIVE_BYTES, space, socket.MSG_CMSG_CLOEXEC)
    rights = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    return received, [
        file for data in rights for (file,) in FILE.iter_unpack(data[: len(data) // FILE.size * FILE.size])
    ]


class Frames:
    """Cuts a stream of bytes into frames' bodies of at most `bytes_max` each."""

    def __init__(self, bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._bytes_max = bytes_max

    def feed(self, received: bytes) -> list[bytes]:
        """The bodies that are whole now. Raises PeerGone for a length that nobody here would send."""
        if not self._buffer and int.from_bytes(received[:LENGTH_BYTES], "big") == len(received) - LENGTH_BYTES:
            return [received[LENGTH_BYTES:]]  # one whole frame, as nearly always
        self._buffer += received
        bodies = []
        while len(self._buffer) >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
            if length > self._bytes_max:
                raise PeerGone(f"a frame of {length} bytes was announced")
            end = LENGTH_BYTES + length
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[LENGTH_BYTES:end]))
            del self._buffer[:end]
        return bodies


class Link(Generic[Message]):
    """One end of a blocking conversation."""

    def __init__(
        self, sock: socket.socket, kind: Any, *, files_max: int = FILES_MAX, send_s: float | None = SEND_S
    ) -> None:
        """`kind` is the msgspec type (a union of tagged Structs) of what arrives, with at most `files_max` descriptors
        at a time; the kernel drops what is over. A send may wait `send_s`, with None for ever."""
        self.sock = sock
        sock.settimeout(send_s)
        self._files_max = files_max
        self._decoder: msgspec.msgpack.Decoder[Message] = decoder(kind)
        self._frames = Frames()
        self._bodies: list[bytes] = []
        self.files: list[int] = []
        """Descriptors that arrived and that nobody has taken; the taker closes them."""

    def turned_to(self, kind: Any) -> "Link[Any]":
        """The same conversation from here on with messages of another type, without descriptors and without a limit of
        time; what has arrived already is its beginning."""
        link: Link[Any] = Link(self.sock, kind, files_max=0, send_s=None)
        link._frames, link._bodies = self._frames, self._bodies
        return link

    def send(self, message: object, files: tuple[int, ...] = ()) -> None:
        """Sends all of a message. Raises PeerGone when the other side has left or does not read."""
        data = memoryview(frame(message))
        try:
            if files:
                sent = socket.send_fds(self.sock, [data], list(files))
                data = data[sent:]
            self.sock.sendall(data)
        except OSError as error:
            raise PeerGone(f"the other process does not read: {error}") from None

    def receive(self, timeout_s: float | None) -> Message:
        """The next message. With None it waits for ever, on a link whose sends do. Raises TimeoutError, and PeerGone
        when the other side has left."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._bodies:
            if end_s is not None:
                self._wait(max(end_s - time.monotonic(), 0.0))
            self._fill()
        try:
            return self._decoder.decode(self._bodies.pop(0))
        except msgspec.MsgspecError as error:
            raise PeerGone(f"the other process sent what nobody here would: {error}") from None

    def arrived(self) -> list[Message]:
        """What can be read without waiting; call it when the socket is readable. Raises as `receive` does."""
        self._fill()
        found = []
        while self._bodies:
            found.append(self.receive(0))
        return found

    def _wait(self, seconds: float) -> None:
        if not select.select([self.sock], [], [], seconds)[0]:
            raise TimeoutError(f"no answer within {seconds:.1f} s")

    def _fill(self) -> None:
        try:
            received, files = receive_some(self.sock, self._files_max)
        except BlockingIOError:
            return
        except OSError as error:
            raise PeerGone(f"the other process has ended: {error}") from None
        self.files += files
        if not received:
            raise PeerGone("the other process has ended")
        self._bodies += self._frames.feed(received)

    def take_files(self, count: int) -> list[int]:
        """The oldest descriptors that arrived. Raises PeerGone when there are fewer."""
        if len(self.files) < count:
            raise PeerGone(f"{count} files were announced, and {len(self.files)} came")
        taken, self.files = self.files[:count], self.files[count:]
        return taken

    def close(self) -> None:
        self.sock.close()
        for file in self.files:
            with contextlib.suppress(OSError):
                os.close(file)
        self.files = []
