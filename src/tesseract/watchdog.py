"""Interrupts live code that takes too long, inside its own process: a repeating `setitimer` signal.

It works on the main thread, and interrupts Python code, sleeps and regular expressions; a long call into C is only
noticed when it returns. A host in a process of its own is killed from outside instead, where this one comes too late.
A call that was stopped by a debugger has no limit any more.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

Result = TypeVar("Result")

REPEAT_S = 0.05
"""A signal that lands inside a `finally` or an `except` of live code can be swallowed; the next one is not."""

_Handler = Callable[[int, FrameType | None], object] | int | None


class OverrunError(BaseException):
    """Raised by the watchdog inside live code; a BaseException, so that `except Exception` there cannot eat it."""


class Watchdog:
    """Watches one call at a time. Off the main thread there is no watchdog, and calls run as long as they take."""

    def __init__(self) -> None:
        self._kept: _KeptWatch | None = None

    def keep_handler(self) -> None:
        """For a process whose SIGALRM is nobody else's: the handler is put in place now, once, and not around each
        call, which saves 8 of 10 us a call, and 40 of 50 where the caches are cold."""
        self._kept = _KeptWatch()

    def run(self, budget_ns: int, work: Callable[[], Result]) -> Result:
        """What `work` returns. Raises OverrunError when it takes longer than `budget_ns`, and at no other moment."""
        watch = self._kept or _Watch()
        is_armed, previous = watch.arm(budget_ns / 1e9)
        try:
            watch.is_on = True
            return work()
        finally:
            watch.is_on = False
            if is_armed:
                watch.disarm(previous)


class _Watch:
    """Raises from a signal handler while `is_on`, and is inert at every other moment.

    Python runs a signal handler between byte codes, so one that always raised could hit the lines that put things
    back in order. Setting an attribute is a single step that nothing can interrupt.
    """

    def __init__(self) -> None:
        self.is_on = False

    def arm(self, budget_s: float) -> tuple[bool, _Handler]:
        """Whether there is a watchdog here, and the handler that it displaced."""
        if threading.current_thread() is not threading.main_thread():
            return False, None
        previous = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, budget_s, REPEAT_S)
        return True, previous

    def disarm(self, previous: _Handler) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if previous is None else previous)

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        if self.is_on and _is_in_debugger(frame):
            self.is_on = False
        if self.is_on:
            raise OverrunError("it took too long and was interrupted")


class _KeptWatch(_Watch):
    """One for all calls. What live code does to the handler in a call is not mended: the caller's SIGKILL is left."""

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGALRM, self._interrupt)

    def arm(self, budget_s: float) -> tuple[bool, _Handler]:
        signal.setitimer(signal.ITIMER_REAL, budget_s, REPEAT_S)
        return True, None

    def disarm(self, previous: _Handler) -> None:
        del previous
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _is_in_debugger(frame: FrameType | None) -> bool:
    """Whether the call is stopped in pdb or debugpy: the time of the person who looks at it is not the call's."""
    while frame is not None and frame.f_code is not Watchdog.run.__code__:
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if module == "bdb" or "pydevd" in module:
            return True
        frame = frame.f_back
    return False
