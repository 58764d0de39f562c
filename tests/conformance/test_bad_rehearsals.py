"""Bad releases that are found out on the tape: each is refused at its rehearsal, and was never asked about anything
that counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.bad_releases import LINES, a_warm_program, good, is_refused
from conformance.program import HOSTS, Program, a_program

AT = LINES - 1
"""The line of `def decide`, after which a case's own code begins once it stands in front of the return statement."""


def head(imported: str, before: str = "", answer: str = "'good'") -> str:
    """A good release with an import in front, code before its return statement, and an answer that is an expression."""
    source = good("ANSWER", before=before).replace("'ANSWER'", answer)
    return source.replace("import msgspec", f"import {imported}; import msgspec")


FAULTY: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "returns_wrong_type_in_rehearsal": (
        (good(before="return None"), ("evaluations on recent inputs failed", "the result's state is None, and must")),
        (good(before="return Result({'seen': 1})"), ("the result's state is {'seen': 1}, and must be a State",)),
        (good(before="return Result(State('many'))"), ("Expected `int`, got `str`",)),
        (good(before="return Result(state, stake='all of it')"), ("Expected `float | null`, got `str`", "$.stake")),
        (good(before="return Result(state, value=object())"), ("Encoding objects of type object is unsupported",)),
        (good(before="return Result(state, stake=-1.0)"), ("stake is -1.0, and must be a positive number",)),
    ),
    "raises_on_rehearsed_market": (
        (
            good(before="if given.number == 1:\n    raise ValueError('thin market')"),
            ("1 of ", f"on recent inputs failed: btc: strategy/__init__.py:{AT + 2} ValueError: thin market: raise"),
        ),
        (good(before="given.number / 0"), (f"strategy/__init__.py:{AT + 1} ZeroDivisionError",)),
        (good(before="assert given.number != 2, 'two'"), ("AssertionError: two",)),
        (good(before="import json\njson.loads('{')"), (f"strategy/__init__.py:{AT + 2} JSONDecodeError",)),
        (good(before="raise SystemExit"), ("SystemExit",)),
    ),
}
SLOW = {
    "too_slow_in_rehearsal": (
        (head("time", "time.sleep(60)"), ("took longer than 500 ms and was interrupted at strategy/__init__.py:",)),
        (
            head("time", "if given.number == 5:\n    time.sleep(0.3)"),
            ("too slow: the 2 evaluations of one instant took ", "limit of 500 ms"),
        ),
    )
}
NOT_THE_SAME_TWICE = {
    "clock": head("time", answer="time.time_ns()"),
    "monotonic clock": head("time", answer="time.perf_counter_ns()"),
    "random": head("random", answer="random.random()"),
    "urandom": head("os", answer="os.urandom(8).hex()"),
    "clock in the state": head("time").replace("* params.step)", "* params.step + time.time_ns() % 1_000_003)"),
}
ONLY_BETWEEN_PROCESSES = {
    "set order": good("ANSWER").replace("'ANSWER'", "list({'up', 'down', 'left', 'right', 'in', 'out', 'on', 'off'})"),
    "hash": good("ANSWER").replace("'ANSWER'", "hash('a text')"),
    "id": good("ANSWER").replace("'ANSWER'", "id(State)"),
    "address": good("ANSWER").replace("'ANSWER'", "repr(object())"),
}
"""What two runs in one process agree on: they share the seed of hashes, and may share addresses."""
CASES = FAULTY | SLOW


@pytest.fixture(scope="module", params=HOSTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("rehearsals"), request.param, budget_s=0.5) as started:
        started.ask_all(("btc", 5), ("eth", 5))
        yield started


@pytest.fixture(scope="module")
def in_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("between"), "process") as started:
        yield started


@pytest.mark.parametrize("case", CASES)
def test_a_release_that_fails_on_the_tape_is_refused(program: Program, case: str) -> None:
    for source, told in CASES[case]:
        is_refused(program, {"__init__.py": source}, *told, step="rehearsal")


