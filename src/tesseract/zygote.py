"""The zygote: a warm process with the resident API imported, which forks a host for each release.

    python -m tesseract zygote DESCRIPTOR CONTRACT [LIBRARY...]

It never runs live code, holds no state and starts no thread, so a fork of it costs about a millisecond and begins as
clean as a new program. It is told what to do over a socket, by the program that started it and by those whom the
program gives another socket. When the program ends, however that comes about, the kernel ends the zygote, and the
zygote's end ends its hosts: no orphan stays.
"""

import contextlib
import ctypes
import faulthandler
import gc
import io
import os
import resource
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from tesseract import host_process
from tesseract.calls import HostSpec, Request
from tesseract.compiled import CompiledSources
from tesseract.contract import Contract, contract_at
from tesseract.errors import PeerGone
from tesseract.priority import be_prompt, give_way
from tesseract.residue import Baseline
from tesseract.wire import Link

NICE = 5
"""The program's own loop goes first. At 19 a zygote can starve for a second on two busy cores."""
READY_AFTER_S = 0.05
"""After an order: the host that it was for is mostly at its work by then, or live."""
WARM_UP_S = 2
WARM_UP_BYTES = 256 * 1024 * 1024
"""What a process may use to get ready, beyond what it has; compiling can need any amount. One that needs more ends."""
WARM = b"w"
PR_SET_PDEATHSIG = 1
SOFTWARE_ERROR = 70
"""An exit code of sysexits.h: what failed was ours, and its traceback is in the host's output."""


class Fork(msgspec.Struct, frozen=True, tag=True):
    """Fork a host. `tape` are the sizes of the tape's files, whose descriptors come with the message."""

    number: int
    spec: HostSpec
    tape: tuple[int, ...] = ()


class Attach(msgspec.Struct, frozen=True, tag=True):
    """From now on take orders from the socket that comes with this message, too."""


class Forked(msgspec.Struct, frozen=True, tag=True):
    """A host runs. With it come its socket, its pidfd and its output, in this order."""

    number: int
    pid: int


