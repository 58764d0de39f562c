"""A shadow's own paper book: it enters and leaves on what it answers, and nothing of it reaches the bot's books."""

import pytest

from foresight.effects import Evaluate, ReleaseEnded
from foresight.engine.shadow import ShadowBook, ShadowReport
from foresight.events import OrderClosed, OrderFilled, Shadowed, Shadowing
from foresight.markets import Market, SlotId
from foresight.strategy import Enter, Exit, Verdict, View
from tests.builders import (
    NOON_NS,
    Harness,
    Says,
    Scripted,
    a_fill,
    a_held_position,
    a_market,
    a_resolution,
    a_running_harness,
    a_verdict,
    an_engine,
    an_entry,
    an_exit,
    seconds,
)

BTC = SlotId("btc-5m")


def shadowed(ask: float = 0.54) -> tuple[Harness, Market]:
    """BTC with an open window, quoted at 0.52 and `ask`; v2 is its shadow."""
    harness = Harness(an_engine([("BTC", "5m")]), Scripted())
    market = a_market()
    harness.lists(market)
    harness.quote(market, 0.52, ask)
    harness.run_for(6)
    harness.give(Shadowing(NOON_NS, "v2", "a shadow for 30 min"))
    return harness, market


def says(
    harness: Harness, market: Market, proposal: Enter | Exit | None, *verdicts: Verdict, release: str = "v2"
) -> None:
    at_ns = harness.engine.now_ns
    harness.give(Shadowed(at_ns, BTC, market.market_id, release, proposal, verdicts))


def report(harness: Harness) -> ShadowReport:
    assert harness.engine.shadow is not None
    return harness.engine.shadow.report()


def view_of(harness: Harness) -> View:
    asked = [effect for effect in harness.live.asked if isinstance(effect, Evaluate)][-1]
    assert harness.engine.shadow is not None
    return harness.engine.shadow.view_of(asked.view)


def test_a_shadow_that_begins_is_journaled_and_has_an_empty_book() -> None:
    harness, _ = shadowed()
    (entry,) = [each for each in harness.entries(ReleaseEnded) if each.state == "shadow"]
    assert (entry.release, entry.text) == ("v2", "a shadow for 30 min")
    assert report(harness) == ShadowReport(
        release="v2",
        answers=0,
        entries=0,
        trades=0,
        wins=0,
        pnl=0.0,
        open=0,
        live_trades=0,
        live_wins=0,
        live_pnl=0.0,
    )


@pytest.mark.parametrize(("winner", "wins"), [("UP", 1), ("DOWN", 0)])
def test_an_entry_fills_at_the_ask_with_its_fee_and_settles_with_the_window(winner: str, wins: int) -> None:
    harness, market = shadowed()
    before = harness.engine.desk.books
    says(harness, market, an_entry(limit=0.6))
    held = view_of(harness).holding
    assert held is not None
    assert (held.outcome, held.release) == ("UP", "v2")
    assert not view_of(harness).can_enter
    harness.give(a_resolution(market, winner))  # type: ignore[arg-type]
    done = report(harness)
    assert (done.answers, done.entries, done.trades, done.wins, done.open) == (1, 1, 1, wins, 0)
    assert (done.pnl > 0) == bool(wins)
    assert harness.engine.desk.books == before


def test_an_exit_sells_at_the_bid_and_the_window_is_not_entered_again() -> None:
    harness, market = shadowed()
    says(harness, market, an_entry(limit=0.6))
    says(harness, market, an_exit("DOWN"))
    assert report(harness).open == 1, "it holds UP"
    says(harness, market, an_exit("UP", limit=0.9))
    assert report(harness).open == 1, "nobody bids as much"
    says(harness, market, an_exit("UP", limit=0.4))
    says(harness, market, an_entry(limit=0.6))
    done = report(harness)
    assert (done.entries, done.trades, done.open) == (1, 1, 0)
    assert done.pnl < 0, "the spread and two fees"


@pytest.mark.parametrize(
    ("proposal", "verdicts"),
    [
        (None, ()),
        (an_entry(limit=0.5), ()),
        (an_entry(limit=0.6, stake=500), ()),
        (an_entry(limit=0.6, stake=0.5), ()),
        (an_entry(limit=0.6), (a_verdict("spread", "refuse"),)),
        (an_exit("UP"), ()),
    ],
)
def test_what_a_limit_or_a_gate_keeps_out_enters_nothing(
    proposal: Enter | Exit | None, verdicts: tuple[Verdict, ...]
) -> None:
    harness, market = shadowed()
    says(harness, market, proposal, *verdicts)
    assert (report(harness).answers, report(harness).entries) == (1, 0)


def test_answers_of_another_release_or_to_another_window_count_for_nothing() -> None:
    harness, market = shadowed()
    says(harness, market, an_entry(limit=0.6), release="v1")
    assert report(harness).answers == 0
    says(harness, a_market("ETH"), an_entry(limit=0.6))
    assert (report(harness).answers, report(harness).entries) == (1, 0)


LIVE_WIN = (1, 1, 4.825)
NO_LIVE_TRADE = (0, 0, 0.0)


@pytest.mark.parametrize(
    ("begun_s", "heard_s", "beside"),
    [
        (10, 10, LIVE_WIN),
        (11, 12, NO_LIVE_TRADE),
        (0, 5.001, LIVE_WIN),
        (0, 5, NO_LIVE_TRADE),
    ],
)
def test_live_trades_that_were_opened_while_it_answered_in_their_slot_stand_beside_it(
    begun_s: float, heard_s: float, beside: tuple[int, int, float]
) -> None:
    harness, market = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    opened_ns, order_id = NOON_NS + seconds(10), harness.orders[-1].order_id
    harness.run_to(
        market.end_ns,
        Shadowing(NOON_NS + seconds(begun_s), "v2", "a shadow for 30 min"),
        Shadowed(NOON_NS + seconds(heard_s), BTC, market.market_id, "v2", None, ()),
        OrderFilled(opened_ns, order_id, (a_fill(0.5, 10),)),
        OrderClosed(opened_ns, order_id, "filled"),
    )
    assert report(harness).live_trades == 0, "it has not closed"
    harness.give(a_resolution(market, "UP"))
    done = report(harness)
    assert (done.live_trades, done.live_wins, done.live_pnl) == beside
    assert (done.answers, done.trades, done.pnl) == (1, 0, 0.0)


def test_live_trades_of_slots_that_it_is_not_asked_about_are_left_out() -> None:
    harness, market = a_held_position()
    shadow = ShadowBook(harness.engine.settings, "v2", begun_ns=0)
    harness.engine.shadow = shadow
    shadow.take(Shadowed(harness.now_ns, SlotId("eth-5m"), market.market_id, "v2", None, ()), None)
    harness.run_to(market.end_ns)
    harness.give(a_resolution(market, "UP"))
    assert harness.engine.desk.books.trades == 1
    assert shadow.report().live_trades == 0


def test_without_a_shadow_its_answers_are_nothing() -> None:
    harness = Harness(an_engine([("BTC", "5m")]), Scripted())
    harness.lists(a_market())
    says(harness, a_market(), an_entry(limit=0.6))
    assert harness.engine.shadow is None
