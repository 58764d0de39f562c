"""The simulated market as a source: order, reproducibility, independence of its streams, and memory."""

import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foresight.events import Depth, Listed, MarketEvent, Printed, Reference, Resolved, Spot
from foresight.markets import MINUTE_NS, SECOND_NS
from foresight.sources import Source
from foresight.sources.simulated import DEFAULT_SLOTS, SimulatedMarket

pytestmark = pytest.mark.no_cover
GOLDEN_EVENTS = 20_000
GOLDEN = "dc91a3e3962ccc0e9bd76ad8a09e730afac1c46a94af33754902726e24a0cb77"
"""Of seed 7 and the default slots; equal on Python 3.11 and 3.13. A change of it changes every simulated run."""

QUARTER_NS = 15 * MINUTE_NS
BTC = (("BTC", "5m"), ("BTC", "15m"))
OTHERS = (("AVAX", "5m"), ("LINK", "15m"), ("MATIC", "5m"), ("NOBODY", "15m"))


@cache
def an_hour(seed: int, slots: tuple[tuple[str, str], ...]) -> tuple[MarketEvent, ...]:
    return tuple(SimulatedMarket(seed, slots, 30 * MINUTE_NS).events())


def of_asset(asset: str, events: Iterable[MarketEvent]) -> list[MarketEvent]:
    """The events that concern the asset, in their order."""
    tokens = {
        token
        for event in events
        if isinstance(event, Listed) and event.market.asset == asset
        for token in (event.market.up, event.market.down)
    }
    return [
        event
        for event in events
        if (isinstance(event, Spot | Reference) and event.asset == asset)
        or (isinstance(event, Depth | Printed) and event.token in tokens)
        or (isinstance(event, Listed) and event.market.asset == asset)
        or (isinstance(event, Resolved) and event.market_id.startswith(asset.lower() + "-"))
    ]


def line_of(event: MarketEvent) -> str:
    """What the golden digest is taken of: fields by name, so that a new field of an event does not change it."""
    match event:
        case Spot():
            return f"spot {event.at_ns} {event.asset} {event.feed} {event.price!r} {event.stamped_ns}"
        case Reference():
            return f"{event.kind} {event.at_ns} {event.asset} {event.price!r} {event.stamped_ns} {event.timeframe}"
        case Depth():
            return f"depth {event.at_ns} {event.token} {event.bids} {event.asks}"
        case Printed():
            return f"printed {event.at_ns} {event.token} {event.price_micros} {event.size_micros}"
        case Listed():
            return f"listed {event.at_ns} {event.market.market_id} {event.market.up} {event.market.down}"
        case Resolved():
            return f"resolved {event.at_ns} {event.market_id} {event.outcome}"
        case _:
            raise AssertionError(event)


def digest(seed: int, count: int) -> str:
    total = hashlib.sha256()
    for event in islice(SimulatedMarket(seed).events(), count):
        total.update(line_of(event).encode())
    return total.hexdigest()


def test_the_same_seed_gives_the_same_market_on_every_machine() -> None:
    assert digest(7, GOLDEN_EVENTS) == GOLDEN


def test_each_iterator_starts_again_from_the_history() -> None:
    market = SimulatedMarket(3, BTC)
    first, second = market.events(), market.events()
    assert list(islice(first, 3_000)) == list(islice(second, 3_000))


def test_different_seeds_give_different_days_and_different_paths() -> None:
    starts = {SimulatedMarket(seed).start_ns for seed in range(50)}
    assert len(starts) > 45
    assert digest(7, 500) != digest(8, 500)


@settings(max_examples=15, deadline=None)
@given(st.integers(-(2**70), 2**70), st.sets(st.sampled_from(DEFAULT_SLOTS + OTHERS), min_size=1, max_size=4))
def test_events_never_go_back_in_time(seed: int, slots: set[tuple[str, str]]) -> None:
    market = SimulatedMarket(seed, tuple(sorted(slots)), 0)
    events = list(market.events())
    assert all(before.at_ns <= after.at_ns for before, after in pairwise(events))
    assert events[0].at_ns == market.start_ns - 30 * MINUTE_NS
    assert events[-1].at_ns < market.start_ns


