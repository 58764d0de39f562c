"""The operator's commands on a real running bot: what they print, how they exit, and what they leave behind."""

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end.program import Running, a_bot, answer, eventually, foresight

pytestmark = pytest.mark.process

BOT = '[slots]\nassets = ["BTC", "ETH"]\n[deploy]\nfollow = "none"\n'


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    return a_bot(tmp_path / "bot", BOT)


@pytest.fixture
def running(bot: Path) -> Iterator[Running]:
    with started(bot) as program:
        yield program


def started(bot: Path) -> Running:
    """A bot that has told what it runs."""
    document = bot / "state/observed/params.json"
    document.unlink(missing_ok=True)
    program = Running("--bot", str(bot), "--simulate", "--for", "600s")
    eventually(lambda: has_ended(program) or document.exists(), "the first state file")
    return program


def has_ended(program: Running) -> bool:
    assert program.process.poll() is None, program.process.communicate()
    return False


def edited(bot: Path, old: str, new: str, *, name: str = "params.py", to: str = "strategy") -> Path:
    """The strategy with one edit, in place or as a copy in another folder of that name."""
    home = bot / to
    if not home.exists():
        shutil.copytree(bot / "strategy", home)
    path = home / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return home


def refused(bot: Path, *words: str) -> str:
    """The sentence of a command that must be refused."""
    done = foresight(*words, "--bot", str(bot), check=False)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


def told(bot: Path, *words: str) -> str:
    return foresight(*words, "--bot", str(bot)).stdout


def roles(bot: Path) -> dict[str, tuple[str, str]]:
    """Every release with its state and what it does now."""
    found = answer("releases", "--bot", str(bot))["releases"]
    return {each["release"]: (each["state"], each["now"]) for each in found}


def values(bot: Path) -> dict[str, Any]:
    return {each["name"]: each["value"] for each in answer("params", "--bot", str(bot))["params"]}


