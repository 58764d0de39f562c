"""A shadow: a candidate that is asked everything that the live release is asked, for information.

Its answers decide nothing. Each key is a fold of its own, one call after the other, from the states that the candidate
was staged with. When its time is over without a fault, it goes the way of every deploy.
"""

from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from tesseract.calls import Answer
from tesseract.host import Host

BEHIND_MAX = 64
"""Inputs of one key that may wait for a shadow; one that falls further behind is too slow to go live."""


class ShadowInput(msgspec.Struct, frozen=True):
    """One input as the shadow sees it; `given` may differ from what the live release sees."""

    given: object
    encoded: bytes
    at_ns: int


OnShadow = Callable[[str, Host, Answer, ShadowInput], None]
"""Told each answer: the key, the host, the answer, and the input that it is to."""


class Shadow:
    """`over` is told when it has ended: None after its time, or what is wrong with it."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        states: Mapping[str, bytes],
        *,
        until_ns: int,
        on_answer: OnShadow,
        over: Callable[[str | None], None],
    ) -> None:
        """`hosts` are by strategy; they end with the shadow."""
        self.hosts = dict(hosts)
        self.until_ns = until_ns
        self.answers = 0
        self._states = dict(states)
        self._on_answer = on_answer
        self._over: Callable[[str | None], None] | None = over
        self._asked: set[str] = set()
        self._waiting: dict[str, deque[ShadowInput]] = {}

    @property
    def release(self) -> str:
        return next(iter(self.hosts.values())).spec.release.name

    def take(self, key: str, strategy: str, taken: ShadowInput) -> None:
        """One input of a key. What it leads to is told later, or never when the shadow ends first."""
        if taken.at_ns >= self.until_ns:
            self._end(None)
        host = self.hosts.get(strategy)
        if host is None or self._over is None:
            return
        if key not in self._asked:
            self._ask(key, host, taken)
            return
        waiting = self._waiting.setdefault(key, deque())
        waiting.append(taken)
        if len(waiting) > BEHIND_MAX:
            self._end(f"{key}: {BEHIND_MAX} inputs wait for an answer; it is too slow")

    def _ask(self, key: str, host: Host, taken: ShadowInput) -> None:
        self._asked.add(key)
        state = self._states.get(key, host.loaded.first_state)
        host.submit(taken.given, taken.encoded, state, lambda answer: self._answered(key, host, taken, answer))

    def _answered(self, key: str, host: Host, taken: ShadowInput, answer: Answer) -> None:
        if self._over is None:
            return
        self._asked.discard(key)
        if answer.state is None:
            assert answer.fault is not None
            self._end(f"{key}: {answer.fault.line}")
            return
        self.answers += 1
        self._states[key] = answer.state
        self._on_answer(key, host, answer, taken)
        waiting = self._waiting.get(key)
        if waiting and self._over is not None:
            self._ask(key, host, waiting.popleft())

    def _end(self, problem: str | None) -> None:
        over, self._over = self._over, None
        self.close()
        if over is not None:
            over(problem)

    def close(self) -> None:
        """Ends its hosts; nobody is told."""
        self._over = None
        for host in self.hosts.values():
            host.close()
