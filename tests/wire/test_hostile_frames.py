"""Whatever bytes come, no decoder raises, each rejected frame is told, and what is taken is within its bounds."""

import json
import math
import re
from collections.abc import Callable, Iterator

import msgspec
import pytest
import wire_frames as wf
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from foresight.wire import binance, clob, data_api, gamma, polybolt, rtds, website
from foresight.wire.rejects import FRAME_BYTES_MAX, OnReject

Decode = Callable[[bytes, OnReject], object]

DECODERS: dict[str, tuple[Decode, list[object]]] = {
    "clob": (lambda raw, tell: clob.ClobDecoder(tell).decode(raw), [*wf.CLOB_EVENTS, wf.CLOB_EVENTS]),
    "clob_books": (clob.decode_books, [wf.a_book(), [wf.a_book(), wf.a_book(asset_id=wf.DOWN)]]),
    "clob_market": (clob.decode_market_info, [wf.a_market_info()]),
    "binance": (
        lambda raw, tell: binance.BinanceDecoder(tell).decode(raw),
        [*wf.BINANCE_EVENTS, *({"stream": "btcusdt@bookTicker", "data": event} for event in wf.BINANCE_EVENTS),
         {"result": None, "id": 1}, {"code": 2, "msg": "no", "id": 1}],
    ),
    "klines": (binance.decode_klines, [[wf.KLINE_ROW, wf.KLINE_ROW]]),
    "agg_trades": (lambda raw, tell: binance.decode_agg_trades(raw, "BTCUSDT", tell), [[wf.AGG_TRADE_ROW]]),
    "symbols": (binance.decode_symbols, [wf.EXCHANGE_INFO]),
    "time": (binance.decode_time, [wf.SERVER_TIME]),
    "book_ticker": (binance.decode_book_ticker, [wf.REST_TICKER]),
    "polybolt": (
        lambda raw, tell: polybolt.PolyboltDecoder(tell).decode(raw),
        [wf.a_twap(), wf.a_snapshot(), *wf.POLYBOLT_CONTROLS],
    ),
    "rtds": (lambda raw, tell: rtds.RtdsDecoder(tell).decode(raw), [wf.an_rtds_price(), wf.an_rtds_backfill()]),
    "trades": (data_api.decode_trades, [wf.a_trades_page()]),
    "resolutions": (data_api.decode_resolutions, [wf.a_resolutions_page()]),
    "website": (website.decode_price_to_beat, [wf.WEBSITE_PRICE]),
    "geoblock": (website.decode_geoblock, [wf.GEOBLOCK]),
    "gamma_market": (lambda raw, _: gamma.decode_market(raw, wf.SLUG), [wf.a_listing()]),
    "gamma_markets": (lambda raw, _: gamma.decode_markets(raw), [[wf.a_listing(), wf.a_listing()]]),
    "gamma_event": (
        lambda raw, _: gamma.decode_event(raw),
        [{"slug": wf.SLUG, "eventMetadata": {"priceToBeat": 81201.5, "finalPrice": 81215.1}}],
    ),
    "book_hash": (lambda raw, _: clob.book_hash(raw), [wf.a_book()]),
}  # fmt: skip
KIND = re.compile(r"[a-z-]+/[a-z-]+(/[A-Za-z0-9_-]{1,32})?")
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def held(decode: Decode, raw: bytes) -> None:
    """Decodes and holds what must be true of any bytes."""
    rejects = wf.Rejects()

    answer = decode(raw, rejects)

    for path, number in numbers(msgspec.to_builtins(answer)):
        assert path == "id" or (math.isfinite(number) and -1 <= number < 2**63), (path, number)
        assert not path.endswith("price_micros") or 0 < number < 1_000_000, (path, number)
        assert not path.startswith("best_") or -1 <= number < 1_000_000, (path, number)
    for kind in rejects.kinds:
        assert KIND.fullmatch(kind), kind
    assert all(0 < len(why) <= 400 for why in rejects.whys)
    assert all(told is raw for told in rejects.frames)


