"""`state/desired.json`: what the operator asks for.

    {"revision": 3, "author": "ana", "halted": false, "pin": "v17", "params": {"price_max": 0.96, "momentum.s30": 0.5}}

`params` override the strategy's parameters, and go the way of every deploy; `halted` refuses new entries; `pin` names
the release that runs, whatever is saved or merged. The document
is looked at ten times a second. One that is wrong is refused with every reason: at the start nothing runs then, later
what was in force stays so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from foresight.errors import DesiredRefused
from foresight.runtime.state_files import read_plain

DESIRED_BYTES_MAX = 1024 * 1024
REVISION_MAX = 1_000_000_000
"""Far above any that is reached, and far below what a frame and a table can hold."""
NUMBERS_MAX = 1_000
"""Revisions of one run that are remembered; the oldest are forgotten."""


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`params` maps dotted names to values; `halted` refuses new entries while it is true; `pin` is the name of the
    release that alone may run, empty for none."""

    revision: Annotated[int, msgspec.Meta(ge=1, le=REVISION_MAX)] = 1
    author: str = "operator"
    halted: bool = False
    params: dict[str, object] = {}
    pin: Annotated[str, msgspec.Meta(pattern=r"^(v[1-9][0-9]{0,8})?$")] = ""

    @property
    def name(self) -> str:
        """What its request and its answer are called."""
        return f"desired-r{self.revision}"


def read_desired(path: Path) -> Desired:
    """The document, or an empty one where there is none. Raises DesiredRefused for one that cannot be understood."""
    return desired_of(path, content_of(path))


def content_of(path: Path) -> bytes | None:
    """What stands in the document, or None where there is none. Raises DesiredRefused."""
    try:
        return read_plain(path, DESIRED_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from None


def desired_of(path: Path, content: bytes | None) -> Desired:
    """What is asked for by `content`. Raises DesiredRefused."""
    if content is None:
        return Desired()
    try:
        desired = msgspec.json.decode(content, type=Desired)
        msgspec.msgpack.encode(desired)  # what no frame can carry can reach no host
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError) as error:
        raise _refused(path, error) from None
    return desired


def _refused(path: Path, why: Exception) -> DesiredRefused:
    return DesiredRefused(f"{path} is refused: {why}; correct it or delete it")


class Numbers:
    """Which parameters each revision of a run goes by. Decisions, trades and the answer name a revision, so a number
    that is in force, was, or is on its way is no other set's. One that was refused is free again."""

    def __init__(self, first: Desired) -> None:
        self._params = {first.revision: first.params}
        self._on_its_way: dict[str, int] = {}

    def problem_with(self, desired: Desired) -> str | None:
        """Why these parameters cannot go by this number, or None."""
        taken = self._params.get(desired.revision)
        if taken is None or taken == desired.params:
            return None
        why = f"r{desired.revision} is another set of parameters already, and decisions name it"
        return f'{why}; write a higher "revision", such as {max(self._params) + 1}'

    def asked(self, desired: Desired) -> None:
        if desired.revision not in self._params:
            self._on_its_way[desired.name] = desired.revision
        self._params[desired.revision] = desired.params
        while len(self._params) > NUMBERS_MAX:
            self._params.pop(next(iter(self._params)))

    def answered(self, name: str, *, is_done: bool) -> None:
        revision = self._on_its_way.pop(name, None)
        if revision is not None and not is_done:
            self._params.pop(revision, None)


def refuse_unknown(dormant: Sequence[str]) -> None:
    """Raises DesiredRefused for overrides that the release has no parameter for, where there is no later one."""
    if dormant:
        told = "".join(f"\n  - {name}: there is no such parameter" for name in dormant)
        raise DesiredRefused(f"state/desired.json is refused:{told}")
