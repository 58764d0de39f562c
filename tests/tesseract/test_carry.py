"""State across releases: what is accepted never fails later, what is refused names its field and changes nothing."""

import contextlib
import datetime as dt
import enum
import functools
import gc
import math
import operator
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from tesseract.carry import (
    PROBLEMS_OF_A_KIND_MAX,
    STATE_BYTES_MAX,
    Carried,
    carry,
    merge_refolded,
    refold,
)
from tesseract.schema import schema_hash, schema_of, state_type_problems

REQUIRED = object()


def a_struct(name: str = "State", /, *, options: Mapping[str, Any] | None = None, **fields: Any) -> type[Struct]:
    """A frozen Struct. A field is (type, default), or (type, REQUIRED)."""
    listed = [(key, kind) if default is REQUIRED else (key, kind, default) for key, (kind, default) in fields.items()]
    return msgspec.defstruct(name, listed, frozen=True, kw_only=True, **(options or {}))


def an_old(state: Struct) -> tuple[dict[str, bytes], str]:
    return {"BTC/5m": msgspec.msgpack.encode(state)}, schema_of(type(state))


def carried_to(new: type[Struct], state: Struct, migrate: Callable[..., object] | None = None) -> Carried:
    """What `new` makes of one old state. The old bytes are the same afterwards, whatever it was."""
    states, schema = an_old(state)
    before = dict(states)
    found = carry(new, states, schema, migrate)
    assert states == before, "the old state is bit-equal to before"
    assert not (found.problems and found.states), "a refusal carries nothing"
    return found


def value_in(new: type[Struct], found: Carried) -> Any:
    assert found.problems == ()
    return msgspec.msgpack.decode(found.states["BTC/5m"], type=new)


def problem_of(found: Carried) -> str:
    assert len(found.problems) == 1, found.problems
    return found.problems[0]


OLD = a_struct(count=(int, 0), ema=(float, 0.0))


# The schema


def test_equal_types_of_two_modules_have_equal_schemas() -> None:
    def a_release(module: str) -> type[Struct]:
        inner = msgspec.defstruct("Inner", [("x", int, 0)], module=module, frozen=True)
        names = msgspec.field(default_factory=lambda: {"b", "a"})
        return msgspec.defstruct("State", [("inner", inner, inner()), ("names", set[str], names)], module=module)

    assert schema_of(a_release("_release_a.strategy")) == schema_of(a_release("_release_b.strategy"))
    assert len(schema_hash(schema_of(a_release("x")))) == 16


@pytest.mark.parametrize(
    "other",
    [
        a_struct(count=(int, 1), ema=(float, 0.0)),
        a_struct(count=(float, 0), ema=(float, 0.0)),
        a_struct(count=(int, 0)),
        a_struct(count=(Annotated[int, Meta(ge=0)], 0), ema=(float, 0.0)),
        a_struct(count=(int, 0), ema=(float, 0.0), options={"array_like": True}),
    ],
)
def test_a_default_a_type_a_field_a_limit_or_a_layout_changes_the_schema(other: type[Struct]) -> None:
    assert schema_hash(schema_of(other)) != schema_hash(schema_of(OLD))


def test_keys_of_integers_and_of_text_differ_in_the_schema() -> None:
    assert schema_of(a_struct(x=(dict[int, int], {}))) != schema_of(a_struct(x=(dict[str, int], {})))


def test_two_types_of_one_name_are_kept_apart() -> None:
    one, two = a_struct("Inner", x=(int, 0)), a_struct("Inner", y=(str, ""))
    old = a_struct(a=(one, one()), b=(two, two()))
    new = a_struct(a=(one, one()), b=(one, one()))

    assert "State.b.y is gone" not in str(carried_to(old, old()).problems)
    assert carried_to(new, old()).notes == ("State.b.y is dropped", "State.b.x is new and starts at its default 0")


# By rule


def test_an_equal_schema_passes_the_bytes_through() -> None:
    state = b"\x82\xa3ema\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa5count\x07"  # fields in another order than the encoder's

    found = carry(OLD, {"key": state}, schema_of(OLD))

    assert found == Carried({"key": state})


def test_an_equal_schema_with_bytes_that_are_no_state_is_refused() -> None:
    found = carry(OLD, {"good": b"\x80", "bad": b"\x01"}, schema_of(OLD))

    assert "bad: the state is not a State" in problem_of(found)


def test_field_added_with_default() -> None:
    new = a_struct(count=(int, 0), ema=(float, 0.0), peak=(list[int], []))

    found = carried_to(new, OLD(count=7, ema=0.5))

    assert value_in(new, found) == new(count=7, ema=0.5, peak=[])
    assert found.notes == ("State.peak is new and starts at its default []",)


def test_field_added_without_default() -> None:
    inner, wider = a_struct("Inner", x=(int, 0)), a_struct("Inner", x=(int, 0), y=(int, REQUIRED))
    old, new = a_struct(inner=(inner, inner())), a_struct(inner=(wider, wider(y=1)))

    assert "State.inner.y is new and has no default" in problem_of(carried_to(new, old()))


