"""Functions for a loop to call, from other threads: what `call_soon_threadsafe` is for, for less of the loop's time.

That one wakes a loop by a socket, which is read twice and the second time in vain, and gives each function a context.
Here it is one counter of the kernel (eventfd(2)), read once for all that waits: a sixth less of the loop's steps in a
deploy, which are then within their bar (decision 0020).
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable


class Mailbox:
    """To be made, and closed, on the thread of `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._counter = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_open = True
        loop.add_reader(self._counter, self._wake)

    def put(self, function: Callable[..., object], *given: object) -> None:
        """Has it called, after everything before; from any thread. Once closed nothing is called any more."""
        if self._is_open:
            self._waiting.append((function, given))
            os.eventfd_write(self._counter, 1)

    def _wake(self) -> None:
        os.eventfd_read(self._counter)
        self.empty()

    def empty(self) -> None:
        """Calls what waits, now. What comes after one that raises is called in the loop's next turn."""
        try:
            while self._waiting:
                function, given = self._waiting.popleft()
                function(*given)
        finally:
            if self._waiting:
                os.eventfd_write(self._counter, 1)

    def close(self) -> None:
        """Nobody may put anything in meanwhile."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._counter)
            os.close(self._counter)
