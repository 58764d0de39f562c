"""A local venue in a process of its own, for tests: started, asked, given faults, stopped and started again."""

import contextlib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

LEAVES_WITHIN_S = 10


class VenueProcess:
    """`start` after `stop` goes on where it was, on the same port. Its ticks change only by the fault that does it: one
    that changes by itself while another fault holds books back blinds a slot."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.url = ""
        self._folder = folder
        self._arguments = arguments
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = (folder / "venue.log").open("ab")

    def start(self) -> None:
        command = [sys.executable, "-m", "foresight", "venue", "--port", str(self._port), "--until-stdin-ends"]
        self._process = subprocess.Popen(
            [*command, "--state", str(self._folder / "venue.json"), "--no-ticks-change", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        ready = msgspec.json.decode(self._process.stdout.readline())
        self.url, self._port = ready["url"], ready["port"]

    def stop(self) -> None:
        """In order; raises when it does not leave."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        self._end(lambda process: process.kill())

    def _end(self, how: Any) -> None:
        process = self._process
        assert process is not None
        how(process)
        process.wait(LEAVES_WITHIN_S)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None

    def ask(self, path: str, *, method: str = "GET", body: object = None) -> Any:
        """A JSON answer of one of its routes; refusals are raised with their body."""
        data = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return msgspec.json.decode(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from None

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self._log.close()


@contextlib.contextmanager
def a_venue(folder: Path, *arguments: str) -> Iterator[VenueProcess]:
    """A venue that serves."""
    folder.mkdir(parents=True, exist_ok=True)
    venue = VenueProcess(folder, *arguments)
    try:
        venue.start()
        yield venue
    finally:
        venue.close()
