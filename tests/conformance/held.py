"""What a process holds: memory, files, threads, children, and modules. For tests that nothing of it grows."""

import gc
import sys
from pathlib import Path

import msgspec
import psutil

MEGABYTE = 1024 * 1024


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


def rss_mb_of(pid: int) -> float:
    """Resident memory of another process."""
    return float(psutil.Process(pid).memory_info().rss) / MEGABYTE


def files_of(pid: int) -> int:
    """Open files of another process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
