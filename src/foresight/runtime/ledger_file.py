"""The ledger's file of one run: read while it is true, and made anew from the journal when it is not."""

import sqlite3
import tempfile
from pathlib import Path

from foresight.errors import LedgerRefused
from foresight.ledger.projection import Projection, TradeRow, fold_trades, read_position, read_trades
from foresight.runtime.journal import last_ledger_seq, ledger_entries

SIDE_FILES = ("", "-wal", "-shm")
"""What belongs to one SQLite file. A `-wal` left behind would be read into the file that takes the old one's place."""


def run_trades(run: Path, *, is_running: bool) -> list[TradeRow]:
    """All trades of a run, oldest first. While a bot runs they are folded from its journal in memory and its ledger is
    left alone; afterwards they come from the ledger's file, which is first made anew where it is not true.

    Raises JournalRefused for a journal that is missing or damaged, and LedgerRefused for a file that cannot be made.
    """
    if is_running:
        return fold_trades(ledger_entries(run / "journal.sqlite"))
    rows = _true_rows(run)
    return read_trades(rebuild_ledger(run)) if rows is None else rows


def rebuild_ledger(run: Path) -> Path:
    """Makes the ledger of a run anew from its journal and returns its path; no bot may be writing it. The new file
    takes the old one's place only when it is whole. Raises JournalRefused, or LedgerRefused for a disk that refuses."""
    path = run / "ledger.sqlite"
    try:
        with tempfile.TemporaryDirectory(dir=run, prefix=".ledger-") as folder:
            staging = Path(folder) / path.name
            _write(staging, run / "journal.sqlite")
            for suffix in SIDE_FILES:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            staging.replace(path)
    except (sqlite3.Error, OSError) as error:
        raise LedgerRefused(f"{path} cannot be made: {error}; the journal beside it is as it was") from None
    return path


def _true_rows(run: Path) -> list[TradeRow] | None:
    """The rows of the ledger's file; None where it is missing, damaged or not level with its journal."""
    path, last = run / "ledger.sqlite", last_ledger_seq(run / "journal.sqlite")
    try:
        return read_trades(path) if read_position(path) == last else None
    except LedgerRefused:
        return None


def _write(path: Path, journal: Path) -> None:
    projection = Projection(path)
    try:
        projection.rebuild(ledger_entries(journal))
    finally:
        projection.close()
