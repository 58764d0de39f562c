"""Group E, timing: deploys, rollbacks and calls that meet have one order.

The one order of things:

1. Requests are carried out in the order in which they are asked. One release is prepared at a time; the next one waits
   its turn, and is compared with what runs when that turn comes.
2. A rollback and a keep act at once, on what is live at that moment, also while another release is prepared.
3. A release that was being prepared for what has been rolled back since keeps its turn: it is prepared anew, against
   what runs now, and goes live before the requests that came after it.
4. A commit replaces what is live, on probation or not. What it replaced stands by; what stood by before does not.
5. A rollback goes back one step. There is none behind it: a second one is refused, and says how an older release is
   named.
6. Every release's way is written down in the store, every request has exactly one last word.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.program import Program, a_program
from conformance.timing import (
    ask_for,
    deploy_folder,
    encoded_state,
    generation,
    value_of,
    verdict_of,
    wait_for_history,
    went_live,
)
from tesseract import Kept, NotDone, RequestRefused, WentBack

pytestmark = pytest.mark.process
STAGES_S = 0.25
ASKED = 4


@contextmanager
def running(folder: Path, **options: Any) -> Iterator[Program]:
    """A program with `ASKED` calls behind it; its first release has been kept by its probation."""
    with a_program(folder, host="process", files=generation(1), rounds=ASKED, **options) as program:
        for _ in range(ASKED):
            program.value()
        assert [event.by for event in program.happened(Kept)] == ["probation"]
        yield program


def answers(program: Program, release: str, value: int, seen: int) -> None:
    """One more call, by this release, which counts on from `seen`."""
    outcome = program.ask()
    assert (outcome.release, value_of(outcome)) == (release, value)
    assert program.runtime.seam.state_of("btc") == encoded_state(seen + 1)


def test_two_deploys_at_once(tmp_path: Path) -> None:
    """Both go live, in the order in which they were asked, and calls meanwhile are answered by one or the other."""
    with running(tmp_path) as program:
        program.runtime.seam.rounds = 1_000_000  # nobody keeps anything meanwhile
        first = deploy_folder(program, "a", generation(2, stages_s=STAGES_S))
        second = deploy_folder(program, "b", generation(3))
        answered = []
        while len(went_live(program)) < 3:
            outcome = program.ask()
            answered.append((outcome.release, value_of(outcome)))
            program.pause(0.005)
        answered.append((program.ask().release, 3))

        assert (verdict_of(program, first).event.replaced, verdict_of(program, second).event.replaced) == ("v1", "v2")
        assert went_live(program) == ["v1", "v2", "v3"]
        assert answered == sorted(answered), "a call is answered by what was committed last, and nothing goes back"
        assert {(name, value) for name, value in answered} <= {("v1", 1), ("v2", 2), ("v3", 3)}
        assert program.state() == {"seen": ASKED + len(answered)}
        wait_for_history(program, 2, "staged", "rehearsed", "live", "superseded")
        wait_for_history(program, 3, "staged", "rehearsed", "live")


def test_two_deploys_at_once_of_the_same_content_are_one(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        requests = [deploy_folder(program, name, generation(2)) for name in "ab"]
        assert verdict_of(program, requests[0]).is_live
        second = verdict_of(program, requests[1])
        assert isinstance(second.event, NotDone)
        assert not second.is_refused
        assert second.text == "v2 is what runs already; nothing was done"
        assert went_live(program) == ["v1", "v2"]
        answers(program, "v2", 2, ASKED)


def test_deploy_during_probation(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        assert program.deploy(generation(2)).is_live
        answers(program, "v2", 2, ASKED)
        verdict = program.deploy(generation(3))
        assert verdict.event.replaced == "v2"
        answers(program, "v3", 3, ASKED + 1)
        program.roll_back()
        answers(program, "v2", 2, ASKED + 2)
        wait_for_history(program, 2, "staged", "rehearsed", "live", "superseded", "live")
        wait_for_history(program, 3, "staged", "rehearsed", "live", "rolled back")


def test_deploy_during_probation_and_the_new_one_is_kept_by_its_own_rounds(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.deploy(generation(2))
        for _ in range(3):
            program.value()
        program.deploy(generation(3))
        for _ in range(3):
            program.value()
        assert [event.release.name for event in program.happened(Kept)] == ["v1"], "three of four rounds are not four"
        program.value()
        assert [event.release.name for event in program.happened(Kept)] == ["v1", "v3"]
        with pytest.raises(RequestRefused, match="v3 is still running"):
            program.roll_back()


def test_rollback_during_stage(tmp_path: Path) -> None:
    """The rollback acts at once; what was being prepared is prepared anew against what runs now, and goes live."""
    with running(tmp_path) as program:
        program.deploy(generation(2))
        answers(program, "v2", 2, ASKED)
        request = deploy_folder(program, "c", generation(3, stages_s=STAGES_S))
        program.pause(STAGES_S / 2)
        program.roll_back()
        assert program.running == "v1"
        answers(program, "v1", 1, ASKED + 1)

        verdict = verdict_of(program, request)
        assert verdict.is_live, verdict.text
        assert verdict.event.replaced == "v1"
        answers(program, "v3", 3, ASKED + 2)
        program.roll_back()
        answers(program, "v1", 1, ASKED + 3)
        wait_for_history(program, 2, "staged", "rehearsed", "live", "rolled back")


def test_rollback_during_stage_leaves_the_order_of_the_requests(tmp_path: Path) -> None:
    """What was asked last is live last, although the one before it had to be prepared twice."""
    with running(tmp_path) as program:
        program.deploy(generation(2))
        requests = [deploy_folder(program, f"g{n}", generation(n, stages_s=STAGES_S)) for n in (3, 4)]
        program.pause(STAGES_S / 2)
        program.roll_back()
        assert [verdict_of(program, request).is_live for request in requests] == [True, True]
        assert went_live(program) == ["v1", "v2", "v3", "v4"]
        answers(program, "v4", 4, ASKED)


def test_rollback_during_stage_of_what_runs_then_is_no_deploy(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.deploy(generation(2))
        request = deploy_folder(program, "a", generation(1))
        program.roll_back()
        later = deploy_folder(program, "b", generation(3))
        assert verdict_of(program, request).text == "v1 is what runs already; nothing was done"
        assert verdict_of(program, later).is_live
        answers(program, "v3", 3, ASKED)


def test_rollback_twice(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.deploy(generation(2))
        program.deploy(generation(3))
        program.roll_back()
        answers(program, "v2", 2, ASKED)
        with pytest.raises(RequestRefused) as refused:
            program.roll_back()
        assert str(refused.value) == "v2 has no standby; name a release to go back to, such as v1; v2 is still running"
        answers(program, "v2", 2, ASKED + 1)
        assert [event.release.name for event in program.happened(WentBack)] == ["v3"]

        request = ask_for(program, "rollback", where="v1")
        assert verdict_of(program, request).is_live
        answers(program, "v1", 1, ASKED + 2)


def test_rollback_twice_and_what_was_put_back_can_be_kept(tmp_path: Path) -> None:
    """What a rollback put back has no standby and no probation; a person may still declare it good."""
    with running(tmp_path) as program:
        program.deploy(generation(2))
        program.deploy(generation(3))
        program.roll_back()
        wait_for_history(program, 2, "staged", "rehearsed", "live", "superseded", "live")
        program.keep()
        assert [event.release.name for event in program.happened(Kept)] == ["v1", "v2"]
        wait_for_history(program, 2, "staged", "rehearsed", "live", "superseded", "live", "kept")
        with pytest.raises(RequestRefused, match="v2 has been kept already"):
            program.keep()


def test_deploy_same_hash(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        before = program.runtime.seam.state_of("btc")
        for _ in range(2):
            verdict = program.deploy(generation(1))
            assert isinstance(verdict.event, NotDone)
            assert (verdict.is_refused, verdict.text) == (False, "v1 is what runs already; nothing was done")
        assert program.runtime.seam.state_of("btc") == before
        assert went_live(program) == ["v1"]
        answers(program, "v1", 1, ASKED)


def test_deploy_same_hash_as_an_older_release_has_its_number(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.deploy(generation(2))
        program.keep()
        verdict = program.deploy(generation(1))
        assert (verdict.event.release.name, verdict.event.replaced) == ("v1", "v2")
        answers(program, "v1", 1, ASKED)


def test_deploy_same_hash_as_one_that_was_rolled_back_is_barred_until_it_is_forced(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.deploy(generation(2))
        program.roll_back()
        verdict = program.deploy(generation(2))
        assert verdict.is_refused
        assert verdict.text.startswith("v2 refused at snapshot: v2 was rolled back at ")
        assert verdict.text.endswith("until it changes or somebody forces it; v1 is still running")
        answers(program, "v1", 1, ASKED)
        assert program.deploy(is_forced=True).is_live
        answers(program, "v2", 2, ASKED + 1)
