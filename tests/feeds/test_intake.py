"""The queue between the sockets and the engine."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON_NS, a_depth, a_market, a_print, a_resolution, a_spot, a_twap, seconds
from foresight.engine.books import pair_of
from foresight.events import NOT_TOLD, Depth, Levels, MarketEvent, TickChanged
from foresight.feeds.intake import CONFLATE_AT, Intake
from foresight.markets import Market
from foresight.money import micros

MARKET = a_market()


def a_change(price: int, size: int, *, is_bid: bool = True, second: float = 0, market: Market = MARKET) -> Levels:
    level = ((price * 10_000, size),)
    at_ns = NOON_NS + seconds(second)
    return Levels(at_ns, market.up, level if is_bid else (), () if is_bid else level, stamped_ns=at_ns)


def filled(events: list[MarketEvent]) -> Intake:
    """An intake in which these wait, and enough of one asset's prices that they were joined."""
    intake = Intake()
    for event in events:
        intake.put(event)
    for number in range(CONFLATE_AT - len(events)):
        intake.put(a_spot(100.0 + number, at_ns=NOON_NS + seconds(100)))
    return intake


def test_what_waits_comes_out_in_order_and_the_first_one_rings() -> None:
    rung = []
    intake = Intake(lambda: rung.append(1))
    intake.put(a_spot(1.0))
    intake.put(a_spot(2.0))
    assert [event.price for event in intake] == [1.0, 2.0]
    assert next(intake, None) is None
    intake.put(a_spot(3.0))
    assert [event.price for event in intake] == [3.0]
    assert rung == [1, 1]


def test_a_queue_below_its_limit_is_left_alone() -> None:
    intake = Intake()
    for number in range(CONFLATE_AT - 1):
        intake.put(a_spot(float(number + 1)))
    assert len(intake) == CONFLATE_AT - 1
    assert intake.conflated == 0


def test_at_its_limit_one_price_a_second_is_left() -> None:
    intake = filled([a_spot(1.0, at_ns=NOON_NS), a_spot(2.0, at_ns=NOON_NS)])
    assert [event.price for event in intake] == [2.0, 100.0 + CONFLATE_AT - 3]
    assert intake.conflated == CONFLATE_AT - 2


def test_listings_references_and_resolutions_are_never_joined() -> None:
    kept = [a_twap(1.0, stamped_ns=NOON_NS), a_twap(1.0, stamped_ns=NOON_NS), a_resolution(MARKET)]
    assert list(filled(kept))[: len(kept)] == kept


def test_prints_of_one_outcome_are_added_up() -> None:
    first = next(filled([a_print(0.5, 3), a_print(0.6, 4)]))
    assert (first.price_micros, first.size_micros) == (micros(0.6), micros(7))


def test_a_whole_book_makes_earlier_changes_void_and_a_new_tick_makes_the_book_void() -> None:
    book = Depth(NOON_NS, MARKET.up, ((520_000, 1),), (), stamped_ns=NOON_NS)
    assert next(filled([a_change(52, 1, second=-1), a_change(52, 2, second=-2), book])) == book
    tick = TickChanged(NOON_NS, MARKET.up, 1_000, NOON_NS)
    assert next(filled([a_change(52, 1, second=-1), book, tick])) == tick


def test_changes_that_are_newer_than_a_whole_book_stay() -> None:
    newer = a_change(52, 7, second=2)
    book = Depth(NOON_NS + seconds(3), MARKET.up, ((520_000, 1),), (), stamped_ns=NOON_NS + seconds(1))
    assert list(filled([newer, book]))[:2] == [newer, book]


CHANGES = st.lists(st.tuples(st.integers(40, 60), st.integers(0, 5), st.booleans(), st.integers(0, 12)), max_size=200)
"""(cents, size, whether it is a bid, how much older than its arrival its stamp is)."""


@given(CHANGES, st.integers(0, 200))
def test_the_joined_changes_make_the_same_book_in_whatever_order_their_stamps_come(
    changes: list[tuple[int, int, bool, int]], whole_after: int
) -> None:
    events: list[MarketEvent] = [a_depth(at_ns=NOON_NS)]
    for number, (price, size, is_bid, older) in enumerate(changes):
        if number == whole_after:
            events.append(Depth(NOON_NS + number, MARKET.up, ((450_000, 9),), ((550_000, 9),), NOON_NS + number))
        change = a_change(price, size, is_bid=is_bid, second=number * 1e-9)
        events.append(msgspec.structs.replace(change, stamped_ns=change.at_ns - older))
    one_by_one, _ = pair_of(MARKET, 0)
    joined, _ = pair_of(MARKET, 0)
    for book, source in ((one_by_one, events), (joined, list(filled(events)))):
        for event in source:
            if isinstance(event, Depth):
                book.take_depth(event)
            elif isinstance(event, Levels):
                book.take_levels(event)
    assert joined.bids == one_by_one.bids
    assert joined.asks == one_by_one.asks


def test_the_top_that_is_left_is_the_one_with_the_newest_stamp_and_stands_at_it() -> None:
    named = [
        Levels(NOON_NS + number, MARKET.up, ((500_000, size),), (), top, 510_000, stamped_ns=NOON_NS + stamp)
        for number, (size, top, stamp) in enumerate(((1, 500_000, 5), (2, 490_000, 3)))
    ]
    assert list(filled([*named]))[:1] == [msgspec.structs.replace(named[0], at_ns=NOON_NS + 1)]
    only_named = Levels(NOON_NS + 2, MARKET.up, (), (), 480_000, 510_000, stamped_ns=NOON_NS + 7)
    left = list(filled([*named, only_named]))[:2]
    assert [(event.bids, event.best_bid_micros, event.stamped_ns) for event in left] == [
        (((500_000, 1),), NOT_TOLD, NOON_NS + 5),
        ((), 480_000, NOON_NS + 7),
    ]


def test_history_goes_before_what_has_arrived_meanwhile() -> None:
    intake = Intake()
    intake.put(a_spot(3.0, at_ns=NOON_NS))
    intake.begin_with([a_spot(1.0, at_ns=NOON_NS - seconds(2)), a_spot(2.0, at_ns=NOON_NS - seconds(1))])
    assert [event.price for event in intake] == [1.0, 2.0, 3.0]
