"""Every recorded public message decodes with none rejected, and the ladder built from them has the tops that it names.

What the recording of 2026-04-21 says of the market channel: frames do not come in the order of their `timestamp` (one
in five is overtaken, mostly by 1 to 3 ms), and one match is told in several frames of the same stamp. In the order of
their stamps, and at the end of each instant, all 10,514 named tops agree.
"""

import gzip
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from wire_frames import Rejects

from foresight.markets import Token
from foresight.wire import binance, clob, gamma, rtds

DATA = Path(os.environ.get("FORESIGHT_RECORDINGS") or Path(__file__).parents[2].parent / "shared" / "data")
FIXTURES = DATA / "fixtures"
MESSAGES = FIXTURES / "polymarket_messages"
pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(
        not MESSAGES.is_dir(),
        reason=f"the real recordings are not in {DATA} (set FORESIGHT_RECORDINGS): real frames are not proved",
    ),
]

MARKET_CHANNEL = {
    "py_book": clob.Book, "py_last_trade_price": clob.LastTrade, "py_price_change": clob.PriceChange,
    "py_price_change_v2": clob.PriceChange, "py_tick_size_change": clob.TickSizeChange, "ws_book_snapshot": clob.Book,
    "ws_last_trade": clob.LastTrade, "ws_market_best_bid_ask_msg": clob.BestBidAsk, "ws_market_book_msg": clob.Book,
    "ws_market_last_trade_msg": clob.LastTrade, "ws_market_new_market_msg": clob.NewMarket,
    "ws_market_price_change_msg": clob.PriceChange, "ws_market_resolved_msg": clob.MarketResolved,
    "ws_market_tick_size_msg": clob.TickSizeChange, "ws_quotes": clob.PriceChange,
    "ws_tick_size_change": clob.TickSizeChange,
}  # fmt: skip
RTDS = {"rtds_crypto_prices_subscribe": rtds.Backfill, "rtds_crypto_prices_update": rtds.Price}
REFUSED_MARKETS = {
    "gamma_market": "version: None", "gamma_market_closed_binary_accepting_false": "version: None",
    "gamma_market_closed_binary_accepting_true": "version: None",
}  # fmt: skip
"""Objects of before the versions (and two of them no Up/Down market)."""
OF_NO_PROTOCOL_THAT_WE_READ = {
    "clob_fee_rate_response_nonzero", "clob_fee_rate_response_zero",  # not the rate that is charged (venue spec §1.6)
    "clob_market_closed_binary_accepting_false", "clob_market_closed_binary_accepting_true",  # we read the compact form
}  # fmt: skip
PRIVATE = {
    "http_balance_allowance_collateral", "http_balance_allowance_no_allowance", "http_batch_cancel_response",
    "http_cancel_response_failed", "http_cancel_response_ok", "http_open_order", "http_open_order_sell_fok",
    "http_open_orders_page", "http_order_response_error_500", "http_order_response_failed", "http_order_response_ok",
    "http_signed_order", "http_trade_report", "http_trades_page", "py_order_cancel", "py_order_placement", "py_trades",
    "py_user_trade1", "py_user_trade2", "py_user_trade3", "py_user_trade4", "ws_user_order_cancellation",
    "ws_user_order_fok_killed", "ws_user_order_matched", "ws_user_order_msg", "ws_user_order_placement",
    "ws_user_order_update", "ws_user_order_venue_cancel", "ws_user_trade", "ws_user_trade_msg",
}  # fmt: skip
"""Our own orders and trades: they belong to the live broker, which is not here yet."""


def message(name: str) -> bytes:
    return (MESSAGES / f"{name}.json").read_bytes()


def test_every_recorded_message_is_read_by_a_test_here_or_said_not_to_be() -> None:
    read = {*MARKET_CHANNEL, *RTDS, *REFUSED_MARKETS, "gamma_event", "clob_book_response"}

    assert {path.stem for path in MESSAGES.iterdir()} == read | OF_NO_PROTOCOL_THAT_WE_READ | PRIVATE
    assert not read & (OF_NO_PROTOCOL_THAT_WE_READ | PRIVATE)


