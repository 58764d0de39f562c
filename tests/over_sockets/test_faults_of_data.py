"""Faults of what the venue says: winners that are odd, late or silent, prices to beat that are not heard; markets of
both versions; and feeds that lose frames or credentials while another way brings the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from foresight.effects import FillBooked, SettlementBooked
from foresight.events import Levels, Reference
from foresight.markets import TIMEFRAME_NS
from foresight.record.reading import RunRecord
from foresight.runtime.bot import Bot
from over_sockets.faulty import a_knocking_bot, assert_replays, is_well, switch_on, used_up
from over_sockets.running import Run, run_over_sockets
from over_sockets.venue import a_venue
from storms.bots import a_bot_folder, journal_of

TWO = ("--assets", "BTC,ETH", "--timeframes", "5m")
SPEED = 30.0
"""A window takes ten seconds."""
BUYS = '''"""Wants to buy Up at every look."""

import msgspec

from foresight.strategy import Enter, micros

from . import evaluate as shipped
from .params import Params, State

__all__ = ["Params", "State", "evaluate"]


def evaluate(view, state, params):
    done = shipped.evaluate(view, state, params)
    ask = view.up.ask
    wanted = None if ask is None else Enter("UP", micros(min(ask + view.tick, 1 - view.tick)), 1_000_000)
    return msgspec.structs.replace(done, verdicts=(), proposal=wanted)
'''
Entry = TypeVar("Entry", FillBooked, SettlementBooked)


def a_buying_bot(home: Path, **changes: dict[str, object]) -> Path:
    slots: dict[str, object] = {"assets": ["BTC", "ETH"], "timeframes": ["5m"]}
    folder = a_bot_folder(home, slots=slots, risk={"loss_streak_max": 1_000}, **changes)
    (folder / "strategy" / "__init__.py").write_text(BUYS)
    return folder


def entries(bot: Bot, kind: type[Entry]) -> Iterator[Entry]:
    return (record.entry for record in journal_of(bot) if isinstance(record.entry, kind))


def held(run: Run, slot: str, *, but: str = "") -> str:
    """The market of this slot's open window in which there is a position, when it is another one than `but`."""
    found = [each for each in run.bot.report().positions if each.slot == slot and each.state == "open"]
    return next((each.market for each in found if each.market != but), "")


def position(run: Run, market: str) -> str:
    """What the position in a market says of itself; empty when there is none."""
    return next((each.state for each in run.bot.report().positions if each.market == market), "")


def averages(bot: Bot, market: str, asset: str) -> tuple[float, float]:
    """What the oracle said at the start and at the end of a window, as the bot heard it."""
    events = RunRecord(bot.folder.data / "record" / bot.run.name).events()
    heard = {
        event.stamped_ns: event.price
        for _, event in events
        if isinstance(event, Reference) and event.asset == asset and event.kind == "twap60"
    }
    start_ns = int(market.rsplit("-", 1)[1]) * 1_000_000_000
    return heard[start_ns], heard[start_ns + TIMEFRAME_NS["5m"]]


