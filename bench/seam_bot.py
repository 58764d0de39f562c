"""A bot in this process for the benchmarks, with live code in processes of its own: sixteen slots, the strategy that
ships, and half an hour of its simulated market on the tape.

Nothing trades while it is measured: rounds would only add to what is measured one thing at a time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from foresight.bot_folder import init_bot
from foresight.config import load_config
from foresight.events import Answer, DeployRefused, Event, ReleaseBound
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.sources.simulated import SimulatedMarket
from foresight.strategy import View
from seam_saver import PLACE, save
from tesseract import Outcome
from tesseract.tape import Taped, read_tape

LIVE_S = 60.0
EDITED = "fair.py"


class TimedBot(Bot):
    """A bot that says when its engine has been told of a release."""

    bound: asyncio.Future[str] | None = None

    def _take(self, event: Event) -> None:
        super()._take(event)
        bound = self.bound
        if bound is None or bound.done():
            return
        if isinstance(event, ReleaseBound):
            bound.set_result(event.release)
        elif isinstance(event, DeployRefused):
            bound.set_exception(RuntimeError(event.text))


class RunningBot:
    """A bot whose live code runs, and the newest input of each slot."""

    def __init__(self, bot: TimedBot) -> None:
        self.bot = bot
        self.seam = bot.live.runtime.seam
        assert self.seam.tape is not None, "a bot keeps a tape"
        self.taped = read_tape(self.seam.tape.parts())
        self.newest: dict[str, Taped] = {taped.key: taped for taped in self.taped}
        self._edit = bot.folder.strategy / EDITED
        self._edits = 0

    def save(self) -> int:
        """Edits a module of the strategy, and returns the monotonic time at which it has been closed."""
        self._edits += 1
        self.bot.bound = asyncio.get_running_loop().create_future()
        return save(self._edit, self._edits)

    async def went_live(self) -> str:
        """The release that the engine has been told of. Raises RuntimeError when it is refused, TimeoutError when
        nothing comes."""
        assert self.bot.bound is not None, "nothing has been saved"
        return await asyncio.wait_for(self.bot.bound, LIVE_S)

    async def ask(self, key: str) -> Outcome[Answer]:
        """One evaluation of the slot's newest view."""
        future: asyncio.Future[Outcome[Answer]] = asyncio.get_running_loop().create_future()
        given = self.newest[key].given
        view = msgspec.msgpack.decode(given, type=View)
        self.seam.submit(key, view, future.set_result, at_ns=self.seam.tape_ns, encoded=given)
        return await future


@asynccontextmanager
async def a_running_bot(folder: Path, *, rehearse_min: int) -> AsyncIterator[RunningBot]:
    """Starts the bot of a new folder; every slot has a state, and everything has ended when the block is left."""
    home = folder / "bot"
    init_bot(home)
    document = home / "bot.toml"
    text = document.read_text()
    assert "rehearse_min = 15" in text, "the template says how long it rehearses"
    document.write_text(text.replace("rehearse_min = 15", f"rehearse_min = {rehearse_min}"))
    with (home / "strategy" / EDITED).open("a") as file:
        file.write(f"\n{PLACE}0\n")
    config = load_config(home)
    slots = tuple((asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes)
    market = SimulatedMarket(config.venue.seed, slots)
    bot = TimedBot(config, market, LockstepClock(market.start_ns), speed=1.0, in_process=False)
    try:
        bot.session.begin()
        await bot.start()
        running = RunningBot(bot)
        for key in running.newest:
            await running.ask(key)
        yield running
    finally:
        bot.close()
