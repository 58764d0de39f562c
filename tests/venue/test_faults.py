"""Every fault of the menu, as the wire shows it, and that nothing is left of it when it is taken off (spec §13.4)."""

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from serving import BTC, QUICK, Socket, Venue, a_price, with_venue

from builders import NOON_NS, a_market, seconds
from foresight.events import Reference, Resolved
from foresight.markets import MINUTE_NS
from foresight.venue.faults import GARBAGE, MENU, RANGES
from foresight.venue.gamma_documents import final_price

TWAP = {"channel": "price.crypto.twap", "filter": {"symbol": "btcusd", "window_seconds": 60}}
LATER = a_market(start_ns=BTC.end_ns)

Work = Callable[[Venue], Awaitable[None]]


def an_average(price: float, at_ns: int) -> Reference:
    return Reference(at_ns + seconds(1.2), "BTC", "twap60", price, at_ns, "test")


def resolved(market=BTC, outcome: str = "UP", after_s: float = 30) -> Resolved:
    return Resolved(market.end_ns + seconds(after_s), market.market_id, outcome, "test")


async def pongs(socket: Socket) -> str:
    await socket.say("PING")
    return await socket.text()


# The menu itself


def test_the_menu_lists_every_fault_and_what_is_on() -> None:
    async def work(venue: Venue) -> None:
        told = (await venue.get("/control/faults"))[1]
        assert [fault["name"] for fault in told["menu"]] == [fault.name for fault in MENU]
        assert told["active"] == []
        on = await venue.fault("duplicate", "clob", seconds=60)
        assert [fault["id"] for fault in (await venue.get("/control/faults"))[1]["active"]] == [on["id"]]
        assert (await venue.get("/control/status"))[1]["faults"] == 1
        await venue.fault_off("duplicate")
        assert (await venue.get("/control/faults"))[1]["active"] == []

    with_venue(work)


REFUSED: list[dict[str, object]] = [
    {"name": "earthquake"},
    {"name": "http_slow", "parameters": {"delay": 3}},
    {"name": "http_slow", "parameters": {"delay_s": "long"}},
    {"name": "garbage", "parameters": {"kind": "flowers"}},
    {"name": "close", "parameters": {"code": 1}},
    {"name": "refuse_connections", "parameters": {"for_s": 0}},
    {"name": "stall", "seconds": 0},
    {"name": "stall", "count": 0},
    {"name": "stall", "count": 1_000_001},
    {"name": "stall", "count": 10**30},
    {"name": "stall", "seconds": 1e300},
    {"name": "stall", "until": 5},
    {},
    *(
        {"name": fault.name, "parameters": {name: value}}
        for fault in MENU
        for name, usual in fault.parameters.items()
        if not isinstance(usual, str)
        for value in (RANGES[name][0] - 1e-6, RANGES[name][1] + 1, -1e300, 1e300, 10**400, True)
    ),
]


def test_a_fault_that_is_not_on_the_menu_is_refused_and_nothing_is_on() -> None:
    async def work(venue: Venue) -> None:
        for asked in REFUSED:
            status, told = await venue.post("/control/faults", asked)
            assert (status, list(told)) == (400, ["error"]), asked
            assert (await venue.get("/control/faults"))[1]["active"] == [], asked

    with_venue(work)


def test_a_number_may_be_what_its_range_ends_with() -> None:
    async def work(venue: Venue) -> None:
        for value in RANGES["delay_s"]:
            assert (await venue.fault("late_resolution", delay_s=value))["parameters"] == {"delay_s": value}
        status, told = await venue.post(
            "/control/faults", {"name": "late_resolution", "parameters": {"delay_s": 86_400.5}}
        )
        assert (status, told["error"]) == (
            400, "late_resolution: delay_s lies between 0 and 86400, and not at 86400.5"
        )  # fmt: skip

    with_venue(work)


def test_a_fault_ends_by_its_count_and_by_its_time() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("http_500", "/ok", count=2)
        assert [(await venue.get("/ok"))[0] for _ in range(3)] == [500, 500, 200]
        await venue.fault("http_500", "/ok", seconds=0.2)
        assert (await venue.get("/ok"))[0] == 500
        until = time.monotonic() + 20
        while (await venue.get("/ok"))[0] != 200:
            assert time.monotonic() < until

    with_venue(work)


# WebSockets


