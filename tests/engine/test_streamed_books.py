"""Books that are streamed as changes of their levels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON_NS, Harness, Says, a_depth, a_market, a_running_harness, an_entry, seconds
from foresight.effects import Judged, Rebuild
from foresight.engine.books import DIVERGED_AFTER_NS, LATE_FOR_NS, BookState, pair_of
from foresight.engine.ladder import Ladder
from foresight.engine.settings import WAY_NS
from foresight.events import NOT_TOLD, Depth, Levels, TickChanged
from foresight.feeds.books import QUIET_NS
from foresight.markets import SECOND_NS, Market
from foresight.money import micros


def levels(*pairs: tuple[float, float]) -> tuple[tuple[int, int], ...]:
    return tuple((micros(price), micros(size)) for price, size in pairs)


def a_book() -> BookState:
    """UP's book: 0.51 and 0.50 bid, 0.53 and 0.55 asked, as it was at noon."""
    up, _ = pair_of(a_market(), seconds(60))
    bids, asks = levels((0.51, 120), (0.50, 10)), levels((0.53, 80), (0.55, 5))
    up.take_depth(Depth(NOON_NS, up.market.up, bids, asks, stamped_ns=NOON_NS))
    return up


def changed(
    book: BookState,
    *,
    bids: tuple[tuple[int, int], ...] = (),
    asks: tuple[tuple[int, int], ...] = (),
    best: tuple[float, float] | None = None,
    after_s: float = 1,
    stamped_s: float | None = None,
) -> bool:
    at_ns = NOON_NS + seconds(after_s)
    stamped_ns = NOON_NS + seconds(after_s if stamped_s is None else stamped_s)
    named = (NOT_TOLD, NOT_TOLD) if best is None else (micros(best[0]), micros(best[1]))
    return book.take_levels(Levels(at_ns, book.market.up, bids, asks, *named, stamped_ns))


def test_a_change_sets_the_size_of_its_level_and_zero_takes_it_away() -> None:
    book = a_book()
    assert changed(book, bids=levels((0.52, 30), (0.50, 0)), best=(0.52, 0.53))
    assert book.bids == levels((0.52, 30), (0.51, 120))
    assert (book.bid, book.bid_size, book.ask) == (micros(0.52), micros(30), micros(0.53))


def test_when_the_best_level_goes_the_next_one_is_the_top() -> None:
    book = a_book()
    assert changed(book, asks=levels((0.53, 0)), best=(0.51, 0.55))
    assert (book.ask, book.ask_size) == (micros(0.55), micros(5))


def test_when_the_last_level_of_a_side_goes_the_side_is_empty() -> None:
    book = a_book()
    assert changed(book, asks=levels((0.53, 0), (0.55, 0)), best=(0.51, 0))
    assert book.ask == 0
    assert book.asks == ()


def test_a_change_that_is_older_than_its_level_is_dropped_and_one_of_the_same_stamp_counts() -> None:
    book = a_book()
    changed(book, bids=levels((0.51, 7)), stamped_s=-0.001)
    assert book.bid_size == micros(120)
    changed(book, bids=levels((0.51, 7)), stamped_s=0)
    assert book.bid_size == micros(7)


def test_a_level_that_went_away_does_not_come_back_with_an_older_change() -> None:
    book = a_book()
    changed(book, bids=levels((0.51, 0)), stamped_s=1)
    changed(book, bids=levels((0.51, 99)), stamped_s=0.999)
    assert book.bid == micros(0.50)


def test_a_whole_book_leaves_levels_alone_that_are_newer_than_it_is() -> None:
    book = a_book()
    changed(book, bids=levels((0.52, 30)), stamped_s=2)
    older = Depth(NOON_NS + seconds(3), book.market.up, levels((0.51, 60)), levels((0.54, 1)), NOON_NS + seconds(1))
    book.take_depth(older)
    assert book.bids == levels((0.52, 30), (0.51, 60))
    assert book.asks == levels((0.54, 1))


