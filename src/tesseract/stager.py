"""The stager: a process of its own that watches the live code and prepares releases, so that the program's loop never
reads a tree, compiles a module or waits for a rehearsal.

    python -m tesseract stager DESCRIPTOR

It begins with a `Workplace` and the socket of the program's zygote. When it dies, what it was preparing is lost and
nothing else; the program starts another one.
"""

import contextlib
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tesseract.errors import PeerGone
from tesseract.git_branch import CommitSnapshot, GitProblem, GitRefused, commits
from tesseract.openers import ProcessOpener
from tesseract.orders import Drop, Live, Moved, News, Noticed, Order, Staged, Take, Waiting, Workplace
from tesseract.priority import give_way
from tesseract.resident import Resident
from tesseract.staged_process import StagedProcess, ZygoteLink, start_zygote
from tesseract.wall import wall_ns
from tesseract.watch import Snapshot, TreeProblem, trees
from tesseract.wire import Link
from tesseract.workshop import Workshop, named_after
from tesseract.zygote import NICE, die_with_parent

TWIN_HASH_SEED = 1
RESIDENT_EVERY_S = 5.0
BRANCH_EVERY_S = 2.0
WATCH_QUEUE_MAX = 16


class Begin(msgspec.Struct, frozen=True, tag=True):
    """The first message. With it comes the socket of the program's zygote; `path` goes in front of `sys.path`, and
    `modules` are what the program has imported, by the names before the first dot."""

    place: Workplace
    path: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Stager:
    """One conversation with the program, and what the watch sees beside it."""

    def __init__(self, link: Link[Order], begin: Begin, zygote: ZygoteLink, twins: ZygoteLink) -> None:
        self._link = link
        resident = Resident(begin.place.resident, begin.modules)
        self._workshop = Workshop(begin.place, ProcessOpener(zygote, twins), wall_ns, resident=resident)
        self._place = begin.place
        self._seen: queue.Queue[object] = queue.Queue(WATCH_QUEUE_MAX)
        self._stop = threading.Event()
        self._wake, self._waker = socket.socketpair()
        self._orders: deque[Order] = deque()
        self._count = 0
        self._resident_s = time.monotonic()
        self._told_resident: list[str] = []
        self._branch_s = 0.0
        self._waiting = Waiting(0, "", "")

    def serve(self) -> None:
        """Until the program closes the link. What it has told before is then written down."""
        try:
            self._serve_all()
        except PeerGone:
            with contextlib.suppress(PeerGone):
                while select.select([self._link.sock], [], [], 0)[0]:
                    self._orders += self._link.arrived()
            for order in self._orders:
                if isinstance(order, Live | Moved | Drop):
                    self._workshop.obey(order)

    def _serve_all(self) -> None:
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        if self._workshop.store.healed:
            self._say(Noticed(self._workshop.store.healed))
        while True:
            ready = select.select([self._link.sock, self._wake], [], [], BRANCH_EVERY_S)[0]
            if self._link.sock in ready:
                self._orders += self._link.arrived()
                while self._orders:
                    self._obey(self._orders.popleft())
            if self._wake in ready:
                self._wake.recv(4096)
                self._take_seen()
            self._look_at_resident()
            self._look_at_branch()

    def _obey(self, order: Order) -> None:
        count = len(getattr(order, "tape", ()))
        files = self._link.take_files(count)
        try:
            for news in self._workshop.obey(order, files):
                self._tell(news)
            for news in self._workshop.settle():
                self._tell(news)
        finally:
            for file in files:
                os.close(file)

    def _tell(self, news: News) -> None:
        if not isinstance(news, Staged):
            self._say(news)
            return
        ready = self._workshop.hosts_of(news.request)
        hosts = [one.host for one in ready if isinstance(one.host, StagedProcess)]
        files = tuple(file for host in hosts for file in host.files())
        self._link.send(news, files)
        for host in hosts:
            host.close_here()

    def _say(self, news: News) -> None:
        self._link.send(news)

    # What the watch sees

    def _watch(self) -> None:
        """On a thread of its own; what it sees waits in the queue."""
        place = self._place
        seen: Iterator[Snapshot | TreeProblem | CommitSnapshot | GitProblem]
        if place.follow == "files":
            seen = trees(
                Path(place.tree), stop=self._stop, quiet_one_s=place.quiet_one_s, quiet_many_s=place.quiet_many_s
            )
        elif place.follow == "git":
            seen = commits(self._workshop.branch("watch"), stop=self._stop)
        else:
            return
        for event in seen:
            self._seen.put(event)
            self._waker.send(b"x")

    def _take_seen(self) -> None:
        """The newest tree alone is taken; those before it are history already."""
        newest: object = None
        while not self._seen.empty():
            event = self._seen.get()
            if isinstance(event, Snapshot | CommitSnapshot):
                newest = event
            else:
                self._say(Noticed(str(getattr(event, "text", event))))
        if newest is not None:
            self._take(newest)

    def _take(self, seen: object) -> None:
        self._count += 1
        request = f"watch-{self._count}"
        if isinstance(seen, Snapshot):
            take = Take(request=request, what="tree", origin="files", author=os.environ.get("USER", ""))
            self._tell(self._workshop.take_files(seen.files, take, saved_ns=seen.saved_ns))
        elif isinstance(seen, CommitSnapshot):
            take = named_after(Take(request=request, what="commit", origin="git"), seen.commit)
            self._tell(self._workshop.take_files(seen.files, take, commit=seen.commit.sha))

    def _look_at_branch(self) -> None:
        """How many commits wait, told when it has changed. A branch that cannot be read is told by the watch."""
        if self._place.follow != "git" or time.monotonic() - self._branch_s < BRANCH_EVERY_S:
            return
        self._branch_s = time.monotonic()
        with contextlib.suppress(GitRefused):
            waiting = self._workshop.waiting()
            if waiting != self._waiting:
                self._waiting = waiting
                self._say(waiting)

    def _look_at_resident(self) -> None:
        if time.monotonic() - self._resident_s < RESIDENT_EVERY_S:
            return
        self._resident_s = time.monotonic()
        changes = self._workshop.resident.changes()
        for text in changes:
            if text not in self._told_resident:
                self._say(Noticed(text))
        self._told_resident = changes


def main(descriptor: int) -> None:
    die_with_parent()
    give_way(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.dont_write_bytecode = True
    link: Link[Begin] = Link(socket.socket(fileno=descriptor), Begin)
    begin = link.receive(60.0)
    zygote = ZygoteLink(socket.socket(fileno=link.take_files(1)[0]))
    _, sock = start_zygote(begin.place, path=begin.path, hash_seed=TWIN_HASH_SEED)
    orders: Link[Order] = Link(link.sock, Order)
    Stager(orders, begin, zygote, ZygoteLink(sock)).serve()
