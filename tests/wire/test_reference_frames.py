"""Reference prices: PolyBolt, its old neighbour RTDS with the two scales, the website, and the geoblock."""

import json

import pytest
from wire_frames import (
    GEOBLOCK,
    POLYBOLT_CONTROLS,
    WEBSITE_PRICE,
    Rejects,
    a_snapshot,
    a_twap,
    an_rtds_backfill,
    an_rtds_price,
    frame,
)

from foresight.wire import polybolt, rtds, website

STAMPED_NS = 1795177803000_000_000


def bolt(value: object) -> tuple[polybolt.PolyboltMessage | None, list[str]]:
    rejects = Rejects()
    message = polybolt.PolyboltDecoder(rejects).decode(value if isinstance(value, bytes) else frame(value))
    return message, list(rejects.kinds.elements())


def old(value: object) -> tuple[rtds.RtdsMessage | None, list[str]]:
    rejects = Rejects()
    message = rtds.RtdsDecoder(rejects).decode(value if isinstance(value, bytes) else frame(value))
    return message, list(rejects.kinds.elements())


def test_the_average_that_settles_comes_with_the_oracles_own_time() -> None:
    price = polybolt.Price("price.crypto.twap", "btcusd", "chainlink", 60, STAMPED_NS, 81201.5, seq=2, dropped=0)

    assert bolt(a_twap()) == (price, [])


def test_the_accurate_value_is_used_where_there_is_one() -> None:
    fine, _ = bolt(a_twap(value=0.2, full_accuracy_value="0.203412345678901234"))
    plain, _ = bolt(a_twap(full_accuracy_value=None))

    assert isinstance(fine, polybolt.Price)
    assert fine.value == 0.203412345678901234
    assert isinstance(plain, polybolt.Price)
    assert plain.value == 81201.5


def test_a_spot_price_has_no_window_and_lost_frames_are_told() -> None:
    spot = a_twap() | {"channel": "price.crypto", "dropped": 3}
    payload = spot["payload"]
    assert isinstance(payload, dict)
    del payload["window_seconds"]

    message, _ = bolt(spot)

    assert isinstance(message, polybolt.Price)
    assert (message.channel, message.window_s, message.dropped) == ("price.crypto", None, 3)


def test_a_snapshot_tells_the_last_minutes_oldest_first_and_may_be_empty() -> None:
    older = {"timestamp": 1795177800000, "value": 81199.5}
    told = ((1795177800000_000_000, 81199.5), (1795177801000_000_000, 81200.5))
    message, rejected = bolt(a_snapshot(older))

    assert message == polybolt.Snapshot("price.crypto.twap", "btcusd", "chainlink", 60, told, seq=1)
    assert rejected == []
    empty = a_snapshot()
    payload = empty["payload"]
    assert isinstance(payload, dict)
    payload["data"] = []
    nothing, _ = bolt(empty)
    assert isinstance(nothing, polybolt.Snapshot)
    assert nothing.values == ()


def test_of_a_snapshot_a_bad_point_costs_only_itself() -> None:
    message, rejected = bolt(a_snapshot({"timestamp": 1795177802000, "value": None}, {"timestamp": -1, "value": 1}, 5))

    assert isinstance(message, polybolt.Snapshot)
    assert message.values == ((1795177801000_000_000, 81200.5),)
    assert rejected == ["polybolt/bad-price", "polybolt/bad-stamp", "polybolt/bad-shape"]


def test_the_answers_to_what_we_say_are_read() -> None:
    assert [bolt(control) for control in POLYBOLT_CONTROLS] == [
        (polybolt.Authed("1"), []),
        (polybolt.Subscribed("price.crypto.twap", "2"), []),
        (polybolt.Pong("p1"), []),
        (polybolt.Refused("bad_filter", "price.crypto", "2"), []),
    ]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (a_twap(full_accuracy_value="81201500000000000000000"), "bad-scale"),
        (a_twap(value=0, full_accuracy_value=None), "bad-price"),
        (a_twap(value=-1, full_accuracy_value=None), "bad-price"),
        (a_twap(full_accuracy_value="NaN"), "bad-scale"),
        (a_twap(value=None, full_accuracy_value="NaN"), "bad-price"),
        (a_twap(value=None, full_accuracy_value=None), "bad-price"),
        (a_twap(full_accuracy_value="9" * 10_000), "bad-shape"),
        (a_twap(timestamp=-1), "bad-stamp"),
        (a_twap(window_seconds=0), "bad-window"),
        (a_twap(symbol=None), "bad-shape"),
        (a_twap() | {"seq": -1}, "bad-id"),
        (a_twap() | {"channel": "price.equity"}, "unknown-channel/price_equity"),
        ({"op": "dance"}, "unknown-op/dance"),
        ({}, "unknown-op/none"),
        ([], "bad-shape"),
    ],
)
def test_a_wrong_frame_of_polybolt_is_rejected_by_kind(value: object, kind: str) -> None:
    assert bolt(value) == (None, [f"polybolt/{kind}"])


