"""What a host process may not do: the network, other processes, threads, signals, writing or looking at files.

`confine` drops all of it for the rest of the process's life, twice over:

- The **kernel** is the wall. Limits (setrlimit), a filter of system calls (seccomp) and a list of the only folders
  that can be read (Landlock) hold whatever runs in the process: C extensions, ctypes, byte code written by hand.
- An **audit hook** is the voice. It turns the same acts into a PermissionError that says what live code tried, before
  the kernel is asked, and notes the place, so that live code which swallows the error is still found. It lives in the
  interpreter that it watches, so it is no wall.

What is left: reading the standard library, the installed packages and `readable`, the descriptors that are open, memory
up to the limit, time. The file system can still be asked whether a name exists (`os.stat`); Landlock does not hide
that. A CPU limit is not set: the watchdog's SIGKILL from outside is what ends an endless loop. A library that
starts threads or sets environment variables when it is imported (polars does) must be imported before. Python 3.11
tells the hook nothing of threads: there the kernel alone refuses them, as a RuntimeError that is not noted.

This file is longer than most because the three mechanisms keep one promise and share one table.
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import FrameType

import msgspec

MEBIBYTE = 1024 * 1024
VIOLATIONS_MAX = 20
"""Acts that are noted; one line of live code in a loop counts once. What is refused after them is not noted."""
FRAMES_MAX = 100
"""How far up the stack the place of an act is looked for."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one host process may use.

    `memory_bytes`: address space beyond what the process has when it is confined; more is a MemoryError.
    `file_bytes`: length to which any one open file (a memfd as well) can be written; more is an OSError (EFBIG).
    `files`: descriptors, those already open included; more is an OSError (EMFILE).
    Core dumps are always off.
    """

    memory_bytes: int = 1024 * MEBIBYTE
    file_bytes: int = MEBIBYTE
    files: int = 64


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What holds of a cage, as sentences for the operator. A part that does not hold begins with `not`."""

    network: str
    files: str
    processes: str
    memory: str


def confine(limits: Limits, *, readable: Sequence[Path], libraries: Sequence[Path] = ()) -> Confinement:
    """Confines this process for the rest of its life, and says what holds. Takes about a millisecond.

    `readable` are the folders and files of live code, `libraries` those that it imports from; they can be read besides
    Python's own. Each must exist, or FileNotFoundError is raised and only the limits are set. The process must have one
    thread, and must already have what it needs: its socket as an object, its parent-death signal, its niceness. It
    writes no byte code from here on. Where the kernel lacks a mechanism, the others are applied all the same and the
    answer says so.
    """
    assert not _SPY.is_on, "a process is confined once"
    assert len(os.listdir("/proc/self/task")) == 1, "the kernel confines one thread, so a host process has only one"  # noqa: PTH208 - half the cost
    sys.dont_write_bytecode = True
    memory = _limit(limits)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    reading = _restrict_reading([*readable, *libraries])
    calls = _filter_calls()
    _SPY.watch(readable)
    return Confinement(network=calls, files=f"reading: {reading}; writing: {calls}", processes=calls, memory=memory)


def violations() -> list[str]:
    """What this process tried since it was confined and was refused by the audit hook, at most 20, in order: the
    place in the release, the act and the name of the audit event."""
    return list(_SPY.noted)


# Limits


