"""A good release that counts its calls, and what must hold of every bad one that comes after it.

A bad release is written over the good one in the same tree, so each case is a whole tree, as somebody saved it.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.program import HEAD, Files, Program, Verdict, a_program
from conformance.surroundings import no_more_processes, untouched
from tesseract import ReleaseStore
from tesseract.deploy_events import NotDone, WentBack
from tesseract.release import read_tree

_answers = itertools.count(1)
_unlucky_numbers = itertools.count(1_000)


def good(answer: object = "good", *, before: str = "", step: int = 1) -> str:
    """An `__init__.py` that answers `answer` and counts in its state, `step` a call. `before` stands in front of the
    return statement, in lines of their own; `given`, `state` and `params` are there."""
    lines = "".join(f"    {line}\n" for line in before.splitlines())
    counted = f"State(state.seen + {step} * params.step)"
    return f"{HEAD}\ndef decide(given, state, params):\n{lines}    return Result({counted}, {answer!r})\n"


LINES = len(good().splitlines())
"""The last of them is the return statement, the one before it `def decide`."""


def unlucky(code: str) -> tuple[str, int]:
    """Code for the front of `decide` that runs `code` at one number, which no tape holds yet; and the number."""
    number = next(_unlucky_numbers)
    return f"if given.number == {number}:\n" + "".join(f"    {line}\n" for line in code.splitlines()), number


@contextmanager
def a_warm_program(folder: Path, host: str, **options: Any) -> Iterator[Program]:
    """A program whose processes have all begun, with a few calls on its tape and its second release live. Its budget
    is large, because a host that is killed on a busy machine is a difference too."""
    options = {"budget_s": 1.5, **options}
    with a_program(folder, host=host, files={"__init__.py": good("the first")}, **options) as program:
        for number in range(3):
            program.ask(number=number)
        verdict = program.deploy({"__init__.py": good("the second")})
        assert verdict.is_live, verdict.text
        yield program


def is_refused(program: Program, bad: Files, *told: str, step: str = "stage", **request: Any) -> Verdict:
    """Deploys `bad` over what runs: it is refused at `step` with every text in `told`, nothing of it is left anywhere,
    what ran before answers with its state as it was, and a good tree goes live afterwards."""
    was, running, value = read_tree(program.tree), program.running, program.value()
    state, counted = program.runtime.seam.state_of("btc"), program.state()["seen"]
    with untouched(program):
        verdict = program.deploy(bad, **request)
    assert isinstance(verdict.event, NotDone), verdict.event
    assert verdict.is_refused
    assert verdict.step == step, verdict.text
    assert [text for text in told if text not in verdict.text] == [], verdict.text
    assert verdict.text.startswith(f"{verdict.event.release} refused at {step}: ")
    assert verdict.text.endswith(f"; {running} is still running")
    assert program.running == running
    assert program.runtime.seam.state_of("btc") == state
    assert program.value() == value, "what ran before answers"
    assert program.state()["seen"] == counted + 1
    assert state_in_store(program, verdict.event.release) == "rejected"
    goes_live_again(program, was, bad)
    return verdict


def goes_live_again(program: Program, was: Files, bad: Files) -> None:
    """A good tree with another answer, in place of the bad one."""
    answer = next(_answers)
    left: Files = {name: None for name in bad if name not in was and bad[name] is not None}
    verdict = program.deploy({**was, **left, "__init__.py": good(answer)})
    assert verdict.is_live, verdict.text
    assert program.value() == answer


def goes_back(
    program: Program, before: str, *told: str, first: int = 1, within_s: float = 5.0, **question: Any
) -> None:
    """A release that runs `before` in its `decide` goes live, answers `first` calls and fails at the one that
    `question` asks: the release before it answers that very call, in time and with a state that has seen every call.
    It is rolled back with every text in `told`, and barred; no process of it is left."""
    running, began, value = program.running, program.state()["seen"], program.value()
    counted = program.state()["seen"]
    step, answer = counted - began, next(_answers)
    with no_more_processes(program):
        verdict = program.deploy({"__init__.py": good(answer, before=before, step=100)})
        assert verdict.is_live, verdict.text
        assert [program.value(number=1) for _ in range(first)] == [answer] * first
        began_s = time.monotonic()
        outcome = program.ask(**question)
        took_s = time.monotonic() - began_s
    assert outcome.fault is None, outcome.fault
    assert (outcome.release, outcome.value.value) == (running, value)
    assert took_s < within_s
    back = program.happened(WentBack)[-1]
    bad = verdict.event.release.name
    assert (back.release.name, back.to.name) == (bad, running)
    assert back.line.startswith(f"{question.get('key', 'btc')}: "), "where"
    assert [text for text in told if text not in f"{back.line}\n{back.details}"] == [], back
    asked = first + (question.get("key", "btc") == "btc")
    assert program.state() == {"seen": counted + step * asked}, "the state of a run that never left it"
    assert program.running == running
    assert program.value() == value
    assert program.state() == {"seen": counted + step * (asked + 1)}
    again = program.deploy()
    assert again.is_refused
    assert f"{bad} was rolled back" in again.text
    assert state_in_store(program, bad) == "rolled back"
    assert state_in_store(program, running) in ("live", "kept")


def is_contained(program: Program, before: str, *told: str, within_s: float = 5.0, **question: Any) -> None:
    """The same release after it was kept: the call has a fault with every text in `told` and no value, the states stay
    exactly as they were, nothing goes back, and later calls go on."""
    answer = next(_answers)
    verdict = program.deploy({"__init__.py": good(answer, before=before, step=100)})
    assert verdict.is_live, verdict.text
    program.keep()
    name, counted = verdict.event.release.name, program.state()["seen"]
    assert program.value(number=1) == answer
    backs, states = len(program.happened(WentBack)), _states(program)
    began_s = time.monotonic()
    outcome = program.ask(**question)
    assert time.monotonic() - began_s < within_s
    assert (outcome.release, outcome.value) == (name, None)
    assert outcome.fault is not None
    assert [text for text in told if text not in outcome.fault.text] == [], outcome.fault
    assert {key: state for key, state in _states(program).items() if key in states} == states
    assert len(program.happened(WentBack)) == backs
    assert program.running == name
    assert program.value(number=1) == answer, "later calls go on"
    assert program.state() == {"seen": counted + 200}


def _states(program: Program) -> dict[str, bytes]:
    return {key: program.runtime.seam.state_of(key) for key in program.runtime.seam.routes}


def state_in_store(program: Program, name: str) -> str:
    """What the store on disk says of a release. Orders to the stager are carried out in their order, so whatever was
    moved before the newest verdict stands there."""
    return next(entry.state for entry in ReleaseStore.read(program.folder / "data" / "releases") if entry.name == name)
