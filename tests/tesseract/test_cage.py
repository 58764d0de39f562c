"""A confined process cannot do what a host may not do: neither through Python nor by asking the kernel itself.

Every act is tried in a forked child that then ends. Where the kernel lacks a mechanism, the tests ask instead that
`Confinement` says so.
"""

# Each way to touch a file is tried as live code would write it, on purpose not by pathlib.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH107, PTH123, PTH208, PTH211, SIM115

import contextlib
import ctypes
import errno
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tesseract import cage
from tesseract.cage import MEBIBYTE, VIOLATIONS_MAX, Confinement, Limits, confine, numbers, violations

pytestmark = pytest.mark.process

MACHINE = platform.machine()
DROPPED = "dropped by the kernel (seccomp)"
REFUSED_CALLS = numbers(cage._REFUSED, MACHINE) if MACHINE in cage._ARCHITECTURES else {}
BY_ARGUMENT = numbers(cage._BY_ARGUMENT, MACHINE) if MACHINE in cage._ARCHITECTURES else {}


def in_child(act: Callable[[], object]) -> object:
    """What `act` gives in a forked child, through JSON; an exception gives its kind and text; a death its signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer: object = act()
        except BaseException as error:  # noqa: BLE001 - the child tells whatever ended the act
            answer = [type(error).__name__, str(error), getattr(error, "errno", None)]
        os.write(writer, msgspec.json.encode(answer))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answers:
        told = answers.read()
    _, status = os.waitpid(child, 0)
    return msgspec.json.decode(told) if told else f"killed by {os.WTERMSIG(status)}"


def confined(act: Callable[[], object], *readable: Path, limits: Limits = Limits()) -> object:  # noqa: B008 - frozen
    def run() -> object:
        confine(limits, readable=readable)
        return act()

    return in_child(run)


def confinement() -> Confinement:
    told = in_child(lambda: msgspec.to_builtins(confine(Limits(), readable=[])))
    return msgspec.convert(told, Confinement)


HELD = confinement()
"""What this kernel offers. The tests below hold it to its word."""
HAS_SECCOMP = HELD.network == DROPPED
HAS_LANDLOCK = HELD.files.startswith("reading: limited by the kernel")


def test_the_confinement_says_what_holds_and_what_does_not() -> None:
    for part in (HELD.network, HELD.processes):
        assert part == DROPPED or part.startswith("not dropped: ")
    assert HAS_LANDLOCK or HELD.files.startswith("reading: not limited: ")
    assert HELD.files.endswith(HELD.network)
    assert HELD.memory == "limited by the kernel (RLIMIT_AS): 1024 MiB more than at the start"


def thread() -> None:
    threading.Thread(target=print).start()


ACTS: dict[str, tuple[Callable[[], object], str]] = {
    "a socket": (socket.socket, "use the network (socket.__new__)"),
    "a name": (lambda: socket.getaddrinfo("localhost", 80), "use the network (socket.getaddrinfo)"),
    "a fork": (os.fork, "start a process (os.fork)"),
    "a command": (lambda: os.system("true"), "start a process (os.system)"),
    "a program": (lambda: subprocess.run(["true"], check=False), "start a process (subprocess.Popen)"),
    "a spawn": (lambda: os.posix_spawn("/bin/true", ["true"], {}), "start a process (os.posix_spawn)"),
    "an exec": (lambda: os.execv("/bin/true", ["true"]), "start a process (os.exec)"),
    "a signal": (lambda: os.kill(os.getppid(), 0), "send a signal (os.kill)"),
    "a signal to itself": (
        lambda: signal.pthread_kill(threading.get_ident(), 0),
        "send a signal (signal.pthread_kill)",
    ),
    "a file": (lambda: open("/tmp/left_behind", "w"), "open '/tmp/left_behind' for writing (open)"),
    "a descriptor": (lambda: os.open("/tmp/x", os.O_CREAT | os.O_RDWR), "open '/tmp/x' for writing (open)"),
    "a removal": (lambda: os.remove("/tmp/x"), "change files (os.remove)"),
    "a rename": (lambda: os.rename("/tmp/x", "/tmp/y"), "change files (os.rename)"),
    "a folder": (lambda: os.mkdir("/tmp/x"), "change files (os.mkdir)"),
    "an empty folder": (lambda: os.rmdir("/tmp/x"), "change files (os.rmdir)"),
    "a length": (lambda: os.truncate("/tmp/x", 0), "change files (os.truncate)"),
    "a mode": (lambda: os.chmod("/tmp/x", 0), "change files (os.chmod)"),
    "a link": (lambda: os.symlink("/tmp/x", "/tmp/y"), "change files (os.symlink)"),
    "the working directory": (lambda: os.chdir("/"), "change the working directory (os.chdir)"),
    "the environment": (lambda: os.environ.update(HOME="/"), "change the environment (os.putenv)"),
    "a limit": (lambda: __import__("resource").setrlimit(0, (1, 1)), "change its limits (resource.setrlimit)"),
}


if sys.version_info >= (3, 12):
    ACTS["a thread"] = (thread, "start a thread")


def test_a_thread_does_not_start() -> None:
    told = confined(thread)

    if sys.version_info >= (3, 12):
        assert told[0] == "PermissionError"  # type: ignore[index]
    else:
        assert told == ["RuntimeError", "can't start new thread", None] or not HAS_SECCOMP


@pytest.mark.parametrize("name", ACTS)
def test_an_act_is_refused_with_a_sentence_and_noted_with_its_place(name: str) -> None:
    act, told = ACTS[name]

    def run() -> object:
        try:
            act()
        except PermissionError as error:
            return [str(error), violations()]
        return "it was allowed"

    here = Path(__file__).parent
    sentence, noted = confined(run, here)  # type: ignore[misc]

    assert sentence.startswith(f"live code may not {told}")
    assert noted[0].startswith(f"{__file__}:")
    assert noted[0].endswith(sentence)


def test_violations_are_bounded_and_a_line_in_a_loop_counts_once() -> None:
    def run() -> object:
        for number in range(100):
            for _ in range(3):
                with contextlib.suppress(PermissionError):
                    open(f"/tmp/{number}", "w")
        return violations()

    noted = confined(run)

    assert isinstance(noted, list)
    assert len(noted) == len(set(noted)) == VIOLATIONS_MAX


def test_an_unconfined_process_has_no_violations() -> None:
    assert violations() == []


def kernel_answers(number: int, *arguments: object) -> int:
    """The error number that the kernel itself gives; 0 when it allows the call."""
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *words) == -1 else 0


@pytest.mark.parametrize("name", REFUSED_CALLS)
def test_the_kernel_itself_refuses(name: str) -> None:
    if not HAS_SECCOMP:
        assert HELD.processes.startswith("not dropped")
        return

    assert confined(lambda: kernel_answers(REFUSED_CALLS[name], -1, 0, 0, 0, 0, 0)) == errno.EPERM


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_TMPFILE | os.O_RDWR])
def test_the_kernel_itself_refuses_to_open_for_writing(flags: int, tmp_path: Path) -> None:
    if not HAS_SECCOMP:
        assert "writing: not dropped" in HELD.files
        return
    path = str(tmp_path / "left").encode()

    assert confined(lambda: kernel_answers(BY_ARGUMENT["openat"], -100, path, flags, 0o600), tmp_path) == errno.EPERM
    if "open" in BY_ARGUMENT:
        assert confined(lambda: kernel_answers(BY_ARGUMENT["open"], path, flags, 0o600), tmp_path) == errno.EPERM
    assert list(tmp_path.iterdir()) == []


def test_limits_can_be_read_and_not_set() -> None:
    import resource

    assert confined(lambda: resource.getrlimit(resource.RLIMIT_NOFILE)) == [64, 64]
    if HAS_SECCOMP:
        new = (ctypes.c_ulong * 2)(1, 1)
        assert confined(lambda: kernel_answers(BY_ARGUMENT["prlimit64"], os.getppid(), 0, new, None)) == errno.EPERM


def test_calls_of_other_conventions_and_newer_ones_do_not_slip_through() -> None:
    if not HAS_SECCOMP:
        assert HELD.processes.startswith("not dropped")
        return

    assert confined(lambda: kernel_answers(435, None, 0)) == errno.ENOSYS  # clone3
    assert confined(lambda: kernel_answers(463, -1)) == errno.ENOSYS
    assert confined(lambda: kernel_answers(0x4000_0000 | 41, 1, 1, 0)) == errno.EPERM


@pytest.mark.skipif(MACHINE != "x86_64", reason="the machine code is that of x86_64")
def test_a_call_by_the_32_bit_convention_ends_the_process() -> None:
    import mmap

    def run() -> object:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        return ctypes.CFUNCTYPE(ctypes.c_long)(address)()

    assert str(confined(run)).startswith("killed by ") or not HAS_SECCOMP


def test_no_connection_reaches_a_listening_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as unconnected:
        server.setblocking(False)
        told = confined(lambda: unconnected.connect(server.getsockname()))

        assert told[0] == "PermissionError"  # type: ignore[index]
        with pytest.raises(BlockingIOError):
            server.accept()


def reads(path: Path) -> list[object]:
    """The file by `open`, by `os.open` and by the kernel: a text, or the error number."""

    def by_descriptor() -> str:
        return os.read(os.open(path, os.O_RDONLY), 100).decode()

    return [outcome(path.read_text), outcome(by_descriptor), outcome(lambda: os.listdir(path.parent))]


def outcome(act: Callable[[], object]) -> object:
    try:
        return act()
    except OSError as error:
        return error.errno


def test_a_secret_outside_the_readable_folders_cannot_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "keys.toml"
    secret.write_text("key")
    told = confined(lambda: reads(secret))

    assert told == ([errno.EACCES] * 3 if HAS_LANDLOCK else ["key", "key", ["keys.toml"]])


def test_the_release_can_be_read_and_imported_and_its_neighbours_cannot(tmp_path: Path) -> None:
    release, neighbour = tmp_path / "one" / "strategy", tmp_path / "two"
    for folder in (release, neighbour):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("import colorsys\nNUMBER = 7\n")

    def run() -> object:
        sys.path.insert(0, str(release.parent))
        number = __import__("strategy").NUMBER
        return [number, outcome((neighbour / "__init__.py").read_text), violations()]

    refused = errno.EACCES if HAS_LANDLOCK else "import colorsys\nNUMBER = 7\n"
    assert confined(run, release.parent) == [7, refused, []]
    assert not (release / "__pycache__").exists()


def test_the_environment_and_memory_of_other_processes_cannot_be_read() -> None:
    if not HAS_LANDLOCK:
        assert "reading: not limited" in HELD.files
        return
    paths = [f"/proc/{process}/{name}" for process in (os.getpid(), "self") for name in ("environ", "maps", "mem")]

    assert confined(lambda: [outcome(lambda: open(path, "rb")) for path in paths]) == [errno.EACCES] * 6  # noqa: B023 - called at once


def test_a_readable_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    told = in_child(lambda: msgspec.to_builtins(confine(Limits(), readable=[tmp_path / "missing"])))

    assert told[0] == "FileNotFoundError" if HAS_LANDLOCK else "memory" in told  # type: ignore[index, operator]


def test_a_memory_bomb_is_a_memory_error_and_what_fits_is_not() -> None:
    limits = Limits(memory_bytes=64 * MEBIBYTE)

    assert confined(lambda: len(bytearray(32 * MEBIBYTE)), limits=limits) == 32 * MEBIBYTE
    assert confined(lambda: len(bytearray(96 * MEBIBYTE)), limits=limits)[0] == "MemoryError"  # type: ignore[index]


def test_output_ends_at_the_file_limit() -> None:
    output = os.memfd_create("output")
    told = confined(
        lambda: [os.write(output, bytes(3000)), outcome(lambda: os.write(output, b"x"))], limits=Limits(file_bytes=3000)
    )

    assert told == [3000, errno.EFBIG]
    assert os.fstat(output).st_size == 3000
    os.close(output)


def test_descriptors_end_at_their_limit() -> None:
    def run() -> object:
        return [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]

    assert confined(run, limits=Limits(files=32))[2] == errno.EMFILE  # type: ignore[index]


def test_what_a_host_needs_still_works() -> None:
    near, far = socket.socketpair()

    def run() -> object:
        import faulthandler
        import math
        import statistics

        near.sendmsg([b"he", b"llo"])
        faulthandler.enable(sys.__stderr__)
        time.sleep(0.001)
        memory = os.memfd_create("tape")
        os.write(memory, b"tape")
        with open(memory, "r+b") as tape:
            tape.seek(0)
            found = tape.read().decode()
        threads = len(os.listdir("/proc/self/task"))
        return [statistics.mean([1, 3]), math.sqrt(4.0), found, threads, msgspec.json.decode(b"[1]"), violations()]

    told = confined(run)
    with near, far:
        assert told == [2, 2.0, "tape", 1, [1], []]
        assert far.recv(5) == b"hello"


def test_a_signal_from_outside_still_ends_it() -> None:
    child = os.fork()
    if child == 0:
        confine(Limits(), readable=[])
        time.sleep(60)
        os._exit(0)
    time.sleep(0.05)
    os.kill(child, signal.SIGKILL)

    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def test_a_kernel_without_the_mechanisms_is_told_and_the_hook_still_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cage, "_ARCHITECTURES", {})
    monkeypatch.setattr(cage, "_LANDLOCK_CREATE", 999_999)

    def run() -> object:
        told = confine(Limits(), readable=[])
        return [told.network, told.files, outcome(lambda: open("/tmp/left", "w")), violations()]

    network, files, _, noted = in_child(run)  # type: ignore[misc]

    assert network.startswith("not dropped: there is no table of system calls for")
    assert files.startswith("reading: not limited: this kernel has no Landlock (Function not implemented)")
    assert len(noted) == 1


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_call_stands_twice_in_the_tables(machine: str) -> None:
    found = [
        number
        for table in (cage._REFUSED, cage._BY_ARGUMENT, cage._ABSENT)
        for number in numbers(table, machine).values()
    ]

    assert len(found) == len(set(found))
    assert max(found) <= cage._NEWEST_KNOWN


def test_a_process_is_confined_once() -> None:
    twice = confined(lambda: confine(Limits(), readable=[]) and None)

    assert twice == ["AssertionError", "a process is confined once", None]


def test_a_process_with_two_threads_is_not_confined() -> None:
    def run() -> object:
        thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
        thread.start()
        return msgspec.to_builtins(confine(Limits(), readable=[]))

    assert in_child(run)[0] == "AssertionError"  # type: ignore[index]


def test_confining_is_quick_enough_for_every_fork() -> None:
    def run() -> object:
        began_ns = time.perf_counter_ns()
        confine(Limits(), readable=[])
        return time.perf_counter_ns() - began_ns

    took_ns = min(in_child(run) for _ in range(5))  # type: ignore[type-var]

    assert took_ns < 50_000_000  # type: ignore[operator]  # 2 ms on a quiet machine
