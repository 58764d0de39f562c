"""The main job through the real command: init, run, read from another shell, stop in order."""

import json
import signal
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from end_to_end.program import Running, a_bot, answer, eventually, foresight
from foresight.sources.simulated import SimulatedMarket

pytestmark = pytest.mark.process

OPERATOR_ASSETS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "AVAX", "LINK", "MATIC")


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    """Of four slots: what needs all sixteen takes `whole`."""
    return a_bot(tmp_path / "bot")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """As `foresight init` makes it."""
    folder = tmp_path / "whole"
    foresight("init", str(folder))
    return folder


def test_a_fast_run_watches_all_sixteen_slots_and_settles_its_trades(whole: Path) -> None:
    status = json.loads(foresight("run", "--bot", str(whole), "--fast", "--for", "30m", "--json").stdout)
    presence, trades = status["presence"], answer("trades", "--bot", str(whole))["trades"]
    assert len(status["slots"]) == 16
    assert presence["due"] == 16 * (30 * 12 + 1)
    assert presence["done"] == presence["due"]
    assert status["source"] == "simulated"
    assert [trade for trade in trades if trade["state"] == "closed"]
    assert status["money"]["trades"] == len([trade for trade in trades if trade["state"] == "closed"])


def test_the_same_seed_gives_the_same_decisions(bot: Path) -> None:
    words = ("run", "--bot", str(bot), "--fast", "--for", "10m", "--seed", "3", "--json")
    first, second = (json.loads(foresight(*words).stdout) for _ in range(2))
    assert first["digest"] == second["digest"]
    assert first["run"] != second["run"]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_newcomer_sees_a_fill_within_a_minute_and_a_settlement_within_three(whole: Path, seed: int) -> None:
    """The default seed and its neighbours; the market starts a minute before a window of each slot ends."""
    status = json.loads(foresight(*f"run --fast --for 3m --seed {seed} --json".split(), "--bot", str(whole)).stdout)
    trades = answer("trades", "--bot", str(whole))["trades"]
    first = min(datetime.fromisoformat(trade["opened"]) for trade in trades)
    assert first - datetime.fromisoformat(status["started_at"]) < timedelta(minutes=1)
    assert [trade for trade in trades if trade["state"] == "closed"]


def test_a_running_bot_answers_from_another_shell_and_leaves_in_order(whole: Path) -> None:
    with Running("--bot", str(whole), "--speed", "5") as running:
        eventually((whole / "state/observed/status.json").exists, "the first state file")
        status = eventually(
            lambda: (found := answer("status", "--bot", str(whole)))["presence"]["done"] > 32 and found, "some rounds"
        )
        assert status["running"]
        assert status["mode"] == "paper"
        assert {"asset", "timeframe", "market", "window_start", "window_end", "seconds_left", "fair", "up_bid",
                "up_ask", "position", "state"} <= set(status["slots"][0])  # fmt: skip
        eventually(lambda: answer("trades", "--bot", str(whole))["trades"], "a trade")
        printed = running.stop()
        assert running.process.returncode == 0, printed
    assert "Stopped in order" in printed
    after = answer("status", "--bot", str(whole))
    assert not after["running"]
    assert after["presence"]["missed"] == 0


def test_sigterm_leaves_in_order_too(bot: Path) -> None:
    with Running("--bot", str(bot), "--speed", "5") as running:
        eventually((bot / "state/observed/status.json").exists, "the first state file")
        assert "Stopped in order" in running.stop(signal.SIGTERM)


def test_a_killed_bot_is_reported_as_stopped_and_its_ledger_is_whole(bot: Path) -> None:
    """Invariant 6, as far as it is built."""
    with Running("--bot", str(bot), "--simulate", "--speed", "20") as running:
        eventually((bot / "state/observed/status.json").exists, "the first state file")
        eventually(lambda: answer("trades", "--bot", str(bot))["trades"], "a trade")
        running.stop(signal.SIGKILL)
    assert not answer("status", "--bot", str(bot))["running"]
    assert answer("trades", "--bot", str(bot))["trades"]
    foresight("run", "--bot", str(bot), "--fast", "--for", "1m")


def test_a_second_run_of_the_same_bot_is_refused(bot: Path) -> None:
    """Invariant 9, as far as it is built. Nothing of the first one is touched, nor the files of its venue."""
    with Running("--bot", str(bot)) as running:
        eventually((bot / "state/observed/status.json").exists, "the first state file")
        venue = [(bot / "data" / name).stat() for name in ("venue.json", "venue.log")]
        refused = foresight("run", "--bot", str(bot), "--for", "1m", check=False)
        assert refused.returncode == 1
        assert f"process {running.process.pid}" in refused.stderr
        assert [(bot / "data" / name).stat().st_ino for name in ("venue.json", "venue.log")] == [
            each.st_ino for each in venue
        ]
        assert (bot / "data/venue.log").stat().st_size >= venue[1].st_size
        running.stop()


