"""Settlement by the venue's word or by the oracle's averages, exits, and what becomes of ended windows' positions."""

import pytest

from foresight.effects import FillBooked, Journal, SettlementBooked
from foresight.engine.settling import CLOSE_WAIT_NS
from foresight.markets import SECOND_NS, Market, MarketId, Outcome
from foresight.money import MICROS
from tests.builders import (
    NOON_NS,
    Harness,
    Says,
    Scripted,
    a_fill,
    a_held_position,
    a_market,
    a_quote,
    a_resolution,
    a_twap,
    an_engine,
    an_entry,
    an_exit,
    cost_micros,
    replayed,
    seconds,
    windows_of,
)

DEPOSIT = 1_000 * MICROS
COST = cost_micros(a_fill(0.5, 10))
"""10 shares at 0.50 and a fee of 0.07 x 0.25 x 10 = 0.175."""


def ended(outcome: Outcome = "UP", **settings: object) -> tuple[Harness, Market]:
    harness, market = a_held_position(outcome, **settings)
    harness.run_to(market.end_ns)
    return harness, market


# By the venue


@pytest.mark.parametrize(("held", "winner", "payout"), [("UP", "UP", 10), ("UP", "DOWN", 0), ("DOWN", "DOWN", 10)])
def test_a_winning_share_pays_a_dollar_and_a_losing_one_nothing(held: Outcome, winner: Outcome, payout: int) -> None:
    harness, market = ended(held)
    harness.give(a_resolution(market, winner))
    books = harness.engine.desk.books
    assert books.cash_micros == DEPOSIT - COST + payout * MICROS
    assert (books.positions, books.trades, books.wins) == ({}, 1, int(payout > 0))


def test_a_settlement_keeps_its_provenance() -> None:
    harness, market = ended()
    harness.give(a_resolution(market))
    (settlement,) = harness.entries(SettlementBooked)
    assert (settlement.market_id, settlement.winner, settlement.source) == (market.market_id, "UP", "venue")
    assert harness.notices()[-1] == "btc-5m UP settled UP by venue: $4.825 (t000001)"


def test_a_position_waits_in_its_ended_window_until_it_is_resolved() -> None:
    harness, market = ended()
    assert market.market_id in harness.engine.markets.ended
    assert harness.engine.desk.books.open_cost_micros() == 5 * MICROS
    harness.give(a_resolution(market))
    assert market.market_id not in harness.engine.markets.ended


def test_a_held_window_is_not_forgotten_after_a_day() -> None:
    harness, market = ended()
    harness.lists(a_market(start_ns=market.end_ns + seconds(2 * 86_400)))
    harness.run_for(2 * 86_400 + 60)
    assert market.market_id in harness.engine.markets.ended
    harness.give(a_resolution(market, at_ns=harness.now_ns))
    assert harness.engine.desk.books.positions == {}


def test_a_window_is_paid_out_once() -> None:
    harness, market = ended()
    harness.give(a_resolution(market))
    books = harness.engine.desk.books
    assert harness.give(a_resolution(market, "DOWN")) == []
    assert harness.engine.desk.books is books


def test_a_resolution_of_an_unknown_market_changes_nothing() -> None:
    harness, _ = ended()
    books = harness.engine.desk.books
    assert harness.give(a_resolution(a_market(market_id=MarketId("other")))) == []
    assert harness.engine.desk.books is books


def test_a_resolution_pays_the_market_it_names_and_no_other() -> None:
    harness, market = ended()
    coming = a_market(start_ns=market.end_ns)
    harness.lists(coming)
    harness.run_for(5)
    assert harness.give(a_resolution(coming, at_ns=harness.now_ns)) == []
    assert len(harness.engine.desk.books.positions) == 1


def test_a_resolution_that_comes_before_the_last_timer_settles_and_leaves_nothing_behind() -> None:
    harness, market = a_held_position()
    harness.run_to(market.end_ns - 1)
    harness.give(a_resolution(market, at_ns=market.end_ns - 1))
    assert harness.engine.desk.books.trades == 1
    harness.run_to(market.end_ns + SECOND_NS)
    assert harness.engine.markets.ended == {}


