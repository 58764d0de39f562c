"""The journal: every decision, order, fill and settlement, in order, in an append-only SQLite file.

Each entry has its own number, the number of the engine's input that led to it, and a CRC-32 of its text. A thread of
its own writes, in groups, so that a slow disk never holds up the engine. While the disk refuses, entries wait in
memory up to a limit and `failure` says why; nothing is dropped, and the bot halts its entries meanwhile.

SQLite in WAL mode with synchronous=FULL: what is committed survives a crash and a power loss.
"""

import contextlib
import sqlite3
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, get_args

import msgspec

from foresight.effects import Journal, JournalEntry, LedgerEntry
from foresight.errors import JournalRefused
from foresight.runtime.journal_inputs import INPUTS_SCHEMA, TABLES, Kept

WAITING_MAX = 200_000
"""Entries and inputs that may wait for the disk: half a day of them. Beyond it the process stops rather than forget
one."""
BACKLOG_MAX = 2_000
"""What lock-step leaves waiting before it waits itself: some ten minutes of simulated time, 2 MB."""
GROUP_S = 0.05
RETRY_S = 1.0
STALL_S = 5.0
"""A disk that takes so long for a group counts as one that refuses."""
CLOSE_S = 10.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, input INTEGER NOT NULL, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    crc INTEGER NOT NULL
);
"""


class Record(msgspec.Struct, frozen=True):
    """One entry as it stands in the file."""

    seq: int
    input_seq: int
    at_ns: int
    entry: JournalEntry


class LedgerWriter(Protocol):
    """What follows the journal: it is told of ledger entries after they are durable."""

    def apply(self, entries: list[tuple[int, int, LedgerEntry]]) -> None: ...


class JournalWriter:
    """Appends to one journal file from a thread of its own. `close` returns when everything is durable."""

    def __init__(self, path: Path, ledger: LedgerWriter) -> None:
        self.failure: str | None = None
        self._path = path
        self._waiting_since_s = self._close_by_s = time.monotonic()
        self._ledger = ledger
        self._waiting: deque[tuple[int, Journal | Kept]] = deque()
        self._closing = threading.Event()
        self._connection, self._seq = _opened(path)
        self._unfolded: list[tuple[int, int, LedgerEntry]] = []
        self._thread = threading.Thread(target=self._write_until_closed, name="journal")
        self._thread.start()

    def append(self, effect: Journal) -> None:
        """Takes an entry; returns at once. Raises JournalRefused when the disk has refused for too long."""
        self._seq += 1
        self._put(self._seq, effect)

    def keep(self, item: Kept) -> None:
        """As `append`, for an input of the engine, and for what a replay begins with and is checked by."""
        self._put(0, item)

    def _put(self, seq: int, item: Journal | Kept) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise JournalRefused(f"{WAITING_MAX} entries wait for the disk ({self.failure}); all of them are in memory")
        self._waiting.append((seq, item))
        if len(self._waiting) == 1:
            self._waiting_since_s = time.monotonic()

    def problem(self) -> str | None:
        """Why entries are not durable now: what the disk answered, or that it does not answer. None: all is well."""
        if self.failure is None and self._waiting and time.monotonic() - self._waiting_since_s > STALL_S:
            return f"the disk has not answered for {STALL_S:.0f} s"
        return self.failure

    def wait_for_disk(self) -> None:
        """For a caller that makes entries faster than a disk takes them: returns when at most BACKLOG_MAX wait, or when
        the disk refuses."""
        while len(self._waiting) > BACKLOG_MAX and self.failure is None and self._thread.is_alive():
            time.sleep(GROUP_S / 10)

    def close(self) -> None:
        """Writes what waits and ends the thread. While the disk refuses it tries for CLOSE_S; what is left then goes to
        a file of JSON lines beside the journal. Raises JournalRefused, naming that file, or how many entries are lost
        when that cannot be written either."""
        self._close_by_s = time.monotonic() + CLOSE_S
        self._closing.set()
        self._thread.join()
        self._connection.close()
        if self._waiting:
            raise JournalRefused(self._spilled())

    def _spilled(self) -> str:
        count, spill = len(self._waiting), self._path.with_suffix(".spill.jsonl")
        try:
            with spill.open("ab") as file:
                for seq, item in self._waiting:
                    file.write(msgspec.json.encode(_spilled_line(seq, item)) + b"\n")
        except OSError as error:
            return f"{count} entries are lost: the journal could not be written ({self.failure}), nor {spill} ({error})"
        return f"the journal could not be written ({self.failure}); its last {count} entries are in {spill}"

    def _write_until_closed(self) -> None:
        while True:
            is_closing = self._closing.wait(GROUP_S)
            try:
                self._write_waiting()
                self._project()
                self.failure = None
            except Exception as error:  # noqa: BLE001 - whatever it is, entries are not durable: it is told, and tried again
                self.failure = _told(error)
                if is_closing and time.monotonic() > self._close_by_s:
                    return
                time.sleep(RETRY_S)
                continue
            if is_closing and not self._waiting:
                return

    def _write_waiting(self) -> None:
        """One transaction for all that waits; entries leave the queue only when they are durable."""
        group = list(self._waiting)
        if not group:
            return
        if self._connection.in_transaction:  # a refusing disk can refuse the rollback too
            self._connection.execute("ROLLBACK")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._insert(group)
            self._connection.execute("COMMIT")
        except BaseException:  # raised again: whatever came, no half of it stays
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        for seq, item in group:
            self._waiting.popleft()
            if isinstance(item, Journal) and isinstance(item.entry, LedgerEntry):
                self._unfolded.append((seq, item.at_ns, item.entry))
        self._waiting_since_s = time.monotonic()

    def _insert(self, group: list[tuple[int, Journal | Kept]]) -> None:
        entries = [(seq, item) for seq, item in group if isinstance(item, Journal)]
        if entries:
            self._connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", map(_row, entries))
        for kind, table in TABLES.items():
            items = [item for _, item in group if type(item) is kind]
            if items:
                self._connection.executemany(table.insert, map(table.row, items))

    def _project(self) -> None:
        if self._unfolded:
            self._ledger.apply(self._unfolded)
            self._unfolded = []


def _opened(path: Path) -> tuple[sqlite3.Connection, int]:
    """The journal's file, made where there is none, and the number of its last entry."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA + INPUTS_SCHEMA)
        last: int = connection.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0]
    except sqlite3.Error as error:
        raise JournalRefused(f"{path} cannot be opened for writing: {error}") from None
    return connection, last


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, sqlite3.Error) else f"{type(error).__name__}: {error}"


