"""One end of a conversation on the program's loop. Writing never waits: what does not fit goes out later."""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable

from tesseract.errors import PeerGone
from tesseract.wire import FILES_MAX, FRAME_BYTES_MAX, Frames, frame, receive_some


class Channel:
    """To be started, and stopped, on the thread of `loop`. `received` gets each frame's body, in order; `ended` is
    called once, when the other side has left or sends what cannot be cut into frames of `frame_bytes_max`. Descriptors
    that arrive, at most `files_max` at a time, wait in `files` for whoever expects them; from a peer that has none to
    send none are taken."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        received: Callable[[bytes], None],
        ended: Callable[[], None],
        *,
        files_max: int = FILES_MAX,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self.files: deque[int] = deque()
        self.is_open = True
        self._loop = loop
        self._sock = sock
        self._file = sock.fileno()
        """What the loop knows it by: of an unknown socket it would ask both addresses, for a text nobody sees."""
        self._received = received
        self._ended = ended
        self._files_max = files_max
        self._frames = Frames(frame_bytes_max)
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        sock.setblocking(False)

    def start(self) -> None:
        """From now on what comes is read."""
        self._loop.add_reader(self._file, self._read)

    def send(self, message: object, files: tuple[int, ...] = ()) -> None:
        """`files` are duplicated where they have to wait, so the caller may close its own at once."""
        data = frame(message)
        if not self._unsent:
            data, files = self._write(data, files)
            if not data:
                return
            self._loop.add_writer(self._file, self._flush)
        self._unsent.append((data, tuple(map(os.dup, files))))

    def take_files(self, count: int) -> list[int]:
        """The oldest descriptors that came. Raises PeerGone when there are fewer."""
        if len(self.files) < count:
            raise PeerGone(f"{count} files were announced, and {len(self.files)} came")
        return [self.files.popleft() for _ in range(count)]

    def _write(self, data: bytes, files: tuple[int, ...]) -> tuple[bytes, tuple[int, ...]]:
        """What is left to write. A socket that has failed takes everything: its end is seen where it is read."""
        try:
            sent = socket.send_fds(self._sock, [data], list(files)) if files else self._sock.send(data)
        except BlockingIOError:
            return data, files
        except OSError:
            return b"", ()
        return data[sent:], ()

    def _flush(self) -> None:
        while self._unsent:
            data, files = self._unsent.popleft()
            rest, unsent = self._write(data, files)
            if rest:
                self._unsent.appendleft((rest, unsent))
            if not unsent:
                _close(files)
            if rest:
                return
        self._loop.remove_writer(self._file)

    def _read(self) -> None:
        try:
            received, files = receive_some(self._sock, self._files_max)
        except BlockingIOError:
            return
        except OSError:
            received, files = b"", ()
        self.files.extend(files)
        if not received:
            self._end()
            return
        try:
            for body in self._frames.feed(received):
                if self.is_open:
                    self._received(body)
        except PeerGone:
            self._end()

    def _end(self) -> None:
        if self.is_open:
            ended = self._ended
            self.close()
            ended()

    def close(self) -> None:
        self.stop()
        self._sock.close()
        for files in (self.files, *(files for _, files in self._unsent)):
            _close(files)
        self.files.clear()
        self._unsent.clear()
        self._received = self._ended = _nothing  # whoever listened is let go at once, and not by the garbage collector

    def stop(self) -> None:
        """Leaves the loop. What `close` has left to do then can be done on any thread."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._file)
            if self._unsent:
                self._loop.remove_writer(self._file)


def _nothing(*_: object) -> None:
    """What a closed channel calls."""


def _close(files: Iterable[int]) -> None:
    for file in files:
        with contextlib.suppress(OSError):
            os.close(file)
