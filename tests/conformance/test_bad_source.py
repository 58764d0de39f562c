"""Bad releases that cannot be imported: each is refused with the file, the line and the text, and nothing else happens.

Every case of a host runs in one and the same program, so that what one of them left behind would hurt the next."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.bad_releases import LINES, a_warm_program, good, is_refused
from conformance.program import HOSTS, Files, Program, a_program
from tesseract.release import tree_digest

MODEL = """
class Model:
    def __init__(self):
        raise ValueError("there are no weights")


MODEL = Model()
"""
HALF_WAY = """
import json

TABLE = {}
json.left_by_the_first_half = TABLE
TABLE["later"]
AFTER = 1
"""


class Bad(NamedTuple):
    """A tree, and what its refusal must tell."""

    files: Files
    told: tuple[str, ...]


CASES = {
    "syntax_error": Bad(
        {"__init__.py": good().replace("state, params):", "state params):")},
        (f"strategy/__init__.py:{LINES - 1} SyntaxError: ", ": def decide(given, state params):"),
    ),
    "indentation_error": Bad(
        {"__init__.py": good().replace("    return", "return")},
        (f"strategy/__init__.py:{LINES} IndentationError: expected an indented block", ": return Result("),
    ),
    "null_bytes": Bad(
        {"__init__.py": good() + "from .numbers import ONE\n", "numbers.py": b"# numbers\nONE = 1\nTWO = '\0'\n"},
        ("strategy/numbers.py:3 ", "null bytes: TWO = '\\0'"),
    ),
    "bad_encoding_declaration": Bad(
        {"__init__.py": "# -*- coding: klingon -*-\n" + good()},
        ("strategy/__init__.py:1 SyntaxError: ", "unknown encoding: klingon", ": # -*- coding: klingon -*-"),
    ),
    "import_error_missing_module": Bad(
        {"__init__.py": good() + "import nowhere_to_be_found\n"},
        (f"strategy/__init__.py:{LINES + 1} ModuleNotFoundError: No module named 'nowhere_to_be_found'",),
    ),
    "import_error_missing_name": Bad(
        {"__init__.py": good() + "from .numbers import THREE\n", "numbers.py": "ONE = 1\n"},
        (
            f"strategy/__init__.py:{LINES + 1} ImportError: cannot import name 'THREE' from 'strategy.numbers'",
            "(strategy/numbers.py): from .numbers import THREE",
        ),
    ),
    "exception_half_way_through_module": Bad(
        {"__init__.py": good() + HALF_WAY}, (f"strategy/__init__.py:{LINES + 6} KeyError: 'later': TABLE[\"later\"]",)
    ),
    "exception_in_constructor": Bad(
        {"__init__.py": good() + MODEL},
        (f"strategy/__init__.py:{LINES + 4} ValueError: there are no weights: raise ValueError(",),
    ),
    "second_of_two_files_broken": Bad(
        {
            "__init__.py": good("of both") + "from .first import ONE\nfrom .second import TWO\n",
            "first.py": "ONE = 1\n",
            "second.py": "TWO = = 2\n",
        },
        ("strategy/second.py:1 SyntaxError: ", ": TWO = = 2"),
    ),
}


@pytest.fixture(scope="module", params=HOSTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("source"), request.param) as started:
        yield started


@pytest.mark.parametrize("case", CASES)
def test_a_release_that_cannot_be_imported_is_refused_with_file_line_and_text(program: Program, case: str) -> None:
    is_refused(program, CASES[case].files, *CASES[case].told)


def test_a_refused_release_is_barred_until_its_content_changes(program: Program) -> None:
    bad = CASES["syntax_error"].files
    is_refused(program, {**bad, "note.txt": "the first time"})
    again = program.deploy({**bad, "note.txt": "the first time"})
    assert again.step == "snapshot"
    assert "rejected" in again.text
    assert f"strategy/__init__.py:{LINES - 1} SyntaxError" in again.text, "the reason is told again"
    assert "until it changes or somebody forces it; " in again.text
    program.deploy({"__init__.py": good("after the bar"), "note.txt": None})
    assert program.value() == "after the bar"


def test_what_is_refused_is_the_whole_tree_and_no_file_of_it_runs(tmp_path: Path) -> None:
    head = "from .first import decide, Params, State\n"
    before = {"__init__.py": head, "first.py": good(1), "second.py": "TWO = 2\n"}
    with a_program(tmp_path, host="process", files=before) as program:
        program.value()
        digest = program.runtime.seam.strategies[""].spec.release.digest
        after = {**before, "first.py": good(2) + "from .second import TWO\n", "second.py": "TWO = (\n"}
        verdict = program.deploy(after)
        assert verdict.is_refused
        assert "strategy/second.py:1 SyntaxError: '(' was never closed: TWO = (" in verdict.text
        assert program.value() == 1, "the first file was good, and does not run either"
        assert program.runtime.seam.strategies[""].spec.release.digest == digest
        assert digest == tree_digest({name: text.encode() for name, text in before.items()})
        assert program.deploy({"second.py": "TWO = 2\n"}).is_live, "and with the second file mended both do"
        assert program.value() == 2