def test_field_removed() -> None:
    new = a_struct(ema=(float, 0.0))

    found = carried_to(new, OLD(count=7, ema=0.5))

    assert value_in(new, found) == new(ema=0.5)
    assert found.notes == ("State.count is dropped",)
    assert b"count" not in found.states["BTC/5m"]


def test_field_removed_where_unknown_fields_are_forbidden() -> None:
    new = a_struct(ema=(float, 0.0), options={"forbid_unknown_fields": True})

    assert "State.count is gone, and unknown fields are forbidden" in problem_of(carried_to(new, OLD()))


def test_field_renamed_without_migrate() -> None:
    new = a_struct(total=(int, 0), ema=(float, 0.0))

    assert problem_of(carried_to(new, OLD())) == (
        "State.count is gone and State.total is new: if it was renamed, migrate(old, old_schema) must carry it"
    )


def test_field_renamed_in_a_nested_struct_is_refused_and_a_swap_of_unlike_fields_is_not() -> None:
    before, after = a_struct("Inner", x=(int, 0)), a_struct("Inner", y=(int, 0))
    unlike = a_struct("Inner", y=(str, ""))
    old = a_struct(items=(list[before], []))

    assert "State.items[].x is gone and State.items[].y is new" in problem_of(
        carried_to(a_struct(items=(list[after], [])), old())
    )
    assert carried_to(a_struct(items=(list[unlike], [])), old()).notes == (
        "State.items[].x is dropped",
        'State.items[].y is new and starts at its default ""',
    )


