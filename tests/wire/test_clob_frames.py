"""The market channel's frames become exact messages, and a wrong one is told by kind and changes nothing."""

import json

import pytest
from wire_frames import (
    COND,
    DOWN,
    UP,
    Rejects,
    a_book,
    a_change,
    a_last_trade,
    a_level,
    a_market_info,
    a_new_market,
    a_price_change,
    a_resolution_told,
    a_tick_change,
    a_top,
    frame,
)

from foresight.events import ABSENT, NO_STAMP, NOT_TOLD
from foresight.markets import Token
from foresight.wire import clob
from foresight.wire.clob import BestBidAsk, Book, Change, LastTrade, MarketResolved, NewMarket, PriceChange

UP_TOKEN, DOWN_TOKEN = Token(UP), Token(DOWN)


def decoded(value: object) -> tuple[list[clob.ClobMessage], Rejects]:
    rejects = Rejects()
    return list(clob.ClobDecoder(rejects).decode(value if isinstance(value, bytes) else frame(value))), rejects


def only(value: object) -> clob.ClobMessage:
    messages, rejects = decoded(value)
    assert not rejects.kinds, rejects.whys
    [message] = messages
    return message


def kinds(value: object) -> list[str]:
    messages, rejects = decoded(value)
    assert messages == []
    return list(rejects.kinds.elements())


def test_a_book_is_read_best_first_whatever_the_order_on_the_wire() -> None:
    bids, asks = ((510_000, 120_000_000), (10_000, 500_000_000)), ((530_000, 80_000_000), (990_000, 500_000_000))
    whole = Book(COND, UP_TOKEN, 1795177803120_000_000, bids, asks, 10_000, "9c1d")

    assert only(a_book()) == whole
    assert only(a_book(bids=[a_level("0.51", "120"), a_level("0.01", "500")])) == whole


def test_a_book_without_tick_hash_or_a_time_says_so() -> None:
    told = a_book(timestamp="")
    del told["tick_size"], told["hash"]

    book = only(told)

    assert isinstance(book, Book)
    assert (book.tick_micros, book.hash, book.stamped_ns) == (None, "", NO_STAMP)


def test_a_level_of_size_zero_is_no_level() -> None:
    book = only(a_book(bids=[a_level("0.50", "0"), a_level("0.49", "0.000001")], asks=[]))

    assert isinstance(book, Book)
    assert (book.bids, book.asks) == (((490_000, 1),), ())


def test_a_price_change_tells_both_outcomes_in_one_message() -> None:
    up = Change(UP_TOKEN, True, 520_000, 30_000_000, 520_000, 530_000)
    down = Change(DOWN_TOKEN, False, 480_000, 30_000_000, 470_000, 480_000)

    assert only(a_price_change()) == PriceChange(COND, 1795177803200_000_000, (up, down))


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (None, NOT_TOLD),
        ("", ABSENT),
        ("0", ABSENT),
        ("0.000", ABSENT),
        ("1", ABSENT),
        ("1.00", ABSENT),
        ("0.5", 500_000),
    ],
)
def test_an_empty_side_is_absent_and_a_side_that_is_not_named_is_not_told(named: str | None, told: int) -> None:
    message = only(a_price_change(a_change(best_bid=named, best_ask=named)))

    assert isinstance(message, PriceChange)
    [change] = message.changes
    assert (change.best_bid_micros, change.best_ask_micros) == (told, told)
    assert only(a_top(best_bid=named)) == BestBidAsk(COND, UP_TOKEN, told, 530_000, 1795177803901_000_000)


def test_the_older_price_change_with_changes_of_one_outcome_is_read_too() -> None:
    older = {
        "event_type": "price_change", "market": COND, "asset_id": DOWN, "timestamp": "1795177803200",
        "changes": [{"price": "0.4", "side": "SELL", "size": "3300"}, {"price": "0.5", "side": "BUY", "size": "0"}],
    }  # fmt: skip

    first = Change(DOWN_TOKEN, False, 400_000, 3_300_000_000, NOT_TOLD, NOT_TOLD)
    second = Change(DOWN_TOKEN, True, 500_000, 0, NOT_TOLD, NOT_TOLD)
    assert only(older) == PriceChange(COND, 1795177803200_000_000, (first, second))


