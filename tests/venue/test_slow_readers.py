"""A queue has a limit: what happens to a reader that is too slow is decided channel by channel."""

import pytest
from serving import Venue, a_price, with_venue

from builders import NOON_NS, seconds
from foresight.events import Reference
from foresight.venue import connection

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
