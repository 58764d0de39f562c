"""The events of a live tree: whether anything in it has happened, and whether its folders are still the same.

It stands on `watchfiles` (Rust's notify, over inotify), whose overflow flag is dropped on the way: what it tells is a
reason to look, and its silence proves nothing.
"""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tesseract.release import is_noise, tree_paths

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

STEP_MS = 2
"""How often its queue is looked at: an event is seen after 2 to 5 ms, and idle watching costs 1.3 % of a core."""

Seen = Literal["nothing", "files", "folders"]
BLIND = "its saves are only noticed by reading it again and again, because it cannot be watched"


class Notifier:
    """Watches every folder of the tree that is not noise, each by itself, through links. Rebuilt when they change.

    A folder that is made after the walk and before its parent is watched is told by nobody, and so would be every save
    in it. The tree is therefore walked again once it is watched (50 µs for a dozen files, only when folders change),
    and another set of folders is a reason to open again. Parents are watched first: what becomes of a folder after the
    walk is then told by the folder around it.
    """

    def __init__(self, tree: Path, stop: threading.Event) -> None:
        self.trouble = ""
        self._tree = tree
        self._stop = stop
        self._native: RustNotify | None = None
        self.reopen()

    def reopen(self) -> None:
        """Watches the folders there are now. What happened before is not told any more: the caller reads the tree."""
        from watchfiles._rust_notify import RustNotify  # noqa: PLC0415 - loaded only where a tree is watched

        self.close()
        self._place = _place(self._tree)
        paths = tree_paths(self._tree)
        self._folders = set(map(str, paths.folders)) if self._place else set()
        self.trouble = _untellable([*paths.files, *self._folders])
        if not self._folders or self.trouble:
            return
        try:
            self._native = RustNotify(sorted(self._folders), False, False, 0, False, True)
            is_whole = not self._has_other_folders()
        except FileNotFoundError:  # a folder went between the walk and the watch
            is_whole = False
        except (OSError, RuntimeError) as error:
            self.trouble = f"{BLIND}: {error}"
            return
        if not is_whole:  # the next wait opens again
            self._place = (0, 0)

    def close(self) -> None:
        if self._native is not None:
            self._native.close()
            self._native = None

    def wait(self, timeout_s: float) -> Seen:
        """What has happened, as soon as something has. Noise is nothing."""
        paths = self._events(round(max(timeout_s, 0.001) * 1000))
        if _place(self._tree) != self._place or paths & self._folders:
            self.reopen()
            return "folders"
        if all(is_noise(path.rpartition("/")[2]) for path in paths):
            return "nothing"
        if self._has_other_folders():
            self.reopen()
            return "folders"
        return "files"

    def _has_other_folders(self) -> bool:
        return self._folders != set(map(str, tree_paths(self._tree).folders))

    def _events(self, timeout_ms: int) -> set[str]:
        if self._native is None:
            self._stop.wait(timeout_ms / 1000)
            return set()
        try:
            found = self._native.watch(1, min(STEP_MS, timeout_ms), timeout_ms, self._stop)
        except (OSError, RuntimeError):  # it lost its place, or met a name it cannot tell: open again
            return set(self._folders)
        if found == "signal":
            raise KeyboardInterrupt
        return set() if isinstance(found, str) else {path for _, path in found}


def _place(tree: Path) -> tuple[int, int] | None:
    try:
        status = tree.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _untellable(names: list[str]) -> str:
    """The notifier fails at every event of a name that is no Unicode, also when the file is only read."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            return f"{BLIND}: the name {name!r} is not Unicode"
    return ""
