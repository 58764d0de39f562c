"""The limit of the record, and what it does on a full disk: the oldest segments go, and the index says so."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from foresight.events import Timer
from foresight.record import __main__ as process
from foresight.record import index, retention
from foresight.record.index import INDEX, Removed, add_line, read_lines, staging_name
from foresight.record.messages import Deleted, Frames, Report
from foresight.record.reading import RunRecord
from foresight.record.retention import Gone, Retention, is_full
from foresight.record.segments import SegmentWriter

MUCH = 10**12
FULL = OSError(errno.ENOSPC, "No space left on device")


def a_record(folder: Path, *segment_rows: int) -> Path:
    writer, first = SegmentWriter(folder), 1
    for rows in segment_rows:
        seqs = list(range(first, first + rows))
        writer.add(seqs, [Timer(seq, seq) for seq in seqs], size=10)
        writer.close()
        first += rows
    return folder


def tiny(folder: Path, count: int, size: int = 10) -> list[Path]:
    """Files that look like segments."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / index.segment_name(1 + 10 * place) for place in range(count)]
    for path in paths:
        path.write_bytes(b"x" * size)
    return paths


def left(record: Path) -> list[str]:
    return sorted(str(path.relative_to(record)) for path in record.glob("*/[0-9]*.parquet"))


def read(folder: Path) -> tuple[list[int], RunRecord]:
    record = RunRecord(folder)
    return [seq for seq, _ in record.events()], record


def refuse_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(retention, "add_line", refuse)


@pytest.fixture
def one_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "NEWEST_KEPT", 1)


# The limit


def test_the_oldest_segments_of_the_oldest_run_go_first_and_the_index_says_so(tmp_path: Path) -> None:
    old, new = a_record(tmp_path / "0001-simulated", 3, 4), a_record(tmp_path / "0002-simulated", 3, 4)
    total = sum(path.stat().st_size for path in tmp_path.glob("*/*.parquet"))
    assert Retention(tmp_path, total).keep() == []
    path = old / "000000000001.parquet"
    assert Retention(tmp_path, total - 1).keep() == [Gone(path, "to keep the limit of the record")]
    found, record = read(old)
    assert found == [4, 5, 6, 7]
    deleted = f"segment {path} has been deleted to keep the limit of the record"
    assert record.problems == [f"{deleted}; it held inputs 1 to 3"]
    assert read(new)[0] == list(range(1, 8))


def test_the_ten_thousandth_run_is_newer_than_the_one_before_it(tmp_path: Path) -> None:
    for run in ("9998-live", "9999-live", "10000-live", "10001-live"):
        tiny(tmp_path / run, 1)
    kept = Retention(tmp_path, 20)
    kept.keep()
    assert left(tmp_path) == ["10000-live/000000000001.parquet", "10001-live/000000000001.parquet"]


def test_what_is_open_and_what_is_newest_stays_whatever_the_limit(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "0001-simulated", 3, 4)
    staging = folder / staging_name(os.getpid())
    staging.write_bytes(b"open")
    assert [gone.path for gone in Retention(tmp_path, 0).keep()] == [folder / "000000000001.parquet"]
    assert [path.name for path in RunRecord(folder).files()] == ["000000000004.parquet"]
    assert staging.exists()


def test_what_a_writer_has_left_half_written_goes_when_it_is_no_more(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "0001-simulated", 3)
    for name in (".staging.parquet", staging_name(2**22 + 1), staging_name(os.getppid())):
        (folder / name).write_bytes(b"half")
    Retention(tmp_path, MUCH)
    assert [path.name for path in folder.glob(".staging*")] == [staging_name(os.getppid())]


def test_a_deletion_that_is_refused_leaves_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_record(tmp_path / "0001-simulated", 3, 4, 5)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError):
        Retention(tmp_path, 0).keep()
    monkeypatch.undo()
    assert read(folder)[0] == list(range(1, 13))


def test_only_segments_of_runs_are_counted_and_deleted(tmp_path: Path) -> None:
    elsewhere = tiny(tmp_path / "elsewhere", 3)
    record = tmp_path / "record"
    mine = tiny(record / "0001-live", 2)
    (record / "0000-live").symlink_to(tmp_path / "elsewhere")
    others = [record / "0001-live/000000000001.parquet.bak", record / "0001-live/1.parquet", record / "notes"]
    for path in others:
        path.write_bytes(b"x" * 100)
    kept = Retention(record, 0)
    assert (kept.count, kept.bytes) == (2, 20)
    kept.keep()
    assert all(path.exists() for path in [*elsewhere, *others])
    assert [path.exists() for path in mine] == [False, True]


