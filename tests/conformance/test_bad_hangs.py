"""Bad releases that take too long or take their process with them: the watchdog ends it, and the release before them
answers the same call within the budget and a quarter; after their keep the host is started again.

Hosts inside the caller's process promise less, and what they promise stands at the end.
"""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tesseract.watchdog
from conformance.bad_releases import a_warm_program, goes_back, good, is_contained, state_in_store, unlucky
from conformance.program import Program, a_program
from conformance.surroundings import no_more_processes
from tesseract.deploy_events import WentBack
from tesseract.process_host import RESPAWNS_MAX

BUDGET_S = 0.4
WITHIN_S = BUDGET_S * 1.25 + 0.6
"""The kill comes after the budget and a quarter; the rest is for a machine that has other things to do."""

STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
NEVER_ENDING = "import itertools\nsum(itertools.repeat(1, 10**12))"
INTERRUPTED, KILLED = "ms and was interrupted at strategy/__init__.py:", "ms; its process was killed"
ENDS: dict[str, tuple[tuple[str, str], ...]] = {
    "endless_loop_in_evaluate": (("while True:\n    pass", INTERRUPTED), (STUBBORN, KILLED)),
    "sleep_in_evaluate": (("import time\ntime.sleep(60)", INTERRUPTED),),
    "catastrophic_regex": (("import re\nre.match('(a+)+$', 'a' * 64 + 'b')", INTERRUPTED),),
    "long_call_in_c": ((NEVER_ENDING, KILLED),),
    "segfault": (("import ctypes\nctypes.string_at(0)", "its process ended"),),
    "os_exit_in_evaluate": (
        ("import os\nos._exit(0)", "its process ended"),
        ("import os\nprint('so long')\nos._exit(3)", "its process ended; it wrote last: so long"),
    ),
}
CASES = ENDS


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("hangs"), "process", budget_s=BUDGET_S) as started:
        yield started


@pytest.mark.parametrize("case", ENDS)
def test_the_standby_answers_in_time_for_a_host_that_does_not(program: Program, case: str) -> None:
    for code, told in ENDS[case]:
        before, number = unlucky(code)
        goes_back(program, before, told, within_s=WITHIN_S, number=number)


@pytest.mark.parametrize("case", ENDS)
def test_after_its_keep_a_host_that_ends_is_started_again(program: Program, case: str) -> None:
    for code, told in ENDS[case]:
        before, number = unlucky(code)
        is_contained(program, before, told, within_s=WITHIN_S, number=number)


def stop(program: Program) -> None:
    """SIGSTOP: nothing in the process can notice, not even its own watchdog."""
    pidfd = program.runtime.seam.strategies[""].pidfd  # type: ignore[attr-defined]  # a process host has one
    signal.pidfd_send_signal(pidfd, signal.SIGSTOP)


def timed(ask: Callable[[], object]) -> float:
    began_s = time.monotonic()
    ask()
    return time.monotonic() - began_s


def test_host_stopped(tmp_path: Path) -> None:
    with a_warm_program(tmp_path, "process", budget_s=BUDGET_S) as program:
        counted = program.state()["seen"]
        with no_more_processes(program):
            assert program.deploy({"__init__.py": good("new", step=100)}).is_live
            assert program.value() == "new"
            stop(program)
            assert timed(program.value) < WITHIN_S
        [back] = program.happened(WentBack)
        assert (back.release.name, back.to.name) == ("v3", "v2")
        assert back.line == f"btc: took longer than {BUDGET_S * 1000:.0f} {KILLED}"
        assert program.value() == "the second"
        assert program.state() == {"seen": counted + 3}
        assert program.deploy().is_refused
        assert state_in_store(program, "v3") == "rolled back"


def test_host_stopped_after_its_keep(tmp_path: Path) -> None:
    with a_warm_program(tmp_path, "process", budget_s=BUDGET_S) as program:
        program.keep()
        state = program.runtime.seam.state_of("btc")
        stop(program)
        assert timed(program.ask) < WITHIN_S
        assert program.runtime.seam.state_of("btc") == state
        assert program.value() == "the second"
        assert program.happened(WentBack) == []