@pytest.mark.parametrize("name", MARKET_CHANNEL)
def test_a_recorded_message_of_the_market_channel_is_read(name: str) -> None:
    rejects = Rejects()

    [told] = clob.ClobDecoder(rejects).decode(message(name))

    assert type(told) is MARKET_CHANNEL[name]
    assert not rejects.kinds


@pytest.mark.parametrize("name", RTDS)
def test_a_recorded_message_of_rtds_is_read(name: str) -> None:
    rejects = Rejects()

    assert type(rtds.RtdsDecoder(rejects).decode(message(name))) is RTDS[name]
    assert not rejects.kinds


def test_a_recorded_book_over_rest_is_read() -> None:
    rejects = Rejects()
    [book] = clob.decode_books(message("clob_book_response"), rejects)

    assert (book.bids[0], book.asks[0]) == ((500_000, 150_000_000), (510_000, 120_000_000))
    assert not rejects.kinds


@pytest.mark.parametrize("name", REFUSED_MARKETS)
def test_a_recorded_market_of_before_the_versions_is_refused(name: str) -> None:
    answer = gamma.decode_market(message(name), json.loads(message(name))["slug"])

    assert isinstance(answer, gamma.Refused)
    assert answer.why.startswith(REFUSED_MARKETS[name])


def test_a_recorded_event_has_no_official_prices_yet() -> None:
    assert gamma.decode_event(message("gamma_event")) == gamma.EventPrices("democratic-presidential-nominee-2028")


@cache
def gamma_samples() -> list[dict[str, object]]:
    return [json.loads(line) for line in (FIXTURES / "gamma_market_btc5m_samples.jsonl").read_text().splitlines()]


CONFIG = {"asset": "btc", "duration": "5m", "twapEnabled": True, "twapLookbackSeconds": 60}


@pytest.mark.parametrize("number", range(7))
def test_a_recorded_market_of_july_lacks_only_its_version_and_its_average(number: int) -> None:
    """It is of before 2026-08-14, when 5m windows began to settle on the average: refused as it is, and listed with
    the two fields that came later, with the winner that it names."""
    sample = gamma_samples()[number]
    slug = str(sample["slug"])

    as_it_is = gamma.decode_market(json.dumps(sample).encode(), slug)
    versioned = gamma.decode_market(json.dumps(sample | {"version": "v1"}).encode(), slug)
    today = gamma.decode_market(json.dumps(sample | {"version": "v1", "cryptoMarketConfig": CONFIG}).encode(), slug)

    assert as_it_is == gamma.Refused("version: None is none that we know", slug)
    assert versioned == gamma.Refused("settlement: no cryptoMarketConfig: an object of before the averages", slug)
    assert isinstance(today, gamma.Listing)
    assert today.resolved == ("UP" if sample["outcomePrices"] == '["1", "0"]' else "DOWN")
    assert (today.condition, today.closed) == (sample["conditionId"], True)


def test_there_are_seven_recorded_markets() -> None:
    assert len(gamma_samples()) == 7


@pytest.mark.parametrize(("name", "count"), [("btcusdt", 41_249), ("ethusdt", 33_618)])
def test_every_recorded_frame_of_binance_is_read(name: str, count: int) -> None:
    rejects = Rejects()
    decoder = binance.BinanceDecoder(rejects)
    with gzip.open(FIXTURES / f"binance_spot_ws_{name}_20240808.gz") as lines:
        frames = [line.split(b" ", 1)[1] for line in lines]

    kinds = Counter(type(decoder.decode(one)) for one in frames)

    assert not rejects.kinds
    assert set(kinds) == {binance.BookTicker, binance.Trade, binance.DepthUpdate, binance.PartialDepth}
    assert kinds.total() == len(frames) == count