def test_a_stall_keeps_the_socket_open_and_says_nothing_not_even_a_pong() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        async with venue.market_channel() as socket:
            await venue.fault("stall", "clob")
            venue.book(0.50, 0.54, after_s=2)
            await socket.say("PING")
            while (await venue.get("/control/faults"))[1]["active"][0]["hits"] != 2:
                pass
            await venue.fault_off("stall")
            venue.book(0.51, 0.54, after_s=3)
            frame = await socket.frame()
        assert frame["timestamp"] == str(NOON_NS // 10**6 + 3000)

    with_venue(work)


def test_a_stall_of_one_asset_leaves_the_others_alone() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade/ethusdt@aggTrade") as socket:
            await venue.fault("stall", "BTC")
            venue.tell(a_price(1.0), a_price(2.0, asset="ETH"))
            assert (await socket.frame())["s"] == "ETHUSDT"

    with_venue(work)


def test_pong_only_answers_pings_and_says_nothing_else() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        async with venue.market_channel() as socket:
            await venue.fault("pong_only")
            venue.book(0.50, 0.54, after_s=2)
            assert await pongs(socket) == "PONG"

    with_venue(work)


def test_duplicates_come_twice() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@bookTicker") as socket:
            await venue.fault("duplicate", "BTCUSDT")
            venue.tell(a_price(1.0))
            assert await socket.text() == await socket.text()

    with_venue(work)


def test_frames_out_of_order_change_places() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade") as socket:
            await venue.fault("out_of_order")
            venue.tell(*(a_price(float(n), after_s=n) for n in range(1, 5)))
            ids = [(await socket.frame())["p"][0] for _ in range(4)]
        assert ids == ["2", "1", "4", "3"]

    with_venue(work)


def test_reshaped_frames_swap_arrays_and_objects() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        await venue.fault("reshape")
        async with venue.socket("/ws/market") as socket:
            await socket.say({"type": "market", "assets_ids": [venue.up(), venue.down()]})
            assert [frame["event_type"] for frame in await socket.frames(2)] == ["book", "book"]
            venue.book(0.51, 0.54, after_s=2)
            (change,) = await socket.frame()
            assert change["event_type"] == "price_change"
            assert await pongs(socket) == "PONG"

    with_venue(work)


def test_one_delta_is_lost_and_the_next_one_comes() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        async with venue.market_channel() as socket:
            await venue.fault("drop_delta", BTC.slot)
            venue.book(0.51, 0.54, after_s=2)
            venue.book(0.50, 0.54, after_s=3)
            frame = await socket.frame()
            assert frame["timestamp"] == str(NOON_NS // 10**6 + 3000)

    with_venue(work)


def test_no_initial_book_is_followed_by_deltas() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        await venue.fault("no_initial_book")
        async with venue.socket("/ws/market") as socket:
            await socket.say({"type": "market", "assets_ids": [venue.up()]})
            assert await pongs(socket) == "PONG"
            venue.book(0.51, 0.54, after_s=2)
            assert (await socket.frame())["event_type"] == "price_change"

    with_venue(work)


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_hostile_frame_comes_before_the_next_one(kind: str) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade") as socket:
            await venue.fault("garbage", kind=kind)
            venue.tell(a_price(1.0))
            assert (await socket.text()).encode() == GARBAGE[kind]
            assert (await socket.frame())["e"] == "aggTrade"

    with_venue(work)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 4001, 4003, 4008])
def test_connections_are_closed_with_the_code_that_is_asked_for(code: int) -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as meant, venue.socket("/ws/market") as other:
            assert (await venue.fault("close", "polybolt", code=code))["hits"] == 1
            assert await meant.closed() == code
            assert await pongs(other) == "PONG"

    with_venue(work)


def test_a_close_of_an_asset_means_the_connections_that_listen_to_it() -> None:
    async def work(venue: Venue) -> None:
        async with (
            venue.socket("/ws/btcusdt@trade") as btc,
            venue.socket("/ws/ethusdt@trade") as eth,
            venue.market_channel() as market,
            venue.socket("/ws/rtds") as other,
        ):
            assert (await venue.fault("close", "BTC", code=1001))["hits"] == 2
            assert [await socket.closed() for socket in (btc, market)] == [1001, 1001]
            assert (await eth.asks({"method": "LIST_SUBSCRIPTIONS", "id": 1}))["id"] == 1
            assert await pongs(other) == "PONG"

    with_venue(work)


def test_a_stalled_polybolt_is_not_closed_for_pings_that_it_never_sent() -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket, venue.polybolt() as witness:
            await venue.fault("stall", "polybolt")
            fault = (await venue.get("/control/faults"))[1]["active"][0]
            while fault["hits"] < 12:
                fault = (await venue.get("/control/faults"))[1]["active"][0]
            await venue.fault_off("stall")
            for one in (socket, witness):
                assert (await one.asks({"op": "ping", "rid": "1"}))["op"] == "pong"

    with_venue(work, pace=QUICK)


