"""A bot in its own pace, with processes for its live code, while something is done to it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from foresight.config import load_config
from foresight.markets import SECOND_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock, PacedClock
from foresight.runtime.runner import run_paced
from foresight.sources.simulated import SimulatedMarket
from storms.bots import SEED, SLOTS

Work = Callable[[Bot, PacedClock], Awaitable[None]]
Prepare = Callable[[Bot], None]


def run_bot(
    folder: Path,
    work: Work,
    *,
    speed: float,
    seed: int = SEED,
    slots: tuple[tuple[str, str], ...] = SLOTS,
    clock_of: Callable[[int, float], PacedClock] = PacedClock,
    prepare: Prepare = lambda _bot: None,
) -> Bot:
    """Runs the bot of this folder until `work` is over and one more round has been answered; returns it, closed."""
    return asyncio.run(_run(folder, work, speed=speed, seed=seed, slots=slots, clock_of=clock_of, prepare=prepare))


async def _run(
    folder: Path,
    work: Work,
    *,
    speed: float,
    seed: int,
    slots: tuple[tuple[str, str], ...],
    clock_of: Callable[[int, float], PacedClock],
    prepare: Prepare,
) -> Bot:
    market = SimulatedMarket(seed, slots)
    bot = Bot(load_config(folder), market, LockstepClock(market.start_ns), speed=speed, in_process=False)
    prepare(bot)
    with contextlib.closing(bot):
        bot.session.begin()
        await bot.start()
        clock = clock_of(market.start_ns, speed)
        bot.use_clock(clock)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(run_paced(bot, clock, until_ns=None, screen=None), name="bot")
            await work(bot, clock)
            await rounds(bot, clock, 1.5)
            run.cancel()
    return bot


async def rounds(bot: Bot, clock: PacedClock, count: float) -> None:
    """Waits for so many rounds' time."""
    await asyncio.sleep(clock.seconds_until(clock.now_ns() + round(count * bot.engine.settings.period_ns)))


async def until(is_it: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Waits until something holds, looking every millisecond; fails after a while."""
    async with asyncio.timeout(within_s):
        while not is_it():
            await asyncio.sleep(0.001)


__all__ = ["SECOND_NS", "Bot", "PacedClock", "rounds", "run_bot", "until"]
