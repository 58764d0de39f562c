"""Venue time. The one home of the wall clock; everything else is told what time it is."""

import time
from typing import Protocol, Self

from foresight.markets import SECOND_NS


class Clock(Protocol):
    """`now_ns` is venue time: at speed 1, from a live venue, the wall clock."""

    def now_ns(self) -> int: ...


class LockstepClock:
    """Time stands still until the session moves it to the next event."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def move_to(self, now_ns: int) -> None:
        """Time never goes back."""
        self._now_ns = max(self._now_ns, now_ns)


class PacedClock:
    """Venue time that starts at `start_ns` now and runs `speed` times as fast as the wall, from the monotonic clock:
    a step of the wall clock does not move it."""

    def __init__(self, start_ns: int, speed: float) -> None:
        self._start_ns = start_ns
        self._speed = speed
        self._began_ns = time.monotonic_ns()
        self._offset_ns = time.time_ns() - self._began_ns

    @classmethod
    def at_anchor(cls, monotonic_at_ns: int, venue_ns: int, speed: float) -> Self:
        """The venue time that is `venue_ns` when the machine's monotonic clock says `monotonic_at_ns`. All processes of
        a machine have that clock in common, so they have this time in common too."""
        clock = cls(venue_ns, speed)
        clock._began_ns = monotonic_at_ns
        return clock

    @property
    def anchor(self) -> tuple[int, int, float]:
        """(monotonic nanoseconds, venue nanoseconds then, speed): what `at_anchor` makes the same clock of."""
        return self._began_ns, self._start_ns, self._speed

    def now_ns(self) -> int:
        return self._start_ns + int((time.monotonic_ns() - self._began_ns) * self._speed)

    def seconds_until(self, at_ns: int) -> float:
        """Real seconds to wait for a venue instant; zero or less when it has passed."""
        return (at_ns - self.now_ns()) / self._speed / SECOND_NS

    def ns_of(self, seconds: float) -> int:
        """Venue nanoseconds in so many real seconds."""
        return int(seconds * self._speed * SECOND_NS)

    def drift_ms(self) -> float:
        """How far the wall clock has stepped against the monotonic one since the start, in milliseconds."""
        return (time.time_ns() - time.monotonic_ns() - self._offset_ns) / 1e6


def wall_ns() -> int:
    """The wall clock, for names and reports."""
    return time.time_ns()


def monotonic_ns() -> int:
    """The machine's monotonic clock, for spans of real time and for what processes measure together."""
    return time.monotonic_ns()