def test_a_field_that_is_written_under_another_name_looks_renamed() -> None:
    new = a_struct(count=(str, ""), ema=(float, 0.0), options={"rename": {"count": "Count"}})

    assert "State.count is gone and State.Count is new" in problem_of(carried_to(new, OLD()))


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class MoreColours(enum.Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1


class Tag1(Struct, frozen=True, tag="one"):
    x: int = 0


class Tag2(Struct, frozen=True, tag="two"):
    x: int = 0


class Pair(NamedTuple):
    a: int = 0
    b: float = 0.0


class Triple(NamedTuple):
    a: int = 0
    b: float = 0.0
    c: str = ""


class Loose(TypedDict, total=False):
    a: int


class Strict(TypedDict):
    a: int


@dataclass(frozen=True)
class Plain:
    a: int = 0


AT_LEAST = {bound: Annotated[int, Meta(ge=bound)] for bound in (0, 1)}
LONG = Annotated[list[int], Meta(max_length=5)]
SHORT = Annotated[list[int], Meta(max_length=3)]

FITTING = [
    (int, float),
    (int, int | None),
    (int, int | str),
    (Literal[1, 2], int),
    (Literal[1, "a"], Literal[1, 2, "a"] | None),
    (Literal["a"], str),
    (Level, float),
    (Colour, MoreColours),
    (Colour, str),
    (AT_LEAST[1], AT_LEAST[0]),
    (AT_LEAST[0], int),
    (AT_LEAST[0], Annotated[float, Meta(ge=-1)]),
    (Annotated[int, Meta(gt=0)], AT_LEAST[1]),
    (Annotated[float, Meta(gt=0)], Annotated[float, Meta(ge=0)]),
    (SHORT, LONG),
    (tuple[int, int], SHORT),
    (tuple[int, int], tuple[float, int | None]),
    (set[int], list[float]),
    (frozenset[int], set[int]),
    (list[int], tuple[int, ...]),
    (dict[str, int], dict[str, float | None]),
    (dict[Literal["a"], int], dict[str, int]),
    (Tag1, Tag1 | Tag2),
    (Tag1 | Tag2 | None, Tag2 | None | Tag1 | int),
    (bytes, bytearray),
    (float | Level, float | Level),
    (Annotated[str, Meta(pattern="^a", max_length=2)], Annotated[str, Meta(pattern="^a")]),
    (Loose, Loose),
    (Strict, Loose),
    (Plain, Plain),
    (list[Pair], list[Triple]),
    (dt.datetime, dt.datetime | None),
]

NARROWING = [
    (float, int, "was number, is now integer"),
    (int | None, int, "was integer or null, is now integer"),
    (int | str, int, "is now integer"),
    (int, str, "was integer, is now string"),
    (int, bool, "was integer, is now boolean"),
    (int, AT_LEAST[0], "was integer, is now integer (ge 0)"),
    (AT_LEAST[0], AT_LEAST[1], "was integer (ge 0), is now integer (ge 1)"),
    (AT_LEAST[0], Annotated[float, Meta(gt=0)], "is now number (gt 0)"),
    (int, AT_LEAST[0] | float, "was integer, is now integer (ge 0)"),
    (Annotated[int, Meta(le=2**60 + 1)], Annotated[int, Meta(le=2**60)], "(le "),
    (Annotated[int, Meta(lt=2**60 + 1)], Annotated[float, Meta(lt=2**60 + 1)], "is now number"),
    (Annotated[int, Meta(multiple_of=3)], Annotated[int, Meta(multiple_of=2)], "multiple_of"),
    (str, Annotated[str, Meta(pattern="^a")], "pattern ^a"),
    (str, Literal["a"], "is now one of 'a'"),
    (str, Colour, "was string"),
    (MoreColours, Colour, "was one of 'blue', 'green', 'red', is now one of 'blue', 'red'"),
    (LONG, SHORT, "max_length 3"),
    (list[int], tuple[int, int], "is now tuple"),
    (list[int], set[int], "was array of integer, is now set of integer"),
    (tuple[int, int, int, int], SHORT, "was tuple"),
    (tuple[int, int], tuple[int, int, int], "was tuple"),
    (str, bytes, "was string, is now bytes"),
    (str, dt.datetime, "was string, is now datetime"),
    (dt.datetime, Annotated[dt.datetime, Meta(tz=True)], "(tz True)"),
    (Tag1 | Tag2, Tag1, "State.x: Tag1 has another layout or tag"),
    (Tag1, Tag2, "State.x: Tag2 has another layout or tag"),
    (Tag1, dict[str, int], "was Tag1, is now dict"),
    (Loose, Strict, "State.x.a has lost its default"),
    (list[Triple], list[Pair], "State.x[].c is gone"),
]


@pytest.mark.parametrize(("before", "after"), FITTING)
def test_field_type_widened(before: Any, after: Any) -> None:
    assert carry(a_struct(x=(after, None)), {}, schema_of(a_struct(x=(before, None)))).problems == ()


@pytest.mark.parametrize(("before", "after", "said"), NARROWING)
def test_field_type_narrowed(before: Any, after: Any, said: str) -> None:
    found = carry(a_struct(x=(after, None)), {}, schema_of(a_struct(x=(before, None))))

    assert said in problem_of(found)
    assert "State.x" in problem_of(found)
    assert "migrate(old, old_schema)" in problem_of(found)


def test_a_narrowed_type_is_refused_although_every_value_of_today_would_fit() -> None:
    new = a_struct(count=(int, 0), ema=(int, 0))

    assert problem_of(carried_to(new, OLD(count=1, ema=2.0))) == (
        "State.ema: was number, is now integer, and not every value fits; write migrate(old, old_schema)"
    )


def test_a_widened_value_is_rewritten_in_the_new_type() -> None:
    new = a_struct(count=(float, 0.0), ema=(float, 0.0))

    assert repr(value_in(new, carried_to(new, OLD(count=7))).count) == "7.0"


@pytest.mark.parametrize(
    ("holder", "path"),
    [
        (lambda kind: kind, "State.x.price"),
        (lambda kind: list[kind], "State.x[].price"),
        (lambda kind: dict[str, kind], "State.x{}.price"),
        (lambda kind: tuple[int, kind], "State.x[1].price"),
        (lambda kind: kind | None, "State.x.price"),
    ],
)
def test_nested_struct_changed_and_list_of_struct_changed(holder: Callable[[Any], Any], path: str) -> None:
    number, integer = a_struct("Inner", price=(float, 0.0)), a_struct("Inner", price=(int, 0))
    wide, narrow = a_struct(x=(holder(number), None)), a_struct(x=(holder(integer), None))

    assert carry(wide, {}, schema_of(narrow)).problems == ()
    assert problem_of(carry(narrow, {}, schema_of(wide))).startswith(f"{path}: was number, is now integer")


def test_optional_added_and_optional_removed() -> None:
    plain, optional = a_struct(x=(int, 0)), a_struct(x=(int | None, 0))

    assert value_in(optional, carried_to(optional, plain(x=3))).x == 3
    assert "State.x: was integer or null, is now integer" in problem_of(carried_to(plain, optional(x=3)))


def test_union_changed() -> None:
    one, both = a_struct(x=(Tag1, Tag1())), a_struct(x=(Tag1 | Tag2, Tag1()))

    assert value_in(both, carried_to(both, one(x=Tag1(4)))).x == Tag1(4)
    assert "State.x: " in problem_of(carried_to(one, both(x=Tag1(4))))


def test_enum_in_state_changed() -> None:
    few, many = a_struct(x=(Colour, Colour.RED)), a_struct(x=(MoreColours, MoreColours.RED))

    assert value_in(many, carried_to(many, few(x=Colour.BLUE))).x is MoreColours.BLUE
    assert "'green'" in problem_of(carried_to(few, many()))


def test_default_factory() -> None:
    new = a_struct(count=(int, 0), ema=(float, 0.0), seen=(list[int], msgspec.field(default_factory=lambda: [1, 2])))

    found = carried_to(new, OLD(count=3))

    assert value_in(new, found).seen == [1, 2]
    assert found.notes == ("State.seen is new and starts at its default [1,2]",)


def test_a_changed_default_leaves_the_live_value() -> None:
    new = a_struct(count=(int, 5), ema=(float, 0.0))

    assert value_in(new, carried_to(new, OLD(count=0))).count == 0


def test_a_changed_default_that_is_not_written_is_refused() -> None:
    old, new = (a_struct(x=(int, default), options={"omit_defaults": True}) for default in (0, 5))

    assert "State.x: its default was 0, is now 5, and is not written" in problem_of(carried_to(new, old()))


def test_structs_like_arrays_are_compared_by_place() -> None:
    options = {"array_like": True}
    old = a_struct(a=(int, 0), b=(str, ""), options=options)
    appended = a_struct(a=(int, 0), b=(str, ""), c=(int, 9), options=options)
    inserted = a_struct(a=(int, 0), c=(str, ""), b=(str, ""), options=options)

    assert value_in(appended, carried_to(appended, old(a=1, b="x"))) == appended(a=1, b="x", c=9)
    assert "State.c stands where State.b stood" in problem_of(carried_to(inserted, old()))
    assert carried_to(old, appended()).notes == ("State.c is dropped",)
    assert "layout" in problem_of(carried_to(a_struct(a=(int, 0), b=(str, "")), old()))


class Chain(Struct, frozen=True):
    value: int = 0
    rest: "Chain | None" = None


class LongChain(Struct, frozen=True):
    value: float = 0.0
    rest: "LongChain | None" = None
    more: int = 0


def test_a_recursive_type_is_judged_once() -> None:
    old, new = a_struct(chain=(Chain, Chain())), a_struct(chain=(LongChain, LongChain()))

    found = carried_to(new, old(chain=Chain(1, Chain(2))))

    assert value_in(new, found).chain == LongChain(1.0, LongChain(2.0))
    assert found.notes == ("State.chain.more is new and starts at its default 0",)
    assert "State.chain.value" in problem_of(carried_to(old, new()))


def test_every_problem_is_told_at_once() -> None:
    new = a_struct(count=(str, ""), ema=(int, 0))

    assert [text.partition(":")[0] for text in carried_to(new, OLD()).problems] == ["State.count", "State.ema"]


@pytest.mark.parametrize("schema", ["", "{}", "[1]", '{"root": 3}'])
def test_an_old_schema_that_cannot_be_read_is_refused(schema: str) -> None:
    assert "the schema of the old state cannot be read" in problem_of(carry(OLD, {}, schema))


class Picky(Struct, frozen=True):
    count: int = 0
    ema: float = 0.0
    new: int = 0

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("thirteen")
        if self.count == 14:
            raise SystemExit(1)


@pytest.mark.parametrize("count", [13, 14])
def test_a_state_that_the_new_type_rejects_by_its_own_code_is_refused(count: int) -> None:
    assert "BTC/5m: the state is not a Picky" in problem_of(carried_to(Picky, OLD(count=count)))


def test_ctrl_c_in_live_code_passes_through() -> None:
    def migrate(old: Mapping[str, object], old_schema: str) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_to(Picky, OLD(), migrate)


def test_up_down_up_over_three_generations() -> None:
    second = a_struct(count=(int, 0), ema=(float, 0.0), peak=(float, 0.0))
    third = a_struct(count=(float, 0.0), ema=(float, 0.0), peak=(float, 0.0), note=(str, "-"))
    straight = a_struct(count=(int, 0), ema=(float, 0.0))(count=7, ema=0.5)

    up = value_in(second, carried_to(second, straight))
    down = carried_to(OLD, up)
    again = value_in(second, carried_to(second, value_in(OLD, down)))

    assert value_in(OLD, down) == OLD(count=7, ema=0.5)
    assert down.notes == ("State.peak is dropped",)
    assert again == up
    assert value_in(third, carried_to(third, again)) == third(count=7.0, ema=0.5, peak=0.0, note="-")
    assert "State.count: was number, is now integer" in problem_of(carried_to(second, third()))


# By migrate

MOVED = a_struct(total=(int, 0), ema=(float, 0.0), mode=(str, "calm"))


def moves(old: Mapping[str, Any], old_schema: str) -> object:
    return MOVED(total=old["count"], ema=old["ema"], mode="wild")


def test_field_renamed_with_migrate() -> None:
    found = carried_to(MOVED, OLD(count=7, ema=0.5), moves)

    assert value_in(MOVED, found) == MOVED(total=7, ema=0.5, mode="wild")
    assert found.notes == (
        f"migrate carried 1 states from schema {schema_hash(schema_of(OLD))} to {schema_hash(schema_of(MOVED))}",
    )


def test_migrate_is_called_once_for_each_key_and_only_for_another_schema() -> None:
    calls: list[tuple[object, str]] = []

    def migrate(old: Mapping[str, Any], old_schema: str) -> object:
        calls.append((dict(old), old_schema))
        return moves(old, old_schema)

    states = {key: msgspec.msgpack.encode(OLD(count=n)) for n, key in enumerate(("a", "b"))}

    assert carry(OLD, states, schema_of(OLD), migrate).states == states
    assert calls == []
    assert carry(MOVED, states, schema_of(OLD), migrate).problems == ()
    assert calls == [({"count": 0, "ema": 0.0}, schema_of(OLD)), ({"count": 1, "ema": 0.0}, schema_of(OLD))]


def test_migrate_of_a_tagged_array_like_state_sees_names() -> None:
    old = a_struct(count=(int, 0), ema=(float, 0.0), options={"array_like": True, "tag": "old"})

    assert value_in(MOVED, carried_to(MOVED, old(count=7, ema=0.5), moves)).total == 7


def test_migrate_raises() -> None:
    def migrate(old: Mapping[str, Any], old_schema: str) -> object:
        return MOVED(total=old["nowhere"])

    line = migrate.__code__.co_firstlineno + 1
    assert problem_of(carried_to(MOVED, OLD(), migrate)) == (
        f"BTC/5m: migrate raised {Path(__file__)}:{line} KeyError: 'nowhere'"
    )


@pytest.mark.parametrize("error", [RecursionError("deep"), SystemExit(3), MemoryError(), ValueError("x")])
def test_whatever_migrate_raises_refuses(error: BaseException) -> None:
    def migrate(old: Mapping[str, Any], old_schema: str) -> object:
        raise error

    assert type(error).__name__ in problem_of(carried_to(MOVED, OLD(), migrate))


def test_an_error_whose_text_fails_refuses_as_well() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def migrate(old: Mapping[str, Any], old_schema: str) -> object:
        raise Mute

    assert "Mute: its text cannot be told" in problem_of(carried_to(MOVED, OLD(), migrate))


@pytest.mark.parametrize("value", [None, {"total": 1}, OLD(), MOVED])
def test_migrate_returns_wrong_type(value: object) -> None:
    found = carried_to(MOVED, OLD(), lambda old, old_schema: value)

    assert f"migrate returned {type(value).__name__}, and must return a State" in problem_of(found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (MOVED(total="seven"), "the state is not a State: ValidationError: Expected `int`, got `str`"),
        (MOVED(total=socket.socket), "the state cannot be encoded: TypeError"),
        (MOVED(total=2**70), "the state cannot be encoded: OverflowError"),
        (MOVED(mode="x" * STATE_BYTES_MAX), "over the limit of 65536 for one key"),
    ],
)
def test_a_migrated_state_that_cannot_be_written_is_refused(value: Struct, said: str) -> None:
    assert said in problem_of(carried_to(MOVED, OLD(), lambda old, old_schema: value))


