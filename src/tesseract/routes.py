"""What the seam's table holds: one entry a key, with the calls that wait there."""

from collections import deque
from collections.abc import Callable

import msgspec

from tesseract.host import Host


class Input(msgspec.Struct, frozen=True):
    """One input of a key, as a candidate that is staged meanwhile must still take it."""

    number: int
    key: str
    given: object
    encoded: bytes


class Asked(msgspec.Struct, eq=False):
    """A call that waits for its answer, from one release or from two."""

    input: Input
    at_ns: int
    deliver: Callable[..., None]
    live: Host
    standby: Host | None
    is_standby_asked: bool = False
    is_overruled: bool = False


class Route(msgspec.Struct):
    """One key's entry in the table, of one `strategy`. `rounds` counts answers of the live release since its commit;
    `was_moved` says that the commit brought it here, and not a call that came later."""

    strategy: str
    live: Host
    state: bytes
    standby: Host | None = None
    standby_state: bytes = b""
    rounds: int = 0
    was_moved: bool = False
    asked: Asked | None = None
    backlog: deque[Asked] = msgspec.field(default_factory=deque)
    """What the standby has still to answer, oldest first, also after it was put back; of most the outcome is known."""
    waiting: deque[tuple[Input, int, Callable[..., None]]] = msgspec.field(default_factory=deque)

    @property
    def is_free(self) -> bool:
        """Whether the next call may begin."""
        return self.asked is None and not self.is_behind

    @property
    def is_called(self) -> bool:
        """Whether a call waits for its answer, or for its turn."""
        return self.asked is not None or bool(self.waiting) or self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether the release that was put back has still to answer calls that its successor answered."""
        return bool(self.backlog) and self.backlog[0].standby is self.live