def test_both_sides_of_one_window_are_settled_together() -> None:
    harness, market = a_held_position("UP")
    harness.live.says_next(Says(proposal=an_entry("DOWN")))
    harness.run_for(5)
    harness.fill(a_fill(0.4, 10))
    harness.close()
    harness.run_to(market.end_ns)
    harness.give(a_resolution(market, "DOWN"))
    books = harness.engine.desk.books
    assert (books.trades, books.wins, books.positions) == (2, 1, {})


# By the oracle's averages


def by_twap(opened: float | None, closed: float, *, at_ns: int | None = None) -> Harness:
    harness, market = a_held_position(settle_by="twap60")
    if opened is not None:
        harness.give(a_twap(opened, stamped_ns=NOON_NS))
    harness.run_to(market.end_ns)
    harness.give(a_twap(closed, stamped_ns=market.end_ns, at_ns=at_ns))
    return harness


@pytest.mark.parametrize(("closed", "winner"), [(100.01, "UP"), (100.0, "UP"), (99.99, "DOWN")])
def test_the_averages_at_both_ends_decide_and_a_tie_is_up(closed: float, winner: str) -> None:
    harness = by_twap(100.0, closed)
    (settlement,) = harness.entries(SettlementBooked)
    assert (settlement.winner, settlement.source) == (winner, "oracle")


def test_without_the_opening_average_the_closing_one_settles_nothing_and_the_venues_word_does() -> None:
    harness = by_twap(None, 101)
    assert harness.entries(SettlementBooked) == []
    assert len(harness.engine.desk.books.positions) == 1
    harness.give(a_resolution(a_market(), "DOWN"))
    (settlement,) = harness.entries(SettlementBooked)
    assert (settlement.winner, settlement.source) == ("DOWN", "venue")
    assert harness.engine.desk.books.positions == {}


def test_an_average_of_another_instant_or_asset_settles_nothing() -> None:
    harness, market = a_held_position(settle_by="twap60")
    harness.give(a_twap(100, stamped_ns=NOON_NS))
    harness.run_to(market.end_ns)
    harness.give(a_twap(101, stamped_ns=market.end_ns - SECOND_NS))
    harness.give(a_twap(101, stamped_ns=market.end_ns, asset="ETH"))
    assert harness.entries(SettlementBooked) == []


def test_the_closing_average_counts_when_it_comes_at_the_very_end_before_the_timer() -> None:
    harness, market = a_held_position(settle_by="twap60")
    harness.give(a_twap(100, stamped_ns=NOON_NS))
    harness.run_to(market.end_ns - 1)
    harness.give(a_twap(101, stamped_ns=market.end_ns, at_ns=market.end_ns))
    assert len(harness.entries(SettlementBooked)) == 1
    harness.run_to(market.end_ns)
    assert harness.engine.markets.ended == {}


def test_one_average_closes_a_window_and_opens_the_next() -> None:
    harness, market = a_held_position(settle_by="twap60")
    coming = a_market(start_ns=market.end_ns)
    harness.lists(coming)
    harness.give(a_twap(100, stamped_ns=NOON_NS))
    harness.run_to(market.end_ns)
    harness.give(a_twap(101, stamped_ns=market.end_ns))
    assert len(harness.entries(SettlementBooked)) == 1
    assert harness.engine.markets.slots["btc-5m"].window.twap_open == 101


def with_the_venues_word(winner: Outcome = "DOWN", *, after_s: float = 30, coming: bool = True) -> Harness:
    """A held window whose opening average was heard, some time after its end, when the venue says who won."""
    harness, market = a_held_position(settle_by="twap60")
    if coming:
        harness.lists(*windows_of("BTC", "5m", market.end_ns, market.end_ns + seconds(600)))
    harness.give(a_twap(100, stamped_ns=NOON_NS))
    harness.run_to(market.end_ns + seconds(after_s))
    harness.give(a_resolution(market, winner, at_ns=harness.now_ns))
    return harness


def test_the_venues_word_waits_for_the_closing_average_which_settles() -> None:
    harness = with_the_venues_word("DOWN")
    assert harness.entries(SettlementBooked) == []
    harness.give(a_twap(101, stamped_ns=a_market().end_ns, at_ns=harness.now_ns))
    harness.run_for(300)
    (settlement,) = harness.entries(SettlementBooked)
    assert (settlement.winner, settlement.source) == ("UP", "oracle")


