"""The headlines example: its command as it stands in its README, and its detector edited while it runs."""

import contextlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "headlines"
LINES_MAX = 100
WAIT_S = 20.0
ALERT = "    if usual and now >= max(params.least, params.times * usual) and headline.at_s >= quiet_until_s:"
"""The line of the detector that the edits begin at."""
COUNT = '    return Verdict(State(count, times_s, quiet_until_s), f"counted {count}")\n'
RAISE = '    if headline.text == "boom":\n        raise ValueError("a headline it does not like")\n'


class Watching:
    """The example as a running process that is given its headlines one by one."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "headlines"
        shutil.copytree(EXAMPLE, self.home, ignore=shutil.ignore_patterns("__pycache__"))
        self.detector = self.home / "detector" / "__init__.py"
        given = ["--recording", "/dev/stdin", "--speed", "1e9", "--data", str(folder / "data")]
        self.process = subprocess.Popen(
            [sys.executable, str(self.home / "watch.py"), *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.said: list[str] = []
        self._at_s = 0.0
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))

    def send(self, narrative: str, text: str = "a headline") -> None:
        assert self.process.stdin is not None
        self._at_s += 1.0
        self.process.stdin.write(json.dumps({"at_s": self._at_s, "narrative": narrative, "text": text}) + "\n")

    def save(self, code: str) -> None:
        self.detector.write_text(code, encoding="utf-8")

    def heard(self, pattern: str, *, after: int = 0) -> int:
        """Waits until a line matches, and returns the number of lines up to it."""
        ends_s = time.monotonic() + WAIT_S
        is_over = False
        while time.monotonic() < ends_s and not is_over:
            is_over = not self._reader.is_alive()
            for place, line in enumerate(self.said[after:], after):
                if re.fullmatch(pattern, line):
                    return place + 1
            time.sleep(0.005)
        raise AssertionError(f"nothing like {pattern!r} in:\n" + "\n".join(self.said))

    def end(self) -> int:
        """Ends the stream of headlines, and so the program. Returns its exit code."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    program = Watching(tmp_path)
    yield program
    program.end()


@pytest.mark.process
def test_a_good_edit_goes_live_a_bad_one_changes_nothing_and_a_late_failure_is_taken_back(watching: Watching) -> None:
    code = watching.detector.read_text(encoding="utf-8")
    counting = code.replace(ALERT, COUNT + ALERT)
    assert counting != code
    place = watching.heard("v1 r1 is live; .*")
    for _ in range(3):
        watching.send("rates")
    watching.send("oil")

    watching.save(counting)
    place = watching.heard("v2 r1 is live; rehearsed on 4 evaluations .*", after=place)
    watching.send("rates")
    watching.send("oil")
    place = watching.heard("v2 on rates: counted 4", after=place)
    place = watching.heard("v2 on oil: counted 2", after=place)

    watching.save(counting.replace("class State", "clas State"))
    refused = r"v3 refused at stage: detector/__init__\.py:\d+ SyntaxError: .*: clas State.*; v2 is still running"
    place = watching.heard(refused, after=place)
    watching.send("rates")
    place = watching.heard("v2 on rates: counted 5", after=place)

    watching.save(counting.replace(COUNT, RAISE + COUNT))
    place = watching.heard("v4 r1 is live; .*", after=place)
    watching.send("rates")
    place = watching.heard("v4 on rates: counted 6", after=place)
    watching.send("rates", "boom")
    taken_back = r"v4 r1 was rolled back: rates: detector/__init__\.py:\d+ ValueError: a headline .*; v2 is running"
    place = watching.heard(taken_back, after=place)
    watching.heard("v2 on rates: counted 7", after=place)
    assert watching.end() == 0


@pytest.mark.process
def test_it_leaves_no_process_behind(watching: Watching) -> None:
    watching.heard("v1 r1 is live; .*")
    started = psutil.Process(watching.process.pid).children(recursive=True)
    assert len(started) >= 3, "a zygote, a stager and a host"
    assert watching.end() == 0
    assert psutil.wait_procs(started, timeout=5.0)[1] == []


@pytest.mark.process
def test_the_recording_gives_the_alerts_that_its_readme_shows(tmp_path: Path) -> None:
    shown = [line for line in _readme().splitlines() if re.match(r"v1 on \w+: ", line)]
    ran = _run(tmp_path, "--recording", str(EXAMPLE / "recording.jsonl"), "--speed", "200")
    assert ran.returncode == 0, ran.stdout
    said = ran.stdout.splitlines()
    assert said[0] == "v1 r1 is live; nothing was on the tape to rehearse"
    assert [line for line in said if " on " in line and " a minute" in line] == shown
    assert "v1 r1 is kept by probation" in said


@pytest.mark.process
def test_the_endless_stream_ends_when_it_is_told_to(tmp_path: Path) -> None:
    ran = _run(tmp_path, "--seed", "3", "--speed", "100", "--for", "2")
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^v1 on \w+: \d+ a minute, ", ran.stdout, re.MULTILINE)


@pytest.mark.process
def test_an_interrupted_program_ends_without_a_traceback(watching: Watching) -> None:
    watching.heard("v1 r1 is live; .*")
    watching.process.send_signal(signal.SIGINT)
    assert watching.end() == 0
    assert not any("Traceback" in line for line in watching.said)


def test_there_are_fewer_than_a_hundred_lines_beside_the_detector() -> None:
    files = [path for path in EXAMPLE.rglob("*.py") if "detector" not in path.relative_to(EXAMPLE).parts]
    assert {path.name for path in files} == {"watch.py", "newsroom.py"}
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < LINES_MAX


def _readme() -> str:
    return (EXAMPLE / "README.md").read_text(encoding="utf-8")


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command of the README, with these options."""
    command = re.search(r"^\$ (?P<words>python examples/headlines/watch\.py)$", _readme(), re.MULTILINE)
    assert command, "the README begins with one command"
    python, script = shlex.split(command["words"])
    assert python == "python"
    return subprocess.run(
        [sys.executable, ROOT / script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT_S,
        check=False,
        cwd=folder,
    )
