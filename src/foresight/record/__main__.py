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
from collections.abc import Iterator
from pathlib import Path

import msgspec

from foresight.record.index import Missing, Segment
from foresight.record.messages import Batch, Closed, Deleted, Frames, Refused, Report, Told, framed
from foresight.record.retention import keep_within
from foresight.record.segments import SegmentWriter

RECEIVE_BYTES = 1 << 18


def main(descriptor: int, folder: Path, keep_bytes: int) -> int:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the bot decides when its record ends
    with socket.socket(fileno=descriptor) as link:
        try:
            _write(link, SegmentWriter(folder), keep_bytes)
        except Exception as error:  # noqa: BLE001 - whatever it is, rows are not on disk: it is told, and the bot decides
            _report(link, Refused(f"{type(error).__name__}: {error}"))
            return 1
    return 0


def _write(link: socket.socket, writer: SegmentWriter, keep_bytes: int) -> None:
    """Takes what the bot sends until it leaves, and closes segments in time."""
    decoder = msgspec.msgpack.Decoder(Told)
    for frame in _frames(link, writer, keep_bytes):
        told = decoder.decode(frame)
        if isinstance(told, Batch):
            _closed(link, writer, writer.take(told.seqs, told.events, len(frame)), keep_bytes)
        else:
            _closed(link, writer, writer.close(), keep_bytes)
            writer.lose(Missing(told.first, told.last, told.count, told.why))
            _report(link, Closed(told.last))
    _closed(link, writer, writer.close(), keep_bytes)


def _frames(link: socket.socket, writer: SegmentWriter, keep_bytes: int) -> Iterator[bytes]:
    frames, poll = Frames(), select.poll()
    poll.register(link, select.POLLIN)
    while True:
        if not poll.poll(max(0.0, writer.seconds_left()) * 1000):
            _closed(link, writer, writer.close(), keep_bytes)
            continue
        received = link.recv(RECEIVE_BYTES)
        if not received:
            return
        yield from frames.take(received)


def _closed(link: socket.socket, writer: SegmentWriter, segment: Segment | None, keep_bytes: int) -> None:
    """Tells that a segment is on disk, and makes room."""
    if segment is None:
        return
    _report(link, Closed(segment.last))
    gone = keep_within(writer.folder.parent, keep_bytes)
    if gone is not None:
        _report(link, Deleted(str(gone)))


def _report(link: socket.socket, report: Report) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a bot that was killed hears nothing
        link.sendall(framed(msgspec.msgpack.encode(report)))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
