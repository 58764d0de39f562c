"""State across releases: what of the old release's state the new one goes on with.

The runtime holds each key's state as bytes, together with the schema of the `State` that encoded them. A release
with an equal schema gets the bytes as they are. Otherwise there are two ways, and a refusal names the field:

    by rule       no `migrate`: judged by type alone, so that what is accepted once is accepted for every value.
                  Same-named fields whose every old value is valid in the new type carry over, new ones take their
                  default, a removed one is dropped.
    by migrate    the release's own function; every result is looked at before anything is committed.

`tesseract.schema` describes the types, and `tesseract.compatible` judges them.
"""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tesseract.compatible import Judge
from tesseract.errors import LIVE_ERRORS, kind_and_text
from tesseract.schema import Record, Schema, schema_hash, schema_of, state_type_problems

STATE_BYTES_MAX = 64 * 1024
PROBLEMS_OF_A_KIND_MAX = 3
"""Migrating a thousand keys can fail a thousand times for one reason; the operator needs a few examples."""

refold = msgspec.Meta(extra={"refold": True})
"""Marks a field that a new release folds from the tape: `ema: Annotated[float, refold] = 0.0`."""

Migrate = Callable[[Mapping[str, object], str], object]


class Carried(msgspec.Struct, frozen=True):
    """What the new release starts from. With `problems` it is refused, and `states` is empty.

    `notes` tells what was dropped, defaulted or refolded. `refold` names the top-level fields that are new and must be
    folded from the tape (`merge_refolded`).
    """

    states: dict[str, bytes]
    notes: tuple[str, ...] = ()
    refold: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def carry(
    state_type: type[msgspec.Struct],
    states: Mapping[str, bytes],
    old_schema: str,
    migrate: Migrate | None = None,
) -> Carried:
    """The states of every key in terms of `state_type`, or every reason why not. `states` stays as it is."""
    problems = state_type_problems(state_type)
    if problems:
        return Carried({}, problems=tuple(problems))
    new_schema = schema_of(state_type)
    if new_schema == old_schema:
        return _each(states, lambda state: (state, _decode_problems(state_type, state)))
    try:
        old = msgspec.json.decode(old_schema, type=Schema)
    except msgspec.MsgspecError as error:
        return Carried({}, problems=(f"the schema of the old state cannot be read: {error}",))
    judge = Judge(old, msgspec.json.decode(new_schema, type=Schema))
    judge.records(old.root, judge.new.root, state_type.__name__)
    if migrate is not None:
        moving = _Migration(state_type, migrate, judge, old_schema)
        note = (
            f"migrate carried {len(states)} states from schema {schema_hash(old_schema)} to {schema_hash(new_schema)}"
        )
        return _each(states, moving.moved, [note, *judge.refold_notes], judge.refold)
    if judge.problems:
        return Carried({}, problems=tuple(judge.problems))
    return _each(states, lambda state: _recoded(state_type, state), judge.notes, judge.refold)


def merge_refolded(carried: bytes, folded: bytes, fields: Sequence[str], state_type: type[msgspec.Struct]) -> bytes:
    """The state `carried`, with the named top-level fields taken from the state `folded`; all other bytes stay.

    Raises ValueError when the two do not make a valid state together, or one over the limit.
    """
    places = [state_type.__struct_fields__.index(name) for name in fields]
    if state_type.__struct_config__.array_like:
        merged = _merged_items(carried, folded, [place + _tag_size(state_type) for place in places])
    else:
        merged = _merged_entries(carried, folded, [state_type.__struct_encode_fields__[place] for place in places])
    problems = _decode_problems(state_type, merged)
    if problems:
        raise ValueError(f"the refolded fields {', '.join(fields)} do not fit the carried state: {problems[0][1]}")
    return merged


def size_problem(state_type: type[msgspec.Struct], state: bytes) -> str:
    """Why an encoded state is too large for one key, with its largest field; empty when it is not."""
    if len(state) <= STATE_BYTES_MAX:
        return ""
    told = largest_field(state_type.__name__, state)
    return f"the state is {len(state)} bytes, over the limit of {STATE_BYTES_MAX} for one key{told}"


