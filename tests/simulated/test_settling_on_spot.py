"""The simulated market under the rule of before 2026-08-07, when the recordings were made."""

import pytest

from foresight.events import Depth, Listed, MarketEvent, Printed, Reference, Resolved, Spot
from foresight.markets import MINUTE_NS, SettlesOn
from foresight.sources.simulated import SimulatedMarket

pytestmark = pytest.mark.no_cover
SLOTS = (("BTC", "5m"),)


def events_of(settles_on: SettlesOn) -> list[MarketEvent]:
    return list(SimulatedMarket(4, SLOTS, 120 * MINUTE_NS, settles_on=settles_on).events())


def test_a_market_that_settles_on_spot_has_the_same_path_and_tells_no_averages() -> None:
    spot, average = events_of("spot"), events_of("twap60")

    def prices(events: list[MarketEvent]) -> list[Spot]:
        return [event for event in events if isinstance(event, Spot)]

    assert prices(spot) == prices(average)
    assert {event.kind for event in spot if isinstance(event, Reference)} == {"price_to_beat"}
    assert {event.kind for event in average if isinstance(event, Reference)} == {"price_to_beat", "twap60"}


def test_a_market_that_settles_on_spot_is_won_by_the_prices_at_its_two_ends() -> None:
    """The price to beat of a window is the oracle's at its start, and so the last of the window before it."""
    events = events_of("spot")
    beats = {event.stamped_ns: event.price for event in events if isinstance(event, Reference)}
    markets = {event.market.market_id: event.market for event in events if isinstance(event, Listed)}
    resolved = [event for event in events if isinstance(event, Resolved) and markets[event.market_id].end_ns in beats]

    assert len(resolved) > 20
    for event in resolved:
        market = markets[event.market_id]
        assert market.settles_on == "spot"
        assert event.source == "simulated:spot"
        assert (event.outcome == "UP") == (beats[market.end_ns] >= beats[market.start_ns])


def test_the_last_seconds_are_less_decided_when_one_price_settles() -> None:
    def empty_share(settles_on: SettlesOn) -> float:
        events = events_of(settles_on)
        ends = {
            token: event.market.end_ns
            for event in events
            if isinstance(event, Listed)
            for token in (event.market.up, event.market.down)
        }
        late = [event for event in events if isinstance(event, Depth) and ends[event.token] - event.at_ns < MINUTE_NS]
        return sum(not (book.bids and book.asks) for book in late) / len(late)

    assert empty_share("spot") < empty_share("twap60") - 0.1


def test_trades_go_on_under_both_rules() -> None:
    rules: tuple[SettlesOn, ...] = ("spot", "twap60")
    for rule in rules:
        assert sum(isinstance(event, Printed) for event in events_of(rule)) > 3_000
