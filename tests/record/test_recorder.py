"""The recorder: what it takes comes to disk, whatever becomes of its writer, and the loop never waits."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import a_depth, a_quote
from foresight.events import Quote, Timer
from foresight.markets import SECOND_NS
from foresight.record import recorder as module
from foresight.record.kinds import Recorded
from foresight.record.messages import Closed
from foresight.record.reading import RunRecord
from foresight.record.recorder import Recorder
from foresight.record.writer_link import NICENESS

pytestmark = pytest.mark.process
MUCH = 10**12


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    monkeypatch.setattr(module, "BATCH_ROWS", 256)


class Given:
    """A recorder, what it was given, and what it said."""

    def __init__(self, folder: Path, *, keep_bytes: int = MUCH, is_patient: bool = False) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.given: list[tuple[int, Recorded]] = []
        self.recorder = Recorder(folder, keep_bytes, self.told.append, is_patient=is_patient)

    def give(self, count: int, make: Callable[[int], Recorded] = lambda seq: Timer(seq * SECOND_NS, seq)) -> None:
        """Takes so many inputs; every other number is the journal's."""
        for _ in range(count):
            seq = 2 * len(self.given) + 1
            self.given.append((seq, make(seq)))
            self.recorder.take(*self.given[-1])

    def until(self, is_so: Callable[[], object], what: str) -> None:
        until_s = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < until_s, f"waited 30 s for {what}"
            self.recorder.hand_over()
            time.sleep(0.01)

    def read(self) -> list[tuple[int, Recorded]]:
        return list(RunRecord(self.folder).events())


@contextlib.contextmanager
def recording(folder: Path, *, keep_bytes: int = MUCH, is_patient: bool = False) -> Iterator[Given]:
    recorded = Given(folder, keep_bytes=keep_bytes, is_patient=is_patient)
    try:
        yield recorded
    finally:
        recorded.recorder.close()


def writer_of(recorded: Given) -> int:
    assert recorded.recorder._link is not None
    return recorded.recorder._link.process.pid


def test_what_is_taken_is_on_disk_after_the_end_and_nobody_is_left(tmp_path: Path) -> None:
    with recording(tmp_path / "run") as recorded:
        recorded.give(1_000)
        recorded.give(5, lambda seq: a_depth(at_ns=seq))
        pid = writer_of(recorded)
    assert recorded.read() == recorded.given
    assert (recorded.told, recorded.recorder.problem()) == ([], None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_recorder_without_inputs_starts_no_process(tmp_path: Path) -> None:
    with recording(tmp_path / "run") as recorded:
        recorded.recorder.hand_over()
        assert recorded.recorder._link is None
    assert not (tmp_path / "run").exists()


def test_a_writer_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    with recording(tmp_path / "run") as recorded:
        recorded.give(1_000)
        recorded.until(lambda: not recorded.recorder._unsent, "the writer to take all")
        first = writer_of(recorded)
        os.kill(first, signal.SIGKILL)
        recorded.until(recorded.recorder.problem, "the death to be seen")
        assert "the process that writes it has ended" in str(recorded.recorder.problem())
        recorded.give(1_000)
        recorded.until(lambda: recorded.recorder._link is not None, "another writer")
        assert writer_of(recorded) != first
    assert recorded.read() == recorded.given
    assert [text.split(":")[0] for text in recorded.told] == [
        "the record cannot be written", "the record is written again",
    ]  # fmt: skip


def test_a_disk_that_refuses_is_told_once_and_loses_nothing_when_it_takes_again(tmp_path: Path) -> None:
    obstacle = tmp_path / "record"
    obstacle.write_text("no folder")
    with recording(obstacle / "run") as recorded:
        recorded.give(600)
        recorded.until(recorded.recorder.problem, "the refusal")
        assert "FileExistsError" in str(recorded.recorder.problem()) or "NotADirectory" in str(
            recorded.recorder.problem()
        )
        for _ in range(3):
            recorded.until(lambda: recorded.recorder._link is not None, "another try")
            recorded.until(lambda: recorded.recorder._link is None, "its end")
        assert len(recorded.told) == 1
        obstacle.unlink()
    assert recorded.read() == recorded.given
    assert recorded.told[1:] == ["the record is written again"]


def test_beyond_the_limit_new_inputs_fall_away_and_the_gap_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES_MAX", 20_000)
    obstacle = tmp_path / "record"
    obstacle.write_text("no folder")
    with recording(obstacle / "run") as recorded:
        recorded.give(256 * 20)
        assert recorded.recorder._kept_bytes <= 20_000
        assert "inputs are lost so far" in str(recorded.recorder.problem())
        obstacle.unlink()
        recorded.until(lambda: recorded.recorder._kept_bytes == 0 or recorded.recorder._link, "another writer")
        monkeypatch.setattr(module, "WAITING_BYTES_MAX", 10**7)
        recorded.give(256)
    record = RunRecord(obstacle / "run")
    found = list(record.events())
    lost = [pair for pair in recorded.given if pair not in found]
    assert lost
    assert [(hole.first, hole.last) for hole in record.holes] == [(lost[0][0], lost[-1][0])]
    assert record.holes[0].text.startswith(f"{len(lost):,} market inputs were not recorded (")
    assert found[-1] == recorded.given[-1]


def test_a_gap_that_lasts_to_the_end_is_on_record_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(tmp_path / "run") as recorded:
        recorded.give(256)
        monkeypatch.setattr(module, "WAITING_BYTES_MAX", 0)
        recorded.give(256)
    record = RunRecord(tmp_path / "run")
    assert list(record.events()) == recorded.given[:256]
    assert [(hole.first, hole.last) for hole in record.holes] == [(513, 1023)]


def test_what_cannot_be_written_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 1.0)
    (tmp_path / "record").write_text("no folder")
    with recording(tmp_path / "record/run") as recorded:
        recorded.give(300)
    assert "the end of the record is lost" in recorded.told[-1]


