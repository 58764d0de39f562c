"""Keeps the record of all runs below its limit, and the disk from being full because of it: the oldest segments go.

Over half a year a record is hundreds of thousands of small files, and one comes every half minute. So they are counted
once, when the writer starts, and again only where somebody else has changed the folder of another run, or where a
segment that should go is not there.

A full disk may refuse the very line of the index that names a segment as deleted. The segment goes then all the same,
its line comes as soon as there is room, and until then a reader finds it missing: a hole is told in either case.
"""

import contextlib
import errno
import os
import re
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from foresight.record.index import DISK, LIMIT, Removed, add_line, run_order, segment_name

FREE_BYTES_MIN = 1_000_000_000
"""What the record leaves to others, the journal above all: three days of it."""
ROOM_BYTES = 64 * 1024 * 1024
"""What is deleted at once for a disk that refuses although there seems to be room, as one with a quota does: four open
segments."""
NEWEST_KEPT = 120
"""Segments that no full disk takes away, the newest hour: where others fill the disk, something is left."""
DELETED_AT_ONCE = 1_000
"""A second's work, half a minute's of a slow disk, in which the writer takes nothing. More go after the next close."""
STAGING = re.compile(r"\.staging(?:-(\d+))?\.parquet")
NAME = re.compile(r"\d{12,}\.parquet")
FULL = (errno.ENOSPC, errno.EDQUOT)


class Gone(msgspec.Struct, frozen=True):
    """The last of the segments that were deleted, and why they were."""

    path: Path
    why: str


def free_bytes(folder: Path) -> int:
    """What this user may still write there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def is_full(error: BaseException) -> bool:
    """Whether the disk, or a quota on it, has no more room. Polars tells the number in its text only."""
    number = error.errno if isinstance(error, OSError) else None
    return number in FULL or any(f"(os error {each})" in str(error) for each in FULL)


class Retention:
    """All segments of all runs below `record`, the oldest run's first. What writers that are no more have left half
    written goes when they are counted. Every method raises OSError for a segment that cannot be deleted; those behind
    it then stay."""

    def __init__(self, record: Path, bytes_max: int, free: Callable[[Path], int] = free_bytes) -> None:
        self._record = record
        self._bytes_max = bytes_max
        self._free = free
        self._own: Path | None = None
        self._unwritten: list[tuple[Path, Removed]] = []
        self._runs: list[_Run] = []
        self.bytes = self.count = 0
        self._count()

    def added(self, path: Path, size: int) -> None:
        """A segment is on disk that the running run has closed."""
        self._own = path.parent
        run = next((each for each in reversed(self._runs) if each.folder == path.parent), None)
        if run is None or not run.put(int(path.stem), size):
            self._count()
        else:
            self._sum()

    def keep(self) -> list[Gone]:
        """Deletes what is above the limit, and what leaves others less than FREE_BYTES_MIN. The newest segment stays in
        any case, NEWEST_KEPT for the sake of others, and so does what is not closed yet."""
        if not self._runs:
            return []
        self._write_lines()
        if self.bytes > self._bytes_max and self._is_changed():
            self._count()
        gone = [self._delete(self.bytes - self._bytes_max, spared=1, why=LIMIT)]
        gone.append(self._delete(FREE_BYTES_MIN - self._free(self._record), spared=NEWEST_KEPT, why=DISK))
        return [each for each in gone if each is not None]

    def make_room(self) -> Gone | None:
        """For a disk that has refused to write. None where nothing may go."""
        wanted = max(ROOM_BYTES, FREE_BYTES_MIN - self._free(self._record))
        return self._delete(wanted, spared=NEWEST_KEPT, why=DISK)

    def _delete(self, wanted: int, *, spared: int, why: str) -> Gone | None:
        """The oldest segments, until `wanted` bytes are gone, or so few are left, or DELETED_AT_ONCE are gone."""
        last, least = None, max(spared, self.count - DELETED_AT_ONCE)
        while wanted > 0 and self.count > least:
            run = self._runs[0]
            path, size = run.oldest()
            if not os.path.lexists(path):
                before = self.bytes
                self._count()
                wanted -= before - self.bytes
                continue
            self._unlink(path, why)
            run.drop_oldest()
            self._runs = self._runs if run else self._runs[1:]
            self.bytes, self.count, wanted = self.bytes - size, self.count - 1, wanted - size
            last = Gone(path, why)
        return last

    def _unlink(self, path: Path, why: str) -> None:
        """The index names it before it goes, or, on a full disk, after that."""
        line = Removed(path.name, why)
        try:
            add_line(path.parent, line)
        except OSError as error:
            if not is_full(error):
                raise
            self._unwritten.append((path.parent, line))
        path.unlink(missing_ok=True)
        self._write_lines()

    def _write_lines(self) -> None:
        """Lines that the full disk has refused."""
        while self._unwritten:
            folder, line = self._unwritten[0]
            try:
                add_line(folder, line)
            except OSError:  # tried again with the next segment; a reader finds it missing until then
                return
            self._unwritten.pop(0)

    def _is_changed(self) -> bool:
        """Whether somebody else has added or deleted segments of another run."""
        return any(run.is_changed() for run in self._runs if run.folder != self._own)

    def _count(self) -> None:
        entries = list(os.scandir(self._record)) if self._record.is_dir() else []
        folders = (Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False))
        self._runs = []
        for folder in sorted(folders, key=lambda folder: run_order(folder.name)):
            with contextlib.suppress(OSError):  # it goes now, or is not ours to read: nothing of it can be deleted
                self._runs += filter(None, [_Run(folder)])
        self._sum()

    def _sum(self) -> None:
        self.bytes, self.count = sum(run.bytes for run in self._runs), sum(map(len, self._runs))


class _Run:
    """One run's segments, the oldest first: their first inputs and their sizes, 16 bytes each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._changed_ns = folder.stat().st_mtime_ns
        found = sorted(_segments(folder))
        self._firsts = array("q", (first for first, _ in found))
        self._sizes = array("q", (size for _, size in found))
        self._gone = 0
        self.bytes = sum(self._sizes)

    def __len__(self) -> int:
        return len(self._firsts) - self._gone

    def oldest(self) -> tuple[Path, int]:
        return self.folder / segment_name(self._firsts[self._gone]), self._sizes[self._gone]

    def drop_oldest(self) -> None:
        self.bytes -= self._sizes[self._gone]
        self._gone += 1
        self._changed_ns = self.folder.stat().st_mtime_ns

    def put(self, first: int, size: int) -> bool:
        """A segment behind the others, or the last one, written again. False: it is none of these."""
        last = self._firsts[-1] if self else -1
        if first < last:
            return False
        if first == last:
            self.bytes -= self._sizes.pop()
            self._firsts.pop()
        self._firsts.append(first)
        self._sizes.append(size)
        self.bytes += size
        return True

    def is_changed(self) -> bool:
        try:
            return self.folder.stat().st_mtime_ns != self._changed_ns
        except FileNotFoundError:
            return True


def _segments(folder: Path) -> Iterator[tuple[int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if STAGING.fullmatch(entry.name):
                _clear(entry)
            elif NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # somebody else deletes it
                    yield int(entry.name.removesuffix(".parquet")), entry.stat().st_size


def _clear(entry: "os.DirEntry[str]") -> None:
    """What a writer has left half written that is no more."""
    pid = STAGING.fullmatch(entry.name)
    if pid is None or pid[1] is None or not _lives(int(pid[1])):
        with contextlib.suppress(OSError):
            Path(entry).unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
