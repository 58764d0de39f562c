"""The underlying from Binance's streams: which message tells a price, and what comes twice is taken once."""

import pytest

from builders import NOON_NS, seconds
from feeds.feed_fakes import Around, FakeConnection, frame
from foresight.events import Spot
from foresight.feeds.binance import AGAIN_NS, ANEW_AFTER_NS, LOST_S, QUIET_NS, SPOT_STREAMS, BinanceChannel, Witnesses
from foresight.feeds.connection import Ended

ASSETS = {"BTCUSDT": "BTC", "ETHUSDT": "ETH"}


def a_quote(number: int, bid: float = 100.0, ask: float = 102.0, symbol: str = "BTCUSDT", **more: object) -> bytes:
    data = {"u": number, "s": symbol, "b": f"{bid:.2f}", "B": "1.2", "a": f"{ask:.2f}", "A": "0.5"} | more
    return frame({"stream": f"{symbol.lower()}@bookTicker", "data": data})


def a_trade(number: int, price: float, at_ns: int = NOON_NS, symbol: str = "BTCUSDT") -> bytes:
    ms = at_ns // 1_000_000
    data = {
        "e": "aggTrade", "E": ms, "s": symbol, "a": number, "p": str(price), "q": "0.1", "f": 1, "l": 2, "T": ms - 1,
        "m": True, "M": True,
    }  # fmt: skip
    return frame({"stream": f"{symbol.lower()}@aggTrade", "data": data})


def a_candle(close: float, at_ns: int = NOON_NS, symbol: str = "BTCUSDT") -> bytes:
    ms = at_ns // 1_000_000
    k = {
        "t": ms - 1000, "T": ms - 1, "s": symbol, "i": "1s", "f": 1, "L": 2, "o": "1", "c": str(close), "h": "200",
        "l": "1", "v": "1", "n": 1, "x": True, "q": "1", "V": "1", "Q": "1", "B": "0",
    }  # fmt: skip
    data = {"e": "kline", "E": ms, "s": symbol, "k": k}
    return frame({"stream": f"{symbol.lower()}@kline_1s", "data": data})


class Listening:
    """A channel with one connection open."""

    def __init__(
        self, witnesses: Witnesses | None = None, feed: str = "binance", kinds: tuple[str, ...] = SPOT_STREAMS
    ) -> None:
        self.around = Around()
        self.channel = BinanceChannel(
            "binance", "ws://venue", feed=feed, assets=ASSETS, kinds=kinds, around=self.around.given,
            witnesses=witnesses,
        )  # fmt: skip
        self.first = self.open(1)

    def open(self, number: int) -> FakeConnection:
        connection = FakeConnection(number)
        self.channel.opened(connection)
        return connection

    def take(self, text: bytes, by: FakeConnection | None = None) -> list[Spot]:
        self.channel.took(by or self.first, text)
        return self.around.taken()


def renewals_of(listening: Listening) -> list[tuple[int, str]]:
    """The renewals that the channel asks for from now on."""
    asked: list[tuple[int, str]] = []
    listening.channel.renew = lambda connection, why: asked.append((connection.number, why))
    return asked


def test_the_address_names_every_stream_in_lower_case() -> None:
    assert Listening().channel.url == (
        "ws://venue/stream?streams=btcusdt@bookTicker/btcusdt@aggTrade/btcusdt@kline_1s"
        "/ethusdt@bookTicker/ethusdt@aggTrade/ethusdt@kline_1s"
    )


def test_a_quote_tells_its_middle() -> None:
    listening = Listening()
    assert listening.take(a_quote(1)) == [Spot(NOON_NS, "BTC", "binance", 101.0, NOON_NS)]
    assert listening.channel.told_ns("BTC") == NOON_NS
    assert listening.channel.told_ns("ETH") is None


