"""What a process holds: memory, files, threads, children, and modules. For tests that nothing of it grows."""

import contextlib
import gc
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil

from conformance.program import Program
from conformance.surroundings import all_are_ready

MEGABYTE = 1024 * 1024
KINDS = {"stager": "stager", "zygote": "zygote", "venue": "venue", "foresight.record": "writer"}
"""Kinds of processes by a word of their command."""


class Held(msgspec.Struct, frozen=True):
    """What this process holds at one moment. `children` are all processes below it, `shared_mb` not counted twice."""

    rss_mb: float
    files: int
    threads: int
    children: int
    modules: int
    objects: int

    def grown(self, since: "Held") -> "Held":
        """The difference of each."""
        mine, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(since)
        return Held(**{name: value - theirs[name] for name, value in mine.items()})


def held_now() -> Held:
    """After a collection, so that only what is reachable counts."""
    gc.collect()
    process = psutil.Process()
    return Held(
        rss_mb=process.memory_info().rss / MEGABYTE,
        files=len(list(Path("/proc/self/fd").iterdir())),
        threads=len(list(Path("/proc/self/task").iterdir())),
        children=len(process.children(recursive=True)),
        modules=len(sys.modules),
        objects=len(gc.get_objects()),
    )


class Below(msgspec.Struct, frozen=True):
    """The most that one process of a kind holds."""

    rss_mb: float
    files: int


def below_now() -> dict[str, Below]:
    """What the processes below this one hold, by kind: `stager`, `zygote`, and `host` for all that a zygote forks, one
    that waits ready among them. A process that is gone meanwhile is left out."""
    found: dict[str, Below] = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            kind, rss_mb, files = _kind_of(process), process.memory_info().rss / MEGABYTE, process.num_fds()
            held = found.get(kind, Below(0.0, 0))
            found[kind] = Below(max(held.rss_mb, round(rss_mb, 1)), max(held.files, files))
    return found


def settled_below(program: Program) -> dict[str, Below]:
    """Of stager, zygotes and hosts, once every zygote has one ready."""
    program.wait_until(all_are_ready, lambda: "a zygote makes no process ready")
    return below_now()


def grown_below(since: Mapping[str, Below], now: Mapping[str, Below]) -> dict[str, Below]:
    """The difference of each kind; what is new has grown by all that it holds."""
    was = {kind: since.get(kind, Below(0.0, 0)) for kind in now}
    return {kind: Below(held.rss_mb - was[kind].rss_mb, held.files - was[kind].files) for kind, held in now.items()}


def _kind_of(process: psutil.Process) -> str:
    """A fork has its zygote's command; a `venue` is where a test's bot trades, a `writer` writes its record."""
    parent = process.parent()
    if parent is not None and "zygote" in parent.cmdline():
        return "host"
    return next((kind for word, kind in KINDS.items() if word in process.cmdline()), "host")
