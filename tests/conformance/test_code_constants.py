"""Group A, edits of values: everything that was derived from them is computed anew."""

from pathlib import Path

import pytest

from conformance.program import HOSTS
from conformance.swaps import Swap, goes_live

CASES = {
    "constant_changed": Swap(
        files={"limits.py": "LIMIT = 2\nNAMES = ['btc']\nDEEP = {'eth': {'limit': LIMIT}}\n"},
        main="""
from strategy import limits
from strategy.limits import DEEP, LIMIT, NAMES
from strategy.limits import LIMIT as RENAMED

class Holder:
    limit = LIMIT

def kept(limit=LIMIT):
    return limit

def look(number):
    return [LIMIT, RENAMED, limits.LIMIT, Holder.limit, kept(), [*NAMES], DEEP["eth"]["limit"]]
""",
        edits=(("limits.py", "LIMIT = 2", "LIMIT = 5"), ("limits.py", "['btc']", "['btc', 'sol']")),
        was=[2, 2, 2, 2, 2, ["btc"], 2],
        now=[5, 5, 5, 5, 5, ["btc", "sol"], 5],
    ),
    "constant_derived_in_other_module": Swap(
        files={
            "limits.py": "LIMIT = 2\n",
            "derived.py": """
from strategy.limits import LIMIT

DOUBLE = LIMIT * 2
TABLE = {number: number * LIMIT for number in range(2)}
""",
            "further.py": "from strategy import derived\n\nSQUARE = derived.DOUBLE ** 2\n",
        },
        main="""
from strategy.derived import DOUBLE, TABLE
from strategy.further import SQUARE

TEXT = f"at most {SQUARE}"

def look(number):
    return [DOUBLE, TABLE[1], SQUARE, TEXT]
""",
        edits=(("limits.py", "LIMIT = 2", "LIMIT = 5"),),
        was=[4, 2, 16, "at most 16"],
        now=[10, 5, 100, "at most 100"],
    ),
    "tuple_assignment": Swap(
        files={
            "limits.py": "LOW, HIGH = 1, 5\nFIRST, *REST = range(3)\nLEFT, (MIDDLE, RIGHT) = (1, (2, 3))\nA = B = LOW\n"
        },
        main="""
from strategy.limits import FIRST, HIGH, LEFT, LOW, MIDDLE, REST, RIGHT, A, B

SPAN = HIGH - LOW

def look(number):
    return [LOW, HIGH, SPAN, FIRST, *REST, LEFT, MIDDLE, RIGHT, A, B]
""",
        edits=(
            ("limits.py", "LOW, HIGH = 1, 5", "HIGH, LOW = 50, 4"),
            ("limits.py", "range(3)", "range(7, 9)"),
            ("limits.py", "(1, (2, 3))", "(3, (2, 1))"),
        ),
        was=[1, 5, 4, 0, 1, 2, 1, 2, 3, 1, 1],
        now=[4, 50, 46, 7, 8, 3, 2, 1, 4, 4],
    ),
    "conditional_definition": Swap(
        files={
            "parts.py": """
MODE = "calm"

if MODE == "calm":
    def score(number):
        return number * 2

    only_calm = True
else:
    def score(number):
        return number * 50

    class OnlyBold:
        pass

for name in ("low", "high"):
    if MODE == "calm" or name == "high":
        globals()[f"{name}_level"] = len(name)
"""
        },
        main="""
from strategy import parts
from strategy.parts import score

def look(number):
    names = ("only_calm", "OnlyBold", "low_level", "high_level")
    return [score(number), *(hasattr(parts, name) for name in names)]
""",
        edits=(("parts.py", 'MODE = "calm"', 'MODE = "bold"'),),
        was=[6, True, False, True, True],
        now=[150, False, True, False, True],
    ),
    "try_except_import": Swap(
        files={
            "parts.py": """
try:
    from strategy.extra import score
except ImportError:
    def score(number):
        return number * 2

try:
    from strategy import extra
except ImportError:
    extra = None

try:
    import a_module_that_nobody_has as parser
except ModuleNotFoundError:
    import json as parser
"""
        },
        main="""
from strategy import parts
from strategy.parts import score

def look(number):
    return [score(number), parts.extra is None, parts.parser.__name__]
""",
        added={"extra.py": "def score(number):\n    return number * 50\n"},
        was=[6, True, "json"],
        now=[150, False, "json"],
    ),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_what_is_derived_from_a_value_is_computed_anew(tmp_path: Path, case: str, host: str) -> None:
    goes_live(tmp_path, host, CASES[case])
