"""Writes one run's segments: gathers events, and closes them into a file after so many rows, bytes or seconds.

A segment is there whole or not at all: it is written under another name, synced, renamed, and then named in the index.
A bot that is killed leaves nothing open here, because the writer outlives it by a moment; a machine that stops loses at
most the open seconds, of market data only.
"""

import hashlib
import os
import time
from pathlib import Path

from foresight.record.index import Missing, Segment, add_line, segment_name
from foresight.record.kinds import Recorded
from foresight.record.rows import table_of

SEGMENT_ROWS_MAX = 200_000
SEGMENT_BYTES_MAX = 16 * 1024 * 1024
"""Of frames: four open segments fit into what the bot keeps until they are closed."""
SEGMENT_S = 30.0
STAGING = ".staging.parquet"
COMPRESSION_LEVEL = 3


class SegmentWriter:
    """One folder's. Every method raises OSError, or what polars raises, when the disk refuses; nothing that was closed
    before is touched then."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._seqs: list[int] = []
        self._events: list[Recorded] = []
        self._bytes = 0
        self._opened_s = 0.0

    def take(self, seqs: list[int], events: list[Recorded], size: int) -> Segment | None:
        """Takes a batch whose frame had `size` bytes. Returns the segment when it filled one."""
        if not self._seqs:
            self._opened_s = time.monotonic()
        self._seqs += seqs
        self._events += events
        self._bytes += size
        is_full = len(self._seqs) >= SEGMENT_ROWS_MAX or self._bytes >= SEGMENT_BYTES_MAX
        return self.close() if is_full or self.seconds_left() <= 0 else None

    def lose(self, missing: Missing) -> None:
        """Puts on record that market inputs are missing."""
        add_line(self.folder, missing)

    def seconds_left(self) -> float:
        """Until the open segment is to be closed."""
        return SEGMENT_S - (time.monotonic() - self._opened_s) if self._seqs else SEGMENT_S

    def close(self) -> Segment | None:
        """Writes the open segment; None where nothing is open."""
        if not self._seqs:
            return None
        first, last = self._seqs[0], self._seqs[-1]
        staging = self.folder / STAGING
        table_of(self._seqs, self._events).write_parquet(
            staging, compression="zstd", compression_level=COMPRESSION_LEVEL, row_group_size=SEGMENT_ROWS_MAX
        )
        digest, size = _synced(staging)
        staging.replace(self.folder / segment_name(first))
        _sync_folder(self.folder)
        segment = Segment(first, last, len(self._seqs), size, digest)
        add_line(self.folder, segment)
        self._seqs, self._events, self._bytes = [], [], 0
        return segment


def _synced(path: Path) -> tuple[str, int]:
    """The file's digest and size, once it is on disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        content = file.read()
    return digest_of(content), len(content)


def digest_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _sync_folder(folder: Path) -> None:
    """A new name is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
