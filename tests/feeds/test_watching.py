"""Further topics over real sockets: a local venue on loopback, and the feeds of a bot of two slots."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest

from feeds.ws_peers import until
from foresight.cli.sockets import LOCAL_CREDENTIALS
from foresight.events import Spot
from foresight.feeds import watching
from foresight.feeds.endpoints import local
from foresight.feeds.feeds import Feeds, Plan
from foresight.feeds.line import Line
from foresight.markets import SECOND_NS
from foresight.runtime.clock import PacedClock
from foresight.runtime.live_market import join, make_feeds
from foresight.sources.simulated import SimulatedMarket
from foresight.venue.faults import Asked
from foresight.venue.server import VenueServer
from foresight.venue.settings import VenueSettings

AVAX = "binance:AVAXUSDT"
AVAX_FUTURES = "binance-futures:AVAXUSDT"
WAIT_S = 20.0
SPEED = 5.0

Work = Callable[[Feeds, VenueServer], Awaitable[None]]


class Told:
    """What `done` was told."""

    def __init__(self) -> None:
        self.words: list[str | None] = []

    def __call__(self, problem: str | None) -> None:
        self.words.append(problem)


def over_sockets(folder: Path, work: Work, *, assets: Iterable[str] = ("BTC", "ETH")) -> None:
    """Runs `work` with the warm feeds of these assets' slots, and a venue that has AVAX as well."""

    async def run() -> None:
        market = SimulatedMarket(7, tuple((asset, "5m") for asset in ("BTC", "ETH", "HYPE", "AVAX")))
        server = VenueServer(market, VenueSettings(), lambda: PacedClock(market.start_ns, SPEED))
        await server.start()
        plan = Plan(
            slots=tuple((asset, "5m") for asset in assets),
            endpoints=local(server.url),
            credentials=lambda: LOCAL_CREDENTIALS,
            has_website=False,
        )
        async with asyncio.TaskGroup() as group:
            venue = group.create_task(server.run(), name="venue")
            feeds = await make_feeds(plan, await join(plan.endpoints), folder, lambda _sentence: None)
            running = group.create_task(feeds.run(), name="feeds")
            assert await feeds.warm(WAIT_S) == []
            await work(feeds, server)
            running.cancel()
            await asyncio.wait((running,))
            server.desk.stop.set()
            await venue

    asyncio.run(run())


async def watched(feeds: Feeds, *names: str) -> str | None:
    """Follows these, and returns what was said to it."""
    told = Told()
    feeds.watch(names, told)
    await until(lambda: told.words)
    assert len(told.words) == 1
    return told.words[0]


def spots(feeds: Feeds, asset: str) -> list[Spot]:
    """All prices of it that wait for the engine, which are taken."""
    return [event for event in feeds.intake if isinstance(event, Spot) and event.asset == asset]


def counts(feeds: Feeds) -> dict[str, tuple[int, int, int]]:
    lines = (each.line for each in feeds.health().lines)
    return {line.name: (line.connections, line.reconnects, line.renewals) for line in lines}


def test_a_further_symbol_comes_on_the_connection_that_stands(tmp_path: Path) -> None:
    async def work(feeds: Feeds, _server: VenueServer) -> None:
        before = counts(feeds)
        assert await watched(feeds, AVAX) is None
        assert counts(feeds) == before
        assert before["binance"] == (1, 0, 0)
        age_s = feeds.health().topics[AVAX]
        assert age_s is not None
        assert age_s < 30

    over_sockets(tmp_path, work)


def test_its_last_half_hour_comes_before_its_first_price_and_arrives_now(tmp_path: Path) -> None:
    async def work(feeds: Feeds, _server: VenueServer) -> None:
        assert await watched(feeds, AVAX) is None
        found = spots(feeds, AVAX)
        assert len(found) > 1_800
        assert [spot.stamped_ns for spot in found] == sorted(spot.stamped_ns for spot in found)
        assert [spot.at_ns for spot in found] == sorted(spot.at_ns for spot in found)
        assert found[-1].stamped_ns - found[0].stamped_ns > 1_800 * SECOND_NS
        assert found[-1].at_ns - found[0].at_ns < 60 * SECOND_NS

    over_sockets(tmp_path, work)


def test_a_symbol_that_does_not_exist_is_told_and_nothing_beside_it_is_followed(tmp_path: Path) -> None:
    async def work(feeds: Feeds, server: VenueServer) -> None:
        said = await watched(feeds, AVAX, "binance:NOPEUSDT", "binance:NEITHERUSDT")
        assert said is not None
        assert "binance:NOPEUSDT: Binance spot has no symbol NOPEUSDT (-1121)" in said
        assert "NEITHERUSDT" in said
        assert feeds.health().topics == {}
        assert ("spot", "avaxusdt@bookTicker") not in server.desk.state.exchange.watched

    over_sockets(tmp_path, work)


