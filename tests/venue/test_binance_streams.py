"""The exchange's streams on the wire (venue spec §10.2, §10.3)."""

import asyncio

import aiohttp
import pytest
from serving import QUICK, Socket, Venue, a_price, with_venue

from builders import NOON_NS, seconds
from foresight.venue import Pace

NOON_MS = NOON_NS // 1_000_000
TICKER = "btcusdt@bookTicker"


def test_a_combined_stream_wraps_and_a_raw_one_does_not() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket(f"/stream?streams={TICKER}") as combined, venue.socket(f"/ws/{TICKER}") as raw:
            venue.tell(a_price(81_234.017))
            wrapped, bare = await combined.frame(), await raw.frame()
        assert wrapped == {"stream": TICKER, "data": bare}

    with_venue(work)


def test_a_book_ticker_is_a_tick_wide_around_the_price_and_has_no_event_time() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket(f"/ws/{TICKER}") as socket:
            venue.tell(a_price(81_234.01))
            ticker = await socket.frame()
        assert list(ticker) == ["u", "s", "b", "B", "a", "A"]
        assert (ticker["s"], ticker["b"], ticker["a"]) == ("BTCUSDT", "81234.01000000", "81234.02000000")
        assert float(ticker["B"]) > 0 < float(ticker["A"])

    with_venue(work)


def test_update_ids_are_venue_time_and_always_rise() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket(f"/ws/{TICKER}") as socket:
            venue.tell(a_price(10.0), a_price(11.0), a_price(12.0, after_s=1))
            ids = [(await socket.frame())["u"] for _ in range(3)]
        assert ids == [NOON_NS + seconds(0.05), NOON_NS + seconds(0.05) + 1, NOON_NS + seconds(1)]

    with_venue(work)


def test_a_trade_has_the_keys_of_an_aggregate_trade() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade/btcusdt@trade") as socket:
            venue.tell(a_price(81_000.0), a_price(81_001.5, after_s=1))
            _, _, trade, single = await socket.frames(4)
        assert list(trade) == ["e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"]
        assert (trade["e"], trade["p"], trade["m"]) == ("aggTrade", "81001.50000000", False)
        assert (trade["E"], trade["T"]) == (NOON_MS + 1000, NOON_MS + 950)
        assert list(single) == ["e", "E", "s", "t", "p", "q", "T", "m", "M"]
        assert single["t"] == trade["a"]

    with_venue(work)


def test_trade_ids_have_no_holes_and_a_falling_price_is_a_sale() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade") as socket:
            venue.tell(*(a_price(price, after_s=n) for n, price in enumerate((5.0, 4.0, 4.0, 6.0), 1)))
            trades = await socket.frames(4)
        assert [trade["a"] - trades[0]["a"] for trade in trades] == [0, 1, 2, 3]
        assert [trade["m"] for trade in trades[1:]] == [True, True, False]

    with_venue(work)


def test_a_second_closes_its_candle_and_a_minute_is_told_every_two_seconds() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@kline_1s/btcusdt@kline_1m") as socket:
            venue.tell(a_price(100.0, after_s=0.2), a_price(103.0, after_s=0.6), a_price(101.0, after_s=1.2))
            second = (await socket.frame())["k"]
            venue.tell(a_price(99.0, after_s=2.1))
            later = [(frame["k"]["i"], frame["k"]["x"]) for frame in await socket.frames(2)]
        assert list(second) == [
            "t", "T", "s", "i", "f", "L", "o", "c", "h", "l", "v", "n", "x", "q", "V", "Q", "B"
        ]  # fmt: skip
        assert (second["t"], second["T"], second["x"], second["n"]) == (NOON_MS, NOON_MS + 999, True, 2)
        assert [float(second[key]) for key in "ohlc"] == [100.0, 103.0, 100.0, 103.0]
        assert sorted(later) == [("1m", False), ("1s", True)]

    with_venue(work)


