"""The market channel: books and changes of the outcomes that are followed, taken once however many connections bring
them."""

import pytest

from builders import NOON_NS
from feeds.feed_fakes import Around, FakeConnection
from foresight.events import Depth, Levels, Printed, TickChanged
from foresight.feeds import clob as module
from foresight.feeds.clob import ClobChannel
from foresight.feeds.connection import Ended
from foresight.markets import Token
from wire.wire_frames import (
    DOWN,
    UP,
    a_book,
    a_change,
    a_last_trade,
    a_new_market,
    a_price_change,
    a_resolution_told,
    a_tick_change,
    a_top,
    frame,
)

BOTH = (Token(UP), Token(DOWN))
STAMP_NS = 1_795_177_803_200_000_000


class Listening:
    """A channel that follows one market's outcomes over one connection."""

    def __init__(self, *tokens: Token) -> None:
        self.around = Around()
        self.resolved: list[str] = []
        self.channel = ClobChannel(
            "ws://venue/ws/market", self.around.given, lambda word: self.resolved.append(word.winning_token)
        )
        self.channel.follow(tokens or BOTH, ())
        self.first = self.open(1)

    def open(self, number: int) -> FakeConnection:
        connection = FakeConnection(number)
        self.channel.opened(connection)
        return connection

    def take(self, *events: object, by: FakeConnection | None = None):
        self.channel.took(by or self.first, frame(events[0] if len(events) == 1 else list(events)))
        return self.around.taken()


def test_the_first_word_on_a_connection_subscribes_all_that_is_followed() -> None:
    [said] = Listening().first.said
    assert said == {"type": "market", "assets_ids": [UP, DOWN], "custom_feature_enabled": True}


def test_more_than_two_hundred_outcomes_are_subscribed_in_parts() -> None:
    listening = Listening(*(Token(str(number)) for number in range(401)))
    first, *rest = listening.first.said
    assert (first["type"], [part["operation"] for part in rest]) == ("market", ["subscribe"] * 2)
    assert [len(part["assets_ids"]) for part in listening.first.said] == [200, 200, 1]


def test_a_connection_is_warm_when_every_outcome_has_a_book() -> None:
    listening = Listening()
    listening.take(a_book())
    listening.take(a_price_change())
    assert not listening.first.is_warm
    listening.take(a_book(asset_id=DOWN))
    assert listening.first.is_warm


def test_books_of_both_outcomes_come_in_one_frame() -> None:
    listening = Listening()
    events = listening.take(a_book(), a_book(asset_id=DOWN))
    assert [(type(event), event.token) for event in events] == [(Depth, UP), (Depth, DOWN)]
    assert events[0].bids == ((510_000, 120_000_000), (10_000, 500_000_000))
    assert events[0].stamped_ns == 1_795_177_803_120_000_000
    assert listening.first.is_warm


def test_a_connection_that_follows_nothing_is_warm_and_never_silent() -> None:
    listening = Listening()
    listening.channel.leave(BOTH, ())
    second = listening.open(2)
    assert second.is_warm
    listening.channel.keep_alive(second)
    assert second.hearings == 1


def test_a_connection_does_not_wait_for_books_of_what_is_left_meanwhile() -> None:
    listening = Listening()
    listening.take(a_book())
    listening.channel.leave([Token(DOWN)], [listening.first])
    assert listening.first.is_warm


def test_a_change_of_each_outcome_is_an_event_of_its_own() -> None:
    up, down = Listening().take(a_price_change())
    assert up == Levels(NOON_NS, UP, ((520_000, 30_000_000),), (), 520_000, 530_000, STAMP_NS)
    assert down == Levels(NOON_NS, DOWN, (), ((480_000, 30_000_000),), 470_000, 480_000, STAMP_NS)


def test_several_changes_of_one_outcome_are_one_event_with_the_last_named_top() -> None:
    changes = [
        a_change(price="0.52", best_bid="0.52"),
        a_change(price="0.54", side="SELL", size="0", best_bid="0.52", best_ask="0.55"),
        a_change(price="0.51", size="7", best_bid="0.53", best_ask="0.56"),
    ]
    [event] = Listening().take(a_price_change(price_changes=changes))
    assert event.bids == ((520_000, 30_000_000), (510_000, 7_000_000))
    assert event.asks == ((540_000, 0),)
    assert (event.best_bid_micros, event.best_ask_micros) == (530_000, 560_000)


