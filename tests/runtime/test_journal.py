"""The journal: what is appended is whole and in order on disk, whatever the disk does in between."""

import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from foresight.effects import Commanded, Deposited, Journal, JournalEntry, LedgerEntry
from foresight.errors import JournalRefused
from foresight.ledger.projection import Projection
from foresight.runtime import journal as module
from foresight.runtime.journal import JournalWriter, last_ledger_seq, ledger_entries, read_journal


class Ledger:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, LedgerEntry]] = []

    def apply(self, entries: list[tuple[int, int, LedgerEntry]]) -> None:
        self.taken += entries


@contextmanager
def a_writer(path: Path, ledger: Ledger | Projection | None = None) -> Iterator[JournalWriter]:
    writer = JournalWriter(path, ledger or Ledger())
    try:
        yield writer
    finally:
        writer.close()


def an_entry(number: int) -> JournalEntry:
    return Deposited(number) if number % 2 else Commanded("halt", f"number {number}")


def soon(is_true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not is_true() and time.monotonic() < until:
        time.sleep(0.01)
    return is_true()


class Refusing:
    """A connection that refuses its n-th statement and each that follows, until told otherwise."""

    def __init__(self, real: sqlite3.Connection, allowed: int) -> None:
        self._real = real
        self.allowed = allowed

    def execute(self, *words: object) -> object:
        self._spend()
        return self._real.execute(*words)  # type: ignore[arg-type]

    def executemany(self, *words: object) -> object:
        self._spend()
        return self._real.executemany(*words)  # type: ignore[arg-type]

    def _spend(self) -> None:
        if self.allowed <= 0:
            raise sqlite3.OperationalError("database or disk is full")
        self.allowed -= 1

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def close(self) -> None:
        self._real.close()


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with a_writer(path) as writer:
        for number in range(1, 300):
            writer.append(Journal(number * 10, number, an_entry(number)))
    records = list(read_journal(path))
    assert [record.seq for record in records] == list(range(1, 300))
    assert [record.input_seq for record in records] == [number * 10 for number in range(1, 300)]
    assert [record.entry for record in records] == [an_entry(number) for number in range(1, 300)]


def test_the_ledger_is_told_of_its_entries_only_and_after_they_are_durable(tmp_path: Path) -> None:
    path, ledger = tmp_path / "journal.sqlite", Ledger()
    with a_writer(path, ledger) as writer:
        for number in range(1, 9):
            writer.append(Journal(0, number, an_entry(number)))
    assert ledger.taken == list(ledger_entries(path))
    assert [seq for seq, _, _ in ledger.taken] == [1, 3, 5, 7]


def test_a_second_writer_goes_on_with_the_numbers_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for number in (1, 2):
        with a_writer(path) as writer:
            writer.append(Journal(0, number, an_entry(number)))
    assert [record.seq for record in read_journal(path)] == [1, 2]


@pytest.mark.parametrize("allowed", range(4))
def test_a_disk_that_refuses_at_the_nth_write_loses_nothing_and_is_told(
    tmp_path: Path, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begin, insert and commit are refused in turn; then the disk takes writes again."""
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    path = tmp_path / "journal.sqlite"
    with a_writer(path) as writer:
        refusing = Refusing(writer._connection, allowed)
        writer._connection = refusing  # type: ignore[assignment]
        writer.append(Journal(0, 1, an_entry(1)))
        if allowed < 3:
            assert soon(lambda: writer.failure is not None)
            assert "disk is full" in str(writer.failure)
        writer.append(Journal(0, 2, an_entry(2)))
        refusing.allowed = 10**6
        assert soon(lambda: writer.failure is None and not writer._waiting)
    assert [record.entry for record in read_journal(path)] == [an_entry(1), an_entry(2)]


def test_a_writer_that_cannot_write_at_its_end_says_how_many_entries_are_not_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    writer = JournalWriter(tmp_path / "journal.sqlite", Ledger())
    writer._connection = Refusing(writer._connection, 0)  # type: ignore[assignment]
    for number in range(3):
        writer.append(Journal(0, number, an_entry(number)))
    with pytest.raises(JournalRefused, match=r"database or disk is full\); its last 3 entries are in"):
        writer.close()
    lines = [msgspec.json.decode(line) for line in (tmp_path / "journal.spill.jsonl").read_bytes().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]


def test_a_disk_that_comes_back_while_the_bot_leaves_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    path = tmp_path / "journal.sqlite"
    writer = JournalWriter(path, Ledger())
    refusing = Refusing(writer._connection, 0)
    writer._connection = refusing  # type: ignore[assignment]
    writer.append(Journal(0, 1, an_entry(1)))
    timer = threading.Timer(0.2, lambda: setattr(refusing, "allowed", 10**6))
    timer.start()
    writer.close()
    timer.join()
    assert len(list(read_journal(path))) == 1


def test_any_failure_of_the_writer_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that cannot be encoded must not look like a journal that works."""
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    writer = JournalWriter(tmp_path / "journal.sqlite", Ledger())
    writer.append(Journal(0, 1, Commanded("halt", "\udcff")))
    assert soon(lambda: writer.problem() is not None)
    assert "UnicodeEncodeError" in str(writer.problem())
    assert writer._thread.is_alive()
    writer._waiting.clear()
    writer.close()


def test_a_disk_that_does_not_answer_counts_as_one_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALL_S", 0.0)
    with a_writer(tmp_path / "journal.sqlite") as writer:
        monkeypatch.setattr(writer, "_write_waiting", lambda: None)
        assert writer.problem() is None
        writer.append(Journal(0, 1, an_entry(1)))
        assert soon(lambda: writer.problem() is not None)
        assert "has not answered" in str(writer.problem())
        monkeypatch.undo()


def test_a_journal_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalRefused, match="cannot be opened for writing"):
        JournalWriter(tmp_path / "no folder" / "journal.sqlite", Ledger())


def test_too_many_waiting_entries_stop_the_process_rather_than_lose_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    writer = JournalWriter(tmp_path / "journal.sqlite", Ledger())
    real = writer._connection
    refusing = Refusing(real, 0)
    writer._connection = refusing  # type: ignore[assignment]
    writer.append(Journal(0, 1, an_entry(1)))
    writer.append(Journal(0, 2, an_entry(2)))
    with pytest.raises(JournalRefused, match="2 entries wait for the disk"):
        writer.append(Journal(0, 3, an_entry(3)))
    refusing.allowed = 10**6
    writer.close()
    assert len(list(read_journal(tmp_path / "journal.sqlite"))) == 2


def _spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE journal SET body = body || ' ' WHERE seq = 2", "entry 2 is damaged; 1 before it are whole"),
        ("DELETE FROM journal WHERE seq = 2", "entry 2 is missing; 1 before it are whole"),
        ("DROP TABLE journal", "cannot be read"),
    ],
)
def test_a_damaged_journal_is_refused_where_the_damage_is(tmp_path: Path, statement: str, sentence: str) -> None:
    path = tmp_path / "journal.sqlite"
    with a_writer(path) as writer:
        for number in range(1, 4):
            writer.append(Journal(0, number, an_entry(number)))
    _spoil(path, statement)
    with pytest.raises(JournalRefused, match=sentence):
        list(read_journal(path))


