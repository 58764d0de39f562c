"""The report: the engine as it is at one instant, with the origin of its numbers, and nothing changed by reading it."""

import msgspec
import pytest

from foresight.engine import report_of
from foresight.events import Command
from foresight.money import MICROS
from tests.builders import (
    NOON_NS,
    Fails,
    Harness,
    Says,
    a_held_position,
    a_market,
    a_quote,
    a_resolution,
    a_running_harness,
    a_spot,
    a_verdict,
    an_engine,
    an_entry,
    seconds,
)


def test_a_report_names_its_origin_release_and_counts() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry(), verdicts=(a_verdict("edge", "refuse"),)))
    harness.run_to(NOON_NS)
    harness.give(Command(NOON_NS, "halt", "ann"))
    report = report_of(harness.engine, NOON_NS)
    assert (report.origin, report.release, report.revision, report.is_halted) == ("simulated", "v1", 1, True)
    assert (report.evaluations, report.orders, report.presence.due, report.presence.done) == (1, 0, 1, 1)
    assert (report.refusals, report.gates) == ({"gate:edge": 1}, {"edge": {"pass": 0, "refuse": 1, "unknown": 0}})
    assert report.digest == harness.engine.digest.hex()


def test_a_slots_line_tells_its_window_prices_and_belief() -> None:
    harness, market = a_running_harness(Says(fair=0.6, signals={"momentum": 0.2}))
    harness.give(a_spot(100, at_ns=NOON_NS))
    harness.run_to(NOON_NS)
    (slot,) = report_of(harness.engine, NOON_NS + seconds(1)).slots
    assert (slot.slot, slot.market, slot.window_start_ns, slot.window_end_ns) == (
        "btc-5m",
        market.market_id,
        market.start_ns,
        market.end_ns,
    )
    assert (slot.seconds_left, slot.underlying, slot.fair, slot.signals) == (299, 100, 0.6, {"momentum": 0.2})
    assert (slot.up_bid, slot.up_ask, slot.position, slot.state) == (0.52, 0.54, None, "open")


def test_a_slot_without_a_window_says_no_market() -> None:
    (slot,) = report_of(an_engine(), NOON_NS).slots
    assert (slot.state, slot.market, slot.seconds_left, slot.up_bid, slot.move) == ("no market", None, None, None, None)


def test_a_slot_past_its_staleness_limit_says_what_it_cannot_see() -> None:
    harness, _ = a_running_harness()
    harness.run_to(NOON_NS + seconds(16))
    assert report_of(harness.engine, harness.now_ns).slots[0].state == "blind: book"


def test_a_slot_whose_live_code_failed_says_so() -> None:
    harness, _ = a_running_harness(Fails(kind="overran"))
    harness.run_to(NOON_NS)
    assert report_of(harness.engine, NOON_NS).slots[0].state == "live code overran"


def test_an_open_position_is_marked_at_the_bid_that_a_sale_would_meet() -> None:
    """By hand: 10 shares bought at 0.50 with a fee of 0.175; at a bid of 0.60 they make 6 - 5 - 0.175."""
    harness, market = a_held_position()
    harness.give(a_quote(0.60, 0.62, at_ns=harness.now_ns, market=market))
    report = report_of(harness.engine, harness.now_ns)
    (position,) = report.positions
    assert (position.shares, position.cost, position.fees, position.price) == (10, 5, 0.175, 0.5)
    assert (position.mark, position.pnl, position.state) == (0.6, 0.825, "open")
    assert (report.money.unrealised, report.money.realised, report.money.pnl) == (1.0, -0.175, 0.825)
    assert report.slots[0].position == "UP"


def test_a_position_on_down_is_marked_at_downs_bid() -> None:
    harness, _ = a_held_position("DOWN")
    assert report_of(harness.engine, harness.now_ns).positions[0].mark == 0.46


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_position_without_a_bid_has_no_mark(is_ended: bool) -> None:
    harness, market = a_held_position()
    if is_ended:
        harness.run_to(market.end_ns)
    else:
        harness.give(a_quote(0, 0.62, at_ns=harness.now_ns, market=market))
    report = report_of(harness.engine, harness.now_ns)
    assert (report.positions[0].mark, report.positions[0].pnl, report.money.unrealised) == (None, None, 0)
    assert report.positions[0].state == ("awaiting resolution" if is_ended else "open")


def test_money_adds_up_after_a_settlement() -> None:
    harness, market = a_held_position()
    harness.run_to(market.end_ns)
    harness.give(a_resolution(market))
    money = report_of(harness.engine, harness.now_ns).money
    assert (money.cash, money.open_cost, money.realised, money.fees) == (1_004.825, 0, 4.825, 0.175)
    assert (money.trades, money.wins, money.today, money.pnl) == (1, 1, 4.825, 4.825)


def test_reading_a_report_changes_nothing() -> None:
    harness, _ = a_held_position()
    first = report_of(harness.engine, harness.now_ns)
    assert report_of(harness.engine, harness.now_ns) == first
    assert harness.engine.desk.books.cash_micros == 1_000 * MICROS - 5_175_000


def test_a_report_is_plain_data() -> None:
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "5m")]))
    harness.lists(a_market())
    harness.run_to(NOON_NS)
    report = report_of(harness.engine, NOON_NS)
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