def test_a_minute_is_closed_once() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@kline_1m") as socket:
            venue.tell(*(a_price(100.0 + n, after_s=n + 0.1) for n in range(63)))
            frames = await socket.frames(31)
        closed = [frame["k"] for frame in frames if frame["k"]["x"]]
        assert [(k["t"], k["T"], float(k["o"]), float(k["c"])) for k in closed] == [
            (NOON_MS, NOON_MS + 59_999, 100.0, 159.0)
        ]

    with_venue(work)


def test_depth_differences_bring_a_snapshot_to_what_rest_shows() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(100.0))
        async with venue.socket("/ws/btcusdt@depth@100ms") as socket:
            venue.tell(a_price(100.02, after_s=0.2))
            _, snapshot = await venue.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
            venue.tell(*(a_price(100.0 + n / 50, after_s=0.4 + n / 5) for n in range(5)))
            events = await socket.frames(4)
        _, after = await venue.get("/api/v3/depth?symbol=BTCUSDT&limit=5000")
        sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        local = snapshot["lastUpdateId"]
        for event in (event for event in events if event["u"] > local):
            assert event["U"] <= local + 1
            local = event["u"]
            for side, levels in sides.items():
                for price, quantity in event[side]:
                    levels[price] = quantity
                    if float(quantity) == 0:
                        del levels[price]
        assert local > snapshot["lastUpdateId"]
        assert sides["b"].keys() & dict(after["bids"]).keys()

    with_venue(work)


def test_partial_depth_has_so_many_levels_best_first() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(100.0))
        async with venue.socket("/stream?streams=btcusdt@depth5@100ms") as socket:
            venue.tell(a_price(100.5, after_s=0.2))
            frame = await socket.frame()
        data = frame["data"]
        assert list(data) == ["lastUpdateId", "bids", "asks"]
        assert [float(price) for price, _ in data["bids"]] == [100.0, 99.99, 99.98, 99.97, 99.96]
        assert float(data["asks"][0][0]) == 100.01

    with_venue(work)


def test_microseconds_are_told_to_a_connection_that_asks_for_them() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/stream?streams=btcusdt@aggTrade&timeUnit=MICROSECOND") as socket:
            venue.tell(a_price(100.0, after_s=1))
            frame = await socket.frame()
        assert frame["data"]["E"] == NOON_NS // 1000 + 1_000_000

    with_venue(work)


def test_hype_is_silent_on_spot_and_spoken_of_on_futures() -> None:
    async def work(venue: Venue) -> None:
        path = "/futures/market/stream?streams=hypeusdt@aggTrade"
        async with venue.socket("/ws/hypeusdt@aggTrade/btcusdt@aggTrade") as spot, venue.socket(path) as futures:
            venue.tell(a_price(31.25, asset="HYPE"), a_price(81_000.0))
            assert (await spot.frame())["s"] == "BTCUSDT"
            trade = (await futures.frame())["data"]
        assert (trade["s"], trade["p"]) == ("HYPEUSDT", "31.250")
        assert "M" not in trade

    with_venue(work)


@pytest.mark.parametrize(("path", "is_told"), [("public", True), ("market", False), ("", True)])
def test_futures_tell_book_data_on_their_public_path_only(path: str, is_told: bool) -> None:
    async def work(venue: Venue) -> None:
        prefix = f"/futures/{path}" if path else "/futures"
        async with venue.socket(f"{prefix}/stream?streams=hypeusdt@bookTicker") as socket:
            venue.tell(a_price(31.25, asset="HYPE"))
            await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": 1})
            first = await socket.frame()
        assert ("stream" in first) == is_told
        if is_told:
            assert list(first["data"]) == ["e", "u", "s", "b", "B", "a", "A", "T", "E"]

    with_venue(work)


