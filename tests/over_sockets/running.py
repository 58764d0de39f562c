"""A bot over sockets, in the test's own loop, with processes for its live code, while something is done to it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from foresight.cli.sockets import Asked, Telling, market_of
from foresight.config import load_config
from foresight.feeds.feeds import Feeds
from foresight.runtime.bot import Bot
from foresight.runtime.clock import PacedClock
from foresight.runtime.live_market import LiveMarket
from foresight.runtime.runner import run_paced
from over_sockets.venue import VenueProcess


class Run(msgspec.Struct):
    """One bot that runs over sockets, and the venue that it trades at."""

    bot: Bot
    venue: VenueProcess
    market: LiveMarket

    @property
    def feeds(self) -> Feeds:
        return self.market.feeds

    @property
    def clock(self) -> PacedClock:
        return self.market.joined.clock

    def states(self) -> dict[str, str]:
        """What each slot says of itself now."""
        return {slot.slot: slot.state for slot in self.bot.report().slots}

    def line(self, name: str):
        (found,) = (each for each in self.feeds.health().lines if each.line.name == name)
        return found

    def told(self) -> list[str]:
        """Every notice so far."""
        return [notice.text for notice in self.bot.sink.notices]

    async def ask(self, path: str, *, method: str = "GET", body: object = None) -> Any:
        """Asks the venue, off the loop."""
        return await asyncio.to_thread(self.venue.ask, path, method=method, body=body)

    async def until(self, is_it: Callable[[], bool], within_s: float = 20.0) -> None:
        """Waits until something holds; fails after a while, with what was told."""
        try:
            async with asyncio.timeout(within_s):
                while not is_it():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            health = self.feeds.health()
            text = f"not within {within_s} s; {self.states()}; {self.told()[-5:]}; {health}"
            raise AssertionError(text) from None

    async def rounds(self, count: float) -> None:
        period_ns = self.bot.engine.settings.period_ns
        await asyncio.sleep(self.clock.seconds_until(self.clock.now_ns() + round(count * period_ns)))

    def presence(self) -> dict[str, tuple[int, int, int]]:
        """(due, missed, blind) by slot."""
        counts = ((slot.slot, slot.presence) for slot in self.bot.report().slots)
        return {str(slot): (each.due, each.missed, each.blind) for slot, each in counts}


Work = Callable[[Run], Awaitable[None]]


def run_over_sockets(
    folder: Path, venue: VenueProcess, work: Work, *, prepare: Callable[[Bot], None] = lambda _bot: None
) -> Bot:
    """Runs the bot of this folder at this venue until `work` is over and one more round has been answered."""
    return asyncio.run(_run(folder, venue, work, prepare))


async def _run(folder: Path, venue: VenueProcess, work: Work, prepare: Callable[[Bot], None]) -> Bot:
    telling = Telling()
    config = load_config(folder)
    async with market_of(config, Asked(None, None, venue.url), telling) as market:
        clock = market.joined.clock
        bot = Bot(config, market, clock, speed=market.joined.speed, in_process=False, feeds=market.feeds)
        prepare(bot)
        with contextlib.closing(bot):
            telling.pass_on(bot.warn)
            market.feeds.intake.on_first = bot.alarm.ring
            bot.session.begin()
            await bot.start()
            run = Run(bot, venue, market)
            await _meanwhile(bot, clock, work, run)
    return bot


async def _meanwhile(bot: Bot, clock: PacedClock, work: Work, run: Run) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run_paced(bot, clock, until_ns=None, screen=None), name="bot")
            await run.until(lambda: any(due for due, _, _ in run.presence().values()))
            await work(run)
            await run.rounds(1.5)
            running.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the assertion that a test is about