def desired(bot: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((bot / "state/desired.json").read_text())
    return document


# deploy, rollback, keep


@pytest.mark.usefixtures("running")
def test_an_edit_is_deployed_rolled_back_forced_and_kept_and_the_releases_say_so(bot: Path) -> None:
    edited(bot, "price_min: Share = 0.90", "price_min: Share = 0.91")
    assert "v2 r1 is live" in told(bot, "deploy", "--note", "dearer")
    assert roles(bot)["v2"] == ("live", "live")
    assert roles(bot)["v1"][1] == "standby"
    assert "v2 r1 was rolled back: asked for by" in told(bot, "rollback")
    assert roles(bot)["v2"] == ("rolled back", "")
    assert roles(bot)["v1"][1] == "live"
    assert "v1 is still running; `foresight deploy --force` deploys it" in " ".join(refused(bot, "deploy").split())
    assert "v2 r1 is live" in told(bot, "deploy", "--force")
    assert "v2 r1 is kept by" in told(bot, "keep")
    assert roles(bot)["v2"] == ("kept", "live")
    assert "nothing is on probation" in refused(bot, "keep")
    assert "v1 r1 is live" in told(bot, "rollback", "v1")
    newest = answer("releases", "--bot", str(bot), "--limit", "1")
    assert [each["release"] for each in newest["releases"]] == ["v2"]
    assert (newest["total"], newest["running"]) == (2, True)
    assert newest["releases"][0] | {"origin": "command", "note": "dearer", "parent": "v1"} == newest["releases"][0]


def test_a_note_reaches_a_release_that_the_watch_took_a_moment_before(bot: Path) -> None:
    (bot / "bot.toml").write_text(BOT.replace('"none"', '"files"'))
    with started(bot):
        edited(bot, "price_min: Share = 0.90", "price_min: Share = 0.91")
        eventually(lambda: "v2" in roles(bot), "the release of the save")

        told(bot, "deploy", "--note", "dearer")

        newest = answer("releases", "--bot", str(bot))["releases"][-1]
        assert newest | {"release": "v2", "now": "live", "origin": "command", "note": "dearer"} == newest


@pytest.mark.usefixtures("running")
def test_a_canary_answers_its_slots_only_and_a_slot_that_is_not_there_is_refused(bot: Path) -> None:
    path = edited(bot, "price_min: Share = 0.90", "price_min: Share = 0.91", to="other")
    assert "nope: nothing of that name is called" in refused(bot, "deploy", str(path), "--canary", "btc-5m,nope")
    told(bot, "deploy", str(path), "--canary", "btc-5m, eth-5m")
    found = {each["release"]: each for each in answer("releases", "--bot", str(bot))["releases"]}
    assert (found["v2"]["now"], sorted(found["v2"]["slots"])) == ("live", ["btc-5m", "eth-5m"])
    assert (found["v1"]["now"], sorted(found["v1"]["slots"])) == ("live", ["btc-15m", "eth-15m"])
    assert re.search(r"v2 .*live in btc-5m, eth-5m", told(bot, "releases"))


@pytest.mark.usefixtures("running")
def test_a_shadow_is_told_when_it_begins_and_has_its_last_word_when_it_ends(bot: Path) -> None:
    eventually(lambda: answer("status", "--bot", str(bot))["presence"]["done"], "a first round")
    path = edited(bot, "price_min: Share = 0.90", "price_min: Share = 0.91", to="other")
    document = json.loads(told(bot, "deploy", str(path), "--shadow", "12s", "--json"))
    assert document["state"] == "accepted"
    assert document["text"].startswith("v2 is a shadow for 12 s")
    assert roles(bot) == {"v1": ("live", "live"), "v2": ("rehearsed", "shadow")}
    last = bot / "state/observed/requests" / f"{document['id']}.json"
    eventually(lambda: json.loads(last.read_text())["state"] == "done", "the shadow's end")
    assert re.search("v2 r1 is live; .*; as a shadow it gave [1-9]", json.loads(last.read_text())["text"])
    assert roles(bot)["v2"] == ("live", "live")


@pytest.mark.usefixtures("running")
def test_bad_code_is_refused_with_file_line_and_what_still_runs(bot: Path) -> None:
    edited(bot, "def ", "def oops(:\ndef ", name="fair.py")
    sentence = refused(bot, "deploy")
    assert re.search(r"v2 refused at stage: strategy/fair.py:\d+ SyntaxError: .*; v1 is still running", sentence)
    assert roles(bot) == {"v1": ("live", "live"), "v2": ("rejected", "")}
    assert re.search(r"^v2 rejected: at stage: strategy/fair.py:\d+ SyntaxError", told(bot, "releases"), re.MULTILINE)
    status = told(bot, "status")
    assert re.search(r"^v2 refused at stage: strategy/fair.py:\d+ SyntaxError", status, re.MULTILINE)
    assert f"{bot}/strategy holds other files than v1, which runs" in status
    document = json.loads(foresight("deploy", "--force", "--json", "--bot", str(bot), check=False).stdout)
    assert document["state"] == "refused"
    assert document["id"].startswith("deploy-")
    assert list((bot / "state/requests").iterdir()) == []


@pytest.mark.usefixtures("running")
def test_a_revision_of_a_git_repository_is_deployed_by_its_name(bot: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
        subprocess.run(["git", *identity, *words], cwd=bot, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    edited(bot, "price_min: Share = 0.90", "price_min: Share = 0.92")
    git("add", "strategy")
    git("commit", "--message", "Favourites only")
    edited(bot, "price_min: Share = 0.92", "price_min: Share = 0.90")
    assert "v2 r1 is live" in told(bot, "deploy", "main")
    assert values(bot)["price_min"] == 0.92
    assert "Favourites only" in told(bot, "releases")
    assert "v2 is still running" in refused(bot, "deploy", "no-such-branch")


@pytest.mark.usefixtures("running")
def test_a_release_that_is_not_there_is_refused_before_anything_is_asked(bot: Path) -> None:
    for words in (("deploy", "v9"), ("rollback", "v9")):
        assert "there is no release v9: the store knows v1 to v1" in refused(bot, *words)
    assert not (bot / "state/observed/requests").exists()


def test_without_a_running_bot_nothing_is_asked(bot: Path) -> None:
    for command in ("deploy", "rollback", "keep"):
        assert f"{command} is refused: no bot runs in" in refused(bot, command)
    assert not (bot / "state/requests").exists()


def test_a_bot_that_does_not_answer_leaves_the_request_standing(bot: Path, running: Running) -> None:
    running.process.send_signal(signal.SIGSTOP)
    sentence = refused(bot, "keep", "--wait", "1s")
    request = next((bot / "state/requests").iterdir())
    assert f"no answer within 1 s; {request} stands" in sentence
    assert str(bot / "state/observed/requests" / request.name) in sentence
    running.process.send_signal(signal.SIGCONT)
    eventually(lambda: not request.exists(), "the request's last answer")
    assert json.loads((bot / "state/observed/requests" / request.name).read_text())["state"] in ("done", "refused")


def test_a_bot_that_is_stopped_meanwhile_is_told_and_the_request_withdrawn(bot: Path, running: Running) -> None:
    running.process.send_signal(signal.SIGSTOP)
    asked = in_background("deploy", "--bot", str(bot))
    eventually(lambda: list((bot / "state/requests").glob("*.json")), "the request")
    running.process.kill()
    assert "the bot was stopped before it answered deploy-" in asked()
    assert list((bot / "state/requests").iterdir()) == []


def in_background(*words: str) -> Callable[[], str]:
    """Runs a command that must be refused; the call waits for its sentence."""
    found: list[str] = []

    def run() -> None:
        done = foresight(*words, check=False)
        found.append(f"{done.returncode} {done.stderr}")

    thread = threading.Thread(target=run)
    thread.start()

    def ended() -> str:
        thread.join()
        assert found[0].startswith("1 ")
        return found[0]

    return ended


# releases and diff


def test_releases_and_differences_are_told_of_a_bot_that_has_stopped(bot: Path) -> None:
    with started(bot) as running:
        edited(bot, "price_min: Share = 0.90", "price_min: Annotated[float, Meta(ge=0.5, le=1)] = 0.91")
        edited(bot, "spread_max: Share = 0.04", "spread_wide: Share = 0.04")
        edited(bot, "looks: int = 0", "looks: int = 0\n    seen: int = 3")
        edited(bot, "params.spread_max", "params.spread_wide", name="gates.py")
        (bot / "strategy/table.bin").write_bytes(b"\0\1")
        told(bot, "deploy")
        running.stop()
    assert {now for _, now in roles(bot).values()} == {""}
    assert "nothing answers now" in told(bot, "releases")
    printed = told(bot, "diff", "v1", "v2")
    for line in (
        "--- v1/params.py",
        "+    seen: int = 3",
        "table.bin is added: 0 bytes before, 2 after; no text to compare",
        "  - spread_max: number, 0 to 1, default 0.04",
        "  + spread_wide: number, 0 to 1, default 0.04",
        "  ~ price_min: number, 0 to 1, default 0.9 → number, 0.5 to 1, default 0.91",
        "  + State.seen: whole number, default 3",
        "  State.seen is new and starts at its default 3",
    ):
        assert line in printed.splitlines()
    document = answer("diff", "2", "v1", "--bot", str(bot))
    assert (document["a"], document["b"]) == ("v2", "v1")
    assert document["strategies"][0]["carry_notes"] == ["State.seen is dropped"]
    assert "there is no release v3: the store knows v1 to v2" in refused(bot, "diff", "v1", "v3")


def test_a_bot_that_never_ran_has_no_release(bot: Path) -> None:
    assert "no release yet" in told(bot, "releases")
    assert answer("releases", "--bot", str(bot)) == {"running": False, "total": 0, "releases": []}
    assert "there is no release v1: the bot has not run yet" in refused(bot, "diff", "v1", "v2")


# params


@pytest.mark.usefixtures("running")
def test_parameters_are_set_shown_undone_and_remembered_while_the_bot_runs(bot: Path) -> None:
    (bot / "state/desired.json").write_text('{"revision": 1, "author": "ana", "halted": true}')
    assert "r2 is live" in told(bot, "params", "set", "momentum.s30=0.5", "sizing=kelly")
    assert (values(bot)["momentum.s30"], values(bot)["sizing"]) == (0.5, "kelly")
    assert desired(bot)["halted"]
    assert "r3 is live" in told(bot, "params", "set", "sizing=default", "aggression=0.5")
    assert (values(bot)["sizing"], values(bot)["aggression"]) == ("fixed", 0.5)
    assert "r4 is live" in told(bot, "params", "undo")
    assert desired(bot)["params"] == {"momentum.s30": 0.5, "sizing": "kelly"}
    shown = answer("params", "history", "--bot", str(bot))["revisions"]
    assert [each["revision"] for each in shown] == [1, 2, 3, 4]
    assert [each["state"] for each in shown] == ["found", "done", "done", "done"]
    assert [each["in_force"] for each in shown] == [False, False, False, True]
    assert shown[2]["changes"] == ["aggression = 0.5", "sizing back to its default"]
    assert (shown[0]["author"], shown[1]["params"]) == ("ana", {"momentum.s30": 0.5, "sizing": "kelly"})
    assert "has these values already" in told(bot, "params", "set", "sizing=kelly")


@pytest.mark.usefixtures("running")
def test_every_problem_of_a_change_is_told_at_once_and_nothing_is_asked(bot: Path) -> None:
    sentence = refused(bot, "params", "set", "agression=1", "price_max=2", "sizing=half", "momentum=1", "edge_min=null")
    for problem in (
        "agression: there is no such parameter in v1; did you mean aggression?",
        "price_max = 2: Expected `float` <= 1.0 - at `$.price_max` (number, 0 to 1, default 0.97)",
        "sizing = 'half': Invalid enum value 'half'",
        "momentum is a table; set one of momentum.s120, momentum.s30, momentum.s300, momentum.s60",
        "edge_min = None: Expected `float`, got `null`",
    ):
        assert problem in sentence
    assert len(re.findall(r"^  - ", sentence, re.MULTILINE)) == 5
    assert not (bot / "state/desired.json").exists()
    assert answer("params", "history", "--bot", str(bot))["revisions"] == [
        {"revision": 1, "author": "operator", "asked_at": "", "state": "found", "in_force": True, "changes": [],
         "params": {}, "text": ""}
    ]  # fmt: skip


def test_a_change_that_the_rehearsal_refuses_is_put_back_and_its_number_is_not_used_again(bot: Path) -> None:
    first_line = "    state = _next_state(view, state)\n"
    raising = "    if params.aggression > 1.5:\n        raise ValueError('too bold')\n"
    edited(bot, first_line, raising + first_line, name="evaluate.py")
    with started(bot) as running:
        eventually(lambda: answer("status", "--bot", str(bot))["presence"]["done"], "a first round")
        told(bot, "params", "set", "price_max=0.96")
        before = (bot / "state/desired.json").read_bytes()
        sentence = refused(bot, "params", "set", "aggression=1.9")
        assert "too bold" in sentence
        assert "v1 is still running; state/desired.json asks for r2 again" in sentence
        assert (bot / "state/desired.json").read_bytes() == before
        time.sleep(0.5)  # the bot looks at the document ten times a second
        assert answer("params", "--bot", str(bot))["revision"] == 2
        assert "r4 is live" in told(bot, "params", "set", "aggression=1.2")
        states = {
            each["revision"]: each["state"] for each in answer("params", "history", "--bot", str(bot))["revisions"]
        }
        assert states == {1: "found", 2: "done", 3: "refused", 4: "done"}
        told(bot, "params", "undo")
        assert desired(bot)["params"] == {"price_max": 0.96}
        printed = running.stop()
    assert printed.count("params {'price_max': 0.96} by") == 2, printed


@pytest.mark.usefixtures("running")
def test_parameters_that_were_rolled_back_are_not_part_of_the_next_change(bot: Path) -> None:
    told(bot, "params", "set", "aggression=0.5")
    assert "r2 was rolled back" in told(bot, "rollback")
    shown = answer("params", "--bot", str(bot))
    assert (shown["revision"], shown["asked"], values(bot)["aggression"]) == (1, 2, 1.0)
    assert "state/desired.json asks for r2, which is not in force" in told(bot, "params")
    done = foresight("params", "set", "price_max=0.96", "--bot", str(bot))
    assert "what state/desired.json asks for is not in force; what is changed is r1" in done.stderr
    assert desired(bot)["params"] == {"price_max": 0.96}


def test_without_a_running_bot_parameters_wait_for_the_next_start(bot: Path) -> None:
    assert "no bot runs; the next start takes" in told(bot, "params")
    assert "r2 is taken at the next start" in told(bot, "params", "set", "aggression=0.5")
    assert "r3 is taken at the next start" in told(bot, "params", "set", "price_max=0.96")
    assert answer("params", "undo", "--bot", str(bot))["state"] == "next start"
    with started(bot):
        shown = answer("params", "--bot", str(bot))
        assert (shown["running"], shown["release"], shown["revision"]) == (True, "v1", 4)
        assert (values(bot)["aggression"], values(bot)["price_max"]) == (0.5, 0.97)
        assert "price_max" not in told(bot, "params", "get", "aggression")


def test_two_strategies_have_their_own_parameters(bot: Path) -> None:
    (bot / "strategy/fast.py").write_text(FAST)
    strategies = '[deploy.strategies]\nfast = { module = "strategy.fast", slots = ["btc-5m"] }\n'
    (bot / "bot.toml").write_text(f"{BOT}{strategies}")
    with started(bot):
        told(bot, "params", "set", "courage=0.7", "aggression=0.5")
        shown = {
            (each["strategy"], each["name"]): each["value"] for each in answer("params", "--bot", str(bot))["params"]
        }
        assert (shown["fast", "courage"], shown["", "aggression"]) == (0.7, 0.5)
        assert ("", "courage") not in shown
        assert "fast: courage = 7" in refused(bot, "params", "set", "courage=7")
    assert [each["strategy"] for each in answer("diff", "v1", "v1", "--bot", str(bot))["strategies"]] == ["", "fast"]


FAST = """
from typing import Annotated
import msgspec
from foresight.strategy import Evaluation, Meta, View

class Params(msgspec.Struct, frozen=True):
    courage: Annotated[float, Meta(ge=0, le=1)] = 0.5

class State(msgspec.Struct, frozen=True):
    looks: int = 0

def evaluate(view: View, state: State, params: Params) -> Evaluation:
    return Evaluation(state=State(state.looks + 1), signals={"courage": params.courage})
"""
