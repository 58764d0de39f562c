"""The journal's inputs: all that arrived at the engine beside the market data and timers of the record, and what is
needed to begin and to check a replay. They stand in tables beside the entries, written by the same thread in the same
transactions.

Together with the record they are the one sequence of the engine's inputs, 1, 2, 3 … without a gap.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from foresight.effects import Evaluate
from foresight.engine.settings import Settings
from foresight.errors import JournalRefused
from foresight.events import (
    BrokerEvent,
    ClockChecked,
    Command,
    Decided,
    JournalChecked,
    Raised,
    ReleaseEvent,
    Shadowed,
    TopicsDeclared,
)

INPUTS_SCHEMA = """
CREATE TABLE IF NOT EXISTS begun (format INTEGER PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS inputs (
    seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, slot TEXT, market TEXT, due_ns INTEGER,
    body BLOB NOT NULL, crc INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoints (seq INTEGER PRIMARY KEY, digest TEXT NOT NULL, is_last INTEGER NOT NULL);
"""
FORMAT = 1
"""Of the document `begun`; a reader refuses a later one."""

JournalInput = (
    BrokerEvent | ReleaseEvent | TopicsDeclared | Shadowed | Decided | Raised | Command | ClockChecked | JournalChecked
)


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine was told at its start, by which version of the bot; times in nanoseconds of venue time."""

    foresight: str
    python: str
    settings: Settings
    start_ns: int
    history_ns: int
    source: str
    format: int = FORMAT


class Taken(msgspec.Struct, frozen=True):
    """One input with its number. Of an answer of live code `asked` is what was asked."""

    seq: int
    event: JournalInput
    asked: Evaluate | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """The digest over all decisions after the input `seq`. `is_last` where the run ended in order there."""

    seq: int
    digest: str
    is_last: bool = False


Kept = Begun | Taken | Checkpoint
Value = int | str | bytes | None


def _taken_row(item: Taken) -> tuple[Value, ...]:
    event, asked, body = item.event, item.asked, msgspec.msgpack.encode(item.event)
    about = (None, None, None) if asked is None else (asked.slot, asked.view.market, asked.due_ns)
    return item.seq, event.at_ns, type(event).__name__, *about, body, zlib.crc32(body)


def _begun_row(item: Begun) -> tuple[Value, ...]:
    body = msgspec.json.encode(item)
    return item.format, body.decode(), zlib.crc32(body)


def _checkpoint_row(item: Checkpoint) -> tuple[Value, ...]:
    return item.seq, item.digest, int(item.is_last)


class Table(msgspec.Struct, frozen=True):
    """Where items of one kind go, and how one becomes a row."""

    name: str
    insert: str
    row: Callable[..., tuple[Value, ...]]


TABLES: dict[type, Table] = {
    Begun: Table("begun", "INSERT INTO begun VALUES (?, ?, ?)", _begun_row),
    Taken: Table("inputs", "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _taken_row),
    Checkpoint: Table("checkpoints", "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", _checkpoint_row),
}


def read_begun(connection: sqlite3.Connection, path: Path) -> Begun:
    """Raises JournalRefused where there is none, or one that this version does not understand."""
    rows = connection.execute("SELECT body, crc FROM begun ORDER BY format").fetchall()
    if not rows:
        raise JournalRefused(f"{path} does not say how its run began; it cannot be replayed")
    body, crc = rows[0]
    if zlib.crc32(body.encode()) != crc:
        raise JournalRefused(f"{path}: what it says of the run's beginning is damaged; it cannot be replayed")
    try:
        begun = msgspec.json.decode(body, type=Begun)
    except msgspec.MsgspecError as error:
        raise JournalRefused(f"{path}: the run's beginning is not understood: {error}") from None
    if begun.format > FORMAT:
        raise JournalRefused(f"{path} is of the format {begun.format}; this version knows {FORMAT}")
    return begun


def read_inputs(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[int, JournalInput]]:
    """Every input with its number, in order. Raises JournalRefused, with the number, for one that is damaged or of an
    unknown kind; those before it have been given."""
    decoder = msgspec.msgpack.Decoder(JournalInput)
    for seq, body, crc in connection.execute("SELECT seq, body, crc FROM inputs ORDER BY seq"):
        if zlib.crc32(body) != crc:
            raise JournalRefused(f"{path}: input {seq} is damaged")
        try:
            yield seq, decoder.decode(body)
        except msgspec.MsgspecError:
            raise JournalRefused(f"{path}: input {seq} is of a kind that this version does not know") from None


def read_checkpoints(connection: sqlite3.Connection) -> Iterator[Checkpoint]:
    """In the order of their inputs."""
    for seq, digest, is_last in connection.execute("SELECT seq, digest, is_last FROM checkpoints ORDER BY seq"):
        yield Checkpoint(seq, digest, bool(is_last))
