"""Lock-step makes entries faster than a disk takes them; what waits must not grow without end."""

from foresight.effects import Deposited, Journal
from foresight.ledger.projection import Projection
from foresight.runtime.journal import BACKLOG_MAX, JournalWriter, read_journal


def test_a_caller_that_waits_for_the_disk_leaves_few_entries_waiting_and_loses_none(tmp_path):
    projection = Projection(tmp_path / "ledger.sqlite")
    projection.rebuild(())
    writer = JournalWriter(tmp_path / "journal.sqlite", projection)
    try:
        for number in range(2 * BACKLOG_MAX):
            writer.append(Journal(number, number, Deposited(1)))
        writer.wait_for_disk()
        assert len(writer._waiting) <= BACKLOG_MAX
    finally:
        writer.close()
        projection.close()

    assert sum(1 for _ in read_journal(tmp_path / "journal.sqlite")) == 2 * BACKLOG_MAX