@pytest.mark.parametrize("source", NOT_THE_SAME_TWICE.values(), ids=NOT_THE_SAME_TWICE)
def test_non_deterministic_in_rehearsal(program: Program, source: str) -> None:
    told = ("not deterministic: two runs over the same input gave two answers", "the first is btc: ")
    is_refused(program, {"__init__.py": source}, *told, step="rehearsal")


@pytest.mark.parametrize("source", ONLY_BETWEEN_PROCESSES.values(), ids=ONLY_BETWEEN_PROCESSES)
def test_non_deterministic_in_rehearsal_where_two_processes_differ(in_processes: Program, source: str) -> None:
    told = ("not deterministic: two runs over the same input gave two answers", "the order of a set, or id")
    is_refused(in_processes, {"__init__.py": source}, *told, step="rehearsal")


def test_everything_that_a_rehearsal_finds_is_told_at_once(program: Program) -> None:
    before = "SEEN.append(given.number)\nif given.number == 5:\n    time.sleep(0.3)\nassert given.number != 1, 'one'"
    source = head("time", before).replace("def decide", "SEEN = []\n\n\ndef decide")
    told = ("AssertionError: one", "too slow: ", "state outside State: strategy.SEEN changed while it was rehearsed")
    is_refused(program, {"__init__.py": source}, *told, step="rehearsal")


def test_what_took_long_once_is_timed_again_before_it_is_called_too_slow(program: Program) -> None:
    source = head("functools, time", "if given.number == 5:\n    warm()\n    time.sleep(0.15)")
    source = source.replace("def decide", "@functools.lru_cache\ndef warm():\n    time.sleep(0.3)\n\n\ndef decide")

    verdict = program.deploy({"__init__.py": source})

    assert verdict.is_live, verdict.text


def test_what_the_cage_refuses_in_a_rehearsal_is_told_even_when_it_was_swallowed(in_processes: Program) -> None:
    source = head("os", "try:\n    os.remove('/anything')\nexcept OSError:\n    pass")
    told = f"strategy/__init__.py:{AT + 2}: live code may not change files (os.remove)"
    verdict = is_refused(in_processes, {"__init__.py": source}, told, step="rehearsal")
    assert "state outside State" not in verdict.text


@pytest.mark.parametrize("host", HOSTS)
def test_a_fault_on_many_inputs_is_told_once_and_how_often_and_others_beside_it(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": good()}) as program:
        for number in (1, 2, 3):
            program.ask_all(("btc", number), ("eth", number))
        refused = program.deploy({"__init__.py": good(before="assert given.number == 2, 'not two'")})
        line = f"btc: strategy/__init__.py:{AT + 1} AssertionError: not two: assert given.number == 2, 'not two'"
        assert f"4 of 6 evaluations on recent inputs failed: {line} (4 times); v1 is still" in refused.text
        refused = program.deploy(
            {"__init__.py": good(before="assert given.number != 2, 'two'\n1 / (given.number - 3)")}
        )
        two = f"btc: strategy/__init__.py:{AT + 1} AssertionError: two: assert given.number != 2, 'two' (2 times)"
        three = f"btc: strategy/__init__.py:{AT + 2} ZeroDivisionError: division by zero: 1 / (given.number - 3)"
        assert f"failed: {two}; {three} (2 times); v1 is still" in refused.text


def test_what_the_cage_refuses_is_told_once_where_live_code_fails_of_it(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files={"__init__.py": good()}) as program:
        program.ask()
        refused = program.deploy({"__init__.py": good(before="open('/tmp/anything', 'a')")})
        assert refused.text.count("live code may not open '/tmp/anything' for writing") == 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_rehearsal_changes_no_state_and_asks_the_live_code_nothing(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": good()}) as program:
        program.ask_all(("btc", 1), ("eth", 2))
        before = {key: program.runtime.seam.state_of(key) for key in ("btc", "eth")}
        calls = program.runtime.round_trips().calls
        assert program.deploy({"__init__.py": good(before="assert given.number != 2")}).is_refused
        assert {key: program.runtime.seam.state_of(key) for key in ("btc", "eth")} == before
        assert program.runtime.round_trips().calls == calls
