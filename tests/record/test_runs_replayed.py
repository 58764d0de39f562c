"""Runs of the real command, replayed by it: with process hosts and a deploy, and after `kill -9`."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from end_to_end.program import Running, a_bot, answer, eventually, foresight
from foresight.record.reading import RunRecord

pytestmark = pytest.mark.process
SETTINGS = '[slots]\nassets = ["BTC", "ETH", "SOL"]\ntimeframes = ["5m"]\n[deploy]\nrehearse_min = 1\n'


def edit(bot: Path) -> None:
    path = bot / "strategy/params.py"
    path.write_text(path.read_text().replace("0.90", "0.91"))


def status_of(bot: Path) -> dict[str, Any]:
    path = bot / "state/observed/status.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def test_a_paced_run_with_process_hosts_and_a_deploy_replays_to_the_same_digest(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", SETTINGS)
    with Running("--bot", str(bot), "--speed", "10", "--json") as running:
        eventually(lambda: status_of(bot).get("release") == "v1", "the start")
        edit(bot)
        eventually(lambda: status_of(bot)["release"] == "v2", "the deploy")
        time.sleep(2)
        running.stop()
    found = answer("replay", str(bot / "data/record"))
    assert found["equal"] is True
    assert found["has_ended"] is True
    assert found["digest"] == found["recorded_digest"] == status_of(bot)["digest"]
    printed = foresight("replay", str(bot / "data/record")).stdout
    assert printed.startswith("equal: run 0001-simulated decides the same again.")


def test_after_kill_9_what_was_received_is_whole_and_the_replay_says_where_it_ends(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", SETTINGS)
    with Running("--bot", str(bot), "--speed", "10", "--json") as running:
        eventually(lambda: status_of(bot).get("evaluations", 0) > 20, "some rounds")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        folder = bot / "data/record/0001-simulated"
        eventually(lambda: any(folder.glob("[0-9]*.parquet")), "the writer to close what it has received")
    record = RunRecord(folder)
    assert len(list(record.events())) > 1_000
    assert record.problems == []
    found = answer_of_a_replay(bot)
    assert found["difference"] is None
    assert found["has_ended"] is False
    assert found["compared_to"] >= 1_000
    assert found["equal"] == (found["missing"] is None)
    if found["missing"] is not None:
        assert "not there: " in found["missing"]


def test_a_run_is_named_by_its_name_or_by_its_folder_and_what_is_no_record_is_refused(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", SETTINGS)
    for _ in range(2):
        foresight("run", "--bot", str(bot), "--fast", "--for", "30s", "--json")
    record = bot / "data/record"
    assert answer("replay", str(record))["run"] == "0002-simulated"
    assert answer("replay", str(record), "--run", "0001-simulated")["run"] == "0001-simulated"
    assert answer("replay", str(record / "0001-simulated"))["run"] == "0001-simulated"
    for words, sentence in (
        ((str(record), "--run", "0009-x"), "has no run 0009-x; the runs there: 0001-simulated, 0002-simulated"),
        ((str(bot / "strategy/signals"),), "holds no record of a run"),
        ((str(bot / "nowhere"),), "is no folder"),
    ):
        refused = foresight("replay", *words, check=False)
        assert refused.returncode == 1
        assert sentence in refused.stderr
    for words, sentence in (
        ((), "and not both"),
        ((str(record), "--recording", str(bot)), "and not both"),
        ((str(record), "--strategy", str(bot / "strategy")), "with PATH go --run"),
        (("--recording", str(bot), "--run", "0001-simulated"), "does not go with"),
    ):
        refused = foresight("replay", *words, check=False)
        assert refused.returncode == 2
        assert sentence in refused.stderr


def test_a_replay_that_is_not_whole_leaves_with_1_and_says_what_is_missing(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", SETTINGS)
    foresight("run", "--bot", str(bot), "--fast", "--for", "30s", "--json")
    segment = next((bot / "data/record").glob("*/*.parquet"))
    segment.unlink()
    found = foresight("replay", str(bot / "data/record"), check=False)
    assert found.returncode == 1
    assert found.stdout.startswith("not whole: run 0001-simulated is equal up to input 0; inputs 1 to ")
    assert f"segment {segment.absolute()} is missing" in found.stdout.replace("\n", "")


def answer_of_a_replay(bot: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(
        foresight("replay", str(bot / "data/record"), "--json", check=False).stdout
    )
    return document