def test_one_swap_is_one_hit() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade") as socket:
            await venue.fault("out_of_order", count=1)
            venue.tell(*(a_price(float(n), after_s=n) for n in range(1, 5)))
            assert [(await socket.frame())["p"][0] for _ in range(4)] == ["2", "1", "3", "4"]

    with_venue(work)


def test_binance_announces_its_shutdown_and_closes_after_a_while() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as raw, venue.socket("/stream") as combined, venue.socket("/ws/rtds") as other:
            await venue.fault("server_shutdown", after_s=0.2)
            notice = await raw.frame()
            assert notice["e"] == "serverShutdown"
            assert await combined.frame() == {"stream": "!serverShutdown", "data": notice}
            assert await raw.closed() == 1001
            assert await pongs(other) == "PONG"

    with_venue(work)


def test_a_day_is_over_for_binance() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as spot, venue.socket("/futures/ws") as futures:
            await venue.fault("day_close", "binance")
            assert await spot.closed() == 1008
            assert (await futures.asks({"method": "LIST_SUBSCRIPTIONS", "id": 1}))["result"] == []

    with_venue(work)


def test_binance_deaf_to_pongs_closes() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("deaf_to_pongs")
        async with venue.socket("/ws") as socket:
            message = await socket.message()
            await socket.raw.pong(message.data)
            assert await socket.closed() == 1006

    with_venue(work, pace=QUICK)


def test_binance_pings_as_often_as_is_asked() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws") as socket:
            await venue.fault("ping_often", every_s=0.2, within_s=0.3)
            message = await socket.message()
            assert message.type == aiohttp.WSMsgType.PING
            assert await socket.closed() == 1006

    with_venue(work)


@pytest.mark.parametrize("code", ["auth_unavailable", "auth_invalid", "auth_expired"])
def test_polybolt_refuses_credentials_with_a_code_and_takes_them_afterwards(code: str) -> None:
    async def work(venue: Venue) -> None:
        given = {"op": "auth", "rid": "1", "auth": {"apiKey": "a", "secret": "b", "passphrase": "c"}}
        await venue.fault("auth", code=code)
        async with venue.socket("/ws/rt") as socket:
            assert await socket.asks(given) == {"op": "error", "rid": "1", "code": code}
            await venue.fault_off("auth")
            assert (await socket.asks(given))["op"] == "authed"

    with_venue(work)


async def _averages(venue: Venue, socket: Socket, *stamped_s: float) -> None:
    await socket.say({"op": "subscribe", "rid": "2", "subscriptions": [TWAP]})
    assert [frame["seq"] for frame in (await socket.frames(2))[1:]] == [1]
    venue.tell(*(an_average(1.0 + second, NOON_NS + seconds(second)) for second in stamped_s))


def test_lost_frames_are_told_in_dropped() -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket:
            await venue.fault("lost_frames", frames=3)
            await _averages(venue, socket, 1, 2, 3, 4, 5)
            first, second = await socket.frames(2)
        assert (first["seq"], first["dropped"], first["payload"]["value"]) == (5, 3, 5.0)
        assert (second["seq"], "dropped" in second) == (6, False)

    with_venue(work)


def test_an_empty_snapshot_has_no_data() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(1.0, NOON_NS))
        await venue.fault("empty_snapshot", "BTC")
        async with venue.polybolt() as socket:
            await socket.say({"op": "subscribe", "subscriptions": [TWAP]})
            _, snapshot = await socket.frames(2)
        assert snapshot["payload"]["data"] == []

    with_venue(work)


def test_the_second_at_which_a_window_starts_never_comes() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(1.0, NOON_NS - seconds(1)), an_average(2.0, NOON_NS))
        await venue.fault("missing_boundary")
        async with venue.polybolt() as socket:
            await socket.say({"op": "subscribe", "subscriptions": [TWAP]})
            _, snapshot = await socket.frames(2)
            venue.tell(an_average(3.0, NOON_NS + 5 * MINUTE_NS), an_average(4.0, NOON_NS + 5 * MINUTE_NS + seconds(1)))
            live = await socket.frame()
        assert [point["value"] for point in snapshot["payload"]["data"]] == [1.0]
        assert (live["payload"]["value"], live["seq"]) == (4.0, 2)

    with_venue(work)


# REST