def largest_field(name: str, encoded: bytes) -> str:
    """`; State.text has 70005 of them`, of an encoded object's bytes; empty for one whose fields have no names."""
    try:
        fields = msgspec.msgpack.decode(encoded, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return ""
    largest = max(fields, key=lambda field: len(fields[field]))
    return f"; {name}.{largest} has {len(fields[largest])} of them"


def culprit(value: object, path: str) -> str:
    """The innermost part of a value that cannot be encoded, as a sentence; empty for one that can be."""
    inside: set[int] = set()
    while not _can_encode(value):
        inside.add(id(value))
        parts = ((name, part) for name, part in _parts(value) if not _can_encode(part))
        name, part = next(parts, ("", value))
        if part is value or id(part) in inside:
            kind = type(value).__name__
            is_known = isinstance(value, msgspec.Struct | dict | list | tuple)
            why = "refers to itself or is nested too deep" if is_known else f"is a {kind}, and no plain data"
            return f"{path:.200} {why}"
        value, path = part, path + name
    return ""


_Problem = tuple[str, str]
"""Its kind, and the sentence that follows the key."""


def _each(
    states: Mapping[str, bytes],
    moved: Callable[[bytes], tuple[bytes, list[_Problem]]],
    notes: Sequence[str] = (),
    refolded: Sequence[str] = (),
) -> Carried:
    """Every key's state through `moved`; one problem refuses all."""
    done: dict[str, bytes] = {}
    found: dict[str, list[str]] = defaultdict(list)
    for key, state in states.items():
        done[key], problems = moved(state)
        for kind, text in problems:
            found[kind].append(f"{key}: {text}")
    if found:
        return Carried({}, problems=tuple(text for texts in found.values() for text in _a_few(texts)))
    return Carried(done, tuple(notes), tuple(refolded))


def _a_few(texts: list[str]) -> list[str]:
    more = len(texts) - PROBLEMS_OF_A_KIND_MAX
    return texts if more <= 0 else [*texts[:PROBLEMS_OF_A_KIND_MAX], f"and {more} more problems of this kind"]


def _decode_problems(state_type: type[msgspec.Struct], state: bytes) -> list[_Problem]:
    too_large = size_problem(state_type, state)
    if too_large:
        return [("size", too_large)]
    try:
        msgspec.msgpack.decode(state, type=state_type)
    except LIVE_ERRORS as error:  # `__post_init__` is live code
        return [("decode", f"the state is not a {state_type.__name__}: {kind_and_text(error)}")]
    return []


def _encoded(state_type: type[msgspec.Struct], value: object) -> tuple[bytes, list[_Problem]]:
    try:
        state = msgspec.msgpack.encode(value)
    except RecursionError:
        return b"", [("encode", "the state refers to itself or is nested too deep, and cannot be encoded")]
    except LIVE_ERRORS as error:  # properties of a value that live code made
        return b"", [("encode", f"the state cannot be encoded: {kind_and_text(error)}")]
    return state, _decode_problems(state_type, state)


def _recoded(state_type: type[msgspec.Struct], state: bytes) -> tuple[bytes, list[_Problem]]:
    problems = _decode_problems(state_type, state)
    if problems:
        return b"", problems
    return _encoded(state_type, msgspec.msgpack.decode(state, type=state_type))


class _Migration:
    """Calls a release's `migrate` for one state after the other, and doubts every result."""

    def __init__(self, state_type: type[msgspec.Struct], migrate: Migrate, judge: Judge, old_schema: str) -> None:
        self._type, self._migrate, self._old_schema = state_type, migrate, old_schema
        self._old = judge.old.records[judge.old.root]
        self._new = judge.new.records[judge.new.root]
        before = {field.wire: field for field in self._old.fields}
        self._kept = [
            (before[field.wire], field)
            for field in self._new.fields
            if field.wire in before and judge.fits(before[field.wire].shape, field.shape)
        ]
        self._defaults: Mapping[str, object] | None = None

    def moved(self, state: bytes) -> tuple[bytes, list[_Problem]]:
        try:
            given, untouched = _plain(self._old, state), _plain(self._old, state)
        except (msgspec.MsgspecError, TypeError) as error:
            return b"", [("decode", f"the old state cannot be read: {kind_and_text(error)}")]
        try:
            result = self._migrate(given, self._old_schema)
        except LIVE_ERRORS as error:  # live code was called; its accident refuses the release
            return b"", [("raised", f"migrate raised {self._place_of(error)}{kind_and_text(error)}")]
        problems = [] if _is_same(given, untouched) else [("mutated", "migrate changes the state that it is given")]
        if not isinstance(result, self._type):
            text = f"migrate returned {type(result).__name__}, and must return a {self._type.__name__}"
            return b"", [*problems, ("type", text)]
        moved, wrong = _encoded(self._type, result)
        if not wrong:
            wrong = [("forgot", text) for text in self._forgotten(untouched, moved)]
        return moved, [*problems, *wrong]

    def _forgotten(self, old: Mapping[str, object], moved: bytes) -> Iterator[str]:
        new, defaults = _plain(self._new, moved), self._new_defaults()
        for before, after in self._kept:
            default = defaults.get(after.wire)
            was, now = old.get(before.wire, default), new.get(after.wire, default)
            if now == default and was not in (default, before.default):
                path = f"{self._type.__name__}.{after.name}"
                yield f"migrate forgets {path}: it was {was!r:.80} and became its default {default!r:.80}"

    def _new_defaults(self) -> Mapping[str, object]:
        if self._defaults is None:
            try:
                self._defaults = _plain(self._new, msgspec.msgpack.encode(self._type()))
            except LIVE_ERRORS:  # factories are live code; without defaults nothing can be called forgotten
                self._defaults = {field.wire: msgspec.UNSET for field in self._new.fields}
        return self._defaults

    def _place_of(self, error: BaseException) -> str:
        """`file:line ` of the innermost step in the files beside `migrate`."""
        code = getattr(self._migrate, "__code__", None)
        frames = traceback.extract_tb(error.__traceback__)[1:]
        if code is not None:
            home = Path(code.co_filename).parent
            frames = [frame for frame in frames if Path(frame.filename).is_relative_to(home)]
        return f"{frames[-1].filename}:{frames[-1].lineno} " if frames else ""


def _plain(record: Record, state: bytes) -> dict[str, object]:
    """A state as {name in the bytes: plain data}, fresh and shared with nobody."""
    found = msgspec.msgpack.decode(state)
    if record.layout == "array":
        values = found if record.tag is None else found[1:]
        return {field.wire: value for field, value in zip(record.fields, values, strict=False)}
    return {name: value for name, value in found.items() if name != record.tag_field}


def _is_same(given: object, untouched: object) -> bool:
    """Compared as bytes, where NaN equals NaN; what cannot be encoded was put there by live code."""
    try:
        return msgspec.msgpack.encode(given) == msgspec.msgpack.encode(untouched)
    except LIVE_ERRORS:
        return False


# The bytes and the values of a state


def _tag_size(state_type: type[msgspec.Struct]) -> int:
    return 0 if state_type.__struct_config__.tag is None else 1


def _merged_items(carried: bytes, folded: bytes, places: list[int]) -> bytes:
    items, fresh = (msgspec.msgpack.decode(state, type=list[msgspec.Raw]) for state in (carried, folded))
    for place in places:
        items[place] = fresh[place]
    return msgspec.msgpack.encode(items)


def _merged_entries(carried: bytes, folded: bytes, wires: list[str]) -> bytes:
    entries, fresh = (msgspec.msgpack.decode(state, type=dict[str, msgspec.Raw]) for state in (carried, folded))
    for wire in wires:
        if wire in fresh:
            entries[wire] = fresh[wire]
        else:  # a field at its default may be absent
            entries.pop(wire, None)
    return msgspec.msgpack.encode(entries)


def _can_encode(value: object) -> bool:
    try:
        msgspec.msgpack.encode(value)
    except LIVE_ERRORS:  # a RecursionError too; and properties are live code
        return False
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, msgspec.Struct):
        yield from ((f".{name}", getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, dict):
        yield from ((f"[{key!r:.80}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"[{place}]", part) for place, part in enumerate(value))
