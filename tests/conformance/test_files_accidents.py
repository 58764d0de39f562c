"""Group E, accidents under way: the stager dies, the disk is full, a stored copy is damaged.

Each is refused in a sentence, or healed and told. What runs goes on, and the next deploy works.
"""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from conformance.program import HOSTS, Notice, Program, a_program
from conformance.refusals import assert_refused, states_of
from conformance.surroundings import all_are_ready
from conformance.timing import (
    ask_for,
    deploy_folder,
    generation,
    history,
    stager_of,
    store_of,
    value_of,
    verdict_of,
    wait_for_history,
    went_live,
)
from tesseract import NotDone, ReleaseRefused, ReleaseStore

STAGES_S = 1.0
NOTHING: dict[str, str] = {}


def answers(program: Program, release: str, value: int) -> None:
    outcome = program.ask()
    assert (outcome.release, value_of(outcome)) == (release, value)


@contextlib.contextmanager
def nothing_lost(program: Program, running: str) -> Iterator[None]:
    """Inside the block nothing of what runs may change."""
    before = states_of(program)
    yield
    assert states_of(program) == before
    assert program.running == running


@pytest.mark.process
def test_stager_killed_mid_stage(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1)) as program:
        answers(program, "v1", 1)
        program.wait_until(all_are_ready, lambda: "a zygote makes no process ready")
        processes = len(psutil.Process().children(recursive=True))
        with nothing_lost(program, "v1"):
            request = deploy_folder(program, "b", generation(2, stages_s=STAGES_S))
            program.pause(STAGES_S / 3)
            stager_of(program).kill()
            verdict = verdict_of(program, request)
        said = "the stager's process ended (killed by SIGKILL) while it prepared this"
        assert_refused(program, verdict, said, step="stage", running="v1")
        (notice,) = [event.text for event in program.happened(Notice)]
        assert notice.endswith("a new one was started, and what runs was not touched")
        answers(program, "v1", 1)

        assert program.deploy(generation(3)).is_live
        answers(program, "v3", 3)
        assert program.request(action="deploy", where=str(tmp_path / "b" / "strategy")).is_live, "it is not barred"
        answers(program, "v2", 2)
        program.keep()
        program.pause(STAGES_S / 2)
        program.wait_until(all_are_ready, lambda: "a zygote makes no process ready")
        assert len(psutil.Process().children(recursive=True)) == processes, "no candidate was left behind"


@pytest.mark.process
def test_stager_killed_mid_stage_and_what_waited_behind_is_not_lost(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1)) as program:
        first = deploy_folder(program, "b", generation(2, stages_s=STAGES_S))
        second = deploy_folder(program, "c", generation(3))
        program.pause(STAGES_S / 3)
        stager_of(program).kill()
        assert verdict_of(program, first).is_refused
        verdict = verdict_of(program, second)
        assert verdict.is_refused, "nobody knows any more what it took; its sentence says so"
        assert "the stager's process ended before its turn came; ask again" in verdict.text
        answers(program, "v1", 1)
        assert program.deploy(generation(4)).is_live


@pytest.mark.process
def test_stager_killed_when_all_is_done_refuses_nothing(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1)) as program:
        assert program.deploy(generation(1)).text == "v1 is what runs already; nothing was done"
        assert program.deploy(generation(2)).is_live
        before = program.happened(NotDone)
        stager_of(program).kill()
        program.wait_until(lambda: bool(program.happened(Notice)), lambda: "nobody says that the stager has ended")
        assert program.happened(NotDone) == before
        assert program.deploy(generation(3)).is_live


@pytest.mark.process
def test_stager_killed_mid_stage_and_a_followed_tree_is_taken_by_the_next_one(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1), follow="files") as program:
        program.watched(0)
        program.write(generation(2, stages_s=STAGES_S))
        program.pause(STAGES_S / 2 + 0.3)
        before = len(program.events)
        stager_of(program).kill()
        assert program.watched(before).is_refused
        live = program.wait_for(lambda event: getattr(event, "release", None) not in (None, "") and _is_v2(event))
        assert live.replaced == "v1"
        answers(program, "v2", 2)


def _is_v2(event: Any) -> bool:
    return type(event).__name__ == "WentLive" and event.release.name == "v2"


