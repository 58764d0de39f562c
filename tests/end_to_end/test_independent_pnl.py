"""Profit and loss, recomputed from the files of a run by a program that shares no code with the bot."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from recompute_pnl import main, recompute

from end_to_end.program import answer, foresight

pytestmark = pytest.mark.process
SCRIPT = Path(__file__).parents[2] / "tools" / "recompute_pnl.py"


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bot that has run for an hour. It is only read."""
    folder = tmp_path_factory.mktemp("an_hour") / "bot"
    foresight("init", str(folder))
    foresight("run", "--bot", str(folder), "--fast", "--for", "1h", "--json")
    return folder


def run_of(bot: Path) -> Path:
    return next((bot / "data/runs").iterdir())


def test_profit_and_loss_recomputed_from_the_files_alone_agree_to_the_micro(bot: Path) -> None:
    """Invariant 12, from outside."""
    run = run_of(bot)
    done = subprocess.run([sys.executable, str(SCRIPT), str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    money = answer("status", "--bot", str(bot))["money"]
    assert round(float(recompute(run).cash), 6) == money["cash"]
    assert money["trades"] > 0


def test_a_ledger_that_was_changed_is_found_out(bot: Path, tmp_path: Path) -> None:
    run = shutil.copytree(run_of(bot), tmp_path / "run")
    connection = sqlite3.connect(run / "ledger.sqlite")
    connection.execute("UPDATE trades SET pnl_micros = pnl_micros + 1 WHERE state = 'closed'")
    connection.commit()
    connection.close()
    assert main(run) == 1
