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


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`params` maps dotted names to values; `halted` refuses new entries while it is true."""

    revision: int = 1
    author: str = "operator"
    halted: bool = False
    params: dict[str, object] = {}


def read_desired(path: Path) -> Desired:
    """The document, or an empty one where there is none. Raises DesiredRefused for one that cannot be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Desired)
    except FileNotFoundError:
        return Desired()
    except (OSError, msgspec.MsgspecError) as error:
        raise DesiredRefused(f"{path} is refused: {error}; correct it or delete it") from None


def refuse_unknown(dormant: Sequence[str]) -> None:
    """Raises DesiredRefused for overrides that the release has no parameter for, where there is no later one."""
    if dormant:
        told = "".join(f"\n  - {name}: there is no such parameter" for name in dormant)
        raise DesiredRefused(f"state/desired.json is refused:{told}")
