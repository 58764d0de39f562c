"""A host that is killed or stopped in the middle of an evaluation, stalls of twenty seconds, clocks that step: what is
lost is on record with its cause, and everything else is there.

Ten venue seconds pass in a real one, and a round comes every half second of it.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from foresight.effects import Failed, ReleaseEnded
from foresight.runtime.bot import Bot
from foresight.runtime.clock import PacedClock
from storms.bots import a_bot_folder, journal_of
from storms.orders import order_problems
from storms.paced import rounds, run_bot, until
from tesseract import Request
from tesseract.process_host import ProcessHost

pytestmark = pytest.mark.process
SPEED = 10.0
BUDGET_MS = 200
TAKES_S = 0.08
STALLS = (
    "live code had not answered by the next round",
    "answered after the next round",
    "loop stalled under 10 s",
    "loop stalled under 30 s",
)
SLOW = f"""
import time

import msgspec

from . import evaluate as shipped
from .params import Params, State

__all__ = ["Params", "State", "evaluate"]


def evaluate(view, state, params):
    time.sleep({TAKES_S})
    done = shipped.evaluate(view, state, params)
    return msgspec.structs.replace(done, signals={{**done.signals, "looks": float(state.looks)}})
"""
"""The shipped strategy, but slow enough to be met in the middle of an evaluation."""


def a_slow_bot(home: Path) -> Path:
    folder = a_bot_folder(home, evaluation={"budget_ms": BUDGET_MS, "late_after_ms": 4_500, "on_event_gap_ms": 60_000})
    (folder / "strategy" / "__init__.py").write_text(SLOW)
    return folder


def live(bot: Bot) -> ProcessHost:
    host = bot.live.runtime.seam.strategies[""]
    assert isinstance(host, ProcessHost)
    return host


def is_asked(bot: Bot) -> bool:
    return any(route.asked is not None for route in bot.live.runtime.seam.routes.values())


def is_stood_by(bot: Bot) -> bool:
    """Whether a standby has something to answer."""
    return any(route.backlog for route in bot.live.runtime.seam.routes.values())


async def until_mid_round(bot: Bot) -> None:
    """Until a round has just begun: both slots are asked because it was due, and neither has been answered."""
    asked = bot.engine._asked
    await until(lambda: not asked)
    await until(lambda: len(asked) == 2 and all(each.is_due for each in asked.values()))


async def deploy(bot: Bot, mark: str) -> None:
    """A copy of the same code goes live, and has its first answer of every slot."""
    (bot.folder.strategy / "mark.txt").write_text(mark)
    bot.live.runtime.request(Request(id=f"mark-{mark}", action="deploy", author="a test"))
    await until(lambda: bot.live.runtime.seam.running() == f"v{mark}")
    routes = bot.live.runtime.seam.routes.values()
    await until(lambda: bool(routes) and all(route.rounds for route in routes))


def send(host: Any, number: signal.Signals) -> None:
    signal.pidfd_send_signal(host.pidfd, number)


def adds_up(bot: Bot, *causes: str) -> int:
    """Every evaluation that was due is on record; the causes of what was missed are these. Returns how many were."""
    counts = bot.report().presence
    assert counts.due == counts.done + counts.late + counts.missed + counts.blind
    assert sum(counts.missed_by_cause.values()) == counts.missed
    assert set(counts.missed_by_cause) <= set(causes), counts.missed_by_cause
    assert order_problems(bot.run / "journal.sqlite", {"v1", "v2"}, 30) == []
    return counts.missed


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, "its process ended"),
        (signal.SIGSTOP, f"took longer than {BUDGET_MS} ms; its process was killed"),
    ],
)
def test_on_probation_the_standby_answers_what_a_killed_or_stopped_host_does_not(
    tmp_path: Path, number: signal.Signals, said: str
) -> None:
    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: is_asked(bot))
        await deploy(bot, "2")
        await until_mid_round(bot)
        send(live(bot), number)
        await until(lambda: bot.live.runtime.seam.running() == "v1")
        await rounds(bot, clock, 2)

    bot = run_bot(a_slow_bot(tmp_path), work, speed=SPEED)
    assert adds_up(bot) == 0, "nothing was missed"
    ended = [record.entry for record in journal_of(bot) if isinstance(record.entry, ReleaseEnded)]
    (back,) = [each for each in ended if each.release == "v2"]
    assert (back.state, back.to) == ("rolled back", "v1")
    assert said in back.text


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGKILL, "lost"), (signal.SIGSTOP, "overran")])
def test_without_a_standby_the_evaluation_is_missed_on_record_and_the_state_is_not_lost(
    tmp_path: Path, number: signal.Signals, kind: str
) -> None:
    looks: list[float] = []
    done: list[float] = []

    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: bot.report().presence.done >= 4)
        await until_mid_round(bot)
        send(live(bot), number)
        await rounds(bot, clock, 4)
        await until(lambda: not bot.engine.is_waiting)
        looks.extend(slot.signals["looks"] or 0.0 for slot in bot.engine.markets.slots.values())
        answered = (slot.presence for slot in bot.engine.markets.slots.values())
        done.extend(each.done + each.on_event for each in answered)

    bot = run_bot(a_slow_bot(tmp_path), work, speed=SPEED)
    assert 1 <= adds_up(bot, f"live code {kind}", "live code had not answered by the next round") <= 2
    failed = [record.entry for record in journal_of(bot) if isinstance(record.entry, Failed)]
    assert {entry.kind for entry in failed} == {kind}
    late = [abs(look - (count - 1)) for look, count in zip(looks, done, strict=True)]
    assert max(late) <= 1, "each state has taken every evaluation that was done, once; the one that failed may count"
    assert min(done) >= 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_standby_that_is_killed_or_stopped_costs_nothing(tmp_path: Path, number: signal.Signals) -> None:
    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: is_asked(bot))
        before = live(bot)
        await deploy(bot, "2")
        await until_mid_round(bot)
        send(before, number)
        await rounds(bot, clock, 4)
        assert bot.live.runtime.seam.running() == "v2"

    assert adds_up(run_bot(a_slow_bot(tmp_path), work, speed=SPEED)) == 0


def blocked(seconds: float) -> None:
    time.sleep(seconds)


def test_a_loop_that_stalls_for_twenty_seconds_misses_its_rounds_on_record_and_kills_no_host(tmp_path: Path) -> None:
    """Even with calls under way: their answers wait in the sockets, and are not the hosts' fault."""
    pids: list[int | None] = []

    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: bot.report().presence.done >= 4)
        await until_mid_round(bot)
        pids.append(live(bot).pidfd)
        blocked(20 / SPEED)
        await rounds(bot, clock, 4)
        pids.append(live(bot).pidfd)

    bot = run_bot(a_slow_bot(tmp_path), work, speed=SPEED)
    assert 2 * 3 <= adds_up(bot, *STALLS) <= 2 * 5, "three to five rounds of two slots"
    assert bot.report().presence.done >= 12
    assert pids[0] == pids[1] is not None
    assert not [notice.text for notice in bot.sink.notices if "its process" in notice.text]


