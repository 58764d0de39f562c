"""The simulated books: mirrored, within the venue's bounds, and priced about as the outcomes fall."""

from collections import defaultdict
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.events import Depth, Listed, MarketEvent, Printed, Resolved
from foresight.markets import MINUTE_NS, Market, Token
from foresight.money import MICROS
from foresight.sources.simulated import DEFAULT_SLOTS, SimulatedMarket
from foresight.sources.simulated.books import MirroredBook
from foresight.sources.simulated.noise import uniform_stream
from foresight.sources.simulated.windows import market_of

pytestmark = pytest.mark.no_cover
Side = tuple[tuple[int, int], ...]


@cache
def an_hour() -> tuple[MarketEvent, ...]:
    return tuple(SimulatedMarket(2, DEFAULT_SLOTS[:4], 60 * MINUTE_NS).events())


def markets_by_token(events: tuple[MarketEvent, ...]) -> dict[Token, Market]:
    return {
        token: event.market
        for event in events
        if isinstance(event, Listed)
        for token in (event.market.up, event.market.down)
    }


def mirrored(side: Side) -> Side:
    return tuple((MICROS - price, size) for price, size in side)


def check_sides(depth: Depth) -> None:
    """Best first, at most five levels, whole ticks from 0.01 to 0.99, at least 5 shares, never crossed."""
    for side, direction in ((depth.bids, -1), (depth.asks, 1)):
        assert len(side) <= 5
        assert all((after[0] - before[0]) * direction == 10_000 for before, after in pairwise(side))
        assert all(10_000 <= price <= 990_000 and price % 10_000 == 0 and size > 0 for price, size in side)
    assert depth.bids or depth.asks
    if depth.bids and depth.asks:
        assert depth.bids[0][0] < depth.asks[0][0]


def test_both_outcomes_are_sent_together_and_are_exact_mirrors() -> None:
    books = [event for event in an_hour() if isinstance(event, Depth)]
    markets = markets_by_token(an_hour())
    assert len(books) > 20_000
    for up, down in zip(books[::2], books[1::2], strict=True):
        assert up.at_ns == down.at_ns
        assert markets[up.token].up == up.token
        assert markets[up.token].down == down.token
        assert (mirrored(up.bids), mirrored(up.asks)) == (down.asks, down.bids)


def test_every_book_is_one_that_the_venue_could_show() -> None:
    for event in an_hour():
        if isinstance(event, Depth):
            check_sides(event)


def test_books_and_trades_belong_to_the_window_that_is_open_or_opens_within_five_seconds() -> None:
    markets = markets_by_token(an_hour())
    for event in an_hour():
        if isinstance(event, Depth | Printed):
            market = markets[event.token]
            ahead_ns = 5_000_000_000 if isinstance(event, Depth) else 0
            assert market.start_ns - ahead_ns <= event.at_ns < market.end_ns


def test_a_trade_prints_at_a_best_price_and_takes_its_size_from_there() -> None:
    book: dict[Token, Depth] = {}
    trades = 0
    for event in an_hour():
        if isinstance(event, Depth):
            book[event.token] = event
        elif isinstance(event, Printed) and book:
            best = {side[0] for side in (book[event.token].bids, book[event.token].asks) if side}
            assert any(price == event.price_micros and event.size_micros <= size for price, size in best)
            trades += 1
    assert trades > 1_000


def test_near_certainty_one_side_may_be_empty() -> None:
    assert any(isinstance(event, Depth) and not event.asks for event in an_hour())


MOVES = st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda pair: pair[0] < pair[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(MOVES, st.booleans(), st.integers(1, 10**7)), max_size=12))
def test_no_run_of_quotes_and_takers_breaks_a_book(steps: list[tuple[tuple[int, int], bool, int]]) -> None:
    book = MirroredBook(market_of("BTC", "5m", 0), level_shares=100.0, uniform=uniform_stream(1, "book"))
    for (bid, ask), buys_up, lots in steps:
        book.requote(bid, ask)
        assert (book.bid, book.ask) == (bid, ask)
        out: list[MarketEvent] = []
        taken = book.take(0, out, lots=lots, buys_up=buys_up)
        assert bool(out) == bool(taken) == (ask < 100 if buys_up else bid > 0)
        assert 0 <= book.bid < book.ask <= 100
        book.publish(1, out)
        for depth in out[-2:]:
            assert isinstance(depth, Depth)
            assert all(10_000 <= price <= 990_000 and size > 0 for price, size in depth.bids + depth.asks)


class Tally:
    """Every 10 s, for each favourite with a price on both sides: (ask, mid, it won), once its window is resolved."""

    def __init__(self) -> None:
        self.results: list[tuple[float, float, bool]] = []
        self._markets: dict[Token, Market] = {}
        self._seen: dict[str, list[tuple[Token, int, int]]] = defaultdict(list)
        self._seen_at: dict[Token, int] = {}

    def take(self, event: MarketEvent) -> None:
        if isinstance(event, Depth):
            self._look(event)
        elif isinstance(event, Listed):
            self._markets |= {event.market.up: event.market, event.market.down: event.market}
        elif isinstance(event, Resolved):
            for token, bid, ask in self._seen.pop(event.market_id, []):
                is_won = self._markets[token].outcome_of(token) == event.outcome
                self.results.append((ask / MICROS, (bid + ask) / 2 / MICROS, is_won))

    def _look(self, depth: Depth) -> None:
        tens = depth.at_ns // 10_000_000_000
        if depth.bids and depth.asks and self._seen_at.get(depth.token) != tens:
            self._seen_at[depth.token] = tens
            bid, ask = depth.bids[0][0], depth.asks[0][0]
            if bid + ask > MICROS:
                self._seen[self._markets[depth.token].market_id].append((depth.token, bid, ask))


@cache
def five_hours() -> Tally:
    tally = Tally()
    for event in SimulatedMarket(1, DEFAULT_SLOTS, 5 * 60 * MINUTE_NS).events():
        tally.take(event)
    return tally


def test_favourites_win_about_as_often_as_their_price_says() -> None:
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        found = [(mid, won) for _, mid, won in five_hours().results if low <= mid < low + 0.1]
        assert len(found) > 3_000
        assert abs(sum(won - mid for mid, won in found) / len(found)) < 0.06


def test_buying_every_strong_favourite_at_the_ask_neither_wins_nor_loses_much() -> None:
    found = [(ask, won) for ask, _, won in five_hours().results if 0.85 <= ask <= 0.97]
    assert abs(sum(won - ask for ask, won in found) / len(found)) < 0.05
