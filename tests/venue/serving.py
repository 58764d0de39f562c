"""A venue inside the test's own loop, over real sockets: events are told to it by hand, and its time stands at noon."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import msgspec

from builders import NOON_NS, a_market, seconds
from foresight.events import Depth, Listed, MarketEvent, Spot
from foresight.markets import Market, Origin
from foresight.money import micros
from foresight.runtime.clock import PacedClock
from foresight.venue import Pace, VenueServer, VenueSettings

WAIT_S = 20.0
BTC = a_market()
"""The market that most tests are about: five minutes from noon on."""
QUICK = Pace(
    clob_ping_patience_s=0.3,
    binance_ping_every_s=0.2,
    binance_pong_within_s=0.4,
    polybolt_ping_every_s=0.1,
    rtds_ping_patience_s=0.3,
)


class NoEvents:
    """A source that says nothing by itself."""

    origin: Origin = "recorded"
    name = "by hand"
    start_ns = NOON_NS
    slots = (("BTC", "5m"),)

    def events(self) -> Iterator[MarketEvent]:
        return iter(())


class Socket:
    """A client's WebSocket that answers no ping by itself."""

    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = raw

    async def say(self, document: object) -> None:
        await self.raw.send_str(document if isinstance(document, str) else json.dumps(document))

    async def message(self) -> aiohttp.WSMessage:
        async with asyncio.timeout(WAIT_S):
            return await self.raw.receive()

    async def text(self) -> str:
        """The next text frame; pings are passed over."""
        while True:
            message = await self.message()
            if message.type == aiohttp.WSMsgType.TEXT:
                return str(message.data)
            assert message.type in (aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG), message

    async def frame(self) -> Any:
        return json.loads(await self.text())

    async def frames(self, count: int) -> list[Any]:
        return [await self.frame() for _ in range(count)]

    async def closed(self) -> int:
        """The close code with which the connection ends; 1006 without a close frame."""
        while True:
            message = await self.message()
            if message.type == aiohttp.WSMsgType.CLOSE:
                return int(message.data)
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return 1006
            if message.type == aiohttp.WSMsgType.ERROR:
                return 1006

    async def asks(self, document: object) -> Any:
        await self.say(document)
        return await self.frame()


class Venue:
    """A running venue and a client's session."""

    def __init__(self, server: VenueServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.state = server.desk.state

    def tell(self, *events: MarketEvent) -> None:
        for event in events:
            self.server.desk.pump.take(event)

    def book(self, bid: float = 0.52, ask: float = 0.54, *, after_s: float = 1.0, **changes: Any) -> None:
        """UP's book has these best prices, with 30 shares on each and two further levels."""
        self.tell(a_depth(bid, ask, at_ns=NOON_NS + seconds(after_s), **changes))

    def up(self, market: Market = BTC) -> str:
        listing = self.state.listings.of_slug(market.market_id)
        assert listing is not None
        return listing.identity.up

    def down(self, market: Market = BTC) -> str:
        listing = self.state.listings.of_slug(market.market_id)
        assert listing is not None
        return listing.identity.down

    def condition(self, market: Market = BTC) -> str:
        listing = self.state.listings.of_slug(market.market_id)
        assert listing is not None
        return listing.identity.condition

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(self.server.url + path, headers=headers) as answer:
            return answer.status, json.loads(await answer.read() or b"null")

    async def post(self, path: str, document: object) -> tuple[int, Any]:
        async with self.session.post(self.server.url + path, json=document) as answer:
            return answer.status, json.loads(await answer.read() or b"null")

    async def fault(self, name: str, target: str | None = None, **more: Any) -> dict[str, Any]:
        """Switch a fault on; `seconds`, `count` and its parameters by name."""
        own = {key: more.pop(key) for key in ("seconds", "count") if key in more}
        status, told = await self.post("/control/faults", {"name": name, "target": target, "parameters": more} | own)
        assert status == 200, told
        return dict(told)

    async def fault_off(self, name: str) -> None:
        async with self.session.delete(self.server.url + f"/control/faults?name={name}") as answer:
            assert answer.status == 200

    @contextlib.asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[Socket]:
        address = self.server.url.replace("http", "ws") + path
        async with self.session.ws_connect(address, autoping=False, max_msg_size=0) as raw:
            yield Socket(raw)

    @contextlib.asynccontextmanager
    async def market_channel(self, *, custom: bool = False) -> AsyncIterator[Socket]:
        """Subscribed to both tokens of BTC's market, the first books taken."""
        async with self.socket("/ws/market") as socket:
            wanted = {"type": "market", "assets_ids": [self.up(), self.down()], "custom_feature_enabled": custom}
            await socket.asks(wanted)
            yield socket

    @contextlib.asynccontextmanager
    async def polybolt(self) -> AsyncIterator[Socket]:
        """With credentials."""
        async with self.socket("/ws/rt") as socket:
            given = {"apiKey": "key", "secret": "c2VjcmV0", "passphrase": "pass"}
            assert await socket.asks({"op": "auth", "rid": "1", "auth": given}) == {"op": "authed", "rid": "1"}
            yield socket


def a_depth(
    bid: float = 0.52, ask: float = 0.54, *, size: float = 30, at_ns: int = NOON_NS, token: str = BTC.up
) -> Depth:
    """Three levels on each side a cent apart; the best has `size` shares, the others 100 and 200."""
    sizes = (size, 100, 200)
    bids = tuple((micros(bid - 0.01 * n), micros(share)) for n, share in enumerate(sizes) if bid - 0.01 * n > 0.001)
    asks = tuple((micros(ask + 0.01 * n), micros(share)) for n, share in enumerate(sizes) if ask + 0.01 * n < 0.999)
    return Depth(at_ns, msgspec.convert(token, str), bids, asks)


def a_price(price: float, *, asset: str = "BTC", after_s: float = 0.05) -> Spot:
    """A price of the underlying, stamped 50 ms before it comes."""
    at_ns = NOON_NS + seconds(after_s)
    return Spot(at_ns, asset, "test", price, at_ns - seconds(0.05))


def with_venue(
    work: Callable[[Venue], Awaitable[None]],
    *,
    pace: Pace | None = None,
    markets: tuple[Market, ...] = (BTC,),
    speed: float = 0.01,
    host: str = "127.0.0.1",
    **more: Any,
) -> None:
    """Runs `work` against a venue that lists `markets`, and ends both."""
    asyncio.run(_with_venue(work, VenueSettings(pace=pace or Pace(), **more), markets, speed, host))


async def _with_venue(
    work: Callable[[Venue], Awaitable[None]],
    settings: VenueSettings,
    markets: tuple[Market, ...],
    speed: float,
    host: str,
) -> None:
    server = VenueServer(NoEvents(), settings, lambda: PacedClock(NOON_NS, speed), host=host)
    await server.start()
    serving = asyncio.ensure_future(server.run())
    try:
        async with aiohttp.ClientSession() as session:
            venue = Venue(server, session)
            venue.tell(*(Listed(NOON_NS, market) for market in markets))
            async with asyncio.timeout(120):
                await work(venue)
    finally:
        server.desk.stop.set()
        await serving