def test_a_migrated_state_may_have_exactly_the_largest_size() -> None:
    spare = STATE_BYTES_MAX - len(msgspec.msgpack.encode(MOVED(total=1, mode="x" * 1000))) + 1000

    assert carried_to(MOVED, OLD(), lambda old, old_schema: MOVED(total=1, mode="x" * spare)).problems == ()
    assert carried_to(MOVED, OLD(), lambda old, old_schema: MOVED(total=1, mode="x" * (spare + 1))).problems


def test_cyclic_state_is_refused_with_a_sentence() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)

    found = carried_to(MOVED, OLD(), lambda old, old_schema: MOVED(mode=cycle))

    assert "the state refers to itself or is nested too deep" in problem_of(found)


def test_migrate_forgets_field() -> None:
    new = a_struct(count=(int, 0), ema=(float, 0.0), mode=(str, ""))

    found = carried_to(new, OLD(count=7, ema=0.5), lambda old, old_schema: new(ema=old["ema"], mode="x"))

    assert problem_of(found) == "BTC/5m: migrate forgets State.count: it was 7 and became its default 0"


def test_a_field_that_was_at_its_default_or_changed_its_type_is_not_forgotten() -> None:
    new = a_struct(count=(int, 5), ema=(str, ""))

    assert carried_to(new, OLD(count=0, ema=0.5), lambda old, old_schema: new()).problems == ()


