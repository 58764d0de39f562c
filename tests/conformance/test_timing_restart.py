"""Group E, timing: what a stop, a crash and a cold start do to deploys, and deploys of older commits.

The order of things at a start: the release that was kept last goes live first, whatever the tree holds; a tree that
differs then takes the way of every deploy. What was live and never kept is not started by itself. A kept release stays
kept through starts, rollbacks and crashes. A stop ends every process at once, and every request that it cuts off gets
its last word.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from conformance.program import HOSTS, TESTS, Program, a_program, write_files
from conformance.timing import (
    ask_for,
    deploy_folder,
    encoded_state,
    generation,
    stager_of,
    store_of,
    value_of,
    verdict_of,
    wait_for_history,
    went_live,
)
from tesseract import NotDone

pytestmark = pytest.mark.process
ROUNDS = 4


def first_answer(program: Program) -> tuple[str, int]:
    outcome = program.ask()
    return outcome.release, value_of(outcome)


CRASHES = """
import os, signal, sys
from pathlib import Path
import psutil
from conformance.program import a_program
from conformance.timing import generation, wait_for_history

with a_program(Path(sys.argv[1]), host="process", files=generation(1)) as program:
    program.value()
    assert program.deploy(generation(2)).is_live
    program.keep()
    wait_for_history(program, 2, "staged", "rehearsed", "live", "kept")
    assert program.deploy(generation(3)).is_live
    wait_for_history(program, 3, "staged", "rehearsed", "live")
    assert program.value() == 3
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def wait_until_gone(pids: list[int]) -> None:
    end_s = time.monotonic() + 5.0
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_keep_then_crash(tmp_path: Path) -> None:
    crashed = subprocess.run(
        [sys.executable, "-c", CRASHES, str(tmp_path)], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert crashed.returncode == -9, crashed.stderr
    children = [int(pid) for pid in crashed.stdout.split()]
    assert len(children) >= 4, "a zygote, a stager with its own, and hosts"
    wait_until_gone(children)

    with a_program(tmp_path, host="process", files=generation(3), follow="files") as program:
        assert went_live(program)[0] == "v2", "the kept one comes first"
        assert program.watched(0).is_live
        assert went_live(program) == ["v2", "v3"], "then the tree, by the pipeline"
        assert first_answer(program) == ("v3", 3)
        program.roll_back()
        assert first_answer(program) == ("v2", 2)


@pytest.mark.parametrize("host", HOSTS)
def test_keep_then_crash_and_a_kept_release_stays_kept(tmp_path: Path, host: str) -> None:
    """However often it is started and ended before its rounds are over, and whatever was live unkept beside it."""
    with a_program(tmp_path, host=host, files=generation(1)) as program:
        program.value()
        program.deploy(generation(2))
        program.keep()
    for number in (3, 4):
        with a_program(tmp_path, host=host, files=generation(number)) as program:
            assert went_live(program) == ["v2"]
            assert program.deploy(generation(number)).is_live
            program.value()
    with a_program(tmp_path, host=host, files=generation(2)) as program:
        assert first_answer(program) == ("v2", 2)


@pytest.mark.parametrize("host", HOSTS)
def test_keep_then_crash_after_a_rollback(tmp_path: Path, host: str) -> None:
    """What was put back is started again, and the tree, which still holds what was rolled back, is barred."""
    with a_program(tmp_path, host=host, files=generation(1), rounds=ROUNDS) as program:
        program.deploy(generation(2))
        program.roll_back()
        for _ in range(ROUNDS):
            assert program.value() == 1, "it has its rounds from the rollback on"
    with a_program(tmp_path, host=host, files=generation(2)) as program:
        assert first_answer(program) == ("v1", 1)
        assert "this content is barred until it changes" in program.deploy().text


@pytest.mark.parametrize("host", HOSTS)
def test_keep_then_crash_after_an_older_release_was_asked_for(tmp_path: Path, host: str) -> None:
    """Who goes back to an older kept release does not meet the newer one again after a crash."""
    with a_program(tmp_path, host=host, files=generation(1), rounds=ROUNDS) as program:
        for _ in range(ROUNDS):
            program.value()
        program.deploy(generation(2))
        program.keep()
        assert verdict_of(program, ask_for(program, "rollback", where="v1")).is_live
    with a_program(tmp_path, host=host, files=generation(2)) as program:
        assert first_answer(program) == ("v1", 1)


def test_what_the_stager_was_told_last_is_written_down_although_the_program_has_closed(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1), rounds=ROUNDS) as program:
        for _ in range(ROUNDS):
            program.value()
        assert program.deploy(generation(2)).is_live
        stager = stager_of(program)
        stager.suspend()
        program.roll_back()
        later = threading.Timer(0.5, stager.resume)
        later.start()
    later.join()
    with a_program(tmp_path, host="process", files=generation(2)) as program:
        assert first_answer(program) == ("v1", 1)
        refused = program.deploy()
        assert "v2 was rolled back" in refused.text


