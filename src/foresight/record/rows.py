"""Events as rows of one table, and exactly the same events from these rows.

One column a field: what has the same name in two kinds of event has one column. A field that a kind does not have is
null. Integers stay integers, floats keep every bit. The columns come from the fields in `events.py`, so a new kind of
market event is recorded without a change here; a field of a type that has no column stops the import.
"""

import types
import typing
from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter

import msgspec
import polars as pl

from foresight.markets import Market
from foresight.record.kinds import KINDS, Recorded

SEQ, KIND = "seq", "kind"
LEVEL = pl.Struct({"price_micros": pl.Int64, "size_micros": pl.Int64})
LEVELS = pl.List(LEVEL)
RENAMED = {("Reference", "kind"): "reference"}
"""Fields whose name is taken by a column of every row."""
FIRST = (SEQ, KIND, "at_ns", "stamped_ns", "asset", "token", "market_id")
"""The columns that a person looks for first; the others follow in the order of the events' fields."""
PLAIN: dict[object, type[pl.DataType]] = {int: pl.Int64, float: pl.Float64, str: pl.String, bool: pl.Boolean}

Column = Callable[[Sequence[object]], pl.Series]


class Field(msgspec.Struct, frozen=True):
    """One field of one kind: its column, the column's type, and whether the field may be None."""

    name: str
    column: str
    dtype: pl.DataType
    is_optional: bool


def _fields_of(kind: type[Recorded]) -> tuple[Field, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(
        Field(name, RENAMED.get((kind.__name__, name), name), *_column_type(kind, name, hints[name]))
        for name in kind.__struct_fields__
    )


def _column_type(kind: type[Recorded], name: str, hint: object) -> tuple[pl.DataType, bool]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        inner = next(each for each in arguments if each is not type(None))
        return _column_type(kind, name, inner)[0], True
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    if hint is Market or (origin is typing.Literal and all(isinstance(each, str) for each in arguments)):
        return pl.String(), False
    if hint == tuple[tuple[int, int], ...]:
        return LEVELS, False
    if hint in PLAIN:
        return PLAIN[hint](), False
    raise TypeError(f"{kind.__name__}.{name} is {hint}, and the record has no column for that")


FIELDS = {name: _fields_of(kind) for name, kind in KINDS.items()}


def _schema() -> dict[str, pl.DataType]:
    found: dict[str, pl.DataType] = {SEQ: pl.Int64(), KIND: pl.String()}
    for field in chain.from_iterable(FIELDS.values()):
        assert found.setdefault(field.column, field.dtype) == field.dtype, f"{field.column} has two types"
    names = [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]
    return {name: found[name] for name in names}


SCHEMA = _schema()


def table_of(seqs: Sequence[int], events: Sequence[Recorded]) -> pl.DataFrame:
    """The rows of these events, in the order of their numbers."""
    by_kind: dict[type[Recorded], list[int]] = {}
    for place, event in enumerate(events):
        by_kind.setdefault(type(event), []).append(place)
    parts = [pl.DataFrame(schema=SCHEMA)]
    for kind, places in by_kind.items():
        parts.append(_part(kind.__name__, _picked(seqs, places), _picked(events, places)))
    return pl.concat(parts, how="diagonal").sort(SEQ)


def _picked(values: Sequence[typing.Any], places: list[int]) -> tuple[typing.Any, ...]:
    return itemgetter(*places)(values) if len(places) > 1 else (values[places[0]],)


def _part(kind: str, seqs: Sequence[int], events: Sequence[Recorded]) -> pl.DataFrame:
    columns = zip(*map(msgspec.structs.astuple, events), strict=True)
    series = [_series(field, values) for field, values in zip(FIELDS[kind], columns, strict=True)]
    return pl.DataFrame([pl.Series(SEQ, seqs, dtype=pl.Int64), *series]).with_columns(pl.lit(kind).alias(KIND))


def _series(field: Field, values: Sequence[typing.Any]) -> pl.Series:
    if field.dtype == LEVELS:
        return _levels(values).alias(field.column)
    if isinstance(values[0], Market):
        values = [msgspec.json.encode(each).decode() for each in values]
    return pl.Series(field.column, values, dtype=field.dtype, strict=True)


def _levels(books: Sequence[tuple[tuple[int, int], ...]]) -> pl.Series:
    """Lists of levels, made from one flat list: four times as fast as from tuples, of which books have many."""
    flat = pl.Series(list(chain.from_iterable(chain.from_iterable(books))), dtype=pl.Int64)
    rows = pl.Series("row", list(chain.from_iterable([row] * len(book) for row, book in enumerate(books))), pl.Int64)
    levels = pl.DataFrame(
        [rows, flat.gather_every(2).alias("price_micros"), flat.gather_every(2, 1).alias("size_micros")]
    )
    filled = levels.group_by("row", maintain_order=True).agg(pl.struct("price_micros", "size_micros").alias("book"))
    every = pl.DataFrame([pl.Series("row", range(len(books)), dtype=pl.Int64)])
    return every.join(filled, on="row", how="left", maintain_order="left")["book"].fill_null([]).cast(LEVELS)


def events_of(table: pl.DataFrame) -> list[tuple[int, Recorded]]:
    """The events of these rows with their numbers, in the order of the numbers. Raises ValueError for rows that are no
    events."""
    found: list[tuple[int, Recorded]] = []
    for (name,), part in table.partition_by(KIND, as_dict=True).items():
        if name not in KINDS:
            raise ValueError(f"a row is of the kind {name}, which this version does not know")
        found += _events(str(name), part)
    return sorted(found, key=itemgetter(0))


def _events(name: str, part: pl.DataFrame) -> list[tuple[int, Recorded]]:
    kind = KINDS[name]
    columns = [_values(kind, field, part) for field in FIELDS[name]]
    return [(seq, kind(*values)) for seq, values in zip(part[SEQ], zip(*columns, strict=True), strict=True)]


def _values(kind: type[Recorded], field: Field, part: pl.DataFrame) -> Sequence[object]:
    if field.column not in part.columns:
        return [_default(kind, field.name)] * part.height
    series = part[field.column]
    if not field.is_optional and series.null_count():
        raise ValueError(f"{kind.__name__} without its {field.name}")
    if field.dtype == LEVELS:
        prices, sizes = (
            series.list.eval(pl.element().struct.field(name)).to_list() for name in ("price_micros", "size_micros")
        )
        return [tuple(zip(*each, strict=True)) for each in zip(prices, sizes, strict=True)]
    if typing.get_type_hints(kind)[field.name] is Market:
        return [msgspec.json.decode(text, type=Market) for text in series]
    return series.to_list()


def _default(kind: type[Recorded], name: str) -> object:
    """What an event of before the field was there holds. Raises ValueError where it cannot be told."""
    found = next(each for each in msgspec.structs.fields(kind) if each.name == name)
    if found.default is msgspec.NODEFAULT:
        raise ValueError(f"{kind.__name__} without its {name}")
    return found.default
