"""The program's link to the stager and the zygote, each in a process of its own.

The link lives on a side loop. What comes is read and decoded there, hosts are made there, orders are encoded and sent
there, and processes started, ended and waited for; the program's loop has only what it must decide and say.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from tesseract.calls import HostSpec
from tesseract.channel import Channel
from tesseract.contract import contract_at
from tesseract.host import Host
from tesseract.mailbox import Mailbox
from tesseract.orders import Live, News, Noticed, Order, ReadyHost, Refused, Stage, Staged, Take, Workplace
from tesseract.process_host import Descriptors, ProcessHost
from tesseract.round_trips import RoundTrips
from tesseract.side_loop import SideLoop
from tesseract.staged_process import start_zygote
from tesseract.stager import Begin
from tesseract.wire import decoder
from tesseract.zygote import Attach, Ended, Fork, NotForked
from tesseract.zygote import News as ZygoteNews

LAST_WORDS_S = 4.0
"""A disk that takes the stager's last moves no sooner loses them."""
LOOK_S = 0.005
"""After the news of a staged release, until what the program says to it is looked for."""
RESTARTS_MAX = 20
"""A stager that dies more often than this is not started again; what runs goes on."""


class ProcessLink:
    """The program's end, on its loop's thread."""

    def __init__(self, place: Workplace, *, path: Sequence[str] = (), on_note: Callable[[str], None]) -> None:
        """`path` goes in front of `sys.path` in these processes; `on_note` is told what live code prints, and of
        processes that end."""
        self.on_news: Callable[[News, list[Host]], None] = lambda _news, _hosts: None
        self.round_trips = RoundTrips()
        self._contract = contract_at(place.contract)
        self._on_note = on_note
        self._loop = asyncio.get_running_loop()
        self._untold: deque[Callable[[], None]] = deque()
        self._is_telling = False
        self._will_be_looked_at = False
        """Set before the other thread looks for what is untold, and taken away just before it does."""
        self._is_closed = False
        self._box = Mailbox(self._loop)
        self._side = SideLoop("stager link")
        try:
            self._far = self._side.ask(lambda loop: _FarSide(loop, place, tuple(path), self))
        except BaseException:  # also a start that is interrupted leaves no thread
            self._side.close()
            self._box.close()
            raise

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None:
        files = tuple(os.dup(file) for file, _ in tape)  # the tape may close its own before they are sent
        self._tell_far(lambda: self._far.order(order, files))

    def respawn(self, spec: HostSpec, told: Callable[[Descriptors | None], None]) -> None:
        """Asks the zygote for another process of a release that runs already."""
        self._tell_far(lambda: self._far.fork(spec, told))

    def _tell_far(self, step: Callable[[], None]) -> None:
        """What one turn of the loop has to tell goes together. Once the link is closed it is done here: there is nobody
        left to tell, and only descriptors to close."""
        if self._is_closed:
            step()
            return
        self._untold.append(step)
        if not self._is_telling:
            self._is_telling = True
            self._loop.call_soon(self._tell_all)

    def _tell_all(self) -> None:
        """Wakes the other thread, which costs this one more than to have told; one that will look need not be woken."""
        self._is_telling = False
        if self._untold and not self._will_be_looked_at:
            self._side.tell(self.look)

    @property
    def pids(self) -> tuple[int, int]:
        """Of the zygote and the stager."""
        return self._far.pids

    def close(self) -> None:
        """The stager has the time to write down what it was told last; what it waits for ends with the zygote."""
        if not self._is_closed:
            self._is_closed = True
            self._side.ask(lambda _loop: self._end_far())
            self._side.close()
            self._box.empty()
            self._box.close()

    # What the far side calls, on its thread

    def host_of(self, ready: ReadyHost, reached: Descriptors) -> ProcessHost:
        return ProcessHost(
            ready.spec,
            ready.loaded,
            self._contract,
            reached,
            loop=self._loop,
            respawn=self.respawn,
            aside=self._tell_far,
            on_note=self._on_note,
            round_trips=self.round_trips,
        )

    def hand_over(self, function: Callable[..., object], *given: object) -> None:
        """Has the function called on the program's loop."""
        self._box.put(function, *given)

    def tell(self, news: News, hosts: Sequence[ProcessHost] = ()) -> None:
        """What is said to `Staged` has no hurry, and is looked for."""
        if hosts:
            self._will_be_looked_at = True
            self._side.tell_later(LOOK_S, self.look)
        self.hand_over(self._heard, news, hosts)

    def look(self) -> None:
        """Does what was told, in order."""
        self._will_be_looked_at = False
        try:
            while self._untold:
                self._untold.popleft()()
        finally:
            if self._untold:  # one has failed, which the side loop tells; the others are not lost with it
                self._side.tell(self.look)

    def _end_far(self) -> None:
        self.look()
        self._far.close()

    def note(self, text: str) -> None:
        self.hand_over(self._on_note, text)

    def _heard(self, news: News, hosts: Sequence[ProcessHost]) -> None:
        for host in hosts:
            host.start()
        if self._is_closed:
            for host in hosts:
                host.close()
            return
        self._is_telling = True  # once, at the end
        try:
            self.on_news(news, list(hosts))
        finally:
            self._tell_all()


