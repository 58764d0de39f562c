"""Group A, the functions of the contract: plain ones. What they call may be anything that Python has."""

from pathlib import Path

import pytest

from conformance.program import HEAD, HOSTS, a_program
from conformance.swaps import is_refused

PLAIN = HEAD + "def decide(given, state, params):\n    return Result(State(state.seen + params.step), 'plain')\n"
LINE = 1 + HEAD.count("\n")
NOT_PLAIN = {
    "async": PLAIN.replace("def decide", "async def decide"),
    "generator": PLAIN.replace("return Result", "yield Result"),
    "async generator": PLAIN.replace("def decide", "async def decide").replace("return Result", "yield Result"),
    "wrapped": PLAIN.replace("def decide", "async def decide")
    + "\n\nplain, decide = decide, lambda *given: plain(*given)\n",
}
HELPERS = """
import asyncio

async def awaited(number):
    await asyncio.sleep(0)
    return number

def pairs(number):
    for each in range(number):
        yield each, number

async def spoken(number):
    for each in range(number):
        yield each

def run(coroutine):
    while True:
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value

async def heard(number):
    return [each async for each in spoken(number)]

def decide(given, state, params):
    value = [run(awaited(given.number)), [list(pair) for pair in pairs(2)], run(heard(2))]
    return Result(State(state.seen + params.step), value)
"""


@pytest.mark.parametrize("host", HOSTS)
def test_generator_or_async_added_to_live_contract(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": PLAIN}) as program:
        assert program.value() == "plain"
        for number, kind in enumerate(("async", "generator", "async generator")):
            good = PLAIN.replace("'plain'", f"'good {number}'")
            words = ("decide must be a plain function, neither async nor a generator", f"strategy/__init__.py:{LINE}")
            is_refused(program, {"__init__.py": NOT_PLAIN[kind]}, {"__init__.py": good}, step="stage", words=words)
            assert program.value() == f"good {number}"
        migrate = "\n\nasync def migrate(old, old_schema):\n    return State()\n"
        words = ("migrate must be a plain function, neither async nor a generator",)
        is_refused(program, {"__init__.py": PLAIN + migrate}, {"__init__.py": PLAIN}, step="stage", words=words)


@pytest.mark.parametrize("host", HOSTS)
def test_a_helper_of_the_contract_may_be_a_generator_or_async(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": PLAIN}) as program:
        assert program.value() == "plain"
        verdict = program.deploy({"__init__.py": HEAD + HELPERS})
        assert verdict.is_live, verdict.text
        assert program.value(number=7) == [7, [[0, 2], [1, 2]], [0, 1]]


@pytest.mark.filterwarnings("ignore:coroutine 'decide' was never awaited:RuntimeWarning")
@pytest.mark.parametrize("host", HOSTS)
def test_a_plain_function_that_returns_a_coroutine_is_refused_in_its_rehearsal(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": PLAIN}) as program:
        assert program.value() == "plain"
        bad, good = {"__init__.py": NOT_PLAIN["wrapped"]}, {"__init__.py": PLAIN.replace("'plain'", "'good'")}
        is_refused(program, bad, good, step="rehearsal", words=("must be a State", "btc: "))
