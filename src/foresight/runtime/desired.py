"""`state/desired.json`: what the operator asks for.

    {"revision": 3, "author": "ana", "halted": false, "params": {"price_max": 0.96, "momentum.s30": 0.5}}

`params` override the strategy's parameters and are taken at the start; `halted` is looked at every second. A document
that is wrong is refused with every reason: at the start nothing runs then, later what was in force stays so.
"""

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


def overridden(params_type: type[msgspec.Struct], desired: Desired) -> msgspec.Struct:
    """The parameters with the overrides in place, within their types and ranges. Raises DesiredRefused, naming every
    override that does not fit."""
    defaults = msgspec.to_builtins(params_type())
    problems = []
    for name, value in desired.params.items():
        problem = _put(defaults, params_type, name, value)
        if problem is not None:
            problems.append(problem)
    if problems:
        raise DesiredRefused("state/desired.json is refused:\n  - " + "\n  - ".join(problems))
    return msgspec.convert(defaults, params_type)


def _put(document: dict[str, object], params_type: type[msgspec.Struct], name: str, value: object) -> str | None:
    """Sets one override in the document; a sentence, and nothing changed, when it does not fit."""
    *tables, last = name.split(".")
    table = document
    for part in tables:
        inner = table.get(part)
        if not isinstance(inner, dict):
            return f"{name}: there is no such parameter"
        table = inner
    if last not in table:
        return f"{name}: there is no such parameter; here are {', '.join(sorted(table))}"
    before = table[last]
    table[last] = value
    try:
        msgspec.convert(document, params_type)
    except msgspec.ValidationError as error:
        table[last] = before
        return f"{name} = {value!r}: {error}"
    return None