class _FarSide:
    """The end that the processes see, on the side loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, place: Workplace, path: tuple[str, ...], near: ProcessLink
    ) -> None:
        self._loop = loop
        self._place = place
        self._path = path
        self._near = near
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

    def order(self, order: Order, files: tuple[int, ...]) -> None:
        """`files` are its own from now on."""
        if isinstance(order, Live):
            self._live = order
        if isinstance(order, Take | Stage):
            self._pending.append(order.request)
        self._stager.send(order, files)
        for file in files:
            os.close(file)

    # The zygote

    def _start_zygote(self) -> None:
        self._zygote_process, sock = start_zygote(self._place, path=self._path)
        self._zygote = Channel(self._loop, sock, self._zygote_said, self._zygote_ended)
        self._zygote.start()

    def _zygote_said(self, body: bytes) -> None:
        news = self._zygote_news.decode(body)
        if isinstance(news, Ended):
            return
        reached = None if isinstance(news, NotForked) else Descriptors(*self._zygote.take_files(3))
        told = self._forks.pop(news.number, None)
        if told is not None:
            self._near.hand_over(told, reached)

    def _zygote_ended(self) -> None:
        """Its hosts end with it; they ask for new processes, and get them of a new zygote."""
        self._zygote_process.wait()
        waiting, self._forks = list(self._forks.values()), {}
        if self._is_closed:
            return
        self._near.note("the zygote's process has ended; a new one was started")
        self._start_zygote()
        self._stager_process.kill()  # it holds the old zygote's socket
        for told in waiting:
            self._near.hand_over(told, None)

    def fork(self, spec: HostSpec, told: Callable[[Descriptors | None], None]) -> None:
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
        self._stager.start()
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
        staged = news.hosts if isinstance(news, Staged) else ()
        self._near.tell(news, [self._near.host_of(one, Descriptors(*self._stager.take_files(3))) for one in staged])

    def _stager_ended(self) -> None:
        status = self._stager_process.wait()
        pending, self._pending = self._pending, []
        if self._is_closed:
            return
        self._restarts += 1
        said = f"the stager's process ended ({_status(status)})"
        if self._restarts <= RESTARTS_MAX:
            self._start_stager()
            self._near.tell(Noticed(f"{said}; a new one was started, and what runs was not touched"))
        else:
            self._near.tell(Noticed(f"{said} {self._restarts} times and is not started again; what runs goes on"))
        for request in dict.fromkeys(pending):
            self._near.tell(Refused(request, "", "stage", (f"{said} while it prepared this",)))

    @property
    def pids(self) -> tuple[int, int]:
        """Of the zygote and the stager."""
        return self._zygote_process.pid, self._stager_process.pid

    def close(self) -> None:
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
