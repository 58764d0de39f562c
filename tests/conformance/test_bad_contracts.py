"""Bad releases that import and break the contract, or do not fit the parameters that are asked for: each is refused,
and what is wrong in one tree is told all at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.bad_releases import a_warm_program, good, is_refused
from conformance.program import HEAD, HOSTS, Program

SLOW_TO_TELL = """
def decide(given, state, params, more):
    return Result(state, 1)
"""
NOT_DONE = good().replace("def decide", "def decided")

CASES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "contract_function_missing": (
        (NOT_DONE, ("decide(input, state, params) is missing",)),
        (HEAD + "decide = 3\n", ("decide is 3, and must be a plain function",)),
        (good() + "class Decide:\n    def __call__(self, *_):\n        pass\ndecide = Decide()\n", ("plain function",)),
    ),
    "wrong_signature": (
        (good().replace("given, state, params)", "given, state)"), ("decide(given, state) must take (input, st",)),
        (HEAD + SLOW_TO_TELL, ("decide(given, state, params, more) must take (input, state, params)",)),
        (good().replace("state, params)", "state, *, params)"), ("decide(given, state, *, params) must take",)),
        (good().replace("def decide", "async def decide"), ("neither async nor a generator",)),
        (good().replace("return", "yield"), ("decide must be a plain function, neither async nor a generator",)),
        (good() + "def migrate(old):\n    return State()\n", ("migrate(old) must take (old, old_schema)",)),
    ),
    "params_type_wrong": (
        (good().replace("step: int = 1", 'step: int = "one"'), ("Params's own defaults break its types", "$.step")),
        (good().replace("step: int = 1", "step: int"), ("Params() cannot be built, every field needs a default",)),
        (good() + "Params = dict\n", ("Params is <class 'dict'>, and must be a msgspec Struct",)),
        (
            good().replace("class Params(msgspec.Struct, frozen=True)", "class Params(msgspec.Struct)"),
            ("Params must be frozen: class Params(msgspec.Struct, frozen=True)",),
        ),
        (good() + "del Params\n", ("Params is missing: the package must offer a frozen msgspec Struct",)),
    ),
    "params_out_of_range": (
        (
            good()
            .replace("step: int = 1", "step: typing.Annotated[int, msgspec.Meta(le=3)] = 9\n")
            .replace("import msgspec", "import typing\nimport msgspec"),
            ("Params's own defaults break its types: Expected `int` <= 3 - at `$.step`",),
        ),
    ),
    "state_type_missing": (
        (good() + "del State\n", ("State is missing: the package must offer a frozen msgspec Struct",)),
        (good() + "State = int\n", ("State is <class 'int'>, and must be a msgspec Struct",)),
        (good().replace("seen: int = 0", "seen: int"), ("State() cannot be built, every field needs a default",)),
    ),
}


@pytest.fixture(scope="module", params=HOSTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("contracts"), request.param) as started:
        yield started


@pytest.mark.parametrize("case", CASES)
def test_a_release_that_breaks_the_contract_is_refused(program: Program, case: str) -> None:
    for source, told in CASES[case]:
        is_refused(program, {"__init__.py": source}, *told)


def test_everything_that_breaks_the_contract_is_told_at_once(program: Program) -> None:
    told = (
        "Params must be frozen",
        "Params's own defaults break its types",
        "State() cannot be built",
        "decide(given) must take (input, state, params)",
        "migrate(old) must take (old, old_schema)",
    )
    source = """
import msgspec


class Params(msgspec.Struct):
    step: int = "one"


class State(msgspec.Struct, frozen=True):
    seen: int


def decide(given):
    return None


def migrate(old):
    return None
"""
    is_refused(program, {"__init__.py": source}, *told)


@pytest.mark.parametrize("host", HOSTS)
def test_params_that_are_in_force_and_do_not_fit_a_release_are_told_with_its_other_problems(
    tmp_path: Path, host: str
) -> None:
    """params_out_of_range and params_type_wrong, for what an operator has asked for."""
    with a_warm_program(tmp_path, host) as program:
        seen = program.state()["seen"]
        assert program.request(action="params", overrides={"step": 5}, revision=2).is_live
        program.value()
        assert program.state() == {"seen": seen + 5}
        ranged = (
            good()
            .replace("import msgspec", "import typing\nimport msgspec")
            .replace("step: int = 1", "step: typing.Annotated[int, msgspec.Meta(le=3)] = 1")
        )
        refused = "parameter step = 5: Expected `int` <= 3 - at `$.step`"
        broken = ranged.replace("def decide", "def decided")
        for source, told in (
            (ranged, (refused,)),
            (good().replace("step: int = 1", "step: str = 'one'"), ("parameter step = 5: Expected `str`, got `int`",)),
            (broken, (refused, "decide(input, state, params) is missing")),
        ):
            state = program.runtime.seam.state_of("btc")
            verdict = program.deploy({"__init__.py": source})
            assert verdict.is_refused
            assert [text for text in told if text not in verdict.text] == [], verdict.text
            assert verdict.text.endswith("; v2 is still running")
            assert program.runtime.seam.state_of("btc") == state
            program.value()
            assert program.state() == {"seen": seen + 10}, "with the parameter that was asked for"
            seen += 5
        assert program.deploy({"__init__.py": good("step is free again")}).is_live
        assert program.value() == "step is free again"
