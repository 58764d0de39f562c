"""What a run's journal must say of its orders, whatever was deployed meanwhile."""

from collections import deque
from collections.abc import Set as AbstractSet
from pathlib import Path

from foresight.effects import FillBooked, Judged, OrderEnded
from foresight.markets import MINUTE_NS
from foresight.runtime.journal import read_journal


def order_problems(journal: Path, releases: AbstractSet[str], per_minute_max: int) -> list[str]:
    """Order ids that are not unique, a second order of one window, slot and side beside or after one that filled, fills
    of another release than the one that decided, decisions of releases that never were live, and more orders in a
    minute than the bot's limit lets through."""
    book = _Book(releases, per_minute_max)
    for record in read_journal(journal):
        entry = record.entry
        if isinstance(entry, Judged):
            book.judged(entry, record.at_ns)
        elif isinstance(entry, OrderEnded) and entry.ending != "filled":
            book.standing = {side: order for side, order in book.standing.items() if order != entry.order_id}
        elif isinstance(entry, FillBooked):
            book.filled(entry)
    return book.problems


class _Book:
    """The orders of a journal, one entry after the other."""

    def __init__(self, releases: AbstractSet[str], per_minute_max: int) -> None:
        self.problems: list[str] = []
        self.standing: dict[tuple[str, str, str], str] = {}
        self._releases = releases
        self._decided: dict[str, str] = {}
        self._sent_ns: deque[int] = deque(maxlen=per_minute_max)

    def judged(self, entry: Judged, at_ns: int) -> None:
        if entry.release not in self._releases:
            self.problems.append(f"{entry.release} decided and never was live")
        order = entry.order_id
        if order is None:
            return
        side = (entry.slot, entry.market_id, f"{type(entry.proposal).__name__} {entry.proposal.outcome}")
        if order in self._decided:
            self.problems.append(f"order {order} was sent twice")
        if side in self.standing:
            self.problems.append(f"{order} is a second order of {side}, beside {self.standing[side]}")
        if len(self._sent_ns) == self._sent_ns.maxlen and at_ns < self._sent_ns[0] + MINUTE_NS:
            self.problems.append(f"{order} is one more than {self._sent_ns.maxlen} orders in a minute")
        self._decided[order], self.standing[side] = entry.release, order
        self._sent_ns.append(at_ns)

    def filled(self, entry: FillBooked) -> None:
        decided = self._decided.get(entry.order_id)
        if decided != entry.release:
            self.problems.append(f"{entry.order_id} is of {decided} and booked to {entry.release}")
