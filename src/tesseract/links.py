"""The program's two links to the workshop: to one inside this process, and to the stager's process.

Both take orders without waiting and bring news. The stager's news come later, from the loop; those of a workshop inside
this process come before `order` returns.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tesseract.calls import HostSpec
from tesseract.channel import Channel
from tesseract.contract import Contract, contract_at
from tesseract.host import Host, InProcessHost
from tesseract.openers import InProcessOpener
from tesseract.orders import Live, News, Noticed, Order, ReadyHost, Refused, Stage, Staged, Take, Workplace
from tesseract.process_host import Descriptors, ProcessHost
from tesseract.round_trips import RoundTrips
from tesseract.staged_process import start_zygote
from tesseract.stager import Begin
from tesseract.wire import decoder
from tesseract.workshop import Workshop
from tesseract.zygote import Attach, Ended, Fork, NotForked
from tesseract.zygote import News as ZygoteNews

LAST_WORDS_S = 4.0
"""A disk that takes the stager's last moves no sooner loses them."""
RESTARTS_MAX = 20
"""A stager that dies more often than this is not started again; what runs goes on."""


class WorkshopLink(Protocol):
    """What the deployer asks of a link. `on_news` is set by it, and gets what the workshop says with the hosts."""

    on_news: Callable[[News, list[Host]], None]
    round_trips: RoundTrips

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None: ...
    def close(self) -> None: ...


class InProcessLink:
    """A workshop in this process, with hosts in this process: for tests, simulation and small programs."""

    def __init__(self, place: Workplace, contract: Contract, now_ns: Callable[[], int]) -> None:
        self.on_news: Callable[[News, list[Host]], None] = lambda _news, _hosts: None
        self.round_trips = RoundTrips()
        self.workshop = Workshop(place, InProcessOpener(contract), now_ns)

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None:
        for news in self.workshop.obey(order, [file for file, _ in tape]):
            self.tell(news)
        for news in self.workshop.settle():
            self.tell(news)

    def tell(self, news: News) -> None:
        hosts: list[Host] = []
        if isinstance(news, Staged):
            for one in self.workshop.hosts_of(news.request):
                assert isinstance(one.host, InProcessHost)
                hosts.append(one.host)
        self.on_news(news, hosts)

    def close(self) -> None:
        """Nothing runs beside the caller."""


class ProcessLink:
    """The zygote and the stager, each in a process of its own. To be made on the loop's thread."""

    def __init__(self, place: Workplace, *, path: Sequence[str] = (), on_note: Callable[[str], None]) -> None:
        """`path` goes in front of `sys.path` in these processes; `on_note` is told what live code prints, and of
        processes that end."""
        self.on_news: Callable[[News, list[Host]], None] = lambda _news, _hosts: None
        self.round_trips = RoundTrips()
        self._place = place
        self._path = tuple(path)
        self._contract = contract_at(place.contract)
        self._on_note = on_note
        self._loop = asyncio.get_running_loop()
        self._news: msgspec.msgpack.Decoder[News] = decoder(News)
        self._zygote_news: msgspec.msgpack.Decoder[ZygoteNews] = decoder(ZygoteNews)
        self._number = 0
        self._forks: dict[int, Callable[[Descriptors | None], None]] = {}
        self._pending: list[str] = []
        """The requests that the stager owes an answer."""
        self._live: Live | None = None
        self._restarts = 0
        self._is_closed = False
        self._start_zygote()
        self._start_stager()

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None:
        if isinstance(order, Live):
            self._live = order
        if isinstance(order, Take | Stage):
            self._pending.append(order.request)
        self._stager.send(order, tuple(file for file, _ in tape))

    # The zygote

    def _start_zygote(self) -> None:
        self._zygote_process, sock = start_zygote(self._place, path=self._path)
        self._zygote = Channel(self._loop, sock, self._zygote_said, self._zygote_ended)

    def _zygote_said(self, body: bytes) -> None:
        news = self._zygote_news.decode(body)
        if isinstance(news, Ended):
            return
        reached = None if isinstance(news, NotForked) else Descriptors(*self._zygote.take_files(3))
        told = self._forks.pop(news.number, None)
        if told is not None:
            told(reached)

    def _zygote_ended(self) -> None:
        """Its hosts end with it; they ask for new processes, and get them of a new zygote."""
        self._zygote_process.wait()
        waiting, self._forks = list(self._forks.values()), {}
        if self._is_closed:
            return
        self._on_note("the zygote's process has ended; a new one was started")
        self._start_zygote()
        self._stager_process.kill()  # it holds the old zygote's socket
        for told in waiting:
            told(None)

    def respawn(self, spec: HostSpec, told: Callable[[Descriptors | None], None]) -> None:
        """Asks the zygote for another process of a release that runs already."""
        self._number += 1
        self._forks[self._number] = told
        self._zygote.send(Fork(self._number, spec))

    # The stager

    def _start_stager(self) -> None:
        ours, theirs = socket.socketpair()
        zygote_end, stagers_end = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if "SECRET" not in name.upper()}
        environment["PYTHONPATH"] = os.pathsep.join((*self._path, *sys.path[1:]))
        self._stager_process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "tesseract", "stager", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self._stager = Channel(self._loop, ours, self._stager_said, self._stager_ended)
        modules = tuple(sorted({name.partition(".")[0] for name in sys.modules}))
        self._stager.send(Begin(self._place, self._path, modules), (stagers_end.fileno(),))
        self._zygote.send(Attach(), (zygote_end.fileno(),))
        stagers_end.close()
        zygote_end.close()
        if self._live is not None:
            self._stager.send(Live(self._live.strategies))

    def _stager_said(self, body: bytes) -> None:
        news = self._news.decode(body)
        request = getattr(news, "request", "")
        if request in self._pending:
            self._pending.remove(request)
        hosts = [self._host(one) for one in news.hosts] if isinstance(news, Staged) else []
        self.on_news(news, hosts)

    def _host(self, ready: ReadyHost) -> Host:
        sock, pidfd, output = self._stager.take_files(3)
        return ProcessHost(
            ready.spec,
            ready.loaded,
            self._contract,
            Descriptors(sock, pidfd, output),
            respawn=self.respawn,
            on_note=self._on_note,
            round_trips=self.round_trips,
        )

    def _stager_ended(self) -> None:
        status = self._stager_process.wait()
        pending, self._pending = self._pending, []
        if self._is_closed:
            return
        self._restarts += 1
        said = f"the stager's process ended ({_status(status)})"
        if self._restarts <= RESTARTS_MAX:
            self._start_stager()
            self.on_news(Noticed(f"{said}; a new one was started, and what runs was not touched"), [])
        else:
            self.on_news(Noticed(f"{said} {self._restarts} times and is not started again; what runs goes on"), [])
        for request in dict.fromkeys(pending):
            self.on_news(Refused(request, "", "stage", (f"{said} while it prepared this",)), [])

    @property
    def pids(self) -> tuple[int, int]:
        """Of the zygote and the stager."""
        return self._zygote_process.pid, self._stager_process.pid

    def close(self) -> None:
        """The stager has the time to write down what it was told last; what it waits for ends with the zygote."""
        self._is_closed = True
        self._stager.close()
        self._zygote.close()
        for process, seconds in ((self._zygote_process, 2.0), (self._stager_process, LAST_WORDS_S)):
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _status(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
    return f"exit code {status}"
