"""`state/desired.json`: what the operator asks for.

    {"revision": 3, "author": "ana", "halted": false, "params": {"price_max": 0.96, "momentum.s30": 0.5}}

`params` override the strategy's parameters, and go the way of every deploy; `halted` refuses new entries. The document
is looked at ten times a second. One that is wrong is refused with every reason: at the start nothing runs then, later
what was in force stays so.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from foresight.errors import DesiredRefused
from foresight.runtime.state_files import read_plain

DESIRED_BYTES_MAX = 1024 * 1024


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`params` maps dotted names to values; `halted` refuses new entries while it is true."""

    revision: int = 1
    author: str = "operator"
    halted: bool = False
    params: dict[str, object] = {}


def read_desired(path: Path) -> Desired:
    """The document, or an empty one where there is none. Raises DesiredRefused for one that cannot be understood."""
    try:
        content = read_plain(path, DESIRED_BYTES_MAX)
    except FileNotFoundError:
        return Desired()
    except OSError as error:
        raise _refused(path, error) from None
    return desired_of(path, content)


def desired_of(path: Path, content: bytes) -> Desired:
    """What `path` says when it holds `content`. Raises DesiredRefused."""
    try:
        return msgspec.json.decode(content, type=Desired)
    except msgspec.MsgspecError as error:
        raise _refused(path, error) from None


def _refused(path: Path, why: Exception) -> DesiredRefused:
    return DesiredRefused(f"{path} is refused: {why}; correct it or delete it")


def refuse_unknown(dormant: Sequence[str]) -> None:
    """Raises DesiredRefused for overrides that the release has no parameter for, where there is no later one."""
    if dormant:
        told = "".join(f"\n  - {name}: there is no such parameter" for name in dormant)
        raise DesiredRefused(f"state/desired.json is refused:{told}")
