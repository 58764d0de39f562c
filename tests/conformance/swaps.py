"""An edit of live code that goes live, and an edit that is refused: what must hold of every one of them.

A case gives the tree, the edit as pairs of texts, and the value of one call before and after it. The tree's
`__init__.py` has the agreed types in front and a `decide` behind, whose value is `look(number)`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from conformance.program import HEAD, Files, Program, Verdict, a_program
from conformance.refusals import refused

DECIDE = """

def decide(given, state, params):
    return Result(State(state.seen + params.step), look(given.number))
"""
LOOKING = HEAD + "from strategy.parts import look\n" + DECIDE
"""An `__init__.py` that leaves the looking to `parts.py`."""
ELSEWHERE = "# what people edit is not what runs\n" * 7
"""Written in front of a file of the live tree after its deploy: its lines are not those of the stored copy."""
NUMBER = 3
"""What every case is asked with."""
Edit = tuple[str, str, str]
"""File, old text, new text."""


class Swap(NamedTuple):
    """`files` by their names; `edits` and `added` make the other tree of them. `main` is the source of `__init__.py`,
    without what stands around it. `was` and `now` are the values, as plain data."""

    main: str
    was: Any
    now: Any
    files: Mapping[str, str] = {}
    edits: tuple[Edit, ...] = ()
    added: Mapping[str, str] = {}

    def before(self) -> Files:
        return {"__init__.py": HEAD + self.main + DECIDE, **self.files}

    def after(self) -> Files:
        return {**edited(self.before(), *self.edits), **self.added}


def edited(files: Files, *edits: Edit) -> Files:
    """The files with each edit done. An edit must find its old text exactly once."""
    done = dict(files)
    for name, old, new in edits:
        text = done[name]
        assert isinstance(text, str)
        assert text.count(old) == 1, f"{name} holds {old!r} {text.count(old)} times"
        done[name] = text.replace(old, new)
    return done


def goes_live(folder: Path, host: str, case: Swap) -> None:
    """Before the edit, after it and taken back: every call runs one release, also on a key that is new, and the old
    one comes back untouched by the new one beside it."""
    with a_program(folder, host=host, files=case.before()) as program:
        assert [program.value(number=NUMBER) for _ in range(3)] == [case.was] * 3
        verdict = program.deploy(case.after())
        assert verdict.is_live, verdict.text
        assert verdict.event.report.evaluations == 3, "it was rehearsed"
        outcome = program.ask(number=NUMBER)
        assert (outcome.release, told(outcome)) == ("v2", case.now)
        assert program.state() == {"seen": 4}, "its state was carried over"
        assert program.value("eth", NUMBER) == case.now
        program.roll_back()
        outcome = program.ask(number=NUMBER)
        assert (outcome.release, told(outcome)) == ("v1", case.was)
        assert program.state() == {"seen": 5}


def live(program: Program) -> Any:
    """The host that answers new keys."""
    return program.runtime.seam.strategies[""]


def stored(program: Program, name: str = "parts.py") -> Path:
    """The stored copy of a file of what runs."""
    return live(program).spec.release.path / name


def told(outcome: Any) -> Any:
    assert outcome.fault is None, outcome.fault.text
    return outcome.value.value


def is_refused(program: Program, bad: Files, good: Files, *, step: str, words: tuple[str, ...]) -> Verdict:
    """Deploys `bad`, which must be refused for what `words` say; `good` then goes live, with the state of before."""
    runs, seen = program.running, program.state()["seen"]
    verdict = refused(program, bad, *words, step=step)
    assert verdict.text.startswith(f"{verdict.event.release or 'the deploy'} refused at {step}: ")
    assert program.state()["seen"] == seen + 1, "the one before went on with its state"
    left = {name: None for name in bad if name not in good and bad[name] is not None}
    following = program.deploy({**left, **good})
    assert following.is_live, following.text
    assert program.ask(number=NUMBER).release == program.running != runs
    assert program.state()["seen"] == seen + 2
    return verdict
