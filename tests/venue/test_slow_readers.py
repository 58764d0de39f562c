"""A queue has a limit: what happens to a reader that is too slow is decided channel by channel.

One that never reads again is cut off.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from serving import QUICK, Venue, a_price, with_venue

from builders import NOON_NS, seconds
from foresight.events import Reference
from foresight.venue import connection
from foresight.venue.connection import Connection
from foresight.venue.sessions import End, Say

TWAP = {"channel": "price.crypto.twap", "filter": {"symbol": "btcusd", "window_seconds": 60}}


def an_average(second: int) -> Reference:
    stamped_ns = NOON_NS + seconds(second)
    return Reference(stamped_ns + seconds(1.2), "BTC", "twap60", 100.0 + second, stamped_ns, "test")


@pytest.mark.parametrize(("count", "lost"), [(5, 0), (6, 1), (9, 4)])
def test_polybolt_loses_what_does_not_fit_and_says_how_much(
    monkeypatch: pytest.MonkeyPatch, count: int, lost: int
) -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket:
            await socket.say({"op": "subscribe", "subscriptions": [TWAP]})
            await socket.frames(2)
            monkeypatch.setattr(connection, "QUEUE_MAX", 5)
            venue.tell(*(an_average(n) for n in range(count)))
            assert [frame["seq"] for frame in await socket.frames(5)] == [2, 3, 4, 5, 6]
            venue.tell(an_average(20))
            frame = await socket.frame()
            assert (frame["seq"], frame.get("dropped", 0)) == (2 + count, lost)

    with_venue(work)


@pytest.mark.parametrize(("count", "closes"), [(5, False), (6, True)])
def test_the_exchange_closes_the_connection_of_a_reader_that_would_miss_something(
    monkeypatch: pytest.MonkeyPatch, count: int, closes: bool
) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@trade") as socket:
            monkeypatch.setattr(connection, "QUEUE_MAX", 5)
            venue.tell(*(a_price(float(n), after_s=n) for n in range(1, count + 1)))
            if closes:
                assert await socket.closed() == 1008
            else:
                assert [float(frame["p"]) for frame in await socket.frames(5)] == [1.0, 2.0, 3.0, 4.0, 5.0]

    with_venue(work)


SMALL_BYTES = 4_096
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@contextlib.asynccontextmanager
async def nobody_reads(venue: Venue, path: str) -> AsyncIterator[Connection]:
    """A connection whose other side never reads again, and whose writer waits for that in vain."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        await loop.sock_connect(client, ("127.0.0.1", venue.server.port))
        await loop.sock_sendall(client, HANDSHAKE.format(path=path).encode())
        assert b" 101 " in await loop.sock_recv(client, 1_024)
        while not (found := list(venue.server.desk.hub.connections())):
            await asyncio.sleep(0)
        (one,) = found
        transport = one._request.transport
        assert transport is not None
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BYTES)
        for _ in range(3):
            one.say(Say(b"x" * 1_000_000, "trade"))
        while one.waiting == 3:
            await asyncio.sleep(0)
        yield one


async def is_left(venue: Venue, one: Connection) -> None:
    async with asyncio.timeout(10):
        await one.gone.wait()
    assert one._timer is None or one._timer.cancelled() or one._timer.when() <= asyncio.get_running_loop().time()
    while venue.server.desk.hub.counts()[one.channel]:
        await asyncio.sleep(0)


@pytest.mark.parametrize("end", [End(1000, "all subscribed assets resolved"), End(1006)])
def test_a_reader_that_never_reads_again_is_cut_off(monkeypatch: pytest.MonkeyPatch, end: End) -> None:
    monkeypatch.setattr(connection, "ABORT_S", 0.1)

    async def work(venue: Venue) -> None:
        async with nobody_reads(venue, "/ws/market") as one:
            one.end(end)
            await is_left(venue, one)

    with_venue(work)


@pytest.mark.parametrize("path", ["/ws", "/ws/market", "/ws/rt", "/ws/rtds"])
def test_who_neither_reads_nor_answers_is_cut_off_by_the_rules_of_each_channel(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(connection, "ABORT_S", 0.1)

    async def work(venue: Venue) -> None:
        async with nobody_reads(venue, path) as one:
            await is_left(venue, one)

    with_venue(work, pace=QUICK)


def test_no_timer_of_a_connection_outlives_it() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws"):
            (one,) = venue.server.desk.hub.connections()
            await venue.fault("server_shutdown", after_s=60)
            announced = one._timer
            assert announced is not None
            one.end(End(1001))
            assert announced.cancelled()
            cut_off = one._timer
        await one.gone.wait()
        assert cut_off is not None
        assert cut_off.cancelled()
        one.end_later(End(1001), 60)
        assert one._timer is cut_off

    with_venue(work)