def test_a_change_before_any_whole_book_means_nothing() -> None:
    up, _ = pair_of(a_market(), seconds(60))
    assert changed(up, bids=levels((0.51, 1)), best=(0.51, 0.53))
    assert up.bid == NOT_TOLD
    assert up.told_at_ns() < 0


def test_a_top_that_the_venue_names_otherwise_is_borne_for_a_moment_only() -> None:
    book = a_book()
    grace_s = DIVERGED_AFTER_NS / SECOND_NS
    assert changed(book, best=(0.50, 0.53), after_s=1)
    assert changed(book, best=(0.50, 0.53), after_s=1 + grace_s)
    assert not changed(book, best=(0.50, 0.53), after_s=1 + grace_s + 1e-9)
    assert book.bid == NOT_TOLD


def test_a_top_that_agrees_again_ends_the_doubt() -> None:
    book = a_book()
    assert changed(book, best=(0.50, 0.53), after_s=1)
    assert changed(book, best=(0.51, 0.53), after_s=1.5)
    assert changed(book, best=(0.50, 0.53), after_s=2.5)
    assert book.bid == micros(0.51)


def test_a_lost_book_is_read_off_the_other_outcomes() -> None:
    up, down = pair_of(a_market(), seconds(60))
    for book, token in ((up, up.market.up), (down, up.market.down)):
        book.take_depth(Depth(NOON_NS, token, levels((0.40, 1)), levels((0.60, 1)), NOON_NS))
    up.lose()
    assert up.best_ask(NOON_NS)[0] == micros(0.60)


def test_the_averages_take_one_change_a_second() -> None:
    book = a_book()
    changed(book, bids=levels((0.52, 1)), after_s=1)
    fast = book.mid_fast
    changed(book, bids=levels((0.52, 0)), after_s=1.999)
    assert book.mid_fast == fast
    changed(book, bids=levels((0.52, 1)), after_s=2)
    assert book.mid_fast != fast


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3), st.integers(0, 9)), max_size=60),
    st.booleans(),
)
def test_a_ladder_is_what_the_newest_stamps_say_in_whatever_order_they_come(
    changes: list[tuple[int, int, int]], is_bid: bool
) -> None:
    ladder = Ladder((), 0, is_bid=is_bid)
    newest: dict[int, tuple[int, int]] = {}
    for price, size, stamp in changes:
        ladder.put(price, size, stamp)
        if stamp >= newest.get(price, (0, 0))[0]:
            newest[price] = (stamp, size)
    whole = sorted(((price, size) for price, (_, size) in newest.items() if size), reverse=is_bid)
    assert ladder.levels() == tuple(whole)
    assert ladder.best == (whole[0][0] if whole else 0)
    assert ladder.size_at_best() == (whole[0][1] if whole else 0)


def test_the_engine_asks_for_a_lost_book_anew() -> None:
    harness, market = a_harness_with_books()
    wrong = (micros(0.10), micros(0.90))
    assert harness.give(Levels(harness.now_ns + seconds(1), market.up, (), (), *wrong)) == []
    (lost,) = harness.give(Levels(harness.now_ns + seconds(3), market.up, (), (), *wrong))
    assert isinstance(lost, Rebuild)
    assert lost.token == market.up


def test_a_new_tick_drops_the_book_and_every_price_is_on_it_from_then_on() -> None:
    harness, market = a_harness_with_books()
    (lost,) = harness.give(TickChanged(harness.now_ns + seconds(1), market.up, 1_000))
    window = harness.engine.markets.slots[market.slot].window
    assert isinstance(lost, Rebuild)
    assert window is not None
    assert window.market.tick_micros == 1_000
    assert window.up.bid == NOT_TOLD
    assert window.down.bid == micros(0.46)
    assert window.up.market is window.down.market is window.market


# Changes that arrive late


LATE_S = WAY_NS / SECOND_NS


