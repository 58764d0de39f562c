"""What is said to a host, and what it says: plain data, the same for a process and for a host inside the caller."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from tesseract.release import Release

ANSWER_BYTES_MAX = 256 * 1024
"""Of one call, and of a release's parameters: what the program's loop decodes and looks at in one step."""

FaultKind = Literal["raised", "overran", "answer", "lost"]


class Fault(msgspec.Struct, frozen=True):
    """Why a call has no value. `raised`: an exception; `overran`: the watchdog; `answer`: the result is not plain data
    of the agreed type, or cannot be used; `lost`: the host's process ended. `text` is a traceback or a sentence;
    `brief` is one line with the place in live code, empty where `text` is one already."""

    kind: FaultKind
    text: str
    brief: str = ""

    @property
    def line(self) -> str:
        """One line that says what happened and where."""
        return self.brief or self.text.strip().rpartition("\n")[2]


class Answer(msgspec.Struct, frozen=True):
    """What one call gave: exactly one of `value` (the contract's answer type) and `fault`; the encoded next state
    comes with a value."""

    value: msgspec.Struct | None
    state: bytes | None
    fault: Fault | None
    took_ns: int


class HostSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a host runs: a release's strategy with one revision of its parameters. `module` is the strategy's dotted
    name inside the live package, `contract` the place of the resident contract, `overrides` dotted names to values."""

    release: Release
    module: str
    contract: str
    overrides: dict[str, object] = {}
    revision: int = 1
    budget_ns: int = 1_000_000_000
    import_ns: int = 10_000_000_000
    memory_bytes: int = 1024 * 1024 * 1024


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A release as its host found it. With problems nothing else counts. `params` are in force with their overrides;
    `overridden` are the defaults that these stand for. `digest` was computed anew from the files that were imported;
    `confined` says what the kernel keeps from it; `needs` are what it needs besides its input."""

    problems: tuple[str, ...] = ()
    params: dict[str, object] = {}
    params_schema: str = ""
    dormant: tuple[str, ...] = ()
    overridden: dict[str, object] = {}
    state_schema: str = ""
    first_state: bytes = b""
    digest: str = ""
    confined: dict[str, str] = {}
    needs: tuple[str, ...] = ()


class Call(msgspec.Struct, frozen=True, tag=True):
    """`given` is the contract's input, encoded."""

    number: int
    given: bytes
    state: bytes


class Answered(msgspec.Struct, frozen=True, tag=True):
    """`answer` is the encoded result, None with a fault. `printed` is what live code wrote to its output since."""

    number: int
    took_ns: int
    answer: bytes | None
    fault: Fault | None
    printed: str = ""


class Carry(msgspec.Struct, frozen=True, tag=True):
    """Carry these states, encoded by `old_schema`, into the release's own State."""

    states: dict[str, bytes]
    old_schema: str


class CarriedOver(msgspec.Struct, frozen=True, tag=True):
    """As `tesseract.carry.Carried`."""

    states: dict[str, bytes]
    notes: tuple[str, ...]
    refold: tuple[str, ...]
    problems: tuple[str, ...]


class Rehearse(msgspec.Struct, frozen=True, tag=True):
    """Run the tape that came with the fork, from `from_ns` on; all of it when fields are to be folded from it, and what
    is older then only warms the state. `round_ns` is the limit for the calls of one instant together. `merge` names the
    fields that `carried` takes from the folded state. Only `keys` are run, None for all; the inputs in `later` are not,
    because they still come after `carried`."""

    from_ns: int
    round_ns: int
    carried: dict[str, bytes] = {}
    merge: tuple[str, ...] = ()
    keys: frozenset[str] | None = None
    later: frozenset[int] = frozenset()


class Rehearsed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """`digests` are 8 bytes an answer, in the tape's order; `differing` of `compared` decisions are not what was
    decided then. Times are nanoseconds; `merged` are the states with the refolded fields; `changed` are the
    release's own variables that are not as before, and `left_behind` says what else of the process is not; `violations`
    is what the cage refused, also where live code swallowed the error."""

    evaluations: int
    faults: tuple[str, ...]
    faulty: int
    compared: int
    differing: int
    examples: tuple[str, ...]
    mean_ns: int
    slowest_ns: int
    slowest_round_ns: int
    round_size: int
    digests: bytes
    changed: tuple[str, ...]
    merged: dict[str, bytes]
    printed: str = ""
    violations: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


class Tell(msgspec.Struct, frozen=True, tag=True):
    """Show what the rehearsal answered at this place of the tape."""

    place: int


class Told(msgspec.Struct, frozen=True, tag=True):
    key: str
    at_ns: int
    answer: str


Request = Call | Carry | Rehearse | Tell
Reply = Loaded | Answered | CarriedOver | Rehearsed | Told


def is_told(tried: str, problems: Iterable[str]) -> bool:
    """Whether one of these problems is the error that the cage raised for what was tried, at this place."""
    place, _, sentence = tried.partition(": ")
    return any(f"{place} " in problem and sentence in problem for problem in problems)
