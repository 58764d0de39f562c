"""The paper broker where only quotes about a second apart were recorded: the worse of the last and the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_builders import DELAY_NS, Venue, a_market, an_order, ending_of, fills_of

from foresight.broker.paper import NEXT_QUOTE_NS
from foresight.events import OrderFilled
from foresight.markets import SECOND_NS
from foresight.money import MICROS, cost_of, micros


def arrived(side: str = "BUY", *, last: float = 0.5, limit: float = 0.6, kind: str = "FAK", at_ns: int = 0) -> Venue:
    """A venue with one order that has met the last quote, and waits for the next."""
    venue = Venue(a_market("next_quote"))
    venue.quote(bid=last, ask=last, at_ns=at_ns)
    order = an_order("BUY" if side == "BUY" else "SELL", limit=limit, kind="FAK" if kind == "FAK" else "FOK")
    assert venue.answered(order, at_ns=at_ns) == []
    return venue


@pytest.mark.parametrize(
    ("side", "last", "following", "price"),
    [
        ("BUY", 0.5, 0.52, 520_000), ("BUY", 0.52, 0.5, 520_000),
        ("SELL", 0.5, 0.48, 480_000), ("SELL", 0.48, 0.5, 480_000),
    ],
)  # fmt: skip
def test_a_fill_costs_the_worse_of_the_last_quote_and_the_next(
    side: str, last: float, following: float, price: int
) -> None:
    venue = arrived(side, last=last, limit=0.6 if side == "BUY" else 0.4)

    (fill,) = fills_of(venue.quote(bid=following, ask=following, at_ns=SECOND_NS))

    assert fill.price_micros == price
    assert not venue.broker.is_waiting


def test_the_next_quote_beyond_the_limit_kills_the_order() -> None:
    venue = arrived(limit=0.5)

    events = venue.quote(ask=0.51, at_ns=SECOND_NS)

    assert ending_of(events) == ("killed", "was killed: nothing was offered at the limit or better")


def test_a_quote_before_the_order_arrives_is_not_the_next_one() -> None:
    venue = Venue(a_market("next_quote"))
    venue.quote(ask=0.5)
    venue.send(an_order())

    assert venue.quote(ask=0.52, at_ns=DELAY_NS - 1) == []
    assert venue.broker.wake(DELAY_NS) == []
    (fill,) = fills_of(venue.quote(ask=0.51, at_ns=SECOND_NS))

    assert fill.price_micros == 520_000, "the book at arrival was 0.52"


def test_with_nobody_on_the_other_side_at_arrival_the_order_is_killed() -> None:
    venue = Venue(a_market("next_quote"))

    assert ending_of(venue.answered(an_order())) == ("killed", "was killed: nobody was on the other side")


def test_no_quote_within_ten_seconds_kills_the_order() -> None:
    venue = arrived()

    assert venue.broker.next_wake_ns == DELAY_NS + NEXT_QUOTE_NS
    assert venue.broker.wake(DELAY_NS + NEXT_QUOTE_NS - 1) == []
    assert ending_of(venue.broker.wake(DELAY_NS + NEXT_QUOTE_NS)) == (
        "killed",
        "was killed: no later quote within 10 s",
    )


def test_a_quote_just_before_the_ten_seconds_are_over_fills() -> None:
    assert len(fills_of(arrived().quote(ask=0.5, at_ns=DELAY_NS + NEXT_QUOTE_NS - 1))) == 1


def test_a_quote_that_does_not_tell_the_side_is_not_the_next_one() -> None:
    venue = arrived()

    assert venue.quote(bid=0.4, at_ns=SECOND_NS) == []
    assert venue.broker.is_waiting


def test_a_quote_of_another_market_is_not_the_next_one() -> None:
    venue = arrived()
    venue.books["elsewhere"] = venue.books["up"]  # type: ignore[index]

    assert venue.quote(ask=0.5, at_ns=SECOND_NS, token="elsewhere") == []


def test_the_outcomes_own_quote_is_preferred_over_its_mirror_image() -> None:
    venue = arrived(last=0.5)

    assert venue.quote(bid=0.45, at_ns=SECOND_NS, token="down") == [], "a mirror image of 0.55 waits"
    (fill,) = fills_of(venue.quote(ask=0.51, at_ns=2 * SECOND_NS))

    assert fill.price_micros == 510_000


@pytest.mark.parametrize(
    ("side", "down", "price"),
    [("BUY", {"bid": 0.45}, 550_000), ("BUY", {"bid": 0.55}, 500_000), ("SELL", {"ask": 0.55}, 450_000)],
)
def test_the_first_mirror_image_counts_when_no_own_quote_comes(side: str, down: dict[str, float], price: int) -> None:
    venue = arrived(side, limit=0.6 if side == "BUY" else 0.4)
    venue.quote(**down, at_ns=SECOND_NS, token="down")  # type: ignore[arg-type]
    venue.quote(bid=0.3, ask=0.7, at_ns=2 * SECOND_NS, token="down")

    (fill,) = fills_of(venue.broker.wake(DELAY_NS + NEXT_QUOTE_NS))

    assert fill.price_micros == price


def test_a_quote_at_the_windows_end_fills_nothing() -> None:
    market = a_market()
    venue = arrived(at_ns=market.end_ns - SECOND_NS)

    assert venue.quote(ask=0.5, at_ns=market.end_ns) == []
    assert ending_of(venue.broker.wake(market.end_ns - SECOND_NS + DELAY_NS + NEXT_QUOTE_NS))[0] == "rejected"


def test_an_unknown_size_fills_up_to_the_stake_and_says_so() -> None:
    (fill,) = fills_of(arrived().quote(ask=0.5, at_ns=SECOND_NS))

    assert (fill.shares_micros, fill.assumed) == (10 * MICROS, ("size",))


def test_a_size_that_is_told_limits_the_fill() -> None:
    (fill,) = fills_of(arrived().quote(ask=0.5, at_ns=SECOND_NS, size=4 * MICROS))

    assert (fill.shares_micros, fill.assumed) == (4 * MICROS, ())


def test_fok_needs_the_whole_size_at_the_next_quote() -> None:
    events = arrived(kind="FOK").quote(ask=0.5, at_ns=SECOND_NS, size=4 * MICROS)

    assert ending_of(events) == ("killed", "was killed: the book could not fill all of it")


def test_the_book_of_an_assumed_size_says_that_it_was_not_told() -> None:
    filled = arrived().quote(ask=0.5, at_ns=SECOND_NS)[0]

    assert isinstance(filled, OrderFilled)
    assert filled.book == ((500_000, -1),)


CENTS = st.integers(1, 99).map(lambda cents: cents / 100)


@given(CENTS, CENTS, CENTS, CENTS)
def test_no_fill_is_above_the_limit_or_better_than_either_quote(
    last: float, mirror: float, following: float, limit: float
) -> None:
    venue = arrived(last=last, limit=limit)
    venue.quote(bid=mirror, at_ns=SECOND_NS, token="down")

    events = venue.quote(ask=following, at_ns=2 * SECOND_NS)

    worse = max(micros(last), micros(following))
    if worse > micros(limit):
        assert ending_of(events)[0] == "killed"
    else:
        (fill,) = fills_of(events)
        assert fill.price_micros == worse
        assert cost_of(fill.price_micros, fill.shares_micros) <= micros(5)
