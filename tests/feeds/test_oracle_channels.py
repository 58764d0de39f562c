"""The oracle's averages, from PolyBolt and from RTDS: each second once, and what their refusals lead to."""

import pytest

from feeds.feed_fakes import Around, FakeConnection
from foresight.events import Reference
from foresight.feeds.connection import Ended
from foresight.feeds.line import Refusal
from foresight.feeds.polybolt import ASK_AGAIN_S, LOST_S, REMEMBERED_NS, Credentials, PolyboltChannel
from foresight.feeds.rtds import RtdsChannel
from foresight.markets import SECOND_NS, TIMEFRAME_NS
from foresight.secrets import Secret
from wire.wire_frames import a_snapshot, a_twap, an_rtds_backfill, an_rtds_price, frame

NOW_NS = 1_795_177_805_000_000_000
STAMP_NS = 1_795_177_803_000_000_000
KNOWN_NS = 1_795_177_801_000_000_000


class Polybolt:
    """A channel that follows two assets over one connection."""

    def __init__(self) -> None:
        self.around = Around(NOW_NS)
        self.number = 1
        symbols = {"btcusd": "BTC", "ethusd": "ETH"}
        self.channel = PolyboltChannel("ws://venue/ws/rt", symbols, self.credentials, self.around.given, lambda: 0.7)
        self.first = self.open(1)

    def credentials(self) -> Credentials:
        return Credentials(*(Secret(f"{name}-{self.number}") for name in ("key", "secret", "phrase")))

    def open(self, number: int) -> FakeConnection:
        connection = FakeConnection(number)
        self.channel.opened(connection)
        return connection

    def take(self, message: object, by: FakeConnection | None = None) -> list[Reference]:
        self.channel.took(by or self.first, frame(message))
        return self.around.taken()


def a_refusal(code: str) -> dict[str, object]:
    return {"op": "error", "channel": "price.crypto.twap", "rid": "1", "code": code}


def test_it_presents_its_credentials_and_subscribes_when_they_are_taken() -> None:
    polybolt = Polybolt()
    auth = {"apiKey": "key-1", "secret": "secret-1", "passphrase": "phrase-1"}
    assert polybolt.first.taken() == [{"op": "auth", "rid": "1", "auth": auth}]
    polybolt.take({"op": "authed", "rid": "1"})
    (subscribe,) = polybolt.first.taken()
    assert subscribe["subscriptions"] == [
        {"channel": "price.crypto.twap", "filter": {"symbol": symbol, "window_seconds": 60}}
        for symbol in ("btcusd", "ethusd")
    ]
    assert polybolt.first.hearings == 0, "that is no data"


def test_an_average_is_an_event_with_the_oracles_stamp_and_its_source() -> None:
    polybolt = Polybolt()
    assert polybolt.take(a_twap()) == [Reference(NOW_NS, "BTC", "twap60", 81201.5, STAMP_NS, "polybolt:chainlink")]
    assert polybolt.channel.has("BTC", STAMP_NS)
    assert not polybolt.channel.has("BTC", STAMP_NS + SECOND_NS)
    assert not polybolt.channel.has("ETH", STAMP_NS)
    assert polybolt.channel.lags.quantile_ms(0.5) == pytest.approx(2_000)


