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


def _set_slice(nanoseconds: int) -> bool:
    attributes = ctypes.create_string_buffer(ATTRIBUTES.size)
    call = ctypes.CDLL(None, use_errno=True).syscall
    if not SCHED_GETATTR or call(SCHED_GETATTR, 0, attributes, ATTRIBUTES.size, 0):
        return False
    found = list(ATTRIBUTES.unpack(attributes.raw[: ATTRIBUTES.size]))
    found[SLICE] = nanoseconds
    return not call(SCHED_SETATTR, 0, ATTRIBUTES.pack(*found), 0)
