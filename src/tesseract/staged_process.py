"""A candidate's host as staging sees it: a process that is asked one thing at a time, and waited for.

Used by the stager, which has nothing else to do meanwhile. A host that does not answer in time is killed, and that is
the refusal's sentence. `hand_over` gives its descriptors away, to the program whose loop will call it from then on.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tesseract.calls import CarriedOver, Carry, HostSpec, Loaded, Rehearse, Rehearsed, Reply, Tell, Told
from tesseract.errors import PeerGone, ReleaseRefused
from tesseract.guest import name_of
from tesseract.orders import Workplace
from tesseract.wire import Link
from tesseract.zygote import Ended, Fork, Forked, News, NotForked, ending_of

ANSWER_S = 10.0
KILL_AFTER = 1.25
"""Times what an import may take: the host's own watchdog comes first, and can say where it was."""
FORK_S = 10.0
ENDED_S = 0.5
OUTPUT_TOLD = 2_000

Kind = TypeVar("Kind", Loaded, CarriedOver, Rehearsed, Told)


class ZygoteLink:
    """Orders to a zygote, from a process that waits for its answers."""

    def __init__(self, sock: socket.socket) -> None:
        self._link: Link[News] = Link(sock, News)
        self._number = 0
        self._ended: dict[int, int] = {}

    def fork(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> "StagedProcess":
        """Forks a host and waits until it has loaded its release. Raises ReleaseRefused with every problem, and
        PeerGone when the zygote itself does not answer."""
        self._number += 1
        order = Fork(self._number, spec, tuple(size for _, size in tape))
        self._link.send(order, tuple(file for file, _ in tape))
        end_s = time.monotonic() + FORK_S
        while True:
            news = self._link.receive(max(end_s - time.monotonic(), 0.0))
            if isinstance(news, Forked) and news.number == self._number:
                sock, pidfd, output = self._link.take_files(3)
                return StagedProcess(spec, self, news.pid, socket.socket(fileno=sock), pidfd=pidfd, output=output)
            if isinstance(news, NotForked) and news.number == self._number:
                raise ReleaseRefused(name_of(spec), [f"the machine gave no process for it: {news.why}"])
            self._note(news)

    def status_of(self, pid: int) -> int | None:
        """How a host ended, None when the zygote has not said so in time."""
        end_s = time.monotonic() + ENDED_S
        with contextlib.suppress(TimeoutError, PeerGone):
            while pid not in self._ended:
                self._note(self._link.receive(max(end_s - time.monotonic(), 0.0)))
        return self._ended.pop(pid, None)

    def _note(self, news: News) -> None:
        if isinstance(news, Ended):
            self._ended[news.pid] = news.status
            while len(self._ended) > 64:  # those that nobody asked about
                self._ended.pop(next(iter(self._ended)))

    def close(self) -> None:
        self._link.close()


class StagedProcess:
    """See `StagedHost`. Made by `ZygoteLink.fork`."""

    def __init__(
        self, spec: HostSpec, zygote: ZygoteLink, pid: int, sock: socket.socket, *, pidfd: int, output: int
    ) -> None:
        self.spec = spec
        self.pid = pid
        self._zygote = zygote
        self._link: Link[Reply] = Link(sock, Reply)
        self._pidfd = pidfd
        self._output = output
        try:
            self.loaded = self._reply(Loaded, "its import", spec.import_ns * KILL_AFTER / 1e9)
        except BaseException:  # Ctrl-C as well: no process may be left behind
            self.close()
            raise
        if self.loaded.problems:
            self.close()
            raise ReleaseRefused(name_of(spec), self.loaded.problems)

    def carry(self, states: dict[str, bytes], old_schema: str) -> CarriedOver:
        self._ask(Carry(states, old_schema))
        return self._reply(CarriedOver, "migrate", ANSWER_S)

    def begin_rehearsal(self, asked: Rehearse) -> None:
        """Asks without waiting, so that two hosts can rehearse at once."""
        self._ask(asked)

    def end_rehearsal(self, within_s: float) -> Rehearsed:
        return self._reply(Rehearsed, "its rehearsal", within_s)

    def rehearse(self, asked: Rehearse, *, within_s: float) -> Rehearsed:
        self.begin_rehearsal(asked)
        return self.end_rehearsal(within_s)

    def told(self, place: int) -> Told:
        self._ask(Tell(place))
        return self._reply(Told, "its answer", ANSWER_S)

    def files(self) -> tuple[int, int, int]:
        """Socket, pidfd and output, for the program that will call this host; `close_here` then forgets them."""
        return self._link.sock.fileno(), self._pidfd, self._output

    def close_here(self) -> None:
        """Closes this process's descriptors of the host, which goes on."""
        self._link.close()
        os.close(self._pidfd)
        os.close(self._output)

    def close(self) -> None:
        self._kill()
        self.close_here()

    def _ask(self, request: object) -> None:
        try:
            self._link.send(request)
        except PeerGone:
            raise self._refused("before it was asked") from None

    def _reply(self, kind: type[Kind], what: str, within_s: float) -> Kind:
        try:
            reply = self._link.receive(within_s)
        except TimeoutError:
            self._kill()
            problem = f"{what} was not done within {within_s:.1f} s; its process was killed{self._last_output()}"
            raise ReleaseRefused(name_of(self.spec), [problem]) from None
        except PeerGone as gone:
            raise self._refused(f"during {what} ({gone})") from None
        if not isinstance(reply, kind):
            raise self._refused(f"{what} gave what nobody asked for, and")
        return reply

    def _refused(self, when: str) -> ReleaseRefused:
        ending = ending_of(self._zygote.status_of(self.pid))
        return ReleaseRefused(name_of(self.spec), [f"its process ended {when}: {ending}{self._last_output()}"])

    def _last_output(self) -> str:
        return last_output(self._output)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)


def last_output(file: int) -> str:
    """What a host that has ended wrote last, as the end of a sentence."""
    size = os.lseek(file, 0, os.SEEK_CUR)  # the host's own position: it begins anew after each look
    text = os.pread(file, OUTPUT_TOLD, max(size - OUTPUT_TOLD, 0)).decode("utf-8", "replace").strip()
    return f"; it wrote last: {text}" if text else ""


def libraries_of(place: Workplace, path: Sequence[str]) -> list[str]:
    """The folders of `path` that live code can import from: none around the live tree or the store, because the
    program's keys and state lie beside these."""
    private = [Path(place.tree).resolve(), Path(place.store).resolve()]
    return [entry for entry in path if not any(own.is_relative_to(Path(entry).resolve()) for own in private)]


def start_zygote(
    place: Workplace, *, path: Sequence[str] = (), hash_seed: int = 0
) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """Starts a zygote for this process. `path` goes in front of `sys.path`, and hosts can read what lies there.
    Its environment holds what Python and the locale need and nothing else: no secret can be in it."""
    ours, theirs = socket.socketpair()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG", "TZ", "VIRTUAL_ENV", "HOME") or name.startswith("LC_")
    }
    environment["PYTHONHASHSEED"] = str(hash_seed)
    environment["PYTHONPATH"] = os.pathsep.join((*path, *sys.path[1:]))
    command = [sys.executable, "-P", "-u", "-m", "tesseract", "zygote", str(theirs.fileno()), place.contract]
    command += libraries_of(place, path)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    theirs.close()
    return process, ours
