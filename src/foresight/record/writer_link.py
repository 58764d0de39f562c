"""The loop's end of the process that writes the record: it is started, sent to, listened to, and never waited for,
unless somebody says so."""

import contextlib
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from foresight.record.messages import Frames, Refused, Report
from tesseract import give_way

NICENESS = 10
SOCKET_BYTES = 1 << 20
"""What may lie between the two; the kernel gives what it allows."""
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1"}
RECEIVE_BYTES = 1 << 16


class WriterLink:
    """One writer process. It ends by itself when the link is closed, or when this process is gone."""

    def __init__(self, folder: Path, keep_bytes: int, *, gives_way: bool) -> None:
        """It gives way to the loop, unless the loop waits for it. Raises OSError when no process can be started."""
        self._socket, theirs = socket.socketpair()
        self._frames = Frames()
        self._decoder = msgspec.msgpack.Decoder(Report)
        self.is_gone = self.is_ended = False
        try:
            with theirs:
                self._socket.setblocking(False)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
                self.process = self._started(theirs.fileno(), folder, keep_bytes)
            if gives_way:
                give_way(NICENESS, self.process.pid)  # to load what it needs takes half a second of a core
        except OSError:
            self._socket.close()
            raise

    def _started(self, descriptor: int, folder: Path, keep_bytes: int) -> "subprocess.Popen[bytes]":
        """A session of its own: what a terminal sends the bot is not for it, and it can be nicer as a session."""
        words = [
            sys.executable,
            "-P",
            "-m",
            "foresight.record",
            str(descriptor),
            str(folder.absolute()),
            str(keep_bytes),
        ]
        return subprocess.Popen(  # noqa: S603 - our own module, and no shell
            words,
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | ONE_THREAD,
        )

    def send(self, data: memoryview) -> int:
        """How many bytes the kernel has taken; 0 when there is no room, or nobody."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.is_gone = True
            return 0

    def reports(self) -> list[Report]:
        """What the writer has said since. `is_gone` is true afterwards when it says no more."""
        found: list[Report] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                received = self._received()
                if not received:
                    self.is_gone = True
                    break
                found += map(self._decoder.decode, self._frames.take(received))
        return found

    def _received(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except ConnectionError:
            return b""

    def wait(self, seconds: float, *, for_room: bool) -> None:
        """Until the writer says something, or takes something, or the time is over."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if for_room else 0))
        poll.poll(seconds * 1000)

    def finish(self) -> None:
        """Nothing more will be sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Nothing more will be said either. The process may take a moment to leave."""
        self._socket.close()

    def end(self) -> None:
        """Kills the process, which is waited for by nobody: `has_left` tells when it is no more."""
        self.is_ended = True
        self.process.kill()

    def has_left(self) -> bool:
        return self.process.poll() is not None

    def see_off(self, seconds: float) -> None:
        """Returns when the process has left; it is ended when it has not within so many seconds. One that a dead disk
        holds may outlive even that, and is not waited for."""
        for _ in range(2):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                return
            self.process.kill()


def refusal_in(reports: list[Report]) -> str | None:
    return next((each.text for each in reports if isinstance(each, Refused)), None)