def test_a_quote_of_futures_keeps_its_own_stamp() -> None:
    [spot] = Listening(feed="binance-futures").take(a_quote(1, E=NOON_NS // 1_000_000 - 40, T=NOON_NS // 1_000_000))
    assert (spot.feed, spot.at_ns, spot.stamped_ns) == ("binance-futures", NOON_NS, NOON_NS - 40_000_000)


def test_a_middle_that_has_not_moved_is_passed_on_every_quarter_of_a_second() -> None:
    listening = Listening()
    listening.take(a_quote(1))
    listening.around.now_ns += AGAIN_NS - 1
    assert listening.take(a_quote(2, 99.0, 103.0)) == []
    listening.around.now_ns += 1
    [spot] = listening.take(a_quote(3))
    assert spot.at_ns == NOON_NS + AGAIN_NS
    [spot] = listening.take(a_quote(4, ask=104.0))
    assert spot.price == 102.0, "one that has moved at once"


@pytest.mark.parametrize(("after_ns", "tells"), [(QUIET_NS, False), (QUIET_NS + 1, True)])
def test_a_trade_tells_the_price_only_when_quotes_are_quiet_for_over_a_second(after_ns: int, tells: bool) -> None:
    listening = Listening()
    listening.take(a_quote(1))
    listening.around.now_ns += after_ns
    spots = listening.take(a_trade(1, 105.0, NOON_NS + after_ns))
    assert [spot.price for spot in spots] == ([105.0] if tells else [])


@pytest.mark.parametrize(("after_ns", "tells"), [(QUIET_NS, False), (QUIET_NS + 1, True)])
def test_a_candle_tells_the_price_only_when_trades_are_quiet_too(after_ns: int, tells: bool) -> None:
    listening = Listening()
    listening.take(a_quote(1))
    listening.around.later(5)
    listening.take(a_trade(1, 105.0))
    listening.around.now_ns += after_ns
    spots = listening.take(a_candle(106.0))
    assert [spot.price for spot in spots] == ([106.0] if tells else [])


def test_while_quotes_are_quiet_every_trade_tells_and_without_trades_every_candle() -> None:
    listening = Listening()
    assert [spot.price for number in range(5) for spot in listening.take(a_trade(number, 100.0 + number))] == [
        100.0, 101.0, 102.0, 103.0, 104.0,
    ]  # fmt: skip
    listening = Listening()
    for number in range(3):
        listening.around.later(0.999)  # candles do not come by a perfect clock
        assert listening.take(a_candle(100.0 + number, listening.around.now_ns))


def test_an_unmoved_quote_is_a_quote_though_it_is_not_passed_on() -> None:
    listening = Listening()
    listening.take(a_quote(1))
    listening.around.later(0.2)
    assert listening.take(a_quote(2)) == []
    listening.around.later(0.9)
    assert listening.take(a_trade(1, 105.0)) == []


def test_the_trades_of_futures_know_of_the_quotes_on_the_other_connection() -> None:
    witnesses = Witnesses()
    book, trades = Listening(witnesses, "binance-futures"), Listening(witnesses, "binance-futures")
    book.take(a_quote(1))
    assert trades.take(a_trade(1, 105.0)) == []
    trades.around.later(1.5)
    assert trades.take(a_trade(2, 105.0))


def test_what_two_connections_bring_is_taken_once_by_its_number() -> None:
    listening = Listening()
    second = listening.open(2)
    messages = [
        (kind(number), by)
        for number in range(1, 20)
        for by in (listening.first, second)
        for kind in (lambda n: a_quote(n, 100.0 + n, 102.0 + n), lambda n: a_quote(n, symbol="ETHUSDT", ask=102.0 + n))
    ]
    spots = [spot for text, by in messages for spot in listening.take(text, by)]
    assert len(spots) == 38
    assert listening.channel.duplicates == 38


def test_what_one_connection_loses_comes_by_the_other() -> None:
    listening = Listening()
    second = listening.open(2)
    prices = []
    for number in range(1, 31):
        for by, loses in ((listening.first, number % 3 == 0), (second, number % 3 == 1)):
            if not loses:
                prices += [spot.price for spot in listening.take(a_quote(number, 100.0 + number, 102.0 + number), by)]
    assert prices == [101.0 + number for number in range(1, 31)]


def test_a_venue_that_counts_anew_is_heard_when_all_connections_were_lost() -> None:
    listening = Listening()
    listening.take(a_quote(1_000))
    listening.channel.lost(listening.first)
    assert listening.take(a_quote(1, 50.0), listening.open(2))


def test_a_venue_that_counts_anew_is_heard_though_the_old_connection_was_still_open() -> None:
    """A connection that has fallen silent is replaced before it is closed."""
    listening = Listening()
    listening.take(a_quote(1_000))
    second = listening.open(2)
    listening.channel.lost(listening.first)
    listening.around.now_ns += ANEW_AFTER_NS
    assert listening.take(a_quote(1, 50.0), second) == [], "copies may still be under way"
    listening.around.now_ns += 1
    assert listening.take(a_quote(2, 50.0), second)
    assert listening.take(a_quote(2, 40.0), second) == []


def test_a_connection_is_warm_when_every_symbol_was_heard() -> None:
    listening = Listening()
    listening.take(a_quote(1))
    listening.take(a_quote(1, symbol="DOGEUSDT"))
    assert not listening.first.is_warm, "of what was not asked for nobody wants to hear"
    listening.take(a_trade(1, 3.0, symbol="ETHUSDT"))
    assert listening.first.is_warm


def test_copies_make_the_second_connection_warm() -> None:
    listening = Listening()
    second = listening.open(2)
    for symbol in ASSETS:
        listening.take(a_quote(5, symbol=symbol))
        listening.take(a_quote(5, symbol=symbol), second)
    assert second.is_warm


def test_an_unknown_symbol_is_no_event_and_no_sign_of_life() -> None:
    listening = Listening()
    for text in (a_quote(1, symbol="DOGEUSDT"), a_trade(1, 1.0, symbol="DOGEUSDT"), a_candle(1.0, symbol="DOGEUSDT")):
        assert listening.take(text) == []
    assert listening.first.hearings == 0


@pytest.mark.parametrize(
    "text",
    [
        b'{"e":"serverShutdown","E":1795177800000}',
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1795177800000}}',
    ],
)
def test_an_announced_end_asks_for_a_renewal(text: bytes) -> None:
    listening, asked = Listening(), []
    listening.channel.renew = lambda connection, why: asked.append((connection.number, why))
    assert listening.take(text) == []
    assert asked == [(1, "the venue will close it")]