def test_tops_prints_and_ticks_are_events() -> None:
    listening = Listening()
    [top] = listening.take(a_top())
    assert (type(top), top.bids, top.asks, top.best_bid_micros, top.best_ask_micros) == (
        Levels, (), (), 520_000, 530_000,
    )  # fmt: skip
    [printed] = listening.take(a_last_trade())
    assert (type(printed), printed.price_micros, printed.size_micros) == (Printed, 530_000, 9_430_000)
    [tick] = listening.take(a_tick_change())
    assert (type(tick), tick.tick_micros) == (TickChanged, 1_000)


def kinds_of_up(listening: Listening, *events: object) -> list[type]:
    return [type(event) for event in listening.take(*events) if event.token == UP]


def test_a_book_with_another_tick_than_was_known_is_told_after_the_tick() -> None:
    listening = Listening()
    assert kinds_of_up(listening, a_book()) == [Depth], "the first tick is no change"
    assert kinds_of_up(listening, a_book(tick_size="0.001")) == [TickChanged, Depth]
    assert kinds_of_up(listening, a_book(tick_size="0.001")) == [Depth]
    assert kinds_of_up(listening, a_book(tick_size="")) == [Depth], "it tells none"


def test_the_first_book_is_compared_with_the_tick_of_the_listing() -> None:
    listening = Listening()
    listening.channel.leave(BOTH, ())
    listening.channel.follow(BOTH, (), tick_micros=1_000)
    [tick, depth] = listening.take(a_book())
    assert (type(tick), tick.tick_micros, tick.at_ns, tick.stamped_ns) == (
        TickChanged, 10_000, depth.at_ns, depth.stamped_ns,
    )  # fmt: skip


def test_a_book_that_is_older_than_a_change_of_tick_says_nothing_of_the_tick() -> None:
    listening = Listening()
    assert kinds_of_up(listening, a_book(), a_tick_change()) == [Depth, TickChanged]
    assert kinds_of_up(listening, a_book()) == [Depth]
    assert kinds_of_up(listening, a_book(timestamp="1795177803900", tick_size="0.001")) == [Depth]


def test_a_winner_is_passed_on_and_is_no_event() -> None:
    listening = Listening()
    assert listening.take(a_resolution_told()) == []
    assert listening.resolved == [UP]


def test_outcomes_that_nobody_follows_are_ignored() -> None:
    listening = Listening(Token(UP))
    assert [event.token for event in listening.take(a_price_change())] == [UP]
    for other in (a_book(asset_id=DOWN), a_last_trade(asset_id=DOWN), a_top(asset_id=DOWN), a_new_market()):
        assert listening.take(other) == []
    assert DOWN not in listening.channel.heard_ns


def test_following_and_leaving_are_said_on_open_connections_and_count_on_later_ones() -> None:
    listening = Listening(Token(UP))
    second = listening.open(2)
    for connection in (listening.first, second):
        connection.said.clear()
    listening.channel.follow(BOTH, [listening.first, second])
    subscribed = {"operation": "subscribe", "assets_ids": [DOWN], "custom_feature_enabled": True}
    assert listening.first.taken() == second.taken() == [subscribed]
    listening.channel.leave([Token(UP), Token("7")], [listening.first, second])
    assert listening.first.taken() == second.taken() == [{"operation": "unsubscribe", "assets_ids": [UP]}]
    assert listening.open(3).said[0]["assets_ids"] == [DOWN]
    assert listening.take(a_book()) == [], "what was under way when it was left"


def test_an_outcome_that_is_asked_for_again_is_left_and_followed() -> None:
    listening = Listening()
    listening.first.said.clear()
    listening.channel.ask_again(Token(UP), [listening.first])
    assert [said["operation"] for said in listening.first.said] == ["unsubscribe", "subscribe"]


def test_a_copy_on_the_second_connection_is_dropped() -> None:
    listening = Listening()
    second = listening.open(2)
    for event in (a_book(), a_book(asset_id=DOWN), a_price_change(), a_last_trade()):
        assert listening.take(event)
        assert listening.take(event, by=second) == []
    assert listening.channel.duplicates == 4
    assert second.is_warm, "its copies of the books count for that"
    assert second.hearings == 4


