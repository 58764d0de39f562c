"""What a run's record consists of: `index.jsonl` beside its segments, a line for each, for what was lost, and for what
was deleted. Lines are only added, and each is on disk before the bot forgets what it tells of."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

INDEX = "index.jsonl"


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
    """A segment was deleted to keep the limit of `[record] keep_gb`."""

    name: str


Line = Segment | Missing | Removed


def segment_name(first: int) -> str:
    """Names in the order of the numbers."""
    return f"{first:012d}.parquet"


def add_line(folder: Path, line: Line) -> None:
    """Durable when it returns. Raises OSError; the line is then there whole, or in part at the end, or not at all."""
    with (folder / INDEX).open("ab") as file:
        if file.tell() and not _ends_a_line(folder / INDEX):
            file.write(b"\n")
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


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
