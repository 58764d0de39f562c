"""Group L, requests that cannot be done: each is told by a sentence with its own name, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest

from conformance.program import HOSTS, a_program
from conformance.refusals import states_of
from conformance.timing import ask_for, generation, verdict_of
from tesseract import NotDone, Request, RequestRefused

OUT_OF_RANGE: dict[str, tuple[dict[str, Any], str]] = {
    "infinite": ({"action": "deploy", "shadow_s": float("inf")}, "shadow_s is inf, and must be between 0 and 604800"),
    "no_number": ({"action": "deploy", "shadow_s": float("nan")}, "shadow_s is nan, and must be between 0 and 604800"),
    "negative": ({"action": "deploy", "shadow_s": -1.0}, "shadow_s is -1, and must be between 0 and 604800"),
    "over_a_week": ({"action": "deploy", "shadow_s": 604_801.0}, "(7 days)"),
    "override": ({"action": "params", "overrides": {"step": 2**64}, "revision": 2}, "the request cannot be encoded: "),
    "revision": ({"action": "params", "overrides": {"step": 2}, "revision": 2**64}, "the request cannot be encoded: "),
    "object": ({"action": "params", "overrides": {"step": object()}, "revision": 2}, "the request cannot be encoded: "),
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_request_that_is_out_of_range_is_refused_and_changes_nothing(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files=generation(1)) as program:
        assert program.value() == 1
        before, events = states_of(program), len(program.events)
        for asked, says in OUT_OF_RANGE.values():
            with pytest.raises(RequestRefused) as caught:
                program.request(**asked)
            assert says in str(caught.value)
            assert str(caught.value).endswith("; v1 is still running")
        assert (states_of(program), len(program.events)) == (before, events)
        assert program.request(action="params", overrides={"step": 2}, revision=2).is_live


@pytest.mark.parametrize("host", HOSTS)
def test_a_request_that_has_no_release_yet_is_refused_by_its_own_name(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files=generation(1)) as program:
        rollback = program.request(action="rollback", where="v7")
        deploy = program.request(action="deploy", what="release", where="v7")

        assert rollback.text.startswith("the rollback to v7 refused at snapshot: ")
        assert deploy.text.startswith("the deploy refused at snapshot: ")


def test_a_request_that_the_end_of_the_program_cuts_off_is_told_by_its_own_name(tmp_path: Path) -> None:
    with a_program(tmp_path, host="process", files=generation(1)) as program:
        asked = [
            ask_for(program, "rollback", where="v1"),
            ask_for(program, "params", overrides={"step": 2}, revision=3),
            ask_for(program, "deploy"),
        ]
        program.runtime.close()
        told = {event.request: event.text for event in program.events if isinstance(event, NotDone)}

        assert [told[request].removesuffix(": the program was stopped") for request in asked] == [
            "the rollback to v1 was not done",
            "the change to parameters r3 was not done",
            "the deploy was not done",
        ]


def test_a_refused_request_leaves_no_canary_to_the_next_one_of_its_name(tmp_path: Path) -> None:
    with a_program(tmp_path, host="in_process", files=generation(1)) as program:
        program.ask("btc")
        first = Request(id="mine", action="deploy", author="ana", what="release", where="v9", canary=("btc",))
        program.runtime.request(first)
        assert verdict_of(program, "mine").is_refused
        program.events.clear()
        program.write(generation(2))
        program.runtime.request(Request(id="mine", action="deploy", author="ana"))
        live = verdict_of(program, "mine")
        assert (live.is_live, live.event.keys) == (True, ())
