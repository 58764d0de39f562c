"""The contract: everything that is wrong with a release is told at once, with its place."""

import sys
from pathlib import Path

import msgspec
import pytest
from release_trees import CONTRACT, CONTRACT_PLACE, HEAD, Told, a_host, a_package, a_release, answer_of

from tesseract import InProcessHost, ReleaseRefused
from tesseract.contract import contract_at

ENTRY = "\ndef decide(given, state, params):\n    return None\n"
PARAMS = "class Params(msgspec.Struct, frozen=True):\n    step: int = 1\n"
STATE = "class State(msgspec.Struct, frozen=True):\n    seen: int = 0\n"
IMPORTS = "import msgspec\nfrom typing import Annotated\n"


def refusal_of(folder: Path, files: dict[str, str] | dict[str, bytes]) -> ReleaseRefused:
    modules, finders = set(sys.modules), list(sys.meta_path)
    with pytest.raises(ReleaseRefused) as caught:
        a_host(folder, files)
    assert set(sys.modules) == modules, "a refused release leaves no module"
    assert sys.meta_path == finders, "a refused release leaves no finder"
    return caught.value


def problems_with(folder: Path, source: str) -> str:
    return "\n".join(refusal_of(folder, {"__init__.py": source}).problems)


def test_a_release_that_meets_the_contract_is_hosted(tmp_path: Path) -> None:
    host = a_host(tmp_path)

    assert host.guest.params_type.__name__ == "Params"
    assert host.guest.state_type.__name__ == "State"
    host.close()


def test_an_empty_package_is_told_all_three_things_that_are_missing(tmp_path: Path) -> None:
    refused = refusal_of(tmp_path, {"__init__.py": ""})

    assert [problem.split(" ")[0] for problem in refused.problems] == ["Params", "State", "decide(input,"]
    assert "strategy (v1) cannot become a release; nothing was changed" in str(refused)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    source = (
        "import msgspec\nclass Params(msgspec.Struct):\n    step: int\n"
        "class State(msgspec.Struct):\n    seen: int = 'zero'\nasync def decide(given):\n    return None\n"
    )

    problems = refusal_of(tmp_path, {"__init__.py": source}).problems

    assert len(problems) == 6
    assert [
        word for problem in problems for word in ("frozen", "cannot be built", "break its types") if word in problem
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (IMPORTS + STATE + ENTRY, "Params is missing"),
        (IMPORTS + PARAMS + ENTRY, "State is missing"),
        (IMPORTS + PARAMS + STATE, "decide(input, state, params) is missing"),
        (IMPORTS + "Params = 5\n" + STATE + ENTRY, "Params is 5, and must be a msgspec Struct"),
        (IMPORTS + "class Params: pass\n" + STATE + ENTRY, "must be a msgspec Struct"),
        (IMPORTS + PARAMS + STATE + "decide = 5\n", "decide is 5, and must be a plain function"),
        (IMPORTS + PARAMS + STATE + "decide = print\n", "must be a plain function"),
        (
            IMPORTS + PARAMS + STATE + "class decide:\n    def __init__(self, a, b, c): pass\n",
            "must be a plain function",
        ),
        (IMPORTS + PARAMS + STATE.replace(", frozen=True", "") + ENTRY, "State must be frozen"),
        (IMPORTS + PARAMS.replace(", frozen=True", "") + STATE + ENTRY, "Params must be frozen"),
        (IMPORTS + PARAMS + STATE.replace(" = 0", "") + ENTRY, "State() cannot be built, every field needs a default"),
        (IMPORTS + PARAMS.replace("= 1", "= object()") + STATE + ENTRY, "Params() cannot be built"),
        (IMPORTS + PARAMS + STATE.replace("= 0", "= 1 << 70") + ENTRY, "State() cannot be built"),
        (IMPORTS + PARAMS.replace("= 1", "= 'one'") + STATE + ENTRY, "Params's own defaults break its types"),
        (
            IMPORTS + PARAMS.replace("int = 1", "Annotated[int, msgspec.Meta(le=5)] = 6") + STATE + ENTRY,
            "Params's own defaults break its types: Expected `int` <= 5",
        ),
        (
            IMPORTS + PARAMS + STATE + "    def __post_init__(self):\n        raise RuntimeError('no')\n" + ENTRY,
            "State() cannot be built, every field needs a default of plain data: no",
        ),
        (
            IMPORTS
            + "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\n"
            + PARAMS
            + STATE
            + "    def __post_init__(self):\n        raise Mute\n"
            + ENTRY,
            "its text cannot be told (ValueError)",
        ),
        (IMPORTS + PARAMS + STATE + "async def decide(a, b, c): ...\n", "neither async nor a generator"),
        (IMPORTS + PARAMS + STATE + "def decide(a, b, c):\n    yield\n", "neither async nor a generator"),
        (IMPORTS + PARAMS + STATE + "async def decide(a, b, c):\n    yield\n", "neither async nor a generator"),
        (IMPORTS + PARAMS + STATE + "def decide(a, b): ...\n", "decide(a, b) must take (input, state, params)"),
        (IMPORTS + PARAMS + STATE + "def decide(a, b, c, d): ...\n", "decide(a, b, c, d) must take"),
        (IMPORTS + PARAMS + STATE + "def decide(a, b, c, *, d): ...\n", "must take (input, state, params)"),
    ],
)
def test_a_broken_contract_is_refused_with_a_sentence(tmp_path: Path, source: str, sentence: str) -> None:
    assert sentence in problems_with(tmp_path, source)


