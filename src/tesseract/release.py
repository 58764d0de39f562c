"""A release: an immutable, content-addressed copy of the live code.

Live code is edited in place by people; a running program must never execute a file that may change under it. So
the tree is read once, hashed by content alone (times and permissions do not count), and written below
`<store>/<hash>/<package>/`. The host imports from there, and tracebacks show that copy.

Links are followed, to files and to folders, also out of the tree: their content is copied, so that what runs depends
on no link. A linked folder that leads back to a folder around it has no end and is refused.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec

from tesseract.errors import ReleaseRefused

NOISE_DIRECTORIES = frozenset({"__pycache__", ".git", ".hg", ".svn", ".idea", ".vscode", ".mypy_cache", ".ruff_cache"})
NOISE_SUFFIXES = (".pyc", ".pyo", "~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", ".rej")
NOISE_PREFIXES = (".#", "#", ".nfs")
TREE_BYTES_MAX = 16 * 1024 * 1024
"""A live tree is source and small tables. A larger one is a mistake (a recording dropped into the folder)."""
TREE_PATHS_MAX = 20_000
"""Files and folders of a live tree. Links can multiply a few folders into any number."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable copy of the live code.

    `number` counts up within one store, `digest` is the SHA-256 of names and contents (hex), `path` holds the package.
    `author`, `note` and `commit` are what is known of its making; `parent` is the release that ran when it was taken.
    """

    number: int
    digest: str
    package: str
    path: Path
    origin: str
    created_ns: int
    author: str = ""
    note: str = ""
    parent: int | None = None
    commit: str = ""

    @property
    def name(self) -> str:
        """The name people see, such as `v18`."""
        return f"v{self.number}"


class TreePaths(msgspec.Struct, frozen=True):
    """Where a live tree lies: its folders, its files by relative name with slashes, and what could not be followed."""

    folders: list[Path] = []
    files: dict[str, Path] = {}
    problems: list[str] = []


def take_release(tree: Path, store: Path, *, number: int, origin: str, now_ns: int) -> Release:
    """Copies `tree` into `store` under its content hash and returns the release.

    The same content gives the same digest and the same folder, whatever its times. A stored copy that does not hold
    what its name says (edited, torn) is set aside as `<hash>.damaged` and written anew. Raises `ReleaseRefused` for a
    tree that is missing, empty, unreadable or too large; the store is then as it was.
    """
    files = read_tree(tree)
    digest = tree_digest(files)
    path = store_copy(files, store, digest=digest, package=tree.name)
    return Release(number=number, digest=digest, package=tree.name, path=path, origin=origin, created_ns=now_ns)


def store_copy(files: dict[str, bytes], store: Path, *, digest: str, package: str) -> Path:
    """Makes sure that `store` holds this content, and returns the package's folder. A damaged copy is set aside.

    Raises OSError when it cannot be written; nothing half-written is then left.
    """
    path = copy_path(store, digest, package)
    drop_byte_code(path)
    if path.exists() and not is_whole(path, digest):
        _set_aside(path.parent)
    if not path.exists():
        _write_copy(files, path)
    return path


def copy_path(store: Path, digest: str, package: str) -> Path:
    """Where the copy of a release lies."""
    return (store / digest[:16] / package).absolute()


def is_whole(path: Path, digest: str) -> bool:
    """Whether the copy is there and holds what its name says."""
    try:
        return tree_digest(read_tree(path)) == digest
    except ReleaseRefused:
        return False


def has_byte_code(path: Path) -> bool:
    """Whether a copy holds byte code, which Python may run instead of the source that is hashed."""
    return any(path.rglob("__pycache__"))


def drop_byte_code(path: Path) -> None:
    """Deletes what somebody has left who ran the copy by hand."""
    for folder in list(path.rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)


def _set_aside(home: Path) -> None:
    damaged = home.with_name(f"{home.name}.damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    home.rename(damaged)


def read_tree(tree: Path) -> dict[str, bytes]:
    """Every file of a live tree as {relative path with slashes: content}, without editor and tool noise."""
    paths = tree_paths(tree)
    if paths.problems:
        raise ReleaseRefused(str(tree), paths.problems)
    files: dict[str, bytes] = {}
    total = 0
    for name, path in paths.files.items():
        try:
            total += _size_of(path)
            require_fitting(str(tree), total, len(paths.files))
            files[name] = path.read_bytes()
        except OSError as error:
            raise ReleaseRefused(str(tree), [f"{name} cannot be read: {error.strerror}"]) from None
    require_package(str(tree), files)
    return files


def require_apart(tree: Path, store: Path) -> None:
    """Raises `ReleaseRefused` where a tree and the store of its releases hold one another. Links count where they lead:
    a copy that is written into the tree, or a part of the store that is read as live code, makes another release."""
    home = os.path.realpath(store)
    found = tree_paths(tree)
    for path in (*found.folders, *(path for path in found.files.values() if path.is_symlink())):
        real = os.path.realpath(path)
        where = "around" if _is_below(home, real) else "inside" if _is_below(real, home) else ""
        if where:
            what = "the live tree" if path == tree else str(path.relative_to(tree))
            problem = f"{what} lies {where} the store {store}; each release would make another one, keep the two apart"
            raise ReleaseRefused(str(tree), [problem])


def _is_below(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def require_fitting(tree: str, total_bytes: int, paths: int) -> None:
    """Raises `ReleaseRefused` for a tree that is too large."""
    if total_bytes > TREE_BYTES_MAX:
        raise ReleaseRefused(tree, [f"the tree holds more than {TREE_BYTES_MAX // 1024 // 1024} MiB"])
    if paths > TREE_PATHS_MAX:
        raise ReleaseRefused(tree, [f"the tree holds more than {TREE_PATHS_MAX} files and folders"])


def require_package(tree: str, files: dict[str, bytes]) -> None:
    """Raises `ReleaseRefused` for a tree that is no package."""
    if "__init__.py" not in files:
        raise ReleaseRefused(tree, ["__init__.py is missing: the live code is one package"])


def tree_digest(files: dict[str, bytes]) -> str:
    """SHA-256 over names and contents, each with its length before it, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (os.fsencode(name), files[name]):  # a name on disk need not be Unicode
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def is_noise(name: str) -> bool:
    """Whether a file or folder of this name (one part of a path) is left by an editor or a tool."""
    return name in NOISE_DIRECTORIES or name.endswith(NOISE_SUFFIXES) or name.startswith(NOISE_PREFIXES)


