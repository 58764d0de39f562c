"""What the reading commands say when files are behind, gone or oddly named, or hold words that look like markup."""

import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from end_to_end.program import Running, a_bot, answer, eventually, foresight

pytestmark = pytest.mark.process

MARKUP = "[/red] [bold] [/] :smile:"


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    return a_bot(tmp_path / "bot", "")


def ran(bot: Path, *, minutes: int = 5) -> Path:
    """The folder of a run that has ended."""
    foresight("run", "--bot", str(bot), "--fast", "--for", f"{minutes}m", "--json")
    return max((bot / "data/runs").iterdir())


def set_back(ledger: Path) -> None:
    """What a crash between the journal's commit and the ledger's leaves: the newest half is not in the file."""
    connection = sqlite3.connect(ledger)
    half = connection.execute("SELECT max(seq) / 2 FROM entries").fetchone()[0]
    connection.execute("DELETE FROM entries WHERE seq > ?", (half,))
    connection.execute("DELETE FROM trades")
    connection.execute("UPDATE position SET seq = ?", (half,))
    connection.commit()
    connection.close()


def test_a_ledger_behind_its_journal_or_damaged_or_empty_is_caught_up(bot: Path) -> None:
    ledger = ran(bot) / "ledger.sqlite"
    before = answer("trades", "--bot", str(bot))
    assert before["trades"]
    set_back(ledger)
    assert answer("trades", "--bot", str(bot)) == before
    for content in (b"no database" * 100, b""):
        ledger.write_bytes(content)
        assert answer("trades", "--bot", str(bot)) == before


def test_a_damaged_journal_leaves_no_empty_ledger_to_be_believed(bot: Path) -> None:
    run = ran(bot)
    (run / "ledger.sqlite").unlink()
    with sqlite3.connect(run / "journal.sqlite") as connection:
        connection.execute("UPDATE journal SET crc = crc + 1 WHERE seq = 3")
    connection.close()
    for _ in range(2):
        refused = foresight("trades", "--bot", str(bot), check=False)
        assert refused.returncode == 1
        assert "entry 3 is damaged; 2 before it are whole" in refused.stderr
    assert not list(run.glob("*ledger*"))


def test_trades_are_told_while_the_bot_runs_without_its_ledger_and_after_it_was_killed(bot: Path) -> None:
    with Running("--bot", str(bot), "--simulate", "--speed", "20") as running:
        eventually((bot / "state/observed/status.json").exists, "the first state file")
        eventually(lambda: answer("trades", "--bot", str(bot))["trades"], "a trade")
        run = next((bot / "data/runs").iterdir())
        (run / "ledger.sqlite").unlink()
        assert answer("trades", "--bot", str(bot))["trades"]
        assert not (run / "ledger.sqlite").exists()
        running.stop(signal.SIGKILL)
    told = answer("trades", "--bot", str(bot))["trades"]
    with sqlite3.connect(run / "journal.sqlite") as connection:
        fills = connection.execute("SELECT body FROM journal WHERE kind = 'FillBooked'").fetchall()
    connection.close()
    assert {trade["id"] for trade in told} == {json.loads(body)["trade_id"] for (body,) in fills}


@pytest.mark.parametrize("words", [("trades",), ("explain", "t000001")])
def test_a_run_whose_folder_is_gone_is_refused_in_a_sentence(bot: Path, words: tuple[str, ...]) -> None:
    shutil.rmtree(ran(bot, minutes=1))
    refused = foresight(*words, "--bot", str(bot), check=False)
    assert refused.returncode == 1
    assert "journal.sqlite does not exist" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_dead_bot_whose_number_is_in_use_is_stopped(bot: Path) -> None:
    ran(bot, minutes=1)
    path = bot / "state/observed/status.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "running": True, "pid": os.getpid()}))
    assert not answer("status", "--bot", str(bot))["running"]
    (bot / "state/lock").unlink()
    assert not answer("status", "--bot", str(bot))["running"]


def test_a_bot_in_an_oddly_named_folder_is_read_like_any_other(tmp_path: Path) -> None:
    name = "bot #1?x%41[/red]"
    bot = tmp_path / name
    foresight("init", str(bot))
    run = ran(bot)
    assert answer("trades", "--bot", str(bot))["trades"]
    (run / "ledger.sqlite").unlink()
    assert answer("trades", "--bot", str(bot))["trades"]
    told = foresight("explain", "t000001", "--bot", str(bot)).stdout
    assert f"{name}/data/releases" in told.replace("\n", "")


def test_words_of_live_code_that_look_like_markup_are_shown_as_they_are(bot: Path) -> None:
    path = bot / "strategy/evaluate.py"
    text = path.read_text().replace('"momentum": ', f'"signal {MARKUP}": 1.0, "momentum": ')
    text = text.replace('why=f"favourite at ', f'why=f"why {MARKUP} ')
    path.write_text(text)
    gates = bot / "strategy/gates.py"
    marked = f'    return tuple(__import__("msgspec").structs.replace(v, unit="unit {MARKUP}") for v in _all('
    text = gates.read_text().replace("def verdicts_on(", "def _all(")
    gates.write_text(f"{text}\n\ndef verdicts_on(*words):\n{marked}*words))\n")
    ran(bot)
    told = " ".join(foresight("explain", "t000001", "--bot", str(bot)).stdout.split())
    for word in ("signal", "why", "unit"):
        assert f"{word} {MARKUP}" in told


@pytest.mark.parametrize("words", [("status",), ("positions",), ("presence",)])
def test_names_that_look_like_markup_are_shown_as_they_are(bot: Path, words: tuple[str, ...]) -> None:
    ran(bot, minutes=1)
    for name in ("status", "positions", "presence"):
        path = bot / f"state/observed/{name}.json"
        document = json.loads(path.read_text())
        for held in (*document.get("slots", ()), *document.get("positions", ())):
            held["slot"] = MARKUP
        if name == "status":
            document = {**document, "source_name": f"name {MARKUP}", "problems": [f"problem {MARKUP}"]}
        path.write_text(json.dumps(document))
    told = foresight(*words, "--bot", str(bot)).stdout
    assert MARKUP in told
    if words == ("status",):
        assert f"(name {MARKUP})" in told
        assert f"problem {MARKUP}" in told