@pytest.mark.parametrize(("silent_s", "renews"), [(LOST_S - 0.1, False), (LOST_S, True)])
def test_a_symbol_that_has_spoken_and_is_silent_for_minutes_asks_for_a_renewal(silent_s: float, renews: bool) -> None:
    listening = Listening()
    asked = renewals_of(listening)
    listening.first.age = 1.0
    listening.take(a_candle(100.0, symbol="ETHUSDT"))
    listening.first.age += silent_s
    listening.take(a_candle(100.0))
    listening.channel.keep_alive(listening.first)
    assert asked == ([(1, "no data of ETHUSDT for 180 s")] if renews else [])


def test_a_lost_symbol_asks_for_renewals_no_more_often_than_in_some_minutes_until_it_is_back() -> None:
    listening = Listening()
    listening.take(a_candle(100.0, symbol="ETHUSDT"))
    second = listening.open(2)
    listening.channel.lost(listening.first)
    asked = renewals_of(listening)
    for second.age in (0.0, LOST_S - 0.1):
        listening.channel.keep_alive(second)
    assert asked == []
    second.age = LOST_S
    listening.channel.keep_alive(second)
    assert [number for number, _ in asked] == [2]
    listening.take(a_candle(101.0, NOON_NS + seconds(1), symbol="ETHUSDT"), by=second)
    listening.channel.keep_alive(second)
    assert len(asked) == 1


def test_a_symbol_that_has_never_spoken_or_is_dropped_asks_for_no_renewal() -> None:
    listening = Listening()
    asked = renewals_of(listening)
    listening.take(a_candle(100.0, symbol="ETHUSDT"))
    listening.channel.drop(["ETH"], [])
    listening.first.age = 10 * LOST_S
    listening.channel.keep_alive(listening.first)
    assert asked == []


def test_trades_alone_may_be_rare() -> None:
    listening = Listening(kinds=("aggTrade",))
    asked = renewals_of(listening)
    listening.take(a_trade(1, 100.0))
    listening.first.age = 10 * LOST_S
    listening.channel.keep_alive(listening.first)
    assert asked == []


