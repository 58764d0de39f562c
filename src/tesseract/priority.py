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


def be_prompt() -> bool:
    """For the calling thread. Whether the kernel has taken it."""
    return _set_slice(PROMPT_NS)


def give_way(niceness: int) -> None:
    """For this process, when it has one thread, and for those that it starts: it is so much nicer, and not prompt."""
    os.nice(niceness)
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text(str(niceness))
    _set_slice(DEFAULT_NS)


def slice_ns() -> int:
    """The slice of the calling thread; 0 where the kernel does not tell."""
    return _attributes()[SLICE]


def _set_slice(nanoseconds: int) -> bool:
    wanted = _attributes()
    wanted[SLICE] = nanoseconds
    return bool(SCHED_SETATTR) and not _system_call(SCHED_SETATTR, 0, ATTRIBUTES.pack(*wanted), 0)


def _attributes() -> list[int]:
    found = ctypes.create_string_buffer(ATTRIBUTES.size)
    if not SCHED_GETATTR or _system_call(SCHED_GETATTR, 0, found, ATTRIBUTES.size, 0):
        return [ATTRIBUTES.size] + [0] * 9
    return list(ATTRIBUTES.unpack(found.raw))


def _system_call(*arguments: object) -> int:
    """Zero when it has done what was asked."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(*arguments))
