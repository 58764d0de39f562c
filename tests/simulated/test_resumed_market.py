"""A simulated market that is taken up again later: the same market, but for its books."""

import pytest

from foresight.events import Depth, MarketEvent, Printed, Quote, Reference, Spot
from foresight.markets import MINUTE_NS, SECOND_NS
from foresight.sources.simulated import SimulatedMarket

pytestmark = pytest.mark.no_cover
SLOTS = (("BTC", "5m"), ("BTC", "15m"), ("HYPE", "5m"))
HOUR_NS = 60 * MINUTE_NS


def without_trading(events: list[MarketEvent]) -> list[MarketEvent]:
    return [event for event in events if not isinstance(event, Depth | Printed | Quote)]


@pytest.mark.parametrize("after_s", [3_600, 3_661, 3_719, 3_780, 5_399])
def test_prices_and_windows_are_those_of_a_market_that_ran_through(after_s: int) -> None:
    whole = SimulatedMarket(3, SLOTS, 2 * HOUR_NS)
    resume_ns = whole.start_ns + after_s * SECOND_NS
    resumed = SimulatedMarket(3, SLOTS, 2 * HOUR_NS, resume_ns=resume_ns)
    assert (resumed.start_ns, resumed.name) == (resume_ns, whole.name)
    since_ns = resume_ns - 31 * MINUTE_NS
    through = without_trading([event for event in whole.events() if event.at_ns >= since_ns])
    again = without_trading([event for event in resumed.events() if event.at_ns >= since_ns])
    assert again == through


def test_the_history_tells_every_window_since_the_beginning_and_prices_of_half_an_hour() -> None:
    whole = SimulatedMarket(3, SLOTS, 3 * HOUR_NS)
    resume_ns = whole.start_ns + 2 * HOUR_NS
    history = [event for event in SimulatedMarket(3, SLOTS, resume_ns=resume_ns, duration_ns=3 * HOUR_NS).events()
               if event.at_ns < resume_ns]  # fmt: skip
    through = [event for event in whole.events() if event.at_ns < resume_ns]
    assert _windows(history) == _windows(through)
    spots = [event.at_ns for event in history if isinstance(event, Spot)]
    assert resume_ns - 31 * MINUTE_NS <= spots[0] < resume_ns - 31 * MINUTE_NS + 2 * SECOND_NS


def _windows(events: list[MarketEvent]) -> list[MarketEvent]:
    kept = without_trading(events)
    return [e for e in kept if not isinstance(e, Spot) and not (isinstance(e, Reference) and e.kind == "twap60")]


def test_books_of_the_open_windows_are_there_before_it_resumes() -> None:
    start_ns = SimulatedMarket(3, SLOTS).start_ns
    for after_s in (3_663, 3_719, 3_781, 4_559):
        resumed = SimulatedMarket(3, SLOTS, 2 * HOUR_NS, resume_ns=start_ns + after_s * SECOND_NS)
        history = [event for event in resumed.events() if event.at_ns < resumed.start_ns]
        told = {event.token for event in history if isinstance(event, Depth)}
        listed = [event.market for event in history if not isinstance(event, Depth) and hasattr(event, "market")]
        is_open = [m for m in listed if m.start_ns <= resumed.start_ns - 2 * SECOND_NS and resumed.start_ns < m.end_ns]
        assert is_open
        assert all(market.up in told for market in is_open)


def test_an_instant_before_the_beginning_is_refused() -> None:
    start_ns = SimulatedMarket(3, SLOTS).start_ns
    with pytest.raises(ValueError, match="cannot resume"):
        SimulatedMarket(3, SLOTS, resume_ns=start_ns - 1)
    assert SimulatedMarket(3, SLOTS, resume_ns=start_ns).start_ns == start_ns