def test_migrate_mutates_input() -> None:
    def migrate(old: Any, old_schema: str) -> object:
        return MOVED(total=old.pop("count"))

    def puts_itself(old: Any, old_schema: str) -> object:
        old["self"] = old
        return MOVED()

    for function in (migrate, puts_itself):
        assert "migrate changes the state" in carried_to(MOVED, OLD(count=1), function).problems[0]


def test_a_nan_that_stays_is_no_change() -> None:
    new = a_struct(count=(int, 0), ema=(float, 0.0), mode=(str, ""))

    found = carried_to(new, OLD(ema=math.nan), lambda old, old_schema: new(**old))

    assert math.isnan(value_in(new, found).ema)


def test_problems_of_one_kind_are_told_for_a_few_keys() -> None:
    states = {f"key{n}": msgspec.msgpack.encode(OLD()) for n in range(10)}

    found = carry(MOVED, states, schema_of(OLD), lambda old, old_schema: None)

    assert len(found.problems) == PROBLEMS_OF_A_KIND_MAX + 1
    assert found.problems[-1] == "and 7 more problems of this kind"


def test_one_bad_key_refuses_all() -> None:
    states = {"good": msgspec.msgpack.encode(OLD(count=1)), "bad": msgspec.msgpack.encode(OLD(count=2))}

    found = carry(MOVED, states, schema_of(OLD), lambda old, schema: moves(old, schema) if old["count"] == 1 else None)

    assert found.states == {}
    assert "bad: " in problem_of(found)


# Refold

WARM = a_struct(count=(int, 0), ema=(float, 0.0), slow=(Annotated[float, refold], 0.0), fast=(float, 1.0))


