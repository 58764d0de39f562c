"""Group A, edits of class families: registries hold the new classes once, and relations are those of one release."""

from pathlib import Path

import pytest

from conformance.program import HOSTS
from conformance.swaps import Swap, goes_live

CASES = {
    "base_class_replaced": Swap(
        files={
            "parts.py": """
class Calm:
    kind = "calm"
    def score(self, number): return number * 2
    def only_calm(self): return True

class Bold:
    kind = "bold"
    def score(self, number): return number * 50

class Scale(Calm):
    pass
"""
        },
        main="""
from strategy.parts import Bold, Calm, Scale

HELD = Scale()

def look(number):
    relations = [isinstance(HELD, Calm), isinstance(HELD, Bold), hasattr(HELD, "only_calm")]
    return [HELD.score(number), HELD.kind, *relations, [each.__name__ for each in Scale.__mro__]]
""",
        edits=(("parts.py", "class Scale(Calm)", "class Scale(Bold)"),),
        was=[6, "calm", True, False, True, ["Scale", "Calm", "object"]],
        now=[150, "bold", False, True, False, ["Scale", "Bold", "object"]],
    ),
    "base_in_other_module_edited": Swap(
        files={
            "base.py": """
class Base:
    FACTOR = 2

    def score(self, number):
        return number * self.FACTOR
""",
            "parts.py": "from strategy.base import Base\n\n\nclass Scale(Base):\n    pass\n\n\nSHARED = Scale()\n",
        },
        main="""
from strategy import base
from strategy.parts import SHARED, Scale

HELD = Scale()

def look(number):
    found = [HELD.score(number), SHARED.score(number), isinstance(SHARED, base.Base)]
    return [*found, Scale.__base__ is base.Base, len(base.Base.__subclasses__()), getattr(HELD, "plus", 0)]
""",
        edits=(("base.py", "FACTOR = 2\n", "FACTOR = 8\n    plus = 1\n"),),
        was=[6, 6, True, True, 1, 0],
        now=[24, 24, True, True, 1, 1],
    ),
    "super_in_subclass": Swap(
        files={
            "base.py": """
class Base:
    def __init__(self, factor): self.factor = factor
    def score(self, number): return number * self.factor

class Mixed(Base):
    def score(self, number): return super().score(number) + 1000
""",
            "parts.py": """
from strategy.base import Base

class Scale(Base):
    def __init__(self): super().__init__(2)
    def score(self, number): return super().score(number) + 1
""",
        },
        main="""
from strategy.base import Mixed
from strategy.parts import Scale

class Both(Scale, Mixed):
    pass

HELD, OVER, BOTH = Scale(), super(Scale, Scale()).score, Both()

def look(number):
    return [HELD.score(number), OVER(number), BOTH.score(number)]
""",
        edits=(
            ("base.py", "return number * self.factor", "return number * self.factor * 10"),
            ("parts.py", "super().score(number) + 1", "super().score(number) + 5"),
        ),
        was=[7, 6, 1007],
        now=[65, 60, 1065],
    ),
    "metaclass": Swap(
        files={
            "meta.py": """
class Known(type):
    names = []

    def __new__(meta, name, bases, space):
        space["title"] = f"a {name}"
        meta.names.append(name)
        return super().__new__(meta, name, bases, space)

    def __call__(cls, *arguments):
        made = super().__call__(*arguments)
        made.level = 2
        return made

    def __len__(cls):
        return 1
""",
            "parts.py": "from strategy.meta import Known\n\n\nclass Scale(metaclass=Known):\n    pass\n",
        },
        main="""
from strategy.meta import Known
from strategy.parts import Scale

class Narrow(Scale):
    pass

HELD = Narrow()

def look(number):
    return [HELD.title, HELD.level, len(Narrow), list(Known.names), type(Narrow) is Known]
""",
        edits=(
            ("meta.py", 'f"a {name}"', 'f"the {name}"'),
            ("meta.py", "made.level = 2", "made.level = 9"),
            ("meta.py", "return 1", "return 4"),
        ),
        was=["a Narrow", 2, 1, ["Scale", "Narrow"], True],
        now=["the Narrow", 9, 4, ["Scale", "Narrow"], True],
    ),
    "init_subclass_registry": Swap(
        files={
            "base.py": """
KNOWN, ORDER = {}, []

class Base:
    def __init_subclass__(cls, *, name, **kwargs):
        super().__init_subclass__(**kwargs)
        KNOWN[name] = cls
        ORDER.append(cls)
""",
            "fast.py": "from strategy.base import Base\n\n\nclass Fast(Base, name='fast'):\n    level = 2\n",
            "slow.py": "from strategy.base import Base\n\n\nclass Slow(Base, name='slow'):\n    level = 1\n",
        },
        main="""
from strategy.base import KNOWN, ORDER, Base
from strategy.fast import Fast
from strategy.slow import Slow

def look(number):
    names = [each.__name__ for each in ORDER]
    same = [KNOWN["fast"] is Fast, KNOWN["slow"] is Slow, Base.__subclasses__() == ORDER]
    return [names, *same, {name: each.level for name, each in KNOWN.items()}, getattr(Fast, "key", "none")]
""",
        edits=(
            ("fast.py", "level = 2", "level = 20"),
            ("base.py", "KNOWN[name] = cls", "KNOWN[name] = cls\n        cls.key = name.upper()"),
        ),
        was=[["Fast", "Slow"], True, True, True, {"fast": 2, "slow": 1}, "none"],
        now=[["Fast", "Slow"], True, True, True, {"fast": 20, "slow": 1}, "FAST"],
    ),
    "abstract_method_added": Swap(
        files={
            "base.py": """
from abc import ABC, abstractmethod

class Base(ABC):
    @abstractmethod
    def score(self, number): ...
""",
            "parts.py": """
from strategy.base import Base

class Scale(Base):
    def score(self, number): return number * 2

class Partly(Base):
    def score(self, number): return number
""",
        },
        main="""
from strategy.base import Base
from strategy.parts import Partly, Scale

HELD = Scale()
Base.register(dict)

def made(kind):
    try:
        return kind().score(1)
    except TypeError:
        return "abstract"

def look(number):
    found = [HELD.score(number), made(Partly), sorted(Base.__abstractmethods__), isinstance({}, Base)]
    return [*found, HELD.limit() if hasattr(HELD, "limit") else "no limit"]
""",
        edits=(
            (
                "base.py",
                "def score(self, number): ...",
                "def score(self, number): ...\n\n    @abstractmethod\n    def limit(self): ...",
            ),
            ("parts.py", "return number * 2", "return number * 4\n    def limit(self): return 10"),
        ),
        was=[6, 1, ["score"], True, "no limit"],
        now=[12, "abstract", ["limit", "score"], True, 10],
    ),
    "generic_class": Swap(
        files={
            "parts.py": """
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    def shown(self) -> str:
        return f"box of {self.item}"

class Numbers(Box[int]):
    pass
"""
        },
        main="""
from strategy.parts import Box, Numbers

HELD, MADE = Numbers(3), Box[int]
ALIAS = dict[str, Box[int]]

def look(number):
    names = [each.__name__ for each in Box.__parameters__]
    same = [MADE.__origin__ is Box, ALIAS.__args__[1].__origin__ is Box, isinstance(HELD, Box)]
    return [HELD.shown(), MADE(number).shown(), names, *same, Numbers.__orig_bases__[0].__origin__ is Box]
""",
        edits=(
            ("parts.py", "class Box(Generic[T]):", "class Box(Generic[T, U]):"),
            ("parts.py", "class Numbers(Box[int]):", "class Numbers(Box[int, str]):"),
            ("parts.py", 'f"box of {self.item}"', 'f"crate of {self.item}"'),
            ("__init__.py", "Numbers(3), Box[int]", "Numbers(3), Box[int, str]"),
            ("__init__.py", "dict[str, Box[int]]", "dict[str, Box[int, str]]"),
        ),
        was=["box of 3", "box of 3", ["T"], True, True, True, True],
        now=["crate of 3", "crate of 3", ["T", "U"], True, True, True, True],
    ),
    "protocol_changed": Swap(
        files={
            "shapes.py": """
from typing import Protocol, runtime_checkable

@runtime_checkable
class Scores(Protocol):
    def score(self, number: int) -> int: ...
""",
            "parts.py": """
class Scale:
    def score(self, number): return number * 2

class Whole:
    def score(self, number): return number * 3
    def limit(self): return 10
""",
        },
        main="""
from strategy.parts import Scale, Whole
from strategy.shapes import Scores

HELD = [Scale(), Whole()]

class Named(Scores):
    pass

def look(number):
    fits = [isinstance(each, Scores) for each in HELD]
    return [*fits, hasattr(Named, "limit"), [each.score(number) for each in HELD if isinstance(each, Scores)]]
""",
        edits=(("shapes.py", "-> int: ...", "-> int: ...\n    def limit(self) -> int: ..."),),
        was=[True, True, False, [6, 9]],
        now=[False, True, True, [9]],
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_a_family_of_classes_is_of_one_release(tmp_path: Path, case: str, host: str) -> None:
    goes_live(tmp_path, host, CASES[case])
