"""PolyBolt and RTDS on the wire (venue spec §7.1, §7.2)."""

import json
from typing import Any

import aiohttp
import pytest
from serving import QUICK, Venue, a_price, with_venue

from builders import NOON_NS, seconds
from foresight.events import Reference
from foresight.venue.polybolt_session import FRAME_BYTES_MAX

NOON_MS = NOON_NS // 1_000_000
TWAP = {"channel": "price.crypto.twap", "filter": {"symbol": "btcusd", "window_seconds": 60}}
SPOT = {"channel": "price.crypto", "filter": {"symbol": "btcusd"}}


def an_average(price: float, *, stamped_s: float = 0, asset: str = "BTC") -> Reference:
    """Stamped so many seconds after noon, told 1.2 s later."""
    stamped_ns = NOON_NS + seconds(stamped_s)
    return Reference(stamped_ns + seconds(1.2), asset, "twap60", price, stamped_ns, "test")


def subscribing(*items: dict[str, Any], rid: str = "2") -> dict[str, Any]:
    return {"op": "subscribe", "rid": rid, "subscriptions": list(items)}


def test_a_subscription_is_acknowledged_item_by_item_then_come_snapshots_then_live_prices() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(81_200.5))
        async with venue.polybolt() as socket:
            await socket.say(subscribing(TWAP, SPOT))
            acks = await socket.frames(2)
            snapshot, empty = await socket.frames(2)
            venue.tell(an_average(81_201.5, stamped_s=1))
            live = await socket.frame()
        assert acks == [
            {"op": "subscribed", "channel": "price.crypto.twap", "rid": "2"},
            {"op": "subscribed", "channel": "price.crypto", "rid": "2"},
        ]
        assert snapshot == {
            "v": 1, "channel": "price.crypto.twap", "seq": 1, "ts": NOON_MS + 1200, "snapshot": True,
            "payload": {"symbol": "btcusd", "source": "chainlink", "window_seconds": 60, "data": [
                {"timestamp": NOON_MS, "value": 81200.5, "full_accuracy_value": "81200.500000000000000000"}]},
        }  # fmt: skip
        assert (empty["snapshot"], empty["payload"]["data"]) == (True, [])
        assert live == {
            "v": 1, "channel": "price.crypto.twap", "seq": 2, "ts": NOON_MS + 2200,
            "payload": {"symbol": "btcusd", "source": "chainlink", "window_seconds": 60, "timestamp": NOON_MS + 1000,
                        "value": 81201.5, "full_accuracy_value": "81201.500000000000000000"},
        }  # fmt: skip

    with_venue(work)


def test_a_snapshot_holds_two_minutes() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(*(an_average(100.0 + n, stamped_s=n) for n in range(200)))
        async with venue.polybolt() as socket:
            await socket.say(subscribing(TWAP))
            _, snapshot = await socket.frames(2)
        stamps = [point["timestamp"] for point in snapshot["payload"]["data"]]
        assert stamps == list(range(NOON_MS + 81_000, NOON_MS + 200_000, 1000))

    with_venue(work)


def test_a_sequence_is_dense_for_a_channel_over_all_its_symbols_and_begins_anew_on_each_connection() -> None:
    async def work(venue: Venue) -> None:
        eth = {"channel": "price.crypto.twap", "filter": {"symbol": "ethusd", "window_seconds": 60}}
        for _ in range(2):
            async with venue.polybolt() as socket:
                await socket.say(subscribing(TWAP, eth))
                await socket.frames(2)
                snapshots = await socket.frames(2)
                venue.tell(an_average(1.0), an_average(2.0, asset="ETH"), an_average(3.0))
                live = await socket.frames(3)
            assert [frame["seq"] for frame in snapshots + live] == [1, 2, 3, 4, 5]

    with_venue(work)


def test_the_oracle_spot_keeps_the_ratio_of_average_and_underlying() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(100.0), an_average(99.5))
        async with venue.polybolt() as socket:
            await socket.say(subscribing(SPOT))
            await socket.frames(2)
            venue.tell(a_price(102.0, after_s=2.05))
            live = await socket.frame()
        assert live["channel"] == "price.crypto"
        assert live["payload"]["value"] == pytest.approx(102.0 * 0.995)
        assert "window_seconds" not in live["payload"]

    with_venue(work)


def test_unsubscribing_silences() -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket:
            await socket.say(subscribing(TWAP))
            await socket.frames(2)
            gone = await socket.asks({"op": "unsubscribe", "rid": "3", "subscriptions": [TWAP]})
            assert gone == {"op": "unsubscribed", "channel": "price.crypto.twap", "rid": "3"}
            venue.tell(an_average(1.0))
            assert await socket.asks({"op": "ping", "rid": "p1"}) == {"op": "pong", "rid": "p1"}

    with_venue(work)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"channel": "price.crypto.twap", "filter": {"symbol": "BTC/USD", "window_seconds": 60}}, "bad_filter"),
        ({"channel": "price.crypto.twap", "filter": {"symbol": "btcusdt", "window_seconds": 60}}, "bad_filter"),
        ({"channel": "price.crypto.twap", "filter": {"symbol": "btcusd"}}, "bad_filter"),
        ({"channel": "price.crypto", "filter": {"symbol": "btcusd", "provider": "me"}}, "bad_filter"),
        ({"channel": "price.crypto"}, "bad_filter"),
        ({"channel": "orders", "filter": {}}, "bad_channel"),
    ],
)
def test_a_wrong_item_is_refused_and_a_right_one_beside_it_taken(item: dict[str, Any], code: str) -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket:
            await socket.say(subscribing(item, TWAP))
            refused, ack, snapshot = await socket.frames(3)
        assert refused == {"op": "error", "channel": item["channel"], "rid": "2", "code": code}
        assert ack["op"] == "subscribed"
        assert snapshot["snapshot"] is True

    with_venue(work)