def test_a_new_marked_field_is_named_for_the_fold_and_other_fields_keep_live_values() -> None:
    found = carried_to(WARM, OLD(count=7, ema=0.5))

    assert found.refold == ("slow",)
    assert found.notes == (
        "State.slow is new and is folded from the tape",
        "State.fast is new and starts at its default 1.0",
    )
    folded = msgspec.msgpack.encode(WARM(count=900, ema=9.0, slow=3.5, fast=9.0))
    merged = merge_refolded(found.states["BTC/5m"], folded, found.refold, WARM)
    assert msgspec.msgpack.decode(merged, type=WARM) == WARM(count=7, ema=0.5, slow=3.5, fast=1.0)


def test_a_marked_field_that_the_old_release_had_keeps_its_live_value() -> None:
    found = carried_to(WARM, a_struct(count=(int, 0), slow=(float, 0.0))(slow=2.0))

    assert found.refold == ()
    assert value_in(WARM, found).slow == 2.0


def test_a_marked_field_is_folded_beside_a_migrate_too() -> None:
    found = carried_to(WARM, OLD(count=7), lambda old, old_schema: WARM(**old, fast=2.0))

    assert found.refold == ("slow",)
    assert found.notes[1:] == ("State.slow is new and is folded from the tape",)


def test_a_marked_field_is_no_rename() -> None:
    new = a_struct(ema=(float, 0.0), total=(Annotated[int, refold], 0))

    assert carried_to(new, OLD(count=7)).problems == ()


@pytest.mark.parametrize(
    "options",
    [{}, {"array_like": True}, {"array_like": True, "tag": "s"}, {"rename": "upper"}, {"omit_defaults": True}],
)
def test_merging_takes_the_named_fields_in_every_layout(options: dict[str, Any]) -> None:
    kind = a_struct(a=(int, 0), b=(int, 0), c=(int, 0), options=options)
    encode = msgspec.msgpack.encode

    merged = merge_refolded(encode(kind(a=1, b=2, c=3)), encode(kind(a=7, b=0, c=9)), ["b", "c"], kind)

    assert merged == encode(kind(a=1, b=0, c=9))


def test_a_merge_that_is_no_valid_state_raises() -> None:
    kind = a_struct(a=(str, ""), b=(str, ""))
    carried, folded = (msgspec.msgpack.encode(kind(a=a, b=b)) for a, b in (("x" * 60_000, ""), ("", "x" * 60_000)))

    with pytest.raises(ValueError, match=r"the refolded fields b do not fit the carried state: .*over the limit"):
        merge_refolded(carried, folded, ["b"], kind)


# What a State may not hold


class Anything:
    pass


@pytest.mark.parametrize("kind", [Callable[[int], int], socket.socket, Any, object, Anything, msgspec.Raw])
@pytest.mark.parametrize("holder", [lambda kind: kind, lambda kind: list[kind], lambda kind: dict[str, list[kind]]])
def test_function_in_state_socket_in_state_and_type_outside_the_declared_schema(
    kind: Any, holder: Callable[[Any], Any]
) -> None:
    inner = a_struct("Inner", thing=(holder(kind), None))
    state = a_struct(good=(int, 0), inner=(list[inner], []), thing=(holder(kind), None))

    problems = state_type_problems(state)

    assert [problem.partition(":")[0] for problem in problems] == ["State.inner.thing", "State.thing"]
    assert carry(state, {}, schema_of(OLD)).problems == tuple(problems)


def test_a_state_of_declared_types_has_no_problem() -> None:
    for kind in (OLD, WARM, Chain, a_struct(x=(dt.datetime | None, None), y=(list[Pair], []), z=(Plain, None))):
        assert state_type_problems(kind) == []


def test_a_union_that_no_decoder_can_tell_apart_is_a_sentence() -> None:
    assert (
        "State is not plain data of declared types: TypeError"
        in state_type_problems(a_struct(x=(a_struct("A") | a_struct("B"), None)))[0]
    )


def test_a_union_that_would_end_the_process_in_the_decoder_is_a_sentence() -> None:
    limited = a_struct(x=(list[tuple[int, int] | AT_LEAST[0] | None], []))
    free = a_struct(x=(list[tuple[AT_LEAST[0], int] | int | None], []))

    deep = a_struct(inner=(dict[str, limited], {}))

    assert "State.x: a union of a tuple and a type with limits" in state_type_problems(limited)[0]
    assert "State.inner.x: a union of a tuple" in state_type_problems(deep)[0]
    gc.collect()  # where it would end
    assert state_type_problems(free) == []


def test_an_annotation_that_cannot_be_resolved_is_a_sentence() -> None:
    assert "NameError" in state_type_problems(a_struct(x=("Nowhere", None)))[0]


def test_a_refold_mark_below_the_state_itself_is_told() -> None:
    inner = a_struct("Inner", x=(Annotated[int, refold], 0))

    assert "State.inner.x is marked refold, but only" in state_type_problems(a_struct(inner=(inner, inner())))[0]


