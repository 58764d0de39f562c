"""The description of a State type, as text that outlives the release: equal for equal types.

It is told from `msgspec.inspect`, not as JSON Schema: the states are msgpack, where the keys of `dict[int, X]` and
`dict[str, X]` differ, and where a list is no set. JSON Schema says the same for both.
"""

import hashlib
import typing
from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Any, Literal, cast

import msgspec
from msgspec import inspect

from tesseract.errors import LIVE_ERRORS, kind_and_text

Limit = int | float | str | bool


def schema_of(state_type: type[msgspec.Struct]) -> str:
    """The type as canonical JSON text: equal for equal types, whatever module they live in.

    Raises what msgspec raises for a type that it does not know; `state_type_problems` tells that as a sentence.
    """
    return msgspec.json.encode(_Describer().schema(state_type), order="sorted").decode()


def schema_hash(schema: str) -> str:
    """The short name of a schema: 16 hex digits."""
    return hashlib.sha256(schema.encode()).hexdigest()[:16]


def state_type_problems(state_type: type[msgspec.Struct]) -> list[str]:
    """Every field that cannot be part of a state, with its path. Empty for a type that can be carried."""
    name = state_type.__name__
    try:
        fatal = list(_fatal_unions(state_type, name, set()))
        if fatal:
            return fatal
        schema = _Describer().schema(state_type)
    except LIVE_ERRORS as error:  # annotations are live code
        return [f"{name} is not plain data of declared types: {kind_and_text(error)}"]
    return list(_undeclared(schema, schema.root, name, set()))


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """One type. `parts`: item; key and value; tuple items; union members. `name`: a record, or what is undeclared."""

    kind: str
    limits: dict[str, Limit] = {}
    parts: "tuple[Shape, ...]" = ()
    values: tuple[str | int | bool, ...] = ()
    name: str = ""


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """`wire` is its name in the bytes. `default` is plain data, and absent when it cannot be encoded."""

    name: str
    wire: str
    shape: Shape
    required: bool = False
    default: Any = msgspec.UNSET
    refold: bool = False

    @property
    def default_text(self) -> str:
        return "" if self.default is msgspec.UNSET else f" {msgspec.json.encode(self.default).decode()}"


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A type with named fields: a Struct, dataclass, TypedDict or NamedTuple."""

    layout: Literal["object", "array"]
    fields: tuple[Field, ...]
    forbids_unknown: bool = False
    omits_defaults: bool = False
    tag: str | int | None = None
    tag_field: str | None = None


class Schema(msgspec.Struct, frozen=True):
    root: str
    records: dict[str, Record]


def members(shape: Shape) -> tuple[Shape, ...]:
    return shape.parts if shape.kind == "union" else (shape,)


def family_of_value(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "string"


def all_parts(shape: Shape) -> Iterator[Shape]:
    yield shape
    for part in shape.parts:
        yield from all_parts(part)


_PLAIN: dict[type, str] = {
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.BytesType: "bytes",
    inspect.ByteArrayType: "bytes",
    inspect.MemoryViewType: "bytes",
    inspect.DateTimeType: "datetime",
    inspect.TimeType: "time",
    inspect.DateType: "date",
    inspect.TimeDeltaType: "timedelta",
    inspect.UUIDType: "uuid",
    inspect.DecimalType: "decimal",
}
_COLLECTIONS: dict[type, str] = {
    inspect.ListType: "array",
    inspect.VarTupleType: "array",
    inspect.SetType: "set",
    inspect.FrozenSetType: "set",
}
_RECORDS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)
_LIMITS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "tz")


class _Describer:
    """Turns msgspec's view of a type into a schema. Every record is described once, so that types may be recursive."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}
        self._records: dict[str, Record] = {}

    def schema(self, state_type: type[msgspec.Struct]) -> Schema:
        return Schema(self._shape(inspect.type_info(state_type)).name, self._records)

    def _shape(self, info: inspect.Type) -> Shape:
        limits = {name: getattr(info, name) for name in _LIMITS if getattr(info, name, None) is not None}
        if type(info) in _PLAIN:
            return Shape(_PLAIN[type(info)], limits)
        if isinstance(info, inspect.Metadata):
            return self._shape(info.type)
        if isinstance(info, _RECORDS):
            return Shape("record", name=self._record(info))
        if isinstance(info, inspect.CollectionType):
            return Shape(_COLLECTIONS[type(info)], limits, (self._shape(info.item_type),))
        if isinstance(info, inspect.DictType):
            return Shape("dict", limits, (self._shape(info.key_type), self._shape(info.value_type)))
        if isinstance(info, inspect.TupleType):
            return Shape("tuple", parts=tuple(map(self._shape, info.item_types)))
        return self._choice(info)

    def _choice(self, info: inspect.Type) -> Shape:
        if isinstance(info, inspect.EnumType):
            return _union_of_values([member.value for member in info.cls])
        if isinstance(info, inspect.LiteralType):
            return _union_of_values(info.values)
        if isinstance(info, inspect.UnionType):
            return _union([self._shape(member) for member in info.types])
        found = getattr(info, "cls", type(info))
        return Shape("undeclared", name=getattr(found, "__name__", str(found)).removesuffix("Type"))

    def _record(self, info: Any) -> str:
        if info.cls in self._names:
            return self._names[info.cls]
        plain = getattr(info.cls, "__origin__", info.cls).__name__
        count = sum(name.partition("#")[0] == plain for name in self._names.values())
        name = self._names[info.cls] = f"{plain}#{count + 1}" if count else plain
        is_tuple = isinstance(info, inspect.NamedTupleType)
        config = getattr(info.cls, "__struct_config__", None)
        self._records[name] = Record(
            "array" if is_tuple or getattr(info, "array_like", False) else "object",
            tuple(self._field(field) for field in info.fields),
            forbids_unknown=is_tuple or getattr(info, "forbid_unknown_fields", False),
            omits_defaults=config is not None and config.omit_defaults,
            tag=getattr(info, "tag", None),
            tag_field=getattr(info, "tag_field", None),
        )
        return name

    def _field(self, field: inspect.Field) -> Field:
        return Field(
            field.name,
            field.encode_name,
            self._shape(field.type),
            required=field.required,
            default=_default_of(field),
            refold=isinstance(field.type, inspect.Metadata) and bool((field.type.extra or {}).get("refold")),
        )


