"""Segments: whole or not at all, named when they are not, and the oldest go first."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from foresight.errors import RecordRefused
from foresight.events import Timer
from foresight.record import segments
from foresight.record.index import INDEX, Missing, Removed, Segment, add_line, read_lines
from foresight.record.reading import RunRecord
from foresight.record.segments import SegmentWriter
from recorded import Written


def timers(first: int, count: int) -> tuple[list[int], list[Timer]]:
    return list(range(first, first + count)), [Timer(5 * seq, 5 * seq - 1) for seq in range(first, first + count)]


def a_record(folder: Path, *segment_rows: int) -> Path:
    """A record whose segments have so many rows."""
    writer, first = SegmentWriter(folder), 1
    for rows in segment_rows:
        writer.add(*timers(first, rows), size=10)
        writer.close()
        first += rows
    return folder


def read(folder: Path) -> tuple[list[int], RunRecord]:
    record = RunRecord(folder)
    return [seq for seq, _ in record.events()], record


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# Writing


def test_what_is_written_is_read_back_from_several_segments(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3, 4)
    assert [path.name for path in RunRecord(folder).files()] == ["000000000001.parquet", "000000000004.parquet"]
    assert list(RunRecord(folder).events()) == list(zip(*timers(1, 7), strict=True))
    assert read(folder)[1].problems == []


@pytest.mark.parametrize(
    ("limit", "value", "size"), [("SEGMENT_ROWS_MAX", 4, 1), ("SEGMENT_BYTES_MAX", 20, 10), ("SEGMENT_S", 0.0, 1)]
)
def test_a_segment_is_closed_after_so_many_rows_bytes_or_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float, size: int
) -> None:
    monkeypatch.setattr(segments, limit, value)
    writer = SegmentWriter(tmp_path / "run")
    writer.add(*timers(1, 2), size=size)
    assert writer.is_due() == (limit == "SEGMENT_S")
    writer.add(*timers(3, 2), size=size)
    assert writer.is_due()
    closed = writer.close()
    assert closed is not None
    assert closed.last == 4
    assert (tmp_path / "run" / closed.name).exists()


def test_a_segment_stays_open_below_every_limit(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "run")
    writer.add(*timers(1, 2), size=10)
    assert not writer.is_due()
    assert RunRecord(tmp_path / "run").files() == []
    assert 0 < writer.seconds_left() <= segments.SEGMENT_S


STEPS = ("write_parquet", "fsync", "replace", "add_line")


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_refuses_at_the_nth_step_leaves_what_was_closed_and_no_half_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = a_record(tmp_path / "run", 3)
    writer = SegmentWriter(folder)
    writer.add(*timers(4, 5), size=10)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    home = {"write_parquet": pl.DataFrame, "fsync": os, "replace": Path, "add_line": segments}[step]
    monkeypatch.setattr(home, step, refuse)
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    monkeypatch.undo()

    found, record = read(folder)
    assert found == (list(range(1, 9)) if step == "add_line" else [1, 2, 3])
    assert record.problems == []
    assert writer.close() is not None
    assert read(folder)[0] == list(range(1, 9))


def test_a_segment_that_is_written_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """A writer that died between the file and its line, and one that was sent it again with more."""
    folder = a_record(tmp_path / "run", 3)
    writer = SegmentWriter(folder)
    writer.add(*timers(1, 5), size=10)
    writer.close()
    found, record = read(folder)
    assert (found, record.problems) == ([1, 2, 3, 4, 5], [])


# Reading what is not whole


def test_a_flipped_bit_is_named_with_what_the_segment_held_and_the_others_are_given(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3, 4, 2)
    flip_a_bit(folder / "000000000004.parquet")
    found, record = read(folder)
    assert found == [1, 2, 3, 8, 9]
    assert record.problems == [f"segment {folder}/000000000004.parquet is damaged; it held inputs 4 to 7"]
    assert record.why(5) == f"segment {folder}/000000000004.parquet is damaged"
    assert record.why(8) is None


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3, 4)
    (folder / "000000000001.parquet").unlink()
    found, record = read(folder)
    assert found == [4, 5, 6, 7]
    assert record.problems == [f"segment {folder}/000000000001.parquet is missing; it held inputs 1 to 3"]


def test_a_torn_last_segment_is_named(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3, 4)
    last = folder / "000000000004.parquet"
    size = last.stat().st_size
    os.truncate(last, size - 1)
    found, record = read(folder)
    assert found == [1, 2, 3]
    assert record.problems == [f"segment {last} is torn: {size - 1} of {size} bytes; it held inputs 4 to 7"]


def test_a_torn_segment_that_no_index_names_is_named_too(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3)
    (folder / "000000000004.parquet").write_bytes((folder / "000000000001.parquet").read_bytes()[:-9])
    found, record = read(folder)
    assert found == [1, 2, 3]
    assert len(record.problems) == 1
    assert "000000000004.parquet cannot be read" in record.problems[0]


def test_a_torn_line_of_the_index_hides_no_segment_and_the_next_line_stands_alone(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3, 4)
    index = folder / INDEX
    index.write_bytes(index.read_bytes()[:-20])
    found, record = read(folder)
    assert found == list(range(1, 8))
    assert record.problems == [f"line 2 of {index} cannot be read"]
    add_line(folder, Removed("x"))
    assert [type(line) for line in read_lines(folder)] == [Segment, str, Removed]


def test_what_was_lost_is_a_hole_with_its_reason(tmp_path: Path) -> None:
    folder = a_record(tmp_path / "run", 3)
    SegmentWriter(folder).lose(Missing(4, 9, 5, "the disk was full"))
    _, record = read(folder)
    assert record.why(4) == record.why(9) == "5 market inputs were not recorded (the disk was full)"
    assert record.why(10) is None
    assert record.complete_to == 9


def test_a_record_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordRefused, match="this run has no record"):
        RunRecord(tmp_path / "run")


# The same, in a replay


def first_segment(written: Written) -> Path:
    return next(path for path in sorted(written.record.glob("*.parquet")))


def test_a_replay_names_a_damaged_segment_and_tells_how_far_it_is_equal(written: Written) -> None:
    segment = first_segment(written)
    flip_a_bit(segment)
    found = written.replay()
    assert (found.is_equal, found.difference, found.inputs) == (False, None, 0)
    assert found.missing is not None
    assert f"segment {segment} is damaged" in found.missing
    assert found.problems


def test_a_replay_names_a_missing_segment(written: Written) -> None:
    segment = first_segment(written)
    segment.unlink()
    found = written.replay()
    assert found.missing is not None
    assert f"segment {segment} is missing" in found.missing


def test_a_replay_without_the_last_segment_is_equal_up_to_it_and_says_so(written: Written) -> None:
    split(written.record)
    last = max(written.record.glob("*.parquet"))
    os.truncate(last, last.stat().st_size // 2)
    found = written.replay()
    assert (found.is_equal, found.difference) == (False, None)
    assert found.inputs >= 10_000
    assert found.missing is not None
    assert f"segment {last} is torn" in found.missing


def split(folder: Path) -> None:
    """The same record in segments of 10,000 rows."""
    events = list(RunRecord(folder).events())
    shutil.rmtree(folder)
    writer = SegmentWriter(folder)
    for at in range(0, len(events), 10_000):
        seqs, found = zip(*events[at : at + 10_000], strict=True)
        writer.add(list(seqs), list(found), size=1)
        writer.close()
