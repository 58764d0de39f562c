"""The venue that a bot starts for itself: kept up while the bot runs, gone when the bot is, however it went."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec
import psutil
import pytest

from feeds.ws_peers import until
from foresight.errors import VenueRefused
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
    assert "it says nothing, see " in asyncio.run(start("--help"))


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