def _default_of(field: inspect.Field) -> object:
    try:
        found = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if found is msgspec.NODEFAULT:
            return msgspec.UNSET
        return cast("object", msgspec.json.decode(msgspec.json.encode(found, order="deterministic")))
    except LIVE_ERRORS:  # a factory is live code; the contract check tells what is wrong with a default
        return msgspec.UNSET


def _union(shapes: list[Shape]) -> Shape:
    flat = [part for shape in shapes for part in members(shape)]
    if len(flat) == 1:
        return flat[0]
    return Shape("union", parts=tuple(sorted(flat, key=lambda part: msgspec.json.encode(part, order="sorted"))))


def _union_of_values(values: Sequence[object]) -> Shape:
    """Values by what they are in the bytes: `Literal[1, "a", None]` may be an integer, text or null."""
    by_kind: dict[str, list[Any]] = defaultdict(list)
    for value in values:
        by_kind[family_of_value(value)].append(value)
    return _union(
        [
            Shape("null") if kind == "null" else Shape("enum", values=tuple(sorted(found)))
            for kind, found in by_kind.items()
        ]
    )


def _undeclared(schema: Schema, name: str, path: str, seen: set[str]) -> Iterator[str]:
    """What stands outside the declared types, field by field, and marks where they have no effect."""
    seen.add(name)
    for field in schema.records[name].fields:
        place = f"{path}.{field.name}"
        if field.refold and name != schema.root:
            yield f"{place} is marked refold, but only the fields of {schema.root} itself can be folded from the tape"
        for shape in all_parts(field.shape):
            if shape.kind == "undeclared":
                yield f"{place}: {shape.name} is not plain data of a declared type, and cannot be part of a state"
            elif shape.kind == "record" and shape.name not in seen:
                yield from _undeclared(schema, shape.name, place, seen)


def _fatal_unions(kind: Any, path: str, seen: set[object]) -> Iterator[str]:
    """Unions of a tuple and a type with limits, such as `tuple[int, str] | Annotated[int, Meta(ge=0)]`.

    As soon as msgspec 0.22 builds a decoder for one, the next garbage collection ends the process (SIGSEGV). Its own
    view of a type comes from a decoder, so the annotations are read here.
    """
    choices = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, UnionType) else ()
    if any(map(_is_fixed_tuple, choices)) and any(map(_has_limits, choices)):
        yield f"{path}: a union of a tuple and a type with limits cannot be decoded; use a Struct or a list"
    for part in typing.get_args(kind):
        yield from _fatal_unions(part, path, seen)
    if isinstance(kind, type) and kind not in seen and "__annotations__" in dir(kind):
        seen.add(kind)
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            yield from _fatal_unions(hint, f"{path}.{name}", seen)


def _is_fixed_tuple(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple and Ellipsis not in typing.get_args(kind)


def _has_limits(kind: Any) -> bool:
    marks = [mark for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, msgspec.Meta)]
    return any(getattr(mark, name) is not None for mark in marks for name in _LIMITS)