def test_everything_that_stands_still_for_twenty_seconds_is_nobodys_fault(tmp_path: Path) -> None:
    """A machine that is suspended as a round begins: hosts and loop alike. The release on probation stays."""

    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: is_asked(bot))
        before = live(bot)
        await deploy(bot, "2")
        await until(lambda: not bot.engine.is_waiting and not is_stood_by(bot))
        hosts = (before, live(bot))
        for host in hosts:
            send(host, signal.SIGSTOP)
        await until_mid_round(bot)
        blocked(20 / SPEED)
        for host in hosts:
            send(host, signal.SIGCONT)
        await rounds(bot, clock, 4)
        assert (before.pidfd, live(bot).pidfd) == tuple(host.pidfd for host in hosts)
        assert bot.live.runtime.seam.running() == "v2"

    bot = run_bot(a_slow_bot(tmp_path), work, speed=SPEED)
    assert 2 * 3 <= adds_up(bot, *STALLS) <= 2 * 5
    assert not [notice.text for notice in bot.sink.notices if "its process" in notice.text]


def test_a_stager_that_is_stopped_for_twenty_seconds_delays_the_deploy_and_nothing_else(tmp_path: Path) -> None:
    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: is_asked(bot))
        stager = pids_of(bot)[1]
        os.kill(stager, signal.SIGSTOP)
        try:
            (bot.folder.strategy / "mark.txt").write_text("2")
            bot.live.runtime.request(Request(id="late", action="deploy", author="a test"))
            await asyncio.sleep(20 / SPEED)
            assert bot.live.runtime.seam.running() == "v1"
        finally:
            os.kill(stager, signal.SIGCONT)
        await until(lambda: bot.live.runtime.seam.running() == "v2")

    assert adds_up(run_bot(a_slow_bot(tmp_path), work, speed=SPEED)) == 0


def pids_of(bot: Bot) -> tuple[int, int]:
    link: Any = bot.live.runtime._link
    pids: tuple[int, int] = link.pids
    return pids


def test_a_zygote_that_is_killed_takes_its_hosts_along_and_everything_comes_back(tmp_path: Path) -> None:
    async def work(bot: Bot, clock: PacedClock) -> None:
        await until(lambda: bot.report().presence.done >= 4)
        await until_mid_round(bot)
        os.kill(pids_of(bot)[0], signal.SIGKILL)
        await rounds(bot, clock, 6)
        await deploy(bot, "2")

    bot = run_bot(a_slow_bot(tmp_path), work, speed=SPEED)
    assert adds_up(bot, "live code lost", "live code had not answered by the next round") <= 4
    assert any("the zygote's process has ended; a new one was started" in notice.text for notice in bot.sink.notices)
    assert bot.report().presence.done >= 12


class Stepping(PacedClock):
    """A wall clock that steps when it is told to; venue time goes by the monotonic one."""

    stepped_ms = 0.0

    def drift_ms(self) -> float:
        return super().drift_ms() + self.stepped_ms


@pytest.mark.parametrize("step_ms", [3_600_000.0, -3_600_000.0])
def test_a_clock_that_steps_stops_orders_and_no_evaluation(tmp_path: Path, step_ms: float) -> None:
    async def work(bot: Bot, clock: PacedClock) -> None:
        assert isinstance(clock, Stepping)
        await until(lambda: bot.report().presence.done >= 4)
        clock.stepped_ms = step_ms
        await until(lambda: abs(bot.engine.desk.account.drift_ms) > 1_000)
        assert any("the wall clock has stepped by" in problem for problem in bot.problems())
        await deploy(bot, "2")
        clock.stepped_ms = 0.0
        await until(lambda: not bot.problems())
        await rounds(bot, clock, 2)

    bot = run_bot(a_slow_bot(tmp_path), work, speed=SPEED, clock_of=Stepping)
    assert adds_up(bot) == 0
    assert any("the wall clock has stepped by" in notice.text for notice in bot.sink.notices)
