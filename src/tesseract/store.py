"""The release store: every release a program has had, with its number, its state and a copy of its code.

    <store>/releases.jsonl                what is known of each, one line a move; this index is the truth
    <store>/<digest16>/release.json       the entry of one release, so that the index can be built again
    <store>/<digest16>/<package>/...      the copy, named after its content

One process writes. A move has happened when its line stands in the index, synced (`store_index`). The entry beside the
copy lies complete and synced beside its target by then, and is put in place with the line, or neither is; where a power
cut comes between the two, the next opening puts it right. A copy is not synced: whenever it is used its content is
hashed, and one that a power cut has torn is told, set aside, and written again when its content comes again.
"""

import bisect
import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from tesseract.errors import ReleaseRefused
from tesseract.life import BARRED, FIRST, State, moved
from tesseract.release import (
    Release,
    copy_path,
    drop_byte_code,
    is_whole,
    require_fitting,
    require_package,
    store_copy,
    tree_digest,
)
from tesseract.store_entry import Entry, Origin, Step, iso, newer, ns, readable
from tesseract.store_index import INDEX, put_beside
from tesseract.store_opening import open_index, read_entries
from tesseract.store_rebuilt import record_of

__all__ = ["Entry", "Origin", "ReleaseStore", "Step"]

HISTORY_MAX = 200
"""Steps an entry remembers: the first, and the last ones."""
NEVER_PRUNED: frozenset[State] = frozenset({"staged", "rehearsed", "live", "kept"})