def test_a_limit_that_is_much_lower_than_before_is_reached_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "DELETED_AT_ONCE", 4)
    tiny(tmp_path / "0001-live", 10)
    kept = Retention(tmp_path, 10)
    for count in (6, 2, 1, 1):
        kept.keep()
        assert len(left(tmp_path)) == count


# Counted once


def test_a_close_looks_at_no_segment_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(tmp_path / "0001-live", 50)
    tiny(tmp_path / "0002-live", 50)
    kept = Retention(tmp_path, 1_000)
    monkeypatch.setattr(os, "scandir", lambda _: pytest.fail("the segments are counted again"))
    for place in range(100, 120):
        path = tmp_path / "0002-live" / index.segment_name(1 + 10 * place)
        path.write_bytes(b"x" * 10)
        kept.added(path, 10)
        assert len(kept.keep()) == 1
    monkeypatch.undo()
    assert (kept.count, kept.bytes) == (100, 1_000) == (len(left(tmp_path)), 1_000)
    assert len(list((tmp_path / "0001-live").glob("*.parquet"))) == 30


def test_a_segment_that_is_written_again_counts_once(tmp_path: Path) -> None:
    path = tiny(tmp_path / "0001-live", 3)[-1]
    kept = Retention(tmp_path, MUCH)
    kept.added(path, 70)
    assert (kept.count, kept.bytes) == (3, 90)


@pytest.mark.parametrize("run", ["0001-live", "0002-live"])
def test_what_somebody_else_has_deleted_is_not_counted_any_more(tmp_path: Path, run: str) -> None:
    tiny(tmp_path / "0001-live", 5)
    tiny(tmp_path / "0002-live", 5)
    own = tiny(tmp_path / "0003-live", 1)[0]
    kept = Retention(tmp_path, 60)
    for path in (tmp_path / run).glob("*.parquet"):
        path.unlink()
    kept.added(own, 10)
    assert kept.keep() == []
    assert (kept.count, kept.bytes) == (6, 60)
    assert len(left(tmp_path)) == 6


def test_what_is_gone_of_the_running_run_is_noticed_when_it_should_go(tmp_path: Path) -> None:
    paths = tiny(tmp_path / "0001-live", 10)
    kept = Retention(tmp_path, 50)
    kept.added(paths[-1], 10)
    for path in paths[:4]:
        path.unlink()
    assert [gone.path for gone in kept.keep()] == [paths[4]]
    assert left(tmp_path) == [f"0001-live/{path.name}" for path in paths[5:]]
    named = [line.name for line in read_lines(tmp_path / "0001-live") if isinstance(line, Removed)]
    assert named == [paths[4].name], "what somebody else has deleted is not said to be deleted by us"


# A full disk


@pytest.mark.usefixtures("one_spared")
def test_below_the_floor_the_oldest_give_way_until_enough_is_free(tmp_path: Path) -> None:
    tiny(tmp_path / "0001-live", 10)
    free = retention.FREE_BYTES_MIN
    assert Retention(tmp_path, MUCH, lambda _: free).keep() == []
    gone = Retention(tmp_path, MUCH, lambda _: free - 25).keep()
    assert [each.why for each in gone] == ["to make room on a full disk"]
    assert len(left(tmp_path)) == 7


def test_a_disk_that_others_fill_does_not_take_the_newest_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "NEWEST_KEPT", 4)
    tiny(tmp_path / "0001-live", 5)
    newest = tiny(tmp_path / "0002-live", 3)
    kept = Retention(tmp_path, MUCH, lambda _: 0)
    for _ in range(3):
        kept.keep()
        kept.make_room()
    assert kept.count == len(left(tmp_path)) == 4
    assert all(path.exists() for path in newest)


@pytest.mark.usefixtures("one_spared")
def test_a_segment_goes_though_the_disk_has_no_room_for_its_line_which_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_record(tmp_path / "0001-simulated", 3, 4, 5)
    kept = Retention(tmp_path, MUCH)
    refuse_lines(monkeypatch)
    gone = kept.make_room()
    assert gone == Gone(folder / "000000000004.parquet", "to make room on a full disk")
    found, record = read(folder)
    assert found == list(range(8, 13))
    assert [problem.split(" is missing")[1] for problem in record.problems] == [
        "; it held inputs 1 to 3", "; it held inputs 4 to 7",
    ]  # fmt: skip
    assert record.why(5) is not None

    monkeypatch.undo()
    kept.keep()
    found, record = read(folder)
    assert found == list(range(8, 13))
    assert ["deleted to make room on a full disk" in problem for problem in record.problems] == [True, True]