# A disk that takes nothing


@contextlib.contextmanager
def a_small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of a megabyte at `folder`, where this user may mount one; else None."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield folder if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def full(disk: Path | None, pid: int) -> Iterator[None]:
    """Inside the block nothing more can be written by the process: its disk is full, or the kernel refuses it any
    larger file."""
    if disk is None:
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        yield
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        return
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    yield
    filling.unlink()


@pytest.mark.process
def test_disk_full_in_snapshot(tmp_path: Path) -> None:
    table = {"table.txt": "x" * 20_000}
    with a_small_disk(tmp_path / "data") as disk, a_program(tmp_path, host="process", files=generation(1)) as program:
        answers(program, "v1", 1)
        wait_for_history(program, 1, "staged", "rehearsed", "live")
        before = sorted(path.name for path in (tmp_path / "data" / "releases").iterdir())
        with full(disk, stager_of(program).pid), nothing_lost(program, "v1"):
            verdict = program.deploy({**generation(2), **table})
        said = "No space left on device" if disk else "File too large"
        assert_refused(program, verdict, said, step="snapshot", running="v1")
        assert sorted(path.name for path in (tmp_path / "data" / "releases").iterdir()) == before, "no half of a copy"
        answers(program, "v1", 1)
        verdict = program.deploy()
        assert verdict.event.release.name == "v2", "no number was lost"
        answers(program, "v2", 2)


@pytest.mark.process
def test_disk_full_in_snapshot_or_later_and_what_runs_is_written_down_afterwards(tmp_path: Path) -> None:
    """The disk fills while the candidate is prepared: it goes live, a notice says what could not be written down, and
    it is written as soon as that can be done."""
    with a_small_disk(tmp_path / "data") as disk, a_program(tmp_path, host="process", files=generation(1)) as program:
        request = deploy_folder(program, "b", generation(2, stages_s=STAGES_S))
        program.pause(STAGES_S / 3)
        assert history(program, 2) == ["staged"]
        stager = stager_of(program).pid
        with full(disk, stager):
            verdict = verdict_of(program, request)
            assert verdict.is_live, verdict.text
            answers(program, "v2", 2)
            notice = program.wait_for(lambda event: isinstance(event, Notice))
            assert "the store cannot be written" in notice.text
        assert stager_of(program).pid == stager
        program.keep()
        wait_for_history(program, 2, "staged", "rehearsed", "live", "kept")


# A stored copy that is not what its name says


def damage(program: Program, number: int) -> Path:
    """One byte of a stored copy is another."""
    path = store_of(program).folder / store_of(program).entry(number).digest[:16] / "strategy" / "__init__.py"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    return path


@pytest.mark.process
@pytest.mark.parametrize("host", HOSTS)
def test_release_store_corrupted_blob(tmp_path_factory: pytest.TempPathFactory, host: str) -> None:
    with a_program(tmp_path_factory.mktemp("bot"), host=host, files=generation(1)) as program:
        program.deploy(generation(2))
        program.keep()
        path = damage(program, 1)
        with nothing_lost(program, "v2"):
            verdict = verdict_of(program, ask_for(program, "rollback", where="v1"))
        said = "is damaged, so v1 is lost until its content is taken again"
        assert_refused(program, verdict, said, step="snapshot", running="v2")
        answers(program, "v2", 2)

        assert program.deploy(generation(1)).event.release.name == "v1", "its content is there again: it heals"
        answers(program, "v1", 1)
        assert path.with_name("__init__.py").read_text() == generation(1)["__init__.py"]
        assert list(store_of(program).folder.glob("*.damaged")), "the damaged one is set aside, for whoever wants it"


@pytest.mark.process
@pytest.mark.parametrize("host", HOSTS)
def test_release_store_corrupted_blob_of_the_kept_release_at_a_start(tmp_path: Path, host: str) -> None:
    """The tree is used in its place; whoever looks is told what is lost."""
    with a_program(tmp_path, host=host, files=generation(1)) as program:
        program.deploy(generation(2))
        program.keep()
        damage(program, 2)
    with a_program(tmp_path, host=host, files=generation(3)) as program:
        answers(program, "v3", 3)
        told = program.happened(NotDone)[0]
        assert told.is_refused
        assert "is damaged, so v2 is lost until its content is taken again" in told.text
    with a_program(tmp_path, host=host, files=generation(2)) as program:
        answers(program, "v2", 2)
        assert store_of(program).release(2).name == "v2", "the tree has its content: it is healed"


