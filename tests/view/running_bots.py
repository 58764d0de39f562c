"""A bot in this process, some minutes into its simulated market, and what a screen shows of it."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, RenderableType

from foresight.bot_folder import init_bot
from foresight.config import load_config
from foresight.markets import MINUTE_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.sources.simulated import SimulatedMarket


@contextlib.contextmanager
def a_bot(home: Path, *, minutes: float, speed: float = 1.0) -> Iterator[Bot]:
    init_bot(home / "bot")
    market = SimulatedMarket(7)
    clock = LockstepClock(market.start_ns)
    bot = Bot(load_config(home / "bot"), market, clock, speed=speed)
    try:
        bot.session.begin()
        bot.start_here()
        bot.session.run_lockstep(clock, market.start_ns + int(minutes * MINUTE_NS))
        yield bot
    finally:
        bot.close()


def lines_of(thing: RenderableType, *, width: int, height: int = 25) -> list[str]:
    console = Console(width=width, height=height, record=True, force_terminal=True, file=io.StringIO())
    console.print(thing)
    return console.export_text().rstrip("\n").split("\n")
