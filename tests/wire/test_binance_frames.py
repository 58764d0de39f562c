"""Binance's stream frames and REST bodies become exact nouns; wrapped and raw, spot and futures, both time units."""

import json

import pytest
from wire_frames import (
    AGG_TRADE,
    AGG_TRADE_ROW,
    BOOK_TICKER,
    DEPTH,
    EXCHANGE_INFO,
    KLINE,
    KLINE_ROW,
    REST_TICKER,
    SERVER_TIME,
    SHUTDOWN,
    TRADE,
    Rejects,
    frame,
    wrapped,
)

from foresight.events import NO_STAMP
from foresight.wire import binance

TICKER = binance.BookTicker("BTCUSDT", 81234.01, 81234.02, 1.2, 0.5, 400900217, NO_STAMP)
AGGREGATED = binance.AggTrade(
    "BTCUSDT", 12345, 81234.01, 0.1, 1795177803135_000_000, 1795177803136_000_000, is_buyer_maker=True
)
SINGLE = binance.Trade(
    "BTCUSDT", 12345, 81234.01, 0.1, 1795177803135_000_000, 1795177803136_000_000, is_buyer_maker=False
)
CANDLE = binance.Kline(
    "BTCUSDT", "1s", 1795177802000_000_000, 1795177802999_000_000, 81235.5, True, 1795177803001_000_000
)
UPDATE = binance.DepthUpdate("BTCUSDT", 157, 160, 1795177803100_000_000)
PLANNED = binance.ServerShutdown(1795177800000_000_000)


def only(value: bytes) -> binance.BinanceMessage | None:
    rejects = Rejects()
    message = binance.BinanceDecoder(rejects).decode(value)
    assert not rejects.kinds, rejects.whys
    return message


def kind(value: bytes) -> str:
    rejects = Rejects()
    assert binance.BinanceDecoder(rejects).decode(value) is None
    [told] = rejects.kinds.elements()
    return told


@pytest.mark.parametrize(
    ("stream", "payload", "message"),
    [
        ("btcusdt@bookTicker", BOOK_TICKER, TICKER),
        ("btcusdt@aggTrade", AGG_TRADE, AGGREGATED),
        ("btcusdt@trade", TRADE, SINGLE),
        ("btcusdt@kline_1s", KLINE, CANDLE),
        ("btcusdt@kline_3m", KLINE, CANDLE),
        ("btcusdt@depth@100ms", DEPTH, UPDATE),
        ("btcusdt@depth", DEPTH, UPDATE),
        ("!serverShutdown", SHUTDOWN, PLANNED),
    ],
)
def test_a_payload_means_the_same_wrapped_and_raw(
    stream: str, payload: object, message: binance.BinanceMessage
) -> None:
    assert only(wrapped(stream, payload)) == message
    assert only(frame(payload)) == message


def test_futures_tickers_carry_a_time_and_a_name_of_their_own() -> None:
    futures = BOOK_TICKER | {"e": "bookTicker", "E": 1795177803136, "T": 1795177803135}
    message = only(frame(futures))

    assert isinstance(message, binance.BookTicker)
    assert message.event_ns == 1795177803136_000_000
    assert only(wrapped("btcusdt@bookTicker", futures)) == message


def test_times_of_microseconds_are_told_by_their_size() -> None:
    message = only(frame(AGG_TRADE | {"T": 1795177803135123, "E": 1795177803136456}))

    assert isinstance(message, binance.AggTrade)
    assert (message.traded_ns, message.event_ns) == (1795177803135_123_000, 1795177803136_456_000)