@pytest.mark.parametrize(
    "signature", ["given, state, params, more=1", "*all", "a, /, b, c", "given, state, params, *, more=1"]
)
def test_any_function_that_can_take_three_arguments_will_do(tmp_path: Path, signature: str) -> None:
    a_host(tmp_path, {"__init__.py": f"{HEAD}\ndef decide({signature}):\n    return None\n"}).close()


BROKEN_IMPORTS = {
    "syntax_error": ("x = 1\ndef broken(:\n", 2, "SyntaxError: invalid syntax: def broken(:"),
    "indentation_error": ("if True:\nx = 1\n", 2, "IndentationError: expected an indented block"),
    "null_bytes": ("x = 1\ny = 2\0\n", 2, "SyntaxError: source code string cannot contain null bytes"),
    "null_byte_at_the_start": ("\0", 1, "SyntaxError: source code string cannot contain null bytes"),
    "bad_encoding_declaration": ("# coding: klingon\n", 1, "SyntaxError: unknown encoding: klingon"),
    "import_error_missing_module": ("x = 1\n\nimport nowhere_at_all\n", 3, "No module named 'nowhere_at_all'"),
    "import_error_missing_live_module": ("x = 1\nimport strategy.nowhere\n", 2, "No module named 'strategy.nowhere"),
    "import_error_missing_relative_module": ("x = 1\nfrom .nowhere import x\n", 2, "No module named 'strategy.nowhere"),
    "import_error_missing_name": ("from json import nothing\n", 1, "cannot import name 'nothing' from 'json'"),
    "exception_half_way": ("x = 1\nx / 0\ny = 2\n", 2, "ZeroDivisionError: division by zero: x / 0"),
    "exception_in_the_standard_library": ("import json\njson.loads('{')\n", 2, "JSONDecodeError"),
    "exception_in_constructor": (
        "class A:\n    def __init__(self):\n        raise OSError('x')\nA()\n",
        3,
        "OSError: x",
    ),
    "syntax_error_in_evaluated_text": ("x = 1\neval('(')\n", 2, "SyntaxError"),
    "sys_exit": ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    "base_exception": ("raise BaseException('all')\n", 1, "BaseException: all"),
    "recursion_at_import": ("def f():\n    f()\nf()\n", 2, "RecursionError"),
    "exception_without_a_text": (
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\nraise Mute\n",
        4,
        "Mute: its text cannot be told (ValueError)",
    ),
}


