"""State files: JSON documents that anyone can read with `cat`. Written whole or not at all,
read without waiting."""

import errno
import os
import stat
from pathlib import Path
from typing import IO

import msgspec

from foresight.errors import BotFolderRefused

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_plain(path: Path, bytes_max: int) -> bytes:
    """The content of a plain file, or of the one that a link leads to. Raises OSError for anything else, and for a
    longer one; it never waits for a writer, as opening a pipe does."""
    with os.fdopen(_opened(path, os.O_RDONLY), "rb") as file:
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise OSError(f"it is longer than {bytes_max} bytes")
    return content


def open_lock(path: Path, *, makes_it: bool) -> IO[str]:
    """The file of a lock, which is not taken yet. Raises BotFolderRefused for what is no plain file or cannot be
    opened, and FileNotFoundError for one that is not there and is not to be made."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if makes_it else os.O_RDONLY
    try:
        return os.fdopen(_opened(path, flags), "a+" if makes_it else "r")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BotFolderRefused(f"the lock {path} cannot be opened: {error}") from None


def _opened(path: Path, flags: int) -> int:
    """A descriptor of a plain file. Raises OSError for anything else, and waits for nobody."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # what the kernel says of a socket
            raise OSError(f"it is {_KINDS[stat.S_IFSOCK]} and no plain file") from None
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(f"it is {_KINDS.get(kind, 'something else')} and no plain file")
    return descriptor


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces `path`: a reader sees the old document or the new one, never a part. Raises OSError; the old document
    then still stands."""
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with staging.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    except OSError:
        staging.unlink(missing_ok=True)
        raise


def encode(document: msgspec.Struct) -> bytes:
    """Indented JSON with a line end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