@pytest.mark.parametrize(
    ("name", "status", "more", "after"),
    [
        ("http_429", 429, {}, None),
        ("http_429", 429, {"retry_after": 7}, "7"),
        ("http_418", 418, {}, "120"),
        ("http_500", 500, {}, None),
        ("http_503", 503, {}, None),
    ],
)
def test_a_status_is_answered_on_the_route_that_is_meant(
    name: str, status: int, more: dict[str, int], after: str | None
) -> None:
    async def work(venue: Venue) -> None:
        await venue.fault(name, "/gamma/markets", **more)
        async with venue.session.get(venue.server.url + f"/gamma/markets/slug/{BTC.market_id}") as answer:
            assert (answer.status, answer.headers.get("Retry-After")) == (status, after)
        assert (await venue.get("/ok"))[0] == 200
        assert (await venue.get("/control/status"))[0] == 200

    with_venue(work)


def test_too_many_requests_at_binance_have_its_code() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("http_429", "binance")
        assert (await venue.get("/api/v3/ping"))[1]["code"] == -1003
        assert (await venue.get("/ok"))[0] == 200

    with_venue(work)


def test_a_handshake_is_refused_only_where_its_path_is_meant() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("http_503")
        async with venue.socket("/ws/market") as socket:
            assert await pongs(socket) == "PONG"
        await venue.fault("http_503", "/ws/market")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with venue.socket("/ws/market"):
                pass
        assert refused.value.status == 503

    with_venue(work)


def test_a_connection_is_reset_before_its_answer() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("http_reset", "/ok", count=2)
        with pytest.raises(aiohttp.ClientConnectionError):
            await venue.get("/ok")

    with_venue(work)


def test_a_slow_answer_takes_its_time() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("http_slow", "/ok", count=1, delay_s=0.3)
        began = time.monotonic()
        assert (await venue.get("/ok"))[0] == 200
        assert time.monotonic() - began >= 0.3

    with_venue(work)


def test_a_book_that_is_there_is_not_found() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        await venue.fault("book_404", BTC.slot)
        assert (await venue.get(f"/book?token_id={venue.up()}"))[0] == 404
        assert (await venue.post("/books", [{"token_id": venue.up()}]))[1] == []
        await venue.fault_off("book_404")
        assert (await venue.get(f"/book?token_id={venue.up()}"))[0] == 200

    with_venue(work)


def test_a_stale_gamma_shows_a_resolved_market_as_open() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("stale_gamma")
        venue.tell(resolved())
        row = (await venue.get(f"/gamma/markets/slug/{BTC.market_id}"))[1]
        assert (row["closed"], "closedTime" in row) == (False, False)
        assert row["outcomePrices"] != '["1", "0"]'
        await venue.fault_off("stale_gamma")
        assert (await venue.get(f"/gamma/markets/slug/{BTC.market_id}"))[1]["closed"] is True

    with_venue(work)


def test_each_answer_of_a_stale_gamma_is_one_hit_and_open_markets_are_none() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(resolved())
        both = "/gamma/markets?" + "&".join(f"slug={market.market_id}" for market in (BTC, LATER))
        await venue.fault("stale_gamma", count=2)
        for shown in ([False, False], [False, False], [False]):
            assert [row["closed"] for row in (await venue.get(both))[1]] == shown

    with_venue(work, markets=(BTC, LATER))


def test_metadata_are_missing() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(1.0, NOON_NS), a_price(1.0, after_s=100))
        venue.server.desk.settings = type(venue.server.desk.settings)(beat_told_after_ns=0)
        path = f"/gamma/events/slug/{BTC.market_id}"
        assert (await venue.get(path))[1]["eventMetadata"] == {"priceToBeat": 1.0}
        await venue.fault("metadata_missing")
        assert "eventMetadata" not in (await venue.get(path))[1]

    with_venue(work)


# The market's data


def test_a_tie_is_exact_and_up_wins_it() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("tie", BTC.slot)
        async with venue.polybolt() as socket:
            await socket.say({"op": "subscribe", "subscriptions": [TWAP]})
            await socket.frames(2)
            venue.tell(an_average(101.25, BTC.start_ns), an_average(99.5, BTC.end_ns - seconds(1)))
            venue.tell(an_average(99.0, BTC.end_ns), resolved(outcome="DOWN"))
            values = [frame["payload"]["value"] for frame in await socket.frames(3)]
        assert values == [101.25, 99.5, 101.25]
        (row,) = (await venue.get(f"/data/v2/resolutions?condition_id={venue.condition()}"))[1]["data"]
        assert row["payouts"] == [1_000_000, 0]

    with_venue(work)


