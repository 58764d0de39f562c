"""Standbys: what answers behind the live release while it is on probation, each key's calls in their order.

A standby is asked once nobody waits for a live release, because it must not take the processor from it, and at the
latest when the key's next call comes. What was replaced may be what hangs: one that falls too far behind, or does not
answer, stands by no more.
"""

from collections import Counter
from collections.abc import Callable

from tesseract.calls import Answer, Fault
from tesseract.routes import Asked, Route

STANDBY_BEHIND_MAX = 64
"""Calls of one key that a standby may have still to answer."""
STANDBY_FAILS_MAX = 3
"""Calls in a row that a standby may overrun or be lost in."""


class Standbys:
    """Whose turn it is. `said` is told what a standby answered, and `given_up` of one that stands by no more, and
    why."""

    def __init__(self, said: Callable[[Route, Asked, Answer], None], given_up: Callable[[Route, str], None]) -> None:
        self.awaited = 0
        """Calls that a live release has to answer."""
        self.later: Callable[[Callable[[], None]], object] | None = None
        """Has something called in the loop's next turn, where there is one."""
        self._said = said
        self._given_up = given_up
        self._unasked: dict[str, Route] = {}
        """By key, where a standby's turn is put off."""
        self._silent: Counter[int] = Counter()
        """How often in a row each standby, by its id, has not answered."""

    def put_behind(self, route: Route, asked: Asked) -> None:
        """A standby is asked what the live release has answered; once the key's next call has come, that is not put off
        any longer."""
        if len(route.backlog) >= STANDBY_BEHIND_MAX:
            self._given_up(route, f"it has fallen {STANDBY_BEHIND_MAX} calls behind")
            asked.standby = None
            return
        self.ask(route)
        route.backlog.append(asked)
        self._unasked[asked.input.key] = route

    def ask(self, route: Route) -> None:
        """The oldest call that it has still to answer, unless it is at it, or the live release is."""
        asked = route.backlog[0] if route.backlog else None
        if asked is None or asked.is_standby_asked or (asked is route.asked and not asked.is_overruled):
            return
        assert asked.standby is not None, "what is behind is a standby"
        asked.is_standby_asked = True
        taken, state = asked.input, route.state if route.is_behind else route.standby_state
        asked.standby.submit(taken.given, taken.encoded, state, lambda answer: self._said(route, asked, answer))

    def ask_all(self) -> None:
        """Once nobody waits for a live release; with a loop one at a turn, for what else the loop has to do."""
        while self._unasked and not self.awaited:
            self.ask(self._unasked.pop(next(iter(self._unasked))))
            if self.later is not None and self._unasked:
                self.later(self.ask_all)
                return

    def count_failure(self, route: Route, fault: Fault | None) -> None:
        """An exception of a standby is its answer; one that hangs or dies has none, and would have none when it is put
        back."""
        standby = id(route.standby)
        if fault is None or fault.kind not in ("overran", "lost"):
            del self._silent[standby]
            return
        self._silent[standby] += 1
        if self._silent[standby] >= STANDBY_FAILS_MAX:
            self._given_up(route, f"it did not answer {STANDBY_FAILS_MAX} times in a row: {fault.line}")

    def forget_failures(self) -> None:
        """A commit brings other standbys."""
        self._silent.clear()
