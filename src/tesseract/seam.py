"""The seam: the one place where resident code reaches live code.

`seam.call(key, input)` is a fold per key: the release that is bound answers, and the state it returns is kept, as
encoded bytes, for that key's next call. A call that fails leaves the key's state exactly as it was.
"""

from typing import Generic, Protocol, TypeVar

import msgspec

from tesseract.host import Answer, Fault
from tesseract.release import Release

Value = TypeVar("Value", bound=msgspec.Struct)


class Host(Protocol):
    """What the seam asks of a host."""

    release: Release
    params_type: type[msgspec.Struct]

    def first_state(self) -> bytes: ...
    def call(self, given: object, state: bytes, params: object) -> Answer: ...
    def close(self) -> None: ...


class Outcome(msgspec.Struct, Generic[Value], frozen=True):
    """One call's outcome: who answered (release, parameter revision), and a value or a fault. `took_ns` is the time
    inside the live function."""

    release: str
    revision: int
    value: Value | None
    fault: Fault | None
    took_ns: int


class Seam(Generic[Value]):
    """Routes calls to the live release's host and holds every key's state."""

    def __init__(
        self, host: Host, value_type: type[Value], *, params: msgspec.Struct | None = None, revision: int = 1
    ) -> None:
        """`params` are the release's defaults when not given; `revision` is the number that they go by."""
        self._host = host
        self._value_type = value_type
        self._first_state = host.first_state()
        self._states: dict[str, bytes] = {}
        self.revision = revision
        self.params = host.params_type() if params is None else params

    @property
    def release(self) -> Release:
        return self._host.release

    def call(self, key: str, given: object) -> Outcome[Value]:
        """Never raises for what live code does."""
        answer = self._host.call(given, self._states.get(key, self._first_state), self.params)
        value = answer.value
        if value is None or answer.state is None:
            return Outcome(self._host.release.name, self.revision, None, answer.fault, answer.took_ns)
        assert isinstance(value, self._value_type)
        self._states[key] = answer.state
        return Outcome(self._host.release.name, self.revision, value, None, answer.took_ns)

    def state_of(self, key: str) -> bytes:
        """The encoded state of one key (msgpack of the release's State)."""
        return self._states.get(key, self._first_state)

    def close(self) -> None:
        self._host.close()
