"""Group A, edits of functions and methods: the next evaluation runs the new code everywhere it is reached."""

from pathlib import Path

import pytest

from conformance.program import HOSTS
from conformance.swaps import Swap, goes_live

CASES = {
    "function_body": Swap(
        files={"parts.py": "def score(number):\n    return number * 2\n\n\nTABLE = {'score': score}\n"},
        main="""
from functools import partial
from strategy import parts
from strategy.parts import TABLE, score
from strategy.parts import score as renamed

class Holder:
    score = staticmethod(score)

HELD = partial(score)
INSTANCE = Holder()

def look(number, default=score):
    reached = (score, renamed, parts.score, TABLE["score"], Holder.score, INSTANCE.score, HELD, default)
    return [*(each(number) for each in reached), *map(score, [number])]
""",
        edits=(("parts.py", "number * 2", "number * 10"),),
        was=[6] * 9,
        now=[30] * 9,
    ),
    "method_body": Swap(
        files={"parts.py": "class Scale:\n    def score(self, number):\n        return number * 2\n"},
        main="""
from strategy.parts import Scale

class Narrow(Scale):
    pass

class Wrapped(Scale):
    def score(self, number):
        return super().score(number)

INSTANCE, BOUND, UNBOUND = Scale(), Scale().score, Scale.score

def look(number):
    reached = (INSTANCE.score, BOUND, Narrow().score, Wrapped().score, Scale().score)
    return [*(each(number) for each in reached), UNBOUND(INSTANCE, number)]
""",
        edits=(("parts.py", "number * 2", "number * 10"),),
        was=[6] * 6,
        now=[30] * 6,
    ),
    "method_added": Swap(
        files={"parts.py": "class Scale:\n    def score(self, number):\n        return number * 2\n"},
        main="""
from strategy.parts import Scale

class Narrow(Scale):
    pass

HELD = [Scale(), Narrow()]

def look(number):
    return [each.twice(number) if hasattr(each, "twice") else "no method" for each in HELD]
""",
        edits=(
            (
                "parts.py",
                "number * 2\n",
                "number * 2\n\n    def twice(self, number):\n        return 2 * self.score(number)\n",
            ),
        ),
        was=["no method"] * 2,
        now=[12] * 2,
    ),
    "method_removed": Swap(
        files={
            "parts.py": """
class Scale:
    def score(self, number):
        return number * 2


class Narrow(Scale):
    def score(self, number):
        return number * 100

    def only_here(self):
        return True
"""
        },
        main="""
from strategy.parts import Narrow

HELD = Narrow()

def look(number):
    return [HELD.score(number), Narrow.score(HELD, number), hasattr(HELD, "only_here"), "score" in vars(Narrow)]
""",
        edits=(
            ("parts.py", "    def score(self, number):\n        return number * 100\n\n", ""),
            ("parts.py", "    def only_here(self):\n        return True\n", "    pass\n"),
        ),
        was=[300, 300, True, True],
        now=[6, 6, False, False],
    ),
    "class_attribute": Swap(
        files={"parts.py": "class Scale:\n    FACTOR = 2\n    DOUBLE = FACTOR * 2\n    LEVELS = [FACTOR]\n"},
        main="""
from strategy.parts import Scale

class Narrow(Scale):
    OWN = Scale.FACTOR + 1

HELD, COPIED = Scale(), Scale.FACTOR

def look(number):
    return [Scale.FACTOR, HELD.FACTOR, Narrow.FACTOR, Narrow.OWN, COPIED, Scale.DOUBLE, *HELD.LEVELS]
""",
        edits=(("parts.py", "FACTOR = 2\n", "FACTOR = 7\n"),),
        was=[2, 2, 2, 3, 2, 4, 2],
        now=[7, 7, 7, 8, 7, 14, 7],
    ),
    "property_and_classmethod": Swap(
        files={
            "parts.py": """
class Scale:
    UNIT = 1

    @property
    def factor(self):
        return 2

    @classmethod
    def unit(cls):
        return cls.UNIT + 1

    @staticmethod
    def plus(number):
        return number + 1
"""
        },
        main="""
from strategy.parts import Scale

class Narrow(Scale):
    UNIT = 100

HELD, UNIT, PLUS = Scale(), Narrow.unit, Scale.plus

def look(number):
    return [HELD.factor, Narrow().factor, Scale.factor.fget(HELD), Scale.unit(), UNIT(), PLUS(number)]
""",
        edits=(
            ("parts.py", "return 2\n", "return 20\n"),
            ("parts.py", "cls.UNIT + 1", "cls.UNIT + 5"),
            ("parts.py", "number + 1", "number + 9"),
        ),
        was=[2, 2, 2, 2, 101, 4],
        now=[20, 20, 20, 6, 105, 12],
    ),
    "special_methods": Swap(
        files={
            "parts.py": """
class Pair:
    def __init__(self, low, high): self.low, self.high = low, high
    def __call__(self, number): return number + self.low
    def __add__(self, other): return self.low + other.low
    def __contains__(self, number): return number == self.low
    def __enter__(self): return self.low
    def __exit__(self, *_): return None
    def __eq__(self, other): return self.low == other.low
    def __hash__(self): return hash(self.low)
    def __getattr__(self, name): return f"no {name}"
    def __getitem__(self, place): return self.low * place
    def __iter__(self): return iter([self.low])
    def __len__(self): return self.low
    def __lt__(self, other): return self.low < other.low
    def __repr__(self): return f"Pair {self.low}"
"""
        },
        main="""
from strategy.parts import Pair

ONE, TWO = Pair(1, 8), Pair(2, 4)

def look(number):
    with ONE as entered:
        pass
    found = [ONE(number), ONE + TWO, 1 in ONE, entered, ONE == Pair(1, 9), ONE == Pair(2, 8), len({ONE, Pair(1, 9)})]
    return [*found, ONE.colour, ONE[number], list(ONE), len(ONE), repr(min(ONE, TWO)), hash(ONE) == hash(1)]
""",
        edits=(
            ("parts.py", "return number + self.low", "return number + self.high"),
            ("parts.py", "return self.low + other.low", "return self.high + other.high"),
            ("parts.py", "return number == self.low", "return number == self.high"),
            ("parts.py", "def __enter__(self): return self.low", "def __enter__(self): return self.high"),
            ("parts.py", "return self.low == other.low", "return self.high == other.high"),
            ("parts.py", "return hash(self.low)", "return hash(self.high)"),
            ("parts.py", 'f"no {name}"', 'f"never {name}"'),
            ("parts.py", "self.low * place", "self.high * place"),
            ("parts.py", "iter([self.low])", "iter([self.high])"),
            ("parts.py", "def __len__(self): return self.low", "def __len__(self): return self.high"),
            ("parts.py", "self.low < other.low", "self.high < other.high"),
            ("parts.py", 'f"Pair {self.low}"', 'f"Pair of {self.high}"'),
        ),
        was=[4, 3, True, 1, True, False, 1, "no colour", 3, [1], 1, "Pair 1", True],
        now=[11, 12, False, 8, False, True, 2, "never colour", 24, [8], 8, "Pair of 4", False],
    ),
    "nested_class": Swap(
        files={
            "parts.py": """
class Outer:
    class Inner:
        LEVEL = 2

        class Deep:
            def score(self, number):
                return number * 2

    def inner(self):
        return self.Inner.Deep()
"""
        },
        main="""
from strategy.parts import Outer

HELD, DEEP = Outer(), Outer.Inner.Deep

def look(number):
    found = [HELD.inner().score(number), DEEP().score(number), Outer.Inner.LEVEL]
    return [*found, isinstance(HELD.inner(), DEEP), DEEP.__qualname__]
""",
        edits=(("parts.py", "LEVEL = 2", "LEVEL = 5"), ("parts.py", "number * 2", "number * 10")),
        was=[6, 6, 2, True, "Outer.Inner.Deep"],
        now=[30, 30, 5, True, "Outer.Inner.Deep"],
    ),
    "lambda_table": Swap(
        files={"parts.py": "TABLE = {'up': lambda number: number + 1, 'down': lambda number: number - 1}\n"},
        main="""
from strategy.parts import TABLE

UP = TABLE["up"]
COPIED = dict(TABLE)

def look(number):
    return [UP(number), *(COPIED[name](number) for name in sorted(COPIED)), len(TABLE)]
""",
        edits=(
            ("parts.py", "number + 1", "number + 100"),
            ("parts.py", "number - 1}", "number - 100, 'flat': lambda number: number}"),
        ),
        was=[4, 2, 4, 2],
        now=[103, -97, 3, 103, 3],
    ),
    "partial": Swap(
        files={
            "parts.py": """
from functools import partial, partialmethod

def score(number, factor, plus=0):
    return number * factor + plus

doubled = partial(score, factor=2)

class Scale:
    def score(self, number, factor):
        return number * factor

    doubled = partialmethod(score, factor=2)
"""
        },
        main="""
from functools import partial
from strategy.parts import Scale, doubled

MORE = partial(doubled, plus=1)
HELD = Scale()

def look(number):
    return [doubled(number), MORE(number), HELD.doubled(number), doubled.keywords["factor"]]
""",
        edits=(
            ("parts.py", "doubled = partial(score, factor=2)", "doubled = partial(score, factor=3)"),
            ("parts.py", "number * factor + plus", "number * factor + plus + 1000"),
            ("parts.py", "partialmethod(score, factor=2)", "partialmethod(score, factor=5)"),
        ),
        was=[6, 7, 6, 2],
        now=[1009, 1010, 15, 3],
    ),
    "closure_body": Swap(
        files={
            "parts.py": """
def scaled(factor):
    def score(number):
        return number * factor
    return score
"""
        },
        main="""
from strategy.parts import scaled

DOUBLED = scaled(2)
TABLE = [scaled(factor) for factor in (1, 10)]

def look(number):
    return [DOUBLED(number), *(each(number) for each in TABLE)]
""",
        edits=(("parts.py", "return number * factor", "return number + factor"),),
        was=[6, 3, 30],
        now=[5, 4, 13],
    ),
    "closure_captures_more": Swap(
        files={
            "parts.py": """
def scaled(factor, offset=7):
    def score(number):
        return number * factor
    return score
"""
        },
        main="""
from strategy.parts import scaled

DOUBLED = scaled(2)

def look(number):
    return [DOUBLED(number), list(DOUBLED.__code__.co_freevars)]
""",
        edits=(("parts.py", "return number * factor", "return number * factor + offset"),),
        was=[6, ["factor"]],
        now=[13, ["factor", "offset"]],
    ),
    "default_argument": Swap(
        files={
            "parts.py": """
LIMIT = 2

def score(number, factor=2, *, limit=LIMIT, levels=(1, 2)):
    return [number * factor, limit, *levels]
"""
        },
        main="""
from functools import partial
from strategy.parts import score

HELD = partial(score)

def look(number):
    return [score(number), HELD(number), list(score.__defaults__)]
""",
        edits=(
            ("parts.py", "factor=2", "factor=4"),
            ("parts.py", "LIMIT = 2", "LIMIT = 9"),
            ("parts.py", "levels=(1, 2)", "levels=(3,)"),
        ),
        was=[[6, 2, 1, 2], [6, 2, 1, 2], [2]],
        now=[[12, 9, 3], [12, 9, 3], [4]],
    ),
    "keyword_default_in_class_scope": Swap(
        files={
            "parts.py": """
class Scale:
    FACTOR = 2

    def score(self, number, *, factor=FACTOR):
        return number * factor

    plus = lambda self, number, *, more=FACTOR + 1: number + more
"""
        },
        main="""
from strategy.parts import Scale

HELD = Scale().score

def look(number):
    return [HELD(number), Scale().plus(number), HELD(number, factor=1), Scale.score.__kwdefaults__["factor"]]
""",
        edits=(("parts.py", "FACTOR = 2\n", "FACTOR = 6\n"),),
        was=[6, 6, 3, 2],
        now=[18, 10, 3, 6],
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_an_edited_function_runs_everywhere_it_is_reached(tmp_path: Path, case: str, host: str) -> None:
    goes_live(tmp_path, host, CASES[case])
