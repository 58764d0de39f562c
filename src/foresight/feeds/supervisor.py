"""Keeps the works of the feeds up, each by itself: one that fails in a way that nobody has thought of is told, with the
place in the code, and started again after growing pauses. It costs that work some seconds, and not the bot its run.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

AGAIN_FIRST_S = 0.5
AGAIN_LONGEST_S = 30.0
WELL_AFTER_S = 60.0
"""What has run for so long since it failed is well."""

Work = Callable[[], Awaitable[None]]


class Supervisor:
    """`failures` are the works that are not well, by name, each with why. `tell` gets a sentence for each failure."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.failures: dict[str, str] = {}
        self._tell = tell

    def problems(self) -> list[str]:
        return [f"{name} has failed: {why}; it is started again" for name, why in self.failures.items()]

    async def keep(self, name: str, work: Work) -> None:
        """Returns when the work does; runs until it is cancelled otherwise."""
        retrying = AsyncRetrying(
            wait=wait_random_exponential(multiplier=AGAIN_FIRST_S, max=AGAIN_LONGEST_S),
            before_sleep=lambda state: self._failed(name, state),
        )
        await retrying(self._run, name, work)

    async def _run(self, name: str, work: Work) -> None:
        async with asyncio.TaskGroup() as group:
            well = group.create_task(self._well_after(name), name=f"{name} is well")
            await work()
            well.cancel()

    async def _well_after(self, name: str) -> None:
        await asyncio.sleep(WELL_AFTER_S)
        self.failures.pop(name, None)

    def _failed(self, name: str, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        assert error is not None, "only a failure is tried again"
        self.failures[name], place = _cause_of(error)
        self._tell(f"{name} has failed at {place}: {self.failures[name]}; it is started again")


def _cause_of(error: BaseException) -> tuple[str, str]:
    """What went wrong first, and in which line of which file."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error}"[:200], f"{Path(frame.filename).name}:{frame.lineno}"
