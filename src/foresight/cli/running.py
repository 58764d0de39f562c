"""`run`: the main job."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from foresight.bot_folder import BotFolder
from foresight.cli.common import BotOption, JsonOption, bot_folder, err, out, seconds_of
from foresight.config import Config, load_config
from foresight.effects import Notify
from foresight.markets import SECOND_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock, PacedClock
from foresight.runtime.documents import iso
from foresight.runtime.run_folder import lock
from foresight.runtime.runner import Screen, run_lockstep, run_paced, stop_asked
from foresight.sources import Source
from foresight.sources.simulated import SimulatedMarket
from foresight.view.plain import plain_lines
from foresight.view.summary import summary_text
from foresight.view.terminal import terminal_screen

if TYPE_CHECKING:
    from foresight.cli.sockets import Telling
    from foresight.feeds.feeds import Feeds
    from foresight.runtime.live_market import LiveMarket


def register(app: typer.Typer) -> None:
    app.command(epilog="Examples: foresight run · foresight run --for 10m --speed 10 · foresight run --recording DIR")(
        run
    )


def run(
    bot: BotOption = None,
    json: JsonOption = False,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Stop after so much venue time: 90s, 10m, 12h, 2d.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="Venue seconds per real second; 1 by default.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Lock-step: as fast as it goes; proves no lateness.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Trade the simulated market inside the bot, without sockets.")
    ] = False,
    venue: Annotated[
        str | None,
        typer.Option("--venue", metavar="URL", help="A local venue that runs, such as http://127.0.0.1:8170."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The simulated market's seed; default from bot.toml.")] = None,
    recording: Annotated[Path | None, typer.Option(metavar="DIR", help="Trade a recording, in its own time.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these sources of the recording.")
    ] = None,
) -> None:
    """Run the bot in paper mode. Ctrl-C leaves in order with a summary."""
    if recording is not None and (simulate or seed is not None):
        raise typer.BadParameter("--recording and --simulate or --seed exclude each other")
    if fast and speed is not None:
        raise typer.BadParameter("--fast goes as fast as it can; give it or --speed, not both")
    if venue is not None and (fast or simulate or recording is not None or seed is not None):
        raise typer.BadParameter(
            "--venue is a market of its own; it goes with none of --fast, --simulate, --recording, --seed"
        )
    config = load_config(bot_folder(bot).root)
    duration_ns = None if for_ is None else int(seconds_of(for_) * SECOND_NS)
    is_inside = fast or simulate or recording is not None or (config.venue.source == "simulated" and venue is None)
    if not is_inside:
        asyncio.run(_over_sockets(config, (speed, seed, venue), duration_ns, quiet=json))
        return
    market = _market(config, recording, tuple(source or ()), seed)
    if fast:
        _run_fast(config, market, _end(market, duration_ns), quiet=json)
    else:
        asyncio.run(_paced(config, market, _end(market, duration_ns), speed=speed or 1.0, quiet=json))


def _end(market: Source, duration_ns: int | None) -> int | None:
    return None if duration_ns is None else market.start_ns + duration_ns


def _market(config: Config, recording: Path | None, sources: tuple[str, ...], seed: int | None) -> Source:
    if recording is not None:
        from foresight.sources.recording import Recording  # noqa: PLC0415 - polars loads only where it is needed

        return Recording(recording, sources)
    if sources:
        raise typer.BadParameter("--source names a part of a recording; give --recording DIR with it")
    slots = tuple((asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes)
    return SimulatedMarket(config.venue.seed if seed is None else seed, slots)


async def _paced(config: Config, market: Source, until_ns: int | None, *, speed: float, quiet: bool) -> None:
    bot = Bot(config, market, LockstepClock(market.start_ns), speed=speed, in_process=False)
    with contextlib.closing(bot):
        _greet(bot, quiet=quiet)
        with stop_asked() as stop:
            bot.session.begin()
            await bot.start()
        clock = PacedClock(market.start_ns, speed)
        bot.use_clock(clock)
        if not stop.is_set():
            await run_paced(bot, clock, until_ns=until_ns, screen=_screen(quiet=quiet))
    _say_goodbye(bot, quiet=quiet)


async def _over_sockets(
    config: Config, asked: tuple[float | None, int | None, str | None], duration_ns: int | None, *, quiet: bool
) -> None:
    from foresight.cli.sockets import Asked, Telling, market_of  # noqa: PLC0415 - HTTP clients load where they are needed

    telling = Telling()
    if not quiet:
        out.print(Text("Foresight, paper mode. Connecting …"))
    try:
        with lock(BotFolder(config.folder)):  # before the venue, whose files are the running bot's where there is one
            async with market_of(config, Asked(*asked), telling) as market:
                bot = await _trade(config, market, market.feeds, telling, duration_ns, quiet=quiet)
    finally:
        for sentence in telling.kept:  # nobody else has heard them when there was no bot to tell
            err.print(Text(sentence))
    _say_goodbye(bot, quiet=quiet)


async def _trade(
    config: Config, market: "LiveMarket", feeds: "Feeds", telling: "Telling", duration_ns: int | None, *, quiet: bool
) -> Bot:
    """Runs the bot on a market whose feeds are up. Its folder is locked."""
    clock = market.joined.clock
    bot = Bot(config, market, clock, speed=market.joined.speed, in_process=False, feeds=feeds, is_locked=True)
    with contextlib.closing(bot):
        telling.pass_on(bot.warn)
        if feeds.plan.endpoints.control:
            served = f"the local venue is at {feeds.plan.endpoints.clob}; POST /control/faults there breaks a feed"
            bot.sink.notify(Notify(clock.now_ns(), "info", served))
        feeds.intake.on_first = bot.alarm.ring
        _greet(bot, quiet=quiet)
        with stop_asked() as stop:
            bot.session.begin()
            await bot.start()
        if not stop.is_set():  # a venue's time does not wait for live code: it runs on while that comes up
            until_ns = None if duration_ns is None else clock.now_ns() + duration_ns
            await run_paced(bot, clock, until_ns=until_ns, screen=_screen(quiet=quiet))
    return bot


def _run_fast(config: Config, market: Source, until_ns: int | None, *, quiet: bool) -> None:
    clock = LockstepClock(market.start_ns)
    bot = Bot(config, market, clock, speed=None)
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with contextlib.closing(bot), stop_asked() as stop:
        _greet(bot, quiet=quiet)
        bot.session.begin()
        bot.start_here()
        with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
            task = progress.add_task(iso(market.start_ns), total=None)
            run_lockstep(
                bot,
                clock,
                stop=stop,
                until_ns=until_ns,
                on_progress=lambda at_ns: progress.update(task, description=f"venue time {iso(at_ns)}"),
            )
    _say_goodbye(bot, quiet=quiet)


def _screen(*, quiet: bool) -> Screen | None:
    if quiet:
        return None
    return terminal_screen if sys.stdout.isatty() else plain_lines


def _greet(bot: Bot, *, quiet: bool) -> None:
    if not quiet:
        out.print(
            Text(f"Foresight, paper mode, {bot.source.origin} market: {bot.source.name}. Ctrl-C leaves in order.")
        )
        out.print(Text(f"The strategy is in {bot.folder.strategy}: edit it while the bot runs. Kept in {bot.run}."))


def _say_goodbye(bot: Bot, *, quiet: bool) -> None:
    if quiet:
        sys.stdout.buffer.write(bot.documents(running=False)["status.json"])
    else:
        out.print(Text(summary_text(bot.report(), str(bot.run))))
