"""Group A, edits of what wraps or remembers: the new behaviour, and no stale cached result."""

from pathlib import Path

import pytest

from conformance.program import HOSTS
from conformance.swaps import Swap, goes_live

DOUBLED = """
from functools import wraps

def scaled(function):
    @wraps(function)
    def inner(number):
        return function(number) * 2
    return inner
"""
CASES = {
    "decorator_added": Swap(
        files={
            "wrappers.py": DOUBLED,
            "parts.py": "from strategy import wrappers\n\ndef score(number):\n    return number\n",
        },
        main="""
from strategy.parts import score

HELD = [score]

def look(number):
    return [score(number), HELD[0](number), score.__name__, hasattr(score, "__wrapped__")]
""",
        edits=(("parts.py", "def score", "@wrappers.scaled\ndef score"),),
        was=[3, 3, "score", False],
        now=[6, 6, "score", True],
    ),
    "decorator_changed_in_other_module": Swap(
        files={
            "wrappers.py": DOUBLED,
            "parts.py": """
from strategy.wrappers import scaled

@scaled
def score(number):
    return number

class Scale:
    score = staticmethod(score)

    @property
    def bound(self):
        return scaled(lambda number: number + 1)
""",
        },
        main="""
from strategy.parts import Scale, score

HELD = Scale()

def look(number):
    return [score(number), HELD.score(number), HELD.bound(number)]
""",
        edits=(("wrappers.py", "function(number) * 2", "function(number) * 100"),),
        was=[6, 6, 8],
        now=[300, 300, 400],
    ),
    "class_decorator": Swap(
        files={
            "wrappers.py": """
KNOWN = []

def known(level):
    def enlist(found):
        KNOWN.append((found.__name__, level))
        found.level = level
        return found
    return enlist
""",
            "parts.py": "from strategy.wrappers import known\n\n\n@known(2)\nclass Scale:\n    pass\n",
        },
        main="""
from strategy.parts import Scale
from strategy.wrappers import KNOWN

HELD = Scale()

def look(number):
    return [Scale.level, HELD.level, [list(each) for each in KNOWN], getattr(HELD, "title", "none")]
""",
        edits=(
            ("parts.py", "@known(2)", "@known(5)"),
            ("wrappers.py", "found.level = level", "found.level = level\n        found.title = f'level {level}'"),
        ),
        was=[2, 2, [["Scale", 2]], "none"],
        now=[5, 5, [["Scale", 5]], "level 5"],
    ),
    "contextmanager_function": Swap(
        files={
            "parts.py": """
from contextlib import contextmanager

@contextmanager
def scope(seen):
    seen.append("in")
    try:
        yield 2
    finally:
        seen.append("out")
"""
        },
        main="""
from strategy.parts import scope

@scope([])
def decorated(number):
    return number

def look(number):
    seen = []
    with scope(seen) as factor:
        seen.append(number * factor)
    return [*seen, decorated(number)]
""",
        edits=(
            ("parts.py", "yield 2", "yield 50"),
            ("parts.py", 'seen.append("out")', 'seen.append("left")'),
        ),
        was=["in", 6, "out", 3],
        now=["in", 150, "left", 3],
    ),
    "lru_cache_function": Swap(
        files={
            "inner.py": "def factor():\n    return 2\n",
            "parts.py": """
from functools import cache, lru_cache
from strategy.inner import factor

@lru_cache(maxsize=8)
def score(number):
    return number + 1

@cache
def scaled(number):
    return number * factor()

class Scale:
    @lru_cache
    def score(self, number):
        return number * factor()
""",
        },
        main="""
from functools import cache
from strategy.parts import Scale, scaled, score

HELD = Scale()

@cache
def both(number):
    return score(number) + scaled(number)

def look(number):
    return [score(number), scaled(number), HELD.score(number), both(number)]
""",
        edits=(("parts.py", "number + 1", "number + 10"), ("inner.py", "return 2", "return 7")),
        was=[4, 6, 6, 10],
        now=[13, 21, 21, 34],
    ),
    "cached_property": Swap(
        files={
            "parts.py": """
from functools import cached_property

class Scale:
    @cached_property
    def factor(self):
        return 2

    @cached_property
    def title(self):
        return f"by {self.factor}"
"""
        },
        main="""
from strategy.parts import Scale

HELD = Scale()
EARLY = HELD.factor

def look(number):
    return [HELD.factor, HELD.title, EARLY, "factor" in vars(HELD)]
""",
        edits=(("parts.py", "return 2", "return 9"),),
        was=[2, "by 2", 2, True],
        now=[9, "by 9", 9, True],
    ),
    "singledispatch_implementation": Swap(
        files={
            "parts.py": """
from functools import singledispatch, singledispatchmethod

@singledispatch
def shown(value):
    return "something"

@shown.register
def _(value: int):
    return f"number {value}"

class Shower:
    @singledispatchmethod
    def shown(self, value):
        return "something"

    @shown.register
    def _(self, value: int):
        return f"number {value}"
"""
        },
        main="""
from strategy.parts import Shower, shown

HELD = Shower()

def look(number):
    return [shown(number), shown(True), shown("text"), HELD.shown(number), len(shown.registry)]
""",
        edits=(
            (
                "parts.py",
                'def _(value: int):\n    return f"number {value}"\n',
                """def _(value: int):
    return f"integer {value}"

@shown.register
def _(value: str):
    return "text"
""",
            ),
            (
                "parts.py",
                'def _(self, value: int):\n        return f"number',
                'def _(self, value: int):\n        return f"integer',
            ),
        ),
        was=["number 3", "number True", "something", "number 3", 2],
        now=["integer 3", "integer True", "text", "integer 3", 3],
    ),
    "singledispatch_on_edited_class": Swap(
        files={
            "kinds.py": "class Quote:\n    level = 2\n\n\nclass Late(Quote):\n    pass\n",
            "parts.py": """
from functools import singledispatch
from strategy.kinds import Quote

@singledispatch
def shown(value):
    return "unknown"

@shown.register
def _(value: Quote):
    return f"quote at {value.level}"
""",
        },
        main="""
from strategy.kinds import Late, Quote
from strategy.parts import shown

HELD = Quote()

def look(number):
    return [shown(HELD), shown(Quote()), shown(Late()), shown(number), sum(each is Quote for each in shown.registry)]
""",
        edits=(("kinds.py", "level = 2", "level = 8"), ("kinds.py", "class Late(Quote)", "class Late")),
        was=["quote at 2", "quote at 2", "quote at 2", "unknown", 1],
        now=["quote at 8", "quote at 8", "unknown", "unknown", 1],
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_what_wraps_or_remembers_is_new_in_a_new_release(tmp_path: Path, case: str, host: str) -> None:
    goes_live(tmp_path, host, CASES[case])
