"""A release: an immutable, content-addressed copy of the live code.

Live code is edited in place by people; a running program must never execute a file that may change under it. So
the tree is read once, hashed by content alone (times and permissions do not count), and written below
`<store>/<hash>/<package>/`. The host imports from there, and tracebacks show that copy.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tesseract.errors import ReleaseRefused

NOISE_DIRECTORIES = frozenset({"__pycache__", ".git", ".hg", ".svn", ".idea", ".vscode", ".mypy_cache", ".ruff_cache"})
NOISE_SUFFIXES = (".pyc", ".pyo", "~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", ".rej")
TREE_BYTES_MAX = 16 * 1024 * 1024
"""A live tree is source and small tables. A larger one is a mistake (a recording dropped into the folder)."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable copy of the live code.

    `number` counts up within one bot, `digest` is the SHA-256 of names and contents (hex), `path` holds the package.
    """

    number: int
    digest: str
    package: str
    path: Path
    origin: str
    created_ns: int

    @property
    def name(self) -> str:
        """The name people see, such as `v18`."""
        return f"v{self.number}"


def take_release(tree: Path, store: Path, *, number: int, origin: str, now_ns: int) -> Release:
    """Copies `tree` into `store` under its content hash and returns the release.

    The same content gives the same digest and the same folder, whatever its times. A stored copy that does not hold
    what its name says (edited, torn) is set aside as `<hash>.damaged` and written anew. Raises `ReleaseRefused` for a
    tree that is missing, empty, unreadable or too large; the store is then as it was.
    """
    files = read_tree(tree)
    digest = tree_digest(files)
    path = (store / digest[:16] / tree.name).absolute()
    if path.exists() and tree_digest(read_tree(path)) != digest:
        _set_aside(path.parent)
    if not path.exists():
        _write_copy(files, path)
    return Release(number=number, digest=digest, package=tree.name, path=path, origin=origin, created_ns=now_ns)


def _set_aside(home: Path) -> None:
    damaged = home.with_name(f"{home.name}.damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    home.rename(damaged)


def read_tree(tree: Path) -> dict[str, bytes]:
    """Every file of a live tree as {relative path with slashes: content}, without editor and tool noise."""
    if not tree.is_dir():
        raise ReleaseRefused(str(tree), ["the folder does not exist"])
    files: dict[str, bytes] = {}
    total = 0
    for path in _source_files(tree):
        name = path.relative_to(tree).as_posix()
        try:
            total += _size_of(path)
            if total > TREE_BYTES_MAX:
                raise ReleaseRefused(str(tree), [f"the tree holds more than {TREE_BYTES_MAX // 1024 // 1024} MiB"])
            files[name] = path.read_bytes()
        except OSError as error:
            raise ReleaseRefused(str(tree), [f"{name} cannot be read: {error.strerror}"]) from None
    if "__init__.py" not in files:
        raise ReleaseRefused(str(tree), ["__init__.py is missing: the live code is one package"])
    return files


def tree_digest(files: dict[str, bytes]) -> str:
    """SHA-256 over names and contents, each with its length before it, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (os.fsencode(name), files[name]):  # a name on disk need not be Unicode
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()


def _source_files(tree: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name not in NOISE_DIRECTORIES)
        for name in sorted(names):
            if not name.endswith(NOISE_SUFFIXES) and not name.startswith((".#", "#", ".nfs")):
                yield Path(folder) / name


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