@pytest.mark.parametrize("fault", ["http_500", "http_429", "http_reset"])
def test_a_topic_whose_history_cannot_be_read_is_followed_without_it(tmp_path: Path, fault: str) -> None:
    async def work(feeds: Feeds, server: VenueServer) -> None:
        server.desk.faults.switch_on(Asked(fault, "/api/v3/klines"))
        assert await watched(feeds, AVAX) is None
        assert 0 < len(spots(feeds, AVAX)) < 100

    over_sockets(tmp_path, work)


def test_a_symbol_that_stays_silent_is_told_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WARM_S", 0.3)

    async def work(feeds: Feeds, _server: VenueServer) -> None:
        said = await watched(feeds, "binance-futures:NOPEUSDT")
        assert said == "no price of binance-futures:NOPEUSDT within 0.3 s"

    over_sockets(tmp_path, work)


def test_what_is_let_go_is_not_asked_for_any_more(tmp_path: Path) -> None:
    async def work(feeds: Feeds, server: VenueServer) -> None:
        exchange = server.desk.state.exchange
        assert await watched(feeds, AVAX) is None
        assert exchange.watched["spot", "avaxusdt@bookTicker"] == 1
        feeds.watch_only(())
        await until(lambda: ("spot", "avaxusdt@bookTicker") not in exchange.watched)
        assert feeds.health().topics == {}
        assert counts(feeds)["binance"] == (1, 0, 0)
        assert exchange.watched["spot", "btcusdt@bookTicker"] == 1
        assert await watched(feeds, AVAX) is None, "and it can come back"

    over_sockets(tmp_path, work)


def test_what_is_still_needed_stays(tmp_path: Path) -> None:
    async def work(feeds: Feeds, server: VenueServer) -> None:
        assert await watched(feeds, AVAX) is None
        feeds.watch_only((AVAX,))
        told = Told()
        feeds.watch((AVAX,), told)
        assert told.words == [None], "it is there, so nobody waits"
        assert server.desk.state.exchange.watched["spot", "avaxusdt@bookTicker"] == 1

    over_sockets(tmp_path, work)


def test_a_perpetual_gets_lines_of_its_own_which_end_with_it(tmp_path: Path) -> None:
    async def work(feeds: Feeds, server: VenueServer) -> None:
        assert await watched(feeds, AVAX_FUTURES) is None
        assert counts(feeds)["binance futures book"] == (1, 0, 0)
        assert {spot.feed for spot in spots(feeds, AVAX_FUTURES)} == {"binance-futures"}
        feeds.watch_only(())
        assert set(counts(feeds)) == {"binance", "clob", "polybolt"}
        await until(lambda: ("futures", "avaxusdt@bookTicker") not in server.desk.state.exchange.watched)
        assert await watched(feeds, AVAX_FUTURES) is None, "and they can be made anew"

    over_sockets(tmp_path, work)


def test_a_perpetual_shares_the_lines_of_an_asset_that_is_followed_there(tmp_path: Path) -> None:
    async def work(feeds: Feeds, _server: VenueServer) -> None:
        before = counts(feeds)
        assert "binance futures book" in before
        assert await watched(feeds, AVAX_FUTURES) is None
        feeds.watch_only(())
        assert counts(feeds) == before

    over_sockets(tmp_path, work, assets=("BTC", "HYPE"))


def test_the_symbol_of_a_slots_own_underlying_is_not_followed_twice(tmp_path: Path) -> None:
    async def work(feeds: Feeds, _server: VenueServer) -> None:
        assert feeds.series_of("binance:ETHUSDT") == "ETH"
        assert feeds.series_of("binance-futures:ETHUSDT") == "binance-futures:ETHUSDT"
        assert await watched(feeds, "binance:ETHUSDT") is None
        assert feeds.health().topics == {}

    over_sockets(tmp_path, work)


def test_a_connection_that_comes_later_asks_for_the_topics_from_the_beginning(tmp_path: Path) -> None:
    async def work(feeds: Feeds, _server: VenueServer) -> None:
        assert await watched(feeds, AVAX) is None
        line = line_of(feeds, "binance")
        line.renew(line.connections[0], "a test wants it")
        await until(lambda: line.renewals == 1 and len(line.connections) == 1)
        spots(feeds, AVAX)
        await until(lambda: spots(feeds, AVAX))

    over_sockets(tmp_path, work)


def line_of(feeds: Feeds, name: str) -> Line:
    return next(line for line in feeds._lines if line.channel.name == name)