def test_a_factory_that_raises_leaves_the_schema_readable() -> None:
    def factory() -> int:
        raise SystemExit

    kind = a_struct(x=(int, msgspec.field(default_factory=factory)))

    assert carry(kind, {}, schema_of(a_struct(x=(int, 0)))).problems == ()


# Never an error later

VALUES_OF_A_TYPE = 6
LIMITS = st.sampled_from([None, Meta(ge=0), Meta(gt=0), Meta(le=3), Meta(lt=4), Meta(ge=-1, le=5), Meta(multiple_of=2)])
LENGTHS = st.sampled_from([None, Meta(max_length=1), Meta(max_length=2), Meta(min_length=1), Meta(min_length=2)])
NUMBERS = st.one_of(st.integers(-3, 6), st.sampled_from([2**53 + 1, -(2**63), 2**64 - 1]))
FLOATS = st.one_of(st.sampled_from([math.nan, math.inf, -0.0, 0.5]), st.integers(-3, 6).map(float))
TEXTS = st.sampled_from(["", "a", "b", "ab", "abc"])
VALUES = {
    "none": st.none(),
    "bool": st.booleans(),
    "int": NUMBERS,
    "float": FLOATS,
    "str": TEXTS,
    "bytes": st.sampled_from([b"", b"a", b"abc"]),
}
LEAF_TYPES: dict[str, Any] = {"none": type(None), "bool": bool, "int": int, "float": float, "str": str, "bytes": bytes}


class Sketch(Struct, frozen=True):
    """A type of the small grammar. `parts` are its inner types, `fields` (name, type, has a default) are a struct's."""

    kind: str
    limit: Any = None
    parts: tuple["Sketch", ...] = ()
    values: tuple[Any, ...] = ()
    fields: tuple[tuple[str, "Sketch", bool], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


OPTIONS = st.sampled_from(
    [(), (), (), (("array_like", True),), (("forbid_unknown_fields", True),), (("omit_defaults", True),)]
    + [(("tag", tag),) for tag in ("one", "two")]
)
LEAVES = st.one_of(
    st.sampled_from(["none", "bool"]).map(Sketch),
    st.builds(Sketch, st.sampled_from(["int", "float"]), LIMITS),
    st.builds(Sketch, st.sampled_from(["str", "bytes"]), LENGTHS),
    st.lists(st.sampled_from([1, 2, 3, "a", "b", None, True]), min_size=1, max_size=4, unique_by=repr).map(
        lambda values: Sketch("literal", values=tuple(values))
    ),
)


def _fields(inner: st.SearchStrategy[Sketch]) -> st.SearchStrategy[tuple[tuple[str, Sketch, bool], ...]]:
    one = st.tuples(st.sampled_from("abc"), inner, st.booleans())
    return st.lists(one, max_size=3, unique_by=lambda field: field[0]).map(tuple)


def _deeper(inner: st.SearchStrategy[Sketch]) -> st.SearchStrategy[Sketch]:
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Sketch, st.sampled_from(["list", "set", "vartuple"]), LENGTHS, st.tuples(inner)),
        st.builds(Sketch, st.just("dict"), LENGTHS, st.tuples(LEAVES, inner)),
        st.builds(Sketch, st.sampled_from(["tuple", "union", "union"]), st.none(), some),
        st.builds(Sketch, st.just("struct"), fields=_fields(inner), options=OPTIONS),
    )


SKETCHES = st.recursive(LEAVES, _deeper, max_leaves=5)
STATES = st.builds(Sketch, st.just("struct"), fields=_fields(SKETCHES), options=OPTIONS)


@st.composite
def an_edit_of(draw: st.DrawFn, old: Sketch) -> Sketch:
    """A type that a developer might make of `old`: mostly the same, wider or narrower here and there."""
    choice = draw(st.sampled_from(["keep", "inside", "inside", "limit", "loose", "join", "other"]))
    if choice == "keep" or (choice == "other" and old.kind == "struct"):
        return old
    if choice == "other":
        return draw(SKETCHES)
    if choice == "join":
        return Sketch("union", parts=(draw(an_edit_of(old)), draw(LEAVES)))
    if choice == "loose":
        wider = {"int": "float", "set": "list", "tuple": "tuple"}
        return msgspec.structs.replace(old, kind=wider.get(old.kind, old.kind), limit=None)
    if choice == "limit":
        return draw(another_limit_of(old))
    return draw(an_edit_inside(old))


@st.composite
def another_limit_of(draw: st.DrawFn, old: Sketch) -> Sketch:
    if old.kind == "literal":
        extra = draw(st.sampled_from([1, 2, "a", "b", None]))
        start = draw(st.integers(0, len(old.values) - 1))
        return msgspec.structs.replace(old, values=(*old.values[start:], extra))
    choices = {"int": LIMITS, "float": LIMITS, **dict.fromkeys(("str", "bytes", "list", "set", "dict"), LENGTHS)}
    return msgspec.structs.replace(old, limit=draw(choices.get(old.kind, st.none())))


