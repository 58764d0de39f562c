"""What the engine's loop sleeps on between two steps."""

import asyncio

LOOK_UP_S = 0.25
"""The loop looks up this often even when nothing is due: a stop that nobody rang for waits no longer."""


class Alarm:
    """What the engine's loop sleeps on: so many seconds, or until somebody rings."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Ends the wait, or the next one where nobody waits."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            timer = loop.call_later(min(seconds, LOOK_UP_S), _end, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        self._rung = False


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