def test_subscriptions_come_and_go_and_are_listed() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            wanted = [TICKER, "btcusdt@aggTrade"]
            assert await socket.asks({"method": "SUBSCRIBE", "params": wanted, "id": 1}) == {"result": None, "id": 1}
            gone = {"method": "UNSUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": "two"}
            assert await socket.asks(gone) == {"result": None, "id": "two"}
            assert await socket.asks({"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {"result": [TICKER], "id": 3}

    with_venue(work)


def test_a_raw_connection_can_be_made_a_combined_one() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket(f"/ws/{TICKER}") as socket:
            asked = {"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}
            assert await socket.asks(asked) == {"result": None, "id": 5}
            assert await socket.asks({"method": "GET_PROPERTY", "params": ["combined"], "id": 6}) == {
                "result": True,
                "id": 6,
            }
            venue.tell(a_price(100.0))
            assert (await socket.frame())["stream"] == TICKER

    with_venue(work)


@pytest.mark.parametrize(
    ("said", "code", "begins"),
    [
        ("{", 3, "Invalid JSON: expected value at line 1 column 1"),
        ("[]", 2, "Invalid request: "),
        ('{"method":"HELLO","id":1}', 2, "Invalid request: unknown variant `HELLO`, expected one of `SUBSCRIBE`"),
        ('{"method":"SUBSCRIBE","params":"x","id":1}', 2, "Invalid request: "),
        ('{"method":"SUBSCRIBE","params":["BTCUSDT"],"id":1}', 2, "Invalid request: "),
        ('{"method":"LIST_SUBSCRIPTIONS","id":1.5}', 2, "Invalid request: id "),
        ('{"method":"LIST_SUBSCRIPTIONS","id":"' + "x" * 37 + '"}', 2, "Invalid request: id "),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_code(said: str, code: int, begins: str) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            told = await socket.asks(said)
        assert told["code"] == code
        assert told["msg"].startswith(begins)

    with_venue(work)


def test_five_messages_a_second_are_taken_and_a_sixth_ends_the_connection() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            for n in range(6):
                await socket.say({"method": "LIST_SUBSCRIPTIONS", "id": n})
            assert [frame["id"] for frame in await socket.frames(5)] == [0, 1, 2, 3, 4]
            assert await socket.closed() == 1008

    with_venue(work)


def test_a_pong_with_the_payload_of_the_ping_keeps_the_connection() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            for _ in range(4):
                await socket.raw.pong(await _ping(socket))
            assert not socket.raw.closed

    with_venue(work, pace=QUICK)


@pytest.mark.parametrize("payload", [None, b"wrong"])
def test_a_missing_pong_or_one_with_another_payload_ends_the_connection(payload: bytes | None) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            await _ping(socket)
            if payload is not None:
                await socket.raw.pong(payload)
            assert await socket.closed() == 1006

    with_venue(work, pace=QUICK)


async def _ping(socket: Socket) -> bytes:
    message = await socket.message()
    assert message.type == aiohttp.WSMsgType.PING
    return bytes(message.data)


def test_too_many_attempts_are_refused() -> None:
    async def work(venue: Venue) -> None:
        for _ in range(3):
            async with venue.socket("/ws"):
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with venue.socket("/ws"):
                pass
        assert refused.value.status == 429

    with_venue(work, pace=Pace(binance_attempts=3))


def test_a_connection_lives_no_longer_than_it_may() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            assert await socket.closed() == 1008

    with_venue(work, pace=Pace(binance_life_s=0.2, binance_ping_every_s=0.1))


def test_the_load_generator_sends_well_formed_tickers_that_tell_when_they_were_made() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(100.0, after_s=0))
        async with venue.socket(f"/stream?streams={TICKER}") as socket:
            status, told = await venue.post("/control/load", {"rate": 2_000, "seconds": 0.2})
            assert (status, told["is_on"]) == (200, True)
            frames = [await socket.frame() for _ in range(300)]
            clock = (await venue.get("/control/clock"))[1]
        ids = [frame["data"]["u"] for frame in frames]
        assert ids == sorted(set(ids))
        assert all(frame["stream"] == TICKER and frame["data"]["b"] == "100.00000000" for frame in frames)
        made_ns = clock["monotonic_ns"] + (ids[-1] - clock["venue_ns"]) / clock["speed"]
        assert 0 < asyncio.get_running_loop().time() * 1e9 - made_ns < 10e9
        assert (await venue.post("/control/load", {"rate": 1, "symbol": "HYPEUSDT"}))[0] == 400
        assert (await venue.post("/control/load", {"rate": -1}))[0] == 400

    with_venue(work, speed=1.0)
