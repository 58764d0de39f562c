"""Group F, debuggers and measurements: they see the stored copy of the release that runs, in its own lines."""

import bdb
import cProfile
import pstats
import sys
import time
import trace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.program import HEAD, HOSTS, Files, Program, a_program
from conformance.swaps import DECIDE, ELSEWHERE, LOOKING, edited, is_refused, stored


@contextmanager
def tracing_restored() -> Iterator[None]:
    """Debuggers end with no tracing at all; a measurement of coverage goes on."""
    before = sys.gettrace()
    try:
        yield
    finally:
        sys.settrace(before)


SCORED = """def score(number):
    if number < 0:
        number = 0
    doubled = number * 2
    return doubled


def look(number):
    return score(number)
"""
TRACED = """import cProfile
import pstats
import sys
import trace

from strategy.scored import look as scored


def look(number):
    seen = []

    def tracer(frame, event, argument):
        if frame.f_code.co_name == "score":
            seen.append([frame.f_code.co_filename, frame.f_lineno, event])
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        scored(number)
    finally:
        sys.settrace(before)
    return seen
"""


class Stops(bdb.Bdb):
    """Notes where it stops, and what it finds there."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[tuple[str, int, int]] = []
        self.waits_s = 0.0

    def user_line(self, frame: Any) -> None:
        if self.break_here(frame):
            time.sleep(self.waits_s)
            self.at.append((frame.f_code.co_filename, frame.f_lineno, frame.f_locals["number"]))
        self.set_continue()


def lines_seen(path: Path, *, shift: int) -> list[list[object]]:
    """What a trace of `score(3)` sees: line 3 is never reached."""
    events = ((1, "call"), (2, "line"), (4, "line"), (5, "line"), (5, "return"))
    return [[str(path), line + shift, event] for line, event in events]


@pytest.mark.parametrize("host", HOSTS)
def test_debugger_breakpoint(tmp_path: Path, host: str) -> None:
    files: Files = {"__init__.py": LOOKING, "parts.py": TRACED, "scored.py": SCORED}
    with a_program(tmp_path, host=host, files=files) as program:
        assert program.value(number=3) == lines_seen(stored(program, "scored.py"), shift=0)
        assert program.deploy({"scored.py": "\n\n" + SCORED}).is_live
        program.write({"scored.py": ELSEWHERE + SCORED})
        assert program.value(number=3) == lines_seen(stored(program, "scored.py"), shift=2)
        program.roll_back()
        assert program.value(number=3) == lines_seen(stored(program, "scored.py"), shift=0)


def test_a_breakpoint_in_the_stored_copy_stops_there_and_waits_for_the_person(tmp_path: Path) -> None:
    files: Files = {"__init__.py": HEAD + "from strategy.scored import look\n" + DECIDE, "scored.py": SCORED}
    with a_program(tmp_path, host="in_process", files=files, budget_s=0.05) as program, tracing_restored():
        program.value(number=3)
        one = stored(program, "scored.py")
        assert program.deploy({"scored.py": "\n\n" + SCORED}).is_live
        program.write({"scored.py": ELSEWHERE + SCORED})
        two = stored(program, "scored.py")
        debugger = Stops()
        assert debugger.set_break(str(two), 6) is None
        assert debugger.runcall(program.value, number=3) == 6
        assert debugger.at == [(str(two), 6, 3)]
        program.roll_back()
        assert debugger.runcall(program.value, number=4) == 8
        assert debugger.set_break(str(one), 5) is None
        debugger.waits_s = 0.2
        assert debugger.runcall(program.value, number=5) == 10
        assert debugger.at == [(str(two), 6, 3), (str(one), 5, 5)]


def test_a_forgotten_breakpoint_is_refused_in_its_rehearsal(tmp_path: Path) -> None:
    files = {"__init__.py": LOOKING, "parts.py": SCORED}
    with a_program(tmp_path, host="process", files=files) as program:
        program.value(number=3)
        bad = edited(files, ("parts.py", "    doubled =", "    breakpoint()\n    doubled ="))
        is_refused(
            program, bad, edited(files, ("parts.py", "* 2", "* 3")), step="rehearsal", words=("parts.py", "BdbQuit")
        )


MEASURED = """import cProfile
import pstats
import sys
import trace

from strategy.scored import look as scored


def look(number):
    if number != 13:
        return scored(number)
    counted = trace.Trace(count=1, trace=0)
    counted.runfunc(scored, 3)
    lines = [[file, line, count] for (file, line), count in counted.results().counts.items() if "scored" in file]
    profile = cProfile.Profile()
    profile.runcall(scored, 3)
    return [sorted(lines), sorted(list(place) for place in pstats.Stats(profile).stats if "scored" in place[0])]
"""


@pytest.mark.parametrize("host", HOSTS)
def test_coverage_and_profiler(tmp_path: Path, host: str) -> None:
    files: Files = {"__init__.py": LOOKING, "parts.py": MEASURED, "scored.py": SCORED}
    measure = measured_inside if host == "process" else measured_outside
    with a_program(tmp_path, host=host, files=files) as program, tracing_restored():
        program.value(number=3)
        measure(program, 0)
        assert program.deploy({"scored.py": "\n\n" + SCORED}).is_live
        program.write({"scored.py": ELSEWHERE + SCORED})
        measure(program, 2)
        program.roll_back()
        measure(program, 0)


def measured_inside(program: Program, shift: int) -> None:
    """Live code measures itself, in its own process."""
    file = str(stored(program, "scored.py"))
    lines, functions = program.value(number=13)
    assert lines == [[file, line + shift, 1] for line in (2, 4, 5, 9)]
    assert functions == [[file, 1 + shift, "score"], [file, 8 + shift, "look"]]


def measured_outside(program: Program, shift: int) -> None:
    """The program measures everything that it runs."""
    file, lines, profile = str(stored(program, "scored.py")), trace.Trace(count=1, trace=0), cProfile.Profile()
    assert lines.runfunc(program.value, number=3) == 6
    found = sorted(line for name, line in lines.results().counts if name == file)
    assert found == [line + shift for line in (2, 4, 5, 9)]
    assert profile.runcall(program.value, number=3) == 6
    functions = sorted(place[1:] for place in pstats.Stats(profile).stats if place[0] == file)
    assert functions == [(1 + shift, "score"), (8 + shift, "look")]