def test_trades_ticks_new_markets_and_resolutions_are_read() -> None:
    assert only(a_last_trade()) == LastTrade(COND, UP_TOKEN, 530_000, 9_430_000, True, 1795177803350_000_000)
    assert only(a_tick_change()) == clob.TickSizeChange(COND, UP_TOKEN, 1_000, 1795177803900_000_000)
    tokens = (UP_TOKEN, DOWN_TOKEN)
    assert only(a_new_market()) == NewMarket(
        COND, "btc-updown-5m-1795264200", tokens, ("Up", "Down"), 1795177804000_000_000
    )
    assert only(a_resolution_told()) == MarketResolved(COND, tokens, UP_TOKEN, "Up", 1795178160000_000_000)


def test_pong_is_a_message_and_a_frame_of_many_events_is_many_messages() -> None:
    assert only(b"PONG") == clob.Pong()

    messages, rejects = decoded([a_book(), a_book(asset_id=DOWN), a_top()])

    assert [type(message) for message in messages] == [Book, Book, BestBidAsk]
    assert not rejects.kinds


def test_of_an_array_one_bad_event_is_rejected_and_the_others_count() -> None:
    messages, rejects = decoded([a_book(), 7, a_top(asset_id="x"), {"event_type": "foo"}, a_last_trade()])

    assert [type(message) for message in messages] == [Book, LastTrade]
    assert rejects.kinds == {"clob/bad-shape": 1, "clob/bad-token": 1, "clob/unknown-event/foo": 1}


def test_an_event_counts_whole_or_not_at_all() -> None:
    assert kinds(a_price_change(a_change(), a_change(price="1.5"))) == ["clob/bad-price"]
    assert kinds(a_book(bids=[a_level("0.5", "1"), a_level("0.4", "-1")])) == ["clob/bad-size"]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (a_last_trade(price="0"), "bad-price"),
        (a_last_trade(price="1"), "bad-price"),
        (a_last_trade(price="1.000000"), "bad-price"),
        (a_last_trade(price="-0.5"), "bad-price"),
        (a_last_trade(price="NaN"), "bad-price"),
        (a_last_trade(price="Infinity"), "bad-price"),
        (a_last_trade(price="5e-1"), "bad-price"),
        (a_last_trade(price="0.0000001"), "bad-price"),
        (a_last_trade(price="0." + "5" * 10_000), "bad-price"),
        (a_last_trade(price="\u0660.\u0665"), "bad-price"),
        (a_last_trade(price="0.5_0"), "bad-price"),
        (a_last_trade(price=None), "bad-trade"),
        (a_last_trade(price=0.5), "bad-shape"),
        (a_last_trade(size="-1"), "bad-size"),
        (a_last_trade(size="9" * 10_000), "bad-size"),
        (a_last_trade(size="1000000000000"), "bad-size"),
        (a_last_trade(side="HOLD"), "bad-side"),
        (a_last_trade(timestamp="soon"), "bad-stamp"),
        (a_last_trade(timestamp="-5"), "bad-stamp"),
        (a_last_trade(timestamp="9" * 5000), "bad-stamp"),
        (a_last_trade(asset_id="9" * 79), "bad-token"),
        (a_last_trade(market=""), "no-market"),
        (a_top(best_bid="1.01"), "bad-price"),
        (a_tick_change(new_tick_size="0"), "bad-tick"),
        (a_tick_change(new_tick_size="1"), "bad-tick"),
        (a_new_market(outcomes=["Up"]), "bad-market"),
        (a_resolution_told(winning_asset_id="7"), "bad-winner"),
        (a_book(asks=None), "bad-book"),
        ({"event_type": "price_change", "market": COND}, "bad-change"),
    ],
)
def test_a_wrong_value_is_rejected_by_kind(event: object, kind: str) -> None:
    assert kinds(event) == [f"clob/{kind}"]


