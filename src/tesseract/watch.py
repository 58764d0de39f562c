"""Watching a live tree: `trees` yields the whole tree whenever it has changed and come to rest.

Events of the kernel say *when* to look, never *what* is there. What counts is the content: the tree is read whole, and
yielded when its hash differs from the last one. Events can be lost (their queue is limited, a linked file lies in a
folder nobody watches), so the tree is also read every two seconds without any.

A read is taken for whole when
- the tree is quiet: one saved file 20 ms after its last event, when a read lease proves that no writer has it open;
  several files, folders, a missing file, a series of saves or a file without leases 300 ms after the last event;
- no changed file is still open for writing, however long that takes;
- no git command is at work in the repository around the tree (its `index.lock`);
- no event came, and no file's times, size and inode changed, while it was read.

A tree that never rests is taken five seconds after its first change, as soon as one read of it is whole; a lock of git
that stays is then passed over as well, because a crashed git leaves its lock behind.
"""

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from tesseract.errors import ReleaseRefused
from tesseract.notifier import Notifier
from tesseract.release import read_tree, tree_digest, tree_paths

POLL_S = 0.050
"""How often the tree's own place is looked at: a link that is pointed elsewhere gives no event below it."""
RETRY_S = 0.010
"""How soon an open file or a git at work is looked at again: closing a file gives no event that the notifier tells."""

Writer = Literal["none", "open", "unknown"]
Stamps = dict[str, tuple[int, ...]]
"""Times, size and inode of every file by name: they tell that something changed, never that nothing did."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A whole tree. `changed` names what differs from the tree before it (everything, when that is not known);
    `saved_ns` is the monotonic time at which its last event was seen."""

    files: dict[str, bytes]
    digest: str
    changed: tuple[str, ...]
    saved_ns: int


class TreeProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why the tree as it is cannot be taken, as a sentence. Watching goes on."""

    tree: str
    text: str


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """How long a tree must rest before it is read, and how long it may go without rest."""

    one_ns: int
    many_ns: int
    longest_ns: int
    rescan_ns: int


def trees(
    tree: Path,
    *,
    stop: threading.Event,
    known: str = "",
    quiet_one_s: float = 0.020,
    quiet_many_s: float = 0.300,
    rescan_s: float = 2.0,
    longest_s: float = 5.0,
) -> Iterator[Snapshot | TreeProblem]:
    """Blocks, and yields each new whole tree whose digest is not `known`, until `stop` is set.

    A problem is yielded once, not each time it is met. A tree that comes back as it was is no news.
    """
    quiet = Quiet(
        one_ns=_ns(quiet_one_s), many_ns=_ns(quiet_many_s), longest_ns=_ns(longest_s), rescan_ns=_ns(rescan_s)
    )
    with contextlib.closing(Notifier(tree, stop)) as notifier:
        follower = _Follower(tree, notifier, quiet, known)
        while not stop.is_set():
            news = follower.turn()
            if news is not None:
                yield news


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


class _Burst(msgspec.Struct):
    """Changes since the tree last rested. `is_many` when they are known to be more than one saved file."""

    first_ns: int
    last_ns: int
    look_ns: int
    is_many: bool = False


class _Sight(msgspec.Struct, frozen=True):
    """The tree as its files' stamps show it, against the one that was read last."""

    stamps: Stamps
    changed: set[str]
    writers: dict[str, Writer]

    @property
    def is_one_save(self) -> bool:
        """At most one file changed, it is there, and nobody has it open for writing."""
        return len(self.changed) == len(self.writers) <= 1 and all(writer == "none" for writer in self.writers.values())

    @property
    def held(self) -> list[str]:
        return sorted(name for name, writer in self.writers.items() if writer == "open")