def tree_paths(tree: Path) -> TreePaths:
    """Walks the tree through its links. It raises nothing: what could not be followed stands in `problems`."""
    found = TreePaths()
    pending = [_Folder("", tree, ())]
    while pending and not found.problems:
        folder = pending.pop()
        try:
            pending.extend(_walked(folder, found))
        except OSError as error:
            found.problems.append(_unreadable(folder.name, error))
        if len(found.files) + len(found.folders) + len(pending) > TREE_PATHS_MAX:
            found.problems.append(f"the tree holds more than {TREE_PATHS_MAX} files and folders")
    return found


class _Folder(NamedTuple):
    name: str
    path: Path
    above: tuple[tuple[int, int], ...]
    """The folders around it, by device and inode, so that a link back to one of them is recognised."""


def _walked(folder: _Folder, found: TreePaths) -> list[_Folder]:
    """Adds what one folder holds to `found` and returns the folders in it."""
    status = folder.path.stat()
    above = (*folder.above, (status.st_dev, status.st_ino))
    found.folders.append(folder.path)
    if above[-1] in folder.above:
        found.problems.append(f"{folder.name} leads back to a folder around it")
        return []
    inside = []
    for entry in sorted(os.scandir(folder.path), key=lambda entry: entry.name):
        name = f"{folder.name}/{entry.name}" if folder.name else entry.name
        if is_noise(entry.name):
            continue
        if _is_folder(entry):
            inside.append(_Folder(name, Path(entry.path), above))
        else:
            found.files[name] = Path(entry.path)
    return inside


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it as a file names the problem
        return False


def _unreadable(name: str, error: OSError) -> str:
    if name:
        return f"{name} cannot be read: {error.strerror}"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "the folder does not exist"
    return f"the folder cannot be read: {error.strerror}"


def _size_of(path: Path) -> int:
    """The size is known before anything is read, and a pipe is never waited for."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return status.st_size


def _write_copy(files: dict[str, bytes], path: Path) -> None:
    """Writes beside the target and renames, so that a half-written release is never seen."""
    store = path.parent.parent
    store.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=store))
    try:
        for name, content in files.items():
            target = staging / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        staging.chmod(0o755)
        path.parent.mkdir(exist_ok=True)
        staging.rename(path)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        if not path.exists():
            raise
