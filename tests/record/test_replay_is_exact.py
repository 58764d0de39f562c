"""Invariant 7: same inputs, same decisions. A run again from what it wrote, and what is said when that is not whole."""

import itertools
import json
import typing
from pathlib import Path

import pytest

from foresight.errors import JournalRefused, RecordRefused
from foresight.events import Event
from foresight.record.kinds import RECORDED
from foresight.record.reading import RunRecord
from foresight.runtime.journal import read_journal
from foresight.runtime.journal_inputs import JournalInput
from recorded import Written


def test_every_input_of_the_engine_has_one_home() -> None:
    journaled = set(typing.get_args(JournalInput))
    assert not journaled & RECORDED
    assert journaled | RECORDED == set(typing.get_args(Event))


def test_a_run_with_deploys_and_orders_replays_to_the_same_digest_and_journal(
    everything: tuple[Path, str], written: Written
) -> None:
    found = written.replay()

    assert (found.is_equal, found.has_ended, found.problems) == (True, True, ())
    assert found.digest == found.recorded_digest == everything[1]
    assert found.entries == len(list(read_journal(written.journal)))
    kinds = {type(record.entry).__name__ for record in read_journal(written.journal)}
    assert kinds >= {"ReleaseLive", "ReleaseEnded", "Commanded", "Judged", "FillBooked", "SettlementBooked"}
    asked = {kind for (kind,) in written.ask("SELECT DISTINCT kind FROM inputs")}
    assert asked >= {"Decided", "ReleaseBound", "ReleaseBack", "DeployRefused", "Command", "OrderFilled", "OrderClosed"}


def test_record_and_journal_together_are_one_sequence_without_a_gap(written: Written) -> None:
    recorded = [seq for seq, _ in RunRecord(written.record).events()]
    journaled = [int(str(seq)) for (seq,) in written.ask("SELECT seq FROM inputs ORDER BY seq")]
    assert recorded
    assert journaled
    assert sorted(recorded + journaled) == list(range(1, len(recorded) + len(journaled) + 1))


def test_an_input_that_was_another_one_is_found_at_the_first_entry_that_differs(written: Written) -> None:
    written.change("DELETE FROM checkpoints")
    seq, body = written.ask("SELECT input, body FROM journal WHERE kind = 'FillBooked' LIMIT 1")[0]
    assert json.loads(str(body))["fill"]["fee_micros"]
    last = "FROM inputs WHERE kind = 'OrderFilled' ORDER BY seq DESC LIMIT 1"
    written.change(f"UPDATE inputs SET body = (SELECT body {last}), crc = (SELECT crc {last}) WHERE seq = {seq}")
    found = written.replay()
    assert not found.is_equal
    assert found.difference is not None
    assert (found.difference.seq, found.difference.kind) == (int(str(seq)) + 1, "OrderClosed")
    assert "the replay makes" in found.difference.text


def test_another_digest_is_a_difference_at_its_input(written: Written) -> None:
    (seq,) = written.ask("SELECT seq FROM checkpoints ORDER BY seq LIMIT 1 OFFSET 2")[0]
    written.change(f"UPDATE checkpoints SET digest = 'other' WHERE seq = {seq}")
    found = written.replay()
    assert found.difference is not None
    assert found.difference.seq == found.inputs == seq
    assert found.difference.text.startswith("the digest over all decisions was other; the replay's is ")


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)", "the journal has no more entries"),
        ("UPDATE journal SET at_ns = at_ns + 1 WHERE seq = 9", "journal entry 9 is …"),
    ],
)
def test_a_journal_that_says_something_else_is_a_difference(written: Written, statement: str, sentence: str) -> None:
    written.change(statement)
    found = written.replay()
    assert found.difference is not None
    assert sentence in found.difference.text


def test_an_entry_more_than_the_replay_makes_is_a_difference(written: Written) -> None:
    last = "SELECT seq + 1, input, at_ns, kind, body, crc FROM journal ORDER BY seq DESC LIMIT 1"
    written.change(f"INSERT INTO journal {last}")
    found = written.replay()
    assert found.difference is not None
    assert found.difference.text.endswith("the replay makes none")


def test_a_damaged_entry_is_named_and_what_came_before_it_is_equal(written: Written) -> None:
    written.change("UPDATE journal SET body = body || ' ' WHERE seq = 9")
    found = written.replay()
    assert (found.difference, found.is_equal, found.entries) == (None, False, 8)
    assert found.missing is not None
    assert "entry 9 is damaged; 8 before it are whole" in found.missing


def test_a_missing_journal_input_is_named_as_the_journals(written: Written) -> None:
    (seq,) = written.ask("SELECT seq FROM inputs ORDER BY seq LIMIT 1 OFFSET 40")[0]
    written.change(f"DELETE FROM inputs WHERE seq = {seq}")
    found = written.replay()
    assert (found.difference, found.is_equal, found.inputs) == (None, False, int(str(seq)) - 1)
    assert found.missing == f"input {seq:,} is not there: missing in {written.journal}"


def test_a_damaged_journal_input_is_named(written: Written) -> None:
    (seq,) = written.ask("SELECT seq FROM inputs ORDER BY seq LIMIT 1 OFFSET 40")[0]
    written.change(f"UPDATE inputs SET crc = crc + 1 WHERE seq = {seq}")
    found = written.replay()
    assert found.missing is not None
    assert f"input {seq} is damaged" in found.missing
    assert found.inputs == int(str(seq)) - 1


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM begun", "does not say how its run began"),
        ("UPDATE begun SET crc = crc + 1", "what it says of the run's beginning is damaged"),
        ("DROP TABLE begun", "cannot be read: no such table"),
    ],
)
def test_a_run_without_its_beginning_cannot_be_replayed(written: Written, statement: str, sentence: str) -> None:
    written.change(statement)
    with pytest.raises(JournalRefused, match=sentence):
        written.replay()


def test_a_run_without_a_record_cannot_be_replayed(written: Written) -> None:
    written.record.rename(written.record.with_name("other"))
    with pytest.raises(RecordRefused, match="this run has no record"):
        written.replay()


def test_a_checkpoint_stands_at_every_thousandth_input_and_at_the_end(written: Written) -> None:
    rows = written.ask("SELECT seq, is_last FROM checkpoints ORDER BY seq")
    assert [last for _, last in rows] == [0] * (len(rows) - 1) + [1]
    assert all(int(str(seq)) % 1000 == 0 for seq, _ in rows[:-1])
    assert all(int(str(b)) - int(str(a)) == 1000 for (a, _), (b, _) in itertools.pairwise(rows[:-1]))


def test_a_journal_that_lost_its_last_inputs_is_named_with_where_it_ends(written: Written) -> None:
    last, before = (int(str(seq)) for (seq,) in written.ask("SELECT seq FROM inputs ORDER BY seq DESC LIMIT 2"))
    written.change(f"DELETE FROM inputs WHERE seq = {last}")
    found = written.replay()
    assert (found.is_equal, found.difference) == (False, None)
    assert found.missing is not None
    assert found.missing.startswith(f"input {last:,} is not there: ")
    assert f"{written.journal}" in found.missing
    assert f"{before:,}" in found.missing or "missing in" in found.missing