def whole(book: BookState, *, after_s: float, stamped_s: float) -> None:
    at_ns, stamped_ns = NOON_NS + seconds(after_s), NOON_NS + seconds(stamped_s)
    book.take_depth(Depth(at_ns, book.market.up, levels((0.51, 1)), levels((0.53, 1)), stamped_ns))


def age_s(book: BookState, after_s: float) -> float:
    return (NOON_NS + seconds(after_s) - book.told_at_ns()) / SECOND_NS


@pytest.mark.parametrize(("late_s", "age"), [(0, 0), (LATE_S, 0), (LATE_S + 1, 1), (60, 60 - LATE_S)])
def test_a_book_whose_changes_arrive_late_is_as_old_as_its_newest_stamp(late_s: float, age: float) -> None:
    book = a_book()
    changed(book, bids=levels((0.52, 1)), after_s=70 + late_s, stamped_s=70)
    assert age_s(book, 70 + late_s) == pytest.approx(age)


def test_a_change_without_a_stamp_counts_from_its_arrival() -> None:
    book = a_book()
    book.take_levels(Levels(NOON_NS + seconds(60), book.market.up, levels((0.52, 1)), ()))
    assert age_s(book, 60) == 0


def test_a_late_copy_makes_nothing_old_that_another_connection_has_told_in_time() -> None:
    book = a_book()
    changed(book, after_s=60)
    changed(book, after_s=60.1, stamped_s=0)
    assert age_s(book, 60.1) == pytest.approx(0.1)


def test_a_stamp_far_ahead_does_not_hide_that_later_changes_are_late() -> None:
    book = a_book()
    changed(book, after_s=1, stamped_s=3_600)
    changed(book, after_s=70, stamped_s=10)
    assert age_s(book, 70) == 60 - LATE_S


def test_a_whole_book_with_an_old_stamp_counts_from_its_arrival() -> None:
    book = a_book()
    changed(book, after_s=1)
    whole(book, after_s=60, stamped_s=1)
    assert age_s(book, 60) == 0


def test_among_late_changes_a_whole_book_is_late_too_and_one_that_is_read_in_their_silence_is_not() -> None:
    book = a_book()
    changed(book, after_s=60, stamped_s=1)
    whole(book, after_s=60.1, stamped_s=1.1)
    assert age_s(book, 60.1) == pytest.approx(59 - LATE_S)
    whole(book, after_s=60 + QUIET_NS / SECOND_NS, stamped_s=1.1)
    assert age_s(book, 60 + QUIET_NS / SECOND_NS) == 0
    assert QUIET_NS >= LATE_FOR_NS, "a reading comes only after this much silence"


def test_a_lost_book_that_is_read_among_late_changes_is_as_new_as_its_stamp() -> None:
    book = a_book()
    changed(book, after_s=60, stamped_s=1)
    book.lose()
    whole(book, after_s=61, stamped_s=60.5)
    assert age_s(book, 61) == 0
    changed(book, after_s=65, stamped_s=6)
    assert age_s(book, 65) == 4


def test_a_channel_that_is_a_minute_behind_makes_its_slot_blind_and_no_order_goes_on_it() -> None:
    harness, market = a_harness_with_books()
    for second in range(1, 120):
        at_ns = NOON_NS + seconds(second)
        for token in (market.up, market.down):
            harness.give(Levels(at_ns, token, (), (), stamped_ns=at_ns - seconds(min(second, 60))))
        if second == 100:
            harness.live.says_next(Says(proposal=an_entry()))
        harness.run_to(at_ns)
    assert harness.entries(Judged)[-1].refusals[0].name == "stale_feed"
    assert harness.orders == []
    assert harness.presence().blind > 0


def a_harness_with_books() -> tuple[Harness, Market]:
    """A window that is open, with whole books of both outcomes."""
    harness, market = a_running_harness()
    harness.run_to(NOON_NS)
    for outcome, bid, ask in (("UP", 0.52, 0.54), ("DOWN", 0.46, 0.48)):
        harness.give(a_depth([(bid, 10)], [(ask, 10)], at_ns=NOON_NS, market=market, outcome=outcome))
    return harness, market
