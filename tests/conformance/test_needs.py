"""What a release needs besides its input is ready before it goes live; the same for both hosts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from conformance.program import HEAD, HOSTS, Program, a_program
from tesseract import Kept, Notice, Request, Shadowing, WentBack, WentLive

pytestmark = pytest.mark.process

NEEDY = "conformance.resident:NEEDY"
PATIENT_S = 20.0


class Resident:
    """A program's side: what it was asked for, what it holds ready, and its answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.holds: set[str] = set()
        self.told = 0
        self.waiting: list[Callable[[str | None], None]] = []
        self.answers_at_once: str | bool | None = False
        """False: it answers later, by `answer`."""

    def prepare(self, needs: tuple[str, ...], done: Callable[[str | None], None]) -> None:
        self.asked.append(needs)
        self.holds |= set(needs)
        if self.answers_at_once is False:
            self.waiting.append(done)
        else:
            done(self.answers_at_once)  # type: ignore[arg-type]

    def on_needs(self, needs: tuple[str, ...]) -> None:
        self.told += 1
        self.holds = set(needs)

    def answer(self, problem: str | None = None) -> None:
        self.waiting.pop(0)(problem)


Start = Callable[..., AbstractContextManager[Program]]


@pytest.fixture
def resident() -> Resident:
    return Resident()


@pytest.fixture(params=HOSTS)
def start(request: pytest.FixtureRequest, tmp_path: Path, resident: Resident) -> Iterator[Start]:
    def started(files: dict[str, str], *, prepare_s: float = PATIENT_S, **more: Any) -> Any:
        hooks = {"prepare": resident.prepare, "on_needs": resident.on_needs, "prepare_s": prepare_s}
        return a_program(tmp_path, host=request.param, files=files, contract=NEEDY, hooks=hooks, **more)

    yield started


def a_tree(value: object, *needs: object) -> dict[str, str]:
    """A release that answers `value`, and counts."""
    declared = f"NEEDS = {tuple(needs)!r}\n" if needs else ""
    body = f"def decide(given, state, params):\n    return Result(State(state.seen + 1), {value!r})\n"
    return {"__init__.py": HEAD + declared + body}


def ask_for(program: Program, files: dict[str, str], **request: Any) -> None:
    """Asks for a deploy, and waits for nothing."""
    program.write(files)
    on_the_loop(program, Request(id="asked", action="deploy", author="ana", **request))


def on_the_loop(program: Program, request: Request) -> None:
    async def ask() -> None:
        program.runtime.request(request)

    program.run(ask())


def last_word(program: Program) -> Any:
    return program.wait_for(lambda event: getattr(event, "request", "") == "asked" and not isinstance(event, Shadowing))


