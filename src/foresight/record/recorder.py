"""The loop's side of the record: takes inputs, hands them over in batches, and keeps them until they are on disk.

On the loop an input is two appends to a list. Every BATCH_ROWS of them, or BATCH_NS of their time, are encoded and
given to the socket of the writer process, which never makes the loop wait. What the writer has not closed into a
segment stays here, so a writer that dies or meets a full disk loses nothing: another one is started, after growing
pauses and never beside one that lives, and is sent it again. Only when WAITING_BYTES_MAX are kept so do new market
inputs fall away; what fell away is put on record as soon as there is room. The bot goes on in any case.
"""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from foresight.record.index import LIMIT
from foresight.record.kinds import Recorded
from foresight.record.messages import Batch, Closed, Deleted, Lost, Report, Undeleted, framed
from foresight.record.writer_link import WriterLink, refusal_in

BATCH_ROWS = 128
"""A step of 0.2 ms for the loop when all of them are whole books; half of it is the encoding."""
BATCH_NS = 250_000_000
WAITING_BYTES_MAX = 64 * 1024 * 1024
"""Over a minute of 5,000 inputs a second. What comes then is dropped: the older part stays whole."""
UNSENT_BYTES_MAX = 1024 * 1024
"""How far a patient recorder, in lock-step, is ahead of its writer."""
RETRY_S = 5.0
RETRY_S_MAX = 300.0
"""Pauses between two writers double up to here while nothing comes to disk: to start one takes half a second of a
core."""
CLOSE_S = 20.0
LEAVE_S = 5.0
PATIENCE_S = 60.0
"""A writer that takes nothing for so long is ended, and then another one is started. To count an old record takes a
process that gives way seconds."""
UNDELETED = "undeleted"


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A message to the writer, and the number of the last input that it tells of."""

    last: int
    data: bytes


class Recorder:
    """Records one run into `folder`. With `is_patient` it waits for its writer where it must, as lock-step may."""

    def __init__(self, folder: Path, keep_bytes: int, warn: Callable[[str], None], *, is_patient: bool) -> None:
        self.is_patient = is_patient
        self._folder = folder
        self._keep_bytes = keep_bytes
        self._warn = warn
        self._encoder = msgspec.msgpack.Encoder()
        self._seqs: list[int] = []
        self._events: list[Recorded] = []
        self._batch_ends_ns = 0
        self._sent: deque[Frame] = deque()
        self._unsent: deque[Frame] = deque()
        self._kept_bytes = 0
        self._unsent_bytes = 0
        self._offset = 0
        self._lost: Lost | None = None
        self._failure: str | None = None
        self._told_of_deleting: set[str] = set()
        self._link: WriterLink | None = None
        self._leaving: list[WriterLink] = []
        self._next_start_s = self._moved_s = time.monotonic()
        self._pause_s = RETRY_S

    def take(self, seq: int, event: Recorded) -> None:
        """One input. Waits for nothing, unless patient."""
        if not self._seqs:
            self._batch_ends_ns = event.at_ns + BATCH_NS
        self._seqs.append(seq)
        self._events.append(event)
        if event.at_ns >= self._batch_ends_ns or len(self._seqs) >= BATCH_ROWS:
            self.hand_over()

    def hand_over(self) -> None:
        """Gives the writer what has come since, and hears what it says. To be called about once a second, too."""
        if self._seqs:
            seqs, events, self._seqs, self._events = self._seqs, self._events, [], []
            self._keep(seqs, events)
        self._move()
        if self.is_patient:
            self._wait_for_writer()

    def problem(self) -> str | None:
        """Why market data is not recorded now; None: all is well."""
        if self._lost is not None:
            return f"{self._lost.why}; {self._lost.count:,} inputs are lost so far"
        if self._failure is not None:
            return f"{self._failure}; {self._kept_bytes:,} bytes wait in memory, of at most {WAITING_BYTES_MAX:,}"
        return None

    def close(self) -> None:
        """Everything to disk, for at most CLOSE_S. What cannot be written is told."""
        until_s = time.monotonic() + CLOSE_S
        self.is_patient = False
        self.hand_over()
        if self._lost is not None:
            self._append(self._lost.last, self._lost)
            self._lost = None
        while (self._kept_bytes or self._link is not None) and time.monotonic() < until_s:
            self._wait_at_the_end()
        if self._kept_bytes:
            why = self._failure or f"the writer has not answered for {CLOSE_S:.0f} s"
            self._warn(f"the end of the record is lost, {self._kept_bytes // 1024} KiB of market data: {why}")
        if self._link is not None:
            self._leave(self._link)
        for link in self._leaving:
            link.see_off(LEAVE_S)

    def _wait_at_the_end(self) -> None:
        if self._link is None:
            self._next_start_s = min(self._next_start_s, time.monotonic() + RETRY_S / 10)
            time.sleep(0.01)
        else:
            if not self._unsent:
                self._link.finish()
            self._link.wait(0.1, for_room=bool(self._unsent))
        self._move()

    # What is kept

    def _keep(self, seqs: list[int], events: list[Recorded]) -> None:
        """Puts a batch behind the others, or drops it where there is no room, or where it cannot be encoded: an integer
        of more than 64 bits, a text that is none."""
        try:
            data = framed(self._encoder.encode(Batch(seqs, events)))
        except (OverflowError, UnicodeEncodeError) as error:
            self._lose(seqs, f"a value cannot be encoded: {error}")
            return
        if self._kept_bytes + len(data) > WAITING_BYTES_MAX:
            self._lose(seqs, self._failure or "the writer was behind")
            return
        if self._lost is not None:
            self._append(self._lost.last, self._lost)
            self._lost = None
        self._put(Frame(seqs[-1], data))

    def _lose(self, seqs: list[int], why: str) -> None:
        if self._lost is None:
            self._warn(f"market data is not recorded from input {seqs[0]} on: {why}")
            self._lost = Lost(seqs[0], seqs[-1], len(seqs), why)
        else:
            self._lost = Lost(self._lost.first, seqs[-1], self._lost.count + len(seqs), why)

    def _append(self, last: int, message: Lost) -> None:
        self._put(Frame(last, framed(self._encoder.encode(message))))

    def _put(self, frame: Frame) -> None:
        if not self._unsent:
            self._moved_s = time.monotonic()
        self._unsent.append(frame)
        self._kept_bytes += len(frame.data)
        self._unsent_bytes += len(frame.data)

    def _forget(self, last: int) -> None:
        """What is on disk need not be kept."""
        while self._sent and self._sent[0].last <= last:
            self._kept_bytes -= len(self._sent.popleft().data)

    # The writer

    def _move(self) -> None:
        """Sends what the writer takes, and hears what it says. Never waits."""
        self._leaving = [link for link in self._leaving if not link.has_left()]
        if self._link is None and self._unsent:
            self._start()
        if self._link is not None:
            self._send(self._link)
            self._end_a_stuck(self._link)
            self._hear(self._link)

    def _end_a_stuck(self, link: WriterLink) -> None:
        """It is heard until it is no more: what it has closed before need not be sent again."""
        if self._unsent and not link.is_ended and time.monotonic() - self._moved_s > PATIENCE_S:
            link.end()
            self._failed(f"the process that writes it took nothing for {PATIENCE_S:.0f} s and is ended")

    def _start(self) -> None:
        """One after the other: none is started beside one that has not left."""
        if self._leaving or time.monotonic() < self._next_start_s:
            return
        try:
            self._link = WriterLink(self._folder, self._keep_bytes, gives_way=not self.is_patient)
        except OSError as error:
            self._failed(f"no process can be started to write it: {error}")
        else:
            self._moved_s = time.monotonic()

    def _send(self, link: WriterLink) -> None:
        while self._unsent:
            frame = self._unsent[0]
            taken = link.send(memoryview(frame.data)[self._offset :])
            if not taken:
                return
            self._moved_s = time.monotonic()
            self._offset += taken
            if self._offset == len(frame.data):
                self._sent.append(self._unsent.popleft())
                self._unsent_bytes -= self._offset
                self._offset = 0

    def _hear(self, link: WriterLink) -> None:
        reports = link.reports()
        for report in reports:
            self._heard(report)
        if link.is_gone:
            if self._kept_bytes and not link.is_ended:
                self._failed(refusal_in(reports) or "the process that writes it has ended")
            self._leave(link)
            link.end()  # it has closed its end, so it writes no more

    def _leave(self, link: WriterLink) -> None:
        """The next one is sent all that is not on disk."""
        link.close()
        self._leaving.append(link)
        self._link = None
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self._unsent_bytes, self._offset = self._kept_bytes, 0

    def _heard(self, report: Report) -> None:
        match report:
            case Closed(last=last):
                self._forget(last)
                self._recovered()
            case Deleted(path=path, why=why) if why not in self._told_of_deleting:
                self._told_of_deleting.add(why)
                limit = f"the record has come to its limit of {self._keep_bytes / 1e9:g} GB"
                cause = limit if why == LIMIT else "the disk is full, or nearly"
                self._warn(f"{cause}: the oldest segments of the record go, up to {path} so far")

            case Undeleted(text=text) if UNDELETED not in self._told_of_deleting:
                self._told_of_deleting.add(UNDELETED)
                self._warn(f"the oldest segments of the record cannot be deleted: {text}; it grows beyond its limit")

    def _failed(self, why: str) -> None:
        self._next_start_s = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, RETRY_S_MAX)
        if self._failure is None:
            self._warn(f"the record cannot be written: {why}; it is tried again, and the bot goes on")
        self._failure = why

    def _recovered(self) -> None:
        self._pause_s = RETRY_S
        if self._failure is not None:
            self._failure = None
            self._warn("the record is written again")

    def _wait_for_writer(self) -> None:
        """Lock-step makes inputs faster than a disk takes them: until the writer has come near."""
        while self._link is not None and self._unsent_bytes - self._offset > UNSENT_BYTES_MAX:
            if self._link.is_ended:
                return  # a disk that does not let go of it
            self._link.wait(0.1, for_room=True)
            self._move()
