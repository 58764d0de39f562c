"""Whatever a client says, a session answers or is silent; it never raises, and REST never answers 500."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import Venue, a_price, with_venue

from builders import NOON_NS, a_market
from foresight.events import Listed
from foresight.runtime.clock import monotonic_ns
from foresight.venue import Pace, VenueSettings
from foresight.venue.binance_session import BinanceSession, Request
from foresight.venue.clob_session import ClobSession
from foresight.venue.faults import Faults
from foresight.venue.polybolt_session import PolyBoltSession
from foresight.venue.rtds_session import SUBSCRIPTIONS_MAX, RtdsSession
from foresight.venue.sessions import End, Rate, Say
from foresight.venue.state import VenueState

KEYS = st.sampled_from(
    ["type", "operation", "assets_ids", "custom_feature_enabled", "method", "params", "id", "op", "rid", "auth",
     "subscriptions", "channel", "filter", "symbol", "window_seconds", "provider", "action", "topic", "filters"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["market", "subscribe", "unsubscribe", "SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "LIST_SUBSCRIPTIONS", "combined",
     "auth", "price.crypto.twap", "price.crypto", "btcusd", "update", "crypto_prices", "btcusdt@trade", ""]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
TEXTS = ANYTHING.map(json.dumps) | st.text(max_size=30)


def _sessions() -> tuple[VenueState, PolyBoltSession, ClobSession, RtdsSession, BinanceSession]:
    state = VenueState(VenueSettings(), slots=(("BTC", "5m"),), by_arithmetic=False)
    state.take(Listed(NOON_NS, a_market()), [])
    polybolt = PolyBoltSession(state, Faults(monotonic_ns), Pace())
    polybolt.hear('{"op":"auth","auth":{"apiKey":"a","secret":"b","passphrase":"c"}}', 0)
    clob, rtds = ClobSession(state), RtdsSession(state)
    return state, polybolt, clob, rtds, BinanceSession(state.exchange, Request(market="spot"), Rate(5, 1.0), [])


@settings(max_examples=300)
@given(st.lists(TEXTS, max_size=4))
def test_a_session_never_raises_and_leaves_nothing_behind(texts: list[str]) -> None:
    state, polybolt, clob, rtds, binance = _sessions()
    for text in texts:
        answers: list[Any] = [*clob.hear(text), *rtds.hear(text), *binance.hear(text), *polybolt.hear(text, 0)]
        assert all(isinstance(answer, Say | End) for answer in answers)
    for session in (clob, rtds, binance, polybolt):
        assert isinstance(session.names(), frozenset)
    clob.leave()
    binance.leave()
    assert state.watched_tokens.total() == state.exchange.watched.total() == 0


DEEP = 100_000
NESTED = "[" * DEEP + "]" * DEEP
BODIES = (
    b"", b"x", b"\xff", b'"\xff"', b"null", b"17", b"[null]", b"[[]]", b'{"token_id":', b'[{"token_id":"\\ud800"}]',
    f'[{{"token_id":"1","x":{NESTED}}}]'.encode(), f'{{"name":"stall","parameters":{{"x":{NESTED}}}}}'.encode(),
    f'{{"name":"stall","x":{NESTED}}}'.encode(), f'{{"rate":1,"x":{NESTED}}}'.encode(), NESTED.encode(),
    b'{"name":"\\ud800"}', b'{"name":"stall","count":' + b"9" * 4_000 + b"}", b'{"rate":1e999}',
)  # fmt: skip


@pytest.mark.parametrize("path", ["/books", "/control/faults", "/control/load"])
def test_no_body_makes_an_error_of_the_server(path: str) -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(1.0))
        for body in BODIES:
            async with venue.session.post(venue.server.url + path, data=body) as answer:
                assert answer.status == 400, body[:60]

    with_venue(work)


def test_no_nesting_and_no_number_makes_a_session_raise() -> None:
    _, polybolt, clob, rtds, binance = _sessions()
    for text in (NESTED, *(f'{{"{key}":{value}}}' for key in ("rid", "id", "op") for value in (NESTED, "9" * 400))):
        for answers in (clob.hear(text), rtds.hear(text), binance.hear(text), polybolt.hear(text, 0)):
            assert all(isinstance(answer, Say | End) for answer in answers)


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_named_twice_in_an_unsubscription_is_left_once(count: int) -> None:
    state, _, clob, _, binance = _sessions()
    clob.hear('{"type":"market","assets_ids":["1","1"]}')
    clob.hear(json.dumps({"operation": "unsubscribe", "assets_ids": ["1"] * count}))
    binance.hear('{"method":"SUBSCRIBE","params":["a@trade","a@trade"],"id":1}')
    told = binance.hear(json.dumps({"method": "UNSUBSCRIBE", "params": ["a@trade"] * count, "id": 2}))
    assert told == [Say(b'{"result":null,"id":2}', "reply")]
    assert state.watched_tokens.total() == state.exchange.watched.total() == 0


def test_rtds_takes_a_limited_number_of_subscriptions_and_answers_each_once() -> None:
    state, _, _, rtds, _ = _sessions()
    state.prices_of("BTC")
    symbols = [f"a{number}/usd" for number in range(SUBSCRIPTIONS_MAX)]

    def subscribe(*asked: str) -> list[Any]:
        items = [
            {"topic": "crypto_prices_chainlink", "type": "update", "filters": f'{{"symbol":"{s}"}}'} for s in asked
        ]
        return rtds.hear(json.dumps({"action": "subscribe", "subscriptions": items}))

    assert len(subscribe("btc/usd", "btc/usd", "btc/usd")) == 1
    subscribe(*symbols)
    assert rtds.names() == {"BTC"}
    subscribe(*symbols[1:])
    assert len(rtds.names()) == SUBSCRIPTIONS_MAX
    assert len(subscribe("btc/usd")) == 1  # what it has already it may name again
    subscribe("another/usd")
    assert "ANOTHER" not in rtds.names()


HOSTILE = ("", "x", "-1", "9" * 400, "9" * 5_000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", '["', "%00")


@pytest.mark.parametrize("value", HOSTILE)
def test_no_query_makes_an_error_of_the_server(value: str) -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(1.0))
        for path, names in QUERIES:
            for name in names:
                status, _ = await venue.get(f"{path}{'&' if '?' in path else '?'}{name}={value}")
                assert status < 500, (path, name)

    with_venue(work)


QUERIES = (
    ("/book", ("token_id",)),
    ("/price", ("token_id", "side")),
    ("/gamma/markets", ("slug", "limit", "offset", "closed", "condition_ids", "end_date_min", "ascending")),
    ("/gamma/events/keyset", ("limit", "after_cursor", "series_slug")),
    ("/data/v2/trades", ("condition_id", "limit", "start", "end", "cursor", "side", "user", "event_id")),
    ("/data/v2/trades?filter_type=CASH", ("filter_amount",)),
    ("/data/v2/resolutions", ("condition_id", "event_id", "question_id")),
    ("/api/crypto/crypto-price?symbol=BTC&variant=fiveminute", ("eventStartTime", "endDate")),
    ("/api/v3/exchangeInfo", ("symbol", "symbols")),
    ("/api/v3/klines?symbol=BTCUSDT&interval=1m", ("startTime", "endTime", "limit")),
    ("/api/v3/ticker/bookTicker", ("symbol", "symbols")),
    ("/api/v3/aggTrades?symbol=BTCUSDT", ("fromId", "limit")),
    ("/api/v3/depth?symbol=BTCUSDT", ("limit",)),
)