def test_deploy_during_shutdown(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1), rounds=ROUNDS) as program:
        for _ in range(ROUNDS):
            program.value()
        requests = [deploy_folder(program, f"g{n}", generation(n, stages_s=5.0)) for n in (2, 3)]
        program.pause(0.3)
        processes = psutil.Process().children(recursive=True)
        began_s = time.monotonic()
        program.runtime.close()
        assert time.monotonic() - began_s < 4.5, "nobody waits for the import"
        words = {event.request: event for event in program.events if isinstance(event, NotDone)}
        assert [words[request].is_refused for request in requests] == [True, True]
        assert words[requests[0]].text == "v2 was not deployed: the program was stopped"
        wait_until_gone([process.pid for process in processes])
        assert went_live(program) == ["v1"]

    with a_program(tmp_path, host="process", files=generation(1)) as program:
        assert first_answer(program) == ("v1", 1)
        verdict = program.deploy(generation(3))
        assert verdict.is_live, "it is not barred"
        assert first_answer(program) == (verdict.event.release.name, 3)


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a person", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, number: int) -> str:
    write_files(folder / "strategy", generation(number))
    git(folder, "add", "strategy")
    git(folder, "commit", "-q", "-m", f"generation {number}")
    return git(folder, "rev-parse", "HEAD")


def test_deploy_older_commit(tmp_path: Path) -> None:
    """By request, and because the branch was set back; each has the number that it had."""
    git(tmp_path, "init", "-q")
    shas = [commit(tmp_path, number) for number in (1, 2)]
    with a_program(tmp_path, host="process", files={}, follow="git", branch="main", subfolder="strategy") as program:
        assert program.watched(0).text == "v1 is what runs already; nothing was done"
        assert first_answer(program) == ("v1", 2)

        request = ask_for(program, "deploy", what="commit", where=shas[0])
        assert verdict_of(program, request).event.release.commit.startswith(shas[0][:12])
        assert first_answer(program) == ("v2", 1)
        program.keep()
        program.pause(1.2)
        assert went_live(program) == ["v1", "v2"], "the branch has not moved, so it is not followed back"

        before = len(program.events)
        commit(tmp_path, 3)
        assert program.watched(before).is_live
        assert first_answer(program) == ("v3", 3)
        before = len(program.events)
        git(tmp_path, "reset", "-q", "--hard", shas[0])
        assert program.watched(before).is_live
        assert went_live(program) == ["v1", "v2", "v3", "v2"]
        assert first_answer(program) == ("v2", 1)
        assert program.runtime.seam.state_of("btc") == encoded_state(4)
        assert [entry.origin for entry in store_of(program).entries()] == ["start", "command", "git"]
        wait_for_history(program, 3, "staged", "rehearsed", "live", "superseded")
        wait_for_history(program, 2, "staged", "rehearsed", "live", "kept", "live", "kept")


def test_deploy_older_commit_that_is_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    commit(tmp_path, 1)
    with a_program(tmp_path, host="process", files={}, branch="main", subfolder="strategy") as program:
        verdict = verdict_of(program, ask_for(program, "deploy", what="commit", where="deadbeef"))
        assert verdict.is_refused
        assert "there is no such commit" in verdict.text
        assert verdict.text.endswith("; v1 is still running")
        assert first_answer(program) == ("v1", 1)