@given(st.integers())
def test_the_start_is_a_minute_before_a_quarter_of_an_hour_in_2026(seed: int) -> None:
    start_ns = SimulatedMarket(seed).start_ns
    assert (start_ns + MINUTE_NS) % QUARTER_NS == 0
    assert start_ns - 30 * MINUTE_NS >= 1_767_225_600 * SECOND_NS
    assert start_ns < 1_798_761_600 * SECOND_NS


def test_the_market_ends_exactly_when_its_duration_is_over() -> None:
    duration_ns = 90 * SECOND_NS + 250_000_000
    whole = SimulatedMarket(5, BTC, MINUTE_NS * 2)
    cut = list(SimulatedMarket(5, BTC, duration_ns).events())
    assert cut == [event for event in whole.events() if event.at_ns < whole.start_ns + duration_ns]


def test_a_market_without_a_duration_goes_on_as_the_one_with_it() -> None:
    with_end = an_hour(5, BTC)
    assert tuple(islice(SimulatedMarket(5, BTC).events(), len(with_end))) == with_end


def test_adding_an_asset_changes_nothing_of_the_others() -> None:
    alone, together = an_hour(5, BTC), an_hour(5, BTC + OTHERS)
    assert of_asset("BTC", alone) == of_asset("BTC", together) == list(alone)
    assert of_asset("NOBODY", together)


def test_adding_a_timeframe_changes_no_path() -> None:
    def spots(events: Iterable[MarketEvent]) -> list[MarketEvent]:
        return [event for event in events if isinstance(event, Spot) or getattr(event, "kind", "") == "twap60"]

    assert spots(an_hour(5, BTC)) == spots(an_hour(5, BTC[:1]))


def test_the_spot_ticks_every_second_a_little_after_its_own_stamp() -> None:
    spots = [event for event in an_hour(5, BTC) if isinstance(event, Spot)]
    stamps = [event.stamped_ns for event in spots if event.stamped_ns % SECOND_NS == 0]
    assert [after - before for before, after in pairwise(stamps)] == [SECOND_NS] * (len(stamps) - 1)
    assert all(20_000_000 <= event.at_ns - event.stamped_ns < 80_000_000 for event in spots)
    assert len(spots) > len(stamps), "the wild regime ticks between the seconds"


def test_sixteen_slots_send_at_most_forty_five_books_a_second() -> None:
    market = SimulatedMarket(5, DEFAULT_SLOTS, 5 * MINUTE_NS)
    counts = Counter(type(event) for event in market.events() if event.at_ns >= market.start_ns)
    assert 30 < counts[Depth] / 300 < 45
    assert 1 < counts[Printed] / 300 < 10


def test_books_are_told_from_a_minute_before_the_start_on_and_nothing_else_is_left_out() -> None:
    market = SimulatedMarket(5, BTC, MINUTE_NS)
    events = list(market.events())
    books = [event.at_ns - market.start_ns for event in events if isinstance(event, Depth)]
    assert -MINUTE_NS <= books[0] < -MINUTE_NS + 2 * SECOND_NS
    assert any(isinstance(event, Printed) for event in events if event.at_ns < market.start_ns - 10 * MINUTE_NS)


def test_memory_does_not_grow_over_simulated_hours() -> None:
    events = SimulatedMarket(5, (("BTC", "5m"),)).events()
    tracemalloc.start()
    for _ in islice(events, 20_000):
        pass
    before, _ = tracemalloc.get_traced_memory()
    for _ in islice(events, 120_000):
        pass
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000


def test_it_is_a_source_and_says_that_it_is_simulated() -> None:
    source: Source = SimulatedMarket(12)
    assert (source.origin, source.name, source.slots) == ("simulated", "simulated seed 12", DEFAULT_SLOTS)


@pytest.mark.parametrize("slots", [(), (("BTC", "7m"),), (("BTC", "5m"), ("BTC", "5m"))])
def test_slots_that_cannot_be_simulated_are_refused(slots: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError, match=r"timeframes are 5m, 15m|at least one slot"):
        SimulatedMarket(1, slots)


def test_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot last -1 ns"):
        SimulatedMarket(1, BTC, -1)