def test_what_we_say_to_polybolt_is_what_it_reads() -> None:
    assert json.loads(polybolt.auth("k", "s", "p", "1")) == {
        "op": "auth", "rid": "1", "auth": {"apiKey": "k", "secret": "s", "passphrase": "p"},
    }  # fmt: skip
    items = [polybolt.Item("price.crypto.twap", "btcusd", 60), polybolt.Item("price.crypto", "btcusd")]
    assert json.loads(polybolt.subscribe(items, "2")) == {
        "op": "subscribe", "rid": "2",
        "subscriptions": [
            {"channel": "price.crypto.twap", "filter": {"symbol": "btcusd", "window_seconds": 60}},
            {"channel": "price.crypto", "filter": {"symbol": "btcusd"}},
        ],
    }  # fmt: skip
    assert json.loads(polybolt.ping("p1")) == {"op": "ping", "rid": "p1"}


def test_the_old_sockets_averages_are_integers_of_1e18_and_its_binance_prices_are_plain() -> None:
    average = rtds.Price("crypto_prices_twap_sixty", "btc/usd", 60, STAMPED_NS, 81201.5)
    assert old(an_rtds_price()) == (average, [])

    plain = an_rtds_price("crypto_prices", symbol="btcusdt", full_accuracy_value="81201.50000000", window_s=None)
    assert old(plain) == (rtds.Price("crypto_prices", "btcusdt", None, STAMPED_NS, 81201.5), [])
    decimal = an_rtds_price(full_accuracy_value="81201.5")
    assert old(decimal) == (average, [])
    whole = an_rtds_price("crypto_prices", value=81201, full_accuracy_value="81201", window_s=None)
    assert old(whole) == (rtds.Price("crypto_prices", "btc/usd", None, STAMPED_NS, 81201.0), [])


def test_the_old_sockets_backfill_is_read_and_a_bad_point_costs_only_itself() -> None:
    points = [{"timestamp": 1795177802000, "value": 2.5}, {"timestamp": 1795177801000, "value": 1.5}, {"value": 1}]

    message, rejected = old(an_rtds_backfill(*points))

    values = ((1795177801000_000_000, 1.5), (1795177802000_000_000, 2.5))
    assert message == rtds.Backfill("crypto_prices_twap_sixty", "btc/usd", 60, values)
    assert rejected == ["rtds/bad-shape"]


@pytest.mark.parametrize("answer", [b"", b"PONG", b" \n"])
def test_an_empty_answer_of_the_old_socket_is_a_pong(answer: bytes) -> None:
    assert old(answer) == (rtds.Pong(), [])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (an_rtds_price("crypto_prices", window_s=None), "bad-scale"),
        (an_rtds_price(full_accuracy_value="81201"), "bad-scale"),
        (an_rtds_price(full_accuracy_value="-81201500000000000000000"), "bad-price"),
        (an_rtds_price(full_accuracy_value="9" * 10_000), "bad-price"),
        (an_rtds_price(full_accuracy_value="1e22"), "bad-price"),
        (an_rtds_price(window_s=30), "bad-window"),
        (an_rtds_price("crypto_prices_twap_ninety"), "unknown-topic/crypto_prices_twap_ninety"),
        (an_rtds_price() | {"type": "trades"}, "unknown-type/trades"),
        ({"message": "hello"}, "unknown-topic/none"),
        ({"topic": "crypto_prices", "type": "update"}, "not-json"),
    ],
)
def test_a_wrong_frame_of_the_old_socket_is_rejected_by_kind(value: object, kind: str) -> None:
    assert old(value) == (None, [f"rtds/{kind}"])


def test_the_old_sockets_filter_has_no_space_in_it() -> None:
    [wanted] = json.loads(rtds.subscribe(["crypto_prices_twap_sixty"], "btc/usd"))["subscriptions"]

    assert wanted == {"topic": "crypto_prices_twap_sixty", "type": "update", "filters": '{"symbol":"btc/usd"}'}
    assert json.loads(rtds.subscribe(["crypto_prices"]))["subscriptions"][0]["filters"] == ""


def test_the_websites_open_is_unknown_before_it_is_there() -> None:
    rejects = Rejects()
    told = website.decode_price_to_beat(frame(WEBSITE_PRICE), rejects)
    before = website.decode_price_to_beat(frame(WEBSITE_PRICE | {"openPrice": None}), rejects)
    after = website.decode_price_to_beat(frame(WEBSITE_PRICE | {"closePrice": 81215.5, "completed": True}), rejects)

    assert told == website.PriceToBeat(81201.5, None, False, 1795177811549_000_000)
    assert before == website.PriceToBeat(None, None, False, 1795177811549_000_000)
    assert after == website.PriceToBeat(81201.5, 81215.5, True, 1795177811549_000_000)
    assert not rejects.kinds
    assert website.decode_price_to_beat(frame(WEBSITE_PRICE | {"openPrice": -1}), rejects) is None
    assert rejects.kinds == {"website-price/bad-price": 1}


def test_the_geoblock_is_read() -> None:
    rejects = Rejects()

    assert website.decode_geoblock(frame(GEOBLOCK), rejects) == website.Geoblock(False, "DE", "BE")
    assert website.decode_geoblock(b'{"blocked":"no"}', rejects) is None
    assert rejects.kinds == {"geoblock/bad-shape": 1}