def test_a_release_without_needs_asks_for_nothing(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        assert program.deploy(a_tree("two")).is_live
    assert (resident.asked, resident.told) == ([], 0)


def test_what_runs_answers_until_all_that_is_needed_is_ready(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        program.value()
        ask_for(program, a_tree("two", "stream:a", "stream:b"))
        program.wait_until(lambda: bool(resident.waiting))
        assert [program.value() for _ in range(5)] == ["one"] * 5
        assert program.running == "v1"
        resident.answer()
        assert isinstance(last_word(program), WentLive)
        assert (program.value(), program.state()) == ("two", {"seen": 7})
    assert resident.asked == [("stream:a", "stream:b")]


def test_a_refusal_says_what_is_missing_and_what_still_runs(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        resident.answers_at_once = "nobody sends stream:a"
        verdict = program.deploy(a_tree("two", "stream:a"))
        assert verdict.text == "v2 refused at prepare: nobody sends stream:a; v1 is still running"
        assert (verdict.step, program.value()) == ("prepare", "one")
    assert resident.holds == set()


def test_what_was_refused_for_its_needs_may_be_asked_for_again(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        resident.answers_at_once = "nobody sends stream:a"
        assert program.deploy(a_tree("two", "stream:a")).is_refused
        resident.answers_at_once = None
        assert program.deploy().is_live


def test_a_program_that_does_not_answer_in_time_refuses(start: Start, resident: Resident) -> None:
    with start(a_tree("one"), prepare_s=0.05) as program:
        ask_for(program, a_tree("two", "stream:a"))
        assert (
            last_word(program).text == "v2 refused at prepare: stream:a: not ready within 0.05 s; v1 is still running"
        )
        resident.answer()  # too late: nobody listens any more
        assert program.value() == "one"


def test_needs_that_are_there_are_not_asked_for_again(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        resident.answers_at_once = None
        assert program.deploy(a_tree("two", "stream:a", "stream:b")).is_live
        assert program.deploy(a_tree("three", "stream:b")).is_live
    assert resident.asked == [("stream:a", "stream:b")]


def test_a_standbys_needs_stay_until_it_is_let_go(start: Start, resident: Resident) -> None:
    with start(a_tree("one"), rounds=2) as program:
        resident.answers_at_once = None
        program.value()
        assert program.deploy(a_tree("two", "stream:a")).is_live
        program.keep()
        assert program.deploy(a_tree("three", "stream:b")).is_live
        assert resident.holds == {"stream:a", "stream:b"}
        program.ask()
        program.ask()
        program.wait_until(lambda: len(program.happened(Kept)) == 2)
        assert resident.holds == {"stream:b"}


def test_a_rollback_waits_for_nothing(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        resident.answers_at_once = None
        program.value()
        assert program.deploy(a_tree("two", "stream:a")).is_live
        program.keep()
        assert program.deploy(a_tree("three", "stream:b")).is_live
        program.roll_back()
        assert (program.running, program.value()) == ("v2", "two")
        assert program.happened(WentBack)[-1].needs == ("stream:a",)
    assert resident.asked == [("stream:a",), ("stream:b",)]
    assert resident.holds == {"stream:a"}


def test_a_shadows_needs_are_ready_before_it_begins_and_stay_until_it_is_live(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        program.value()
        ask_for(program, a_tree("two", "stream:a"), shadow_s=8.0)
        program.wait_until(lambda: bool(resident.waiting))
        assert not program.happened(Shadowing)
        resident.answer()
        program.wait_until(lambda: bool(program.happened(Shadowing)))
        program.ask()
        program.ask()
        assert isinstance(last_word(program), WentLive)
    assert (resident.holds, resident.told) == ({"stream:a"}, 0)


def test_a_canarys_needs_stay_beside_those_of_the_others(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        resident.answers_at_once = None
        assert program.deploy(a_tree("two", "stream:a")).is_live
        program.keep()
        program.value("btc")
        program.value("eth")
        assert program.deploy(a_tree("three", "stream:b"), canary=("eth",)).is_live
        assert [program.value("btc"), program.value("eth")] == ["two", "three"]
    assert resident.holds == {"stream:a", "stream:b"}


def test_a_rollback_while_a_candidate_waits_prepares_it_anew(start: Start, resident: Resident) -> None:
    with start(a_tree("one")) as program:
        program.value()
        assert program.deploy(a_tree("two")).is_live
        ask_for(program, a_tree("three", "stream:a"))
        program.wait_until(lambda: len(resident.waiting) == 1)
        on_the_loop(program, Request(id="back", action="rollback", author="ana"))
        program.wait_until(lambda: len(resident.waiting) == 2)
        resident.answer("of the one that is not wanted any more")
        resident.answer()
        assert isinstance(last_word(program), WentLive)
        assert program.value() == "three"


def test_a_start_waits_for_what_is_needed(start: Start, resident: Resident) -> None:
    resident.answers_at_once = None
    with start(a_tree("one", "stream:a")) as program:
        assert program.value() == "one"
        assert not program.happened(Notice)
    assert resident.asked == [("stream:a",)]


@pytest.mark.parametrize(("answer", "why"), [(False, "stream:a: not ready within 0.05 s"), ("gone", "gone")])
def test_a_start_goes_on_without_what_does_not_come(start: Start, resident: Resident, answer: Any, why: str) -> None:
    resident.answers_at_once = answer
    with start(a_tree("one", "stream:a"), prepare_s=0.05) as program:
        assert program.value() == "one"
        assert [each.text for each in program.happened(Notice)] == [f"v1 starts without all that it needs: {why}"]
        assert program.deploy(a_tree("two", "stream:a")).is_live, "a repair is not held up by what was missing before"


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("NEEDS = 7", "NEEDS is 7, and must be a tuple of texts"),
        ("NEEDS = 'stream:a'", "NEEDS is 'stream:a', and must be a tuple of texts"),
        ("NEEDS = ('stream:a', 3, '')", "NEEDS holds 3, and may hold texts of 1 to 100 printable characters"),
        ("NEEDS = ('stream:a', 3, '')", "NEEDS holds '', and may hold texts of 1 to 100 printable characters"),
        ("NEEDS = ('stream:' + 'x' * 94,)", "printable characters"),
        ("NEEDS = ('stream:\\ud800',)", "printable characters"),
        ("NEEDS = ['stream:%d' % i for i in range(65)]", "NEEDS holds 65 names, over the limit of 64"),
        ("NEEDS = ('a', 'stream:a', 'b')", "NEEDS: nothing is called 'a'"),
        ("NEEDS = ('a', 'stream:a', 'b')", "NEEDS: nothing is called 'b'"),
    ],
)
def test_needs_that_cannot_be_meant_are_refused_at_stage(
    start: Start, resident: Resident, declared: str, problem: str
) -> None:
    with start(a_tree("one")) as program:
        files = {"__init__.py": a_tree("two")["__init__.py"] + declared + "\n"}
        verdict = program.deploy(files)
        assert verdict.is_refused
        assert verdict.step == "stage"
        assert problem in verdict.text
        assert program.value() == "one"
    assert resident.asked == []


def test_needs_at_the_limits_are_taken(start: Start, resident: Resident) -> None:
    resident.answers_at_once = None
    names = [f"stream:{number:093}" for number in range(64)]
    with start(a_tree("one")) as program:
        assert program.deploy(a_tree("two", *names)).is_live
    assert resident.asked == [tuple(names)]


def test_a_deploy_without_a_loop_takes_an_answer_at_once_and_waits_for_none(tmp_path: Path, resident: Resident) -> None:
    hooks = {"prepare": resident.prepare, "on_needs": resident.on_needs}
    with a_program(tmp_path, host="in_process", files=a_tree("one"), contract=NEEDY, hooks=hooks) as program:
        verdict = program.deploy(a_tree("two", "stream:a"))
        assert "stream:a: not ready at once, and nothing can wait for it without a loop" in verdict.text
        resident.answers_at_once = None
        assert program.deploy(is_forced=True).is_live