def test_the_loop_does_not_wait_for_a_writer_that_stands_still(tmp_path: Path) -> None:
    with recording(tmp_path / "run") as recorded:
        recorded.give(256)
        recorded.until(lambda: not recorded.recorder._unsent, "the writer to take all")
        os.kill(writer_of(recorded), signal.SIGSTOP)
        recorded.give(50_000)
        assert recorded.recorder._unsent
        os.kill(writer_of(recorded), signal.SIGCONT)
    assert recorded.read() == recorded.given


def test_a_patient_recorder_is_never_far_ahead_of_its_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSENT_BYTES_MAX", 1_000)
    with recording(tmp_path / "run", is_patient=True) as recorded:
        for _ in range(40):
            recorded.give(256)
            assert recorded.recorder._unsent_bytes <= 1_000 + len(
                recorded.recorder._unsent and recorded.recorder._unsent[0].data
            )
    assert recorded.read() == recorded.given


@pytest.mark.parametrize("is_patient", [False, True])
def test_a_writer_that_takes_nothing_is_ended_before_another_one_starts_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_patient: bool
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    with recording(tmp_path / "run", is_patient=is_patient) as recorded:
        recorded.give(256)
        recorded.until(lambda: not recorded.recorder._unsent, "the writer to take all")
        stuck = writer_of(recorded)
        os.kill(stuck, signal.SIGSTOP)
        recorded.give(50_000)
        recorded.until(lambda: recorded.told, "its end")
        assert "took nothing for 0 s and is ended" in recorded.told[0]
        monkeypatch.setattr(module, "PATIENCE_S", 60.0)
        recorded.until(lambda: recorded.recorder._link and writer_of(recorded) != stuck, "another writer")
        with pytest.raises(ProcessLookupError):
            os.kill(stuck, 0)
    assert recorded.read() == recorded.given
    assert recorded.told[1:] == ["the record is written again"]


def test_no_writer_starts_beside_one_that_has_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    with recording(tmp_path / "run") as recorded:
        recorded.give(256)
        first = recorded.recorder._link
        assert first is not None
        with monkeypatch.context() as patched:
            patched.setattr(first, "has_left", lambda: False)
            os.kill(first.process.pid, signal.SIGKILL)
            recorded.until(recorded.told.__len__, "its end")
            for _ in range(5):
                recorded.recorder.hand_over()
            assert recorded.recorder._link is None
        recorded.until(lambda: recorded.recorder._link is not None, "another writer")
    assert recorded.read() == recorded.given


class Unstartable:
    """Stands for the writer's process, and counts how often it was tried."""

    def __init__(self) -> None:
        self.tries = 0

    def __call__(self, *_: object, **__: object) -> None:
        self.tries += 1
        raise OSError(12, "Cannot allocate memory")


def test_a_writer_that_fails_is_tried_again_after_pauses_that_grow_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, tries_at, started = [1000.0], [], Unstartable()
    monkeypatch.setattr(module, "RETRY_S", 5.0)
    monkeypatch.setattr(module, "WriterLink", started)
    monkeypatch.setattr(module, "CLOSE_S", 0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s[0])
    recorded = Given(tmp_path / "run")
    recorded.give(256)
    for second in range(1_500):
        before = started.tries
        now_s[0] = 1000.0 + second
        recorded.recorder.hand_over()
        if started.tries > before:
            tries_at.append(second)
    assert tries_at == [5, 15, 35, 75, 155, 315, 615, 915, 1215]
    assert len(recorded.told) == 1
    recorded.recorder._heard(Closed(1))
    assert recorded.recorder._pause_s == module.RETRY_S
    recorded.recorder.close()


@pytest.mark.parametrize("is_patient", [False, True])
def test_the_writer_gives_way_to_a_loop_that_does_not_wait_for_it(tmp_path: Path, *, is_patient: bool) -> None:
    with recording(tmp_path / "run", is_patient=is_patient) as recorded:
        recorded.give(256)
        priorities = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (writer_of(recorded), 0)]
    assert priorities[0] - priorities[1] == (0 if is_patient else min(NICENESS, 19 - priorities[1]))


@pytest.mark.parametrize("size", [2**63, 2**70], ids=["no column", "no message"])
def test_a_value_that_cannot_be_kept_costs_its_batch_and_nothing_else(tmp_path: Path, size: int) -> None:
    with recording(tmp_path / "run") as recorded:
        recorded.give(256)
        recorded.give(256, lambda seq: Quote(seq, a_quote().token, 1, size if seq == 601 else 2))
        recorded.give(256)
    record = RunRecord(tmp_path / "run")
    assert list(record.events()) == recorded.given[:256] + recorded.given[512:]
    assert [(hole.first, hole.last) for hole in record.holes] == [(513, 1023)]
    assert "a value " in record.holes[0].text


def test_the_limit_of_the_record_is_told_once(tmp_path: Path) -> None:
    for run in ("0001-simulated", "0002-simulated", "0003-simulated"):
        with recording(tmp_path / run, keep_bytes=1) as recorded:
            recorded.give(300)
        deleted = [text for text in recorded.told if "the oldest segments of the record go" in text]
        assert len(deleted) == (run != "0001-simulated")
    assert [path.parent.name for path in tmp_path.glob("*/*.parquet")] == ["0003-simulated"]