def test_any_asset_list_runs_on_the_simulated_venue(whole: Path) -> None:
    listed = ", ".join(f'"{asset}"' for asset in OPERATOR_ASSETS)
    (whole / "bot.toml").write_text(f"[slots]\nassets = [{listed}]\n")
    status = json.loads(foresight("run", "--bot", str(whole), "--fast", "--for", "15m", "--json").stdout)
    assert {slot["asset"] for slot in status["slots"]} == set(OPERATOR_ASSETS)
    assert status["presence"]["done"] == 16 * (15 * 12 + 1)


def test_a_deleted_ledger_is_rebuilt_from_the_journal(bot: Path) -> None:
    foresight("run", "--bot", str(bot), "--fast", "--for", "20m", "--json")
    before = answer("trades", "--bot", str(bot))
    run = next((bot / "data/runs").iterdir())
    for path in run.glob("ledger.sqlite*"):
        path.unlink()
    assert answer("trades", "--bot", str(bot)) == before


def test_the_version_is_told(bot: Path) -> None:
    assert foresight("--version", cwd=bot).stdout.startswith("foresight 0.")


def test_a_damaged_journal_is_refused_with_the_number_of_the_entry(bot: Path) -> None:
    foresight("run", "--bot", str(bot), "--fast", "--for", "3m", "--json")
    run = next((bot / "data/runs").iterdir())
    with sqlite3.connect(run / "journal.sqlite") as connection:
        connection.execute("UPDATE journal SET body = replace(body, '5', '6') WHERE seq = 3")
    connection.close()
    refused = foresight("explain", "t000001", "--bot", str(bot), check=False)
    assert refused.returncode == 1
    assert "entry 3 is damaged; 2 before it are whole" in refused.stderr


def test_a_strategy_that_does_not_import_is_refused_with_file_and_line(bot: Path) -> None:
    (bot / "strategy/sizing.py").write_text("def broken(:\n")
    refused = foresight("run", "--bot", str(bot), "--fast", "--for", "1m", check=False)
    assert refused.returncode == 1
    assert "sizing.py:1 SyntaxError" in refused.stderr
    assert "Traceback" not in refused.stderr


def raise_in_eth(bot: Path, text: str, *, when: str = "True") -> None:
    """From now on the strategy raises for ETH."""
    path = bot / "strategy/evaluate.py"
    first_line = "    state = _next_state(view, state)\n"
    raising = f"    if view.asset == 'ETH' and {when}:\n        raise ValueError('{text}')\n"
    path.write_text(path.read_text().replace(first_line, raising + first_line, 1))


AFTER_THE_START = f"view.now_ns >= {SimulatedMarket(7).start_ns}"
"""What no rehearsal of the market before the start can find."""


def test_a_strategy_that_raises_in_its_rehearsal_does_not_start(bot: Path) -> None:
    raise_in_eth(bot, "no ETH today")
    refused = foresight("run", "--bot", str(bot), "--fast", "--for", "1m", check=False)
    assert refused.returncode == 1
    assert "v1 refused at rehearsal" in refused.stderr
    assert "eth-5m: strategy/evaluate.py:23 ValueError: no ETH today" in refused.stderr


def test_a_strategy_that_raises_for_one_asset_leaves_the_other_slots_alone(bot: Path) -> None:
    raise_in_eth(bot, "no ETH today", when=AFTER_THE_START)
    status = json.loads(foresight("run", "--bot", str(bot), "--fast", "--for", "5m", "--json").stdout)
    rounds = 5 * 12 + 1
    assert status["presence"]["missed"] == 2 * rounds
    assert status["presence"]["done"] == 2 * rounds
    eth = [slot for slot in status["slots"] if slot["asset"] == "ETH"]
    assert {slot["state"] for slot in eth} == {"paused: live code failed 3 rounds in a row"}


def test_overrides_of_parameters_are_taken_and_wrong_ones_refused(bot: Path) -> None:
    (bot / "state").mkdir()
    (bot / "state/desired.json").write_text('{"revision": 2, "params": {"aggression": 0}}')
    status = json.loads(foresight("run", "--bot", str(bot), "--fast", "--for", "10m", "--json").stdout)
    assert status["orders"] == 0
    assert status["revision"] == 2
    (bot / "state/desired.json").write_text('{"params": {"aggression": 9, "nonsense": 1}}')
    refused = foresight("run", "--bot", str(bot), "--fast", "--for", "1m", check=False)
    assert refused.returncode == 1
    assert "aggression = 9" in refused.stderr


