"""Keeps the record of all runs below its limit: the oldest segments go first."""

from pathlib import Path

from foresight.record.index import Removed, add_line

SEGMENTS = "*/[0-9]*.parquet"


def keep_within(record: Path, bytes_max: int) -> Path | None:
    """Deletes segments, the oldest run's first, until all of them together have at most `bytes_max` bytes. The newest
    stays in any case, and so does what is not closed yet. Returns the last that went.

    The index names a segment as deleted before it goes. Raises OSError; what was not deleted yet then stays."""
    segments = sorted(record.glob(SEGMENTS))
    sizes = {path: path.stat().st_size for path in segments}
    total, gone = sum(sizes.values()), None
    for path in segments[:-1]:
        if total <= bytes_max:
            break
        add_line(path.parent, Removed(path.name))
        path.unlink()
        total -= sizes[path]
        gone = path
    return gone