def test_nothing_can_be_subscribed_without_credentials() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/rt") as socket:
            assert (await socket.asks(subscribing(TWAP)))["code"] == "auth_required"
            empty = {"op": "auth", "rid": "1", "auth": {"apiKey": "", "secret": "x", "passphrase": "y"}}
            assert await socket.asks(empty) == {"op": "error", "rid": "1", "code": "auth_invalid"}
            assert (await socket.asks({"op": "dance"}))["code"] == "bad_op"
            assert (await socket.asks("{"))["code"] == "bad_op"

    with_venue(work)


def test_eight_tries_to_log_in_are_allowed() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket("/ws/rt") as socket:
            codes = [(await socket.asks({"op": "auth", "auth": {}}))["code"] for _ in range(9)]
        assert codes == ["auth_invalid"] * 8 + ["auth_attempts"]

    with_venue(work)


def test_sixty_four_subscriptions_are_allowed() -> None:
    async def work(venue: Venue) -> None:
        items = [{"channel": "price.crypto", "filter": {"symbol": f"coin{n}usd"}} for n in range(65)]
        async with venue.polybolt() as socket:
            await socket.say(subscribing(*items))
            told = await socket.frames(65)
        assert [frame["op"] for frame in told] == ["subscribed"] * 64 + ["error"]
        assert told[-1]["code"] == "sub_limit"

    with_venue(work)


def test_twenty_subscribing_frames_a_second_are_allowed() -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket:
            for _ in range(21):
                await socket.say({"op": "unsubscribe", "subscriptions": [TWAP]})
            told = await socket.frames(21)
        assert [frame.get("code") for frame in told] == [None] * 20 + ["rate_limited"]

    with_venue(work)


@pytest.mark.parametrize(("length", "closes"), [(FRAME_BYTES_MAX, False), (FRAME_BYTES_MAX + 1, True)])
def test_a_frame_over_64_kilobytes_breaks_the_policy(length: int, closes: bool) -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as socket:
            said = json.dumps({"op": "ping", "pad": ""})
            await socket.say(said[:-2] + "x" * (length - len(said)) + said[-2:])
            if closes:
                assert await socket.closed() == 4008
            else:
                assert (await socket.frame())["op"] == "pong"

    with_venue(work)


def test_two_missed_pings_close_with_4002_and_answered_ones_do_not() -> None:
    async def work(venue: Venue) -> None:
        async with venue.polybolt() as silent, venue.polybolt() as lively:
            for _ in range(6):
                message = await lively.message()
                assert message.type == aiohttp.WSMsgType.PING
                await lively.raw.pong(message.data)
            assert await silent.closed() == 4002
            assert not lively.raw.closed

    with_venue(work, pace=QUICK)


def test_rtds_backfills_and_goes_on_in_units_of_1e_minus_18() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(81_200.5))
        async with venue.socket("/ws/rtds") as socket:
            item = {"topic": "crypto_prices_twap_sixty", "type": "update", "filters": '{"symbol":"btc/usd"}'}
            backfill = await socket.asks({"action": "subscribe", "subscriptions": [item]})
            venue.tell(an_average(81_201.5, stamped_s=1))
            live = await socket.frame()
            await socket.say("PING")
            assert await socket.text() == "PONG"
        assert (backfill["type"], backfill["payload"]) == (
            "subscribe",
            {"symbol": "btc/usd", "data": [{"timestamp": NOON_MS, "value": 81200.5}]},
        )
        assert (live["topic"], live["type"]) == ("crypto_prices_twap_sixty", "update")
        assert live["payload"] == {
            "symbol": "btc/usd", "timestamp": NOON_MS + 1000, "value": 81201.5,
            "full_accuracy_value": "81201500000000000000000", "window_s": 60,
        }  # fmt: skip

    with_venue(work)


def test_an_rtds_filter_with_a_space_gets_its_backfill_and_then_silence() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(1.0))
        async with venue.socket("/ws/rtds") as socket:
            item = {"topic": "crypto_prices_twap_sixty", "type": "update", "filters": '{"symbol": "btc/usd"}'}
            assert (await socket.asks({"action": "subscribe", "subscriptions": [item]}))["type"] == "subscribe"
            venue.tell(an_average(2.0, stamped_s=1))
            await socket.say("PING")
            assert await socket.text() == "PONG"

    with_venue(work)


def test_one_invalid_rtds_topic_silences_the_whole_array() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(an_average(1.0))
        async with venue.socket("/ws/rtds") as socket:
            items = [{"topic": topic, "type": "update"} for topic in ("crypto_prices_twap_sixty", "weather")]
            await socket.say({"action": "subscribe", "subscriptions": items})
            await socket.say("PING")
            assert await socket.text() == "PONG"

    with_venue(work)