def test_further_symbols_are_asked_for_on_open_connections_and_named_by_later_ones() -> None:
    listening = Listening()
    channel, second = listening.channel, listening.open(2)
    channel.add({"SOLUSDT": "SOL", "BTCUSDT": "BTC"}, [listening.first, second])
    streams = ["solusdt@bookTicker", "solusdt@aggTrade", "solusdt@kline_1s"]
    assert listening.first.taken() == second.taken() == [{"method": "SUBSCRIBE", "params": streams, "id": 1}]
    assert channel.url.endswith("/" + "/".join(streams))
    assert channel.url.count("btcusdt@bookTicker") == 1
    assert listening.take(a_quote(1, symbol="SOLUSDT"))
    channel.add({"SOLUSDT": "SOL"}, [second])
    assert second.taken() == [], "what is there already is not asked for again"


def test_symbols_that_are_dropped_are_left_and_mean_nothing_afterwards() -> None:
    listening = Listening()
    listening.take(a_quote(1_000, symbol="ETHUSDT"))
    listening.channel.drop(["ETH"], [listening.first])
    streams = ["ethusdt@bookTicker", "ethusdt@aggTrade", "ethusdt@kline_1s"]
    assert listening.first.taken() == [{"method": "UNSUBSCRIBE", "params": streams, "id": 1}]
    assert "eth" not in listening.channel.url
    assert listening.take(a_quote(1_001, symbol="ETHUSDT")) == []
    assert listening.channel.told_ns("ETH") is None
    listening.channel.add({"ETHUSDT": "ETH"}, ())
    assert listening.take(a_quote(1, symbol="ETHUSDT")), "its numbers are forgotten too"


def test_a_refused_request_is_told() -> None:
    listening = Listening()
    listening.take(b'{"code":2,"msg":"Invalid request: unknown stream","id":1}')
    (told,) = listening.around.told
    assert told.startswith("binance refuses a request: ")
    assert "unknown stream" in told


def test_what_is_no_frame_is_counted_and_nothing_else_happens() -> None:
    listening = Listening()
    for text in (b"", b"{", b"[]", a_quote(1, -1.0), b"\xff" * 20):
        assert listening.take(text) == []
    assert len(listening.around.rejected) == 5
    assert listening.first.hearings == 0


def test_how_late_trades_come_is_measured_and_an_ended_connection_is_replaced_at_once() -> None:
    listening = Listening()
    for number in range(1, 101):
        listening.take(a_trade(number, 1.0, NOON_NS - seconds(number / 1_000)))
    assert listening.channel.lags.quantile_ms(0.5) == pytest.approx(51)
    assert listening.channel.lags.quantile_ms(0.99) == pytest.approx(100)
    assert listening.channel.pause_after(Ended(1001, "")) == 0.0


def test_a_quote_without_a_time_is_as_late_as_the_trades_beside_it() -> None:
    listening = Listening()
    listening.take(a_trade(1, 100.0))
    assert listening.take(a_quote(1))[0].stamped_ns == NOON_NS
    listening.around.later(60)
    listening.take(a_trade(2, 100.0))
    (late,) = listening.take(a_quote(2, 103.0, 105.0))
    assert (late.at_ns, late.stamped_ns) == (NOON_NS + seconds(60), NOON_NS)
    second = listening.open(2)
    listening.take(a_candle(104.0, NOON_NS + seconds(60)), by=second)
    (timely,) = listening.take(a_quote(3, 104.0, 106.0), by=second)
    assert timely.stamped_ns == timely.at_ns, "the other connection is not behind"


def test_a_quote_is_on_time_while_the_others_are_not_longer_under_way_than_may_be() -> None:
    listening = Listening()
    listening.take(a_trade(1, 100.0, NOON_NS - listening.around.given.way_ns))
    assert listening.take(a_quote(1))[0].stamped_ns == NOON_NS


def test_what_was_asked_for_during_a_handshake_is_asked_for_when_it_is_done() -> None:
    listening = Listening()
    assert listening.open(2).taken() == []
    listening.channel.add({"AVAXUSDT": "AVAX"}, ())
    (asked,) = listening.open(3).taken()
    assert asked["params"] == [f"avaxusdt@{kind}" for kind in SPOT_STREAMS]
    listening.channel.drop(["AVAX"], ())
    assert listening.open(4).taken() == []


def test_a_line_that_brings_trades_alone_may_be_silent_for_longer() -> None:
    assert Listening(kinds=("aggTrade",)).channel.silence_s > Listening(kinds=("bookTicker",)).channel.silence_s
