"""The ledger's file: what the fold says, in rows; made anew from the journal at any time; never half-way."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from foresight.effects import Deposited, LedgerEntry
from foresight.errors import LedgerRefused
from foresight.ledger.projection import Projection, fold_trades, read_position, read_trades
from foresight.money import MICROS
from ledger.entry_builders import a_fill, a_settlement

HISTORY: list[tuple[int, int, LedgerEntry]] = [
    (1, 10, Deposited(100 * MICROS)),
    (3, 20, a_fill(trade="t1")),
    (4, 30, a_fill(trade="t2")),
    (7, 40, a_settlement(trade="t1")),
]


@contextmanager
def a_projection(path: Path) -> Iterator[Projection]:
    projection = Projection(path)
    try:
        yield projection
    finally:
        projection.close()


def test_open_and_closed_trades_stand_in_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with a_projection(path) as projection:
        projection.apply(HISTORY)
        closed, still_open = read_trades(path)
    assert (closed.trade_id, closed.state, closed.closed_by, closed.settled_by) == (
        "t1",
        "closed",
        "settlement",
        "official",
    )
    assert closed.pnl_micros == closed.payout_micros - closed.bought_micros - closed.fees_micros
    assert (still_open.trade_id, still_open.state, still_open.pnl_micros) == ("t2", "open", None)


def test_a_rebuilt_file_says_the_same_as_one_that_grew(tmp_path: Path) -> None:
    with a_projection(tmp_path / "grown") as grown, a_projection(tmp_path / "rebuilt") as rebuilt:
        for item in HISTORY:
            grown.apply([item])
        rebuilt.apply(HISTORY[:2])
        books = rebuilt.rebuild(HISTORY)
        assert read_trades(tmp_path / "grown") == read_trades(tmp_path / "rebuilt")
    assert books.trades == 1


class Refusing:
    """A connection that refuses its n-th statement, once, or that one and every rollback after it."""

    def __init__(self, real: sqlite3.Connection, number: int, *, also_rollback: bool = False) -> None:
        self._real = real
        self._left = number
        self._also_rollback = also_rollback

    def execute(self, *words: object) -> object:
        self._left -= 1
        if self._left == 0 or (self._also_rollback and words == ("ROLLBACK",)):
            raise sqlite3.OperationalError("database or disk is full")
        return self._real.execute(*words)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def close(self) -> None:
        self._real.close()


class Ending:
    """A connection whose database ends the transaction by itself when it refuses, as SQLite does on a full disk."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real

    def execute(self, *words: object) -> object:
        if words != ("BEGIN",):
            self._real.execute("ROLLBACK")
            raise sqlite3.OperationalError("the database ended the transaction")
        return self._real.execute("BEGIN")

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction


@pytest.mark.parametrize("number", range(2, 12))
def test_a_write_that_fails_at_the_nth_statement_leaves_the_file_and_the_fold_as_they_were(
    tmp_path: Path, number: int
) -> None:
    path = tmp_path / "ledger.sqlite"
    with a_projection(path) as projection:
        projection.apply(HISTORY[:2])
        before = read_trades(path)
        projection._connection = Refusing(projection._connection, number)  # type: ignore[assignment]
        try:
            projection.apply(HISTORY[2:])
        except sqlite3.OperationalError:
            assert read_trades(path) == before
            projection.apply(HISTORY[2:])
        assert [row.state for row in read_trades(path)] == ["closed", "open"]


@pytest.mark.parametrize("number", range(2, 8))
def test_a_disk_that_refuses_a_write_and_its_rollback_too_leaves_no_half_of_it(tmp_path: Path, number: int) -> None:
    path = tmp_path / "ledger.sqlite"
    with a_projection(path) as projection:
        projection.apply(HISTORY[:2])
        before = read_trades(path)
        real = projection._connection
        projection._connection = Refusing(real, number, also_rollback=True)  # type: ignore[assignment]
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            projection.apply(HISTORY[2:])
        projection._connection = real
        assert read_trades(path) == before
        projection.apply(HISTORY[2:])
        assert [row.state for row in read_trades(path)] == ["closed", "open"]


def test_entries_that_cannot_be_read_begin_nothing_that_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with a_projection(path) as projection:
        real = projection._connection
        projection._connection = Ending(real)  # type: ignore[assignment]
        with pytest.raises(sqlite3.OperationalError, match="ended the transaction"):
            projection.apply(HISTORY)
        projection._connection = real
        assert read_trades(path) == []
        projection.apply(HISTORY)
        assert len(read_trades(path)) == 2


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerRefused, match="delete this file, and it is made anew"):
        read_trades(path)
    with pytest.raises(LedgerRefused, match="cannot be opened for writing"):
        Projection(path)


def test_a_position_that_is_no_number_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE position (seq TEXT); INSERT INTO position VALUES ('far along')")
    connection.close()
    with pytest.raises(LedgerRefused, match="delete this file, and it is made anew"):
        read_position(path)


def test_the_fold_in_memory_gives_the_rows_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with a_projection(path) as projection:
        for number, item in enumerate(HISTORY, start=1):
            projection.apply([item])
            assert fold_trades(HISTORY[:number]) == read_trades(path)
            assert read_position(path) == item[0]


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%41b", "a?mode=rwc"])
def test_a_ledger_is_read_below_any_folder_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "ledger.sqlite"
    path.parent.mkdir()
    with a_projection(path) as projection:
        projection.apply(HISTORY)
    assert len(read_trades(path)) == 2


def test_a_ledger_that_is_missing_or_cannot_be_made_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(LedgerRefused, match="cannot be read"):
        read_trades(path)
    with pytest.raises(LedgerRefused, match="cannot be read"):
        read_position(path)
    assert not path.exists()
    with pytest.raises(LedgerRefused, match="cannot be opened for writing"):
        Projection(tmp_path / "no folder" / "ledger.sqlite")
