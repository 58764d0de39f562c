"""The venue is stopped or killed and started again: the bot goes on, blind meanwhile, and is well within seconds."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from foresight.runtime.clock import wall_ns
from foresight.venue.standing import Standing
from over_sockets.running import Run, run_over_sockets
from over_sockets.venue import VenueProcess, a_venue
from storms.bots import a_bot_folder

SLOTS = {"slots": {"assets": ["BTC", "HYPE"], "timeframes": ["5m"]}}
WEEK_S = 7 * 86_400
ASSETS = ("--assets", "BTC,HYPE", "--timeframes", "5m")


@pytest.mark.process
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_venue_that_goes_and_comes_again_finds_the_same_bot_trading(tmp_path: Path, how: str) -> None:
    async def work(run: Run) -> None:
        before = run.presence()
        await asyncio.to_thread(getattr(run.venue, how))
        await run.until(lambda: all(state.startswith("blind") for state in run.states().values()))
        assert any("down" in sentence for sentence in run.told())
        await asyncio.to_thread(run.venue.start)
        await run.until(lambda: set(run.states().values()) == {"open"})
        await run.rounds(3)
        for slot, (due, missed, blind) in run.presence().items():
            assert due > before[slot][0], "rounds went on all the time"
            assert missed == 0
            assert blind > 0
        await run.until(lambda: {each.line.state for each in run.feeds.health().lines} == {"open"})

    with a_venue(tmp_path / "venue", "--speed", "10", *ASSETS) as venue:
        bot = run_over_sockets(a_bot_folder(tmp_path, **SLOTS), venue, work)
    assert bot.engine.seq > 0


@pytest.mark.process
def test_a_venue_that_dies_after_a_week_comes_again_in_its_own_time_and_finds_the_same_bot_trading(
    tmp_path: Path,
) -> None:
    async def work(run: Run) -> None:
        await asyncio.to_thread(run.venue.kill)
        await run.until(lambda: all(state.startswith("blind") for state in run.states().values()))
        await asyncio.to_thread(run.venue.start)
        await run.until(lambda: set(run.states().values()) == {"open"})
        assert abs(run.feeds.health().clock_offset_ms) < 1_000

    folder = tmp_path / "venue"
    with a_venue(folder, "--speed", "10", *ASSETS) as venue:
        grow_old(venue, folder / "venue.json", WEEK_S - 30)
        bot = run_over_sockets(a_bot_folder(tmp_path, **SLOTS), venue, work)
    assert bot.engine.seq > 0


def grow_old(venue: VenueProcess, state: Path, by_s: float) -> None:
    """The venue goes on as one whose time has run for so long."""
    venue.stop()
    standing = msgspec.json.decode(state.read_bytes(), type=Standing)
    began_ns = wall_ns() - int(by_s * 10**9 / standing.speed)
    state.write_bytes(msgspec.json.encode(msgspec.structs.replace(standing, wall_ns=began_ns)))
    venue.start()
