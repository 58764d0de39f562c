"""What the release store knows of one release: an entry, and how it is written."""

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from tesseract.errors import IndexDamaged
from tesseract.life import State

Origin = Literal["files", "git", "command", "start"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Step(NamedTuple):
    """One move in the life of a release."""

    state: State
    at: str
    why: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of one release. Times are ISO 8601 in UTC; an empty one is not known."""

    number: int
    digest: str
    package: str
    origin: Origin
    author: str = ""
    note: str = ""
    commit: str = ""
    created_at: str
    parent: int | None = None
    state: State
    history: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The name people see, such as `v18`."""
        return f"v{self.number}"


def iso(at_ns: int) -> str:
    moment = EPOCH + timedelta(microseconds=at_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def ns(at: str) -> int:
    return (datetime.fromisoformat(at) - EPOCH) // timedelta(microseconds=1) * 1000 if at else 0


def readable(entry: Entry) -> bytes:
    return msgspec.json.format(msgspec.json.encode(entry), indent=2) + b"\n"


def line_of(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def entry_in(text: bytes) -> Entry:
    """Raises IndexDamaged for what is no whole entry."""
    try:
        return msgspec.json.decode(text, type=Entry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IndexDamaged(str(error)) from None


def entries_in(text: bytes) -> list[Entry]:
    """Of a list. Raises IndexDamaged for what is none."""
    try:
        return msgspec.json.decode(text, type=list[Entry])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IndexDamaged(str(error)) from None


def newer(one: Entry, other: Entry | None) -> Entry:
    """The one that knows more steps, or later ones; the first when they know the same."""
    if other is None:
        return one
    return one if _reach(one) >= _reach(other) else other


def _reach(entry: Entry) -> tuple[int, str]:
    return len(entry.history), entry.history[-1].at if entry.history else ""
