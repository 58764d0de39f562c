"""State files: JSON documents that anyone can read with `cat`. Written whole or not at all."""

import os
from pathlib import Path

import msgspec


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
