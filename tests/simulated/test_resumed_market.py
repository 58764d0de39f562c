"""A simulated market that is taken up again later: the same market, but for its books."""

from itertools import takewhile

import msgspec
import pytest

from foresight.events import Depth, MarketEvent, Printed, Quote, Reference, Spot
from foresight.markets import MINUTE_NS, SECOND_NS
from foresight.sources.simulated import KeptMarket, SimulatedMarket

pytestmark = pytest.mark.no_cover
SLOTS = (("BTC", "5m"), ("BTC", "15m"), ("HYPE", "5m"))
ONE_ASSET = SLOTS[:2]
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
START_NS = SimulatedMarket(3, SLOTS).start_ns


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


def kept_until(resume_ns: int, kept: list[KeptMarket] | None = None) -> list[KeptMarket]:
    """What is kept of a market that is resumed, by the time it says its first word."""
    found: list[KeptMarket] = []
    next(SimulatedMarket(3, ONE_ASSET, resume_ns=resume_ns, kept=kept or [], keep=found.append).events())
    return found


def hour_from(resume_ns: int, kept: list[KeptMarket]) -> list[MarketEvent]:
    """The history of a market that is resumed, and its first hour."""
    events = SimulatedMarket(3, ONE_ASSET, resume_ns=resume_ns, kept=kept).events()
    return list(takewhile(lambda event: event.at_ns < resume_ns + HOUR_NS, events))


def test_a_market_that_runs_keeps_what_one_that_is_walked_through_keeps_four_times_a_day() -> None:
    running: list[KeptMarket] = []
    for _ in SimulatedMarket(3, ONE_ASSET, 7 * HOUR_NS, keep=running.append).events():
        pass
    assert running
    assert running == kept_until(START_NS + 40 * HOUR_NS)[: len(running)]
    assert all(market.second % (6 * 3_600) == 120 for market in running)


@pytest.mark.parametrize("after_ns", [37 * HOUR_NS, 39 * HOUR_NS + 7 * SECOND_NS])
def test_a_market_that_was_kept_is_the_one_that_is_walked_from_its_beginning(after_ns: int) -> None:
    resume_ns = START_NS + after_ns
    kept = msgspec.json.decode(msgspec.json.encode(kept_until(resume_ns)), type=list[KeptMarket])
    assert hour_from(resume_ns, kept) == hour_from(resume_ns, [])
    again = kept_until(resume_ns, kept)
    assert again == kept[-len(again) :], "nothing before what was kept is walked"
    assert len(again) < len(kept)


@pytest.mark.parametrize(("beyond_s", "left_out_s"), [(0, 0), (1, 2 * 86_400)])
def test_what_would_be_walked_for_more_than_three_days_is_left_out_in_whole_days(
    beyond_s: int, left_out_s: int
) -> None:
    first = kept_until(START_NS + 30 * HOUR_NS)[0]
    found = kept_until((first.second + 3 * 86_400 + beyond_s) * SECOND_NS, [first])[0]
    assert found == msgspec.structs.replace(first, second=first.second + left_out_s)


@pytest.mark.parametrize("was_kept", [True, False])
def test_a_market_that_was_away_for_long_goes_on_in_its_own_time_and_is_one_market_from_then_on(
    was_kept: bool,
) -> None:
    kept = kept_until(START_NS + 30 * HOUR_NS) if was_kept else []
    resume_ns = START_NS + 400 * DAY_NS
    later = kept_until(resume_ns, kept)
    assert len(later) <= 4 * 3
    events = hour_from(resume_ns, kept)
    assert resume_ns - DAY_NS <= events[0].at_ns < resume_ns - DAY_NS + 5 * MINUTE_NS
    since_ns = resume_ns + 30 * MINUTE_NS
    again = [event for event in hour_from(since_ns, later[-6:]) if event.at_ns < resume_ns + HOUR_NS]
    told_ns = since_ns - 31 * MINUTE_NS
    assert without_trading([event for event in again if event.at_ns >= told_ns]) == without_trading(
        [event for event in events if event.at_ns >= told_ns]
    )
    by_then = [event for event in events if since_ns - DAY_NS <= event.at_ns < told_ns]
    assert _windows([event for event in again if event.at_ns < told_ns]) == _windows(by_then)
