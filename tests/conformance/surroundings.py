"""What a bad release must leave as it was: this very process, the processes below it, and the files beside its tree.

    with untouched(program):
        program.deploy(BAD)

A host that was killed needs a moment to be gone, so what differs is looked at again for a while.
"""

import contextlib
import locale
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.program import Program

FORKED_S = 0.05
"""A zygote has the output of the process that it makes ready a moment before it has the process, and a program those of
a host that it has left a moment longer."""
PAGE = os.sysconf("SC_PAGE_SIZE")
LOOKED_AT = ("builtins", "json", "locale", "math", "os", "random", "signal", "socket", "sys", "threading", "time")
"""Standard modules whose public attributes must be the very same objects; with them the resident code."""
CHANGING = {("sys", "last_exc"), ("sys", "last_type"), ("sys", "last_value"), ("sys", "last_traceback")}


@contextmanager
def untouched(program: Program) -> Iterator[None]:
    """Fails when the block leaves a difference that does not go away by itself. Keeps the attributes it has seen alive,
    so that no identity is used twice."""
    attributes = _attributes()
    with no_more_processes(program):
        before = surroundings(program)
        yield
    program.wait_until(lambda: surroundings(program) == before, lambda: _differences(before, surroundings(program)))
    replaced = {name for name, found in _attributes().items() if attributes.get(name, found) is not found}
    assert not replaced, f"replaced: {sorted(replaced)}"


@contextmanager
def no_more_processes(program: Program) -> Iterator[None]:
    """Fails when a process is left below this one that was not there, or one with more descriptors than it had. A
    zygote's process that waits ready may be another one than before."""
    program.wait_until(all_are_ready, lambda: "a zygote makes no process ready")
    program.pause(FORKED_S)
    below = _processes()
    yield
    program.wait_until(lambda: not _more(below), lambda: f"more than before: {_more(below)}")


def surroundings(program: Program) -> dict[str, Any]:
    """Everything that can be compared by value."""
    return {
        "working directory": str(Path.cwd()),
        "environment": dict(os.environ),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "alarm": signal.getitimer(signal.ITIMER_REAL),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion limit": sys.getrecursionlimit(),
        "import path": list(sys.path),
        "import hooks": list(sys.meta_path),
        "live modules": [name for name in sys.modules if name.split(".")[0] in ("strategy", program.tree.name)],
        "threads": threading.active_count(),
        "threads of the kernel": len(list(Path("/proc/self/task").iterdir())),
        "descriptors": _descriptors(os.getpid()),
        "neighbours": files_below(program.folder / "neighbours"),
    }


def all_are_ready() -> bool:
    """Whether the program's zygote and that of each stager have a process ready, whose output they hold until they have
    a use for it."""
    found = processes_below(os.getpid())
    zygotes = {pid for pid in found if b"\0zygote\0" in _command(pid)}
    stagers = [pid for pid in found if b"\0stager\0" in _command(pid)]
    first = [pid for pid in zygotes if found[pid] not in zygotes]
    ready = [pid for pid in first if any("memfd:output" in where for where in _descriptors(pid).values())]
    return len(ready) == len(first) and len(first) >= (1 + len(stagers) if stagers else 0)


def _processes() -> dict[int, tuple[int, int]]:
    """The processes below this one: the parent of each, and how many descriptors it has open."""
    return {pid: (parent, len(_descriptors(pid))) for pid, parent in processes_below(os.getpid()).items()}


def _more(before: dict[int, tuple[int, int]]) -> str:
    """Who has more children than before, or more descriptors; nothing when nobody has."""
    now = _processes()
    children, earlier = (Counter(parent for parent, _ in each.values()) for each in (now, before))
    grown = [f"{pid} has {count} children" for pid, count in children.items() if count > earlier[pid]]
    held = [(pid, before[pid][1], count) for pid, (_, count) in now.items() if pid in before]
    return "; ".join(
        [*grown, *(f"{pid} has {count} descriptors instead of {was}" for pid, was, count in held if count > was)]
    )


def processes_below(pid: int) -> dict[int, int]:
    """Children and theirs, each with its parent, as the kernel has them now, without those that wait to be reaped."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            status = _status(int(entry.name))
            if status is not None and status[0] != "Z":
                parents.setdefault(int(status[1]), []).append(int(entry.name))
    found: dict[int, int] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        children = parents.get(parent, [])
        found |= dict.fromkeys(children, parent)
        waiting += children
    return found


def _command(pid: int) -> bytes:
    """The words that a process was started with, empty for one that has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _status(pid: int) -> list[str] | None:
    """State, parent and so on; None for a process that has gone meanwhile."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _descriptors(pid: int) -> dict[str, str]:
    """What each descriptor leads to; empty for a process that has gone. The one that reads this very folder is none."""
    folder = Path(f"/proc/{pid}/fd")
    found = {}
    with contextlib.suppress(OSError):
        for entry in list(folder.iterdir()):
            with contextlib.suppress(OSError):
                found[entry.name] = str(entry.readlink())
    return {name: where for name, where in found.items() if not where.endswith("/fd")}


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def memory_bytes() -> int:
    """What this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def _attributes() -> dict[str, object]:
    resident = [name for name in sys.modules if name.split(".")[0] in ("tesseract", "msgspec")]
    return {
        f"{name}.{key}": value
        for name in (*LOOKED_AT, *resident, "conformance.resident")
        for key, value in vars(sys.modules[name]).items()
        if not key.startswith("_") and (name, key) not in CHANGING
    }


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    return "; ".join(
        f"{name}: {_only(was, now[name])} -> {_only(now[name], was)}"
        for name, was in before.items()
        if was != now[name]
    )


def _only(one: Any, other: Any) -> Any:
    """What `other` does not have."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: value for key, value in one.items() if other.get(key) != value}
    return "" if one == other else one