def test_a_snapshot_tells_what_was_missed_and_only_that() -> None:
    polybolt = Polybolt()
    polybolt.take(a_twap())
    point = {"timestamp": STAMP_NS // 1_000_000, "value": 81201.5}
    assert [event.stamped_ns for event in polybolt.take(a_snapshot(point))] == [KNOWN_NS]
    assert polybolt.channel.duplicates == 1


def test_each_second_is_taken_once_whatever_the_order_and_the_connection() -> None:
    polybolt = Polybolt()
    second = polybolt.open(2)
    stamps = [STAMP_NS // 1_000_000 + 1_000 * number for number in (3, 1, 2, 1, 3, 0)]
    by = [polybolt.first, second] * 3
    taken = [
        event.stamped_ns
        for ms, connection in zip(stamps, by, strict=True)
        for event in polybolt.take(a_twap(timestamp=ms), connection)
    ]
    assert taken == [ms * 1_000_000 for ms in stamps[:3]] + [stamps[5] * 1_000_000]


def test_seconds_are_remembered_until_the_longest_window_is_over_and_no_longer() -> None:
    polybolt = Polybolt()
    count = REMEMBERED_NS // SECOND_NS
    ms = STAMP_NS // 1_000_000
    for number in range(count + 1):
        polybolt.take(a_twap(timestamp=ms + 1_000 * number))
        assert number * SECOND_NS > max(TIMEFRAME_NS.values()) or polybolt.channel.has("BTC", STAMP_NS)
    assert polybolt.take(a_twap(timestamp=ms + 1_000)) == []
    assert len(polybolt.channel._seen["btcusd"]) == count


def test_a_connection_is_warm_when_every_symbol_was_heard_even_with_an_empty_snapshot() -> None:
    polybolt = Polybolt()
    polybolt.take(a_twap())
    polybolt.take(a_twap(symbol="solusd"))
    assert not polybolt.first.is_warm
    empty = a_snapshot()
    empty["payload"] |= {"symbol": "ethusd", "data": []}
    polybolt.take(empty)
    assert polybolt.first.is_warm


def test_a_symbol_a_window_or_a_channel_that_nobody_asked_for_is_no_event_and_no_sign_of_life() -> None:
    polybolt = Polybolt()
    spot = a_twap() | {"channel": "price.crypto"}
    for message in (a_twap(symbol="solusd"), a_twap(window_seconds=30), a_twap(window_seconds=None), spot):
        assert polybolt.take(message) == []
    assert polybolt.first.hearings == 0


def test_what_the_venue_has_dropped_is_told() -> None:
    polybolt = Polybolt()
    polybolt.take(a_twap() | {"dropped": 3})
    assert polybolt.channel.dropped == 3
    assert polybolt.around.told[0].startswith("polybolt has dropped 3 frames")


@pytest.mark.parametrize("code", ["auth_invalid", "auth_expired", "auth_attempts"])
def test_credentials_that_are_refused_are_not_presented_again(code: str) -> None:
    polybolt = Polybolt()
    polybolt.take(a_refusal(code))
    assert polybolt.first.closed == code
    refusal = polybolt.channel.pause_after(Ended(1006, code, by_us=True))
    assert isinstance(refusal, Refusal)
    assert not refusal.is_void(), "the same credentials, though read anew"
    polybolt.number = 2
    assert refusal.is_void()
    assert polybolt.open(2).taken()[0]["auth"]["secret"] == "secret-2"
    assert code in polybolt.around.told[0]
    assert not any("secret-1" in sentence or "phrase-1" in sentence for sentence in polybolt.around.told)


@pytest.mark.parametrize("code", ["auth_unavailable", "auth_required"])
def test_an_authority_that_is_away_is_asked_again(code: str) -> None:
    polybolt = Polybolt()
    polybolt.take(a_refusal(code))
    assert polybolt.first.closed == code
    assert polybolt.channel.pause_after(Ended(1006, code, by_us=True)) == 0.0


@pytest.mark.parametrize("code", ["bad_filter", "rate_limited", "sub_limit"])
def test_a_refused_subscription_is_told_and_leaves_the_connection(code: str) -> None:
    polybolt = Polybolt()
    polybolt.take(a_refusal(code))
    assert polybolt.first.closed == ""
    assert polybolt.around.told == [f"polybolt refuses: {code} price.crypto.twap"]


def symbols_asked(connection: FakeConnection) -> list[list[str]]:
    """Of every subscription that was said since the last call."""
    said = [each for each in connection.taken() if each["op"] == "subscribe"]
    return [[item["filter"]["symbol"] for item in each["subscriptions"]] for each in said]


@pytest.mark.parametrize("code", ["rate_limited", "sub_limit"])
def test_what_was_refused_is_asked_for_again_once_a_minute_and_told_once(code: str) -> None:
    polybolt = Polybolt()
    polybolt.take({"op": "authed", "rid": "1"})
    assert symbols_asked(polybolt.first) == [["btcusd", "ethusd"]]
    for quarter in range(1, 4 * 130):
        polybolt.first.age = quarter / 4
        polybolt.take(a_twap(timestamp=STAMP_NS // 1_000_000 + 250 * quarter))
        polybolt.take(a_refusal(code))
        polybolt.channel.keep_alive(polybolt.first)
    assert symbols_asked(polybolt.first) == [["ethusd"], ["ethusd"]]
    assert len(polybolt.around.told) == 1


def test_nothing_is_asked_for_again_before_the_credentials_are_taken() -> None:
    polybolt = Polybolt()
    polybolt.first.age = 10 * ASK_AGAIN_S
    polybolt.channel.keep_alive(polybolt.first)
    assert symbols_asked(polybolt.first) == []


@pytest.mark.parametrize(("age", "asked"), [(5.0 + ASK_AGAIN_S - 0.1, []), (5.0 + ASK_AGAIN_S, [["ethusd"]])])
def test_a_symbol_that_falls_silent_is_asked_for_again(age: float, asked: list[list[str]]) -> None:
    polybolt = Polybolt()
    polybolt.take({"op": "authed", "rid": "1"})
    polybolt.first.age = 5.0
    polybolt.take(a_twap(symbol="ethusd"))
    polybolt.first.taken()
    polybolt.first.age = age
    polybolt.take(a_twap())
    polybolt.channel.keep_alive(polybolt.first)
    assert symbols_asked(polybolt.first) == asked


@pytest.mark.parametrize(("silent_s", "renews"), [(LOST_S - 0.1, False), (LOST_S, True)])
def test_a_symbol_that_snapshots_alone_bring_back_asks_for_a_renewal(silent_s: float, renews: bool) -> None:
    polybolt = Polybolt()
    asked: list[str] = []
    polybolt.channel.renew = lambda _connection, why: asked.append(why)
    polybolt.first.age = 5.0
    polybolt.take(a_twap(symbol="ethusd"))
    polybolt.first.age += silent_s
    polybolt.take(a_twap())
    snapshot = a_snapshot()
    snapshot["payload"] |= {"symbol": "ethusd"}
    polybolt.take(snapshot)
    polybolt.channel.keep_alive(polybolt.first)
    assert asked == (["no data of ethusd for 300 s"] if renews else [])


def test_a_symbol_that_has_never_spoken_asks_for_no_renewal() -> None:
    polybolt = Polybolt()
    asked: list[str] = []
    polybolt.channel.renew = lambda _connection, why: asked.append(why)
    polybolt.first.age = 10 * LOST_S
    polybolt.take(a_twap())
    polybolt.channel.keep_alive(polybolt.first)
    assert asked == []


@pytest.mark.parametrize(
    ("code", "pause_s"), [(4001, None), (4008, None), (4003, 7.0), (4002, 0.0), (1000, 0.0), (1006, 0.0)]
)
def test_how_a_connection_ended_says_when_there_is_another(code: int, pause_s: float | None) -> None:
    pause = Polybolt().channel.pause_after(Ended(code, ""))
    assert isinstance(pause, Refusal) if pause_s is None else pause == pytest.approx(pause_s)


def test_it_pings_every_thirty_seconds_and_an_answer_is_no_data() -> None:
    polybolt = Polybolt()
    polybolt.first.said.clear()
    for polybolt.first.age in (29.9, 30.0, 59.9, 60.0):
        polybolt.channel.keep_alive(polybolt.first)
    assert [said["op"] for said in polybolt.first.said] == ["ping", "ping"]
    polybolt.take({"op": "pong", "rid": "p30"})
    assert polybolt.first.hearings == 0


def test_what_is_no_frame_is_counted() -> None:
    polybolt = Polybolt()
    for message in ({"op": "surprise"}, [], a_twap(value="much", full_accuracy_value="much")):
        assert polybolt.take(message) == []
    assert len(polybolt.around.rejected) == 3


class Rtds:
    """The older socket beside a PolyBolt that has told these."""

    def __init__(self, *known: tuple[str, int]) -> None:
        self.around = Around(NOW_NS)
        self.channel = RtdsChannel(
            "ws://venue/ws/rtds", {"btc/usd": "BTC"}, self.around.given, lambda asset, at: (asset, at) in known
        )
        self.first = FakeConnection()
        self.channel.opened(self.first)

    def take(self, message: object) -> list[Reference]:
        self.channel.took(self.first, frame(message))
        return self.around.taken()


def test_rtds_subscribes_the_average_of_every_symbol() -> None:
    (said,) = Rtds().first.said
    assert said["subscriptions"] == [{"topic": "crypto_prices_twap_sixty", "type": "update", "filters": ""}]


def test_an_average_from_rtds_is_named_so_and_taken_once() -> None:
    rtds = Rtds()
    assert rtds.take(an_rtds_price()) == [Reference(NOW_NS, "BTC", "twap60", 81201.5, STAMP_NS, "rtds:chainlink")]
    assert rtds.take(an_rtds_price()) == []
    assert rtds.first.is_warm


def test_what_polybolt_has_told_rtds_does_not_tell_again() -> None:
    rtds = Rtds(("BTC", STAMP_NS))
    assert rtds.take(an_rtds_price()) == []
    assert rtds.channel.duplicates == 1


def test_a_backfill_alone_is_no_sign_that_updates_come() -> None:
    """One tester got the backfill and then no updates (venue spec §7.2)."""
    rtds = Rtds()
    assert [event.stamped_ns for event in rtds.take(an_rtds_backfill())] == [KNOWN_NS]
    assert rtds.first.hearings == 0
    assert not rtds.first.is_warm


@pytest.mark.parametrize(("ahead_s", "taken"), [(1, 1), (2, 0)])
def test_an_average_of_the_future_is_not_taken(ahead_s: int, taken: int) -> None:
    assert len(Rtds().take(an_rtds_price(timestamp=NOW_NS // 1_000_000 + 1_000 * ahead_s))) == taken


def test_other_windows_other_symbols_and_pongs_are_no_averages() -> None:
    rtds = Rtds()
    assert rtds.take(an_rtds_price(window_s=30)) == []
    assert rtds.take(an_rtds_price(symbol="eth/usd")) == []
    rtds.channel.took(rtds.first, b"PONG")
    rtds.channel.took(rtds.first, b"")
    assert rtds.around.events == []
    assert rtds.first.hearings <= 1


def test_rtds_is_pinged_every_five_seconds() -> None:
    rtds = Rtds()
    rtds.first.said.clear()
    for rtds.first.age in (4.9, 5.0, 9.9, 10.0):
        rtds.channel.keep_alive(rtds.first)
    assert rtds.first.said == [b"PING"] * 2
