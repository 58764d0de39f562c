"""What did not parse: counted every time, the first of a kind kept, and never too much of it."""

from pathlib import Path

import msgspec
import pytest

from feeds.feed_fakes import nowhere
from foresight.feeds.rejects import BYTES_KEPT_MAX, KINDS_KEPT_MAX, WRITES_WAITING_MAX, Reject, Rejects


def kept(folder: Path) -> dict[str, Reject]:
    return {path.name: msgspec.json.decode(path.read_bytes(), type=Reject) for path in folder.iterdir()}


def test_every_one_is_counted_and_the_first_of_a_kind_is_kept(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects")
    rejects.take("clob not-json", "expected a value", b"{", 5)
    rejects.take("clob not-json", "another", b"[", 6)
    rejects.take("binance.unknown", "stream", b"{}", 7)
    rejects.write()
    assert rejects.counts == {"clob not-json": 2, "binance.unknown": 1}
    assert kept(tmp_path / "rejects") == {
        "clob_not-json.json": Reject("clob not-json", "expected a value", 5, 1, "{"),
        "binance.unknown.json": Reject("binance.unknown", "stream", 7, 2, "{}"),
    }


@pytest.mark.parametrize(("length", "shown"), [(BYTES_KEPT_MAX, BYTES_KEPT_MAX), (BYTES_KEPT_MAX + 1, BYTES_KEPT_MAX)])
def test_of_a_long_frame_the_beginning_is_kept_and_its_length_told(tmp_path: Path, length: int, shown: int) -> None:
    rejects = Rejects(tmp_path)
    rejects.take("long", "too long", b"x" * length, 0)
    rejects.write()
    [reject] = kept(tmp_path).values()
    assert (reject.bytes, len(reject.frame)) == (length, shown)


def test_bytes_that_are_no_text_can_still_be_read(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path)
    rejects.take("odd", "no text", b"\xff\x00ok", 0)
    rejects.write()
    assert next(iter(kept(tmp_path).values())).frame == "\\xff\x00ok"


def test_no_kind_can_leave_the_folder(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects")
    rejects.take("../../escape", "why", b"{}", 0)
    rejects.write()
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "rejects"]


def test_kinds_that_differ_only_in_odd_letters_have_files_of_their_own(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path)
    for kind in ("a:b", "a b", "a_b"):
        rejects.take(kind, "why", kind.encode(), 0)
    rejects.write()
    assert {reject.kind for reject in kept(tmp_path).values()} == {"a:b", "a b", "a_b"}


def test_no_more_kinds_are_kept_than_the_limit_and_all_are_counted(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path)
    for number in range(KINDS_KEPT_MAX + 1):
        rejects.take(f"kind {number}", "why", b"{}", 0)
        if number % WRITES_WAITING_MAX == WRITES_WAITING_MAX - 1:
            rejects.write()
    rejects.write()
    assert len(kept(tmp_path)) == KINDS_KEPT_MAX
    assert len(rejects.counts) == KINDS_KEPT_MAX + 1


def test_a_disk_that_refuses_loses_nothing(tmp_path: Path) -> None:
    rejects = Rejects(nowhere(tmp_path / "rejects"))
    rejects.take("first", "why", b"1", 0)
    rejects.take("second", "why", b"2", 0)
    with pytest.raises(OSError, match="exists"):
        rejects.write()
    (tmp_path / "rejects").unlink()
    rejects.write()
    assert {reject.frame for reject in kept(tmp_path / "rejects").values()} == {"1", "2"}


def test_a_kind_for_which_there_was_no_room_is_kept_when_it_comes_again(tmp_path: Path) -> None:
    rejects = Rejects(nowhere(tmp_path / "rejects"))
    for number in range(WRITES_WAITING_MAX + 1):
        rejects.take(f"kind {number}", "why", b"{}", 0)
    (tmp_path / "rejects").unlink()
    rejects.write()
    rejects.take(f"kind {WRITES_WAITING_MAX}", "why", b"again", 0)
    rejects.write()
    assert len(kept(tmp_path / "rejects")) == WRITES_WAITING_MAX + 1
