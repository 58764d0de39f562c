"""Faults of WebSockets under a running bot: what each leads to, and that all is well within seconds afterwards."""

from pathlib import Path

import msgspec
import pytest

from foresight.feeds import line
from foresight.runtime.bot import Bot
from foresight.venue.faults import GARBAGE
from foresight.wire.binance import AggTrade, BinanceMessage
from over_sockets.faulty import (
    ALL,
    ASSETS,
    SPEED,
    Case,
    a_knocking_bot,
    assert_replays,
    orders_on_old_data,
    refused_as_stale,
    switch_on,
    try_each,
)
from over_sockets.running import Run, Work, run_over_sockets
from over_sockets.venue import a_venue

SILENCE_S = 5.0
"""Binance's own limit, for every channel: those of the market channel (10 s) and of PolyBolt (15 s) would only make the
tests longer."""
UNDERLYING = "blind: underlying"


def closed(target: str, code: int) -> Case:
    """The connection of a line is closed with this code, and made anew."""
    return Case(
        fault="close",
        asked={"target": target},
        parameters={"code": code},
        reconnects={target: 1},
        heals_itself=True,
    )


BINANCE = (
    Case(fault="duplicate", asked={"target": "binance"}, duplicates=frozenset({"binance"})),
    Case(fault="out_of_order", asked={"target": "btcusdt@bookTicker"}, duplicates=frozenset({"binance"})),
    Case(fault="ping_often", parameters={"every_s": 0.3}, rounds=2.5),
    Case(
        fault="deaf_to_pongs",
        asked={"target": "binance", "seconds": 1.6},
        beside=(
            Case(
                fault="ping_often",
                asked={"target": "binance", "seconds": 1.6},
                parameters={"every_s": 0.5, "within_s": 1.0},
            ),
        ),
        reconnects={"binance": 1},
        heals_itself=True,
    ),
    *(closed("binance", code) for code in (1000, 1001, 1006, 1008, 1011, 1012)),
    Case(
        fault="day_close",
        reconnects=dict.fromkeys(("binance", "binance futures book", "binance futures trades"), 1),
        heals_itself=True,
    ),
    Case(
        fault="stall",
        asked={"target": "binance", "seconds": 6},
        blind={"btc-5m": UNDERLYING, "eth-5m": UNDERLYING},
        renewals={"binance": 1},
        heals_itself=True,
    ),
    Case(
        fault="pong_only",
        asked={"target": "binance_futures", "seconds": 6},
        blind={"hype-5m": UNDERLYING},
        renewals={"binance futures book": 1, "binance futures trades": 1},
        heals_itself=True,
    ),
    Case(fault="silent_underlying", asked={"target": "BTC"}, blind={"btc-5m": UNDERLYING}),
)


SHUTDOWN = Case(
    fault="server_shutdown",
    parameters={"after_s": 3.0},
    renewals=dict.fromkeys(("binance", "binance futures book", "binance futures trades"), 1),
    heals_itself=True,
    rounds=4,
)
DRAINING = closed("polybolt", 4003)
"""The venue asks for a random pause of up to ten seconds; the limit of the oracle's age is 24 of them here."""
HOSTILE = {
    "binance": {"binance/not-json": 3, "binance/bad-shape": 2, "binance/unknown-event/none": 4},
    "clob": {
        "clob/not-json": 3,
        "clob/bad-shape": 1,
        "clob/too-deep": 1,
        "clob/bad-size": 1,
        "clob/bad-price": 1,
        "clob/bad-change": 1,
        f"clob/unknown-event/{'x' * 32}": 1,
    },
    "polybolt": {"polybolt/not-json": 3, "polybolt/bad-shape": 2, "polybolt/unknown-op/none": 4},
}
"""What the nine kinds of hostile frames are counted as, on each channel."""
REFERENCE = "blind: reference"
CLOB = (
    Case(fault="duplicate", asked={"target": "clob"}),
    Case(fault="out_of_order", asked={"target": "clob"}),
    Case(fault="reshape"),
    Case(
        fault="drop_delta",
        asked={"target": "btc-5m", "count": 1_000},
        beside=(Case(fault="stall", asked={"target": "book"}),),
        may_be_blind=frozenset({"btc-5m"}),
        books_by_rest=True,
    ),
    *(closed("clob", code) for code in (1000, 1001, 1006)),
    Case(
        fault="refuse_connections",
        parameters={"for_s": 2.0},
        beside=(Case(fault="close", asked={"target": "clob"}),),
        says="clob is down",
        reconnects={"clob": 1},
        heals_itself=True,
        rounds=4,
    ),
    Case(
        fault="no_initial_book",
        beside=(Case(fault="close", asked={"target": "clob"}),),
        may_be_blind=ALL,
        reconnects={"clob": 1},
        books_by_rest=True,
        rounds=4,
    ),
    Case(
        fault="stall",
        asked={"target": "clob", "seconds": 6},
        may_be_blind=ALL,
        renewals={"clob": 1},
        books_by_rest=True,
        heals_itself=True,
    ),
    Case(fault="tick_change", asked={"target": "btc-5m"}, heals_itself=True),
)
ORACLE = (
    Case(fault="duplicate", asked={"target": "polybolt"}, duplicates=frozenset({"polybolt"})),
    Case(fault="lost_frames", says="polybolt has dropped 3 frames", heals_itself=True),
    Case(fault="silent_reference", asked={"target": "BTC"}, blind={"btc-5m": REFERENCE}),
    *(closed("polybolt", code) for code in (4002, 1006)),
    Case(
        fault="empty_snapshot",
        beside=(Case(fault="close", asked={"target": "polybolt"}),),
        reconnects={"polybolt": 1},
    ),
    Case(
        fault="auth",
        beside=(Case(fault="close", asked={"target": "polybolt"}),),
        reconnects={"polybolt": 1},
        says="polybolt refuses: auth_unavailable",
        rounds=0.2,
    ),
)