@cache
def market_frames() -> list[bytes]:
    with gzip.open(FIXTURES / "polymarket_ws_market_btc5m_20260421.jsonl.gz") as lines:
        return [json.dumps(json.loads(line)["payload"]).encode() for line in lines]


@cache
def market_messages() -> list[clob.ClobMessage]:
    rejects = Rejects()
    decoder = clob.ClobDecoder(rejects)
    messages = [told for one in market_frames() for told in decoder.decode(one)]
    assert not rejects.kinds
    return messages


def test_every_recorded_frame_of_the_market_channel_is_read() -> None:
    kinds = Counter(type(told) for told in market_messages())

    assert len(market_frames()) == 5_544
    assert kinds == {clob.PriceChange: 5_185, clob.Book: 144, clob.BestBidAsk: 144, clob.LastTrade: 71}


Named = tuple[Token, int, int]
"""An outcome and the top of its book as the venue names it."""


class Ladders:
    """Plain books: a `Book` replaces, a change sets a level's size, 0 takes it away."""

    def __init__(self) -> None:
        self.sides: dict[Token, tuple[dict[int, int], dict[int, int]]] = {}
        self.replaced: Counter[str] = Counter()

    def apply(self, told: clob.ClobMessage) -> None:
        if isinstance(told, clob.Book):
            whole = (dict(told.bids), dict(told.asks))
            if told.token in self.sides:
                self.replaced["same" if self.sides[told.token] == whole else "other"] += 1
            self.sides[told.token] = whole
        elif isinstance(told, clob.PriceChange):
            for change in told.changes:
                if change.token in self.sides:
                    side = self.sides[change.token][0 if change.is_bid else 1]
                    side[change.price_micros] = change.size_micros
                    if not change.size_micros:
                        del side[change.price_micros]

    def top(self, token: Token) -> Named:
        bids, asks = self.sides[token]
        return token, max(bids, default=0), min(asks, default=0)


def names(told: clob.ClobMessage) -> Iterator[Named]:
    if isinstance(told, clob.BestBidAsk):
        yield told.token, told.best_bid_micros, told.best_ask_micros
    elif isinstance(told, clob.PriceChange):
        for change in told.changes:
            yield change.token, change.best_bid_micros, change.best_ask_micros


def stamp(told: clob.ClobMessage) -> int:
    assert not isinstance(told, clob.Pong)
    return told.stamped_ns


def test_in_the_order_of_stamps_every_named_top_is_the_ladders_at_the_end_of_its_instant() -> None:
    ladders = Ladders()
    agreed: Counter[bool] = Counter()

    for _, instant in groupby(sorted(market_messages(), key=stamp), key=stamp):
        told = list(instant)
        for one in told:
            ladders.apply(one)
        named = [name for one in told for name in names(one) if name[0] in ladders.sides]
        agreed.update(ladders.top(name[0]) == name for name in named)

    assert agreed == {True: 10_514}
    assert ladders.replaced == {"same": 116, "other": 24}


def test_in_the_order_of_arrival_tops_differ_only_while_frames_of_one_match_are_under_way() -> None:
    ladders, agreed = Ladders(), defaultdict[type, Counter[bool]](Counter)
    for told in market_messages():
        ladders.apply(told)
        known = [name for name in names(told) if name[0] in ladders.sides]
        agreed[type(told)].update(ladders.top(name[0]) == name for name in known)

    assert agreed[clob.PriceChange] == {True: 10_357, False: 4}
    assert agreed[clob.BestBidAsk] == {True: 140, False: 4}


def test_the_venue_sends_one_change_for_each_outcome_and_frames_overtake_each_other() -> None:
    changes = [told for told in market_messages() if isinstance(told, clob.PriceChange)]
    assert {len({change.token for change in told.changes}) for told in changes} == {2}
    assert {len(told.changes) for told in changes} == {2}

    overtaken = sum(later < earlier for earlier, later in pairwise(stamps(market_messages())))

    assert overtaken == 1_029


def stamps(messages: Iterable[clob.ClobMessage]) -> Iterator[int]:
    return (stamp(told) for told in messages)