def test_an_override_that_the_strategy_has_no_parameter_for_is_told_and_stays_asked_for(bot: Path) -> None:
    (bot / "state").mkdir()
    (bot / "state/desired.json").write_text('{"params": {"nonsense": 1}}')
    foresight("run", "--bot", str(bot), "--fast", "--for", "1m", "--json")
    assert "parameter nonsense is dormant: this release has none" in (bot / "data/log.jsonl").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--speed", "0"),
        ("run", "--for", "soon"),
        ("run", "--recording", ".", "--seed", "1"),
        ("nonsense",),
        ("explain",),
    ],
)
def test_wrong_usage_exits_with_two(words: tuple[str, ...], bot: Path) -> None:
    assert foresight(*words, cwd=bot, check=False).returncode == 2


@pytest.mark.parametrize("command", ["status", "positions", "trades", "presence"])
def test_reading_a_bot_that_never_ran_is_refused_with_what_to_do(command: str, bot: Path) -> None:
    refused = foresight(command, "--bot", str(bot), check=False)
    assert refused.returncode == 1
    assert "has not run yet" in refused.stderr


def test_explain_tells_the_whole_story_of_a_trade(whole: Path) -> None:
    foresight("run", "--bot", str(whole), "--fast", "--for", "5m", "--json")
    told = answer("explain", "t000001", "--bot", str(whole))
    assert told["decision"]["verdicts"]
    assert told["decision"]["view"]
    assert told["settlement"]["source"] == "simulated:twap60"
    assert Path(told["code"].split(":")[0]).is_file()
    printed = foresight("explain", "t000001", "--bot", str(whole)).stdout
    for word in ("fair probability", "price_band", "the book then", "fee", "settled"):
        assert word in printed
    assert foresight("explain", "t999999", "--bot", str(whole), check=False).returncode == 1


def test_doctor_finds_a_fresh_bot_healthy_and_a_wrong_one_not(bot: Path) -> None:
    foresight("doctor", "--bot", str(bot))
    (bot / "bot.toml").write_text("[risk]\nstake_max_usd = -1\n")
    sick = foresight("doctor", "--bot", str(bot), check=False)
    assert sick.returncode == 1
    assert "stake_max_usd" in sick.stdout


def test_an_edited_strategy_has_the_next_number_and_the_old_content_its_old_one(bot: Path) -> None:
    path = bot / "strategy/params.py"
    before = path.read_text()

    def release() -> str:
        status = json.loads(foresight("run", "--bot", str(bot), "--fast", "--for", "1m", "--json").stdout)
        return str(status["release"])

    assert release() == "v1"
    path.write_text(before.replace("0.90", "0.91"))
    assert release() == "v2"
    path.write_text(before)
    assert release() == "v1"


def test_entries_are_halted_and_resumed_by_a_file_while_the_bot_runs(bot: Path) -> None:
    (bot / "state").mkdir()
    desired = bot / "state/desired.json"
    desired.write_text('{"author": "ana", "halted": true}')
    with Running("--bot", str(bot), "--speed", "5") as running:
        eventually(lambda: answer("status", "--bot", str(bot))["halted"] if observed(bot) else None, "the halt")
        desired.write_text('{"author": "ana", "halted": false}')
        eventually(lambda: not answer("status", "--bot", str(bot))["halted"], "the end of the halt")
        printed = running.stop()
    assert "halt by ana" in printed
    assert "resume by ana" in printed


def observed(bot: Path) -> bool:
    return (bot / "state/observed/status.json").exists()


def test_live_code_that_raises_what_cannot_be_encoded_is_on_record_like_any_other(bot: Path) -> None:
    raise_in_eth(bot, "\\udcff", when=AFTER_THE_START)
    status = json.loads(foresight("run", "--bot", str(bot), "--fast", "--for", "2m", "--json").stdout)
    assert status["problems"] == []
    assert status["presence"]["missed"] == 2 * (2 * 12 + 1)


def test_a_refusal_names_file_and_line_for_a_relative_folder_too(bot: Path) -> None:
    (bot / "strategy/fair.py").write_text("import nothing_of_that_name\n")
    refused = foresight("run", "--fast", "--for", "1m", cwd=bot, check=False)
    assert refused.returncode == 1
    assert "fair.py:1 ModuleNotFoundError" in refused.stderr


def test_fast_and_a_speed_exclude_each_other(bot: Path) -> None:
    assert foresight("run", "--fast", "--speed", "2", cwd=bot, check=False).returncode == 2


def test_odd_names_among_the_runs_do_not_stop_a_start(bot: Path) -> None:
    (bot / "data/runs").mkdir(parents=True)
    (bot / "data/runs/0007.tar.gz").touch()
    status = json.loads(foresight("run", "--bot", str(bot), "--fast", "--for", "1m", "--json").stdout)
    assert status["run"] == "0001-simulated"