@pytest.mark.process
def test_release_store_corrupted_blob_of_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running process has its code already. One that has to be started again is not started from a damaged copy:
    its calls fail and say so, until the store has its content again."""
    monkeypatch.setattr("tesseract.process_host.RESPAWN_WINDOW_S", 1.0)
    with a_program(tmp_path, host="process", files=generation(1)) as program:
        answers(program, "v1", 1)
        damage(program, 1)
        answers(program, "v1", 1)
        state = program.runtime.seam.state_of("btc")
        kill_host(program)
        outcome = program.ask()
        assert outcome.fault is not None
        assert outcome.fault.kind == "lost"
        (told, *_) = [note for note in program.printed if "cannot be started again" in note]
        assert "is not what its name says; deploy the content of v1 again" in told
        assert program.runtime.seam.state_of("btc") == state

        assert program.deploy(generation(1)).text == "v1 is what runs already; nothing was done"
        program.pause(1.1)
        answers(program, "v1", 1)


def kill_host(program: Program) -> None:
    host: Any = program.runtime.seam.strategies[""]
    signal.pidfd_send_signal(host.pidfd, signal.SIGKILL)
    program.pause(0.5)


def index_of_two(folder: Path, host: str) -> Path:
    """The store's index after a program has ended that kept its second release."""
    with a_program(folder, host=host, files=generation(1)) as program:
        program.deploy(generation(2))
        program.keep()
    return folder / "data" / "releases" / "releases.jsonl"


@pytest.mark.process
@pytest.mark.parametrize("host", HOSTS)
def test_release_store_cut_index(tmp_path: Path, host: str) -> None:
    """The record beside the copy says what the torn line said."""
    index = index_of_two(tmp_path, host)
    index.write_bytes(index.read_bytes()[:-40])
    with a_program(tmp_path, host=host, files=generation(1)) as program:
        answers(program, "v2", 2)
        assert went_live(program) == ["v2"]
        assert program.happened(Notice) == []
        assert program.deploy(generation(3)).event.release.name == "v3"


@pytest.mark.process
@pytest.mark.parametrize("host", HOSTS)
def test_release_store_corrupted_blob_and_index(tmp_path: Path, host: str) -> None:
    index = index_of_two(tmp_path, host)
    index.write_bytes(index.read_bytes()[40:])
    with a_program(tmp_path, host=host, files=generation(1)) as program:
        answers(program, "v2", 2)
        assert went_live(program) == ["v2"]
        if host == "process":
            (notice,) = [event.text for event in program.happened(Notice)]
            assert "2 releases are found again. Nothing is known to be lost." in notice
        assert program.deploy(generation(3)).event.release.name == "v3"


@pytest.mark.process
@pytest.mark.parametrize("host", HOSTS)
def test_a_store_inside_the_live_tree_is_refused_at_the_start(tmp_path: Path, host: str) -> None:
    said = "the live tree lies around the store .*; each release would make another one, .*; nothing is running yet"
    with (
        pytest.raises(ReleaseRefused, match=said),
        a_program(tmp_path, host=host, files=generation(1), package="data"),
    ):
        pass
    assert ReleaseStore(tmp_path / "data" / "releases").entries() == []


@pytest.mark.process
def test_a_link_to_the_store_that_is_saved_into_the_live_tree_is_refused_and_what_runs_goes_on(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1), follow="files") as program:
        answers(program, "v1", 1)
        before = len(program.events)
        (program.tree / "everything").symlink_to(tmp_path / "data")
        verdict = program.watched(before)
        assert_refused(program, verdict, "everything lies around the store", step="snapshot", running="v1")
        assert len(store_of(program).entries()) == 1
        (program.tree / "everything").unlink()
        verdict = program.save(generation(2))
        assert (verdict.is_live, program.running) == (True, "v2"), "no release was made meanwhile"
