"""What the seam tells: the outcome of a call, and that a release failed and what answers in its place."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from tesseract.calls import Fault
from tesseract.host import Host
from tesseract.needs import needs_of
from tesseract.release import Release

Value = TypeVar("Value", bound=msgspec.Struct)


class Outcome(msgspec.Struct, Generic[Value], frozen=True):
    """One call's outcome: who answered (release, parameter revision), and a value or a fault. `took_ns` is the time
    inside the live function."""

    release: str
    revision: int
    value: Value | None
    fault: Fault | None
    took_ns: int


class RolledBack(msgspec.Struct, frozen=True):
    """A release failed on probation. `key` is where, `text` what it said, and `line` the same in one line; the standby
    answers from this request on."""

    release: Release
    revision: int
    back_to: Release
    back_to_revision: int
    key: str
    text: str
    line: str
    needs: tuple[str, ...] = ()
    """What the release that answers again needs besides its input."""


Deliver = Callable[[Outcome[Value]], None]


def outcome_of(host: Host, value: msgspec.Struct | None, fault: Fault | None, took_ns: int) -> Outcome[Value]:
    spec = host.spec
    return Outcome(spec.release.name, spec.revision, value, fault, took_ns)  # type: ignore[arg-type]  # the contract's


def rolled_back(failed: Host, back_to: Sequence[Host], key: str, text: str, line: str) -> RolledBack:
    """`back_to` are the hosts that answer again, one for each strategy."""
    old, new = back_to[-1].spec, failed.spec
    return RolledBack(new.release, new.revision, old.release, old.revision, key, text, line, needs_of(back_to))
