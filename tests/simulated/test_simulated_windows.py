"""The life of simulated windows: listed ahead without a hole, opened at the average, resolved by the rule."""

from collections import defaultdict
from functools import cache

import pytest

from foresight.events import Depth, Listed, MarketEvent, Reference, Resolved
from foresight.markets import MINUTE_NS, SECOND_NS, TIMEFRAME_NS, Market
from foresight.sources.simulated import SimulatedMarket
from foresight.sources.simulated.assets import PROFILES, Profile
from foresight.sources.simulated.windows import market_of, winner

SLOTS = (("BTC", "5m"), ("BTC", "15m"), ("ZEC", "5m"))
HOURS = 4


@cache
def a_run(slots: tuple[tuple[str, str], ...] = SLOTS, seed: int = 9) -> tuple[MarketEvent, ...]:
    """All but the books, which are many."""
    events = SimulatedMarket(seed, slots, HOURS * 60 * MINUTE_NS).events()
    return tuple(event for event in events if not isinstance(event, Depth))


def averages(events: tuple[MarketEvent, ...]) -> dict[tuple[str, int], float]:
    """The emitted 60-second averages by asset and stamp."""
    return {
        (event.asset, event.stamped_ns): event.price
        for event in events
        if isinstance(event, Reference) and event.kind == "twap60"
    }


def listings(events: tuple[MarketEvent, ...]) -> list[Listed]:
    return [event for event in events if isinstance(event, Listed)]


def check_resolutions(events: tuple[MarketEvent, ...]) -> list[tuple[float, float]]:
    """Compare every resolution with the rule; returns the averages at the two ends of every window."""
    known = averages(events)
    markets = {event.market.market_id: event.market for event in listings(events)}
    ends = []
    for event in events:
        if isinstance(event, Resolved):
            market = markets[event.market_id]
            first, last = known[market.asset, market.start_ns], known[market.asset, market.end_ns]
            assert event.outcome == ("UP" if last >= first else "DOWN")
            assert event.source == "simulated:twap60"
            assert 20 * SECOND_NS <= event.at_ns - market.end_ns < 90 * SECOND_NS
            ends.append((first, last))
    return ends


def test_every_resolution_follows_from_the_emitted_averages() -> None:
    ends = check_resolutions(a_run())
    assert len(ends) > HOURS * (12 + 4 + 12)


def test_an_average_that_ties_resolves_up(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = Profile(price=1_000.0, decimals=0, annual_volatility=0.02, oracle_decimals=0)
    monkeypatch.setitem(PROFILES, "COARSE", coarse)
    ends = check_resolutions(a_run((("COARSE", "5m"),), 4))
    assert any(first == last for first, last in ends)


def test_a_tie_is_up_and_one_unit_less_is_down() -> None:
    assert (winner(600, 601), winner(600, 600), winner(600, 599)) == ("UP", "UP", "DOWN")


def test_windows_of_a_slot_follow_each_other_without_a_hole_and_are_listed_once() -> None:
    starts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in listings(a_run()):
        starts[event.market.asset, event.market.timeframe].append(event.market.start_ns)
    for (_, timeframe), found in starts.items():
        length_ns = TIMEFRAME_NS[timeframe]
        assert found == [found[0] + number * length_ns for number in range(len(found))]
        assert found[0] % length_ns == 0


def test_a_window_is_listed_at_least_one_whole_window_before_it_opens() -> None:
    first_ns = SimulatedMarket(9, SLOTS).start_ns - 30 * MINUTE_NS
    for event in listings(a_run()):
        lead_ns = event.market.start_ns - event.at_ns
        assert event.at_ns == first_ns or lead_ns >= TIMEFRAME_NS[event.market.timeframe]


def test_at_the_start_every_slot_has_a_window_open_for_a_while_and_the_next_one_listed() -> None:
    start_ns = SimulatedMarket(9, SLOTS).start_ns
    known = [event.market for event in listings(a_run()) if event.at_ns < start_ns]
    for slot in SLOTS:
        mine = [market for market in known if (market.asset, market.timeframe) == slot]
        assert any(market.end_ns == start_ns + MINUTE_NS for market in mine)
        assert any(market.start_ns == start_ns + MINUTE_NS for market in mine)


def test_the_price_to_beat_is_the_average_stamped_at_the_start_and_comes_soon_after() -> None:
    known = averages(a_run())
    told = [event for event in a_run() if isinstance(event, Reference) and event.kind == "price_to_beat"]
    assert len(told) > HOURS * 28
    for event in told:
        assert event.price == known[event.asset, event.stamped_ns]
        assert event.timeframe is not None
        assert event.stamped_ns % TIMEFRAME_NS[event.timeframe] == 0
        assert SECOND_NS <= event.at_ns - event.stamped_ns < 3 * SECOND_NS
        assert event.source == "oracle_twap60_sim"


def test_the_average_comes_once_a_second_about_one_second_late() -> None:
    found = [event for event in a_run() if isinstance(event, Reference) and event.kind == "twap60"]
    bitcoin = [event for event in found if event.asset == "BTC"]
    assert len({event.stamped_ns for event in bitcoin}) == len(bitcoin) == HOURS * 3_600 + 1_800
    assert all(1_120_000_000 <= event.at_ns - event.stamped_ns < 1_280_000_000 for event in bitcoin)


def test_a_market_is_named_after_its_slot_and_start_whatever_the_seed() -> None:
    market = market_of("BTC", "5m", 1_795_177_800)
    assert market == market_of("BTC", "5m", 1_795_177_800)
    assert market.market_id == "btc-updown-5m-1795177800"
    assert market.up.isdecimal()
    assert market.down.isdecimal()
    assert market.up != market.down
    assert rules_of(market) == ("twap60", "book", 150_000_000, 10_000, 5_000_000, 70_000, "simulated")


def rules_of(market: Market) -> tuple[object, ...]:
    trading = (market.taker_delay_ns, market.tick_micros, market.min_shares_micros, market.fee_rate_micros)
    return (market.settles_on, market.fills, *trading, market.source)
