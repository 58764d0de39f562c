"""The tape: the newest inputs of every key with what was decided on them, for rehearsals.

It lies in anonymous memory files, a few minutes in each. Appending costs one small write; a candidate's host gets the
files themselves, so that nothing is copied or encoded for a deploy. What is older than `keep_ns`, or over the limit of
bytes, goes with its whole file.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

SEGMENT_NS = 300 * 1_000_000_000
SEGMENT_BYTES_MAX = 8 * 1024 * 1024
BYTES_MAX = 64 * 1024 * 1024
"""Over this the oldest files go first, whatever their age: the tape must not be what ends the process."""
HEAD_BYTES = 4


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the files: an input (`given`, and no `decided`), or what was decided on it."""

    number: int
    key: str
    at_ns: int
    given: bytes | None
    decided: bytes | None


class Taped(msgspec.Struct, frozen=True):
    """One input, encoded as the contract's `given`, and what was decided on it: the answer's compared fields, encoded.
    None where nothing was (the input came before the start, or live code failed)."""

    number: int
    key: str
    at_ns: int
    given: bytes
    decided: bytes | None


class Segment(msgspec.Struct):
    """`file` is written; `readable` is the same, opened for reading alone, for those who get the tape."""

    file: int
    readable: int
    began_ns: int
    ended_ns: int
    bytes: int


class Tape:
    """Written by the one who calls live code. `at_ns` is the caller's time and never goes back."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._segments: deque[Segment] = deque()
        self._encoder = msgspec.msgpack.Encoder()
        self.number = 0
        """How many inputs have been taken, ever; the newest one's number."""
        self.keys: set[str] = set()
        """Every key that has ever been on it."""

    def add(self, key: str, at_ns: int, given: bytes) -> int:
        """Keeps one input and returns its number."""
        self.number += 1
        self.keys.add(key)
        self._write(at_ns, Piece(self.number, key, at_ns, given, None))
        return self.number

    def decided(self, number: int, at_ns: int, decision: bytes) -> None:
        """Keeps what was decided on an input."""
        self._write(at_ns, Piece(number, "", at_ns, None, decision))

    @property
    def bytes(self) -> int:
        return sum(segment.bytes for segment in self._segments)

    @property
    def span_ns(self) -> int:
        """From the oldest entry to the newest."""
        return self._segments[-1].ended_ns - self._segments[0].began_ns if self._segments else 0

    def parts(self, from_ns: int = 0) -> list[tuple[int, int]]:
        """(descriptor, bytes) of the files that reach past `from_ns`, oldest first, as they are now. The descriptors
        stay the tape's."""
        return [(segment.readable, segment.bytes) for segment in self._segments if segment.ended_ns >= from_ns]

    def _write(self, at_ns: int, piece: Piece) -> None:
        body = self._encoder.encode(piece)
        segment = self._segment(at_ns)
        os.write(segment.file, len(body).to_bytes(HEAD_BYTES, "big") + body)
        segment.bytes += HEAD_BYTES + len(body)
        segment.ended_ns = at_ns

    def _segment(self, at_ns: int) -> Segment:
        newest = self._segments[-1] if self._segments else None
        if newest and newest.bytes < SEGMENT_BYTES_MAX and at_ns < newest.began_ns + SEGMENT_NS:
            return newest
        self._forget(at_ns)
        file = os.memfd_create("tape", os.MFD_CLOEXEC)
        readable = os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
        self._segments.append(Segment(file, readable, at_ns, at_ns, 0))
        return self._segments[-1]

    def _forget(self, now_ns: int) -> None:
        while self._segments and (self._segments[0].ended_ns < now_ns - self._keep_ns or self.bytes > BYTES_MAX):
            self._close(self._segments.popleft())

    def close(self) -> None:
        while self._segments:
            self._close(self._segments.pop())

    @staticmethod
    def _close(segment: Segment) -> None:
        os.close(segment.file)
        os.close(segment.readable)


def read_tape(parts: Iterable[tuple[int, int]], from_ns: int = 0) -> list[Taped]:
    """The inputs since `from_ns`, in their order."""
    inputs: dict[int, Piece] = {}
    decisions: dict[int, bytes] = {}
    for piece in _pieces(parts):
        if piece.decided is not None:
            decisions[piece.number] = piece.decided
        elif piece.at_ns >= from_ns:
            inputs[piece.number] = piece
    return [
        Taped(piece.number, piece.key, piece.at_ns, piece.given or b"", decisions.get(number))
        for number, piece in inputs.items()
    ]


def _pieces(parts: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    decoder = msgspec.msgpack.Decoder(Piece)
    for file, size in parts:
        content = memoryview(os.pread(file, size, 0))
        place = 0
        while place < size:
            end = place + HEAD_BYTES + int.from_bytes(content[place : place + HEAD_BYTES], "big")
            yield decoder.decode(content[place + HEAD_BYTES : end])
            place = end
