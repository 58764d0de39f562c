"""The process that writes a run's record: `python -m foresight.record SOCKET FOLDER KEEP_BYTES`.

It is apart so that no conversion of rows ever holds the interpreter that the bot's loop needs. It lives as long as the
bot's end of the socket, closes its segment then, and leaves. Whatever it cannot write it tells, and leaves at once: the
bot still has everything that is not closed, and starts another one.
"""

import contextlib
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from foresight.record.index import Missing
from foresight.record.messages import Batch, Closed, Deleted, Frames, Lost, Refused, Report, Told, Undeleted, framed
from foresight.record.retention import Gone, Retention, is_full
from foresight.record.segments import SegmentWriter

RECEIVE_BYTES = 1 << 18
ROOM_TRIES = 3
"""How often room is made for one segment."""

Result = TypeVar("Result")


def main(descriptor: int, folder: Path, keep_bytes: int) -> int:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the bot decides when its record ends
    with socket.socket(fileno=descriptor) as link:
        try:
            Writing(link, folder, keep_bytes).run()
        except Exception as error:  # noqa: BLE001 - whatever it is, rows are not on disk: it is told, and the bot decides
            _report(link, Refused(f"{type(error).__name__}: {error}"))
            return 1
    return 0


class Writing:
    """Takes what the bot sends until it leaves, closes segments in time, and sees that there is room for them."""

    def __init__(self, link: socket.socket, folder: Path, keep_bytes: int) -> None:
        self._link = link
        self._retention = Retention(folder.parent, keep_bytes)
        self._writer = self._with_room(lambda: SegmentWriter(folder))

    def run(self) -> None:
        decoder = msgspec.msgpack.Decoder(Told)
        for frame in self._frames():
            told = decoder.decode(frame)
            if isinstance(told, Batch):
                self._writer.add(told.seqs, told.events, len(frame))
                if self._writer.is_due():
                    self._close()
            else:
                self._lose(told)
        self._close()

    def _frames(self) -> Iterator[bytes]:
        frames, poll = Frames(), select.poll()
        poll.register(self._link, select.POLLIN)
        while True:
            if not poll.poll(max(0.0, self._writer.seconds_left()) * 1000):
                self._close()
                continue
            received = self._link.recv(RECEIVE_BYTES)
            if not received:
                return
            yield from frames.take(received)

    def _close(self) -> None:
        """Tells that a segment is on disk, and keeps the record within its limit."""
        segment = self._with_room(self._writer.close)
        if segment is None:
            return
        _report(self._link, Closed(segment.last))
        self._retention.added(self._writer.folder / segment.name, segment.bytes)
        try:
            self._tell(self._retention.keep())
        except OSError as error:
            _report(self._link, Undeleted(f"{type(error).__name__}: {error}"))

    def _lose(self, lost: Lost) -> None:
        self._close()
        missing = Missing(lost.first, lost.last, lost.count, lost.why)
        self._with_room(lambda: self._writer.lose(missing))
        _report(self._link, Closed(lost.last))

    def _with_room(self, write: Callable[[], Result]) -> Result:
        """On a full disk the record's own oldest segments give way to its newest."""
        for _ in range(ROOM_TRIES):
            try:
                return write()
            except Exception as error:  # raised again unless room is made
                gone = self._retention.make_room() if is_full(error) else None
                if gone is None:
                    raise
                self._tell([gone])
        return write()

    def _tell(self, gone: list[Gone]) -> None:
        for each in gone:
            _report(self._link, Deleted(str(each.path), each.why))


def _report(link: socket.socket, report: Report) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a bot that was killed hears nothing
        link.sendall(framed(msgspec.msgpack.encode(report)))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
