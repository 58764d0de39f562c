"""Parameters and states as people read them: every field by its dotted name, with its type, range and default.

The text that is read here is the schema of a type as `tesseract.schema` writes it; a host tells it of what it loaded.
"""

from collections.abc import Iterator, Mapping

import msgspec

Limit = int | float | str | bool


class Shape(msgspec.Struct, frozen=True):
    """One type. `parts`: item; key and value; tuple items; union members. `name`: a record."""

    kind: str
    limits: dict[str, Limit] = {}
    parts: "tuple[Shape, ...]" = ()
    values: tuple[str | int | bool, ...] = ()
    name: str = ""


class Field(msgspec.Struct, frozen=True):
    """`wire` is its name in documents. `default` is plain data, and absent when there is none to tell."""

    wire: str
    shape: Shape
    default: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    refold: bool = False

    def plain_default(self) -> object:
        return msgspec.UNSET if isinstance(self.default, msgspec.UnsetType) else msgspec.json.decode(self.default)


class Record(msgspec.Struct, frozen=True):
    """A type with named fields."""

    fields: tuple[Field, ...]


class Schema(msgspec.Struct, frozen=True):
    """A type, and the records that it is made of."""

    root: str
    records: dict[str, Record]


class Leaf(msgspec.Struct, frozen=True):
    """One value that can be set. `range` is empty where there is none; an unknown default is `msgspec.UNSET`."""

    type: str
    range: str
    limits: dict[str, Limit]
    choices: tuple[str | int | bool, ...]
    default: object

    def text(self) -> str:
        """`number, 0 to 2, default 1.0`"""
        default = "" if self.default is msgspec.UNSET else f"default {value_text(self.default)}"
        return ", ".join(part for part in (self.type, self.range, default) if part)


def schema_at(text: str) -> Schema:
    """The schema that a host told."""
    return msgspec.json.decode(text, type=Schema)


def leaves_of(schema: Schema) -> dict[str, Leaf]:
    """Every value below the root by its dotted name. Nested records are tables of values."""
    return dict(_leaves(schema, schema.root, "", {}))


def _leaves(schema: Schema, record: str, prefix: str, defaults: Mapping[str, object]) -> Iterator[tuple[str, Leaf]]:
    for field in schema.records[record].fields:
        default = defaults.get(field.wire, field.plain_default())
        shape, name = field.shape, prefix + field.wire
        if shape.kind == "record":
            yield from _leaves(schema, shape.name, f"{name}.", default if isinstance(default, dict) else {})
        else:
            yield name, leaf_of(field, default)


def leaf_of(field: Field, default: object) -> Leaf:
    shape = field.shape
    return Leaf(type_text(shape), range_text(shape.limits), shape.limits, shape.values, default)


def value_text(value: object) -> str:
    """A value as JSON, in one line."""
    return "unknown" if value is msgspec.UNSET else msgspec.json.encode(value).decode()


_PLAIN = {"integer": "whole number", "string": "text", "boolean": "true or false"}


def type_text(shape: Shape) -> str:
    """The type in a few words."""
    inner = [_limited(part) for part in shape.parts]
    match shape.kind:
        case "union":
            return " or ".join(inner)
        case "enum":
            return " or ".join(map(value_text, shape.values))
        case "dict":
            return f"table of {inner[0]} to {inner[1]}"
        case "array" | "set" | "tuple":
            return f"{'list' if shape.kind == 'array' else shape.kind} of {', '.join(inner)}"
    return shape.name or _PLAIN.get(shape.kind, shape.kind)


def _limited(shape: Shape) -> str:
    limits = range_text(shape.limits)
    return f"{type_text(shape)} ({limits})" if limits else type_text(shape)


_WORDS = {
    "ge": "at least",
    "gt": "over",
    "le": "at most",
    "lt": "under",
    "multiple_of": "a multiple of",
    "min_length": "length at least",
    "max_length": "length at most",
    "pattern": "like",
    "tz": "with a time zone:",
}


def range_text(limits: Mapping[str, Limit]) -> str:
    """`0 to 2`, or the limits in words."""
    rest = dict(limits)
    found = []
    if "ge" in rest and "le" in rest:
        found.append(f"{value_text(rest.pop('ge'))} to {value_text(rest.pop('le'))}")
    found += [f"{word} {value_text(rest[name])}" for name, word in _WORDS.items() if name in rest]
    return ", ".join(found)
