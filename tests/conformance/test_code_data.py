"""Group A, edits of data types: equality and `isinstance` are those of one release, also for what the state holds."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.program import HOSTS, Files, a_program
from conformance.swaps import Edit, Swap, edited, goes_live, is_refused, told

HOLDING = """
import msgspec
from strategy.parts import Kind, facts, first, following


class Params(msgspec.Struct, frozen=True):
    step: int = 1


class State(msgspec.Struct, frozen=True):
    seen: int = 0
    held: Kind = msgspec.field(default_factory=first)


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None


def decide(given, state, params):
    return Result(State(state.seen + params.step, following(state.held)), facts(state.held))
"""
"""A strategy whose state holds a `Kind`; the value of a call tells facts of the one that it was given."""


class Held(NamedTuple):
    """`parts` is the source of `parts.py`; `fits` the edit that carries over by rule, with the states and the facts
    before and after it; `does_not` one that needs a `migrate`, and what its refusal says."""

    parts: str
    fits: tuple[Edit, ...]
    states: tuple[Any, Any, Any]
    """What is held before the edit, right after it, and one call later."""
    facts: tuple[Any, Any]
    does_not: tuple[Edit, ...]
    says: str


ENUM = """
import enum

class Kind(enum.Enum):
    UP = "up"
    DOWN = "down"

def first():
    return Kind.UP

def following(held):
    return Kind.DOWN

def facts(held):
    return [isinstance(held, Kind), held is Kind(held.value), held.name, {Kind.DOWN: "known"}.get(held), len(Kind)]
"""
NAMED_TUPLE = """
from typing import NamedTuple

class Kind(NamedTuple):
    price: float
    size: float

def first():
    return Kind(2.0, 1.0)

def following(held):
    return held._replace(size=held.size + 1)

def facts(held):
    return [isinstance(held, Kind), held == Kind(*held), hash(held) == hash(Kind(*held)), len(held), list(Kind._fields)]
"""
TYPED_DICT = """
from typing import NotRequired, TypedDict

class Kind(TypedDict):
    price: float

def first():
    return Kind(price=2.0)

def following(held):
    return Kind(price=held["price"] + 1)

def facts(held):
    return [isinstance(held, dict), held == Kind(**held), sorted(Kind.__required_keys__), sorted(Kind.__annotations__)]
"""
DATACLASS = """
from dataclasses import asdict, dataclass, fields, replace

@dataclass(frozen=True)
class Kind:
    price: float

def first():
    return Kind(2.0)

def following(held):
    return replace(held, price=held.price + 1)

def facts(held):
    same = Kind(**asdict(held))
    alike = [held == same, hash(held) == hash(same), len({held, same}), isinstance(held, Kind)]
    return [*alike, [field.name for field in fields(held)]]