@pytest.mark.process
def test_odd_late_and_silent_winners_settle_by_the_venue_and_by_whoever_tells(tmp_path: Path) -> None:
    """A tie in one window, of the next nobody but the Data API tells, and the winner of the third contradicts the
    oracle. Meanwhile the other slot's first window is resolved ten minutes late. The third is not the second, because a
    tie alters the average with which the second begins."""
    markets: dict[str, str] = {}

    async def hold(run: Run, name: str, slot: str) -> str:
        before = markets.get(slot, "")
        await run.until(lambda: bool(held(run, slot, but=before)), 30)
        markets[name] = markets[slot] = held(run, slot, but=before)
        return markets[name]

    async def work(run: Run) -> None:
        for slot in ("btc-5m", "eth-5m"):
            await hold(run, "the one that the bot came into", slot)  # its beginning has not been heard
        late, tied = await hold(run, "late", "eth-5m"), await hold(run, "tie", "btc-5m")
        await switch_on(run, "late_resolution", {"target": late}, {"delay_s": 600.0})
        await switch_on(run, "tie", {"target": tied}, {})
        silent = await hold(run, "silent", "btc-5m")
        await run.until(lambda: position(run, tied) == "")
        assert position(run, late) == "awaiting resolution"
        for fault, target in (("stall", "market_resolved"), ("stale_gamma", silent), ("metadata_missing", silent)):
            await switch_on(run, fault, {"target": target}, {})
        contrary = await hold(run, "contrary", "btc-5m")
        await switch_on(run, "contrary_winner", {"target": contrary}, {})
        await run.until(lambda: position(run, silent) == "", 30)
        assert position(run, late) == "awaiting resolution"
        await run.ask("/control/faults?name=stall", method="DELETE")
        await run.until(lambda: position(run, contrary) == "", 30)
        await run.until(lambda: position(run, late) == "", 40)
        assert not run.feeds.problems()

    with a_venue(tmp_path / "venue", "--speed", str(SPEED), *TWO) as venue:
        bot = run_over_sockets(a_buying_bot(tmp_path), venue, work)
    settled = {entry.market_id: entry for entry in entries(bot, SettlementBooked)}
    tie, contrary, silent, late = (settled[markets[name]] for name in ("tie", "contrary", "silent", "late"))
    opened, closed = averages(bot, tie.market_id, "BTC")
    assert opened == closed
    assert (tie.winner, tie.source) == ("UP", "polymarket:market_resolved")
    opened, closed = averages(bot, contrary.market_id, "BTC")
    assert contrary.winner == ("DOWN" if closed >= opened else "UP"), "the venue's word counts, and not the oracle's"
    assert contrary.source == "polymarket:market_resolved"
    assert silent.source == "polymarket:data_api"
    assert late.source.startswith("polymarket:")
    assert_replays(bot)


@pytest.mark.process
def test_winners_are_asked_of_the_data_api_where_gamma_fails(tmp_path: Path) -> None:
    silent: list[str] = []

    async def work(run: Run) -> None:
        await run.until(lambda: bool(held(run, "btc-5m")))
        market = held(run, "btc-5m")
        silent.append(market)
        await switch_on(run, "stall", {"target": "market_resolved"}, {})
        await switch_on(run, "http_500", {"target": "gamma"}, {})
        await run.until(lambda: position(run, market) == "", 30)
        await run.ask("/control/faults", method="DELETE")
        await run.until(lambda: is_well(run))

    with a_venue(tmp_path / "venue", "--speed", str(SPEED), *TWO) as venue:
        bot = run_over_sockets(a_buying_bot(tmp_path), venue, work)
    sources = {entry.market_id: entry.source for entry in entries(bot, SettlementBooked)}
    assert sources[silent[0]] == "polymarket:data_api"


@pytest.mark.process
@pytest.mark.parametrize(("version", "windows"), [("v2", 1), ("mixed", 2)])
def test_markets_of_either_version_are_traded_and_settled(tmp_path: Path, version: str, windows: int) -> None:
    async def work(run: Run) -> None:
        for _ in range(windows):
            await run.until(lambda: bool(held(run, "btc-5m")), 30)
            market = held(run, "btc-5m")
            await run.until(lambda market=market: position(run, market) == "", 30)
        assert is_well(run)
        sides = any("versions v1 and v2" in sentence for sentence in run.told())
        assert sides == (version == "mixed")

    with a_venue(tmp_path / "venue", "--speed", str(SPEED), "--version", version, *TWO) as venue:
        bot = run_over_sockets(a_buying_bot(tmp_path), venue, work)
    filled = {entry.market_id for entry in entries(bot, FillBooked)}
    settled = {entry.market_id for entry in entries(bot, SettlementBooked)}
    assert settled <= filled
    assert len(settled) >= windows
    assert_replays(bot)


