"""Group D, state that has to catch up: fields that are folded from the tape, and calls that come while one stages."""

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.program import HOSTS, Program, a_program
from conformance.resident import Given
from conformance.state_trees import a_tree
from tesseract import Request
from tesseract.deployer import WentLive

WINDOW = 360
"""Thirty minutes of calls, one every five seconds."""
ASKED = 800
"""Over an hour; the tape has forgotten the first of them."""
OLD = a_tree("seen: int = 0; last: int = 0", "seen=state.seen + 1, last=given.number")
NEW = a_tree(
    "seen: int = 0; last: int = 0; window: Annotated[list[int], refold] = []",
    f"seen=state.seen + 1, last=given.number, window=[*state.window, given.number][-{WINDOW}:]",
    value="[len(state.window), sum(state.window)]",
)


def number_at(place: int) -> int:
    return place * 7919 % 1009


class Refolded(NamedTuple):
    """States right after the deploy and the first value then; the same of a program that had the field all along."""

    state: dict[str, Any]
    first: list[int]
    notes: tuple[str, ...]
    always: dict[str, Any]
    always_first: list[int]


@pytest.fixture(scope="module", params=HOSTS)
def refolded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Refolded:
    folder = tmp_path_factory.mktemp("refold")
    with a_program(folder / "always", host=request.param, files=NEW) as program:
        for place in range(ASKED):
            program.ask(number=number_at(place))
        always, always_first = program.state(), program.value(number=5)
    with a_program(folder / "later", host=request.param, files=OLD) as program:
        for place in range(ASKED):
            program.ask(number=number_at(place))
        verdict = program.deploy(NEW)
        assert verdict.is_live, verdict.text
        return Refolded(program.state(), program.value(number=5), verdict.notes, always, always_first)


def test_refold_field_needs_30_minutes(refolded: Refolded) -> None:
    assert refolded.state["window"] == [number_at(place) for place in range(ASKED - WINDOW, ASKED)]
    assert refolded.state == refolded.always
    assert refolded.first == refolded.always_first == [WINDOW, sum(refolded.always["window"])]
    assert refolded.notes == ("State.window is new and is folded from the tape",)


def test_other_fields_keep_live_values(refolded: Refolded) -> None:
    """The tape does not hold all that they have seen, and is not asked about them."""
    assert refolded.state["seen"] == ASKED
    assert refolded.state["last"] == number_at(ASKED - 1)


SUMS = "seen=state.seen + 1, total=state.total + given.number"
SUM_OLD = a_tree("seen: int = 0; total: int = 0", SUMS, before="time.sleep(0.3 if given.text == 'slow' else 0.001)")
SUM_NEW = a_tree(
    "seen: int = 0; total: int = 0; all: Annotated[list[int], refold] = []",
    f"{SUMS}, all=[*state.all, given.number]",
    declares="time.sleep(0.2)",
)


@pytest.mark.parametrize("host", HOSTS)
def test_state_falls_behind_while_staging(tmp_path: Path, host: str) -> None:
    """Calls of two keys come all the time, one waits behind another: the new release misses none of them, and counts
    none of them twice."""
    with a_program(tmp_path, host=host, files=SUM_OLD, rounds=10_000) as program:
        asked = program.run(ask_through_a_deploy(program))
        for key, numbers in asked.items():
            assert program.state(key) == {"seen": len(numbers), "total": sum(numbers), "all": numbers}
        program.roll_back()
        for key, numbers in asked.items():
            assert program.ask(key, 1_000_000).release == "v1"
            assert program.state(key) == {"seen": len(numbers) + 1, "total": sum(numbers) + 1_000_000}


async def ask_through_a_deploy(program: Program) -> dict[str, list[int]]:
    """Rounds of two calls for each of two keys, while a release is staged and after it. One call takes so long that
    staging begins in the middle of it. Returns all numbers, in their order."""
    asked: dict[str, list[int]] = {"btc": [], "eth": []}
    counter = iter(range(1, 100_000))

    async def ask(key: str, text: str = "") -> None:
        number = next(counter)
        asked[key].append(number)
        outcome = await program.runtime.ask(key, Given(number, text), at_ns=number * 1_000_000_000)
        assert outcome.fault is None, outcome.fault.text

    after = 0
    for place in range(10_000):
        async with asyncio.TaskGroup() as group:
            for key in ("btc", "eth", "btc", "eth"):
                group.create_task(ask(key, "slow" if place == 20 and key == "btc" else ""))
            if place == 20:
                await asyncio.sleep(0)
                program.write(SUM_NEW)
                program.runtime.request(Request(id="behind", action="deploy", author="ana"))
        await asyncio.sleep(0.004)
        after += len(program.happened(WentLive)) == 2
        if after == 10:
            return asked
    raise AssertionError(f"the deploy did not go live: {program.events}")


@pytest.mark.parametrize("host", HOSTS)
def test_a_deploy_goes_live_under_calls_that_never_pause(tmp_path: Path, host: str) -> None:
    """Some call of some key is always waiting; the commit must still find its moment."""
    busy, faster = (a_tree("seen: int = 0", "seen=state.seen + 1", before=each) for each in ("time.sleep(0.001)", ""))
    with a_program(tmp_path, host=host, files=busy, rounds=10_000) as program:
        asked = program.run(never_pause(program, faster))
        assert len(program.happened(WentLive)) == 2
        assert sum(program.state(key)["seen"] for key in ("btc", "eth", "sol", "xrp")) == asked


async def never_pause(program: Program, files: Mapping[str, str]) -> int:
    """A deploy while three askers for each of four keys never rest. Returns how many calls were answered until it was
    live; fails after a while."""
    counter = itertools.count(1)
    end_s = asyncio.get_running_loop().time() + 10.0

    async def keep_asking(key: str) -> None:
        while asyncio.get_running_loop().time() < end_s and len(program.happened(WentLive)) < 2:
            number = next(counter)
            outcome = await program.runtime.ask(key, Given(number), at_ns=number * 1_000_000)
            assert outcome.fault is None, outcome.fault.text
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for key in ("btc", "eth", "sol", "xrp") * 3:
            group.create_task(keep_asking(key))
        await asyncio.sleep(0.1)
        program.write(files)
        program.runtime.request(Request(id="busy", action="deploy", author="ana"))
    assert asyncio.get_running_loop().time() < end_s, "it went live in no pause but the last"
    return next(counter) - 1
