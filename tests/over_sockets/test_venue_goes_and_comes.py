"""The venue is stopped or killed and started again: the bot goes on, blind meanwhile, and is well within seconds."""

import asyncio
from pathlib import Path

import pytest

from over_sockets.running import Run, run_over_sockets
from over_sockets.venue import a_venue
from storms.bots import a_bot_folder

SLOTS = {"slots": {"assets": ["BTC", "HYPE"], "timeframes": ["5m"]}}
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
        assert {each.line.state for each in run.feeds.health().lines} == {"open"}

    with a_venue(tmp_path / "venue", "--speed", "10", *ASSETS) as venue:
        bot = run_over_sockets(a_bot_folder(tmp_path, **SLOTS), venue, work)
    assert bot.engine.seq > 0
