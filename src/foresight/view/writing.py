"""How a screen is written without holding up the loop, whatever its reader does.

A reader may stop reading (Ctrl-S, a full pipe) or leave (`| head -3`). A write then waits or fails, so it happens in a
thread of its own, one write at a time. The thread is a daemon and not one of asyncio's: `asyncio.run` waits for those,
and the end of the process waits for every other thread. It writes to the descriptor and not through `sys.stdout`,
whose lock a waiting write would hold when the interpreter ends.
"""

import asyncio
import os
import re
import select
import sys
import textwrap
import threading
from queue import SimpleQueue

PLACE = re.compile(r"\S+\.py:\d+")
"""A file and its line: what must be read of a refusal."""

STILL = re.compile(r"; [^;]+ (is|are) (still )?running(; .*)?$")
END_WAIT_S = 2.0
"""How long the end of a run waits for a reader: long for a program, short for a person who wants to leave."""


class Writer:
    """One text in flight at most: the caller asks `is_free` and makes its newest text then."""

    def __init__(self, descriptor: int, encoding: str = "utf-8") -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._mailbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._failure: OSError | None = None
        self._is_free = True
        threading.Thread(target=self._write_until_closed, name="screen", daemon=True).start()

    def is_free(self) -> bool:
        """Whether the last text is written. Raises the OSError that its write ended with."""
        if self._failure is not None:
            raise self._failure
        return self._is_free

    def post_nowait(self, text: str) -> None:
        """Hands over a text; only a free writer takes one. What the encoding lacks becomes a question mark."""
        assert self._is_free
        if text:
            self._is_free = False
            self._mailbox.put(text.encode(self._encoding, "replace"))

    async def finish(self, text: str) -> None:
        """Writes the last text behind the one in flight. Raises OSError, also for a reader that does not read."""
        try:
            async with asyncio.timeout(END_WAIT_S):
                await self._freed()
                self.post_nowait(text)
                await self._freed()
        except TimeoutError:
            raise TimeoutError(f"nobody has read it for {END_WAIT_S:g} s") from None

    def close(self) -> None:
        """Lets the thread go. After a reader that left or does not read, the descriptor leads nowhere, so that what
        the process says at its end waits for nobody."""
        if self._failure is not None or not self._is_free:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._descriptor)
            os.close(nowhere)
        self._mailbox.put(None)

    async def _freed(self) -> None:
        while not self.is_free():  # noqa: ASYNC110  a thread that outlives the loop must not have to wake it
            await asyncio.sleep(0.01)

    def _write_until_closed(self) -> None:
        try:
            while (content := self._mailbox.get()) is not None:
                self._write(content)
                self._is_free = True
        except OSError as error:
            self._failure = error

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # a parent can leave its end of a pipe or terminal non-blocking, and it is shared
                select.select([], [self._descriptor], [])


def stdout_writer() -> Writer:
    """A writer to standard output, behind what is printed already."""
    sys.stdout.flush()
    return Writer(sys.stdout.fileno(), sys.stdout.encoding)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Waits, or less when asked to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def one_line(text: str) -> str:
    """Foreign text as one line that moves no cursor: what is not printable becomes a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def shortened(text: str, room: int) -> str:
    """A sentence in so many characters. What still runs is left out first; a file with its line stays, whatever stands
    around it."""
    if len(text) > room:
        text = STILL.sub("", text)
    place = PLACE.search(text)
    if len(text) <= room or place is None or place.end() < room:
        return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"
    rest = text[place.start() :]
    head_room = max(0, room - max(place.end() - place.start() + 1, min(len(rest), room // 2)) - 3)
    middle = f"{text[:head_room]} … {rest}"
    return middle if len(middle) <= room else f"{middle[: room - 1]}…"


def wrapped(text: str, width: int, lines_max: int) -> list[str]:
    """A sentence in so many lines, broken between words, shortened only when it must be."""
    for room in range(max(1, width * lines_max), 0, -1):
        lines = textwrap.wrap(shortened(text, room), width, break_on_hyphens=False)
        if len(lines) <= lines_max:
            return lines
    return []
