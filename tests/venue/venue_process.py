"""Runs `foresight venue` as a process, as a person or a bot would."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Self

WAIT_S = 60.0


class VenueProcess:
    """A venue on a free port, once it has said where it serves. Leaves no process behind."""

    def __init__(self, *words: str, stdin: int | None = subprocess.DEVNULL) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "foresight", "venue", "--port", "0", *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.greeting: dict[str, Any] = json.loads(line)
        self.url: str = self.greeting["url"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def get(self, path: str) -> Any:
        """The document; a refusal is (status, document)."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=WAIT_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float, str]:
        """Asks it to leave: its exit code, the seconds it took, and what else it printed."""
        began = time.monotonic()
        self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, time.monotonic() - began, printed

    def slug(self, asset: str = "btc", timeframe: str = "15m", ahead: int = 0) -> str:
        """The slug of a window of now, or so many later."""
        length_s = {"5m": 300, "15m": 900}[timeframe]
        now_s = self.get("/control/status")["now_ns"] // 10**9
        return f"{asset}-updown-{timeframe}-{now_s // length_s * length_s + ahead * length_s}"
