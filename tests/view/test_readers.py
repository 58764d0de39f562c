"""Readers of the screen that stop reading or leave: the run neither waits for them nor ends with them."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end.program import eventually
from foresight.bot_folder import init_bot
from foresight.view import plain, writing
from foresight.view.plain import LINES_WAITING_MAX, WaitingLines
from foresight.view.writing import Writer

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init_bot(tmp_path / "bot")
    return tmp_path / "bot"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Read end and write end; the write end is closed by nobody else."""
    read, write = os.pipe()
    yield read, write
    for descriptor in (read, write):
        try:
            os.close(descriptor)
        except OSError:
            continue


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts `foresight run` on the simulated market, 20 times as fast as it happens; leaves no process behind."""
    started: list[subprocess.Popen[str]] = []

    def run(span: str, **streams: Any) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        words = [
            sys.executable,
            "-m",
            "foresight",
            "run",
            "--bot",
            str(folder),
            "--simulate",
            "--for",
            span,
            "--speed",
            "20",
        ]
        started.append(subprocess.Popen(words, text=True, env={**environment, "TERM": "xterm-256color"}, **streams))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def fill(write: int) -> None:
    """Fills a pipe through a description of its own, so that the other one still waits."""
    full = os.open(f"/proc/self/fd/{write}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(full, b"x")
    except BlockingIOError:
        os.close(full)


def document(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "state/observed" / name).read_text())
    return found


def log_of(folder: Path) -> str:
    return (folder / "data/log.jsonl").read_text()


def assert_run_was_whole(folder: Path, code: int) -> None:
    presence = document(folder, "presence.json")
    assert code == 0
    assert not document(folder, "status.json")["running"]
    assert presence["due"] >= 16 * 12
    assert (presence["missed"], presence["missed_by_cause"]) == (0, {})
    assert presence["done"] + presence["late"] == presence["due"]  # at this speed 25 ms of a busy machine are late


@pytest.mark.process
def test_a_pipe_that_nobody_reads_stops_neither_the_run_nor_its_end(
    folder: Path, start: Start, pipe: tuple[int, int]
) -> None:
    _, write = pipe
    process = start("2m", stdout=write)
    eventually((folder / "state/observed/status.json").exists, "the first state file")
    fill(write)
    assert_run_was_whole(folder, process.wait(30))
    assert "nobody has read it" in log_of(folder)


@pytest.mark.process
def test_a_terminal_that_nobody_reads_stops_neither_the_run_nor_its_end(folder: Path, start: Start) -> None:
    terminal, inner = pty.openpty()
    process = start("2m", stdin=inner, stdout=inner)
    assert_run_was_whole(folder, process.wait(30))
    assert "nobody has read it" in log_of(folder)
    os.close(inner)
    os.close(terminal)


@pytest.mark.process
def test_a_terminal_that_is_read_gets_the_last_picture_its_cursor_and_the_summary(folder: Path, start: Start) -> None:
    terminal, inner = pty.openpty()
    process = start("1m", stdin=inner, stdout=inner)
    os.close(inner)
    read: list[bytes] = []
    threading.Thread(target=lambda: read.extend(iter(lambda: bytes_of(terminal), b"")), daemon=True).start()
    assert process.wait(30) == 0
    printed = eventually(lambda: b"Kept in" in (text := b"".join(read)) and text, "the summary").decode()
    os.close(terminal)
    assert printed.rindex("btc-15m") < printed.rindex("\x1b[?25h") < printed.index("Stopped in order")


def bytes_of(terminal: int) -> bytes:
    """What a terminal says; a terminal whose program has left says nothing more."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


@pytest.mark.process
def test_a_reader_that_leaves_ends_neither_the_run_nor_in_a_traceback(folder: Path, start: Start) -> None:
    process = start("2m", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    head = subprocess.run(["head", "-3"], stdin=process.stdout, capture_output=True, text=True, timeout=30, check=True)
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=30)
    assert_run_was_whole(folder, process.returncode)
    assert said == ""
    assert len(head.stdout.splitlines()) == 3
    assert "the screen cannot be written: [Errno 32] Broken pipe; the bot goes on" in log_of(folder)