def test_a_line_for_which_there_is_no_room_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_record(tmp_path / "run", 3)
    before = (folder / INDEX).read_bytes()

    def refuse(_: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        add_line(folder, Removed("x"))
    assert (folder / INDEX).read_bytes() == before
    assert [type(line).__name__ for line in read_lines(folder)] == ["Segment"]


def test_a_deleted_segment_that_no_line_had_named_is_a_hole_too(tmp_path: Path) -> None:
    """Its writer died between the file and the line; it was deleted since."""
    folder = a_record(tmp_path / "run", 3, 4)
    lines = (folder / INDEX).read_bytes().splitlines(keepends=True)
    (folder / INDEX).write_bytes(lines[1])
    add_line(folder, Removed("000000000001.parquet"))
    (folder / "000000000001.parquet").unlink()
    found, record = read(folder)
    assert found == [4, 5, 6, 7]
    assert [(hole.first, hole.last) for hole in record.holes] == [(1, 3)]


def test_polars_tells_of_a_full_disk_in_its_own_words() -> None:
    with pytest.raises(pl.exceptions.ComputeError) as refused:
        pl.DataFrame({"a": [1]}).write_parquet("/dev/full")
    assert is_full(refused.value)
    assert is_full(FULL)
    assert not is_full(PermissionError(13, "Permission denied"))


# The writer's process


def written(record: Path, run: str, act: Callable[[process.Writing], None], keep_bytes: int = MUCH) -> list[Report]:
    """What a writer says while it does something."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        act(process.Writing(theirs, record / run, keep_bytes))
        theirs.shutdown(socket.SHUT_WR)
        content = b"".join(iter(lambda: ours.recv(1 << 16), b""))
    return [msgspec.msgpack.decode(frame, type=Report) for frame in Frames().take(content)]


class Disk:
    """Has room for no segment until so many of the record's are deleted."""

    def __init__(self, record: Path, monkeypatch: pytest.MonkeyPatch, segments_max: int) -> None:
        write = pl.DataFrame.write_parquet

        def checked(table: pl.DataFrame, path: Path, **options: object) -> None:
            write(table, path, **options)  # type: ignore[call-overload]
            if len(left(record)) > segments_max:
                path.write_bytes(path.read_bytes()[:100])
                raise pl.exceptions.ComputeError("underlying IO error: No space left on device (os error 28)")

        monkeypatch.setattr(pl.DataFrame, "write_parquet", checked)
        monkeypatch.setattr(retention, "ROOM_BYTES", 1)


def add_three(writing: process.Writing) -> None:
    writing._writer.add([1, 2, 3], [Timer(seq, seq) for seq in (1, 2, 3)], size=10)
    writing._close()


@pytest.mark.usefixtures("one_spared")
def test_a_full_disk_takes_the_newest_segment_for_the_oldest_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_record(tmp_path / "0001-simulated", 3, 4, 5)
    Disk(tmp_path, monkeypatch, segments_max=1)
    told = written(tmp_path, "0002-simulated", add_three)
    assert [type(report).__name__ for report in told] == ["Deleted", "Deleted", "Closed"]
    assert {report.why for report in told if isinstance(report, Deleted)} == {"to make room on a full disk"}
    assert left(tmp_path) == ["0001-simulated/000000000008.parquet", "0002-simulated/000000000001.parquet"]
    assert read(tmp_path / "0002-simulated")[0] == [1, 2, 3]
    assert list(tmp_path.glob("*/.staging*")) == []


@pytest.mark.usefixtures("one_spared")
def test_a_disk_that_is_full_of_other_things_keeps_what_is_newest_and_no_half_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_record(tmp_path / "0001-simulated", 3, 4)
    Disk(tmp_path, monkeypatch, segments_max=0)
    with pytest.raises(pl.exceptions.ComputeError):
        written(tmp_path, "0002-simulated", add_three)
    assert left(tmp_path) == ["0001-simulated/000000000004.parquet"]
    assert list(tmp_path.glob("*/.staging*")) == []


def test_segments_that_cannot_be_deleted_are_told_and_the_record_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_record(tmp_path / "0001-simulated", 3)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Retention, "_unlink", refuse)
    told = written(tmp_path, "0002-simulated", add_three, keep_bytes=1)
    assert [type(report).__name__ for report in told] == ["Closed", "Undeleted"]
    assert read(tmp_path / "0002-simulated")[0] == [1, 2, 3]
