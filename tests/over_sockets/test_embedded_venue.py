"""The venue that a bot starts for itself: kept up while the bot runs, gone when the bot is, however it went."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from feeds.ws_peers import until
from foresight.errors import VenueRefused
from foresight.runtime import embedded_venue
from foresight.runtime.embedded_venue import EmbeddedVenue
from foresight.runtime.live_market import LocalClock
from storms.bots import a_bot_folder

pytestmark = pytest.mark.process
SMALL = ("--assets", "BTC", "--timeframes", "5m")
ONE_SLOT = {"assets": ["BTC"], "timeframes": ["5m"]}
TIME_MOVED_BY_MAX_NS = 50_000_000


def a_venue(home: Path, *arguments: str) -> tuple[EmbeddedVenue, list[str]]:
    told: list[str] = []
    return EmbeddedVenue(arguments, log=home / "venue.log", state=home / "venue.json", tell=told.append), told


def clock_of(url: str) -> LocalClock:
    with urllib.request.urlopen(f"{url}/control/clock", timeout=10) as answer:
        return msgspec.json.decode(answer.read(), type=LocalClock)


def test_a_venue_that_is_killed_serves_again_at_the_same_address_and_its_time_has_run_on(tmp_path: Path) -> None:
    async def run() -> None:
        venue, told = a_venue(tmp_path, "--speed", "10", *SMALL)
        try:
            url = await venue.start()
            before = await asyncio.to_thread(clock_of, url)
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(venue.keep())
                assert venue._process is not None
                first = venue._process.pid
                os.kill(first, signal.SIGKILL)
                await until(lambda: venue.restarts == 1 and venue.url == url and venue._process.pid != first, 30)
                after = await asyncio.to_thread(clock_of, url)
                keeping.cancel()
        finally:
            await venue.stop()
        assert told == ["the local venue has ended with -9; it is started again, its time runs on"]
        passed_ns = (after.monotonic_ns - before.monotonic_ns) * 10
        assert abs(after.venue_ns - before.venue_ns - passed_ns) < TIME_MOVED_BY_MAX_NS * 10

    asyncio.run(run())


def test_a_venue_that_is_stopped_leaves_within_seconds_and_twice_is_once(tmp_path: Path) -> None:
    async def run() -> None:
        venue, _ = a_venue(tmp_path, *SMALL)
        await venue.start()
        assert venue._process is not None
        await venue.stop()
        assert venue._process.returncode is not None
        await venue.stop()

    asyncio.run(run())


def test_a_venue_that_cannot_start_is_told_with_its_last_words_and_not_with_older_ones(tmp_path: Path) -> None:
    (tmp_path / "venue.log").write_text("words of a run long ago\n")

    async def start(*arguments: str) -> str:
        venue, _ = a_venue(tmp_path, *arguments)
        with pytest.raises(VenueRefused) as refused:
            await venue.start()
        assert venue._process is not None
        assert venue._process.returncode is not None
        return str(refused.value)

    assert "none of v1, v2, mixed" in asyncio.run(start("--version", "v9"))
    assert (tmp_path / "venue.log.1").read_text() == "words of a run long ago\n"
    assert "it says nothing, see " in asyncio.run(start("--help"))


async def the_watch_over(home: Path, port: int, during: Callable[[asyncio.subprocess.Process], object]) -> str:
    """What is said of a venue whose process is a stopped one and that is looked for at this port."""
    venue, _ = a_venue(home)
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        venue.url, venue._port = f"http://127.0.0.1:{port}", port
        watching = asyncio.ensure_future(venue._watch(process))
        process.send_signal(signal.SIGSTOP)
        during(process)
        async with asyncio.timeout(20):
            return await watching
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_venue, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(embedded_venue, "ANSWERS_WITHIN_S", 0.1)


@pytest.mark.usefixtures("in_a_hurry")
def test_a_venue_that_hangs_is_killed(tmp_path: Path) -> None:
    async def run(port: int) -> str:
        return await the_watch_over(tmp_path, port, lambda _: None)

    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are opened for it, as for a stopped process
        told = asyncio.run(run(silent.getsockname()[1]))
    assert told == "has answered nothing, 3 times for 0.1 s, and was killed"


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize("says", [b"HTTP/1.0 200 OK\r\n", b""])
def test_a_venue_that_answers_or_refuses_is_left_alone(tmp_path: Path, says: bytes) -> None:
    asked = 0

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(says)
        writer.close()
        with contextlib.suppress(ConnectionError):  # who asked has heard enough
            await writer.wait_closed()

    async def run() -> str:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            def end_later(process: asyncio.subprocess.Process) -> None:
                loop = asyncio.get_running_loop()
                loop.call_later(0.3, server.close)  # then it refuses
                loop.call_later(1.0, process.kill)

            return await the_watch_over(tmp_path, port, end_later)

    assert asyncio.run(run()) == "has ended with -9"
    assert asked > 3


def test_a_log_that_is_longer_than_its_limit_becomes_the_older_one(tmp_path: Path) -> None:
    venue, _ = a_venue(tmp_path)
    log, older = tmp_path / "venue.log", tmp_path / "venue.log.1"
    with log.open("ab") as held:
        held.write(b"first")
        held.flush()
        venue._bound_log(5)
        assert (log.read_bytes(), older.exists()) == (b"first", False)
        venue._bound_log(4)
        held.write(b"next")
        held.flush()
    assert (log.read_bytes(), older.read_bytes()) == (b"next", b"first")
    venue._bound_log(0)
    assert (log.read_bytes(), older.read_bytes()) == (b"", b"next")


def a_bot(home: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """`foresight run` in a process of its own, in its rounds, and the venue that it started."""
    folder = a_bot_folder(home, slots=ONE_SLOT)
    process = subprocess.Popen(
        [sys.executable, "-m", "foresight", "run", "--bot", folder, "--json", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    bot = psutil.Process(process.pid)

    async def served() -> psutil.Process:
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [child for child in bot.children() if "venue" in child.cmdline()]
            return bool(found) and (folder / "state" / "observed" / "status.json").exists()

        await until(look, 60)
        return found[0]

    return process, asyncio.run(served())


def test_a_bot_that_is_killed_leaves_no_venue_behind(tmp_path: Path) -> None:
    process, venue = a_bot(tmp_path)
    process.kill()
    process.wait()
    venue.wait(20)
    assert not venue.is_running()


def test_a_bot_that_is_interrupted_leaves_in_order_and_ends_its_venue_of_which_it_told_the_address(
    tmp_path: Path,
) -> None:
    process, venue = a_bot(tmp_path, "--speed", "10")
    (listening,) = {at.laddr.port for at in venue.net_connections() if at.status == psutil.CONN_LISTEN}
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not venue.is_running()
    (log,) = tmp_path.rglob("data/log.jsonl")
    assert f"the local venue is at http://127.0.0.1:{listening};" in log.read_text()


def test_a_run_whose_venue_cannot_start_says_so_in_one_sentence(tmp_path: Path) -> None:
    folder = a_bot_folder(tmp_path, slots=ONE_SLOT)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys\nif 'venue' in sys.orig_argv:\n    sys.exit('the disk is on fire')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "foresight", "run", "--bot", folder],
        env={**os.environ, "PYTHONPATH": str(broken)},
        check=False,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert done.returncode == 1
    sentence = done.stderr
    assert sentence.count("\n") == 1, sentence
    assert sentence.startswith("foresight: the local venue does not start: ")
    assert "the disk is on fire" in sentence
    assert "Traceback" not in sentence
