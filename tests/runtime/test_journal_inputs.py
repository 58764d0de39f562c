"""The journal's inputs: kept with the promises of its entries, and read back exactly."""

import sqlite3
import typing
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.effects import Deposited, Journal
from foresight.engine import Settings
from foresight.errors import JournalRefused
from foresight.events import Command, Fill, OrderFilled
from foresight.markets import OrderId
from foresight.runtime import journal as module
from foresight.runtime.journal import JournalWriter, opened_to_read, read_journal
from foresight.runtime.journal_inputs import (
    FORMAT,
    Begun,
    Checkpoint,
    JournalInput,
    Kept,
    Taken,
    read_begun,
    read_checkpoints,
    read_inputs,
)
from foresight.strategy import Enter, Exit, Verdict
from runtime.test_journal import Ledger, Refusing, a_writer, soon

BEGUN = Begun(
    foresight="9.9", python="3.13", settings=Settings(slots=(("BTC", "5m"),), origin="simulated"), start_ns=9,
    history_ns=5, source="a test",
)  # fmt: skip
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
st.register_type_strategy(Enter, st.builds(Enter, limit_micros=st.integers(1, 999_999), stake_micros=st.integers(1, 9)))
st.register_type_strategy(Exit, st.builds(Exit, limit_micros=st.integers(1, 999_999)))
st.register_type_strategy(Verdict, st.builds(Verdict, gate=st.just("spread")))
VALUES = {
    "params": st.dictionaries(TEXTS, st.one_of(st.integers(0, 9), st.floats(allow_nan=False), TEXTS, st.booleans())),
    "signals": st.dictionaries(TEXTS, st.none() | st.floats(allow_nan=False), max_size=3),
}
NUMBERS = st.integers(-(2**63), 2**63 - 1)


def values_of(hint: object) -> st.SearchStrategy[object]:
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    if hint is int:
        return NUMBERS
    if hint is str:
        return TEXTS
    if hint is float:
        return st.floats(allow_nan=False)
    if hint == tuple[tuple[int, int], ...]:
        return st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3).map(tuple)
    if hint == tuple[Fill, ...]:
        return st.lists(st.builds(Fill, NUMBERS, NUMBERS, NUMBERS), max_size=2).map(tuple)
    return st.from_type(typing.cast("type[object]", hint))


def written(path: Path, items: list[Kept]) -> None:
    with a_writer(path) as writer:
        for item in items:
            writer.keep(item)


def inputs_of(path: Path) -> list[tuple[int, JournalInput]]:
    with opened_to_read(path) as connection:
        return list(read_inputs(connection, path))


def spoil(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def a_command(seq: int) -> Taken:
    return Taken(seq, Command(seq, "halt", f"number {seq}"))


@pytest.mark.parametrize("kind", typing.get_args(JournalInput), ids=lambda kind: kind.__name__)
def test_every_kind_of_input_survives_its_body_exactly(kind: type[msgspec.Struct]) -> None:
    hints = typing.get_type_hints(kind)
    builds = st.builds(
        kind, **{name: VALUES[name] if name in VALUES else values_of(hint) for name, hint in hints.items()}
    )
    decoder = msgspec.msgpack.Decoder(JournalInput)

    @settings(deadline=None, max_examples=30)
    @given(builds)
    def survives(event: msgspec.Struct) -> None:
        body = msgspec.msgpack.encode(event)
        given_back = decoder.decode(body)
        assert (type(given_back), msgspec.msgpack.encode(given_back)) == (kind, body)

    survives()


def test_inputs_the_beginning_and_checkpoints_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    filled = OrderFilled(7, OrderId("o1"), (Fill(5, 6, 7, ("size",)),), ((1, 2), (3, 4)))
    items = [BEGUN, a_command(3), Taken(7, filled), Checkpoint(7, "a"), Checkpoint(9, "b", is_last=True)]
    written(path, items)
    assert inputs_of(path) == [(3, a_command(3).event), (7, filled)]
    with opened_to_read(path) as connection:
        assert read_begun(connection, path) == BEGUN
        assert list(read_checkpoints(connection)) == items[3:]


@pytest.mark.parametrize("allowed", range(7))
def test_a_disk_that_refuses_at_the_nth_write_loses_no_input_and_no_entry(
    tmp_path: Path, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begin, one insert for each table, and commit are refused in turn; then the disk takes writes again."""
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "GROUP_S", 0.2)
    path = tmp_path / "journal.sqlite"
    with a_writer(path) as writer:
        refusing = Refusing(writer._connection, allowed)
        writer._connection = refusing  # type: ignore[assignment]
        writer.keep(BEGUN)
        writer.keep(a_command(1))
        writer.append(Journal(1, 1, Deposited(1)))
        writer.keep(Checkpoint(1, "a"))
        assert soon(lambda: writer.failure is not None or not writer._waiting)
        writer.keep(a_command(2))
        refusing.allowed = 10**6
        assert soon(lambda: writer.failure is None and not writer._waiting)
    assert [seq for seq, _ in inputs_of(path)] == [1, 2]
    assert [record.entry for record in read_journal(path)] == [Deposited(1)]
    with opened_to_read(path) as connection:
        assert read_begun(connection, path) == BEGUN
        assert list(read_checkpoints(connection)) == [Checkpoint(1, "a")]


def test_inputs_that_the_disk_never_took_are_spilled_with_all_that_makes_their_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    writer = JournalWriter(tmp_path / "journal.sqlite", Ledger())
    writer._connection = Refusing(writer._connection, 0)  # type: ignore[assignment]
    writer.keep(a_command(4))
    writer.keep(Checkpoint(4, "a"))
    with pytest.raises(JournalRefused, match="its last 2 entries are in"):
        writer.close()
    lines = [msgspec.json.decode(line) for line in (tmp_path / "journal.spill.jsonl").read_bytes().splitlines()]
    assert [(line["table"], line["row"][0]) for line in lines] == [("inputs", 4), ("checkpoints", 4)]
    body = msgspec.convert(lines[0]["row"][6], bytes)
    assert msgspec.msgpack.decode(body, type=JournalInput) == a_command(4).event
    assert lines[0]["row"][7] == zlib.crc32(body)


def test_a_damaged_input_is_refused_with_its_number_and_those_before_it_are_given(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    written(path, [a_command(1), a_command(2)])
    spoil(path, "UPDATE inputs SET body = CAST(body || x'00' AS BLOB) WHERE seq = 2")
    with opened_to_read(path) as connection:
        read = read_inputs(connection, path)
        assert next(read)[0] == 1
        with pytest.raises(JournalRefused, match="input 2 is damaged"):
            next(read)


def test_an_input_of_an_unknown_kind_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    written(path, [a_command(1)])
    body = msgspec.msgpack.encode({"type": "Foretold"})
    spoil(path, "UPDATE inputs SET body = ?, crc = ? WHERE seq = 1", body, zlib.crc32(body))
    with pytest.raises(JournalRefused, match="input 1 is of a kind that this version does not know"):
        inputs_of(path)


def test_a_beginning_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    written(path, [msgspec.structs.replace(BEGUN, format=FORMAT + 1)])
    with (
        opened_to_read(path) as connection,
        pytest.raises(JournalRefused, match=f"is of the format {FORMAT + 1}; this version knows {FORMAT}"),
    ):
        read_begun(connection, path)
