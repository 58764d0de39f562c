"""A further topic falls silent at the venue: who declared it is blind, visibly, until it is heard again."""

from pathlib import Path
from typing import Any

import pytest

from over_sockets.running import Run, run_over_sockets
from over_sockets.venue import a_venue
from storms.bots import a_bot_folder
from tesseract import Request

AVAX = "binance:AVAXUSDT"
SLOTS = {"slots": {"assets": ["BTC", "ETH"], "timeframes": ["5m"]}}
ASSETS = ("--assets", "BTC,ETH,AVAX", "--timeframes", "5m")


@pytest.mark.process
def test_a_silent_topic_blinds_the_slots_whose_release_declared_it_and_no_others(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        path = run.bot.folder.strategy / "__init__.py"
        path.write_text(f"{path.read_text()}\nNEEDS = ({AVAX!r},)\n")
        run.bot.live.request(Request(id="avax", action="deploy", author="a test", canary=("btc-5m",)))
        await run.until(lambda: run.bot.live.document().canary is not None)
        assert set(run.states().values()) == {"open"}

        fault: Any = await run.ask("/control/faults", method="POST", body={"name": "stall", "target": "AVAXUSDT"})
        await run.until(lambda: run.states()["btc-5m"] == f"blind: {AVAX}")
        await run.rounds(2)
        assert run.states() == {"btc-5m": f"blind: {AVAX}", "eth-5m": "open"}
        assert run.presence()["eth-5m"][2] == 0

        await run.ask(f"/control/faults?id={fault['id']}", method="DELETE")
        await run.until(lambda: set(run.states().values()) == {"open"})
        lines = [each.line for each in run.feeds.health().lines]
        assert [(line.reconnects, line.renewals) for line in lines] == [(0, 0)] * len(lines)

    with a_venue(tmp_path / "venue", "--speed", "10", *ASSETS) as venue:
        run_over_sockets(a_bot_folder(tmp_path, **SLOTS), venue, work)