def _spilled_line(seq: int, item: Journal | Kept) -> dict[str, object]:
    if isinstance(item, Journal):
        return {"seq": seq, "input": item.seq, "at_ns": item.at_ns, "entry": item.entry}
    table = TABLES[type(item)]
    return {"table": table.name, "row": table.row(item)}


def _row(item: tuple[int, Journal]) -> tuple[int, int, int, str, str, int]:
    seq, effect = item
    body = msgspec.json.encode(effect.entry)
    return seq, effect.seq, effect.at_ns, type(effect.entry).__name__, body.decode(), zlib.crc32(body)


def read_journal(path: Path) -> Iterator[Record]:
    """Every entry in order. Opens the file read-only. Raises JournalRefused, with the number, for one that is damaged,
    missing or of an unknown kind; those before it have been given."""
    decoder = msgspec.json.Decoder(JournalEntry)
    with _selected(path, "SELECT seq, input, at_ns, body, crc FROM journal ORDER BY seq") as rows:
        for expected, (seq, input_seq, at_ns, body, crc) in enumerate(rows, start=1):
            if seq != expected:
                raise JournalRefused(f"{path}: entry {expected} is missing; {expected - 1} before it are whole")
            if zlib.crc32(body.encode()) != crc:
                raise JournalRefused(f"{path}: entry {seq} is damaged; {seq - 1} before it are whole")
            try:
                entry = decoder.decode(body)
            except msgspec.MsgspecError:
                unknown = f"{path}: entry {seq} is of a kind that this version does not know"
                raise JournalRefused(f"{unknown}; {seq - 1} before it are whole") from None
            yield Record(seq, input_seq, at_ns, entry)


def ledger_entries(path: Path) -> Iterator[tuple[int, int, LedgerEntry]]:
    """The entries that the ledger is folded from."""
    for record in read_journal(path):
        if isinstance(record.entry, LedgerEntry):
            yield record.seq, record.at_ns, record.entry


def last_ledger_seq(path: Path) -> int:
    """The number of the last entry that the ledger is folded from, 0 where there is none. Raises JournalRefused for a
    file that is missing or cannot be read; the entries themselves are not looked at."""
    kinds = ", ".join(f"'{kind.__name__}'" for kind in get_args(LedgerEntry))
    query = f"SELECT coalesce(max(seq), 0) FROM journal WHERE kind IN ({kinds})"  # noqa: S608 - names of our own kinds
    with _selected(path, query) as rows:
        return int(next(rows)[0])


@contextlib.contextmanager
def _selected(path: Path, query: str) -> Iterator[sqlite3.Cursor]:
    """The rows of a query on a journal."""
    with opened_to_read(path) as connection:
        yield connection.execute(query)


@contextlib.contextmanager
def opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A journal opened read-only; what SQLite refuses meanwhile is a JournalRefused."""
    if not path.exists():
        raise JournalRefused(f"{path} does not exist")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise JournalRefused(f"{path} cannot be read: {error}") from None
