"""When the bot may trade: by the operator's word, while the journal takes entries, while the clock is right.

Each function changes the risk account and says what is to be told; nothing is told twice.
"""

from collections.abc import Sequence

from foresight.effects import Commanded, Effect, Journal, Notify
from foresight.engine.risk import Account
from foresight.events import ClockChecked, Command, JournalChecked


def commanded(account: Account, seq: int, event: Command) -> Sequence[Effect]:
    """A halt or its end, which ends a loss streak too; of what concerns live code only that it was asked for."""
    if event.name in ("halt", "resume"):
        account.is_halted = event.name == "halt"
    if event.name == "resume":
        account.loss_streak = 0
    entry = Commanded(event.name, event.author, event.what)
    text = " ".join(part for part in (event.name, event.what, "by", event.author) if part)
    return [Journal(seq, event.at_ns, entry), Notify(event.at_ns, "warning", text)]


def journal_checked(account: Account, event: JournalChecked) -> Sequence[Effect]:
    """Entries wait while their record could not be kept."""
    if event.is_writable == account.has_journal:
        return ()
    account.has_journal = event.is_writable
    if event.is_writable:
        return [Notify(event.at_ns, "info", "the journal can be written again")]
    return [Notify(event.at_ns, "error", "the journal cannot be written: no entries")]


def clock_checked(account: Account, limit_ms: float, event: ClockChecked) -> Sequence[Effect]:
    """Orders wait while the wall clock is off by more than the limit."""
    was_off, is_off = abs(account.drift_ms) > limit_ms, abs(event.drift_ms) > limit_ms
    account.drift_ms = event.drift_ms
    if is_off == was_off:
        return ()
    if is_off:
        return [Notify(event.at_ns, "error", f"the wall clock has stepped by {event.drift_ms:.0f} ms: no orders")]
    return [Notify(event.at_ns, "info", "the clock is right again")]