def _limit(limits: Limits) -> str:
    """Sets the limits, or leaves one that is already lower."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    for kind, wanted in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_CORE, 0),
    ):
        ceiling = resource.getrlimit(kind)[1]
        value = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
        resource.setrlimit(kind, (value, value))
    return f"limited by the kernel (RLIMIT_AS): {limits.memory_bytes // MEBIBYTE} MiB more than at the start"


# The kernel's doors

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_LIBC.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    """What the kernel answers; -1 with `ctypes.get_errno()` for a failure."""
    return int(_LIBC.syscall(ctypes.c_long(number), *(_word(argument) for argument in arguments)))


def _word(argument: int | bytes | None) -> ctypes.c_long | ctypes.c_char_p:
    return ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument)


def _reason() -> str:
    return os.strerror(ctypes.get_errno())


# Reading: Landlock, https://docs.kernel.org/userspace-api/landlock.html. Its numbers are the same on every machine.

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_FILE_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 5: 16}
"""The number of file rights that a version of Landlock knows; all of them are dropped."""
_PORTS, _PORTS_VERSION = 0b11, 4
_SCOPES, _SCOPES_VERSION = 0b11, 6
"""Abstract Unix sockets of others, and signals to others."""
_SYSTEM = [
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/timezone", "/usr/share/locale", "/usr/lib/locale"),
    *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/sys/devices/system/cpu"),
]


def _restrict_reading(readable: Sequence[Path]) -> str:
    version = _syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return f"not limited: this kernel has no Landlock ({_reason()})"
    rights = (1 << max(count for known, count in _FILE_RIGHTS_BY_VERSION.items() if known <= version)) - 1
    ports = _PORTS if version >= _PORTS_VERSION else 0
    scopes = _SCOPES if version >= _SCOPES_VERSION else 0
    rules = _syscall(_LANDLOCK_CREATE, struct.pack("=QQQ", rights, ports, scopes), 24, 0)
    if rules < 0:
        return f"not limited: Landlock refused its rules ({_reason()})"
    try:
        _allow("/proc/self/task", rules, _READ_FOLDER)  # to count the threads; nothing in it can be read
        for path in {*map(str, readable)} | {path for path in _own_paths() if Path(path).exists()}:
            _allow(path, rules, _READ_FILE | _READ_FOLDER if Path(path).is_dir() else _READ_FILE)
        if _syscall(_LANDLOCK_RESTRICT, rules, 0) < 0:
            return f"not limited: Landlock was refused ({_reason()})"
    finally:
        os.close(rules)
    return f"limited by the kernel to the release and Python's own (Landlock {version})"


def _allow(path: str, rules: int, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if _syscall(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", rights, descriptor), 0) < 0:
            raise OSError(ctypes.get_errno(), f"Landlock cannot allow reading: {_reason()}", path)
    finally:
        os.close(descriptor)


def _own_paths() -> Iterator[str]:
    """Python's own folders, this package's and the system's. Not all of `sys.path`: the working directory may stand
    there, with the program's keys and state."""
    packages = (entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages")))
    folders = chain((sys.prefix, sys.base_prefix, sys.base_exec_prefix), packages, (str(Path(__file__).parent),))
    return chain((folder for folder in folders if folder != "/"), _SYSTEM)


# Everything else: seccomp, https://docs.kernel.org/userspace-api/seccomp_filter.html

_REFUSED = """
socket 41 198, socketpair 53 199, bind 49 200, connect 42 203, listen 50 201, accept 43 202, accept4 288 242,

fork 57 -, vfork 58 -, clone 56 220, execve 59 221, execveat 322 281, kill 62 129, tkill 200 130, tgkill 234 131,
rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, pidfd_send_signal 424 424, pidfd_open 434 434, pidfd_getfd 438 438,
ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, process_mrelease 448 448,
kcmp 312 272, setpgid 109 154, setsid 112 157, setpriority 141 140, ioprio_set 251 30, sched_setaffinity 203 122,
sched_setparam 142 118, sched_setscheduler 144 119, sched_setattr 314 274, migrate_pages 256 238, move_pages 279 239,
setrlimit 160 164, prctl 157 167, personality 135 92,

creat 85 -, openat2 437 437, open_by_handle_at 304 265, unlink 87 -, unlinkat 263 35, rename 82 -, renameat 264 38,
renameat2 316 276, rmdir 84 -, mkdir 83 -, mkdirat 258 34, mknod 133 -, mknodat 259 33, link 86 -, linkat 265 37,
symlink 88 -, symlinkat 266 36, truncate 76 45, chmod 90 -, fchmod 91 52, fchmodat 268 53, chown 92 -, lchown 94 -,
fchown 93 55, fchownat 260 54, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, setxattr 188 5,
lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16, mq_open 240 180,
mq_unlink 241 181, shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190, semctl 66 191, semop 65 193,
semtimedop 220 192, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187,

mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, move_mount 429 429, open_tree 428 428, fsopen 430 430,
fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442, setns 308 268, unshare 272 97,
io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, io_setup 206 0, bpf 321 280,
perf_event_open 298 241, userfaultfd 323 282, fanotify_init 300 262, keyctl 250 219, add_key 248 217,
request_key 249 218, quotactl 179 60, quotactl_fd 443 443, swapon 167 224, swapoff 168 225, acct 163 89, reboot 169 142,
kexec_load 246 104, kexec_file_load 320 294, init_module 175 105, finit_module 313 273, delete_module 176 106,
settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266, sethostname 170 161,
setdomainname 171 162, vhangup 153 58, syslog 103 116, iopl 172 -, ioperm 173 -, modify_ldt 154 -, setuid 105 146,
setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147, setresgid 119 149, setgroups 116 159,
setfsuid 122 151, setfsgid 123 152, capset 126 91
"""
"""Name, number on x86_64, number on aarch64 (`-`: not there). Answered with EPERM, whatever the arguments. The blocks:
network, processes and signals, files and what the system shares by name, the machine and this process's rights."""
_BY_ARGUMENT = "open 2 -, openat 257 56, prlimit64 302 261"
_ABSENT = "clone3 435 435"
"""Answered with ENOSYS: its arguments cannot be judged, and the C library then takes `clone`, which is refused."""
_NEWEST_KNOWN = 450
"""Calls with a higher number are answered with ENOSYS. They are younger than this table (Linux 6.1), and the C library
has an older way for each."""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column in the tables, and the word by which the kernel names the architecture."""
_X32_BIT = 0x4000_0000
"""Numbers with this bit mean the same calls by another convention."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ALL_BITS = 0xFFFF_FFFF

_LOAD, _IF_EQUAL, _IF_ABOVE, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_PASS, _KILL, _ERROR = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_calls() -> str:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return f"not dropped: there is no table of system calls for {machine}; only the audit hook stands"
    code = _program(machine)
    program = _Program(len(code) // 8, code)
    if _LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) != 0:
        return f"not dropped: this kernel refused the filter of system calls ({_reason()}); only the audit hook stands"
    return "dropped by the kernel (seccomp)"


def _program(machine: str) -> bytes:
    """The filter as byte code of the kernel's packet filter. A foreign architecture ends the process at once."""
    refused, absent = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS
    by_argument = numbers(_BY_ARGUMENT, machine)
    steps = [
        _step(_LOAD, _ARCHITECTURE_AT),
        *(_step(_IF_EQUAL, _ARCHITECTURES[machine][1], 1, 0), _step(_RETURN, _KILL)),
        _step(_LOAD, _NUMBER_AT),
        *(_step(_IF_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, refused)),
        *(_step(_IF_ABOVE, _NEWEST_KNOWN, 0, 1), _step(_RETURN, absent)),
    ]
    for number in numbers(_REFUSED, machine).values():
        steps += [_step(_IF_EQUAL, number, 0, 1), _step(_RETURN, refused)]
    for number in numbers(_ABSENT, machine).values():
        steps += [_step(_IF_EQUAL, number, 0, 1), _step(_RETURN, absent)]
    if "open" in by_argument:
        steps += _unless_zero(by_argument["open"], 1, _WRITING, 0)
    steps += _unless_zero(by_argument["openat"], 2, _WRITING, 0)
    steps += _unless_zero(by_argument["prlimit64"], 2, _ALL_BITS, _ALL_BITS)  # reading a limit gives no new one
    return b"".join([*steps, _step(_RETURN, _PASS)])


def numbers(table: str, machine: str) -> dict[str, int]:
    """The calls of a table that exist on `machine`, and their numbers."""
    column = 1 + _ARCHITECTURES[machine][0]
    rows = [row.split() for row in table.split(",")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def _unless_zero(number: int, argument: int, low_mask: int, high_mask: int) -> list[bytes]:
    """Passes call `number` when the masked bits of its argument are all zero, and refuses it otherwise."""
    at = _ARGUMENTS_AT + 8 * argument  # little-endian: the low half comes first
    refused = _step(_RETURN, _ERROR | errno.EPERM)
    return [
        _step(_IF_EQUAL, number, 0, 7),
        *(_step(_LOAD, at), _step(_IF_ANY_BIT, low_mask, 0, 1), refused),
        *(_step(_LOAD, at + 4), _step(_IF_ANY_BIT, high_mask, 0, 1), refused),
        _step(_RETURN, _PASS),
    ]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


# The voice: https://docs.python.org/3/library/audit_events.html

_ACTS = {
    "use the network": "socket.__new__ socket.connect socket.bind socket.getaddrinfo socket.gethostbyname "
    "socket.gethostbyaddr socket.getnameinfo socket.getservbyname socket.getservbyport socket.gethostname "
    "socket.sethostname syslog.openlog syslog.syslog",
    "start a process": "os.fork os.forkpty os.exec os.spawn os.posix_spawn os.system subprocess.Popen pty.spawn",
    "start a thread": "_thread.start_new_thread _thread.start_joinable_thread",
    "send a signal": "os.kill os.killpg signal.pthread_kill",
    "change files": "os.remove os.rename os.mkdir os.rmdir os.truncate os.chmod os.chown os.chflags os.link os.symlink "
    "os.utime os.setxattr os.removexattr shutil.rmtree shutil.move shutil.copyfile shutil.copymode shutil.copystat "
    "shutil.copytree shutil.chown shutil.make_archive shutil.unpack_archive tempfile.mkstemp tempfile.mkdtemp",
    "change the working directory": "os.chdir",
    "change the environment": "os.putenv os.unsetenv",
    "change its limits": "resource.setrlimit resource.prlimit",
}
_ACT_OF = {event: act for act, events in _ACTS.items() for event in events.split()}


class _Spy:
    """The audit hook. It cannot be taken away once it watches."""

    def __init__(self) -> None:
        self.is_on = False
        self.noted: dict[str, None] = {}
        self._homes: tuple[str, ...] = ()

    def watch(self, homes: Sequence[Path]) -> None:
        self.is_on = True
        self._homes = tuple(str(home) for home in homes)
        sys.addaudithook(self._hook(_ACT_OF.get))

    def _hook(self, act_of: Callable[[str], str | None]) -> Callable[[str, tuple[object, ...]], None]:
        def hook(event: str, arguments: tuple[object, ...]) -> None:
            act = act_of(event)
            if act is not None:
                self._refuse(act, event)
            elif event == "open" and _is_writing(arguments):
                path = arguments[0]  # shown only when showing it calls no live code
                self._refuse(f"open {path!r:.200} for writing" if type(path) in {str, bytes} else "write a file", event)

        return hook

    def _refuse(self, act: str, event: str) -> None:
        sentence = f"live code may not {act} ({event})"
        if len(self.noted) < VIOLATIONS_MAX:
            self.noted[f"{self._place()}: {sentence}"] = None
        raise PermissionError(sentence)

    def _place(self) -> str:
        """The innermost line of the release on the stack; without one, the line that acted."""
        frame: FrameType | None = sys._getframe(3)  # noqa: SLF001 - the documented way to the stack
        acted = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown"
        for _ in range(FRAMES_MAX):
            if frame is None:
                break
            if frame.f_code.co_filename.startswith(self._homes):
                return f"{frame.f_code.co_filename}:{frame.f_lineno}"
            frame = frame.f_back
        return acted


def _is_writing(arguments: tuple[object, ...]) -> bool:
    """Whether an `open` event means a name, not a descriptor that is open already, and flags that write."""
    path, _, flags = arguments
    return not isinstance(path, int) and isinstance(flags, int) and bool(flags & _WRITING)


_SPY = _Spy()
