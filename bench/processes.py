"""Real `foresight run` processes for the benchmarks: a fresh bot folder, the command, and samples of what it uses."""

import json
import os
import pty
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from measuring import Document

FORESIGHT = Path(sys.executable).with_name("foresight")
MEGABYTE = 1024 * 1024
NS_PER_HOUR = 3_600 * 10**9
SCREEN_ROWS_COLUMNS = {"LINES": "50", "COLUMNS": "160", "TERM": "xterm-256color"}


class Sample(NamedTuple):
    """What the process used at one moment. `venue_ns` is None before its first journal entry."""

    at_s: float
    rss_mb: float
    cpu_s: float
    venue_ns: int | None


FEW = '[slots]\nassets = ["BTC", "ETH"]\n\n[venue]\nsource = "simulated"\n'


def a_bot(folder: Path, *, is_small: bool = False) -> Path:
    """A new bot folder as `foresight init` makes it; a small one has four slots and its market inside, to see with
    little work whether a benchmark runs."""
    foresight("init", str(folder))
    if is_small:
        (folder / "bot.toml").write_text(FEW)
    return folder


def foresight(*options: str) -> str:
    """Runs a command to its end and returns what it prints. Raises CalledProcessError."""
    return subprocess.run([FORESIGHT, *options], stdout=subprocess.PIPE, check=True, text=True).stdout


def document_of(*options: str) -> Document:
    """The JSON document of a command."""
    document: Document = json.loads(foresight(*options, "--json"))
    return document


@contextmanager
def started(bot: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`foresight run` with its output thrown away; asked to stop, if it has not ended, when the block is left."""
    with subprocess.Popen([FORESIGHT, "run", "--bot", bot, *options], stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


@contextmanager
def started_on_a_terminal(bot: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`foresight run` that believes it has a terminal, so that it draws its live view."""
    ours, theirs = pty.openpty()
    threading.Thread(target=_drain, args=(ours,), daemon=True).start()
    command = [FORESIGHT, "run", "--bot", bot, *options]
    with subprocess.Popen(command, stdout=theirs, env={**os.environ, **SCREEN_ROWS_COLUMNS}) as process:
        os.close(theirs)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def _drain(terminal: int) -> None:
    """Reads what is drawn until the other end is closed, which Linux reports as an error."""
    try:
        while os.read(terminal, 65_536):
            pass
    except OSError:
        return


def samples_of(
    process: subprocess.Popen[bytes], *, every_s: float, venue_time: Callable[[], int | None] | None = None
) -> list[Sample]:
    """Samples until the process has ended. Raises RuntimeError when it fails."""
    found: list[Sample] = []
    watched, begun = psutil.Process(process.pid), time.perf_counter()
    while process.poll() is None:
        try:
            rss_mb, cpu = watched.memory_info().rss / MEGABYTE, watched.cpu_times()
        except psutil.Error:  # it ended between the two lines
            break
        venue_ns = venue_time() if venue_time is not None else None
        found.append(Sample(time.perf_counter() - begun, rss_mb, cpu.user + cpu.system, venue_ns))
        time.sleep(every_s)
    if process.wait() != 0:
        raise RuntimeError(f"foresight run ended with exit code {process.returncode}")
    return [sample for sample in found if sample.rss_mb > 0]


def journal_time(bot: Path) -> Callable[[], int | None]:
    """A function that tells how far the bot's run has come in venue time, from its newest journal entry."""

    def newest() -> int | None:
        for path in sorted(bot.glob("data/runs/*/journal.sqlite"), reverse=True):
            return _newest_entry(path)
        return None

    return newest


def _newest_entry(path: Path) -> int | None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT at_ns FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    except sqlite3.OperationalError:  # it has no table yet
        return None
    finally:
        connection.close()
    return None if row is None else int(row[0])