class _Follower:
    """One turn after another: wait for events, and when the tree has come to rest, read it."""

    def __init__(self, tree: Path, notifier: Notifier, quiet: Quiet, known: str) -> None:
        self._tree = tree
        self._notifier = notifier
        self._quiet = quiet
        self._digest = known
        self._problem = ""
        self._trouble = ""
        self._files: dict[str, bytes] = {}
        self._stamps: Stamps = {}
        now = time.monotonic_ns()
        self._rescan_ns = now + quiet.rescan_ns
        self._burst: _Burst | None = _Burst(now, now, now + quiet.one_ns, is_many=True)

    def turn(self) -> Snapshot | TreeProblem | None:
        """Waits for a moment, at most until something is due."""
        due_ns = self._burst.look_ns if self._burst else self._rescan_ns
        seen = self._notifier.wait(min(POLL_S, (due_ns - time.monotonic_ns()) / 1e9))
        now = time.monotonic_ns()
        if seen != "nothing":
            self._extend(now, is_many=seen == "folders")
        if self._notifier.trouble != self._trouble:
            self._trouble = self._notifier.trouble
            return self._told(self._trouble)
        if self._burst is None:
            self._rescan(now)
            return None
        return self._look(self._burst, now) if now >= self._burst.look_ns else None

    def _extend(self, now: int, *, is_many: bool = False) -> None:
        burst = self._burst or _Burst(now, now, now)
        burst.last_ns = now
        burst.look_ns = max(now, min(now + self._quiet.one_ns, burst.first_ns + self._quiet.longest_ns))
        burst.is_many = burst.is_many or is_many or now - burst.first_ns > self._quiet.one_ns
        self._burst = burst

    def _rescan(self, now: int) -> None:
        """Starts a burst when the content is not what events have told."""
        if now < self._rescan_ns:
            return
        self._rescan_ns = now + self._quiet.rescan_ns
        files, problem = _read(self._tree)
        if problem != self._problem or (not problem and files != self._files):
            self._notifier.reopen()
            self._extend(now)

    def _look(self, burst: _Burst, now: int) -> Snapshot | TreeProblem | None:
        sight = _sight(self._tree, self._stamps)
        is_overdue = now - burst.first_ns >= self._quiet.longest_ns
        if not is_overdue and not self._is_quiet(burst, sight, now):
            burst.look_ns = min(burst.last_ns + self._quiet.many_ns, burst.first_ns + self._quiet.longest_ns)
            return None
        if sight.held or (not is_overdue and _is_git_at_work(self._tree)):
            burst.look_ns = now + _ns(POLL_S if is_overdue else RETRY_S)
            return self._told_once(_held_sentence(sight.held)) if is_overdue else None
        return self._read_whole(burst, sight.stamps, is_overdue=is_overdue)

    def _is_quiet(self, burst: _Burst, sight: _Sight, now: int) -> bool:
        is_one = sight.is_one_save and not burst.is_many
        return now - burst.last_ns >= (self._quiet.one_ns if is_one else self._quiet.many_ns)

    def _read_whole(self, burst: _Burst, before: Stamps, *, is_overdue: bool) -> Snapshot | TreeProblem | None:
        """Reads the tree, and takes what it read when nothing has changed meanwhile."""
        files, problem = _read(self._tree)
        seen = self._notifier.wait(0)
        now = time.monotonic_ns()
        if _stamps(self._tree) != before or (seen != "nothing" and not is_overdue):
            self._extend(now, is_many=seen == "folders")
            is_hopeless = now - burst.first_ns >= 2 * self._quiet.longest_ns
            return self._told_once("the tree changes faster than it can be read") if is_hopeless else None
        self._stamps, self._burst, self._rescan_ns = before, None, now + self._quiet.rescan_ns
        return self._told_once(problem) if problem else self._taken(files, burst.last_ns)

    def _taken(self, files: dict[str, bytes], saved_ns: int) -> Snapshot | None:
        names = sorted(name for name in files.keys() | self._files.keys() if files.get(name) != self._files.get(name))
        self._files, self._problem = files, ""
        digest = tree_digest(files)
        if digest == self._digest:
            return None
        self._digest = digest
        return Snapshot(files=files, digest=digest, changed=tuple(names), saved_ns=saved_ns)

    def _told_once(self, problem: str) -> TreeProblem | None:
        if problem == self._problem:
            return None
        self._problem = problem
        return self._told(problem)

    def _told(self, problem: str) -> TreeProblem | None:
        return TreeProblem(tree=str(self._tree), text=f"{self._tree}: {problem}") if problem else None


def _read(tree: Path) -> tuple[dict[str, bytes], str]:
    """The files, or why they cannot be taken."""
    try:
        return read_tree(tree), ""
    except ReleaseRefused as refused:
        return {}, "; ".join(refused.problems)


def _sight(tree: Path, known: Stamps) -> _Sight:
    stamps = _stamps(tree)
    changed = {name for name in stamps.keys() | known.keys() if stamps.get(name) != known.get(name)}
    return _Sight(stamps, changed, {name: _writer_of(tree / name) for name in changed if name in stamps})


def _stamps(tree: Path) -> Stamps:
    return {name: _stamp(path) for name, path in tree_paths(tree).files.items()}


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def _writer_of(path: Path) -> Writer:
    """Whether somebody has the file open for writing: the kernel then gives no read lease (fcntl(2), 7 µs).

    The lease is given back at once. A writer that opens the file within those microseconds waits for that, and this
    process gets a signal, SIGIO by default, which would end it: SIGURG is ignored by default.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return "unknown"
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return "open"
    except OSError:  # another owner's file, or a file system without leases
        return "unknown"
    else:
        return "none"
    finally:
        os.close(descriptor)


def _held_sentence(held: list[str]) -> str:
    return f"{', '.join(held[:3])} is still open in the program that writes it; the tree is taken when it is closed"


def _is_git_at_work(tree: Path) -> bool:
    """Whether a git command holds the index of the repository around the tree (a checkout does until its last file)."""
    real = tree.resolve()
    for folder in (real, *real.parents):
        git = folder / ".git"
        if git.is_dir():
            return (git / "index.lock").exists()
        if git.is_file():  # a linked work tree: the file says where its index lies
            with contextlib.suppress(OSError, UnicodeDecodeError):
                return (folder / git.read_text().removeprefix("gitdir:").strip() / "index.lock").exists()
    return False
