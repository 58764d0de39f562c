"""The ledger as an SQLite file: a projection of the journal, made for reading. It can be deleted and rebuilt.

Amounts are integer micros. One table of trades, open and closed, one of every ledger entry with the account after it,
and the number of the journal entry up to which the file is true.
"""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from foresight.effects import Deposited, LedgerEntry
from foresight.errors import LedgerRefused
from foresight.ledger.books import Books, Position, Trade, fold

SCHEMA = """
CREATE TABLE IF NOT EXISTS trades (
    trade_id TEXT PRIMARY KEY, slot TEXT, market TEXT, outcome TEXT, state TEXT, opened_ns INTEGER, closed_ns INTEGER,
    shares_micros INTEGER, bought_micros INTEGER, sold_micros INTEGER, fees_micros INTEGER, payout_micros INTEGER,
    pnl_micros INTEGER, winner TEXT, closed_by TEXT, settled_by TEXT, release TEXT, revision INTEGER, source TEXT,
    assumed TEXT
);
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, at_ns INTEGER, kind TEXT, body TEXT, cash_micros INTEGER, open_cost_micros INTEGER,
    realised_micros INTEGER
);
CREATE TABLE IF NOT EXISTS position (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER);
"""


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `trades`. `state` is `open` or `closed`; the columns about the end are None while it is open."""

    trade_id: str
    slot: str
    market: str
    outcome: str
    state: str
    opened_ns: int
    closed_ns: int | None
    shares_micros: int
    bought_micros: int
    sold_micros: int
    fees_micros: int
    payout_micros: int
    pnl_micros: int | None
    winner: str | None
    closed_by: str | None
    settled_by: str | None
    release: str
    revision: int
    source: str
    assumed: str


class Projection:
    """Writes one ledger file. Not safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made where there is none. Raises LedgerRefused when it cannot be written."""
        self._connection = _opened(path)
        self._books = Books()

    def rebuild(self, entries: Iterable[tuple[int, int, LedgerEntry]]) -> Books:
        """Empties the file and folds the whole journal into it. Entries are (seq, at_ns, entry)."""
        self._connection.execute("BEGIN")
        for table in ("trades", "entries", "position"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand one line above
        self._books = Books()
        for seq, at_ns, entry in entries:
            self._apply(seq, at_ns, entry)
        self._connection.execute("COMMIT")
        return self._books

    def apply(self, entries: Iterable[tuple[int, int, LedgerEntry]]) -> None:
        """Folds further entries in one transaction; when it fails, neither the file nor the fold has moved."""
        before = self._books
        if self._connection.in_transaction:  # a refusing disk can refuse the rollback too
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN")
        try:
            for seq, at_ns, entry in entries:
                self._apply(seq, at_ns, entry)
            self._connection.execute("COMMIT")
        except BaseException:  # raised again: whatever came, no half of it stays
            self._books = before
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._connection.close()

    def _apply(self, seq: int, at_ns: int, entry: LedgerEntry) -> None:
        self._books, row = _folded(self._books, at_ns, entry)
        books = self._books
        self._connection.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                seq,
                at_ns,
                type(entry).__name__,
                msgspec.json.encode(entry).decode(),
                books.cash_micros,
                books.open_cost_micros(),
                books.realised_micros,
            ),
        )
        if row is not None:
            self._put(row)
        self._connection.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (seq,))

    def _put(self, row: TradeRow) -> None:
        values = msgspec.structs.astuple(row)
        places = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT OR REPLACE INTO trades VALUES ({places})", values)  # noqa: S608 - only `?`


def fold_trades(entries: Iterable[tuple[int, int, LedgerEntry]]) -> list[TradeRow]:
    """The trades that a ledger file of these entries would hold, oldest first; made in memory."""
    books = Books()
    rows: dict[str, TradeRow] = {}
    for _, at_ns, entry in entries:
        books, row = _folded(books, at_ns, entry)
        if row is not None:
            rows[row.trade_id] = row
    return sorted(rows.values(), key=lambda row: (row.opened_ns, row.trade_id))


def read_trades(path: Path) -> list[TradeRow]:
    """All trades of a ledger file, oldest first. Opens it read-only, so it may be read while the bot writes. Raises
    LedgerRefused for a file that is missing or damaged."""
    columns = ", ".join(TradeRow.__struct_fields__)
    rows = _selected(path, f"SELECT {columns} FROM trades ORDER BY opened_ns, trade_id")  # noqa: S608 - ours
    try:
        return [msgspec.convert(row, TradeRow, from_attributes=False, strict=False) for row in map(_named, rows)]
    except msgspec.ValidationError as error:
        raise _damaged(path, error) from None


def read_position(path: Path) -> int:
    """The number of the journal entry up to which a ledger file is true, 0 for an empty one. Raises LedgerRefused for a
    file that is missing or damaged."""
    [[seq]] = _selected(path, "SELECT coalesce(max(seq), 0) FROM position")
    try:
        return msgspec.convert(seq, int)
    except msgspec.ValidationError as error:
        raise _damaged(path, error) from None


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise LedgerRefused(f"{path} cannot be opened for writing: {error}") from None
    return connection


def _selected(path: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of a query on a ledger file that is opened read-only."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> LedgerRefused:
    return LedgerRefused(
        f"{path} cannot be read: {error}; the journal is the truth: delete this file, and it is made anew"
    )


def _folded(books: Books, at_ns: int, entry: LedgerEntry) -> tuple[Books, TradeRow | None]:
    """The books after one entry, and the row of the trade that it opened, changed or closed, if any."""
    books, trade = fold(books, at_ns, entry)
    if trade is not None:
        return books, _closed_row(trade)
    if isinstance(entry, Deposited):
        return books, None
    return books, _open_row(books.positions[entry.trade_id])


def _named(row: tuple[object, ...]) -> dict[str, object]:
    return dict(zip(TradeRow.__struct_fields__, row, strict=True))


def _row(held: Position, *, state: str, pnl_micros: int | None, payout_micros: int = 0) -> TradeRow:
    return TradeRow(
        trade_id=held.trade_id,
        slot=held.slot,
        market=held.market_id,
        outcome=held.outcome,
        state=state,
        opened_ns=held.opened_ns,
        closed_ns=None,
        shares_micros=held.bought_shares_micros,
        bought_micros=held.bought_micros,
        sold_micros=held.sold_micros,
        fees_micros=held.fees_micros,
        payout_micros=payout_micros,
        pnl_micros=pnl_micros,
        winner=None,
        closed_by=None,
        settled_by=None,
        release=held.release,
        revision=held.revision,
        source=held.source,
        assumed=",".join(held.assumed),
    )


def _open_row(held: Position) -> TradeRow:
    return _row(held, state="open", pnl_micros=None)


def _closed_row(trade: Trade) -> TradeRow:
    row = _row(trade.position, state="closed", pnl_micros=trade.pnl_micros, payout_micros=trade.payout_micros)
    return msgspec.structs.replace(
        row,
        closed_ns=trade.closed_ns,
        winner=trade.winner,
        closed_by=trade.closed_by,
        settled_by=trade.settled_by,
    )
