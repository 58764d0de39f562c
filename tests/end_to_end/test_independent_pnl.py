"""Profit and loss, recomputed from the files of a run by a program that shares no code with the bot."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from recompute_pnl import main, recompute

from end_to_end.program import answer, foresight

pytestmark = pytest.mark.process
SCRIPT = Path(__file__).parents[2] / "tools" / "recompute_pnl.py"


def a_run(tmp_path: Path) -> tuple[Path, Path]:
    bot = tmp_path / "bot"
    foresight("init", str(bot))
    foresight("run", "--bot", str(bot), "--fast", "--for", "1h", "--json")
    return bot, next((bot / "data/runs").iterdir())


def test_profit_and_loss_recomputed_from_the_files_alone_agree_to_the_micro(tmp_path: Path) -> None:
    """Invariant 12, from outside."""
    bot, run = a_run(tmp_path)
    done = subprocess.run([sys.executable, str(SCRIPT), str(run)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    money = answer("status", "--bot", str(bot))["money"]
    assert round(float(recompute(run).cash), 6) == money["cash"]
    assert money["trades"] > 0


def test_a_ledger_that_was_changed_is_found_out(tmp_path: Path) -> None:
    _, run = a_run(tmp_path)
    connection = sqlite3.connect(run / "ledger.sqlite")
    connection.execute("UPDATE trades SET pnl_micros = pnl_micros + 1 WHERE state = 'closed'")
    connection.commit()
    connection.close()
    assert main(run) == 1
