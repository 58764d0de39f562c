"""Prices to beat where the oracle's own was not heard, and the half hour before the start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from builders import NOON_NS, a_market, seconds
from feeds.feed_fakes import Around, a_host, frame
from feeds.ws_peers import until
from foresight.events import Reference
from foresight.feeds import website as module
from foresight.feeds.history import REACH_S, history_of
from foresight.feeds.rest import Rest
from foresight.feeds.website import AFTER_OPEN_NS, WebsitePrices
from foresight.markets import SECOND_NS, Market
from wire.wire_frames import KLINE_ROW, WEBSITE_PRICE


class Site:
    """A website that knows opens by asset, and who asks it."""

    def __init__(self, *markets: Market) -> None:
        self.around = Around(NOON_NS + AFTER_OPEN_NS)
        self.markets = list(markets)
        self.known: set[tuple[str, int]] = set()
        self.opens: dict[str, float | None] = {"BTC": 81_201.5, "ETH": 3_000.25}
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/api/crypto/crypto-price"
        self.asked.append(dict(request.query))
        asset = request.query["symbol"]
        if asset not in self.opens:
            return web.Response(status=404)
        return web.Response(body=frame(WEBSITE_PRICE | {"openPrice": self.opens[asset]}))

    @contextlib.asynccontextmanager
    async def kept(self, url: str) -> AsyncIterator[None]:
        rest = Rest("website")
        prices = WebsitePrices(
            rest, url, self.around.given, current=lambda: self.markets, is_known=lambda *open_: open_ in self.known
        )
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(prices.keep())
                yield
                task.cancel()
        finally:
            await rest.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.001)


def beside(site: Site, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with a_host(site.answer) as url, site.kept(url):
            await work()

    asyncio.run(run())


def test_a_price_to_beat_names_the_website_and_its_window_and_is_asked_for_once() -> None:
    site = Site(a_market("BTC", "15m"))

    async def work() -> None:
        await until(lambda: site.around.events)
        await asyncio.sleep(0.02)

    beside(site, work)
    at_ns = NOON_NS + AFTER_OPEN_NS
    assert site.around.events == [Reference(at_ns, "BTC", "price_to_beat", 81_201.5, NOON_NS, "website_ptb", "15m")]
    assert site.asked == [
        {
            "symbol": "BTC", "eventStartTime": "2026-01-05T12:00:00Z", "variant": "fifteen",
            "endDate": "2026-01-05T12:15:00Z", "twapEnabled": "true", "twapLookbackSeconds": "60",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("why", ["too early", "the oracle told it"])
def test_nobody_is_asked_before_the_time_or_for_what_the_oracle_told(why: str) -> None:
    site = Site(a_market())
    if why == "too early":
        site.around.now_ns -= 1
    else:
        site.known.add(("BTC", NOON_NS))

    async def work() -> None:
        await asyncio.sleep(0.03)

    beside(site, work)
    assert site.asked == []


def test_an_open_that_is_not_there_yet_is_asked_for_again_and_holds_up_no_other() -> None:
    site = Site(a_market("ZEC"), a_market("BTC"), a_market("ETH"))
    site.opens["BTC"] = None

    async def work() -> None:
        await until(lambda: len(site.around.events) == 1)
        site.opens["BTC"] = 5.0
        await until(lambda: len(site.around.events) == 2)

    beside(site, work)
    assert [(event.asset, event.price) for event in site.around.events] == [("ETH", 3_000.25), ("BTC", 5.0)]


def a_row(open_s: int, close: str) -> list[object]:
    row = list(KLINE_ROW)
    row[0], row[4], row[6] = open_s * 1_000, close, open_s * 1_000 + 999
    return row


async def klines(request: web.Request) -> web.Response:
    """Binance's second candles: as many as are asked for, at most a thousand."""
    assert request.query["interval"] == "1s"
    if request.query["symbol"] == "XRPUSDT":
        return web.Response(status=500)
    first, last = int(request.query["startTime"]) // 1_000, int(request.query["endTime"]) // 1_000
    rows = [a_row(second, str(second % 1_000 + 1)) for second in range(first, last + 1)]
    return web.Response(body=frame(rows[: int(request.query["limit"])]))


def history(assets: dict[str, str]) -> tuple[list, Around]:
    around = Around(NOON_NS + seconds(0.4))

    async def run() -> list:
        async with a_host(klines) as url:
            rest = Rest("binance")
            try:
                return await history_of(rest, url, assets, around.given)
            finally:
                await rest.close()

    return asyncio.run(run()), around


def test_history_is_one_close_a_second_in_the_order_of_time_and_nothing_of_the_future() -> None:
    spots, around = history({"BTCUSDT": "BTC", "ETHUSDT": "ETH"})
    assert around.told == []
    times = [spot.at_ns for spot in spots]
    assert times == sorted(times)
    assert times[-1] < around.now_ns
    for asset in ("BTC", "ETH"):
        own = [spot.at_ns for spot in spots if spot.asset == asset]
        assert len(own) == len(set(own)) == REACH_S
        assert own[0] // SECOND_NS == NOON_NS // SECOND_NS - REACH_S
    assert {spot.feed for spot in spots} == {"binance"}


def test_history_that_cannot_be_had_is_told_and_the_others_come() -> None:
    spots, around = history({"BTCUSDT": "BTC", "XRPUSDT": "XRP"})
    assert {spot.asset for spot in spots} == {"BTC"}
    assert len(around.told) == 1, "once for an asset"
    assert around.told[0].startswith("the history of XRP is missing: ")
