"""A running bot on a real venue: a save that needs another symbol goes live once that is warm, and not before."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end.program import Running, a_bot, answer, eventually, foresight

pytestmark = pytest.mark.process

AVAX = "binance:AVAXUSDT"
SETTINGS = """
[slots]
assets = ["BTC", "ETH"]
timeframes = ["5m"]

[deploy]
rehearse_min = 1
"""


@pytest.fixture
def venue() -> Iterator[str]:
    """A local venue that serves AVAX beside what the bot trades, five times as fast as the wall's clock."""
    words = ["venue", "--port", "0", "--assets", "BTC,ETH,AVAX", "--timeframes", "5m", "--speed", "5"]
    process = subprocess.Popen(
        [sys.executable, "-m", "foresight", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    return a_bot(tmp_path / "bot", SETTINGS)


@pytest.fixture
def running(bot: Path, venue: str) -> Iterator[Running]:
    with Running("--bot", str(bot), "--venue", venue, "--json") as program:
        eventually(lambda: is_live(bot, "v1") and done(bot) > 4, "the first rounds")
        yield program


def observed(bot: Path, name: str) -> Any:
    return json.loads((bot / "state" / "observed" / f"{name}.json").read_text())


def is_live(bot: Path, release: str) -> bool:
    path = bot / "state" / "observed" / "deploy.json"
    return path.exists() and observed(bot, "deploy")["live"] == release


def done(bot: Path) -> int:
    return int(observed(bot, "presence")["done"])


def topics(bot: Path) -> dict[str, float | None]:
    found: dict[str, float | None] = observed(bot, "feeds")["feeds"]["topics"]
    return found


def connections(bot: Path) -> dict[str, tuple[int, int, int]]:
    """By line: how many stand, and how many were made after one that ended or had to end."""
    lines = [each["line"] for each in observed(bot, "feeds")["feeds"]["lines"]]
    return {line["name"]: (line["connections"], line["reconnects"], line["renewals"]) for line in lines}


def save(bot: Path, *needs: str) -> None:
    """The strategy that ships, which tells among its signals what it sees of AVAX."""
    path = bot / "strategy" / "__init__.py"
    shipped = path.read_text().partition("\nNEEDS = ")[0].rstrip("\n")
    path.write_text(f"{shipped}\n{SEEING.format(needs=needs)}" if needs else f"{shipped}\n")


SEEING = """
NEEDS = {needs!r}
shipped = evaluate


def evaluate(view, state, params):
    import msgspec

    done = shipped(view, state, params)
    avax = view.watch("binance:AVAXUSDT")
    seen = None if avax is None else avax.volatility_over(300)
    return msgspec.structs.replace(done, signals={{**done.signals, "avax_volatility": seen}})
"""


def log(bot: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (bot / "data" / "log.jsonl").read_text().splitlines()]


def said(bot: Path, part: str) -> str:
    """The log's newest sentence with this part, once it is there."""
    return str(eventually(lambda: [line for line in log(bot) if part in line][-1:], part)[0])


def test_saves_that_need_another_symbol(bot: Path, running: Running) -> None:
    before = connections(bot)

    # It goes live when the symbol has a price, with half an hour of history, on the connections that stand.
    save(bot, AVAX)
    eventually(lambda: is_live(bot, "v2"), "v2 to be live")
    events = log(bot)
    assert events.index(f"further topics: {AVAX}") < next(
        place for place, line in enumerate(events) if line.startswith("release v2 ") and "is live" in line
    )
    eventually(lambda: topics(bot).get(AVAX) is not None, "a price of AVAX")
    seen = eventually(lambda: signal_of(bot, "avax_volatility"), "the volatility of AVAX")
    assert seen > 0
    assert connections(bot) == before

    # One that does not exist is refused with the venue's reason, and what runs goes on.
    foresight("keep", "--bot", str(bot))
    save(bot, AVAX, "binance:NOSUCHUSDT")
    sentence = said(bot, "v3 refused")
    why = "binance:NOSUCHUSDT: Binance spot has no symbol NOSUCHUSDT (-1121)"
    assert sentence == f"v3 refused at prepare: {why}; v2 is still running"
    rounds = done(bot)
    eventually(lambda: done(bot) > rounds + 2, "more rounds of v2")
    assert is_live(bot, "v2")
    assert list(topics(bot)) == [AVAX]

    # Another adapter needs another process.
    save(bot, "kraken:AVAXUSD")
    assert "needs handover: there is no adapter for 'kraken:AVAXUSD'" in said(bot, "v4 refused")

    # A release without it goes live, and back: what stands by has kept its topic, so nothing is waited for.
    save(bot)
    eventually(lambda: not is_live(bot, "v2"), "the release without needs")
    assert list(topics(bot)) == [AVAX]
    back = foresight("rollback", "--bot", str(bot))
    assert "v2 is running" in back.stdout
    assert log(bot).count(f"further topics: {AVAX}") == 2, "declared once, and once more when NOSUCH went"
    assert eventually(lambda: signal_of(bot, "avax_volatility"), "v2 to see AVAX at once") > 0

    assert connections(bot) == before
    presence = answer("presence", "--bot", str(bot))
    assert (presence["missed"], presence["blind"]) == (0, 0)
    running.stop()
    found = answer("replay", str(bot / "data" / "record"))
    assert (found["difference"], found["missing"]) == (None, None), "a replay knows the topics at the same place"


@pytest.mark.parametrize(("need", "is_there"), [(AVAX, True), ("binance:NOSUCHUSDT", False)])
def test_a_start_with_a_release_that_needs_another_symbol(bot: Path, venue: str, need: str, is_there: bool) -> None:
    save(bot, need)
    with Running("--bot", str(bot), "--venue", venue, "--json") as program:
        eventually(lambda: is_live(bot, "v1") and observed(bot, "presence")["due"] > 4, "the first rounds")
        before = observed(bot, "presence")
        eventually(lambda: observed(bot, "presence")["due"] > before["due"] + 6, "some more")
        counts = observed(bot, "presence")
        grown = {name: counts[name] - before[name] for name in ("done", "late", "missed", "blind")}
        assert grown["missed"] == 0
        assert (grown["blind"] == 0, grown["done"] + grown["late"] == 0) == (is_there, not is_there)
        missing = [line for line in log(bot) if line.startswith("v1 starts without all that it needs: ")]
        assert len(missing) == (not is_there)
        program.stop()


def signal_of(bot: Path, name: str) -> float | None:
    """Of the first slot that has it now."""
    slots = observed(bot, "status")["slots"]
    return next((value for slot in slots if (value := slot["signals"].get(name)) is not None), None)
