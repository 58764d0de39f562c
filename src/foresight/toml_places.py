"""Where a value stands in a TOML file, told as people read it: `bot.toml:12 [risk] stake_max_usd`."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping

SHOWN_MAX = 32
"""A longer text or list is described instead of shown: API keys have 36 characters and more."""

SHOWN_BITS_MAX = 64
STATEMENT_LINES_MAX = 200
"""Finding the end of a value of many lines is quadratic in them; past the limit, problems are told without lines."""

DEPTH_MAX = 16
"""Tables may be nested by thousands, and no setting lies deeper than three; what lies deeper is not searched."""

Keys = tuple[str | int, ...]
"""The keys and list indexes that lead to a value in a document."""


def shown(value: object) -> str:
    """A value of a TOML document as it is written there, or what it is when it is too long to be shown."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return text if len(value) <= SHOWN_MAX else f"a text of {len(value)} characters"
        case int():
            return str(value) if value.bit_length() <= SHOWN_BITS_MAX else "a number of more than 19 digits"
        case dict():
            return f"a table of {len(value)} keys"
        case list():
            is_plain = len(value) <= SHOWN_MAX and not any(isinstance(item, list) for item in value)
            return f"[{', '.join(map(shown, value))}]" if is_plain else f"a list of {len(value)} values"
    return str(value)


def shown_key(key: str) -> str:
    """A key as it is written in TOML, or what it is when it is too long to be shown."""
    if len(key) > SHOWN_MAX:
        return f"(a key of {len(key)} characters)"
    return key if key.isidentifier() and key.isascii() else json.dumps(key, ensure_ascii=False)


def place_of(file: str, path: Keys, document: object, lines: Mapping[Keys, int]) -> str:
    """Where a value stands, such as `bot.toml:12 [risk] stake_max_usd`, or `bot.toml:11 [risk]` for a table."""
    keys = tuple(key for key in path if isinstance(key, str))
    names = [shown_key(key) for key in keys]
    line = next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
    where = file if line is None else f"{file}:{line}"
    if isinstance(value_at(document, path), dict):
        return f"{where} [{'.'.join(names)}]"
    table = f"[{'.'.join(names[:-1])}] " if names[1:] else ""
    indexes = "".join(f"[{index}]" for index in path if isinstance(index, int))
    return f"{where} {table}{names[-1]}{indexes}"


def value_at(document: object, path: Keys) -> object:
    """The value that the path leads to, or None."""
    for key in path:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and isinstance(key, int):
            document = document[key]
        else:
            return None
    return document


def without(document: dict[str, object], paths: Iterable[Keys]) -> dict[str, object]:
    """A copy without the values at the paths; where a path goes into a list, without the whole list."""
    for path in paths:
        document = _cut(document, path)
    return document


def _cut(table: dict[str, object], path: Keys) -> dict[str, object]:
    key = str(path[0])
    inner = table.get(key)
    if isinstance(inner, dict) and len(path) > 1:
        return table | {key: _cut(inner, path[1:])}
    return {name: value for name, value in table.items() if name != key}


def lines_of(text: str) -> dict[Keys, int]:
    """The line on which each table and key of a valid TOML text first stands, by its keys.

    tomllib tells no positions. A statement ends on the first line with which it can be parsed by itself, because
    TOML lets a line end inside a statement only where a text or a list is still open.
    """
    lines: dict[Keys, int] = {}
    section: Keys = ()
    for number, statement, content in _statements(text):
        is_header = statement.lstrip().startswith("[")
        paths = [((() if is_header else section) + keys) for keys in _paths(content)]
        for keys in paths:
            lines.setdefault(keys, number)
        section = paths[-1] if is_header else section
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, object]]]:
    """Each statement with the number of its first line and what it says by itself."""
    waiting: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        waiting.append(line)
        statement = "\n".join(waiting)
        try:
            content = tomllib.loads(statement)
        except (ValueError, RecursionError):
            if len(waiting) >= STATEMENT_LINES_MAX:
                return
            continue
        yield number - len(waiting) + 1, statement, content
        waiting = []


def _paths(content: object, keys: Keys = ()) -> Iterator[Keys]:
    """The keys of every table and value in a document, outer before inner, at most DEPTH_MAX deep."""
    if len(keys) == DEPTH_MAX:
        return
    if isinstance(content, list) and content:
        content = content[0]
    if isinstance(content, dict):
        for name, inner in content.items():
            yield (*keys, name)
            yield from _paths(inner, (*keys, name))
