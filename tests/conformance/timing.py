"""Releases that differ in one number, requests that nobody waits for, and what the store has written down of them."""

import itertools
from typing import Any

import msgspec
import psutil

from conformance.program import HEAD, Files, Program, Verdict, is_last
from tesseract import Outcome, ReleaseStore, Request, WentLive

_SERIAL = itertools.count(1)


def generation(number: int, *, stages_s: float = 0.0, answers_s: float = 0.0) -> Files:
    """A tree whose value is `number` and whose state counts its calls. Its import takes `stages_s`, a call
    `answers_s`: long enough to do something meanwhile."""
    body = f"""
import time

time.sleep({stages_s})


def decide(given, state, params):
    time.sleep({answers_s})
    return Result(State(state.seen + 1), {number})
"""
    return {"__init__.py": HEAD + body}


def ask_for(program: Program, action: str, **request: Any) -> str:
    """Asks without waiting, and returns the request's id."""
    name = f"asked-{next(_SERIAL)}"
    program.runtime.request(Request(id=name, action=action, author="ana", **request))
    return name


def deploy_folder(program: Program, name: str, files: Files) -> str:
    """Asks, without waiting, for a deploy of another folder than the live one."""
    tree = program.folder / name / "strategy"
    for relative, content in files.items():
        path = tree / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(content, str)
        path.write_text(content)
    return ask_for(program, "deploy", where=str(tree))


def verdict_of(program: Program, request: str) -> Verdict:
    return Verdict(program.wait_for(lambda event: getattr(event, "request", "") == request and is_last(event)))


def went_live(program: Program) -> list[str]:
    """The names of all commits since the start, in their order."""
    return [event.release.name for event in program.events if isinstance(event, WentLive)]


def value_of(outcome: Outcome[Any]) -> Any:
    assert outcome.fault is None, outcome.fault.text
    assert outcome.value is not None
    return outcome.value.value


def store_of(program: Program) -> ReleaseStore:
    return ReleaseStore(program.folder / "data" / "releases")


def history(program: Program, number: int) -> list[str]:
    """The states that the store has written down for a release, in their order. The workshop is a process of its own,
    so the last one may still be on its way."""
    return [step.state for step in store_of(program).entry(number).history]


def wait_for_history(program: Program, number: int, *states: str) -> None:
    """Waits until the store tells exactly these states."""
    for _ in range(400):
        if history(program, number) == list(states):
            return
        program.pause(0.005)
    raise AssertionError(f"v{number}: {history(program, number)}")


def encoded_state(seen: int) -> bytes:
    """The state of these releases after so many calls."""
    return msgspec.msgpack.encode({"seen": seen})


def stager_of(program: Program) -> psutil.Process:
    link: Any = program.runtime._link
    return psutil.Process(link.pids[1])