class ReleaseStore:
    """Takes, numbers, finds and deletes releases. Opening it heals it: `healed` then says what happened and what is
    lost, else it is empty. But for that, `entries` and `newest_kept`, nothing takes longer with more entries."""

    INDEX = INDEX
    """The name of the index in the store's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / INDEX
        self._index, self.healed = open_index(folder)
        self._stored: list[int] = []
        """The numbers of the releases whose copy is there, in order: a store has many more entries than copies."""
        self._prunable: set[int] = set()
        """Those of them that are not on their way, live or kept."""
        self._is_swept = False
        for entry in self._index.entries():
            if entry.package and self._home(entry).joinpath(entry.package).exists():
                self._has_copy(entry)
        self._mend_record()

    @staticmethod
    def read(folder: Path) -> list[Entry]:
        """All entries by their number as they stand on disk, read without a hand in them; none where there is no store.
        Raises OSError, and a TesseractError for an index that the next opening will heal."""
        return read_entries(folder)

    def entries(self) -> list[Entry]:
        """All entries by their number, also of releases whose copy was pruned."""
        return list(self._index.entries())

    def entry(self, which: int | str) -> Entry:
        """The entry with this number or digest. Raises `ReleaseRefused` when there is none."""
        found = self._index.entry(which) if isinstance(which, int) else self._index.entry_of(which)
        if found is None:
            name = f"v{which}" if isinstance(which, int) else f"content {which[:16]}"
            raise ReleaseRefused(name, [f"there is no such release; the store knows {len(self._index)}"])
        return found

    def take(
        self,
        files: dict[str, bytes],
        package: str,
        *,
        origin: Origin,
        author: str,
        note: str = "",
        commit: str = "",
        parent: int | None,
        now_ns: int,
    ) -> Release:
        """The release with this content: the one that had it before, as it is known, or a new one, which is staged.

        A damaged copy is written anew. Raises `ReleaseRefused` for content that is no package, and OSError when it
        cannot be written; the index is then as it was and no part of a new copy is left.
        """
        _require_takable(package, files)
        digest = tree_digest(files)
        known = self._index.entry_of(digest)
        at = iso(now_ns)
        entry = known or Entry(
            number=self._index.last_number + 1,
            digest=digest,
            package=package,
            origin=origin,
            author=author,
            note=note,
            commit=commit,
            created_at=at,
            parent=parent,
            state=FIRST,
            history=(Step(FIRST, at, f"taken from {origin}"),),
        )
        entry = msgspec.structs.replace(entry, package=package)
        self._store(entry, files, known)
        return _release(self.folder, entry)

    def release(self, which: int | str) -> Release:
        """The release with this number or digest, its copy proved to be whole.

        Raises `ReleaseRefused`, saying what is lost, when it is unknown or its copy is pruned or damaged.
        """
        entry = self.entry(which)
        release = _release(self.folder, entry)
        drop_byte_code(release.path)
        if is_whole(release.path, entry.digest):
            return release
        lost = "is damaged" if entry.package and release.path.exists() else "is not there"
        raise ReleaseRefused(
            entry.name,
            [f"its copy {release.path} {lost}, so {entry.name} is lost until its content is taken again"],
        )

    def move(self, number: int, state: State, why: str, now_ns: int) -> Entry:
        """Moves a release along the table of `tesseract.life`.

        Raises `IllegalMove`, `ReleaseRefused` for an unknown number, or OSError; nothing has then changed.
        """
        entry = self.entry(number)
        step = Step(moved(entry.name, entry.state, state), iso(now_ns), why)
        history = (*entry.history, step)
        if len(history) > HISTORY_MAX:
            history = (history[0], *history[-HISTORY_MAX + 1 :])
        return self._write(msgspec.structs.replace(entry, state=state, history=history))

    def note(self, number: int, *, author: str, note: str) -> Entry:
        """Puts a command's note beside a release that has none. What a watch or a start took is as if the command had
        come before them, with its author, and its note in place of a commit's subject; what has been kept once only
        gets the note. The entry comes back; one that keeps another note is as it was. Raises OSError."""
        entry = self.entry(number)
        is_new = all(step.state != "kept" for step in entry.history)
        if entry.origin != "command" and is_new:
            entry = msgspec.structs.replace(entry, origin="command", author=author or entry.author, note=note)
        elif not entry.note:
            entry = msgspec.structs.replace(entry, note=note)
        else:
            return entry
        return self._write(entry)

    def is_barred(self, digest: str) -> str | None:
        """Why this content is not deployed again by itself, as a sentence, or None when it may be."""
        entry = self._index.entry_of(digest)
        if entry is None or entry.state not in BARRED:
            return None
        last = entry.history[-1]
        return (
            f"{entry.name} was {entry.state} at {last.at}: {last.why}; "
            "this content is barred until it changes or somebody forces it"
        )

    def newest_kept(self) -> Entry | None:
        """The kept release that was kept last: one that was put back and kept again is newer than its successors."""
        return self.kept_last(map(self.entry, self._index.kept))

    @staticmethod
    def kept_last(entries: Iterable[Entry]) -> Entry | None:
        """Of entries that somebody has read: what `newest_kept` is of a store."""
        kept = (entry for entry in entries if entry.state == "kept")
        return max(kept, key=lambda entry: (entry.history[-1].at, entry.number), default=None)

    def prune(self, keep: int) -> list[int]:
        """Deletes the copies of all but the newest `keep` releases, and what a killed writer left. Returns the numbers.

        Entries stay, so that numbers and bars do. A copy that is kept, live, or on its way there stays too.
        """
        newest = self._stored[-keep:] if keep > 0 else []
        pruned = sorted(number for number in self._prunable if not newest or number < newest[0])
        for number in pruned:
            entry = self.entry(number)
            _delete(copy_path(self.folder, entry.digest, entry.package))
            self._stored.remove(number)
            self._prunable.discard(number)
        if not self._is_swept:
            self._is_swept = True  # what a killed writer left, it left before this one began
            self._sweep()
        return pruned

    def _sweep(self) -> None:
        for left in self.folder.glob(".staging-*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in self.folder.glob(f".{INDEX}.*.tmp"):
            left.unlink(missing_ok=True)

    def _store(self, entry: Entry, files: dict[str, bytes], known: Entry | None) -> None:
        home = self._home(entry)
        is_new = not home.exists()
        try:
            store_copy(files, self.folder, digest=entry.digest, package=entry.package)
            if entry != known or not (home / "release.json").exists():
                self._write(entry)
            self._has_copy(entry)
        except OSError:
            if is_new:
                shutil.rmtree(home, ignore_errors=True)
            raise

    def _write(self, entry: Entry) -> Entry:
        home = self._home(entry)
        home.mkdir(parents=True, exist_ok=True)
        staged = _staged_record(home)
        put_beside(staged, readable(entry))
        try:
            self._index.add(entry, then=lambda: staged.replace(home / "release.json"))
        except BaseException:  # Ctrl-C as well
            staged.unlink(missing_ok=True)
            raise
        if self._is_stored(entry.number):
            self._has_copy(entry)
        return entry

    def _has_copy(self, entry: Entry) -> None:
        if not self._is_stored(entry.number):
            bisect.insort(self._stored, entry.number)
        if entry.state in NEVER_PRUNED:
            self._prunable.discard(entry.number)
        else:
            self._prunable.add(entry.number)

    def _is_stored(self, number: int) -> bool:
        place = bisect.bisect_left(self._stored, number)
        return self._stored[place : place + 1] == [number]

    def _mend_record(self) -> None:
        """A power cut can come after a line and before the record that goes with it."""
        entry = self._index.entry(self._index.last_moved)
        if entry is None or not self._home(entry).exists():
            return
        home = self._home(entry)
        record = record_of(home)
        if record != entry and newer(entry, record) is entry:
            with contextlib.suppress(OSError):  # the index is whole without it
                put_beside(_staged_record(home), readable(entry))
                _staged_record(home).replace(home / "release.json")

    def _home(self, entry: Entry) -> Path:
        return self.folder / entry.digest[:16]


def _require_takable(package: str, files: dict[str, bytes]) -> None:
    if not package.isidentifier():
        raise ReleaseRefused(package, [f"{package!r} is no name of a package"])
    require_fitting(package, sum(map(len, files.values())), len(files))
    require_package(package, files)
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or name != str(path):
            raise ReleaseRefused(package, [f"{name!r} does not lie in the package"])


def _release(folder: Path, entry: Entry) -> Release:
    path = copy_path(folder, entry.digest, entry.package)
    return Release(
        number=entry.number,
        digest=entry.digest,
        package=entry.package,
        path=path,
        origin=entry.origin,
        created_ns=ns(entry.created_at),
        author=entry.author,
        note=entry.note,
        parent=entry.parent,
        commit=entry.commit,
    )


def _staged_record(home: Path) -> Path:
    return home / f".release.json.{os.getpid()}.tmp"


def _delete(copy: Path) -> None:
    """Out of the way first, so that a killed process leaves no half of a copy under its name."""
    if not copy.exists():
        return
    aside = copy.parent.parent / f".staging-pruned-{copy.parent.name}"
    shutil.rmtree(aside, ignore_errors=True)
    copy.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
