"""Group D, parameters: what the operator has set stays in force, is shown, and can be taken back."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from conformance.program import HOSTS, Program, Verdict, a_program
from conformance.refusals import assert_refused, states_of
from tesseract import ReleaseStore, Request
from tesseract.deployer import WentLive

SOURCE = """
from typing import Annotated

import msgspec
from msgspec import Meta


class Params(msgspec.Struct, frozen=True):
    {params}


class State(msgspec.Struct, frozen=True):
    seen: int = 0


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None


def decide(given, state, params):
    return Result(State(state.seen + 1), [{value!r}, msgspec.to_builtins(params)])
"""
STEP = "step: Annotated[int, Meta(ge=1, le=10)] = 1"


def a_tree(*params: str, value: str = "code") -> Mapping[str, str]:
    return {"__init__.py": SOURCE.format(params="\n    ".join(params) or "pass", value=value)}


def tuned(program: Program, revision: int, **overrides: object) -> Verdict:
    """Sets the operator's overrides, all of them; what has two underscores in its name is a field of a table."""
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return program.request(action="params", overrides=dotted, revision=revision)


@pytest.mark.parametrize("host", HOSTS)
def test_params_changed_in_file_and_live(tmp_path: Path, host: str) -> None:
    """The operator's word counts, whatever the file says since; without it the file does."""
    with a_program(tmp_path, host=host, files=a_tree(STEP)) as program:
        assert program.value() == ["code", {"step": 1}]
        live = tuned(program, 2, step=5)
        assert live.is_live, live.text
        assert (live.event.params, live.event.revision, live.event.release.name) == ({"step": 5}, 2, "v1")
        outcome = program.ask()
        assert (outcome.release, outcome.revision) == ("v1", 2)

        edited = program.deploy(a_tree(STEP.replace("= 1", "= 3"), value="edited"))

        assert edited.is_live, edited.text
        assert (edited.event.params, edited.event.revision) == ({"step": 5}, 2)
        assert edited.notes == ("parameter step is set to 5; the default is 3",)
        assert program.value() == ["edited", {"step": 5}]

        assert tuned(program, 3).event.params == {"step": 3}
        assert program.value() == ["edited", {"step": 3}]
        program.roll_back()
        outcome = program.ask()
        assert (outcome.release, outcome.revision) == ("v2", 2)
        assert outcome.value.value == ["edited", {"step": 5}]
        assert program.state() == {"seen": 5}


@pytest.mark.parametrize("first", ["params", "deploy"])
@pytest.mark.parametrize("host", HOSTS)
def test_parameters_and_code_that_are_changed_at_the_same_moment_are_both_in_force(
    tmp_path: Path, host: str, first: str
) -> None:
    with a_program(tmp_path, host=host, files=a_tree(STEP)) as program:
        assert program.value() == ["code", {"step": 1}]
        program.write(a_tree(STEP, value="edited"))
        requests = [
            Request(id="params", action="params", author="ana", overrides={"step": 5}, revision=2),
            Request(id="deploy", action="deploy", author="ana"),
        ]
        for request in sorted(requests, key=lambda each: each.id != first):
            program.runtime.request(request)
        program.wait_for(lambda _event: len(program.happened(WentLive)) == 3)
        assert program.value() == ["edited", {"step": 5}]
        assert program.ask().revision == 2
        assert [event.revision for event in program.happened(WentLive)] == [1, 2 if first == "params" else 1, 2]


@pytest.mark.parametrize("host", HOSTS)
def test_parameters_that_do_not_fit_are_refused(tmp_path: Path, host: str) -> None:
    """Whether it is the override that is new, or the range."""
    with a_program(tmp_path, host=host, files=a_tree(STEP)) as program:
        assert program.value() == ["code", {"step": 1}]
        refusals = {
            "parameter step = 99: Expected `int` <= 10": 99,
            "parameter step = 'x': Expected `int`, got `str`": "x",
        }
        for text, value in refusals.items():
            before = states_of(program)
            verdict = tuned(program, 2, step=value)
            assert_refused(program, verdict, "parameters r2 refused at stage: ", text, step="stage", running="v1")
            assert states_of(program) == before
            assert program.value() == ["code", {"step": 1}]
        assert tuned(program, 3, step=7).is_live

        narrow = program.deploy(a_tree(STEP.replace("le=10", "le=6"), value="narrow"))

        text = "v2 refused at stage: parameter step = 7: Expected `int` <= 6"
        assert_refused(program, narrow, text, step="stage", running="v1")
        assert program.value() == ["code", {"step": 7}]
        assert tuned(program, 4, step=6).is_live
        assert program.deploy(is_forced=True).is_live
        assert program.value() == ["narrow", {"step": 6}]