def hostile(target: str) -> Case:
    """Every kind of hostile frame on one channel."""
    first, *others = (
        Case(fault="garbage", asked={"target": target}, parameters={"kind": kind}, rejects=HOSTILE[target])
        for kind in GARBAGE
    )
    return msgspec.structs.replace(first, beside=tuple(others))


async def nothing_more(run: Run) -> None:
    """What is done after the last case: nothing."""


def a_run(home: Path, cases: tuple[Case, ...], then: Work = nothing_more, **changes: dict[str, object]) -> Bot:
    async def work(run: Run) -> None:
        for each in run.feeds.lines:
            each.channel.silence_s = min(each.channel.silence_s, SILENCE_S)
        await try_each(run, cases)
        await then(run)

    with a_venue(home / "venue", "--speed", str(SPEED), *ASSETS) as venue:
        bot = run_over_sockets(a_knocking_bot(home, **changes), venue, work)
    assert orders_on_old_data(bot) == []
    assert_replays(bot)
    return bot


async def is_told_to_go(run: Run, code: int, meanwhile: str = "open") -> None:
    """PolyBolt does not want us any more: it is given up and told, and after a pause it is tried again, with no new
    start. Nothing is missed."""
    before = run.presence()
    await switch_on(run, "close", {"target": "polybolt"}, {"code": code})
    await run.until(lambda: run.line("polybolt").line.state == "given up")
    frames = run.line("polybolt").line.frames
    assert any(f"polybolt is given up: closed {code}" in sentence for sentence in run.told())
    assert any("polybolt is given up" in problem for problem in run.feeds.problems())
    await run.rounds(2)
    assert run.line("polybolt").line.frames == frames
    await run.until(lambda: set(run.states().values()) == {meanwhile})
    await run.until(lambda: run.line("polybolt").line.state == "open")
    await run.until(lambda: run.line("polybolt").line.frames > frames)
    assert not any("polybolt" in problem for problem in run.feeds.problems())
    await run.until(lambda: set(run.states().values()) == {"open"})
    assert [missed for _, missed, _ in run.presence().values()] == [missed for _, missed, _ in before.values()]


async def announced_end(run: Run) -> None:
    """Binance says that it will close: another connection is heard before that, and no trade is lost."""
    line = next(each for each in run.feeds.lines if each.channel.name == "binance")
    ids: set[int] = set()
    decode = line.channel._decoder.decode

    def listen(frame: bytes) -> BinanceMessage | None:
        message = decode(frame)
        if isinstance(message, AggTrade) and message.symbol == "BTCUSDT":
            ids.add(message.trade_id)
        return message

    line.channel._decoder.decode = listen
    await try_each(run, (SHUTDOWN,))
    assert len(ids) > 10
    assert len(ids) == max(ids) - min(ids) + 1


@pytest.mark.process
def test_faults_of_the_exchange(tmp_path: Path) -> None:
    bot = a_run(tmp_path, BINANCE, announced_end)
    assert refused_as_stale(bot) == {"btc-5m", "eth-5m", "hype-5m"}


@pytest.mark.process
def test_faults_of_the_market_channel(tmp_path: Path) -> None:
    limits: dict[str, dict[str, object]] = {"staleness": {"book_s": 40}, "risk": {"book_age_max_s": 30}}
    bot = a_run(tmp_path, CLOB, **limits)
    lost = {each.slot for each in bot.report().slots if each.presence.blind}
    assert refused_as_stale(bot) <= lost, (
        "books that are read keep every slot seeing, but for the moment until they are"
    )


@pytest.mark.process
def test_faults_of_the_oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "AWAY_FIRST_S", 8.0)  # past the limit of the data's age
    limits: dict[str, dict[str, object]] = {"staleness": {"reference_s": 30}, "risk": {"reference_age_max_s": 25}}

    bot = a_run(tmp_path, ORACLE, lambda run: is_told_to_go(run, 4001, meanwhile=REFERENCE), **limits)
    assert refused_as_stale(bot) == {"btc-5m", "eth-5m", "hype-5m"}


@pytest.mark.process
def test_hostile_frames_are_counted_and_kept_and_change_nothing(tmp_path: Path) -> None:
    bot = a_run(tmp_path, (*map(hostile, HOSTILE), DRAINING), lambda run: is_told_to_go(run, 4008))
    kept = {path.stem for path in (bot.folder.data / "rejects").iterdir()}
    assert kept == {why.replace("/", "_") for kinds in HOSTILE.values() for why in kinds}
    assert refused_as_stale(bot) == set()