@pytest.mark.parametrize("case", sorted(BROKEN_IMPORTS))
def test_a_release_that_cannot_be_imported_is_refused_with_file_line_and_text(tmp_path: Path, case: str) -> None:
    source, line, text = BROKEN_IMPORTS[case]
    files = {"__init__.py": f"from . import broken\n{HEAD}{ENTRY}", "broken.py": source}

    (problem,) = refusal_of(tmp_path, files).problems

    assert problem.startswith(f"strategy/broken.py:{line} ")
    assert text in problem
    assert "\n" not in problem.strip()


def test_source_that_is_not_utf_8_is_refused_with_file_and_line(tmp_path: Path) -> None:
    (problem,) = refusal_of(tmp_path, {"__init__.py": b"x = 1\ny = '\xff'\n"}).problems

    assert "strategy/__init__.py:2 SyntaxError: (unicode error)" in problem


def test_a_declared_encoding_is_honoured(tmp_path: Path) -> None:
    source = b"# coding: latin-1\n" + a_package("return Result(state, 'caf\xe9')")["__init__.py"].encode("latin-1")

    a_host(tmp_path, {"__init__.py": source}).close()


def test_of_two_files_one_broken_both_are_refused(tmp_path: Path) -> None:
    files = {**a_package(head="from . import fine, broken\n" + HEAD), "fine.py": "", "broken.py": "1 +\n"}

    (problem,) = refusal_of(tmp_path, files).problems

    assert problem.startswith("strategy/broken.py:1 SyntaxError")


def test_a_refused_release_leaves_a_running_one_as_it_was(tmp_path: Path) -> None:
    """Invariant 2, as far as it is built."""
    running = a_host(tmp_path, number=1)

    with pytest.raises(ReleaseRefused):
        a_host(tmp_path, {"__init__.py": "1 / 0"}, number=2)

    assert answer_of(running).fault is None
    running.close()


def test_a_ctrl_c_while_importing_stops_the_program_and_leaves_nothing_behind(tmp_path: Path) -> None:
    modules, finders = set(sys.modules), list(sys.meta_path)

    with pytest.raises(KeyboardInterrupt):
        a_host(tmp_path, {"__init__.py": "raise KeyboardInterrupt\n"})

    assert set(sys.modules) == modules
    assert sys.meta_path == finders


def test_the_decision_of_an_answer_is_its_compared_fields_and_nothing_else() -> None:
    one, same, other = (
        Told(msgspec.Raw(b"\x01"), "buy"),
        Told(msgspec.Raw(b"\x02"), "buy"),
        Told(msgspec.Raw(b"\x01"), "sell"),
    )

    assert CONTRACT.decision_of(one) == CONTRACT.decision_of(same) != CONTRACT.decision_of(other)
    assert msgspec.msgpack.decode(CONTRACT.decision_of(one)) == ["buy"]


def test_a_contract_is_found_at_its_place() -> None:
    assert contract_at(CONTRACT_PLACE) is CONTRACT


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("nowhere_at_all:CONTRACT", ImportError),
        ("release_trees:NOTHING", AttributeError),
        ("release_trees:HEAD", AssertionError),
    ],
)
def test_a_place_without_a_contract_is_an_error(place: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        contract_at(place)


def test_what_the_resident_cannot_use_is_a_fault_of_the_answer(tmp_path: Path) -> None:
    def check(told: Told) -> str | None:
        return "value is negative, and must not be" if told.value < 0 else None

    contract = msgspec.structs.replace(CONTRACT, check=check)
    release = a_release(tmp_path, a_package("return Result(State(state.seen + 1), given)"))
    host = InProcessHost(release, contract)

    good, bad = answer_of(host, 1), answer_of(host, -1)

    assert good.fault is None
    assert bad.fault is not None
    assert (bad.value, bad.state, bad.fault.kind) == (None, None, "answer")
    assert bad.fault.text == "value is negative, and must not be"
    host.close()
