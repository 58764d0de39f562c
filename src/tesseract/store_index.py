"""The index of the release store: a file to which every move of a release adds one line.

    <store>/releases.jsonl    whole entries as JSON, one a line; the last line of a number is the truth

A move costs the same whatever the store holds: its line is appended and synced. The file has at most
`LINES_PER_RELEASE` lines for each release and `LINES_SPARE` more. When a move brings it above that, it is written
whole, with one line for each release, beside the file and put in its place. At least three times as many moves as it
writes lines lie before that, so in the long run a move costs less than a third of a line more than its own.

A line that cannot be written and synced is taken back. Where even that fails, the file is not as long as it was left,
and the next move writes it whole first; so it does with a file that somebody has deleted or cut. In memory is the
newest line of each release, and by what it is found; an entry is decoded when somebody asks for it.

A file that ends within a line was left so by a power cut: what stands before it is whole, and the line was of a move
that had not happened yet. A torn line that others follow comes from nothing that is done here, and is damage.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tesseract.errors import IndexDamaged
from tesseract.store_entry import Entry, entry_in, line_of

INDEX = "releases.jsonl"
LINES_PER_RELEASE = 4
"""A release mostly has as many: staged, rehearsed, live, and what became of it."""
LINES_SPARE = 1_000
"""A small store is written whole once in so many moves."""


class Index:
    """The newest line of every release, in memory and on disk. Only `add` and `write_whole` write."""

    def __init__(self, path: Path, entries: Iterable[Entry] = ()) -> None:
        self.path = path
        self.kept: set[int] = set()
        self.last_number = 0
        self.last_moved = 0
        """The number in the last line."""
        self.torn = b""
        """What stands after the last whole line."""
        self.is_cut = False
        """Whether the last line has no end: there may have been others."""
        self._lines: dict[int, bytes] = {}
        self._numbers: dict[str, int] = {}
        """By the part of the digest that names the copy."""
        self._line_count = 0
        self._size = 0
        for entry in entries:
            self._remember(entry, line_of(entry))

    @classmethod
    def read(cls, path: Path) -> "Index":
        """As it stands on disk. Raises OSError, and IndexDamaged when a line is torn that is not the last, or no line
        is whole."""
        index = cls(path)
        with path.open("rb") as file:
            for line in file:
                index._take_in(line)
        if index.torn and not len(index):
            raise IndexDamaged("no line in it is whole")
        return index

    def __len__(self) -> int:
        return len(self._lines)

    def entry(self, number: int) -> Entry | None:
        line = self._lines.get(number)
        return None if line is None else entry_in(line)

    def entry_of(self, digest: str) -> Entry | None:
        """By the whole digest, or the part of it that names the copy."""
        found = self.entry(self._numbers.get(digest[:16], 0))
        return found if found is not None and digest in (found.digest, found.digest[:16]) else None

    def entries(self) -> Iterator[Entry]:
        """All of them by their number, one after the other."""
        return (entry_in(self._lines[number]) for number in sorted(self._lines))

    def is_long(self) -> bool:
        """Whether the file has many more lines than there are releases."""
        return self._line_count > LINES_PER_RELEASE * len(self._lines) + LINES_SPARE

    def add(self, entry: Entry, then: Callable[[], object]) -> None:
        """Appends the entry and does what goes with it. Raises OSError; neither has then happened."""
        if _size_of(self.path) != self._size:
            self.write_whole()
        line = line_of(entry)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            _write(file, line)
            os.fsync(file)
            if not self._size:
                _sync_folder(self.path.parent)
            then()
        except BaseException:  # Ctrl-C as well: a line that nobody was told of does not stay
            self._take_back(file)
            raise
        finally:
            os.close(file)
        self._remember(entry, line)
        if self.is_long():
            with contextlib.suppress(OSError):  # the line stands already; the next move tries again
                self.write_whole()

    def write_whole(self) -> None:
        """Replaces the file by one that has one line for each release. Raises OSError; the file is then as it was, or
        as it was to become."""
        staged = self.path.with_name(f".{INDEX}.{os.getpid()}.tmp")
        put_beside(staged, b"".join(self._lines[number] for number in sorted(self._lines)))
        try:
            staged.replace(self.path)
        except OSError:
            staged.unlink(missing_ok=True)
            raise
        self._line_count = len(self._lines)
        self._size = sum(map(len, self._lines.values()))
        _sync_folder(self.path.parent)

    def _take_in(self, line: bytes) -> None:
        if self.torn:
            raise IndexDamaged(f"line {self._line_count + 1} is torn, and others follow it")
        self.is_cut = not line.endswith(b"\n")
        try:
            entry = entry_in(line)
        except IndexDamaged:
            self.torn = line
        else:
            self._remember(entry, line + b"\n" if self.is_cut else line)

    def _remember(self, entry: Entry, line: bytes) -> None:
        number = entry.number
        self._lines[number] = line
        self._numbers[entry.digest[:16]] = number
        self.last_number, self.last_moved = max(self.last_number, number), number
        if entry.state == "kept":
            self.kept.add(number)
        else:
            self.kept.discard(number)
        self._line_count += 1
        self._size += len(line)

    def _take_back(self, file: int) -> None:
        """What cannot be taken back is told by its length."""
        with contextlib.suppress(OSError):
            os.ftruncate(file, self._size)
            if not self._size:
                self.path.unlink()
            os.fsync(file)


def put_beside(staged: Path, content: bytes) -> None:
    """Writes and syncs what is put in its place later. Raises OSError; nothing is then left of it."""
    try:
        staged.write_bytes(content)
        with staged.open("rb") as file:
            os.fsync(file.fileno())
    except OSError:
        staged.unlink(missing_ok=True)
        raise


def _write(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sync_folder(folder: Path) -> None:
    """A file that has a new name is found under it after a power cut."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