@pytest.mark.parametrize("host", HOSTS)
def test_params_removed(tmp_path: Path, host: str) -> None:
    rate = "rate: float = 0.5"
    with a_program(tmp_path, host=host, files=a_tree(STEP, rate)) as program:
        assert tuned(program, 2, step=5, rate=2.0).event.params == {"step": 5, "rate": 2.0}

        removed = program.deploy(a_tree(rate, value="without"))

        assert removed.is_live, removed.text
        assert removed.event.params == {"rate": 2.0}
        assert "parameter step is dormant: this release has none" in removed.notes
        assert program.value() == ["without", {"rate": 2.0}]
        again = program.deploy(a_tree(STEP, rate, value="again"))
        assert again.event.params == {"step": 5, "rate": 2.0}
        assert not [note for note in again.notes if "dormant" in note]
        assert program.value() == ["again", {"step": 5, "rate": 2.0}]
        program.roll_back()
        assert program.value() == ["without", {"rate": 2.0}]
        unknown = tuned(program, 3, rate=2.0, nothing=1)
        assert unknown.notes[0] == "parameter nothing is dormant: this release has none"


@pytest.mark.parametrize("host", HOSTS)
def test_params_default_changed_while_overridden(tmp_path: Path, host: str) -> None:
    limits = "limits: 'Limits' = msgspec.field(default_factory=lambda: Limits())"
    table = "\n\nclass Limits(msgspec.Struct, frozen=True):\n    size: int = {}\n"
    tree = {"__init__.py": a_tree(limits)["__init__.py"] + table.format(1)}
    with a_program(tmp_path, host=host, files=tree) as program:
        assert program.value() == ["code", {"limits": {"size": 1}}]
        assert tuned(program, 2, limits__size=5).event.params == {"limits": {"size": 5}}

        edited = program.deploy({"__init__.py": a_tree(limits)["__init__.py"] + table.format(7)})

        assert edited.notes == ("parameter limits.size is set to 5; the default is 7",)
        assert program.value() == ["code", {"limits": {"size": 5}}]
        assert tuned(program, 3).event.params == {"limits": {"size": 7}}
        assert program.value() == ["code", {"limits": {"size": 7}}]
        assert tuned(program, 4, limits__size=5).event.params == {"limits": {"size": 5}}


@pytest.mark.parametrize("host", HOSTS)
def test_new_parameters_are_no_new_release(tmp_path: Path, host: str) -> None:
    """The release that runs with them goes on with its life: it can be kept, and is not superseded by itself."""
    with a_program(tmp_path, host=host, files=a_tree(STEP)) as program:
        assert tuned(program, 2, step=5).event.release.name == "v1"
        program.keep()
        program.deploy()  # the order before this one has been obeyed when it answers
        entry = ReleaseStore(tmp_path / "data" / "releases").entry(1)
        assert entry.state == "kept", entry.history


@pytest.mark.parametrize("host", HOSTS)
def test_parameters_edited_under_the_same_or_an_older_revision_count_and_go_back(tmp_path: Path, host: str) -> None:
    """A person edits the document by hand and forgets the number."""
    with a_program(tmp_path, host=host, files=a_tree(STEP)) as program:
        assert program.value() == ["code", {"step": 1}]
        assert tuned(program, 2, step=5).is_live
        for revision in (2, 1):
            assert tuned(program, revision, step=6).event.params == {"step": 6}
            assert program.value() == ["code", {"step": 6}]
            program.roll_back()
            assert program.value() == ["code", {"step": 5}]
        edited = program.deploy(a_tree(STEP, value="edited"))
        assert edited.event.params == {"step": 5}
        assert program.value() == ["edited", {"step": 5}]
        assert program.state() == {"seen": 6}
