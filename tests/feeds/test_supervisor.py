"""A work of the feeds that fails in a way that nobody has thought of is told and started again; the others go on."""

import asyncio

import pytest

from feeds.ws_peers import no_task_left, until
from foresight.feeds import supervisor as module
from foresight.feeds.supervisor import Supervisor


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_FIRST_S", 0.002)
    monkeypatch.setattr(module, "AGAIN_LONGEST_S", 0.01)
    monkeypatch.setattr(module, "WELL_AFTER_S", 0.05)


class Failing:
    """A work that fails so many times, and then goes on."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(self._part())

    async def _part(self) -> None:
        if self.left:
            self.left -= 1
            raise RecursionError("too deep")
        await asyncio.Event().wait()


def test_a_failure_is_told_with_its_place_and_the_work_is_started_again() -> None:
    told: list[str] = []

    async def run() -> None:
        with no_task_left():
            supervisor, failing, other = Supervisor(told.append), Failing(2), Failing(0)
            async with asyncio.TaskGroup() as group:
                kept = [group.create_task(supervisor.keep(name, work.run)) for name, work in
                        (("clock", failing), ("other", other))]  # fmt: skip
                await until(lambda: failing.runs == 3)
                assert supervisor.problems() == ["clock has failed: RecursionError: too deep; it is started again"]
                await until(lambda: not supervisor.problems())
                for task in kept:
                    task.cancel()
            assert (failing.runs, other.runs) == (3, 1)

    asyncio.run(run())
    assert len(told) == 2
    assert told[0].startswith("clock has failed at test_supervisor.py:")
    assert "RecursionError: too deep" in told[0]


def test_a_work_that_ends_is_not_started_again() -> None:
    told: list[str] = []
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1

    async def run() -> None:
        with no_task_left():
            await Supervisor(told.append).keep("once", work)

    asyncio.run(run())
    assert (runs, told) == (1, [])