class NotForked(msgspec.Struct, frozen=True, tag=True):
    """The machine gave no process for an order."""

    number: int
    why: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A host has ended; `status` is as `os.waitpid` gives it."""

    pid: int
    status: int


Order = Fork | Attach
News = Forked | NotForked | Ended


def die_with_parent() -> None:
    """The kernel kills this process when the one that started it ends."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def main(descriptor: int, contract_place: str, libraries: Sequence[str] = ()) -> None:
    die_with_parent()
    give_way(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which ends its zygote itself
    sys.dont_write_bytecode = True
    for stream in (sys.stdout, sys.stderr):  # a host's go to a file of its own, and must not wait in a buffer
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(write_through=True, errors="backslashreplace")
    faulthandler.enable(2)
    contract = contract_at(contract_place)
    zygote = Zygote(contract, Baseline.taken(), [Path(folder) for folder in libraries])
    zygote.attach(socket.socket(fileno=descriptor))
    gc.collect()
    gc.freeze()  # a collection in a host then leaves the shared pages alone
    zygote.serve()
    signal.set_wakeup_fd(-1)  # its socket goes with the zygote, and hosts may still end


class _Host(NamedTuple):
    """A process that becomes a host when it gets its order, and the zygote's ends of it."""

    pid: int
    pidfd: int
    output: int
    sock: socket.socket
    link: Link[Fork]

    def is_warm(self) -> bool:
        """Whether it has said so. To be asked once."""
        try:
            return os.read(self.sock.fileno(), len(WARM)) == WARM
        except OSError:
            return False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Of the zygote's ends alone."""
        self.link.close()
        os.close(self.pidfd)
        os.close(self.output)


class Zygote:
    """Serves until the first of its sockets has closed."""

    def __init__(self, contract: Contract, baseline: Baseline, libraries: Sequence[Path] = ()) -> None:
        self._contract = contract
        self._baseline = baseline
        self._libraries = libraries
        self._links: list[Link[Order]] = []
        self._ordered: dict[int, Link[Order]] = {}
        """Who ordered a host, by its pid, is told of its end; nobody else is woken by it."""
        self._ready: _Host | None = None
        """A host that waits for its order: forked, warm, and with the newest release compiled, it takes up the next
        release in a third of the time."""
        self._newest: Path | None = None
        """The release that is compiled ahead; not one that a process has ended over."""
        self._is_making_ready = True
        self._selector = selectors.DefaultSelector()
        self._wake, wake = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._wake_writer = wake

    def attach(self, sock: socket.socket) -> None:
        link: Link[Order] = Link(sock, Order)
        self._links.append(link)
        self._selector.register(sock, selectors.EVENT_READ, link)

    def serve(self) -> None:
        try:
            self._serve_all()
        finally:
            signal.set_wakeup_fd(-1)  # a host that ends after this one must not write to what is closed

    def _serve_all(self) -> None:
        while True:
            is_idle = self._is_making_ready and self._ready is None
            found = self._selector.select(READY_AFTER_S if is_idle else None)
            if not found:
                self._make_ready()
            for key, _ in found:
                if key.data is None:
                    self._wake.recv(4096)
                    self._reap()
                elif not self._serve(key.data):
                    return

    def _serve(self, link: Link[Order]) -> bool:
        """False when the program itself has closed its socket."""
        try:
            for order in link.arrived():
                self._obey(link, order)
        except PeerGone:
            self._selector.unregister(link.sock)
            self._links.remove(link)
            link.close()
            return bool(self._links)
        return True

    def _obey(self, link: Link[Order], order: Order) -> None:
        if isinstance(order, Attach):
            self.attach(socket.socket(fileno=link.take_files(1)[0]))
            return
        tape = link.take_files(len(order.tape))
        try:
            host = self._given(order, tuple(tape))
        except OSError as error:
            link.send(NotForked(order.number, str(error)))
            return
        finally:
            for file in tape:
                os.close(file)
        self._newest, self._is_making_ready = order.spec.release.path, True
        self._ordered[host.pid] = link
        with contextlib.closing(host):
            link.send(Forked(order.number, host.pid), (host.sock.fileno(), host.pidfd, host.output))

    def _given(self, order: Fork, tape: tuple[int, ...]) -> "_Host":
        """A process that has this order: the one that is ready, or else a new one. Raises OSError."""
        ready, self._ready = self._ready, None
        if ready is not None and ready.is_warm():
            try:
                ready.link.send(order, tape)
            except PeerGone:  # somebody has killed it
                ready.close()
            else:
                return ready
        elif ready is not None:
            ready.kill()
        host = self._forked(is_early=False)
        try:
            host.link.send(order, tape)
        except PeerGone as gone:
            host.kill()
            raise OSError(f"the new process has ended: {gone}") from None
        return host

    def _make_ready(self) -> None:
        """Nothing needs it: a machine that has no room for it is asked again after the next order."""
        try:
            self._ready = self._ready or self._forked(is_early=True)
        except OSError:
            self._is_making_ready = False

    def _forked(self, *, is_early: bool) -> "_Host":
        """Raises OSError; nothing is left behind then."""
        with contextlib.ExitStack() as stack:
            output = os.memfd_create("output", os.MFD_CLOEXEC)
            stack.callback(os.close, output)
            ours, theirs = map(stack.enter_context, socket.socketpair())
            pid = os.fork()
            if pid == 0:
                self._become_host(theirs, output, is_early=is_early)
            pidfd = os.pidfd_open(pid)
            stack.pop_all()
        theirs.close()
        return _Host(pid, pidfd, output, ours, Link(ours, Fork))

    def _become_host(self, sock: socket.socket, output: int, *, is_early: bool) -> NoReturn:
        """What the child does; it never comes back."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent()
            host_process.use_output(output, keep=sock.fileno())
            compiled = CompiledSources()
            if is_early:
                self._warm_up(compiled)
                os.write(sock.fileno(), WARM)
            orders: Link[Fork] = Link(sock, Fork, send_s=None)
            order = orders.receive(None)
            be_prompt()
            host_process.run(
                order.spec,
                self._contract,
                self._baseline,
                orders.turned_to(Request),
                tape=list(zip(orders.take_files(len(order.tape)), order.tape, strict=True)),
                libraries=self._libraries,
                compiled=compiled,
            )
        except PeerGone:  # the zygote has no use for it
            os._exit(0)
        except BaseException:  # noqa: BLE001 - nothing may return into the zygote's own loop
            with contextlib.suppress(OSError):  # live code may have filled the output
                traceback.print_exc()
            os._exit(SOFTWARE_ERROR)
        os._exit(0)

    def _warm_up(self, compiled: CompiledSources) -> None:
        """Looks at everything once, so that this process has its own copies of the pages, and compiles what the next
        release will mostly be. Within limits: what is compiled may be anything."""
        self._baseline.problems()
        if self._newest is None:
            return
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_own_bytes() + WARM_UP_BYTES, limits[1]))
        signal.setitimer(signal.ITIMER_REAL, WARM_UP_S)  # nobody handles it: the kernel ends the process
        compiled.add_tree(self._newest)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._ready is not None and self._ready.pid == pid:
                self._ready.close()
                self._is_making_ready = self._newest is not None
                self._ready = self._newest = None
            link = self._ordered.pop(pid, None)
            if link in self._links:
                with contextlib.suppress(PeerGone):  # its end is seen where it is read
                    link.send(Ended(pid, status))


def _own_bytes() -> int:
    """The address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def ending_of(status: int | None) -> str:
    """How a host ended, in words."""
    if status is None:
        return "it ended"
    if os.WIFSIGNALED(status):
        return f"it was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it left with exit code {os.WEXITSTATUS(status)}"