"""
SLOTS = DATACLASS.replace("frozen=True", "frozen=True, slots=True").replace(
    "[*alike, ", "[*alike, hasattr(held, '__dict__'), list(Kind.__slots__), "
)
HELD = {
    "enum_member_added": Held(
        parts=ENUM,
        fits=(
            ("parts.py", 'DOWN = "down"', 'DOWN = "down"\n    FLAT = "flat"'),
            ("parts.py", "return Kind.DOWN", "return Kind.FLAT"),
        ),
        states=("down", "down", "flat"),
        facts=([True, True, "DOWN", "known", 2], [True, True, "DOWN", "known", 3]),
        does_not=(("parts.py", 'DOWN = "down"', 'DOWN = "below"'),),
        says="State.held: was ",
    ),
    "namedtuple_field_added": Held(
        parts=NAMED_TUPLE,
        fits=(("parts.py", "size: float\n", "size: float\n    spread: float = 0.5\n"),),
        states=([2.0, 3.0], [2.0, 3.0, 0.5], [2.0, 4.0, 0.5]),
        facts=([True, True, True, 2, ["price", "size"]], [True, True, True, 3, ["price", "size", "spread"]]),
        does_not=(
            ("parts.py", "size: float\n", "size: float\n    spread: float\n"),
            ("parts.py", "(2.0, 1.0)", "(2.0, 1.0, 0.5)"),
        ),
        says="State.held.spread is new and has no default",
    ),
    "typeddict_changed": Held(
        parts=TYPED_DICT,
        fits=(
            ("parts.py", "price: float\n", "price: float\n    note: NotRequired[str]\n"),
            ("parts.py", 'held["price"] + 1)', 'held["price"] + 1, note="seen")'),
        ),
        states=({"price": 4.0}, {"price": 4.0}, {"price": 5.0, "note": "seen"}),
        facts=([True, True, ["price"], ["price"]], [True, True, ["price"], ["note", "price"]]),
        does_not=(
            ("parts.py", "price: float\n", "price: float\n    size: float\n"),
            ("parts.py", "(price=2.0)", "(price=2.0, size=1.0)"),
        ),
        says="State.held.size is new and has no default",
    ),
    "frozen_dataclass_edited": Held(
        parts=DATACLASS,
        fits=(("parts.py", "price: float\n", "price: float\n    size: float = 0.5\n"),),
        states=({"price": 4.0}, {"price": 4.0}, {"price": 5.0, "size": 0.5}),  # msgspec omits its default
        facts=([True, True, 1, True, ["price"]], [True, True, 1, True, ["price", "size"]]),
        does_not=(
            ("parts.py", "price: float\n", "price: float\n    size: float\n"),
            ("parts.py", "Kind(2.0)", "Kind(2.0, 1.0)"),
        ),
        says="State.held.size is new and has no default",
    ),
    "slots_changed": Held(
        parts=SLOTS,
        fits=(("parts.py", "price: float\n", "price: float\n    size: float = 0.5\n"),),
        states=({"price": 4.0}, {"price": 4.0, "size": 0.5}, {"price": 5.0, "size": 0.5}),
        facts=(
            [True, True, 1, True, False, ["price"], ["price"]],
            [True, True, 1, True, False, ["price", "size"], ["price", "size"]],
        ),
        does_not=(("parts.py", "price: float\n", "price: str\n"), ("parts.py", "Kind(2.0)", "Kind('2')")),
        says="State.held.price: was number, is now string",
    ),
}
CASES = {
    "enum_member_added": Swap(
        files={
            "parts.py": """
import enum

class Side(enum.Enum):
    UP = "up"
    DOWN = "down"

class Flag(enum.Flag):
    LOUD = 1
    RED = 2

NAMES = {Side.UP: "rises", Side.DOWN: "falls"}
"""
        },
        main="""
from strategy import parts
from strategy.parts import NAMES, Flag, Side

HELD = Side("up")

def look(number):
    same = [HELD is parts.Side.UP, NAMES[HELD], isinstance(HELD, Side), Side["UP"] == HELD]
    return [*same, [each.name for each in Side], int((~Flag.LOUD).value)]
""",
        edits=(
            ("parts.py", 'DOWN = "down"', 'DOWN = "down"\n    FLAT = "flat"'),
            ("parts.py", "RED = 2", "RED = 2\n    TALL = 4"),
        ),
        was=[True, "rises", True, True, ["UP", "DOWN"], 2],
        now=[True, "rises", True, True, ["UP", "DOWN", "FLAT"], 6],
    ),
    "namedtuple_field_added": Swap(
        files={
            "parts.py": """
from collections import namedtuple
from typing import NamedTuple

Pair = namedtuple("Pair", "low high")

class Quote(NamedTuple):
    price: float

def read(price):
    return Quote(price)
"""
        },
        main="""
from strategy.parts import Pair, Quote, read

HELD = Quote(2.0)

def look(number):
    same = [read(2.0) == HELD, isinstance(read(2.0), Quote), hash(read(2.0)) == hash(HELD)]
    return [*same, list(HELD), list(Quote._fields), list(Pair._fields), HELD._asdict()]
""",
        edits=(
            ("parts.py", "price: float", "price: float\n    size: int = 5"),
            ("parts.py", '"low high"', '"low high middle"'),
        ),
        was=[True, True, True, [2.0], ["price"], ["low", "high"], {"price": 2.0}],
        now=[True, True, True, [2.0, 5], ["price", "size"], ["low", "high", "middle"], {"price": 2.0, "size": 5}],
    ),
    "typeddict_changed": Swap(
        files={
            "parts.py": """
from typing import TypedDict

class Level(TypedDict):
    price: float

class Book(Level, total=False):
    asks: list[Level]