@pytest.mark.process
def test_of_two_strands_one_may_lose_frames_and_nothing_is_lost(tmp_path: Path) -> None:
    heard: dict[int, list[bytes]] = {}
    between_ms: list[int] = []  # what was sent then has arrived on both, unless it was lost

    async def work(run: Run) -> None:
        line = next(each for each in run.feeds.lines if each.channel.name == "clob")
        await run.until(lambda: len(line.connections) == 2 and all(each.is_warm for each in line.connections))
        for connection in line.connections:
            listen(connection, heard.setdefault(connection.number, []))
        between_ms.append(run.clock.now_ns() // 1_000_000)
        for _ in range(5):
            await switch_on(run, "drop_delta", {}, {})
            await used_up(run)
            await run.rounds(0.2)
        between_ms.append(run.clock.now_ns() // 1_000_000)
        await run.rounds(1)
        assert run.feeds.health().books_by_rest == 0
        assert is_well(run)

    folder = a_knocking_bot(tmp_path, venue={"redundant": True})
    with a_venue(tmp_path / "venue", "--speed", "5", "--assets", "BTC,ETH,HYPE", "--timeframes", "5m") as venue:
        bot = run_over_sockets(folder, venue, work)
    begun_ms, ended_ms = between_ms
    first, second = ({frame for frame in frames if begun_ms < stamp_of(frame) < ended_ms} for frames in heard.values())
    assert len(first ^ second) == 5
    events = RunRecord(bot.folder.data / "record" / bot.run.name).events()
    taken = {event.stamped_ns // 1_000_000 for _, event in events if isinstance(event, Levels)}
    assert {stamp_of(frame) for frame in first | second} <= taken
    assert all(slot.presence.missed == slot.presence.blind == 0 for slot in bot.report().slots)
    assert_replays(bot)


def stamp_of(frame: bytes) -> int:
    return int(msgspec.json.decode(frame)["timestamp"])


def listen(connection, frames: list[bytes]) -> None:
    """Keeps a copy of every change that a connection brings, before it is taken."""
    take = connection._on_frame

    def took(connection, frame: bytes) -> None:
        if b'"price_change"' in frame:
            frames.append(frame)
        take(connection, frame)

    connection._on_frame = took


@pytest.mark.process
def test_a_bot_that_joins_late_without_polybolt_has_the_websites_open_and_then_that_of_rtds(tmp_path: Path) -> None:
    """Binance refuses history too: volatility warms up while the bot runs."""
    sources: list[str | None] = []

    def source(run: Run) -> str | None:
        return run.bot.report().slots[0].reference_source

    async def work(run: Run) -> None:
        states = {each.line.name: each.line.state for each in run.feeds.health().lines}
        assert states.pop("polybolt") == "given up"
        assert set(states.values()) == {"open"}
        for wanted in ("website_ptb", "rtds:chainlink"):
            await run.until(lambda wanted=wanted: source(run) == wanted)
            sources.append(source(run))
        await run.until(lambda: set(run.states().values()) == {"open"})
        assert any("polybolt is given up" in sentence for sentence in run.told())

    folder = a_buying_bot(tmp_path, venue={"rtds": True})
    with a_venue(tmp_path / "venue", "--speed", "10", *TWO) as venue:
        for fault, asked in (
            ("auth", {"parameters": {"code": "auth_invalid"}}),
            ("http_418", {"target": "/api/v3/klines"}),
        ):
            venue.ask("/control/faults", method="POST", body={"name": fault, **asked})
        bot = run_over_sockets(folder, venue, work)
    assert sources == ["website_ptb", "rtds:chainlink"]
    assert_replays(bot)


@pytest.mark.process
def test_where_the_oracle_does_not_tell_a_windows_first_second_the_website_does(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        await switch_on(run, "missing_boundary", {}, {})
        market = run.bot.report().slots[0].market
        await run.until(lambda: run.bot.report().slots[0].market not in (market, None))
        await run.until(lambda: {slot.reference_source for slot in run.bot.report().slots} == {"website_ptb"})
        await run.ask("/control/faults", method="DELETE")
        market = run.bot.report().slots[0].market
        await run.until(lambda: run.bot.report().slots[0].market not in (market, None))
        await run.until(lambda: {slot.reference_source for slot in run.bot.report().slots} == {"polybolt:chainlink"})

    with a_venue(tmp_path / "venue", "--speed", str(SPEED), *TWO) as venue:
        run_over_sockets(a_buying_bot(tmp_path), venue, work)
