"""What the bot and the process that writes its record say to each other: msgpack in frames with their length in front.

The bot sends `Batch` and `Lost` and closes its end when it leaves; the writer says `Closed`, `Deleted`, `Undeleted`
and `Refused`.
"""

import struct

import msgspec

from foresight.record.kinds import Recorded

LENGTH = struct.Struct("<I")
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""No frame comes near it; a longer one is not ours."""


class Batch(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Inputs in their order, with their numbers."""

    seqs: list[int]
    events: list[Recorded]


class Lost(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """So many market inputs, the first and the last with these numbers, were not kept, and why."""

    first: int
    last: int
    count: int
    why: str


class Closed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """All that was sent up to the input `last` is on disk."""

    last: int


class Deleted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The oldest segments went, and why: to keep the limit, or for a full disk. `path` is the last of them."""

    path: str
    why: str


class Undeleted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Segments that should go cannot be deleted; what is recorded still comes to disk."""

    text: str


class Refused(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What was sent since the last `Closed` cannot be written; the writer ends."""

    text: str


Told = Batch | Lost
Report = Closed | Deleted | Undeleted | Refused


def framed(message: bytes | bytearray) -> bytes:
    return LENGTH.pack(len(message)) + message


class Frames:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, received: bytes) -> list[bytes]:
        """Raises ValueError for a length that cannot be."""
        self._buffer += received
        messages, at = [], 0
        while len(self._buffer) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer, at)
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._buffer) - at - LENGTH.size < length:
                break
            at += LENGTH.size
            messages.append(bytes(self._buffer[at : at + length]))
            at += length
        del self._buffer[:at]
        return messages