"""
        },
        main="""
import msgspec
from strategy.parts import Book, Level

HELD = Level(price=2.0)
READ = msgspec.json.Decoder(Level).decode

def read(text):
    try:
        return READ(text)
    except msgspec.ValidationError as error:
        return str(error)

def look(number):
    return [HELD, sorted(Book.__annotations__), sorted(Book.__optional_keys__), read(b'{"price": 2.0}')]
""",
        edits=(
            ("parts.py", "price: float", "price: float\n    size: int"),
            ("__init__.py", "price=2.0", "price=2.0, size=1"),
        ),
        was=[{"price": 2.0}, ["asks", "price"], ["asks"], {"price": 2.0}],
        now=[{"price": 2.0, "size": 1}, ["asks", "price", "size"], ["asks"], "Object missing required field `size`"],
    ),
    "frozen_dataclass_edited": Swap(
        files={
            "parts.py": """
from dataclasses import dataclass

@dataclass(frozen=True)
class Quote:
    price: float

    def doubled(self):
        return Quote(self.price * 2)
"""
        },
        main="""
from dataclasses import FrozenInstanceError, fields, replace
from strategy.parts import Quote

HELD = Quote(2.0)

def changed(quote):
    try:
        quote.price = 3.0
    except FrozenInstanceError:
        return "frozen"

def look(number):
    same = [Quote(4.0) == HELD.doubled(), hash(Quote(2.0)) == hash(HELD), replace(HELD, price=2.0) == HELD]
    return [*same, isinstance(HELD.doubled(), Quote), [each.name for each in fields(HELD)], repr(HELD), changed(HELD)]
""",
        edits=(
            ("parts.py", "frozen=True", "frozen=True, order=True"),
            ("parts.py", "price: float", "price: float\n    size: int = 5"),
        ),
        was=[True, True, True, True, ["price"], "Quote(price=2.0)", "frozen"],
        now=[True, True, True, True, ["price", "size"], "Quote(price=2.0, size=5)", "frozen"],
    ),
    "slots_changed": Swap(
        files={
            "parts.py": """
class Quote:
    __slots__ = ("price",)

    def __init__(self, price):
        self.price = price

class Late(Quote):
    __slots__ = ("age",)
"""
        },
        main="""
from strategy.parts import Late, Quote

HELD = Quote(2.0)

def kept(quote, name):
    try:
        setattr(quote, name, 1)
    except AttributeError:
        return f"no {name}"
    return f"{name} kept"

def look(number):
    names = [kept(Quote(1.0), name) for name in ("size", "age")]
    return [*names, kept(Late(1.0), "age"), list(Quote.__slots__), isinstance(HELD, Quote), HELD.price]
""",
        edits=(
            ("parts.py", '__slots__ = ("price",)', '__slots__ = ("price", "size")'),
            ("parts.py", '    __slots__ = ("age",)', "    pass"),
        ),
        was=["no size", "no age", "age kept", ["price"], True, 2.0],
        now=["size kept", "no age", "age kept", ["price", "size"], True, 2.0],
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_an_edited_data_type_is_of_one_release(tmp_path: Path, case: str, host: str) -> None:
    goes_live(tmp_path, host, CASES[case])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", HELD)
def test_what_the_state_holds_of_an_edited_type_is_carried_over_or_refused(
    tmp_path: Path, case: str, host: str
) -> None:
    held = HELD[case]
    before: Files = {"__init__.py": HOLDING, "parts.py": held.parts}
    with a_program(tmp_path, host=host, files=before) as program:
        assert [program.value(), program.value()][1] == held.facts[0]
        assert program.state() == {"seen": 2, "held": held.states[0]}
        verdict = program.deploy(edited(before, *held.fits))
        assert verdict.is_live, verdict.text
        assert program.state() == {"seen": 2, "held": held.states[1]}
        outcome = program.ask()
        assert (outcome.release, told(outcome)) == ("v2", held.facts[1])
        assert program.state() == {"seen": 3, "held": held.states[2]}
        program.roll_back()
        assert (program.value(), program.running) == (held.facts[0], "v1")
        good = edited(before, ("__init__.py", "facts(state.held)", "'good'"))
        is_refused(program, edited(before, *held.does_not), good, step="stage", words=(held.says,))
