"""`foresight venue` as a process: what it prints, how it ends, and that it goes on where it was."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from typer.testing import CliRunner
from venue_process import VenueProcess

from builders import NOON_NS
from end_to_end.program import eventually
from foresight.cli.app import app_for
from foresight.errors import VenueRefused
from foresight.markets import SECOND_NS
from foresight.runtime.clock import PacedClock, monotonic_ns, wall_ns
from foresight.venue import VenueSettings
from foresight.venue.process import VenueAsked, _asked_standing, _before, settings_of, with_usual_place
from foresight.venue.standing import Instant, Standing, usual_place, write_standing

pytestmark = pytest.mark.process
QUARTER_DAY_NS = 6 * 3_600 * SECOND_NS
DAY_NS = 4 * QUARTER_DAY_NS
SMALL = ("--assets", "BTC", "--seed", "7")


def test_it_prints_one_line_of_json_and_its_time_is_everybodys() -> None:
    with VenueProcess(*SMALL, "--speed", "2") as venue:
        greeting, clock = venue.greeting, venue.get("/control/clock")
        assert list(greeting) == ["url", "port", "pid", "start_ns", "speed", "origin", "name"]
        assert (greeting["pid"], greeting["origin"], greeting["speed"]) == (venue.process.pid, "simulated", 2.0)
        assert greeting["name"] == clock["name"] == "simulated seed 7"
        assert (clock["start_ns"], clock["venue_ns"]) == (greeting["start_ns"], greeting["start_ns"])
        assert clock["slots"] == [["BTC", "5m"], ["BTC", "15m"]]
        here = PacedClock.at_anchor(clock["monotonic_ns"], clock["venue_ns"], clock["speed"])
        before_ns = here.now_ns()
        there_ns = venue.get("/control/status")["now_ns"]
        assert before_ns <= there_ns <= here.now_ns()
        _, _, printed = venue.stop()
        assert printed == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_a_second_and_sockets_get_1001(number: signal.Signals) -> None:
    async def follow(venue: VenueProcess) -> list[Any]:
        codes = []
        async with aiohttp.ClientSession() as session:
            sockets = [
                await session.ws_connect(venue.url.replace("http", "ws") + path)
                for path in ("/ws/market", "/ws/rt", "/ws/btcusdt@bookTicker", "/ws/rtds")
            ]
            venue.process.send_signal(number)
            for socket in sockets:
                async for _ in socket:
                    pass
                codes.append(socket.close_code)
        return codes

    with VenueProcess(*SMALL) as venue:
        assert asyncio.run(follow(venue)) == [1001] * 4
        assert venue.process.wait(timeout=10) == 0

    with VenueProcess(*SMALL) as venue:
        code, took_s, _ = venue.stop(number)
        assert code == 0
        assert took_s < 1.5  # a second, and the interpreter's own end


def test_it_ends_when_its_stdin_ends() -> None:
    with VenueProcess(*SMALL, "--until-stdin-ends", stdin=subprocess.PIPE) as venue:
        assert venue.get("/ok") == "OK"
        assert venue.process.stdin is not None
        venue.process.stdin.close()
        assert venue.process.wait(timeout=20) == 0
        venue.process.stdin = None


def test_it_ends_after_the_time_it_was_given() -> None:
    with VenueProcess(*SMALL, "--speed", "100", "--for", "30s") as venue:
        assert venue.process.wait(timeout=20) == 0


def test_a_venue_that_is_started_again_goes_on_at_the_same_place(tmp_path: Path) -> None:
    words = (*SMALL, "--speed", "50", "--state", str(tmp_path / "state" / "venue.json"))
    with VenueProcess(*words) as first:
        slug = first.slug(timeframe="5m", ahead=1)
        row = eventually(lambda: _closed(first, slug), "a resolution")
        klines = first.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=5")[:4]
        before = first.get("/control/status")["now_ns"], monotonic_ns(), first.greeting["port"]
        first.stop()
    with VenueProcess(*words) as second:
        now_ns = second.get("/control/status")["now_ns"]
        passed_ns = (monotonic_ns() - before[1]) * 50
        assert abs(now_ns - before[0] - passed_ns) < 50 * 0.5e9
        assert second.greeting["port"] == before[2]
        assert second.greeting["start_ns"] > first.greeting["start_ns"]
        again = eventually(lambda: _closed(second, slug), "the same resolution")
        assert {key: again[key] for key in KEPT} == {key: row[key] for key in KEPT}
        window = f"&startTime={klines[0][0]}&limit=4"
        assert second.get("/api/v3/klines?symbol=BTCUSDT&interval=1m" + window) == klines
        book = second.get(f"/book?token_id={_tokens(second)[0]}")
        assert book["bids"] or book["asks"]


KEPT = ("conditionId", "clobTokenIds", "outcomePrices", "closedTime")


def _closed(venue: VenueProcess, slug: str) -> Any:
    row = venue.get(f"/gamma/markets/slug/{slug}")
    return row if isinstance(row, dict) and row["closed"] else None


def _tokens(venue: VenueProcess) -> list[str]:
    tokens: list[str] = json.loads(venue.get(f"/gamma/markets/slug/{venue.slug()}")["clobTokenIds"])
    return tokens


def test_the_state_of_another_market_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "venue.json"
    with VenueProcess(*SMALL, "--state", str(file)) as venue:
        venue.stop()
    before = file.read_bytes()
    found = _venue("--assets", "BTC", "--seed", "8", "--state", str(file))
    assert found.returncode == 1
    assert "seed 7" in found.stderr
    assert "nothing was started" in found.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{}", "not json"])
def test_a_state_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "venue.json"
    file.write_text(text)
    found = _venue(*SMALL, "--state", str(file))
    assert (found.returncode, file.read_text()) == (1, text)
    assert "no venue's state" in found.stderr


def test_a_venue_that_was_away_for_long_goes_on_in_its_own_time(tmp_path: Path) -> None:
    file = tmp_path / "venue.json"
    words = (*SMALL, "--state", str(file))
    with VenueProcess(*words) as venue:
        venue.stop()
    first = _standing(file)
    _write(file, msgspec.structs.replace(first, wall_ns=first.wall_ns - 8 * DAY_NS, boot=""))
    with VenueProcess(*words) as venue:
        assert abs(venue.greeting["start_ns"] - first.venue_ns - 8 * DAY_NS) < 60 * SECOND_NS
        slug = venue.slug(timeframe="5m", ahead=-2)
        row = eventually(lambda: _closed(venue, slug), "a winner")
        assert _two_sided(venue, _tokens(venue)[0])
        venue.stop()
    with VenueProcess(*words) as venue:
        again = eventually(lambda: _closed(venue, slug), "the same winner")
        assert {key: again[key] for key in KEPT} == {key: row[key] for key in KEPT}


@pytest.mark.parametrize("is_blocked", [False, True])
def test_a_venue_that_runs_writes_its_market_down_and_serves_on_when_it_cannot(
    tmp_path: Path, is_blocked: bool
) -> None:
    file = tmp_path / "venue.json"
    words = (*SMALL, "--speed", "10", "--state", str(file))
    with VenueProcess(*words) as venue:
        venue.stop()
    first = _standing(file)
    kept_ns = first.venue_ns // QUARTER_DAY_NS * QUARTER_DAY_NS + QUARTER_DAY_NS + 120 * SECOND_NS
    _write(file, msgspec.structs.replace(first, venue_ns=kept_ns - 60 * SECOND_NS, wall_ns=wall_ns(), boot=""))
    with VenueProcess(*words) as venue:
        before = file.read_bytes()
        if is_blocked:
            (tmp_path / "venue.json.new").mkdir()
        eventually(lambda: venue.get("/control/status")["now_ns"] > kept_ns + SECOND_NS, "the instant")
        assert venue.get("/ok") == "OK"
        if is_blocked:
            assert file.read_bytes() == before
        else:
            assert _standing(file).kept[-1].second * SECOND_NS == kept_ns


def _standing(file: Path) -> Standing:
    return msgspec.json.decode(file.read_bytes(), type=Standing)


def _write(file: Path, standing: Standing) -> None:
    file.write_bytes(msgspec.json.encode(standing))


def test_a_venue_of_a_certain_port_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = (*SMALL, "--timeframes", "5m", "--speed", "50", "--port", str(port))
    with VenueProcess(*words) as venue:
        first_ns = venue.greeting["start_ns"]
        venue.stop()
    file = usual_place(port)
    before = _standing(file)
    _write(file, msgspec.structs.replace(before, monotonic_ns=before.monotonic_ns - 60 * SECOND_NS))
    with VenueProcess(*words) as venue:
        assert 3_000 * SECOND_NS <= venue.greeting["start_ns"] - first_ns < 6_000 * SECOND_NS
        venue.stop()


def asked_for(state: Path | None, *, port: int = 8170, seed: int = 7, fresh: bool = False) -> VenueAsked:
    return VenueAsked(seed=seed, slots=(("BTC", "5m"),), port=port, state=state, is_fresh=fresh)


def test_a_venue_is_told_what_was_asked_for() -> None:
    asked = msgspec.structs.replace(asked_for(None), accepts_after_s=0.5, ticks_change=False, speed=4.0)
    told = settings_of(asked)
    assert (told.accepts_after_ns, told.ticks_change, told.flicker) == (SECOND_NS // 2, False, 0.25)
    assert settings_of(asked_for(None)) == VenueSettings(flicker=1.0, flicker_seed=7)


def test_only_a_simulated_venue_of_a_certain_port_has_a_usual_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert with_usual_place(asked_for(None)).state == tmp_path / "foresight" / "venue-8170.json"
    for asked in (
        asked_for(tmp_path / "own.json"),
        asked_for(None, port=0),
        msgspec.structs.replace(asked_for(None), recording=tmp_path),
    ):
        assert with_usual_place(asked) is asked


@pytest.mark.parametrize("text", ["another market", "{}", "not json"])
def test_what_is_kept_at_the_usual_place_never_keeps_a_venue_from_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    asked = with_usual_place(asked_for(None))
    assert asked.state is not None
    standing = msgspec.structs.replace(_asked_standing(asked), venue_ns=DAY_NS)
    write_standing(asked.state, standing)
    assert _before(asked) == standing
    assert _before(msgspec.structs.replace(asked, is_fresh=True)) is None
    if text == "another market":
        _write(asked.state, msgspec.structs.replace(standing, seed=8))
    else:
        asked.state.write_text(text)
    assert _before(asked) is None
    with pytest.raises(VenueRefused):
        _before(msgspec.structs.replace(asked, may_begin_anew=False))


@pytest.mark.parametrize(
    ("now", "passed_s"),
    [
        (
            Instant(NOON_NS + 90 * SECOND_NS, 30 * SECOND_NS, "this"),
            20,
        ),  # it slept meanwhile, and the bot's clock stood
        (Instant(NOON_NS - 90 * SECOND_NS, 30 * SECOND_NS, "this"), 20),  # the wall clock was put back
        (Instant(NOON_NS + 90 * SECOND_NS, 30 * SECOND_NS, "next"), 90),
        (Instant(NOON_NS + 90 * SECOND_NS, 3 * SECOND_NS, "this"), 90),  # no clock of this boot says that
        (Instant(NOON_NS + 90 * SECOND_NS, 30 * SECOND_NS, ""), 90),
        (Instant(NOON_NS - 90 * SECOND_NS, 30 * SECOND_NS, "next"), 0),
    ],
)
def test_time_that_passed_between_two_lives_is_that_of_the_bots_clock(now: Instant, passed_s: int) -> None:
    standing = msgspec.structs.replace(
        _asked_standing(asked_for(None)), wall_ns=NOON_NS, monotonic_ns=10 * SECOND_NS, boot="this", venue_ns=DAY_NS
    )
    assert standing.venue_at(now) - DAY_NS == passed_s * SECOND_NS
    unknown = msgspec.structs.replace(standing, boot="")
    assert unknown.venue_at(now) - DAY_NS == max(now.wall_ns - NOON_NS, 0)


def test_a_host_that_is_not_loopback_is_refused() -> None:
    found = _venue("--host", "0.0.0.0")
    assert (found.returncode, found.stdout) == (1, "")
    assert "not loopback" in found.stderr


def test_a_port_that_is_taken_is_refused() -> None:
    with VenueProcess(*SMALL) as venue:
        found = _venue(*SMALL, "--port", str(venue.greeting["port"]))
        assert found.returncode == 1
        assert "cannot be listened on" in found.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--version", "v3"), "'v3' is none of v1, v2, mixed"),
        (("--source", "x"), "give --recording DIR with it"),
        (("--speed", "0"), "'--speed'"),
        (("--speed", "nan"), "'--speed'"),
        (("--seed", str(2**63)), "'--seed'"),
        (("--assets", ""), "a market needs an asset, such as BTC"),
        (("--assets", "BTC,../x"), "'../X' is no asset"),
        (("--timeframes", " , "), "a market needs a timeframe, such as 5m"),
        (("--timeframes", "5m,1h"), "'1h' is no timeframe; there are 5m, 15m"),
        (("--for", "1y"), "'1y' is not a time"),
        (("--accepts-after", "-1"), "'--accepts-after'"),
        (("--accepts-after", "inf"), "'--accepts-after'"),
    ],
)
def test_a_wrong_option_is_a_usage_error(words: tuple[str, ...], says: str) -> None:
    found = CliRunner().invoke(app_for(["venue"]), ["venue", "--port", "0", *words], terminal_width=200)
    assert (found.exit_code, found.stdout) == (2, "")
    assert says in " ".join(found.stderr.replace("│", " ").split())
    assert isinstance(found.exception, SystemExit)  # and no traceback of anything else


def test_a_usage_error_of_the_command_is_a_sentence() -> None:
    found = _venue("--timeframes", "1h")
    assert (found.returncode, found.stdout) == (2, "")
    assert "no timeframe" in found.stderr
    assert "Traceback" not in found.stderr


def _venue(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "foresight", "venue", *words],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


DATA = Path(os.environ.get("FORESIGHT_RECORDINGS") or Path(__file__).parents[2].parent / "shared" / "data")


@pytest.mark.recordings
@pytest.mark.skipif(
    not (DATA / "polymarket").exists(),
    reason=f"the real recordings are not in {DATA} (set FORESIGHT_RECORDINGS): that they are served is not proved",
)
def test_a_recording_is_served_in_its_own_time() -> None:
    words = ("--recording", str(DATA / "polymarket"), "--source", "borisz42", "--speed", "100")
    with VenueProcess(*words) as venue:
        assert venue.greeting["origin"] == "recorded"
        (slot,) = venue.get("/control/clock")["slots"]
        assert slot == ["BTC", "15m"]
        rows = eventually(lambda: venue.get("/gamma/markets?limit=5"), "a listed market")
        tokens = json.loads(rows[0]["clobTokenIds"])
        book = eventually(lambda: _two_sided(venue, tokens[0]), "a book")
        assert float(book["bids"][-1]["price"]) < float(book["asks"][-1]["price"])


def _two_sided(venue: VenueProcess, token: str) -> Any:
    book = venue.get(f"/book?token_id={token}")
    return book if isinstance(book, dict) and book["bids"] and book["asks"] else None