def test_a_journal_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalRefused, match="does not exist"):
        list(read_journal(tmp_path / "journal.sqlite"))


def test_an_entry_of_an_unknown_kind_is_refused_with_its_number_and_those_before_it_are_given(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with a_writer(path) as writer:
        for number in range(1, 4):
            writer.append(Journal(0, number, an_entry(number)))
    body = '{"type":"Foretold","by":"a later version"}'
    _spoil(path, f"UPDATE journal SET body = '{body}', crc = {zlib.crc32(body.encode())} WHERE seq = 3")
    read = read_journal(path)
    assert [next(read).entry, next(read).entry] == [an_entry(1), an_entry(2)]
    with pytest.raises(JournalRefused, match="entry 3 is of a kind that this version does not know; 2 before it are"):
        next(read)


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%41b", "a?mode=rwc"])
def test_a_journal_is_read_below_any_folder_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "journal.sqlite"
    path.parent.mkdir()
    with a_writer(path) as writer:
        writer.append(Journal(0, 1, an_entry(1)))
    assert len(list(read_journal(path))) == 1


def test_a_journal_that_sqlite_cannot_open_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").mkdir()
    with pytest.raises(JournalRefused, match="cannot be read"):
        list(read_journal(tmp_path / "journal.sqlite"))


def test_the_last_entry_of_the_ledger_is_found_among_the_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with a_writer(path) as writer:
        assert last_ledger_seq(path) == 0
        for number in range(1, 7):
            writer.append(Journal(0, number, an_entry(number)))
    assert last_ledger_seq(path) == 5
    with pytest.raises(JournalRefused, match="does not exist"):
        last_ledger_seq(tmp_path / "other.sqlite")
