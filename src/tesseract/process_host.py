"""The host in a process of its own, as the program's loop calls it: requests out, answers in, never waiting.

Calls are answered in their order. The watchdog is SIGKILL: a host that does not answer in time is ended from outside,
whatever it does. The call that it was at gets a fault; those that waited behind it are asked again of a new process of
the same release, when there is one. No state is lost with a process, because none is kept there.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Callable
from functools import lru_cache

import msgspec

from tesseract.calls import ANSWER_BYTES_MAX, Answer, Answered, Call, Fault, FaultKind, HostSpec, Loaded
from tesseract.channel import Channel
from tesseract.contract import Contract
from tesseract.errors import PeerGone
from tesseract.host import Deliver
from tesseract.round_trips import RoundTrips
from tesseract.staged_process import last_output

KILL_AFTER = 1.25
"""Times the budget: the host's own watchdog comes first, and spares the process."""
RESPAWNS_MAX = 3
RESPAWN_WINDOW_S = 60.0
"""A host that dies more often than so many times in so many seconds is left alone for as many seconds."""
STALLED_S = 0.1
"""When the loop comes so much too late to look, everything may have stood still: the call has its time once more."""
WAITING_MAX = 10_000
FRAME_BYTES_MAX = 4 * ANSWER_BYTES_MAX
"""What a host may send at once: an answer, or its `Loaded`, and texts with limits of their own around it. A host that
announces more is ended before the loop has read it."""


_REPLIES = msgspec.msgpack.Decoder(Answered | Loaded)
_decoder_of = lru_cache(maxsize=8)(msgspec.msgpack.Decoder)
"""Made once for a contract: a host is opened on the loop, and a decoder costs as much as the rest of it."""


class Descriptors(msgspec.Struct, frozen=True):
    """What reaches one host's process; whoever holds them closes them."""

    sock: int
    pidfd: int
    output: int


class _Asked(msgspec.Struct):
    call: Call
    deliver: Deliver
    sent_ns: int
    is_again: bool = False


Respawn = Callable[[HostSpec, Callable[[Descriptors | None], None]], None]
"""Asks for a new process of the same release; what comes is told later, None when there is none."""


