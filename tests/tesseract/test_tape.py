"""The tape: what it keeps, what it forgets, and that whoever has its files reads the same."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tesseract import Tape, tape
from tesseract.tape import SEGMENT_NS, Taped, read_tape

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS


@pytest.fixture
def kept() -> Iterator[Tape]:
    """A tape of an hour."""
    found = Tape(HOUR_NS)
    yield found
    found.close()


def open_files() -> int:
    """The descriptors of tapes that this process has open."""
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(file.readlink()).startswith("/memfd:tape")
    return found


def test_inputs_come_back_in_their_order_with_what_was_decided_on_them(kept: Tape) -> None:
    first = kept.add("btc", 100, b"one")
    second = kept.add("eth", 200, b"two")
    kept.decided(second, 200, b"buy")
    kept.decided(first, 300, b"wait")
    third = kept.add("btc", 400, b"three")

    assert read_tape(kept.parts()) == [
        Taped(first, "btc", 100, b"one", b"wait"),
        Taped(second, "eth", 200, b"two", b"buy"),
        Taped(third, "btc", 400, b"three", None),
    ]


def test_numbers_count_all_inputs_ever(kept: Tape) -> None:
    assert [kept.add("k", at, b"") for at in (1, 2, 3)] == [1, 2, 3]
    assert kept.number == 3


def test_an_empty_tape_has_no_parts_and_no_span(kept: Tape) -> None:
    assert (kept.parts(), kept.span_ns, kept.bytes, read_tape([])) == ([], 0, 0, [])


def test_only_inputs_since_a_time_are_read_and_their_decisions_with_them(kept: Tape) -> None:
    early = kept.add("k", 100, b"early")
    late = kept.add("k", 200, b"late")
    kept.decided(early, 250, b"buy")
    kept.decided(late, 250, b"sell")

    assert read_tape(kept.parts(), from_ns=200) == [Taped(late, "k", 200, b"late", b"sell")]
    assert read_tape(kept.parts(), from_ns=201) == []


def test_a_part_is_as_it_was_when_it_was_asked_for(kept: Tape) -> None:
    kept.add("k", 100, b"one")
    parts = kept.parts()

    kept.add("k", 200, b"two")

    assert [taped.given for taped in read_tape(parts)] == [b"one"]
    assert [taped.given for taped in read_tape(kept.parts())] == [b"one", b"two"]


def test_another_owner_of_the_files_reads_the_same_after_the_tape_is_gone() -> None:
    kept = Tape(HOUR_NS)
    kept.add("k", 100, b"one")
    theirs = [(os.dup(file), size) for file, size in kept.parts()]

    kept.close()

    assert [taped.given for taped in read_tape(theirs)] == [b"one"]
    for file, _ in theirs:
        os.close(file)


def test_whoever_has_the_files_cannot_write_into_them(kept: Tape) -> None:
    kept.add("k", 100, b"one")
    ((file, _),) = kept.parts()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(file, b"forged")


def test_an_hour_of_inputs_is_kept_and_goes_a_file_at_a_time(kept: Tape) -> None:
    for at in range(0, 3 * HOUR_NS, 5 * SECOND_NS):
        kept.add("k", at, b"x" * 100)

    oldest = read_tape(kept.parts())[0].at_ns
    newest = 3 * HOUR_NS - 5 * SECOND_NS
    assert HOUR_NS <= newest - oldest <= HOUR_NS + 2 * SEGMENT_NS
    assert kept.span_ns == newest - oldest


def test_the_tape_does_not_grow_after_its_time_neither_in_bytes_nor_in_files(kept: Tape) -> None:
    sizes = []
    for hour in range(1, 5):
        for at in range((hour - 1) * HOUR_NS, hour * HOUR_NS, 5 * SECOND_NS):
            kept.decided(kept.add("k", at, b"x" * 100), at, b"d")
        sizes.append((kept.bytes, len(kept.parts()), open_files()))

    assert max(size for size, _, _ in sizes[1:]) < sizes[1][0] * 1.1
    assert len({files for _, *files_of in sizes[2:] for files in [tuple(files_of)]}) == 1


def test_over_its_size_the_oldest_goes_first_whatever_its_age(monkeypatch: pytest.MonkeyPatch, kept: Tape) -> None:
    monkeypatch.setattr(tape, "BYTES_MAX", 10_000)
    monkeypatch.setattr(tape, "SEGMENT_BYTES_MAX", 1_000)

    for at in range(100):
        kept.add("k", at, b"x" * 500)

    assert kept.bytes <= 10_000 + 2_000
    assert read_tape(kept.parts())[-1].at_ns == 99
    assert read_tape(kept.parts())[0].at_ns > 50


def test_parts_that_end_before_a_time_are_left_out(kept: Tape) -> None:
    kept.add("k", 0, b"one")
    kept.add("k", SEGMENT_NS, b"two")

    assert len(kept.parts()) == 2
    assert [taped.given for taped in read_tape(kept.parts(from_ns=1))] == [b"two"]


def test_a_decision_without_its_input_is_left_out(kept: Tape) -> None:
    kept.decided(7, 100, b"buy")

    assert read_tape(kept.parts()) == []


def test_closing_the_tape_closes_its_files() -> None:
    before = open_files()
    kept = Tape(HOUR_NS)
    for at in range(3):
        kept.add("k", at * SEGMENT_NS, b"x")
    assert open_files() > before

    kept.close()

    assert open_files() == before