def test_a_window_after_a_tie_is_judged_by_the_average_that_was_told() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("tie", BTC.slot)
        venue.tell(an_average(101.0, BTC.start_ns), an_average(99.0, BTC.end_ns), resolved(outcome="DOWN"))
        venue.tell(an_average(100.0, LATER.end_ns), resolved(LATER, outcome="UP"))
        (row,) = (await venue.get(f"/data/v2/resolutions?condition_id={venue.condition(LATER)}"))[1]["data"]
        assert row["payouts"] == [0, 1_000_000]

    with_venue(work, markets=(BTC, LATER))


def test_a_resolution_comes_later_in_venue_time() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("late_resolution", count=1)
        venue.tell(resolved(after_s=30))
        path = f"/gamma/markets/slug/{BTC.market_id}"
        venue.server.desk.pump.idle(BTC.end_ns + seconds(629.9))
        assert (await venue.get(path))[1]["closed"] is False
        venue.server.desk.pump.idle(BTC.end_ns + seconds(630))
        assert (await venue.get(path))[1]["closedTime"] == "2026-01-05 12:15:30+00"

    with_venue(work)


def test_a_contrary_winner_has_an_official_price_that_agrees_with_it() -> None:
    async def work(venue: Venue) -> None:
        await venue.fault("contrary_winner", BTC.market_id)
        venue.tell(an_average(100.0, BTC.start_ns), an_average(101.0, BTC.end_ns), resolved(outcome="UP"))
        row = (await venue.get(f"/gamma/markets/slug/{BTC.market_id}"))[1]
        assert row["outcomePrices"] == '["0", "1"]'
        listing = venue.state.listings.of_slug(BTC.market_id)
        assert listing is not None
        assert final_price(listing, venue.state.prices_of("BTC")) == 99.0

    with_venue(work)


def test_a_silent_underlying_has_no_candles_either() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@kline_1s/ethusdt@kline_1s") as socket:
            venue.tell(a_price(1.0), a_price(2.0, asset="ETH"))
            await venue.fault("silent_underlying", "BTC")
            for count_s in (1, 2, 3):
                venue.server.desk.pump.idle(NOON_NS + seconds(count_s))
            assert {(await socket.frame())["s"] for _ in range(2)} == {"ETHUSDT"}

    with_venue(work)


def test_an_underlying_and_an_oracle_fall_silent() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/btcusdt@aggTrade/ethusdt@aggTrade") as socket, venue.polybolt() as prices:
            await prices.say({"op": "subscribe", "subscriptions": [TWAP]})
            await prices.frames(2)
            await venue.fault("silent_underlying", "BTC")
            await venue.fault("silent_reference", "BTC", count=1)
            venue.tell(a_price(1.0), a_price(2.0, asset="ETH"), an_average(1.0, NOON_NS))
            venue.tell(an_average(2.0, NOON_NS + seconds(1)))
            assert (await socket.frame())["s"] == "ETHUSDT"
            assert (await prices.frame())["payload"]["value"] == 2.0

    with_venue(work)


def test_the_tick_of_open_windows_changes_and_books_follow() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        async with venue.market_channel() as socket:
            assert (await venue.fault("tick_change", "BTC"))["hits"] == 1
            kinds = [frame["event_type"] for frame in await socket.frames(4)]
        assert kinds == ["tick_size_change"] * 2 + ["book"] * 2
        assert (await venue.get(f"/tick-size?token_id={venue.up()}"))[1] == {"minimum_tick_size": 0.001}

    with_venue(work, markets=(BTC, LATER))


def test_connections_are_refused_for_a_while_and_open_ones_stay() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/market") as socket:
            await venue.fault("refuse_connections", for_s=0.3)
            async with aiohttp.ClientSession() as fresh:
                with pytest.raises(aiohttp.ClientConnectionError):
                    await fresh.get(venue.server.url + "/ok")
                assert await pongs(socket) == "PONG"
                until = time.monotonic() + 20
                while not await _answers(fresh, venue):
                    assert time.monotonic() < until

    with_venue(work)


async def _answers(session: aiohttp.ClientSession, venue: Venue) -> bool:
    try:
        async with session.get(venue.server.url + "/ok") as answer:
            return json.loads(await answer.read()) == "OK"
    except aiohttp.ClientConnectionError:
        return False


def test_every_fault_has_a_test_here() -> None:
    text = Path(__file__).read_text()
    assert [fault.name for fault in MENU if f'"{fault.name}"' not in text] == []
