"""Winners: the first word counts, whoever says it, and a later one that contradicts it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from builders import a_market, seconds
from feeds.feed_fakes import CONDITION, Around, Script, a_host, a_listing
from feeds.ws_peers import until
from foresight.events import Resolved
from foresight.feeds import resolving as module
from foresight.feeds.resolving import Resolving
from foresight.feeds.rest import Rest
from foresight.markets import MINUTE_NS, SECOND_NS, Market, Token
from foresight.wire.clob import MarketResolved
from wire.wire_frames import DOWN, UP
from wire.wire_frames import a_listing as an_object
from wire.wire_frames import a_resolutions_page as a_page

MARKET = a_market(up=Token(UP), down=Token(DOWN))
SLUG = MARKET.market_id
ASKED = "/gamma/markets/slug/" + SLUG
DATA = "/data/v2/resolutions"


def gamma_says(prices: str | None) -> tuple[int, object]:
    """Its object of the market, with a winner or without."""
    ends = {"eventStartTime": _iso(MARKET.start_ns), "endDate": _iso(MARKET.end_ns)}
    decided = {} if prices is None else {"closed": True, "acceptingOrders": False, "outcomePrices": prices}
    return 200, an_object(slug=SLUG, **ends, **decided)


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def channel_says(token: str, label: str = "") -> MarketResolved:
    return MarketResolved(CONDITION, (MARKET.up, MARKET.down), Token(token), label, MARKET.end_ns + 5)


class Waiting:
    """Who waits for the winner of one market, that ended so many seconds ago."""

    def __init__(self, url: str, script: Script) -> None:
        self.around = Around(MARKET.end_ns)
        self.script = script
        self.over: list[Market] = []
        self.rests = Rest("gamma"), Rest("data")
        gamma, data = self.rests
        self.resolving = Resolving((gamma, f"{url}/gamma"), (data, f"{url}/data"), self.around.given, self.over.append)
        self.resolving.follow(a_listing(MARKET))

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.resolving.keep())
            yield
            task.cancel()

    def words(self) -> list[tuple[str, str]]:
        assert all(isinstance(event, Resolved) and event.market_id == SLUG for event in self.around.events)
        return [(event.outcome, event.source) for event in self.around.events]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.001)


def waiting(work: Callable[[Waiting], Awaitable[None]]) -> None:
    async def run() -> None:
        script = Script()
        script.answers[ASKED] = gamma_says(None)
        async with a_host(script) as url:
            waits = Waiting(url, script)
            try:
                await work(waits)
            finally:
                for rest in waits.rests:
                    await rest.close()

    asyncio.run(run())


def test_the_channels_word_counts_once_and_ends_the_waiting() -> None:
    async def work(waits: Waiting) -> None:
        assert waits.resolving.waiting == 1
        waits.resolving.heard(channel_says(DOWN))
        waits.resolving.heard(channel_says(DOWN))
        waits.resolving.heard(channel_says("7"))
        assert waits.words() == [("DOWN", "polymarket:market_resolved")]
        assert waits.around.events[0].stamped_ns == MARKET.end_ns + 5
        assert waits.over == [MARKET]
        assert waits.resolving.waiting == 0
        assert waits.around.told == []

    waiting(work)


@pytest.mark.parametrize(("label", "words"), [("Down", ["DOWN"]), ("Up", ["UP"]), ("", []), ("Sideways", [])])
def test_a_winner_without_its_token_is_known_by_its_label(label: str, words: list[str]) -> None:
    async def work(waits: Waiting) -> None:
        waits.resolving.heard(channel_says("", label))
        assert [outcome for outcome, _ in waits.words()] == words

    waiting(work)


def test_a_later_word_that_contradicts_changes_nothing_and_is_told() -> None:
    async def work(waits: Waiting) -> None:
        waits.resolving.heard(channel_says(UP))
        waits.resolving.heard(channel_says(DOWN))
        assert waits.words() == [("UP", "polymarket:market_resolved")]
        assert waits.around.told == [f"{SLUG}: market_resolved says DOWN, after UP was told and booked"]

    waiting(work)


def test_a_market_that_is_listed_with_its_winner_is_settled_at_once() -> None:
    async def work(waits: Waiting) -> None:
        waits.resolving.follow(a_listing(MARKET, winner="DOWN"))
        waits.resolving.follow(a_listing(MARKET, winner="DOWN"))
        assert waits.words() == [("DOWN", "polymarket:gamma")]

    waiting(work)


@pytest.mark.parametrize(("after_s", "asks"), [(14.9, False), (15.0, True)])
def test_gamma_is_asked_from_fifteen_seconds_after_the_end(after_s: float, asks: bool) -> None:
    async def work(waits: Waiting) -> None:
        waits.script.answers[ASKED] = gamma_says('["1", "0"]')
        waits.around.later(after_s)
        async with waits.kept():
            await (until(lambda: waits.over) if asks else asyncio.sleep(0.05))
        assert waits.words() == ([("UP", "polymarket:gamma")] if asks else [])
        assert waits.script.asked == ([ASKED] if asks else [])

    waiting(work)


def test_it_is_asked_again_every_ten_seconds_and_the_data_api_only_after_a_minute() -> None:
    async def work(waits: Waiting) -> None:
        waits.script.answers[DATA] = (200, a_page(condition_id=CONDITION, payouts=[0, 1_000_000]))
        async with waits.kept():
            for after_s in (15, 24.9, 25, 59):
                waits.around.now_ns = MARKET.end_ns + seconds(after_s)
                await asyncio.sleep(0.02)
            assert waits.script.asked == [ASKED] * 3
            waits.around.later(10)
            await until(lambda: waits.over)
        assert waits.script.asked[3:] == [ASKED, DATA]
        assert waits.words() == [("DOWN", "polymarket:data_api")]

    waiting(work)


def test_after_half_an_hour_it_is_asked_for_once_a_minute() -> None:
    async def work(waits: Waiting) -> None:
        async with waits.kept():
            for after_s in (1_800, 1_850, 1_860):
                waits.around.now_ns = MARKET.end_ns + seconds(after_s)
                await asyncio.sleep(0.02)
        assert waits.script.asked.count(ASKED) == 2

    waiting(work)


@pytest.mark.parametrize("status", [500, 404, 429])
def test_the_data_api_is_asked_though_gamma_fails(status: int) -> None:
    async def work(waits: Waiting) -> None:
        waits.script.answers[ASKED] = (status, {})
        waits.script.answers[DATA] = (200, a_page(condition_id=CONDITION))
        waits.around.later(61)
        async with waits.kept():
            await until(lambda: waits.over)
        assert waits.words() == [("UP", "polymarket:data_api")]

    waiting(work)


@pytest.mark.parametrize(
    "row", [{"status": "proposed"}, {"payouts": [500_000, 500_000]}, {"payouts": []}, {"status": 7}]
)
def test_what_is_no_winner_is_none(row: dict[str, object]) -> None:
    async def work(waits: Waiting) -> None:
        waits.script.answers[DATA] = (200, a_page(condition_id=CONDITION, **row))
        waits.around.later(61)
        async with waits.kept():
            await until(lambda: DATA in waits.script.asked)
            await asyncio.sleep(0.02)
        assert waits.words() == []
        assert waits.over == []

    waiting(work)


@pytest.mark.parametrize(("more_ns", "gives_up"), [(0, False), (1, True)])
def test_after_a_day_nobody_is_asked_any_more(more_ns: int, gives_up: bool) -> None:
    async def work(waits: Waiting) -> None:
        waits.around.now_ns = MARKET.end_ns + 24 * 60 * MINUTE_NS + more_ns
        async with waits.kept():
            await until(lambda: waits.over or waits.script.asked)
        assert waits.over == ([MARKET] if gives_up else [])
        assert any("for a day" in sentence for sentence in waits.around.told) is gives_up

    waiting(work)


def test_a_winner_is_remembered_for_half_an_hour() -> None:
    async def work(waits: Waiting) -> None:
        waits.resolving.heard(channel_says(UP))
        async with waits.kept():
            waits.around.later(1_801)
            await until(lambda: not waits.resolving._over)

    waiting(work)
