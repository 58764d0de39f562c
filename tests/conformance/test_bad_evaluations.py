"""Bad releases that fail after their commit, where the tape did not find it out: on probation the release before them
answers the very call that failed, and they are taken back; after their keep the failure is contained."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.bad_releases import a_warm_program, goes_back, good, is_contained, unlucky
from conformance.program import HOSTS, Program, a_program
from conformance.surroundings import memory_bytes


class Fails(NamedTuple):
    """What `decide` does at an unlucky number, and what is told of it. `first` calls go well after the commit."""

    code: str
    told: str
    hosts: tuple[str, ...] = HOSTS
    first: int = 1


ALONE = ("process",)
"""For what only a process of its own can survive."""
FAILS: dict[str, tuple[Fails, ...]] = {
    "raises_on_first_evaluation": (
        Fails("raise ValueError('thirteen')", "ValueError: thirteen", first=0),
        Fails("{}['thirteen']", "KeyError: 'thirteen'"),
        Fails("exec('a b')", "SyntaxError: invalid syntax"),
        Fails("given.number = 14", "AttributeError"),
    ),
    "raises_base_exception": (
        Fails("raise BaseException('the end')", "BaseException: the end"),
        Fails("raise SystemExit(3)", "SystemExit: 3"),
        Fails("raise GeneratorExit", "GeneratorExit"),
        Fails("raise KeyboardInterrupt", "its process ended", ALONE),
    ),
    "recursion_in_evaluate": (
        Fails("def down():\n    return down()\ndown()", "RecursionError: maximum recursion depth exceeded"),
        Fails("deep = []\nfor _ in range(50_000):\n    deep = [deep]\nreturn Result(state, deep)", "RecursionError"),
    ),
    "returns_nan_or_infinite_or_negative_stake": (
        Fails("return Result(state, stake=float('nan'))", "stake is nan, and must be a positive number"),
        Fails("return Result(state, stake=float('inf'))", "stake is inf, and must be a positive number"),
        Fails("return Result(state, stake=-0.5)", "stake is -0.5, and must be a positive number"),
        Fails("return Result(state, stake='1')", "Expected `float | null`, got `str`"),
        Fails("return Result(None)", "the result's state is None, and must be a State"),
        Fails("import msgspec\nreturn Result(msgspec.structs.replace(state, seen='x'))", "Expected `int`, got `str`"),
    ),
    "huge_allocation_in_evaluate": (
        Fails("bytearray(10**15)", "MemoryError"),
        Fails("hoard = []\nwhile True:\n    hoard.append(bytearray(10**8))", "", ALONE),
    ),
    "prints_a_gigabyte": (
        Fails("for _ in range(1024):\n    print('x' * 2**20)", "OSError: [Errno 27] File too large", ALONE),
    ),
}
CASES = FAILS


@pytest.fixture(scope="module", params=HOSTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("evaluations"), request.param) as started:
        started.host = request.param  # type: ignore[attr-defined]  # for the cases of one host alone
        yield started


@pytest.mark.parametrize("case", FAILS)
def test_the_release_before_it_answers_the_very_call_that_failed(program: Program, case: str) -> None:
    memory = memory_bytes()
    for fails in FAILS[case]:
        if program.host in fails.hosts:  # type: ignore[attr-defined]
            before, number = unlucky(fails.code)
            goes_back(program, before, fails.told, first=fails.first, number=number)
    assert memory_bytes() - memory < 64 * 2**20


@pytest.mark.parametrize("case", FAILS)
def test_after_its_keep_the_failure_is_contained(program: Program, case: str) -> None:
    fails = FAILS[case][0]
    if program.host in fails.hosts:  # type: ignore[attr-defined]
        before, number = unlucky(fails.code)
        is_contained(program, before, fails.told, number=number)
        assert program.ask(number=number).fault is not None, "and again"


def test_raises_on_one_asset_only(program: Program) -> None:
    """Every key goes back, each to its own state; after the keep only the one that fails has no value."""
    code = "if given.text == '{0}':\n    raise ValueError('no {0}')"
    program.ask("eth")
    state = program.state("eth")
    goes_back(program, code.format("ether"), "strategy/__init__.py:", "ValueError: no ether", key="eth", text="ether")
    assert program.state("eth")["seen"] in (state["seen"] + 1, state["seen"] + 100), "it was answered there"
    state = program.state("eth")
    is_contained(program, code.format("gas"), "ValueError: no gas", key="eth", text="gas")
    assert program.state("eth") == state


@pytest.mark.parametrize("host", HOSTS)
def test_raises_after_ten_evaluations(tmp_path: Path, host: str) -> None:
    """It counts by a hundred, so its eleventh evaluation is the first with a state over a thousand."""
    with a_warm_program(tmp_path, host) as program:
        seen = program.state()["seen"]
        goes_back(program, "if state.seen > 1000:\n    raise ValueError('tired')", "ValueError: tired", first=10)
        assert program.state() == {"seen": seen + 13}, "one in front of it, eleven beside it and one after"


@pytest.mark.parametrize("host", HOSTS)
def test_a_release_that_fails_after_its_clean_probation_is_not_taken_back(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": good()}, rounds=2) as program:
        before, number = unlucky("1 / 0")
        assert program.deploy({"__init__.py": good("kept", before=before)}).is_live
        assert [program.value() for _ in range(2)] == ["kept"] * 2
        outcome = program.ask(number=number)
        assert outcome.release == "v2"
        assert outcome.fault is not None
        assert "ZeroDivisionError" in outcome.fault.text
        assert program.state() == {"seen": 2}
        assert program.value() == "kept"


@pytest.mark.parametrize("host", HOSTS)
def test_two_bad_releases_one_after_the_other_both_go_back_to_the_good_one(tmp_path: Path, host: str) -> None:
    with a_warm_program(tmp_path, host) as program:
        running = program.running
        for _ in range(2):
            before, number = unlucky("1 / 0")
            goes_back(program, before, "ZeroDivisionError", number=number)
        assert program.running == running


@pytest.mark.parametrize("host", HOSTS)
def test_a_call_that_both_releases_fail_at_has_a_fault_and_goes_back_all_the_same(tmp_path: Path, host: str) -> None:
    before, number = unlucky("raise ValueError('the old one')")
    with a_program(tmp_path, host=host, files={"__init__.py": good(before=before)}) as program:
        program.ask()
        new = good("new", before=before.replace("old", "new"), step=100)
        assert program.deploy({"__init__.py": new}).is_live
        assert program.value() == "new"
        outcome = program.ask(number=number)
        assert (outcome.release, outcome.value) == ("v1", None)
        assert outcome.fault is not None
        assert "ValueError: the old one" in outcome.fault.text
        assert program.running == "v1"
        assert program.state() == {"seen": 2}, "only what was answered counts"
        assert program.value() == "good"


def test_what_a_release_prints_is_told_shortened_and_never_fills_anything(tmp_path: Path) -> None:
    """prints_a_gigabyte, in small pieces: eight calls print more than one call could."""
    files = {"__init__.py": good(before="print(given.number, 'x' * 300_000, 'the end')")}
    with a_program(tmp_path, host="process", files=files) as program:
        assert [program.value(number=number) for number in range(8)] == ["good"] * 8
        assert len(program.printed) == 8
        assert all(text.endswith("x the end") and len(text) < 5_000 for text in program.printed)
