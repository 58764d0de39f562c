"""Who goes first when there are fewer cores than work: the program's loop, and its hosts, before whatever prepares.

A loop does little, and is late when it is woken and somebody else is at it. Linux from 6.12 on lets a thread ask for a
short slice: it is given no more of the processor, and what it is given sooner. It passes to the processes that a thread
starts. A niceness counts within one session alone where the kernel groups processes by session, so the group of the
session has one as well (sched(7), "The autogroup feature"; Documentation/scheduler/sched-eevdf.rst). What a kernel does
not know stays as it is.
"""

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path

PROMPT_NS = 100_000
"""The shortest slice that the kernel takes."""
DEFAULT_NS = 0
"""The kernel's own."""
ATTRIBUTES = struct.Struct("IIQiIQQQII")
"""The kernel's `struct sched_attr`: size, policy, flags, niceness, priority, slice, and four that are nothing here."""
SLICE = 5
SCHED_SETATTR, SCHED_GETATTR = {"x86_64": (314, 315), "aarch64": (274, 275)}.get(platform.machine(), (0, 0))
AUTOGROUP = Path("/proc/self/autogroup")
OURSELVES = 0


def be_prompt() -> bool:
    """For the calling thread. Whether the kernel has taken it."""
    return _set_slice(OURSELVES, PROMPT_NS)


def give_way(niceness: int, pid: int = OURSELVES) -> None:
    """Makes a process so much nicer, and not prompt, and those that it starts: this one, or a child that has just been
    started in a session of its own, before it has threads. One that has ended already stays as it is."""
    with contextlib.suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + niceness)
    with contextlib.suppress(OSError):
        (Path(f"/proc/{pid}/autogroup") if pid else AUTOGROUP).write_text(str(niceness))
    _set_slice(pid, DEFAULT_NS)


def slice_ns() -> int:
    """The slice of the calling thread; 0 where the kernel does not tell."""
    return _attributes(OURSELVES)[SLICE]


def _set_slice(pid: int, nanoseconds: int) -> bool:
    wanted = _attributes(pid)
    wanted[SLICE] = nanoseconds
    return bool(SCHED_SETATTR) and not _system_call(SCHED_SETATTR, pid, ATTRIBUTES.pack(*wanted), 0)


def _attributes(pid: int) -> list[int]:
    found = ctypes.create_string_buffer(ATTRIBUTES.size)
    if not SCHED_GETATTR or _system_call(SCHED_GETATTR, pid, found, ATTRIBUTES.size, 0):
        return [ATTRIBUTES.size] + [0] * 9
    return list(ATTRIBUTES.unpack(found.raw))


def _system_call(*arguments: object) -> int:
    """Zero when it has done what was asked."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(*arguments))