@st.composite
def an_edit_inside(draw: st.DrawFn, old: Sketch) -> Sketch:
    options = draw(OPTIONS) if old.kind == "struct" and not draw(st.integers(0, 3)) else old.options
    parts = tuple(draw(an_edit_of(part)) for part in old.parts)
    return msgspec.structs.replace(old, parts=parts, fields=draw(edited_fields(old.fields)), options=options)


@st.composite
def edited_fields(draw: st.DrawFn, fields: tuple[tuple[str, Sketch, bool], ...]) -> Any:
    kept = [(name, draw(an_edit_of(kind)), has) for name, kind, has in fields if draw(st.integers(0, 9))]
    kept = [(name, kind, has if draw(st.integers(0, 9)) else not has) for name, kind, has in kept]
    added = draw(_fields(LEAVES)) if not draw(st.integers(0, 3)) else ()
    return (*kept, *(field for field in added if field[0] not in {name for name, _, _ in kept}))


def members_of(sketch: Sketch) -> Iterator[Sketch]:
    for part in sketch.parts if sketch.kind == "union" else ():
        yield part
        yield from members_of(part)


def built(sketch: Sketch, draw: st.DrawFn) -> Any:
    """The Python type of a sketch. Raises TypeError for a union that `state_type_problems` refuses."""
    inside = list(members_of(sketch))
    if any(part.kind == "tuple" for part in inside) and any(part.limit for part in inside):
        raise TypeError("msgspec would end the process")
    parts = tuple(built(part, draw) for part in sketch.parts)
    if sketch.kind == "struct":
        return built_struct(sketch, draw)
    made: dict[str, Callable[[], Any]] = {
        "list": lambda: list[parts[0]],
        "set": lambda: set[parts[0]],
        "vartuple": lambda: tuple[parts[0], ...],
        "dict": lambda: dict[parts[0], parts[1]],
        "tuple": lambda: tuple[parts],
        "union": lambda: functools.reduce(operator.or_, parts),
        "literal": lambda: Literal[sketch.values],
    }
    kind = made.get(sketch.kind, lambda: LEAF_TYPES[sketch.kind])()
    return Annotated[kind, sketch.limit] if sketch.limit is not None else kind


def built_struct(sketch: Sketch, draw: st.DrawFn) -> type[Struct]:
    fields = []
    for name, kind, has_default in sketch.fields:
        python_type = built(kind, draw)
        default = msgspec.convert(draw(value_of(kind)), python_type) if has_default else None
        factory = msgspec.field(default_factory=lambda default=default: default)
        fields.append((name, python_type, factory) if has_default else (name, python_type))
    return msgspec.defstruct("State", fields, frozen=True, kw_only=True, **dict(sketch.options))


@st.composite
def value_of(draw: st.DrawFn, sketch: Sketch) -> Any:
    """Plain data for a sketch, often but not always valid."""
    if sketch.kind in VALUES:
        return draw(VALUES[sketch.kind])
    if sketch.kind == "literal":
        return draw(st.sampled_from(sketch.values))
    if sketch.kind == "union":
        return draw(value_of(draw(st.sampled_from(sketch.parts))))
    if sketch.kind == "dict":
        keys, values = map(value_of, sketch.parts)
        return dict(draw(st.lists(st.tuples(keys, values), max_size=3)))
    if sketch.kind == "struct":
        return draw(struct_value_of(sketch))
    if sketch.kind == "tuple":
        return [draw(value_of(part)) for part in sketch.parts]
    return draw(st.lists(value_of(sketch.parts[0]), max_size=3))


@st.composite
def struct_value_of(draw: st.DrawFn, sketch: Sketch) -> Any:
    values = {name: draw(value_of(kind)) for name, kind, _ in sketch.fields}
    options = dict(sketch.options)
    if options.get("array_like"):
        return list(values.values())
    return {"type": options["tag"], **values} if "tag" in options else values


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_accepted_by_type_decodes_for_every_value(data: st.DataObject) -> None:
    sketch = data.draw(STATES, "old")
    edited = data.draw(an_edit_inside(sketch), "new")
    try:
        old, new = built(sketch, data.draw), built(edited, data.draw)
        for kind in (old, new):
            msgspec.msgpack.Decoder(kind)
    except (TypeError, msgspec.ValidationError, OverflowError):
        assume(False)
    states = states_of(old, [data.draw(struct_value_of(sketch)) for _ in range(VALUES_OF_A_TYPE)])
    schema = schema_of(old)
    assume(states and schema != schema_of(new))
    is_accepted = not carry(new, {}, schema).problems
    event(f"accepted: {is_accepted}")

    if is_accepted:
        for state in states.values():
            msgspec.msgpack.decode(state, type=new)
        assert carry(new, states, schema).problems == ()


def states_of(kind: type[Struct], values: list[Any]) -> dict[str, bytes]:
    """The states that the values are, as far as they are valid in `kind` at all."""
    states = {}
    for place, value in enumerate(values):
        with contextlib.suppress(TypeError, OverflowError, msgspec.ValidationError):
            state = msgspec.msgpack.encode(msgspec.convert(value, kind))
            msgspec.msgpack.decode(state, type=kind)
            states[f"key{place}"] = state
    return states
