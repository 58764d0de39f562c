"""The local venue that a bot starts for itself: a process of its own, kept up while the bot runs, gone when the bot is.

It is told to end with its standard input, so it cannot outlive a bot that was killed. When it dies it is started again
on the same port and goes on where it was: the same markets, and a time that never stood still. One that hangs is ended
first: it is looked at every few seconds, and only silence counts, for a fault may close its listener for a while.
"""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from foresight.errors import VenueRefused
from tesseract import give_way

READY_S = 30.0
ENDS_WITHIN_S = 1.0
LEAVES_WITHIN_S = 5.0
AGAIN_AFTER_S = 0.5
LOOK_EVERY_S = 5.0
ANSWERS_WITHIN_S = 10.0
SILENCES_MAX = 3
"""Looks in a row without an answer before it is ended: a busy machine is no reason to lose the books."""
LOG_BYTES_MAX = 1024 * 1024
"""Its log begins anew with each run, and at this size; one older file is kept beside it."""
LINE_BYTES_MAX = 65_536
FRAME = " ╭╮╰╯─│"
"""What a command draws around its errors."""


class Ready(msgspec.Struct, frozen=True):
    """What a venue prints when it serves."""

    url: str
    port: int


class EmbeddedVenue:
    """`log` takes what the venue says on its standard error; `state` is where it remembers how to go on."""

    def __init__(self, arguments: Sequence[str], *, log: Path, state: Path, tell: Callable[[str], None]) -> None:
        self.restarts = 0
        self.url = ""
        self._arguments = tuple(arguments)
        self._log = log
        self._state = state
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._log_begins = 0

    async def start(self) -> str:
        """Starts it and returns its address. Raises VenueRefused, with its last words, when it does not serve."""
        self._state.parent.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", "foresight", "venue", "--port", str(self._port), "--state", str(self._state))
        self.url = ""
        self._bound_log(0 if self._process is None else LOG_BYTES_MAX)
        with self._log.open("ab") as log:
            self._log_begins = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *command,
                "--until-stdin-ends",
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE_BYTES_MAX,
                start_new_session=True,  # Ctrl-C is for the bot, which ends it when it has left in order
            )
        give_way(0, self._process.pid)  # the loop's own promptness is not for it
        ready = await self._ready(self._process)
        self._port, self.url = ready.port, ready.url
        return ready.url

    async def keep(self) -> None:
        """Starts it again whenever it dies or hangs, until this is cancelled."""
        while True:
            assert self._process is not None, "it is started before it is kept"
            what = await self._watch(self._process)
            self.restarts += 1
            self._tell(f"the local venue {what}; it is started again, its time runs on")
            await asyncio.sleep(AGAIN_AFTER_S)
            try:
                await self.start()
            except (VenueRefused, OSError) as error:  # a machine may have no process or no memory to give for a while
                self._tell(f"{error}; it is tried again")

    async def stop(self) -> None:
        """Asks it to leave, and makes it when it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(LEAVES_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> str:
        """What became of it, once it has ended by itself or for its silence."""
        silences = 0
        while silences < SILENCES_MAX:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    return f"has ended with {await process.wait()}"
            self._bound_log(LOG_BYTES_MAX)
            silences = 0 if await self._answers() else silences + 1
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return f"has answered nothing, {SILENCES_MAX} times for {ANSWERS_WITHIN_S:g} s, and was killed"

    async def _answers(self) -> bool:
        """Whether it says anything at all; a refused connection is an answer too."""
        host = urlsplit(self.url).hostname
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                reader, writer = await asyncio.open_connection(host, self._port)
                try:
                    writer.write(f"GET /control/clock HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
                    await reader.read(1)
                finally:
                    writer.transport.abort()
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _bound_log(self, bytes_max: int) -> None:
        """A log that is longer becomes the older one. It is copied, for the venue may have it open."""
        with contextlib.suppress(OSError):  # a log that cannot be kept short is no reason to be without a venue
            if self._log.stat().st_size > bytes_max:
                shutil.copyfile(self._log, self._log.with_name(f"{self._log.name}.1"))
                os.truncate(self._log, 0)
                self._log_begins = 0

    async def _ready(self, process: asyncio.subprocess.Process) -> Ready:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await process.stdout.readline()
            return msgspec.json.decode(line, type=Ready)
        except (TimeoutError, ValueError, msgspec.MsgspecError):
            with contextlib.suppress(TimeoutError):  # a signal to one that is just ending takes its code from asyncio
                async with asyncio.timeout(ENDS_WITHIN_S):
                    await process.wait()
            await self.stop()
            raise VenueRefused(f"the local venue does not start: {self._last_words()}") from None

    def _last_words(self) -> str:
        try:
            words = self._log.read_bytes()[self._log_begins :]
        except OSError:
            words = b""
        told = (line.strip(FRAME) for line in words.decode("utf-8", "replace").splitlines())
        lines = [line for line in told if line]
        return lines[-1] if lines else f"it says nothing, see {self._log}"