def test_what_one_connection_says_twice_is_said_twice_by_the_venue() -> None:
    listening = Listening()
    second = listening.open(2)
    printed = [len(listening.take(a_last_trade(), by=by)) for by in (listening.first, second, listening.first, second)]
    assert printed == [1, 0, 1, 0]


def test_what_one_connection_loses_comes_by_the_other() -> None:
    listening = Listening()
    second = listening.open(2)
    trades = [a_last_trade(timestamp=str(1_795_177_803_000 + number)) for number in range(30)]
    taken = []
    for number, trade in enumerate(trades):
        taken += listening.take(trade) if number % 3 else []
        taken += listening.take(trade, by=second) if number % 3 != 1 else []
    assert [event.stamped_ns // 1_000_000 % 1_000 for event in taken] == list(range(30))


def test_a_frame_that_comes_again_long_after_on_the_only_connection_is_taken() -> None:
    listening = Listening()
    second = listening.open(2)
    listening.take(a_book())
    listening.channel.lost(listening.first)
    assert listening.take(a_book(), by=second)


def test_a_book_that_has_not_changed_is_told_again_when_both_connections_were_lost() -> None:
    listening = Listening()
    second = listening.open(2)
    assert listening.take(a_book())
    for gone in (listening.first, second):
        listening.channel.lost(gone)
    third, fourth = listening.open(3), listening.open(4)
    assert listening.take(a_book(), by=third)
    assert listening.take(a_book(), by=fourth) == []


def test_the_memory_of_frames_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAMES_REMEMBERED", 2)
    listening = Listening()
    second = listening.open(2)
    for number in range(3):
        listening.take(a_last_trade(timestamp=str(1_795_177_803_000 + number)))
    assert listening.take(a_last_trade(timestamp="1795177803002"), by=second) == []
    assert listening.take(a_last_trade(timestamp="1795177803000"), by=second)


def test_pong_is_no_copy_no_data_and_no_fault() -> None:
    listening = Listening()
    second = listening.open(2)
    for connection in (listening.first, second):
        connection.age = 10.0
        listening.channel.keep_alive(connection)
        listening.channel.took(connection, b"PONG")
        connection.age = 15.1
        listening.channel.keep_alive(connection)
        assert connection.closed == ""
        assert connection.hearings == 0
    assert listening.channel.duplicates == 0
    assert listening.around.rejected == []


@pytest.mark.parametrize(("age", "closed"), [(15.0, ""), (15.1, "no PONG")])
def test_a_ping_goes_out_every_ten_seconds_and_one_without_an_answer_closes(age: float, closed: str) -> None:
    listening = Listening()
    first = listening.first
    first.said.clear()
    for first.age in (9.9, 10.0, 10.2, age):
        listening.channel.keep_alive(first)
    assert first.said == [b"PING"]
    assert first.closed == closed


def test_answered_pings_go_on() -> None:
    listening = Listening()
    first = listening.first
    first.said.clear()
    for tenth in range(600):
        first.age = tenth / 10
        pings = len(first.said)
        listening.channel.keep_alive(first)
        if len(first.said) > pings:
            listening.channel.took(first, b"PONG")
    assert len(first.said) == 5
    assert first.closed == ""


def test_what_does_not_parse_is_counted_and_is_no_sign_of_life() -> None:
    listening = Listening()
    for text in (b"", b"{", b'{"event_type":"surprise"}', frame(a_book(asset_id=7))):
        listening.channel.took(listening.first, text)
    assert len(listening.around.rejected) == 4
    assert listening.around.events == []
    assert listening.first.hearings == 0


def test_a_bad_element_does_not_take_the_others_with_it() -> None:
    listening = Listening()
    [event] = listening.take(a_book(bids="none"), a_book(asset_id=DOWN))
    assert event.token == DOWN
    assert len(listening.around.rejected) == 1


def test_only_what_is_said_of_the_book_stamps_the_book() -> None:
    """A book by REST that is older than a print is not older than the book."""
    listening = Listening()
    listening.take(a_book())
    listening.take(a_last_trade())
    assert listening.channel.stamped_ns[Token(UP)] == 1_795_177_803_120_000_000
    listening.take(a_price_change())
    assert listening.channel.stamped_ns[Token(UP)] == STAMP_NS


def test_an_end_is_answered_at_once() -> None:
    assert Listening().channel.pause_after(Ended(1006, "")) == 0.0