def test_the_best_levels_of_a_book_are_named_by_their_stream() -> None:
    best = {"lastUpdateId": 160, "bids": [["1", "2"]], "asks": [["3", "4"]]}

    assert only(wrapped("btcusdt@depth5", best)) == binance.PartialDepth("BTCUSDT", 160)
    assert only(frame(best)) == binance.PartialDepth("", 160)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ({"result": None, "id": 1}, binance.Reply(1, None)),
        ({"result": ["btcusdt@bookTicker"], "id": "three"}, binance.Reply("three", None)),
        ({"code": 2, "msg": "Invalid request: unknown", "id": 1}, binance.Reply(1, "2 Invalid request: unknown")),
        ({"code": 3, "msg": "Invalid JSON"}, binance.Reply(None, "3 Invalid JSON")),
        ({"error": {"code": 2, "msg": "no"}, "id": 4}, binance.Reply(4, "2 no")),
    ],
)
def test_replies_say_which_request_and_whether_it_was_obeyed(answer: object, reply: binance.Reply) -> None:
    assert only(frame(answer)) == reply


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (BOOK_TICKER | {"b": "0"}, "bad-price"),
        (BOOK_TICKER | {"b": "-1"}, "bad-price"),
        (BOOK_TICKER | {"a": "NaN"}, "bad-price"),
        (BOOK_TICKER | {"a": "Infinity"}, "bad-price"),
        (BOOK_TICKER | {"a": "9" * 10_000}, "bad-shape"),
        (BOOK_TICKER | {"a": [1]}, "bad-shape"),
        (BOOK_TICKER | {"B": "-0.1"}, "bad-quantity"),
        (BOOK_TICKER | {"A": "nan"}, "bad-quantity"),
        (BOOK_TICKER | {"u": -1}, "bad-id"),
        (BOOK_TICKER | {"u": 2**63}, "bad-id"),
        (AGG_TRADE | {"T": -1}, "bad-stamp"),
        (AGG_TRADE | {"E": 2**62}, "bad-stamp"),
        (AGG_TRADE | {"p": "0"}, "bad-price"),
        (AGG_TRADE | {"m": "perhaps"}, "bad-shape"),
        ({"e": "kline", "E": 1, "s": "BTCUSDT", "k": None}, "bad-shape"),
        ({"e": "24hrTicker", "s": "BTCUSDT"}, "unknown-event/24hrTicker"),
        ({}, "unknown-event/none"),
    ],
)
def test_a_wrong_value_is_rejected_by_kind(payload: object, told: str) -> None:
    assert kind(frame(payload)) == f"binance/{told}"


def test_an_aggregate_without_its_id_is_rejected() -> None:
    bare = {key: value for key, value in AGG_TRADE.items() if key != "a"}

    assert kind(wrapped("btcusdt@aggTrade", bare)) == "binance/bad-id"


def test_a_wrapped_stream_that_we_do_not_read_is_unknown_and_a_wrapper_without_payload_is_rejected() -> None:
    mean = {"e": "avgPrice", "E": 1795177803136, "s": "BTCUSDT"}
    assert kind(wrapped("btcusdt@avgPrice", mean)) == "binance/unknown-event/avgPrice"
    assert kind(wrapped("btcusdt@referencePrice", {})) == "binance/unknown-event/referencePrice"
    assert kind(b'{"stream":"btcusdt@bookTicker"}') == "binance/not-json"


def test_candles_over_rest_are_read_and_a_bad_one_costs_only_itself() -> None:
    rejects = Rejects()
    short, odd = KLINE_ROW[:6], [*KLINE_ROW[:4], "NaN", *KLINE_ROW[5:]]

    candles = binance.decode_klines(frame([KLINE_ROW, short, odd, "x", KLINE_ROW]), rejects)

    assert candles == [binance.Candle(1795177740000_000_000, 1795177799999_000_000, 81234.5)] * 2
    assert rejects.kinds == {
        "binance-klines/bad-candle": 1, "binance-klines/bad-price": 1, "binance-klines/bad-shape": 1,
    }  # fmt: skip
    assert binance.decode_klines(b'{"code":-1121,"msg":"Invalid symbol."}', rejects) == []


def test_symbols_have_a_status_and_trades_and_tickers_over_rest_are_read() -> None:
    rejects = Rejects()

    assert binance.decode_symbols(frame(EXCHANGE_INFO), rejects) == {"BTCUSDT": "TRADING", "ZECUSDT": "CANCEL_ONLY"}
    [trade] = binance.decode_agg_trades(frame([AGG_TRADE_ROW]), "BTCUSDT", rejects)
    assert trade == binance.AggTrade(
        "BTCUSDT", 12345, 81234.01, 0.1, 1795177803135_000_000, 1795177803135_000_000, is_buyer_maker=True
    )
    ticker = binance.decode_book_ticker(frame(REST_TICKER), rejects)
    assert ticker == binance.BookTicker("BTCUSDT", 81234.01, 81234.02, 1.2, 0.5, 0)
    assert binance.decode_time(frame(SERVER_TIME), rejects) == 1795177803135_000_000
    assert not rejects.kinds
    assert binance.decode_time(b"[]", rejects) is None
    assert binance.decode_symbols(b"[]", rejects) == {}
    assert binance.decode_agg_trades(b"{}", "BTCUSDT", rejects) == []
    assert binance.decode_book_ticker(b"[]", rejects) is None
    assert sum(rejects.kinds.values()) == 4


def test_what_we_say_is_what_the_venue_reads() -> None:
    streams = ["btcusdt@bookTicker", "btcusdt@aggTrade"]

    assert json.loads(binance.subscribe(streams, 1)) == {"method": "SUBSCRIBE", "params": streams, "id": 1}
    assert json.loads(binance.unsubscribe(streams[1:], 2)) == {
        "method": "UNSUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 2,
    }  # fmt: skip
