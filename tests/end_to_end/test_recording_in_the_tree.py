"""The small simulated recording in the tree, through the real commands: written by `tools/record_simulation.py`."""

from pathlib import Path

import pytest
from record_simulation import SLOTS, tables_of

from end_to_end.program import a_bot, answer, foresight
from foresight.markets import MINUTE_NS
from foresight.sources.recording import Recording
from foresight.sources.simulated import SimulatedMarket

pytestmark = pytest.mark.process
FOLDER = Path(__file__).parents[1] / "recordings" / "simulated"


def test_the_recording_is_what_the_simulated_market_gives_today() -> None:
    tables = tables_of(SimulatedMarket(7, SLOTS, 55 * MINUTE_NS).events())
    recording = Recording(FOLDER)
    assert len(list(recording.events())) > 10_000
    assert len(recording.markets) == len({row["market"] for row in tables.quotes})


def test_a_replay_of_it_is_called_simulated_and_repeats_itself(tmp_path: Path) -> None:
    first, second = (answer("replay", "--recording", str(FOLDER), "--no-baseline") for _ in range(2))
    assert first["origin"] == "simulated"
    assert first["digest"] == second["digest"]
    assert first["trades"] > 0
    assert first["evaluations"] > 1_000
    assert "simulated:twap60" in first["by_outcome_source"]


def test_a_run_of_it_settles_by_what_it_tells(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", '[slots]\nassets = ["BTC", "ETH"]\n')
    foresight("run", "--bot", str(bot), "--recording", str(FOLDER), "--fast", "--json")
    trades = answer("trades", "--bot", str(bot))["trades"]
    closed = [trade for trade in trades if trade["state"] == "closed"]
    assert closed
    assert {trade["settled_by"] for trade in closed} == {"simulated:twap60"}
    status = answer("status", "--bot", str(bot))
    assert status["source"] == "simulated"
    eth = [slot for slot in status["slots"] if slot["slot"] == "eth-5m"]
    assert [slot["state"] for slot in eth] == ["no market"]