class ProcessHost:
    """Runs one strategy of one release in a process that is there already. It can be made anywhere; from `start` on it
    is used on the loop's thread."""

    def __init__(
        self,
        spec: HostSpec,
        loaded: Loaded,
        contract: Contract,
        reached: Descriptors,
        *,
        loop: asyncio.AbstractEventLoop,
        respawn: Respawn,
        aside: Callable[[Callable[[], None]], None] = lambda last_steps: last_steps(),
        on_note: Callable[[str], None] = lambda _text: None,
        round_trips: RoundTrips | None = None,
    ) -> None:
        """`on_note` is told what live code prints, and of processes that end; `aside` gets the last steps of an end,
        which need not be taken on the loop's thread."""
        self.spec = spec
        self.loaded = loaded
        self._contract = contract
        self._decoder = _decoder_of(contract.answer)
        self._respawn = respawn
        self._on_note = on_note
        self._round_trips = round_trips or RoundTrips()
        self._loop = loop
        self._aside = aside
        self._asked: deque[_Asked] = deque()
        self._number = 0
        self._answered_ns = 0
        self._limit_s = spec.budget_ns * KILL_AFTER / 1e9
        self._watched_s = 0.0
        self._is_forgiven = False
        self._timer: asyncio.TimerHandle | None = None
        self._deaths: deque[float] = deque()
        self._is_closed = False
        self._is_loading = False
        self._given_up = ""
        self._killed_why: str | None = None
        self._connection: _Connection | None = self._to(reached)

    def _to(self, reached: Descriptors) -> "_Connection":
        return _Connection(self._loop, reached, self._received, self._died)

    def start(self) -> None:
        """Once, before the first call."""
        assert self._connection is not None, "a host begins with its process"
        self._connection.start()

    @property
    def pidfd(self) -> int | None:
        return self._connection.reached.pidfd if self._connection is not None else None

    def submit(self, given: object, encoded: bytes, state: bytes, deliver: Deliver) -> None:
        del given  # what crosses is the encoded one
        problem = self._problem()
        if problem:
            deliver(_lost(problem))
            return
        self._number += 1
        asked = _Asked(Call(self._number, encoded, state), deliver, self._now_ns())
        self._asked.append(asked)
        if self._connection is not None:
            self._connection.send(asked.call)
            if len(self._asked) == 1:
                self._watch()

    def _problem(self) -> str:
        """Why nothing can be asked now, or nothing. A host that was given up is tried again once its deaths are long
        enough ago: what ended it may be gone."""
        if self._is_closed:
            return "the host has been closed"
        if self._given_up and self._deaths[-1] < self._loop.time() - RESPAWN_WINDOW_S:
            self._given_up = ""
            self._start_again()
        return self._given_up or (f"{WAITING_MAX} calls wait already" if len(self._asked) >= WAITING_MAX else "")

    def _watch(self) -> None:
        """The head of the queue has from now on until the limit."""
        self._watched_s = self._loop.time()
        self._is_forgiven = False
        if self._timer is None and self._asked and self._connection is not None:
            self._timer = self._loop.call_later(self._limit_s, self._look)

    def _look(self) -> None:
        """One timer for many calls: it looks how long the head has had by now, and comes back for the rest."""
        due_s = self._timer.when() if self._timer is not None else self._loop.time()
        self._timer = None
        if self._connection is None or not self._asked:
            return
        if self._loop.time() - due_s > STALLED_S and not self._is_forgiven:
            self._watch()
            self._is_forgiven = True
            return
        limit_s = self._limit_s if not self._is_loading else self.spec.import_ns * KILL_AFTER / 1e9
        left_s = self._watched_s + limit_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
            return
        self._killed_why = f"took longer than {self.spec.budget_ns / 1e6:.0f} ms; its process was killed"
        self._connection.kill()
        self._died()

    def _received(self, body: bytes) -> None:
        try:
            reply = _REPLIES.decode(body)
        except msgspec.MsgspecError as error:
            raise PeerGone(f"the host sent what nobody asked for: {error}") from None
        if isinstance(reply, Loaded):
            if reply.problems:
                self._on_note(f"{self.spec.release.name} cannot be started again: {reply.problems[0]}")
            self._is_loading = False
            self._watch()
            return
        if not self._asked or reply.number != self._asked[0].call.number:
            raise PeerGone("the host answered what nobody asked")
        asked = self._asked.popleft()
        self._watch()
        now_ns = self._now_ns()
        self._round_trips.took(now_ns - max(asked.sent_ns, self._answered_ns) - reply.took_ns)
        self._answered_ns = now_ns
        if reply.printed:
            self._on_note(f"{self.spec.release.name} printed: {reply.printed.rstrip()}")
        asked.deliver(self._answer(reply))

    def _answer(self, reply: Answered) -> Answer:
        if reply.answer is None:
            fault = reply.fault or Fault("answer", "the host gave neither an answer nor a fault")
            return Answer(None, None, fault, reply.took_ns)
        try:
            value = self._decoder.decode(reply.answer)
        except msgspec.MsgspecError as error:
            return Answer(None, None, Fault("answer", f"the answer cannot be decoded: {error}"), reply.took_ns)
        problem = self._contract.check(value) if self._contract.check is not None else None
        if problem is not None:
            return Answer(None, None, Fault("answer", problem), reply.took_ns)
        return Answer(value, bytes(getattr(value, "state")), None, reply.took_ns)  # noqa: B009 - the contract's

    def _died(self) -> None:
        """The process has ended or is being killed: its call gets a fault, the others wait for a new process."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        said = last_output(connection.reached.output)
        connection.close()
        kind: FaultKind = "lost" if self._killed_why is None else "overran"
        why = self._killed_why or f"its process ended{said}"
        self._killed_why = None
        self._watch()
        self._on_note(f"{self.spec.release.name}: {why}")
        guilty = self._asked.popleft() if self._asked else None
        if not self._is_closed:
            self._start_again()
        if guilty is not None:
            guilty.deliver(Answer(None, None, Fault(kind, why), self._now_ns() - guilty.sent_ns))

    def _start_again(self) -> None:
        now_s = self._loop.time()
        while self._deaths and self._deaths[0] < now_s - RESPAWN_WINDOW_S:
            self._deaths.popleft()
        self._deaths.append(now_s)
        if len(self._deaths) > RESPAWNS_MAX:
            self._give_up(f"its process ended {len(self._deaths)} times in {RESPAWN_WINDOW_S:.0f} s")
            return
        self._respawn(self.spec, self._respawned)

    def _respawned(self, reached: Descriptors | None) -> None:
        if reached is None:
            self._give_up("no new process could be started")
            return
        if self._is_closed:
            self._to(reached).end(self._aside)
            return
        self._is_loading = True  # its import has a limit of its own; the first call's begins after it
        self._connection = self._to(reached)
        self._connection.start()
        for asked in self._asked:
            self._connection.send(asked.call)
        self._watch()

    def _give_up(self, why: str) -> None:
        self._on_note(f"{self.spec.release.name} has no process: {why}; it is tried again in {RESPAWN_WINDOW_S:.0f} s")
        self._given_up = why
        waiting, self._asked = list(self._asked), deque()
        for asked in waiting:
            asked.deliver(_lost(why))

    def close(self) -> None:
        self._is_closed = True
        self._asked.clear()
        if self._timer is not None:
            self._timer.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end(self._aside)

    def _now_ns(self) -> int:
        return int(self._loop.time() * 1e9)


def _lost(why: str) -> Answer:
    return Answer(None, None, Fault("lost", why), 0)


class _Connection:
    """One process: its socket on the loop, its pidfd, and what it wrote."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reached: Descriptors,
        received: Callable[[bytes], None],
        died: Callable[[], None],
    ) -> None:
        self.reached = reached
        self._died = died
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=reached.sock)
        self._channel = Channel(loop, sock, received, self._ended, files_max=0, frame_bytes_max=FRAME_BYTES_MAX)

    def start(self) -> None:
        self._channel.start()

    def send(self, message: object) -> None:
        self._channel.send(message)

    def _ended(self) -> None:
        self.kill()
        self._died()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.reached.pidfd, signal.SIGKILL)

    def end(self, aside: Callable[[Callable[[], None]], None]) -> None:
        """Kills the process and closes; but for leaving the loop all of it is done aside."""
        self._channel.stop()
        aside(self._finish)

    def _finish(self) -> None:
        self.kill()
        self.close()

    def close(self) -> None:
        """Once."""
        self._channel.close()
        os.close(self.reached.pidfd)
        os.close(self.reached.output)
