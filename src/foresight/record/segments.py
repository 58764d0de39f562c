"""Writes one run's segments: gathers events, and closes them into a file after so many rows, bytes or seconds.

A segment is there whole or not at all: it is written under another name, synced, renamed, and then named in the index.
A bot that is killed leaves nothing open here, because the writer outlives it by a moment; a machine that stops loses at
most the open seconds, of market data only.
"""

import contextlib
import hashlib
import os
import time
from itertools import chain
from pathlib import Path

import polars as pl

from foresight.record.index import Missing, Segment, add_line, segment_name, staging_name
from foresight.record.kinds import Recorded
from foresight.record.rows import table_of

SEGMENT_ROWS_MAX = 200_000
SEGMENT_BYTES_MAX = 16 * 1024 * 1024
"""Of frames: four open segments fit into what the bot keeps until they are closed."""
SEGMENT_S = 30.0
COMPRESSION_LEVEL = 3
UNFIT = (OverflowError, TypeError, ValueError, pl.exceptions.PolarsError)
EMPTY = table_of([], [])


class SegmentWriter:
    """One folder's. Every method raises OSError, or what polars raises, when the disk refuses; nothing that was closed
    before is touched then."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._staging = folder / staging_name(os.getpid())
        self._batches: list[tuple[list[int], list[Recorded]]] = []
        self._rows = 0
        self._bytes = 0
        self._opened_s = 0.0

    def add(self, seqs: list[int], events: list[Recorded], size: int) -> None:
        """Takes a batch whose frame had `size` bytes."""
        if not self._batches:
            self._opened_s = time.monotonic()
        self._batches.append((seqs, events))
        self._rows += len(seqs)
        self._bytes += size

    def is_due(self) -> bool:
        """Whether the open segment is to be closed."""
        return self._rows >= SEGMENT_ROWS_MAX or self._bytes >= SEGMENT_BYTES_MAX or self.seconds_left() <= 0

    def lose(self, missing: Missing) -> None:
        """Puts on record that market inputs are missing."""
        add_line(self.folder, missing)

    def seconds_left(self) -> float:
        """Until the open segment is to be closed."""
        return SEGMENT_S - (time.monotonic() - self._opened_s) if self._batches else SEGMENT_S

    def close(self) -> Segment | None:
        """Writes the open segment; None where nothing is open."""
        if not self._batches:
            return None
        first, last = self._batches[0][0][0], self._batches[-1][0][-1]
        table = self._table()
        try:
            digest, size = self._written(table, segment_name(first))
        except BaseException:  # raised again: what is half written takes no room
            with contextlib.suppress(OSError):
                self._staging.unlink(missing_ok=True)
            raise
        segment = Segment(first, last, table.height, size, digest)
        add_line(self.folder, segment)
        self._batches, self._rows, self._bytes = [], 0, 0
        return segment

    def _written(self, table: pl.DataFrame, name: str) -> tuple[str, int]:
        """The digest and the size of the file, once it is on disk under its name."""
        table.write_parquet(
            self._staging, compression="zstd", compression_level=COMPRESSION_LEVEL, row_group_size=SEGMENT_ROWS_MAX
        )
        told = _synced(self._staging)
        self._staging.replace(self.folder / name)
        _sync_folder(self.folder)
        return told

    def _table(self) -> pl.DataFrame:
        """All rows. A batch with a value that fits into no column, such as an integer of more than 64 bits, is left out
        and put on record as lost: else it would keep all the others from the disk for ever."""
        try:
            return _joined(self._batches)
        except UNFIT:
            return _joined([batch for batch in self._batches if self._fits(*batch)])

    def _fits(self, seqs: list[int], events: list[Recorded]) -> bool:
        try:
            table_of(seqs, events)
        except UNFIT as error:
            self.lose(Missing(seqs[0], seqs[-1], len(seqs), f"a value has no column: {error}"))
            return False
        return True


def _joined(batches: list[tuple[list[int], list[Recorded]]]) -> pl.DataFrame:
    return table_of(*(list(chain.from_iterable(each)) for each in zip(*batches, strict=True))) if batches else EMPTY


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
