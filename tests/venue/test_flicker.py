"""The small changes between two published books: they come back, keep every level, and are as many as recorded."""

from collections import Counter
from statistics import mean, median, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.markets import SECOND_NS
from foresight.money import MICROS
from foresight.sources.simulated.assets import PROFILES
from foresight.venue.flicker import BUSY_LEFT_NS, BUSY_PER_SECOND, USUAL_PER_SECOND, Flick, Flicker, rate_of

BIDS = {(50 - place) * 10_000: (300 + 40 * place) * MICROS for place in range(5)}
ASKS = {(52 + place) * 10_000: (350 + 40 * place) * MICROS for place in range(5)}


def some_seconds(count: int, per_second: float, seed: int = 1) -> list[list[Flick]]:
    flicker = Flicker(seed, "btc-updown-5m-0")
    return [
        list(flicker.between(BIDS, ASKS, second * SECOND_NS, (second + 1) * SECOND_NS, per_second=per_second))
        for second in range(count)
    ]


LADDER = st.dictionaries(st.integers(1, 99).map(lambda tick: tick * 10_000), st.integers(1, 10**10), max_size=9)


@settings(max_examples=100, deadline=None)
@given(LADDER, LADDER, st.integers(0, 10**9), st.integers(0, 3 * SECOND_NS), st.sampled_from((0.0, 3.0, 130.0)))
def test_every_level_has_its_own_size_again_and_none_comes_or_goes(
    bids: dict[int, int], asks: dict[int, int], from_ns: int, span_ns: int, per_second: float
) -> None:
    before = (dict(bids), dict(asks))
    now = {True: dict(bids), False: dict(asks)}
    last_ns = from_ns
    for at_ns, is_bid, price, size in Flicker(3, "x").between(
        bids, asks, from_ns, from_ns + span_ns, per_second=per_second
    ):
        own = (bids if is_bid else asks)[price]
        assert last_ns <= at_ns < from_ns + span_ns
        assert size != now[is_bid][price], "a change that changes nothing is none"
        assert size >= own - own // 2 > 0
        now[is_bid][price], last_ns = size, at_ns
    assert (now[True], now[False]) == (bids, asks) == before


def test_the_same_seed_and_market_give_the_same_changes_and_others_give_others() -> None:
    assert some_seconds(3, 130.0) == some_seconds(3, 130.0)
    assert some_seconds(3, 130.0) != some_seconds(3, 130.0, seed=2)


@pytest.mark.parametrize("per_second", [5.0, USUAL_PER_SECOND, BUSY_PER_SECOND])
def test_there_are_as_many_changes_as_asked_for(per_second: float) -> None:
    seconds = some_seconds(60, per_second)
    assert mean(len(flicks) for flicks in seconds) == pytest.approx(per_second, rel=0.15)


def test_a_rate_of_zero_or_an_empty_book_has_no_changes() -> None:
    flicker = Flicker(1, "x")
    assert list(flicker.between(BIDS, ASKS, 0, SECOND_NS, per_second=0.0)) == []
    assert list(flicker.between({}, {}, 0, SECOND_NS, per_second=500.0)) == []
    assert {is_bid for _, is_bid, _, _ in flicker.between({}, ASKS, 0, SECOND_NS, per_second=500.0)} == {False}


def test_changes_lie_where_the_recorded_ones_do_and_are_as_large() -> None:
    flicks = [flick for flicks in some_seconds(60, BUSY_PER_SECOND) for flick in flicks]
    places = Counter((500_000 - price if is_bid else price - 520_000) // 10_000 for _, is_bid, price, _ in flicks)
    assert places[0] / len(flicks) == pytest.approx(0.85, abs=0.03)
    assert sorted(places) == [0, 1, 2, 3, 4]

    steps, sizes = [], {True: dict(BIDS), False: dict(ASKS)}
    for _, is_bid, price, size in flicks:
        steps.append((size - sizes[is_bid][price]) / MICROS)
        sizes[is_bid][price] = size
    assert 10 <= median(abs(step) for step in steps) <= 15
    assert sum(step > 0 for step in steps) / len(steps) == pytest.approx(0.5, abs=0.02)


def test_tenths_of_a_second_differ_as_recorded() -> None:
    flicks = [at_ns for flicks in some_seconds(60, BUSY_PER_SECOND) for at_ns, _, _, _ in flicks]
    counts = Counter(at_ns // (SECOND_NS // 10) for at_ns in flicks)
    assert pstdev(counts[tenth] for tenth in range(600)) == pytest.approx(13, abs=2)


def test_thin_assets_and_windows_far_from_their_end_are_quieter() -> None:
    assert rate_of("BTC", BUSY_LEFT_NS) == USUAL_PER_SECOND
    assert rate_of("BTC", BUSY_LEFT_NS - 1) == BUSY_PER_SECOND
    assert all(rate_of(asset, 0) < BUSY_PER_SECOND for asset in PROFILES if asset != "BTC")
