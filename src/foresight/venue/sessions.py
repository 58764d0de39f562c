"""What the four kinds of WebSocket conversations share: what a session says, and how often one may speak to it."""

from collections import deque

import msgspec

from foresight.venue.documents import Document, Unreadable, decoded
from foresight.venue.frames import Labels

NO_LABELS: Labels = frozenset()


class Say(msgspec.Struct, frozen=True):
    """One text frame; `kind` is what faults know it by."""

    body: bytes
    kind: str
    labels: Labels = NO_LABELS


class End(msgspec.Struct, frozen=True):
    """The connection is closed; 1006 is without a close frame."""

    code: int
    reason: str = ""


Answer = Say | End
ABNORMAL = 1006


class Rate:
    """At most `count` in a span of real seconds."""

    def __init__(self, count: int, within_s: float) -> None:
        self._count, self._within_ns = count, round(within_s * 1e9)
        self._at: deque[int] = deque()

    def allows(self, now_ns: int) -> bool:
        """One more now, by the monotonic clock; a refused one counts as well."""
        while self._at and self._at[0] <= now_ns - self._within_ns:
            self._at.popleft()
        self._at.append(now_ns)
        if len(self._at) > self._count + 1:
            self._at.popleft()
        return len(self._at) <= self._count


def document_of(text: str) -> Document | None:
    """A JSON object; None for anything else."""
    try:
        found = decoded(text, object)
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def texts_of(value: object) -> list[str] | None:
    """A list of strings; None for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return value