@pytest.mark.process
def test_a_reader_that_left_before_the_first_word_ends_no_run(
    folder: Path, start: Start, pipe: tuple[int, int]
) -> None:
    read, write = pipe
    os.close(read)
    process = start("1m", stdout=write, stderr=subprocess.PIPE)
    _, said = process.communicate(timeout=30)
    assert_run_was_whole(folder, process.returncode)
    assert said == ""


@pytest.mark.process
def test_a_window_that_changes_its_size_is_cleared_and_laid_out_anew(folder: Path, start: Start) -> None:
    terminal, inner = pty.openpty()
    termios.tcsetwinsize(inner, (24, 80))
    process = start("2m", stdin=inner, stdout=inner)
    read: list[bytes] = []
    threading.Thread(target=lambda: read.extend(iter(lambda: bytes_of(terminal), b"")), daemon=True).start()
    eventually(lambda: b"zec-15m" in b"".join(read), "the first picture")
    termios.tcsetwinsize(inner, (45, 140))
    os.close(inner)
    assert process.wait(30) == 0
    before, after = b"".join(read).decode().split("\x1b[2J", 1)
    os.close(terminal)
    assert "─ money ─" not in before
    assert "─ money ─" in after


def test_a_writer_is_free_again_when_its_text_is_read(pipe: tuple[int, int]) -> None:
    read, write = pipe
    writer = Writer(write)
    fill(write)
    writer.post_nowait("the text")
    time.sleep(0.05)
    assert not writer.is_free()
    rest = b""
    while b"the text" not in rest:
        rest = rest[-20:] + os.read(read, 65536)
    eventually(writer.is_free, "the end of the write")
    writer.close()
    os.write(write, b"!")
    assert os.read(read, 9) == b"!"


def test_a_pipe_that_must_not_wait_is_written_whole(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.set_blocking(write, False)
    writer = Writer(write)
    writer.post_nowait("x" * 300_000)
    count = 0
    while count < 300_000:
        count += len(os.read(read, 65536))
    eventually(writer.is_free, "the end of the write")
    writer.close()


def test_a_text_that_the_terminal_cannot_say_is_written_with_question_marks(pipe: tuple[int, int]) -> None:
    read, write = pipe
    writer = Writer(write, "ascii")
    asyncio.run(writer.finish("a·\udcffb"))
    writer.close()
    assert os.read(read, 9) == b"a??b"


def test_a_reader_that_left_is_an_error_and_what_comes_later_goes_nowhere(pipe: tuple[int, int]) -> None:
    read, write = pipe
    writer = Writer(write)
    os.close(read)
    with pytest.raises(BrokenPipeError):
        asyncio.run(writer.finish("text"))
    writer.close()
    assert os.write(write, b"later") == 5


def test_the_end_waits_for_a_reader_only_so_long(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "END_WAIT_S", 0.05)
    _, write = pipe
    fill(write)
    writer = Writer(write)
    with pytest.raises(TimeoutError, match=r"nobody has read it for 0\.05 s"):
        asyncio.run(writer.finish("text"))
    writer.close()
    assert os.write(write, b"later") == 5


def test_lines_beyond_the_limit_are_counted_where_they_are_missing() -> None:
    waiting = WaitingLines()
    for number in range(LINES_WAITING_MAX + 2):
        waiting.add(f"line {number}")
    waiting.leave_out(3)
    lines = waiting.take().splitlines()
    assert lines[LINES_WAITING_MAX - 1] == f"line {LINES_WAITING_MAX - 1}"
    assert lines[LINES_WAITING_MAX:] == ["5 lines are left out here: they were not read in time; see data/log.jsonl"]
    assert waiting.take() == ""


def test_lines_up_to_the_limit_are_all_kept() -> None:
    waiting = WaitingLines()
    for number in range(LINES_WAITING_MAX):
        waiting.add(f"line {number}")
    assert len(waiting.take().splitlines()) == plain.LINES_WAITING_MAX
