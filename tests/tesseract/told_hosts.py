"""A host without live code, which answers when a test tells it to.

Its state is the list of all inputs that it was given, each with the release that took it, so that a test can see in any
state who folded what.
"""

from collections import deque
from pathlib import Path

import msgspec
from release_trees import Told

from tesseract import Contract, Fault, HostSpec, Loaded, Release
from tesseract.calls import Answer, FaultKind
from tesseract.host import Deliver

State = list[tuple[str, int]]
"""Who took which input."""
COUNTED = Contract(entry="decide", given=int, answer=Told, compared=("value",))
RAISED = "Traceback …\nZeroDivisionError: division by zero"
FIRST = msgspec.msgpack.encode([])


class Call(msgspec.Struct, frozen=True):
    """One call that waits for its answer."""

    given: int
    state: bytes
    deliver: Deliver


def a_spec(number: int, *, revision: int = 1, budget_ns: int = 1_000_000_000) -> HostSpec:
    release = Release(
        number=number, digest=f"{number:064}", package="strategy", path=Path(), origin="command", created_ns=0
    )
    return HostSpec(release=release, module="strategy", contract="", revision=revision, budget_ns=budget_ns)


class ToldHost:
    """`asked` are the calls that wait, oldest first. A closed host must not be asked anything."""

    def __init__(self, number: int, *, revision: int = 1, state_schema: str = "") -> None:
        self.spec = a_spec(number, revision=revision)
        self.loaded = Loaded(first_state=FIRST, digest=self.spec.release.digest, state_schema=state_schema)
        self.asked: deque[Call] = deque()
        self.is_open = True

    @property
    def name(self) -> str:
        return self.spec.release.name

    def submit(self, given: object, encoded: bytes, state: bytes, deliver: Deliver) -> None:
        assert self.is_open, f"{self.name} is closed, and was asked {given}"
        assert isinstance(given, int)
        assert msgspec.msgpack.decode(encoded) == given
        self.asked.append(Call(given, state, deliver))

    def answer(self, place: int = 0) -> None:
        """Answers one of the calls that wait."""
        call = self._taken(place)
        before: State = msgspec.msgpack.decode(call.state)
        state = msgspec.msgpack.encode([*before, (self.name, call.given)])
        call.deliver(Answer(Told(msgspec.Raw(state), [self.name, call.given]), state, None, 1_000))

    def fail(self, place: int = 0, text: str = RAISED, kind: FaultKind = "raised") -> None:
        """Answers one of the calls that wait with a fault."""
        self._taken(place).deliver(Answer(None, None, Fault(kind, text), 1_000))

    def _taken(self, place: int) -> Call:
        call = self.asked[place]
        del self.asked[place]
        return call

    def close(self) -> None:
        self.is_open = False
        self.asked.clear()


class PromptHost(ToldHost):
    """Answers at once, as a host inside the caller does; negative inputs fail."""

    def submit(self, given: object, encoded: bytes, state: bytes, deliver: Deliver) -> None:
        super().submit(given, encoded, state, deliver)
        if isinstance(given, int) and given < 0:
            self.fail()
        else:
            self.answer()


def taken(state: bytes) -> State:
    """The state as {who took it, what}."""
    return [(name, given) for name, given in msgspec.msgpack.decode(state)]
