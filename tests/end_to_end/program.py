"""Runs the real command in a process of its own, as a person would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from foresight.bot_folder import init_bot

WAIT_S = 60.0


def foresight(*words: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs `foresight WORDS` to its end; with `check` an exit code other than 0 is an assertion with its output."""
    done = subprocess.run(
        [sys.executable, "-m", "foresight", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=WAIT_S * 2,
        check=False,
    )
    assert not check or done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def answer(*words: str) -> dict[str, Any]:
    """The JSON document that a command prints."""
    document: dict[str, Any] = json.loads(foresight(*words, "--json").stdout)
    return document


FEW = '[slots]\nassets = ["BTC", "ETH"]\n'
"""A quarter of the slots, for tests that are not about how many there are."""


def a_bot(folder: Path, settings: str = FEW) -> Path:
    """A new bot folder with these settings as its `bot.toml`."""
    init_bot(folder)
    (folder / "bot.toml").write_text(settings)
    return folder


class Running:
    """A `foresight run` in the background, over sockets unless it is told to `--simulate`, which costs a third. Leaves
    no process behind."""

    def __init__(self, *words: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "foresight", "run", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def stop(self, number: signal.Signals = signal.SIGINT) -> str:
        """Asks it to leave, and returns all that it printed."""
        self.process.send_signal(number)
        printed, _ = self.process.communicate(timeout=WAIT_S)
        return printed


def eventually(found: Callable[[], Any], what: str) -> Any:
    """Looks until `found` gives something true; fails with `what` after a minute."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < WAIT_S:
        value = found()
        if value:
            return value
        time.sleep(min(0.05 + waited / 5, 0.5))  # to look may take a process that runs beside what is waited for
    raise AssertionError(f"waited {WAIT_S:.0f} s for {what}")
