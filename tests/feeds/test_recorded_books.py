"""The recorded market channel through the bot's own channel into the engine's books: every top that the venue names is
that of the book, over one connection and over two of which neither brings all."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from builders import a_market
from feeds.feed_fakes import Around, FakeConnection
from foresight.engine.books import BookState, pair_of
from foresight.events import NOT_TOLD, Depth, Levels, MarketEvent, Printed
from foresight.feeds.clob import ClobChannel
from foresight.markets import Token
from foresight.sources.simulated.noise import uniform_stream

DATA = Path(os.environ.get("FORESIGHT_RECORDINGS") or Path(__file__).parents[2].parent / "shared" / "data")
RECORDING = DATA / "fixtures" / "polymarket_ws_market_btc5m_20260421.jsonl.gz"
pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(
        not RECORDING.is_file(),
        reason=f"the real recordings are not in {DATA} (set FORESIGHT_RECORDINGS): real books are not proved",
    ),
]
MS = 1_000_000

Sent = tuple[int, int, bytes]
"""When a frame arrives, on which connection, and its text."""


@cache
def frames() -> tuple[bytes, ...]:
    with gzip.open(RECORDING) as lines:
        return tuple(json.dumps(json.loads(line)["payload"]).encode() for line in lines)


@cache
def tokens() -> tuple[Token, ...]:
    return tuple(
        dict.fromkeys(Token(event["asset_id"]) for event in map(json.loads, frames()) if event["event_type"] == "book")
    )


def through_the_channel(sent: Iterable[Sent], connections: int = 1) -> list[MarketEvent]:
    """What the channel puts before the engine when frames arrive so."""
    around = Around()
    channel = ClobChannel("ws://venue", around.given, lambda _word: None)
    channel.follow(tokens(), ())
    ends = [FakeConnection(number) for number in range(connections)]
    for end in ends:
        channel.opened(end)
    for around.now_ns, by, text in sent:
        channel.took(ends[by], text)
    assert around.rejected == []
    return around.events


def one_by_one() -> Iterator[Sent]:
    return ((number * MS, 0, text) for number, text in enumerate(frames()))


class Books:
    """The engine's books of the recorded outcomes."""

    def __init__(self) -> None:
        ups = tokens()[::2]
        self.of: dict[Token, BookState] = {}
        for up, down in zip(ups, tokens()[1::2], strict=True):
            self.of[up], self.of[down] = pair_of(a_market(up=up, down=down), 0)

    def take(self, event: MarketEvent) -> None:
        if isinstance(event, Depth):
            self.of[event.token].take_depth(event)
        elif isinstance(event, Levels):
            assert self.of[event.token].take_levels(event), "a recorded book has diverged"

    def top(self, event: Levels) -> tuple[int, int]:
        return self.of[event.token].bid, self.of[event.token].ask

    def levels(self) -> dict[Token, object]:
        return {token: (book.bids, book.asks) for token, book in self.of.items()}


def named(event: Levels) -> tuple[int, int]:
    return event.best_bid_micros, event.best_ask_micros


def stamp(event: MarketEvent) -> int:
    assert isinstance(event, Depth | Levels | Printed)
    return event.stamped_ns


def test_at_the_end_of_each_instant_every_named_top_is_that_of_the_engines_book() -> None:
    events = through_the_channel(one_by_one())
    books, agreed = Books(), Counter[bool]()
    for _, group in groupby(sorted(events, key=stamp), key=stamp):
        instant = list(group)
        for event in instant:
            books.take(event)
        names = [event for event in instant if isinstance(event, Levels) and event.best_bid_micros != NOT_TOLD]
        agreed.update(books.top(event) == named(event) for event in names)
    assert agreed == {True: 10_514}


def test_in_the_order_of_arrival_tops_are_doubted_only_while_frames_of_one_match_are_under_way() -> None:
    """No book diverges (`Books.take` asserts it), and in the end each is the one that stamps make."""
    in_order, by_stamps = Books(), Books()
    agreed = Counter[bool]()
    events = through_the_channel(one_by_one())
    for event in events:
        in_order.take(event)
        if isinstance(event, Levels):
            agreed[in_order.top(event) == named(event)] += 1
    for event in sorted(events, key=stamp):
        by_stamps.take(event)
    assert in_order.levels() == by_stamps.levels()
    assert agreed.total() == 10_514
    assert agreed[False] == 17


def two_connections(seed: int, *, one_loses: int) -> list[Sent]:
    """Both bring the frames, the second later by another delay each; one frame of so many is lost by either, never the
    same one."""
    uniform = uniform_stream(seed, "two connections")
    sent: list[Sent] = []
    for number, text in enumerate(frames()):
        lost_by = int(uniform() * 2 * one_loses) if one_loses else -1
        delays = (2 * MS, int((1 + uniform() * 6) * MS))
        sent += [(number * MS + delays[by], by, text) for by in (0, 1) if lost_by != by]
    return sorted(sent)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("one_loses", [0, 10, 1])
def test_of_two_connections_that_lose_frames_nothing_is_lost_and_nothing_taken_twice(seed: int, one_loses: int) -> None:
    whole = through_the_channel(one_by_one())
    both = through_the_channel(two_connections(seed, one_loses=one_loses), connections=2)

    taken, told = Counter(map(without_arrival, both)), Counter(map(without_arrival, whole))
    assert taken.keys() == told.keys(), "nothing is lost"
    assert taken <= told, "and nothing is taken twice"
    if not one_loses:
        assert taken == told, "the venue repeats some frames, and they are repeated"
    first, second = Books(), Books()
    for event in whole:
        first.take(event)
    for event in both:
        second.take(event)
    assert second.levels() == first.levels()


def without_arrival(event: MarketEvent) -> tuple[object, ...]:
    assert isinstance(event, Depth | Levels | Printed)
    return (type(event).__name__, *(getattr(event, name) for name in event.__struct_fields__ if name != "at_ns"))
