"""What a run's record consists of: `index.jsonl` beside its segments, a line for each, for what was lost, and for what
was deleted. Lines are only added, and each is on disk before the bot forgets what it tells of."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import msgspec

INDEX = "index.jsonl"
LIMIT = "to keep the limit of the record"
DISK = "to make room on a full disk"


class Segment(msgspec.Struct, frozen=True, tag=True):
    """A file of `rows` inputs, the first and the last with these numbers. `digest` is of the file's bytes (BLAKE2b, 128
    bits); `rows` counts what the file holds: the journal holds what lies between."""

    first: int
    last: int
    rows: int
    bytes: int
    digest: str

    @property
    def name(self) -> str:
        return segment_name(self.first)


class Missing(msgspec.Struct, frozen=True, tag=True):
    """So many market inputs from `first` to `last` were not kept, and why."""

    first: int
    last: int
    count: int
    why: str


class Removed(msgspec.Struct, frozen=True, tag=True):
    """A segment was deleted, and why: to keep the limit of `[record] keep_gb`, or because the disk was full."""

    name: str
    why: str = LIMIT


Line = Segment | Missing | Removed


def segment_name(first: int) -> str:
    """Names in the order of the numbers."""
    return f"{first:012d}.parquet"


def staging_name(pid: int) -> str:
    """Of the segment that a writer closes now. None writes into what another one has begun."""
    return f".staging-{pid}.parquet"


def run_order(name: str) -> tuple[int, str]:
    """Runs in the order in which they were: by their numbers, of four digits or more. What has none is first."""
    number = re.match(r"\d+", name)
    return (int(number[0]) if number else -1), name


def add_line(folder: Path, line: Line) -> None:
    """Durable when it returns. Raises OSError; the line is then not there. Where the disk refuses even to take a part
    back, the next line begins behind it."""
    path = folder / INDEX
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        content = (b"\n" if before and not _ends_a_line(path) else b"") + msgspec.json.encode(line) + b"\n"
        try:
            _write_whole(file, content)
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def _write_whole(file: FileIO, content: bytes) -> None:
    if file.write(content) != len(content):  # the last block of a disk may take a part of it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read_lines(folder: Path) -> Iterator[Line | str]:
    """Every line in order; a sentence instead of one that cannot be read. A folder without an index has none."""
    path = folder / INDEX
    content = path.read_bytes() if path.exists() else b""
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            yield msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield f"line {number} of {path} cannot be read"
