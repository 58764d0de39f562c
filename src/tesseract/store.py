"""The release store: every release a program has had, with its number, its state and a copy of its code.

    <store>/releases.json                 all entries, one a line; this index is the truth
    <store>/<digest16>/release.json       the entry of one release, so that the index can be built again
    <store>/<digest16>/<package>/...      the copy, named after its content

One process writes. The index and the entry beside the copy are written together: both lie complete and synced beside
their targets before the first of them is put in place. A copy is not synced: whenever it is used its content is hashed,
and one that a power cut has torn is told, set aside, and written again when its content comes again.
"""

import os
import shutil
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
from tesseract.store_index import Entry, Origin, Rebuilt, Step, iso, joined, ns, readable

__all__ = ["Entry", "Origin", "ReleaseStore", "Step"]

HISTORY_MAX = 200
"""Steps an entry remembers: the first, and the last ones."""
NEVER_PRUNED: frozenset[State] = frozenset({"staged", "rehearsed", "live", "kept"})


class ReleaseStore:
    """Takes, numbers, finds and deletes releases. Opening it heals it: `healed` then says what happened and what is
    lost, else it is empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "releases.json"
        self.healed = ""
        self._entries: dict[int, Entry] = {}
        self._lines: dict[int, bytes] = {}
        self._stored: set[int] = set()
        """The numbers of the releases whose copy is there: a store has many more entries than copies."""
        self._is_swept = False
        self._open()

    def entries(self) -> list[Entry]:
        """All entries by their number, also of releases whose copy was pruned."""
        return [self._entries[number] for number in sorted(self._entries)]

    def entry(self, which: int | str) -> Entry:
        """The entry with this number or digest. Raises `ReleaseRefused` when there is none."""
        found = self._entries.get(which) if isinstance(which, int) else self._by_digest(which)
        if found is None:
            name = f"v{which}" if isinstance(which, int) else f"content {which[:16]}"
            raise ReleaseRefused(name, [f"there is no such release; the store knows {len(self._entries)}"])
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
        known = self._by_digest(digest)
        at = iso(now_ns)
        entry = known or Entry(
            number=max(self._entries, default=0) + 1,
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
        self._store(msgspec.structs.replace(entry, package=package), files, known)
        return _release(self.folder, self._entries[entry.number])

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
        entry = self._by_digest(digest)
        if entry is None or entry.state not in BARRED:
            return None
        last = entry.history[-1]
        return (
            f"{entry.name} was {entry.state} at {last.at}: {last.why}; "
            "this content is barred until it changes or somebody forces it"
        )

    def newest_kept(self) -> Entry | None:
        """The kept release that was kept last: one that was put back and kept again is newer than its successors."""
        kept = [entry for entry in self._entries.values() if entry.state == "kept"]
        return max(kept, key=lambda entry: (entry.history[-1].at, entry.number), default=None)

    def prune(self, keep: int) -> list[int]:
        """Deletes the copies of all but the newest `keep` releases, and what a killed writer left. Returns the numbers.

        Entries stay, so that numbers and bars do. A copy that is kept, live, or on its way there stays too.
        """
        stored = [self._entries[number] for number in sorted(self._stored, reverse=True)]
        pruned = [entry for entry in stored[max(keep, 0) :] if entry.state not in NEVER_PRUNED]
        for entry in pruned:
            _delete(copy_path(self.folder, entry.digest, entry.package))
            self._stored.discard(entry.number)
        if not self._is_swept:
            self._is_swept = True  # what a killed writer left, it left before this one began
            for left in self.folder.glob(".staging-*"):
                shutil.rmtree(left, ignore_errors=True)
        return sorted(entry.number for entry in pruned)

    def _store(self, entry: Entry, files: dict[str, bytes], known: Entry | None) -> None:
        home = self._home(entry)
        is_new = not home.exists()
        try:
            store_copy(files, self.folder, digest=entry.digest, package=entry.package)
            if entry != known or not (home / "release.json").exists():
                self._write(entry)
            self._stored.add(entry.number)
        except OSError:
            if is_new:
                shutil.rmtree(home, ignore_errors=True)
            raise

    def _write(self, entry: Entry) -> Entry:
        home = self._home(entry)
        home.mkdir(parents=True, exist_ok=True)
        lines = {**self._lines, entry.number: msgspec.json.encode(entry)}
        _write_together({home / "release.json": readable(entry), self.index: joined(lines)})
        self._entries[entry.number] = entry
        self._lines = lines
        return entry

    def _by_digest(self, digest: str) -> Entry | None:
        """By the whole digest, or the part of it that names the copy."""
        return next((e for e in self._entries.values() if digest in (e.digest, e.digest[:16])), None)

    def _home(self, entry: Entry) -> Path:
        return self.folder / entry.digest[:16]

    def _open(self) -> None:
        try:
            self._fill(msgspec.json.decode(self.index.read_bytes(), type=list[Entry]))
        except FileNotFoundError:
            self._rebuild("")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.index.replace(self.index.with_name("releases.json.damaged"))
            self._rebuild(f"cannot be read ({error}) and is set aside as releases.json.damaged")

    def _rebuild(self, damage: str) -> None:
        """A missing index beside nothing but the older layout, or nothing at all, is no damage."""
        found = Rebuilt(self.folder)
        if damage or found.entries:
            self._fill(found.entries)
            _write_together({self.index: joined(self._lines)})
        if damage or found.is_damage:
            again = f"{len(found.entries)} releases are found again"
            self.healed = f"{self.index} {damage or 'is gone'}; {again}. {found.lost_sentence()}"

    def _fill(self, entries: list[Entry]) -> None:
        self._entries = {entry.number: entry for entry in entries}
        self._lines = {entry.number: msgspec.json.encode(entry) for entry in entries}
        self._stored = {e.number for e in entries if e.package and self._home(e).joinpath(e.package).exists()}


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


def _write_together(documents: dict[Path, bytes]) -> None:
    """Replaces all of them. Everything that a full disk can refuse comes before the first is put in place."""
    staged = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in documents}
    try:
        for path, staging in staged.items():
            staging.write_bytes(documents[path])
            _sync(staging)
        for path, staging in staged.items():
            staging.replace(path)
    except OSError:
        for staging in staged.values():
            staging.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _delete(copy: Path) -> None:
    """Out of the way first, so that a killed process leaves no half of a copy under its name."""
    if not copy.exists():
        return
    aside = copy.parent.parent / f".staging-pruned-{copy.parent.name}"
    shutil.rmtree(aside, ignore_errors=True)
    copy.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