def numbers(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number inside a noun, with the name of its field. The id of a reply is whatever we asked with."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield name, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from numbers(child, key)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from numbers(child, name)


HOSTILE_VALUES: list[object] = [
    None, True, False, "", "NaN", "Infinity", "-Infinity", "-0", "-1", "0", "1", "1e400", "9" * 10_000, "0." + "1" * 50,
    "\x00", "\ud7ff", "é" * 40, "-" * 500, 0, -1, 1.5,
    -0.0, 1e308, 2**63, 2**64, -(2**63), 10**30, [], {}, [[]], [None],
    {"": None}, [{"price": "0.5", "size": "1"}], ["7", "7"], '["Up", "Down"]', "[[[[", "2026-11-20T12:30:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
]  # fmt: skip
hostile = st.one_of(st.sampled_from(HOSTILE_VALUES), st.text(max_size=30), st.integers(), st.floats())


def few(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)


plain_json = st.recursive(hostile, few)


def spots(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The path of every value inside a JSON value, its own included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, child in inner for spot in spots(child, (*path, key)))]


def with_value(value: object, path: tuple[object, ...], new: object) -> object:
    if not path:
        return new
    copied = json.loads(json.dumps(value))
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return copied


def without(value: object, path: tuple[object, ...]) -> object:
    copied = json.loads(json.dumps(value))
    holder = copied
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return copied


@pytest.mark.parametrize("name", DECODERS)
def test_every_valid_frame_is_taken_before_it_is_spoilt(name: str) -> None:
    decode, frames = DECODERS[name]
    for valid in frames:
        rejects = wf.Rejects()
        answer = decode(wf.frame(valid), rejects)
        wrongly_wrapped = name == "binance" and "stream" in json.dumps(valid) and "bookTicker" in json.dumps(valid)
        assert rejects.kinds == {} or wrongly_wrapped
        assert answer is not None or wrongly_wrapped or name == "book_hash"


@pytest.mark.parametrize("name", DECODERS)
def test_any_one_value_of_a_valid_frame_may_be_anything_or_missing(name: str) -> None:
    """Every place of every frame with every hostile value: not drawn, but all of them."""
    decode, frames = DECODERS[name]
    for valid in frames:
        for spot in spots(valid):
            for value in HOSTILE_VALUES:
                held(decode, json.dumps(with_value(valid, spot, value)).encode())
            if spot:
                held(decode, json.dumps(without(valid, spot)).encode())


@pytest.mark.parametrize("name", DECODERS)
@SETTINGS
@given(data=st.data())
def test_several_values_may_be_anything_at_once(name: str, data: st.DataObject) -> None:
    decode, frames = DECODERS[name]
    value = data.draw(st.sampled_from(frames))
    for _ in range(data.draw(st.integers(1, 4))):
        value = with_value(value, data.draw(st.sampled_from(spots(value))), data.draw(plain_json))
    held(decode, json.dumps(value).encode())


@pytest.mark.parametrize("name", DECODERS)
@SETTINGS
@given(data=st.data())
def test_bytes_of_a_valid_frame_may_be_cut_turned_or_doubled(name: str, data: st.DataObject) -> None:
    decode, frames = DECODERS[name]
    raw = wf.frame(data.draw(st.sampled_from(frames)))
    start, end = sorted((data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, len(raw)))))
    middle = data.draw(st.one_of(st.binary(max_size=8), st.just(raw[start:end] * 2), st.just(b"")))
    held(decode, raw[:start] + middle + raw[end:])


@pytest.mark.parametrize("name", DECODERS)
@SETTINGS
@given(raw=st.binary(max_size=200))
@example(b"")
@example(b"\xff" * 100)
@example(b'{"a":1,"a":2}')
@example(b'"\\ud800"')
def test_raw_bytes_are_never_more_than_a_reject(name: str, raw: bytes) -> None:
    held(DECODERS[name][0], raw)


DEEP = 100_000


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"data":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"payload":' + b'{"data":' * DEEP + b"1" + b"}" * DEEP + b"}",
        b"[" + b"[" * DEEP + b"]" * DEEP + b"]",
        b" " * (FRAME_BYTES_MAX + 1),
        b"[" + b"{}," * 300_000 + b"{}]",
        b'{"data":[' + b"0," * 300_000 + b'0],"symbols":[' + b"0," * 300_000 + b"0]}",
        b"9" * 10_000,
        b"[" + b"9" * 10_000 + b"]",
        b'{"timestamp":' + b"9" * 10_000 + b"}",
        b'{"u":1e999999,"s":"BTCUSDT"}',
    ],
    ids=[
        "arrays",
        "objects",
        "data",
        "payloads",
        "closed",
        "huge",
        "many",
        "rows",
        "number",
        "element",
        "time",
        "power",
    ],
)
def test_deep_huge_and_endless_frames_are_rejected(name: str, raw: bytes) -> None:
    held(DECODERS[name][0], raw)
