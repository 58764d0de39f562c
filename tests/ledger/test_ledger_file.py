"""A run's ledger file is believed only while it is level with the journal; it is replaced whole or not at all."""

import errno
import sqlite3
from pathlib import Path

import pytest

from foresight.effects import Journal, LedgerEntry
from foresight.errors import JournalRefused, LedgerRefused
from foresight.ledger.projection import Projection, read_position, read_trades
from foresight.runtime import ledger_file
from foresight.runtime.journal import JournalWriter, ledger_entries
from foresight.runtime.ledger_file import rebuild_ledger, run_trades
from ledger.test_projection import HISTORY


class Silent:
    """A ledger that never gets further."""

    def apply(self, entries: list[tuple[int, int, LedgerEntry]]) -> None:
        """Takes entries and keeps none."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with a journal of a closed trade and an open one, and no ledger."""
    writer = JournalWriter(tmp_path / "journal.sqlite", Silent())
    for _, at_ns, entry in HISTORY:
        writer.append(Journal(0, at_ns, entry))
    writer.close()
    return tmp_path


def a_ledger(run: Path, *, entries: int) -> Path:
    """A ledger file that holds so many of the journal's entries."""
    projection = Projection(run / "ledger.sqlite")
    projection.apply(list(ledger_entries(run / "journal.sqlite"))[:entries])
    projection.close()
    return run / "ledger.sqlite"


def states(run: Path, *, is_running: bool = False) -> list[tuple[str, str]]:
    return [(row.trade_id, row.state) for row in run_trades(run, is_running=is_running)]


WHOLE = [("t1", "closed"), ("t2", "open")]


@pytest.mark.parametrize("entries", range(4))
def test_a_ledger_behind_its_journal_is_caught_up(run: Path, entries: int) -> None:
    """Invariant 6, as far as it is built."""
    path = a_ledger(run, entries=entries)
    assert states(run) == WHOLE
    assert read_position(path) == 4


def test_a_ledger_level_with_its_journal_is_read_as_it_is(run: Path) -> None:
    path = a_ledger(run, entries=4)
    before = path.read_bytes()
    assert states(run) == WHOLE
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_an_empty_or_damaged_ledger_is_made_anew(run: Path, content: bytes) -> None:
    (run / "ledger.sqlite").write_bytes(content)
    assert states(run) == WHOLE
    assert len(read_trades(run / "ledger.sqlite")) == 2


@pytest.mark.parametrize("statement", ["DROP TABLE trades", "UPDATE trades SET state = NULL"])
def test_a_ledger_at_the_right_place_whose_trades_cannot_be_read_is_made_anew(run: Path, statement: str) -> None:
    path = a_ledger(run, entries=4)
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert states(run) == WHOLE


def test_a_deleted_ledger_whose_write_ahead_log_was_left_is_made_anew(run: Path) -> None:
    projection = Projection(run / "ledger.sqlite")
    projection.apply(list(ledger_entries(run / "journal.sqlite"))[:2])
    (run / "ledger.sqlite").unlink()
    assert (run / "ledger.sqlite-wal").stat().st_size > 0
    assert states(run) == WHOLE
    projection.close()
    assert states(run) == WHOLE


def test_while_a_bot_runs_the_journal_is_folded_and_nothing_is_written(run: Path) -> None:
    path = a_ledger(run, entries=2)
    before = path.read_bytes()
    assert states(run, is_running=True) == WHOLE
    assert path.read_bytes() == before
    path.unlink()
    assert states(run, is_running=True) == WHOLE
    assert not path.exists()


def test_a_rebuild_that_fails_leaves_the_old_file_and_nothing_else(run: Path) -> None:
    path = a_ledger(run, entries=2)
    before, names = path.read_bytes(), sorted(run.glob("*ledger*"))
    connection = sqlite3.connect(run / "journal.sqlite")
    connection.execute("UPDATE journal SET body = body || ' ' WHERE seq = 3")
    connection.commit()
    connection.close()
    with pytest.raises(JournalRefused, match="entry 3 is damaged"):
        rebuild_ledger(run)
    assert (path.read_bytes(), sorted(run.glob("*ledger*"))) == (before, names)


class Full(Projection):
    """A disk that is full when the file is written."""

    def rebuild(self, entries: object) -> object:  # type: ignore[override]
        raise sqlite3.OperationalError("database or disk is full")


def test_a_disk_that_refuses_the_new_ledger_leaves_the_old_one_and_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_ledger(run, entries=2)
    before = path.read_bytes()
    monkeypatch.setattr(ledger_file, "Projection", Full)
    with pytest.raises(LedgerRefused, match=r"cannot be made: database or disk is full; the journal .* as it was"):
        run_trades(run, is_running=False)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert states(run) == WHOLE


@pytest.mark.parametrize("number", range(1, 5))
def test_a_step_of_the_replacement_that_is_refused_is_made_good_by_the_next_reading(
    run: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three removals and one renaming, refused in turn."""
    a_ledger(run, entries=2)
    left = number

    def refusing(method: object) -> object:
        def call(path: Path, *words: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(errno.EIO, "Input/output error", str(path))
            return method(path, *words, **options)  # type: ignore[operator]

        return call

    with monkeypatch.context() as disk:
        disk.setattr(Path, "unlink", refusing(Path.unlink))
        disk.setattr(Path, "replace", refusing(Path.replace))
        with pytest.raises(LedgerRefused, match="Input/output error"):
            rebuild_ledger(run)
    assert states(run) == WHOLE
    assert not list(run.glob(".ledger-*"))


@pytest.mark.parametrize("is_running", [True, False])
def test_a_run_whose_folder_or_journal_is_gone_is_refused(tmp_path: Path, is_running: bool) -> None:
    with pytest.raises(JournalRefused, match=r"journal\.sqlite does not exist"):
        run_trades(tmp_path, is_running=is_running)
    with pytest.raises(JournalRefused, match=r"journal\.sqlite does not exist"):
        run_trades(tmp_path / "gone", is_running=is_running)
