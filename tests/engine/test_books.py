"""One outcome's book: what it keeps of quotes, when the other outcome's book speaks for it, and what live code sees."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresight.engine.books import HISTORY_SAMPLES, LEVELS_SHOWN, MIRROR_AFTER_NS, BookState, pair_of
from foresight.events import ABSENT, NOT_TOLD
from foresight.markets import MINUTE_NS
from tests.builders import NOON_NS, a_depth, a_market, a_print, a_quote, seconds

prices = st.integers(1, 99).map(lambda cents: cents / 100)


def a_pair() -> tuple[BookState, BookState]:
    return pair_of(a_market(), MINUTE_NS)


def test_a_pair_is_mirrored_and_takes_events_in_the_last_minute() -> None:
    up, down = a_pair()
    assert (up.outcome, down.outcome) == ("UP", "DOWN")
    assert up.mirror is down
    assert down.mirror is up
    assert up.event_from_ns == a_market().end_ns - MINUTE_NS


def test_a_book_that_was_never_told_shows_nothing() -> None:
    view = a_pair()[0].view(NOON_NS)
    told = {name: getattr(view, name) for name in view.__struct_fields__ if getattr(view, name) not in (None, ())}
    assert told == {"traded": 0.0}


def test_a_quote_sets_both_sides_with_sizes_and_depths() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(0.52, 0.54, bid_size=10, ask_size=20, bid_depth=100, ask_depth=200))
    view = up.view(NOON_NS)
    assert (view.bid, view.ask) == (0.52, 0.54)
    assert (view.bid_size, view.ask_size, view.bid_depth, view.ask_depth) == (10, 20, 100, 200)
    assert view.age_s == 0


def test_a_side_that_is_not_told_stays_as_it_was() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(0.52, 0.54, bid_size=10, ask_size=20))
    up.take_quote(a_quote(0.53, None, at_ns=NOON_NS + seconds(1)))
    assert (up.bid, up.bid_size, up.bid_at_ns) == (530_000, NOT_TOLD, NOON_NS + seconds(1))
    assert (up.ask, up.ask_size, up.ask_at_ns) == (540_000, 20_000_000, NOON_NS)
    up.take_quote(a_quote(None, 0.55, at_ns=NOON_NS + seconds(2)))
    assert (up.bid, up.ask) == (530_000, 550_000)


def test_a_side_that_is_empty_is_no_price_but_was_told() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(0.52, 0.54))
    up.take_quote(a_quote(0.52, 0, at_ns=NOON_NS + seconds(1)))
    assert up.best_ask(NOON_NS + seconds(1)) == (ABSENT, NOT_TOLD, NOON_NS + seconds(1))
    assert up.view(NOON_NS + seconds(1)).ask is None
    assert up.mid(NOON_NS + seconds(1)) == 0.52


def test_the_mid_of_one_known_side_is_that_side_and_of_none_is_none() -> None:
    up, _ = a_pair()
    assert up.mid(NOON_NS) is None
    up.take_quote(a_quote(None, 0.54))
    assert up.mid(NOON_NS) == 0.54
    up.take_quote(a_quote(0.52, None))
    assert up.mid(NOON_NS) == pytest.approx(0.53)


@given(prices, prices)
def test_a_side_is_read_off_the_mirror_only_after_ten_seconds(own: float, other: float) -> None:
    up, down = a_pair()
    up.take_quote(a_quote(own / 2, own))
    down.take_quote(a_quote(other, None, at_ns=NOON_NS + seconds(5), outcome="DOWN", bid_size=7))
    at_the_limit, after_it = NOON_NS + MIRROR_AFTER_NS, NOON_NS + MIRROR_AFTER_NS + 1
    assert up.best_ask(at_the_limit)[0] == round(own * 1_000_000)
    assert up.best_ask(after_it) == (1_000_000 - round(other * 1_000_000), 7_000_000, NOON_NS + seconds(5))


def test_an_old_bid_is_read_off_the_mirror_too() -> None:
    up, down = a_pair()
    up.take_quote(a_quote(0.52, 0.54))
    down.take_quote(a_quote(None, 0.40, at_ns=NOON_NS + seconds(5), outcome="DOWN", ask_size=9))
    assert up.best_bid(NOON_NS + MIRROR_AFTER_NS)[0] == 520_000
    assert up.best_bid(NOON_NS + MIRROR_AFTER_NS + 1) == (600_000, 9_000_000, NOON_NS + seconds(5))


@pytest.mark.parametrize("bid", [0, None])
def test_an_old_side_stays_its_own_while_the_mirror_has_no_price(bid: float | None) -> None:
    up, down = a_pair()
    up.take_quote(a_quote(0.52, 0.54))
    down.take_quote(a_quote(bid, bid, at_ns=NOON_NS + seconds(5), outcome="DOWN"))
    assert up.best_ask(NOON_NS + seconds(60)) == (540_000, NOT_TOLD, NOON_NS)
    assert up.best_bid(NOON_NS + seconds(60)) == (520_000, NOT_TOLD, NOON_NS)


def test_an_old_side_stays_its_own_while_the_mirror_is_older() -> None:
    up, down = a_pair()
    down.take_quote(a_quote(0.30, 0.31, outcome="DOWN"))
    up.take_quote(a_quote(0.52, 0.54, at_ns=NOON_NS + seconds(1)))
    assert up.best_ask(NOON_NS + seconds(60))[0] == 540_000
    assert up.best_bid(NOON_NS + seconds(60))[0] == 520_000


def test_sides_of_about_one_age_are_seen_together() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(0.52, None))
    up.take_quote(a_quote(None, 0.54, at_ns=NOON_NS + MIRROR_AFTER_NS))
    assert up.sides(NOON_NS + MIRROR_AFTER_NS) == ((520_000, NOT_TOLD), (540_000, NOT_TOLD))


def test_a_bid_that_is_much_the_older_is_left_out() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(0.52, None))
    up.take_quote(a_quote(None, 0.54, at_ns=NOON_NS + MIRROR_AFTER_NS + 1))
    assert up.sides(NOON_NS + MIRROR_AFTER_NS + 1) == ((NOT_TOLD, NOT_TOLD), (540_000, NOT_TOLD))
    assert up.view(NOON_NS + MIRROR_AFTER_NS + 1).spread is None


def test_an_ask_that_is_much_the_older_is_left_out() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(None, 0.54))
    up.take_quote(a_quote(0.52, None, at_ns=NOON_NS + MIRROR_AFTER_NS + 1))
    assert up.sides(NOON_NS + MIRROR_AFTER_NS + 1) == ((520_000, NOT_TOLD), (NOT_TOLD, NOT_TOLD))


@given(st.lists(st.tuples(prices, prices), min_size=1, max_size=50))
def test_the_averages_of_the_mid_equal_a_naive_recomputation(tops: list[tuple[float, float]]) -> None:
    up, _ = a_pair()
    for bid, ask in tops:
        up.take_quote(a_quote(bid, ask))
    mids = [(bid + ask) / 2 for bid, ask in tops]
    fast = slow = mids[0]
    variance = 0.0
    for mid in mids[1:]:
        variance = 63 / 64 * (variance + (mid - slow) ** 2 / 64)
        fast, slow = fast + (mid - fast) / 8, slow + (mid - slow) / 64
    view = up.view(NOON_NS)
    assert view.mid_fast == pytest.approx(fast)
    assert view.mid_slow == pytest.approx(slow)
    assert view.mid_deviation == pytest.approx(math.sqrt(variance), abs=1e-12)


def test_the_averages_wait_for_both_sides() -> None:
    up, _ = a_pair()
    up.take_quote(a_quote(0.52, None))
    up.take_quote(a_quote(None, 0))
    assert up.view(NOON_NS).mid_fast is None
    up.take_quote(a_quote(None, 0.54))
    assert up.view(NOON_NS).mid_fast == pytest.approx(0.53)


def test_a_depth_is_the_whole_book_its_top_and_the_sum_of_five_levels() -> None:
    up, _ = a_pair()
    up.take_depth(a_depth([(0.52 - 0.01 * n, 10 + n) for n in range(12)], [(0.54, 1), (0.55, 2)]))
    view = up.view(NOON_NS)
    assert (view.bid, view.bid_size, view.ask, view.ask_size) == (0.52, 10, 0.54, 1)
    assert (view.bid_depth, view.ask_depth) == (10 + 11 + 12 + 13 + 14, 3)
    assert view.bids[1] == (0.51, 11)
    assert len(view.bids) == LEVELS_SHOWN
    assert view.asks == ((0.54, 1), (0.55, 2))


def test_a_depth_without_a_side_is_an_empty_side_of_depth_zero() -> None:
    up, _ = a_pair()
    up.take_depth(a_depth([], []))
    view = up.view(NOON_NS)
    assert (view.bid, view.bid_size, view.ask, view.ask_size) == (None, None, None, None)
    assert (view.bid_depth, view.ask_depth, view.age_s) == (0, 0, 0)


def test_trades_of_others_add_up() -> None:
    up, _ = a_pair()
    up.take_print(a_print(0.5, 3))
    up.take_print(a_print(0.51, 4.5))
    view = up.view(NOON_NS)
    assert (view.last_trade, view.traded) == (0.51, 7.5)


def test_the_histories_hold_the_last_two_minutes_oldest_first() -> None:
    up, _ = a_pair()
    for n in range(HISTORY_SAMPLES + 3):
        at_ns = NOON_NS + seconds(5 * n)
        up.take_quote(a_quote(0.10 + n / 100, 0.12 + n / 100, at_ns=at_ns))
        up.sample(at_ns)
    view = up.view(NOON_NS + seconds(200))
    assert len(view.mid_history) == len(view.ask_history) == HISTORY_SAMPLES == 24
    assert view.mid_history[0] == pytest.approx(0.11 + 3 / 100)
    assert view.ask_history[-1] == pytest.approx(0.12 + 26 / 100)


def test_the_ask_history_says_none_for_an_ask_over_ten_seconds_old() -> None:
    up, _ = a_pair()
    up.sample(NOON_NS)
    up.take_quote(a_quote(0.52, 0.54))
    up.sample(NOON_NS + seconds(10))
    up.sample(NOON_NS + seconds(10) + 1)
    up.take_quote(a_quote(0.52, 0, at_ns=NOON_NS + seconds(11)))
    up.sample(NOON_NS + seconds(11))
    assert up.view(NOON_NS).ask_history == (None, 0.54, None, None)
    assert up.view(NOON_NS).mid_history == pytest.approx((0.53, 0.53, 0.52))


def test_the_age_is_that_of_the_newer_outcome() -> None:
    up, down = a_pair()
    up.take_quote(a_quote(0.52, 0.54))
    down.take_quote(a_quote(0.46, 0.48, at_ns=NOON_NS + seconds(3), outcome="DOWN"))
    assert up.view(NOON_NS + seconds(4)).age_s == 1


def test_a_view_is_frozen_plain_data_and_does_not_follow_the_book() -> None:
    up, _ = a_pair()
    up.take_depth(a_depth())
    up.sample(NOON_NS)
    view = up.view(NOON_NS)
    encoded = msgspec.msgpack.encode(view)
    up.take_depth(a_depth([(0.1, 1)], [(0.2, 1)]))
    up.sample(NOON_NS)
    assert msgspec.msgpack.encode(view) == encoded
    assert msgspec.msgpack.decode(encoded, type=type(view)) == view
    with pytest.raises(AttributeError):
        view.bid = 0.1  # type: ignore[misc]
