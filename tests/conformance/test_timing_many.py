"""Group E: however many deploys there were, the program holds what it held, and the next one takes as long.

Here it is a few hundred inside the process and some dozens with processes; `ten_thousand_deploys` is a part of
`make soak`.
"""

import gc
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.held import Held, grown_below, held_now, settled_below
from conformance.program import Program, a_program
from conformance.timing import generation, store_of

COUNTS = {"in_process": (300, 60), "process": (60, 20)}
"""Deploys in all, and those of them that only warm up."""
TAPE_IS_FULL = 780
"""Calls after which the tape forgets as much as it takes: an hour of them."""
GROWN_MB_MAX = 6.0
OBJECTS_PER_DEPLOY_MAX = 16.0
"""The store's entry, its history and its line: what a bot remembers of a release on purpose."""
SLOWER_MAX = 2.5


def deploys(program: Program, numbers: range) -> list[float]:
    """One after the other, each asked once; every third is bad. Returns the seconds that the good ones took."""
    seconds = []
    for number in numbers:
        began_s = time.perf_counter()
        if number % 3 == 0:
            assert program.deploy({"__init__.py": f"GENERATION = {number}\nraise ValueError\n"}).is_refused
            continue
        verdict = program.deploy(generation(number))
        seconds.append(time.perf_counter() - began_s)
        assert verdict.is_live, verdict.text
        assert program.value() == number
    return seconds


def nothing_has_grown(grown: Held, count: int) -> None:
    assert grown.rss_mb <= GROWN_MB_MAX, grown
    assert max(grown.files, grown.threads, grown.children, grown.modules) <= 0, grown
    assert grown.objects <= OBJECTS_PER_DEPLOY_MAX * count, grown


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: what is measured here is not the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.process
@pytest.mark.parametrize("host", COUNTS)
def test_after_some_dozens_of_deploys_nothing_has_grown_or_slowed(folder: Path, host: str) -> None:
    count, warm = COUNTS[host]
    with a_program(folder, host=host, files=generation(0), keep=20, rehearse_s=0.0) as program:
        for _ in range(TAPE_IS_FULL):
            program.ask()
        deploys(program, range(1, warm + 1))
        below, before = settled_below(program), held_now()
        seconds = deploys(program, range(warm + 1, count + 1))
        settled = settled_below(program)
        nothing_has_grown(held_now().grown(before), count - warm)
        for kind, grown in grown_below(below, settled).items():
            assert grown.rss_mb <= GROWN_MB_MAX, (kind, grown)
            assert grown.files <= 0, (kind, grown)
        part = len(seconds) // 3
        assert min(seconds[-part:]) <= SLOWER_MAX * min(seconds[:part]), "the quickest: a busy machine is not measured"
        assert program.state()["seen"] == TAPE_IS_FULL + sum(1 for number in range(1, count + 1) if number % 3)
        stored = [path for path in store_of(program).folder.iterdir() if (path / "strategy").exists()]
        assert len(stored) <= 22, "copies that nobody needs are gone"
        assert len(store_of(program).entries()) == count + 1


@pytest.mark.process
def test_deploys_leave_nothing_for_the_garbage_collector(folder: Path) -> None:
    """A collection stops the loop for longer than a deploy does; what a deploy leaves goes by itself."""
    with a_program(folder, host="process", files=generation(0), rehearse_s=0.0) as program:
        program.ask()
        deploys(program, range(1, 12))
        gc.collect()
        gc.disable()
        try:
            deploys(program, range(12, 32))
            program.pause(0.05)  # the last host is let go of a moment later
            assert not [found for found in garbage() if type(found).__module__.startswith("tesseract")]
        finally:
            gc.enable()


def garbage() -> list[object]:
    """What is unreachable and has not gone."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