def test_prices_and_sizes_at_the_edge_of_what_is_possible_are_taken_exactly() -> None:
    trade = only(a_last_trade(price="0.000001", size="999999999999.999999"))

    assert isinstance(trade, LastTrade)
    assert (trade.price_micros, trade.size_micros) == (1, 999_999_999_999_999_999)
    for thousandths in range(1, 1000):
        for text in (f"0.{thousandths:03d}", f"0.{thousandths:03d}000", str(thousandths / 1000)):
            priced = only(a_last_trade(price=text))
            assert isinstance(priced, LastTrade)
            assert priced.price_micros == thousandths * 1000


def test_an_unknown_event_is_unknown_even_if_its_fields_have_our_names_and_other_types() -> None:
    assert kinds({"event_type": "heat", "price": 5, "bids": "many"}) == ["clob/unknown-event/heat"]
    assert kinds({"event_type": "last_trade_price", "price": 5}) == ["clob/bad-shape"]
    assert kinds({}) == ["clob/unknown-event/none"]


def test_unknown_names_are_cut_sanitised_and_at_most_so_many() -> None:
    rejects = Rejects()
    decoder = clob.ClobDecoder(rejects)

    for number in range(200):
        decoder.decode(frame({"event_type": f"../{number} é" + "x" * 500}))

    assert len(rejects.kinds) == 33
    assert rejects.kinds["clob/unknown-event/other"] == 168
    assert all(len(kind) <= 60 and kind.isascii() and ".." not in kind for kind in rejects.kinds)


def test_a_frame_beyond_the_limit_is_rejected_unread_and_one_at_the_limit_is_read() -> None:
    event = frame(a_top())
    at_limit = event + b" " * (4 * 1024 * 1024 - len(event))

    assert isinstance(only(at_limit), BestBidAsk)
    assert kinds(at_limit + b" ") == ["clob/too-long"]


def test_an_array_of_too_many_elements_is_one_reject() -> None:
    assert kinds(b"[" + b"1," * 2_000 + b"1]") == ["clob/too-many"]
    assert len(kinds(b"[" + b"1," * 1_999 + b"1]")) == 2_000


def test_more_levels_or_changes_than_there_are_prices_are_rejected() -> None:
    levels = [a_level(f"0.{number % 9_999 + 1:04d}", "1") for number in range(10_000)]

    book, change = only(a_book(bids=levels)), only(a_price_change(*[a_change()] * 10_000))

    assert isinstance(book, Book)
    assert isinstance(change, PriceChange)
    assert (len(book.bids), len(change.changes)) == (9_999, 10_000)
    assert kinds(a_book(asks=[*levels, a_level("0.5", "1")])) == ["clob/too-many"]
    assert kinds(a_price_change(*[a_change()] * 10_001)) == ["clob/too-many"]


@pytest.mark.parametrize(
    ("hostile", "kind"),
    [
        (b"[" * 200_000, "too-deep"),
        (b'{"x":' * 200_000, "too-deep"),
        (b"", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b'{"event_type":"\xff"}', "not-json"),
        (b"INVALID OPERATION", "not-json"),
        (b'{"event_type":NaN}', "not-json"),
        (b'"PONG"', "bad-shape"),
        (b"null", "bad-shape"),
        (b"9" * 10_000, "bad-shape"),
    ],
)
def test_bytes_that_are_no_event_are_rejected_with_their_bytes(hostile: bytes, kind: str) -> None:
    rejects = Rejects()

    assert list(clob.ClobDecoder(rejects).decode(hostile)) == []

    assert rejects.kinds == {f"clob/{kind}": 1}
    assert rejects.frames == [hostile]


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    twice = frame(a_top())[:-1] + b',"best_bid":"0.51"}'

    assert only(twice) == BestBidAsk(COND, UP_TOKEN, 510_000, 530_000, 1795177803901_000_000)


