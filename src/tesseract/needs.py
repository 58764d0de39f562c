"""What releases need besides their input: asked of the program before a commit, and let go when nobody needs it.

The runtime knows names and nothing else. Before a candidate goes live the program is asked to have ready what it needs
and no release that runs has needed; until it has answered, what runs goes on untouched. What a release needs stays
needed as long as the release may answer: live, as standby, as canary or shadow, and on its way. So a rollback waits for
nothing.
"""

import asyncio
from collections.abc import Callable, Iterable

from tesseract.host import Host

PREPARE_S = 15.0
"""So long the program may take to have ready what a candidate needs."""

Prepared = Callable[[str | None], None]
"""Told once: None when all of it is ready, or a sentence on why it is not."""
Prepare = Callable[[tuple[str, ...], Prepared], None]


def ready_at_once(_needs: tuple[str, ...], done: Prepared) -> None:
    """Of a program that has everything always."""
    done(None)


class Needs:
    """`prepare` is asked to have ready what a candidate needs; it answers at once or later, at most `limit_s` later,
    and at once where no loop runs. `changed` is told all that is needed, whenever that is not what was told or asked
    for before: what it does not name any more may go."""

    def __init__(
        self,
        prepare: Prepare = ready_at_once,
        changed: Callable[[tuple[str, ...]], None] = lambda _needs: None,
        limit_s: float = PREPARE_S,
    ) -> None:
        self._prepare = prepare
        self._changed = changed
        self._limit_s = limit_s
        self._held: dict[str, tuple[str, ...]] = {}
        """What requests without a last word need."""
        self._there: set[str] = set()
        self._told: tuple[str, ...] = ()
        self._question: _Question | None = None

    def prepare(self, request: str, needs: tuple[str, ...], told: Prepared) -> None:
        """Has ready what a candidate needs, and tells; at once where it is there. An earlier candidate is told nothing
        any more."""
        self._end_question()
        self._held[request] = needs
        fresh = [name for name in needs if name not in self._there]
        if not fresh:
            told(None)
            return
        self._told = tuple(sorted({*self._told, *needs}))
        question = self._question = _Question(told)
        question.wait(self._limit_s, f"{', '.join(fresh)}: not ready within {self._limit_s:g} s")
        self._prepare(needs, question.answer)
        question.must_be_answered_by_now(", ".join(fresh))

    def take(self, needs: Iterable[str]) -> None:
        """These are what a release goes live with, whether they are ready or not; they are not asked for again."""
        self._there.update(needs)

    def forget(self, request: str) -> None:
        """The request has had its last word."""
        if self._held.pop(request, None) is not None:
            self._end_question()

    def look(self, hosts: Callable[[], Iterable[Host]]) -> None:
        """Tells what is needed now, where that is not what was told last. `hosts` gives all that may answer."""
        if not (self._held or self._there or self._told):
            return
        needed = {name for needs in self._held.values() for name in needs} | set(needs_of(hosts()))
        self._there &= needed
        now = tuple(sorted(needed))
        if now != self._told:
            self._told = now
            self._changed(now)

    def close(self) -> None:
        self._end_question()

    def _end_question(self) -> None:
        if self._question is not None:
            self._question.end()
            self._question = None


class _Question:
    """One question to the program, which is answered once."""

    def __init__(self, told: Prepared) -> None:
        self._told: Prepared | None = told
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float, problem: str) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # inside the caller, without a loop
            return
        self._timer = loop.call_later(seconds, self.answer, problem)

    def must_be_answered_by_now(self, names: str) -> None:
        if self._timer is None:
            self.answer(f"{names}: not ready at once, and nothing can wait for it without a loop")

    def answer(self, problem: str | None) -> None:
        told = self._told
        self.end()
        if told is not None:
            told(problem)

    def end(self) -> None:
        self._told = None
        if self._timer is not None:
            self._timer.cancel()


def needs_of(hosts: Iterable[Host]) -> tuple[str, ...]:
    """What these need, each name once."""
    return tuple(dict.fromkeys(name for host in hosts for name in host.loaded.needs))