@pytest.mark.parametrize("coming", [True, False], ids=["rounds go on", "no window is open"])
def test_the_venues_word_settles_where_the_closing_average_has_not_come_in_time(coming: bool) -> None:
    harness = with_the_venues_word("DOWN", coming=coming)
    overdue_ns = a_market().end_ns + CLOSE_WAIT_NS
    harness.run_to(overdue_ns - 1)
    assert harness.entries(SettlementBooked) == []
    harness.run_to(overdue_ns)
    (settlement,) = harness.entries(SettlementBooked)
    assert (settlement.winner, settlement.source) == ("DOWN", "venue")
    assert harness.engine.desk.books.positions == {}
    assert harness.engine.markets.ended == {}
    assert [effect for effect in replayed(harness)[1] if isinstance(effect, Journal)] == [
        effect for effect in harness.effects if isinstance(effect, Journal)
    ]


def test_a_word_that_comes_when_nobody_waits_any_longer_settles_at_once() -> None:
    harness = with_the_venues_word("UP", after_s=CLOSE_WAIT_NS / SECOND_NS)
    (settlement,) = harness.entries(SettlementBooked)
    assert (settlement.winner, settlement.source) == ("UP", "venue")


def test_a_closing_average_that_comes_after_the_venues_word_has_settled_changes_nothing() -> None:
    harness = with_the_venues_word("DOWN", after_s=CLOSE_WAIT_NS / SECOND_NS)
    assert harness.give(a_twap(101, stamped_ns=a_market().end_ns, at_ns=harness.now_ns)) == []
    assert len(harness.entries(SettlementBooked)) == 1


def test_the_averages_are_not_used_where_the_venues_word_settles() -> None:
    harness, market = a_held_position()
    harness.give(a_twap(100, stamped_ns=NOON_NS))
    harness.run_to(market.end_ns)
    assert harness.give(a_twap(101, stamped_ns=market.end_ns)) == []
    assert len(harness.engine.desk.books.positions) == 1


# Exits


def exiting(shares: float, price: float = 0.6) -> Harness:
    harness, market = a_held_position()
    harness.give(a_quote(price, price + 0.02, at_ns=harness.now_ns, market=market))
    harness.live.says_next(Says(proposal=an_exit(limit=price)))
    harness.run_for(5)
    harness.fill(a_fill(price, shares))
    harness.close()
    return harness


def test_an_exit_of_the_whole_position_closes_the_trade() -> None:
    """By hand: bought for 5.175, sold for 6 less a fee of 0.07 x 0.6 x 0.4 x 10 = 0.168."""
    harness = exiting(10)
    books = harness.engine.desk.books
    assert (books.positions, books.trades, books.wins) == ({}, 1, 1)
    assert books.realised_micros == 6_000_000 - 168_000 - 5_175_000
    assert harness.notices()[-2] == "btc-5m UP sold: $0.657 (t000001)"


def test_an_exit_is_credited_to_the_trade_that_the_entry_opened() -> None:
    harness = exiting(10)
    bought, sold = harness.entries(FillBooked)
    assert (bought.side, sold.side) == ("BUY", "SELL")
    assert bought.trade_id == sold.trade_id == "t000001"


def test_what_an_exit_could_not_sell_stays_and_is_settled() -> None:
    harness = exiting(4)
    (position,) = harness.engine.desk.books.positions.values()
    assert (position.shares_micros, position.cost_micros) == (6 * MICROS, 3 * MICROS)
    market = a_market()
    harness.run_to(market.end_ns)
    harness.give(a_resolution(market, "DOWN"))
    assert harness.engine.desk.books.positions == {}


def test_after_an_exit_the_window_may_be_entered_again_as_a_new_trade() -> None:
    harness = exiting(10)
    harness.live.says_next(Says(proposal=an_entry(limit=0.7)))
    harness.run_for(5)
    harness.fill(a_fill(0.62, 5))
    (position,) = harness.engine.desk.books.positions.values()
    assert position.trade_id == "t000002"


def test_a_market_whose_rule_is_a_single_price_is_settled_by_the_venue_even_where_averages_are_preferred() -> None:
    harness = Harness(an_engine(settle_by="twap60"), Scripted(Says(proposal=an_entry())))
    market = a_market(settles_on="spot")
    harness.lists(market)
    harness.quote(market)
    harness.run_to(NOON_NS)
    harness.fill(a_fill())
    harness.close()
    harness.run_to(market.end_ns)
    harness.give(a_resolution(market))
    assert len(harness.entries(SettlementBooked)) == 1