def test_what_we_say_is_what_the_venue_reads() -> None:
    ids = [UP_TOKEN, DOWN_TOKEN]

    assert json.loads(clob.subscription(ids)) == {
        "type": "market", "assets_ids": [UP, DOWN], "custom_feature_enabled": True,
    }  # fmt: skip
    assert json.loads(clob.subscribe(ids[:1])) == {
        "operation": "subscribe", "assets_ids": [UP], "custom_feature_enabled": True,
    }  # fmt: skip
    assert json.loads(clob.unsubscribe(ids[:1])) == {"operation": "unsubscribe", "assets_ids": [UP]}
    assert clob.PING == b"PING"
    assert json.loads(clob.books_request(ids)) == [{"token_id": UP}, {"token_id": DOWN}]


def test_more_books_than_the_venue_takes_are_not_asked_for() -> None:
    assert len(json.loads(clob.books_request([UP_TOKEN] * 500))) == 500
    with pytest.raises(ValueError, match="501 books"):
        clob.books_request([UP_TOKEN] * 501)


def test_books_over_rest_are_read_one_or_many_with_the_best_level_last() -> None:
    rejects = Rejects()
    body = {
        "market": COND, "asset_id": UP, "timestamp": "1795177803120", "hash": "9c1d",
        "bids": [a_level("0.01", "500"), a_level("0.51", "120")],
        "asks": [a_level("0.99", "500"), a_level("0.53", "80")],
        "min_order_size": "5", "tick_size": "0.01", "neg_risk": False, "last_trade_price": "", "version": "v2",
    }  # fmt: skip

    assert clob.decode_books(frame(body), rejects) == [only(a_book())]
    assert clob.decode_books(frame([body, {"error": "no"}, body]), rejects) == [only(a_book())] * 2
    assert rejects.kinds == {"clob-books/bad-book": 1}
    assert clob.decode_books(b'{"error":"No orderbook exists"}', rejects) == []


def test_the_hash_of_a_book_is_the_vector_of_the_specification() -> None:
    token = "25070934348813416902477876984955073880416401960631253331845590271167412497744"
    book = {
        "asset_id": token, "market": "0x" + "ab" * 32, "timestamp": "1795000000123", "hash": "whatever it says",
        "bids": [a_level("0.01", "500"), a_level("0.51", "120")],
        "asks": [a_level("0.99", "500"), a_level("0.53", "80")],
        "min_order_size": "5", "tick_size": "0.01", "neg_risk": False, "last_trade_price": "0.520", "version": "v2",
    }  # fmt: skip

    assert clob.book_hash(frame(book)) == "cceab92cf089a40090bd885dc3ff33b867235706"
    assert clob.book_hash(b"{}") is None


def test_a_markets_rules_are_read_and_what_is_absent_is_off() -> None:
    rejects = Rejects()
    info = clob.decode_market_info(frame(a_market_info()), rejects)

    assert info == clob.MarketInfo(
        condition=COND, tokens=(UP_TOKEN, DOWN_TOKEN), outcomes=("Up", "Down"), tick_micros=10_000,
        min_shares_micros=5_000_000, fee_rate_micros=70_000, fee_exponent=1, has_taker_delay=True, is_accepting=True,
        is_neg_risk=False, version="v1",
    )  # fmt: skip
    bare = a_market_info()
    del bare["itode"], bare["fd"], bare["ao"]
    quiet = clob.decode_market_info(frame(bare), rejects)
    assert quiet is not None
    assert (quiet.has_taker_delay, quiet.fee_rate_micros, quiet.is_accepting) == (False, None, False)
    assert clob.decode_market_info(frame(a_market_info(mts=1)), rejects) is None
    assert rejects.kinds == {"clob-market/bad-tick": 1}