def test_host_stopped_that_is_the_standby_delays_nobody(tmp_path: Path) -> None:
    with a_warm_program(tmp_path, "process", budget_s=BUDGET_S) as program:
        stop(program)
        assert program.deploy({"__init__.py": good("new", step=100)}).is_live
        assert timed(program.value) < BUDGET_S / 2
        program.pause(BUDGET_S * 1.5)
        assert program.value() == "new"
        program.roll_back()
        assert program.value() == "the second", "it has a process again"


@pytest.mark.parametrize("is_kept", [False, True], ids=["on probation", "after its keep"])
def test_calls_of_other_keys_that_waited_behind_it_are_answered(tmp_path: Path, is_kept: bool) -> None:
    with a_warm_program(tmp_path, "process", budget_s=BUDGET_S) as program:
        before, number = unlucky(STUBBORN)
        assert program.deploy({"__init__.py": good("new", before=before, step=100)}).is_live
        if is_kept:
            program.keep()
        outcomes = program.ask_all(("btc", number), ("eth", 1), ("sol", 2), ("btc", 3))
        release, answer = ("v3", "new") if is_kept else ("v2", "the second")
        assert [outcome.release for outcome in outcomes] == [release] * 4
        answers = [None if outcome.value is None else outcome.value.value for outcome in outcomes]
        assert answers == [None if is_kept else answer, answer, answer, answer]
        step = 100 if is_kept else 1
        assert program.state("eth") == program.state("sol") == {"seen": step}
        assert program.running == release


def test_a_host_that_dies_again_and_again_is_given_up_and_a_good_release_is_the_way_out(tmp_path: Path) -> None:
    with a_warm_program(tmp_path, "process", budget_s=BUDGET_S) as program:
        before, number = unlucky("import os\nos._exit(0)")
        assert program.deploy({"__init__.py": good("mortal", before=before)}).is_live
        program.keep()
        state = program.runtime.seam.state_of("btc")
        for _ in range(RESPAWNS_MAX):
            assert program.ask(number=number).fault is not None
        last, behind = program.ask_all(("btc", number), ("eth", 1))
        assert (last.value, behind.value) == (None, None), "what waited behind it is not left waiting"
        assert program.ask().fault is not None, "it has no process any more"
        assert any("has no process" in text for text in program.printed)
        assert program.runtime.seam.state_of("btc") == state
        assert program.deploy({"__init__.py": good("immortal")}, is_forced=True).is_live
        assert program.value() == "immortal"


INTERRUPTED_IN_PROCESS = ("endless_loop_in_evaluate", "sleep_in_evaluate", "catastrophic_regex")
IN_PROCESS = {name: ENDS[name][0][0] for name in INTERRUPTED_IN_PROCESS}


@pytest.mark.parametrize("code", IN_PROCESS.values(), ids=IN_PROCESS)
def test_in_process_python_code_a_sleep_and_a_regex_are_interrupted(tmp_path: Path, code: str) -> None:
    with a_warm_program(tmp_path, "in_process", budget_s=BUDGET_S) as program:
        before, number = unlucky(code)
        handler = signal.getsignal(signal.SIGALRM)
        goes_back(program, before, INTERRUPTED, within_s=WITHIN_S, number=number)
        before, number = unlucky(code)
        is_contained(program, before, INTERRUPTED, within_s=WITHIN_S, number=number)
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_in_process_a_long_call_in_c_is_only_detected(tmp_path: Path) -> None:
    """long_call_in_c: the outcome is the standby's, but it comes when the call into C has ended."""
    with a_program(tmp_path, host="in_process", budget_s=0.05, files={"__init__.py": good()}) as program:
        program.ask()
        before, number = unlucky("import hashlib\nhashlib.pbkdf2_hmac('sha256', b'a', b'b', 1_000_000)")
        assert program.deploy({"__init__.py": good("new", before=before, step=100)}).is_live
        began_s = time.monotonic()
        outcome = program.ask(number=number)
        assert time.monotonic() - began_s > 0.1, "twice the budget: nothing interrupted it"
        assert (outcome.release, outcome.fault) == ("v1", None)
        assert "took longer than 50 ms and was interrupted" in program.happened(WentBack)[0].details
        assert program.state() == {"seen": 2}
    assert "a long call into C is only\nnoticed when it returns" in str(tesseract.watchdog.__doc__)
