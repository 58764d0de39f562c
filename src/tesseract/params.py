"""Parameters: the release's defaults, with the operator's overrides in place, within their types and ranges."""

from collections.abc import Mapping

import msgspec


class Tuned(msgspec.Struct, frozen=True):
    """`params` is None when there are problems. `dormant` names overrides that this release has no parameter for: they
    stay asked for, and count again in a release that has it. `overridden` are the defaults that do not count."""

    params: msgspec.Struct | None
    problems: tuple[str, ...]
    dormant: tuple[str, ...]
    overridden: dict[str, object] = {}


def tuned(params_type: type[msgspec.Struct], overrides: Mapping[str, object]) -> Tuned:
    """The parameters with `overrides` (dotted names to values) in place; every override that does not fit is named."""
    document = msgspec.to_builtins(params_type())
    problems: list[str] = []
    dormant: list[str] = []
    defaults = flat(document)
    for name, value in overrides.items():
        table = _table_of(document, name)
        if table is None:
            dormant.append(name)
            continue
        problem = _put(document, table, params_type, name, value)
        if problem is not None:
            problems.append(problem)
    if problems:
        return Tuned(None, tuple(problems), tuple(dormant))
    overridden = {name: defaults[name] for name in overrides if name in defaults}
    return Tuned(msgspec.convert(document, params_type), (), tuple(dormant), overridden)


def flat(document: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as dotted names."""
    found: dict[str, object] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _table_of(document: dict[str, object], name: str) -> dict[str, object] | None:
    """The table that holds the last part of a dotted name; None where there is no such parameter."""
    *tables, last = name.split(".")
    table = document
    for part in tables:
        inner = table.get(part)
        if not isinstance(inner, dict):
            return None
        table = inner
    return table if last in table else None


def _put(
    document: dict[str, object], table: dict[str, object], kind: type[msgspec.Struct], name: str, value: object
) -> str | None:
    """Sets one override in the document; a sentence, and nothing changed, when it does not fit."""
    last = name.rpartition(".")[2]
    before = table[last]
    table[last] = value
    try:
        msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        table[last] = before
        return f"{name} = {value!r}: {error}"
    return None
