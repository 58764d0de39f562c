"""Risk: every rule on both sides of its boundary, and what a refusal leaves as it was."""

from typing import Any

import msgspec
import pytest

from foresight.effects import Commanded, Judged, Order, Refusal
from foresight.engine.risk import DAY_NS, RULES, Account, Context, Exposure, approve, refusals_of
from foresight.engine.settings import RiskLimits
from foresight.events import ClockChecked, Command, JournalChecked
from foresight.markets import MINUTE_NS, SECOND_NS
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
    a_running_harness,
    a_spot,
    an_engine,
    an_entry,
    an_exit,
    fills_at_limit,
    seconds,
    windows_of,
)

MIDNIGHT_NS = NOON_NS + DAY_NS // 2


def a_context(**changes: Any) -> Context:
    """An entry of $5 that no rule refuses."""
    context = Context(
        is_entry=True,
        stake_micros=5 * MICROS,
        fee_max_micros=0,
        limit_micros=550_000,
        tick_micros=10_000,
        notional_min_micros=MICROS,
        cash_micros=1_000 * MICROS,
        price_micros=540_000,
        has_order_in_flight=False,
        holds_this_side=False,
        window_left_ns=MINUTE_NS,
        book_age_ns=0,
        underlying_age_ns=0,
        reference_age_ns=None,
        exposure=Exposure(),
        day_pnl_micros=0,
        loss_streak=0,
        orders_last_minute=0,
        drift_ms=0.0,
        is_halted=False,
        has_journal=True,
    )
    return msgspec.structs.replace(context, **changes)


def an_exit_context(**changes: Any) -> Context:
    return a_context(**{"is_entry": False, "stake_micros": 0, "holds_this_side": True, **changes})


def refused(context: Context, **limits: Any) -> list[str]:
    return [refusal.name for refusal in refusals_of(context, RiskLimits(**limits))]


# (rule, just inside, just outside), for an entry with the default limits.
BOUNDARIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("halt", {"is_halted": False}, {"is_halted": True}),
    ("journal", {"has_journal": True}, {"has_journal": False}),
    ("order_in_flight", {"has_order_in_flight": False}, {"has_order_in_flight": True}),
    ("one_position", {"holds_this_side": False}, {"holds_this_side": True}),
    ("window", {"window_left_ns": 1}, {"window_left_ns": 0}),
    ("no_price", {"price_micros": 1}, {"price_micros": 0}),
    ("no_price", {"price_micros": 1}, {"price_micros": -1}),
    ("stake", {"stake_micros": 5 * MICROS}, {"stake_micros": 5 * MICROS + 1}),
    ("stake", {"stake_micros": MICROS}, {"stake_micros": MICROS - 1}),
    ("stake", {"cash_micros": 5 * MICROS}, {"cash_micros": 5 * MICROS - 1}),
    ("stake", {"fee_max_micros": 995 * MICROS}, {"fee_max_micros": 995 * MICROS + 1}),
    ("limit", {"limit_micros": 10_000}, {"limit_micros": 9_999}),
    ("slot_exposure", {"exposure": Exposure(slot=5 * MICROS)}, {"exposure": Exposure(slot=5 * MICROS + 1)}),
    ("asset_exposure", {"exposure": Exposure(asset=15 * MICROS)}, {"exposure": Exposure(asset=15 * MICROS + 1)}),
    (
        "timeframe_exposure",
        {"exposure": Exposure(timeframe=55 * MICROS)},
        {"exposure": Exposure(timeframe=55 * MICROS + 1)},
    ),
    ("total_exposure", {"exposure": Exposure(total=75 * MICROS)}, {"exposure": Exposure(total=75 * MICROS + 1)}),
    ("daily_loss", {"day_pnl_micros": -50 * MICROS + 1}, {"day_pnl_micros": -50 * MICROS}),
    ("loss_streak", {"loss_streak": 7}, {"loss_streak": 8}),
    ("order_rate", {"orders_last_minute": 29}, {"orders_last_minute": 30}),
    ("stale_feed", {"book_age_ns": 10 * SECOND_NS}, {"book_age_ns": 10 * SECOND_NS + 1}),
    ("stale_feed", {"underlying_age_ns": 10 * SECOND_NS}, {"underlying_age_ns": 10 * SECOND_NS + 1}),
    ("stale_feed", {"reference_age_ns": 120 * SECOND_NS}, {"reference_age_ns": 120 * SECOND_NS + 1}),
    ("stale_feed", {"underlying_age_ns": None}, {"underlying_age_ns": 2 * DAY_NS}),
    ("clock_drift", {"drift_ms": 500.0}, {"drift_ms": 500.1}),
    ("clock_drift", {"drift_ms": -500.0}, {"drift_ms": -500.1}),
]


@pytest.mark.parametrize(("rule", "inside", "outside"), BOUNDARIES)
def test_an_entry_is_refused_by_its_rule_and_no_other_just_outside_its_limit(
    rule: str, inside: dict[str, Any], outside: dict[str, Any]
) -> None:
    assert refused(a_context(**inside)) == []
    assert refused(a_context(**outside)) == [rule]


def test_an_exit_is_refused_just_over_the_highest_price() -> None:
    assert refused(an_exit_context(limit_micros=990_000)) == []
    assert refused(an_exit_context(limit_micros=990_001)) == ["limit"]


def test_every_rule_has_a_boundary_here() -> None:
    assert {rule for rule, _, _ in BOUNDARIES} == set(RULES)


@pytest.mark.parametrize(
    "changes",
    [
        {"is_halted": True},
        {"day_pnl_micros": -60 * MICROS},
        {"loss_streak": 99},
        {"exposure": Exposure(99 * MICROS, 99 * MICROS, 99 * MICROS, 99 * MICROS)},
        {"underlying_age_ns": MINUTE_NS},
        {"cash_micros": 0},
    ],
)
def test_an_exit_is_not_held_back_by_what_limits_entries(changes: dict[str, Any]) -> None:
    assert refused(an_exit_context(**changes)) == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("order_in_flight", {"has_order_in_flight": True}),
        ("one_position", {"holds_this_side": False}),
        ("window", {"window_left_ns": 0}),
        ("no_price", {"price_micros": 0}),
        ("order_rate", {"orders_last_minute": 30}),
        ("stale_feed", {"book_age_ns": 11 * SECOND_NS}),
        ("clock_drift", {"drift_ms": 501.0}),
    ],
)
def test_an_exit_is_held_back_by_what_makes_it_impossible_or_unsafe(rule: str, changes: dict[str, Any]) -> None:
    assert refused(an_exit_context(**changes)) == [rule]


def test_every_reason_is_named_at_once_in_the_order_of_the_table() -> None:
    assert refused(a_context(is_halted=True, window_left_ns=0, loss_streak=8)) == ["halt", "window", "loss_streak"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"stake_micros": 6 * MICROS}, "stake $6.00 is over $5.00"),
        ({"stake_micros": MICROS // 2}, "stake $0.50 is under the venue's $1.00"),
        ({"exposure": Exposure(slot=6 * MICROS)}, "slot exposure with this stake $11.00 is over $10.00"),
        ({"day_pnl_micros": -51 * MICROS}, "today's loss $51.00 has reached $50.00"),
        ({"book_age_ns": 11 * SECOND_NS}, "the book is 11.0 s old, over 10.0 s"),
        ({"book_age_ns": 2 * DAY_NS}, "the book is never seen and so old, over 10.0 s"),
        ({"drift_ms": -700.0}, "the clock is off by -700 ms, over 500 ms"),
    ],
)
def test_a_refusal_says_the_measured_value_beside_its_limit(changes: dict[str, Any], text: str) -> None:
    assert [refusal.text for refusal in refusals_of(a_context(**changes), RiskLimits())] == [text]


def test_a_refused_order_cannot_be_approved() -> None:
    order = Order(
        order_id="o1",
        market_id="m",
        token="t",
        side="BUY",
        amount_micros=1,
        limit_micros=1,
        kind="FAK",
        release="v1",
        revision=1,
    )
    assert approve(order, ()).item is order
    with pytest.raises(AssertionError):
        approve(order, refusals_of(a_context(is_halted=True), RiskLimits()))


# In the engine


def test_a_refusal_changes_nothing_but_its_counter() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry(stake=6)))
    desk = harness.engine.desk
    books, slot = desk.books, harness.engine.markets.slots["btc-5m"]
    harness.run_to(NOON_NS)
    assert desk.books is books
    assert (list(desk.orders), desk.orders_sent, slot.pending_order, harness.orders) == ([], 0, None, [])
    assert desk.account.orders_last_minute(NOON_NS) == 0
    assert desk.refusals == {"risk:stake": 1}


def judged_names(harness: Harness) -> list[list[str]]:
    return [[refusal.name for refusal in judged.refusals] for judged in harness.entries(Judged)]


def test_a_second_order_of_a_slot_waits_for_the_end_of_the_first() -> None:
    harness, _ = a_running_harness(*[Says(proposal=an_entry())] * 3)
    harness.run_to(NOON_NS + seconds(5))
    assert judged_names(harness) == [[], ["order_in_flight"]]
    harness.close("killed")
    harness.run_for(5)
    assert judged_names(harness)[-1] == []


def test_one_position_per_slot_and_side_and_the_other_side_may_be_taken() -> None:
    harness, _ = a_held_position("UP")
    harness.live.says_next(Says(proposal=an_entry("UP")), Says(proposal=an_entry("DOWN", stake=4)))
    harness.run_for(10)
    assert judged_names(harness)[1:] == [["one_position"], []]


def test_what_is_not_held_cannot_be_sold() -> None:
    harness, _ = a_held_position("UP")
    harness.live.says_next(Says(proposal=an_exit("DOWN")))
    harness.run_for(5)
    assert judged_names(harness)[-1] == ["one_position"]


def test_exposure_counts_orders_in_flight() -> None:
    slots = [("BTC", "5m"), ("BTC", "15m")]
    limits = RiskLimits(asset_exposure_max_micros=10 * MICROS - 1)
    harness = Harness(an_engine(slots, risk=limits), Scripted(*[Says(proposal=an_entry())] * 2))
    for market in (a_market(), a_market("BTC", "15m")):
        harness.lists(market)
        harness.quote(market)
    harness.run_to(NOON_NS)
    assert judged_names(harness) == [[], ["asset_exposure"]]


def test_exposure_counts_positions_at_cost_and_only_what_an_order_may_still_spend() -> None:
    slots = [("BTC", "5m"), ("BTC", "15m")]
    harness = Harness(an_engine(slots), Scripted(Says(proposal=an_entry(limit=0.55))))
    for market in (a_market(), a_market("BTC", "15m")):
        harness.lists(market)
        harness.quote(market)
    harness.run_to(NOON_NS)
    desk, states = harness.engine.desk, harness.engine.markets.slots
    in_flight = desk._exposure(states["btc-5m"])
    harness.fill(a_fill(0.5, 4))
    assert in_flight == desk._exposure(states["btc-5m"]) == Exposure(*[5 * MICROS] * 4)
    harness.close()
    assert desk._exposure(states["btc-5m"]) == Exposure(*[2 * MICROS] * 4)
    assert desk._exposure(states["btc-15m"]) == Exposure(slot=0, asset=2 * MICROS, timeframe=0, total=2 * MICROS)


def test_cash_that_orders_in_flight_may_spend_is_not_spent_twice() -> None:
    slots = [("BTC", "5m"), ("ETH", "5m")]
    harness = Harness(an_engine(slots, deposit_micros=9 * MICROS), Scripted(*[Says(proposal=an_entry())] * 2))
    for market in (a_market(), a_market("ETH")):
        harness.lists(market)
        harness.quote(market)
    harness.run_to(NOON_NS)
    assert judged_names(harness) == [[], ["stake"]]


def test_a_halt_refuses_entries_until_resume_and_exits_never() -> None:
    harness, _ = a_held_position("UP")
    harness.give(Command(harness.now_ns, "halt", "ann"))
    harness.live.says_next(Says(proposal=an_entry("DOWN")), Says(proposal=an_exit("UP")))
    harness.run_for(10)
    assert judged_names(harness)[1:] == [["halt"], []]
    harness.close("killed")
    harness.give(Command(harness.now_ns, "resume", "ann"))
    harness.quote(a_market())
    harness.live.says_next(Says(proposal=an_entry("DOWN")))
    harness.run_for(5)
    assert judged_names(harness)[-1] == []
    assert "halt by ann" in harness.notices()


def test_resume_ends_a_loss_streak_and_halt_does_not() -> None:
    harness, _ = a_running_harness()
    account = harness.engine.desk.account
    account.loss_streak = 8
    harness.give(Command(NOON_NS, "halt", "ann"))
    assert account.loss_streak == 8
    harness.give(Command(NOON_NS, "resume", "ann"))
    assert (account.loss_streak, account.is_halted) == (0, False)


def test_a_clock_that_is_off_refuses_until_it_is_right_again() -> None:
    harness, _ = a_running_harness(*[Says(proposal=an_entry())] * 2)
    harness.give(ClockChecked(NOON_NS, 501.0))
    harness.run_to(NOON_NS)
    harness.give(ClockChecked(NOON_NS, 0.0))
    harness.run_for(5)
    assert judged_names(harness) == [["clock_drift"], []]


def test_a_stale_underlying_refuses_entries_and_an_absent_one_does_not() -> None:
    harness, market = a_running_harness(Says(), Says(), Says(), *[Says(proposal=an_entry())])
    harness.give(a_spot(100, at_ns=NOON_NS))
    harness.run_to(NOON_NS + seconds(10))
    harness.quote(market)
    harness.run_for(5)
    assert judged_names(harness) == [["stale_feed"]]


@pytest.mark.parametrize(("quiet_s", "is_refused"), [(10, False), (11, True)])
@pytest.mark.parametrize("topic", ["underlying", "book"])
def test_news_that_comes_while_live_code_thinks_does_not_make_its_answer_one_on_fresh_data(
    topic: str, quiet_s: int, is_refused: bool
) -> None:
    asked_ns = NOON_NS + seconds(15)
    harness, market = a_running_harness(*[Says()] * 3, Says(proposal=an_entry(), after_ns=seconds(1)))
    quiet_ns, fresh_ns = asked_ns - seconds(quiet_s), asked_ns - 1
    harness.run_to(quiet_ns - 1)
    for at_ns in sorted((quiet_ns, fresh_ns)):
        harness.run_to(at_ns)
        if (topic == "underlying") == (at_ns == quiet_ns):
            harness.give(a_spot(100, at_ns=at_ns))
        if (topic == "book") == (at_ns == quiet_ns):
            harness.quote(market)
    harness.run_to(asked_ns + seconds(0.5))
    harness.give(a_spot(100, at_ns=asked_ns + seconds(0.5)))
    harness.quote(market)
    harness.run_for(1)
    assert judged_names(harness) == [["stale_feed"] if is_refused else []]


def test_an_order_leaves_the_rate_after_a_minute() -> None:
    account = Account()
    account.sent(NOON_NS, ("v1", 1))
    account.sent(NOON_NS + 1, ("v1", 1))
    assert account.orders_last_minute(NOON_NS + MINUTE_NS - 1) == 2
    assert account.orders_last_minute(NOON_NS + MINUTE_NS) == 1
    assert account.orders_last_minute(NOON_NS + MINUTE_NS + 1) == 0


def test_orders_of_the_last_minute_are_counted_by_release_and_revision() -> None:
    account = Account()
    account.sent(NOON_NS, ("v1", 1))
    account.sent(NOON_NS + 1, ("v1", 1))
    account.sent(NOON_NS + 2, ("v1", 2))
    assert account.orders_last_minute(NOON_NS + 2) == 3
    senders = (("v1", 1), ("v1", 2), ("v2", 1))
    assert [account.orders_last_minute_of(sender, NOON_NS + 2) for sender in senders] == [2, 1, 0]
    assert [account.orders_last_minute_of(sender, NOON_NS + MINUTE_NS) for sender in senders] == [1, 1, 0]


def losing(start_ns: int, windows: int, **settings: Any) -> Harness:
    """Buys UP in every window and loses; the first window starts at `start_ns`."""
    live = Scripted(otherwise=Says(proposal=an_entry(limit=0.5)))
    harness = Harness(an_engine(start_ns=start_ns, **settings), live, broker=fills_at_limit)
    markets = windows_of("BTC", "5m", start_ns, start_ns + windows * seconds(300))
    harness.lists(*markets)
    for market in markets:
        harness.run_to(market.start_ns - 1)
        harness.quote(market, 0.48, 0.5)
        harness.run_to(market.end_ns, a_resolution(market, "DOWN", at_ns=market.end_ns))
    return harness


def test_losses_in_a_row_stop_entries() -> None:
    harness = losing(NOON_NS, 4, risk=RiskLimits(loss_streak_max=2))
    assert harness.engine.desk.books.trades == 2
    assert "risk:loss_streak" in harness.engine.desk.refusals


def test_a_days_loss_stops_entries() -> None:
    harness = losing(NOON_NS, 4, risk=RiskLimits(daily_loss_max_micros=10 * MICROS))
    assert harness.engine.desk.books.trades == 2
    assert harness.engine.desk.account.day_pnl_micros == 2 * (-5_000_000 - 175_000)
    assert "risk:daily_loss" in harness.engine.desk.refusals


@pytest.mark.parametrize("limits", [RiskLimits(loss_streak_max=1), RiskLimits(daily_loss_max_micros=MICROS)])
def test_a_new_day_in_utc_allows_entries_again(limits: RiskLimits) -> None:
    harness = losing(MIDNIGHT_NS - seconds(900), 5, risk=limits)
    opened = [judged.due_ns for judged in harness.entries(Judged) if judged.order_id]
    assert opened[0] == MIDNIGHT_NS - seconds(900)
    assert all(due_ns >= MIDNIGHT_NS for due_ns in opened[1:])
    assert len(opened) == 2


def test_the_account_turns_at_midnight_and_not_before() -> None:
    account = Account()
    account.turn_to(MIDNIGHT_NS - 1)
    account.took(-MICROS)
    account.loss_streak = 3
    account.turn_to(MIDNIGHT_NS - 1)
    assert (account.day_pnl_micros, account.loss_streak) == (-MICROS, 3)
    account.turn_to(MIDNIGHT_NS)
    assert (account.day_pnl_micros, account.loss_streak) == (0, 0)


def test_a_win_ends_a_loss_streak() -> None:
    harness = losing(NOON_NS, 1)
    account = harness.engine.desk.account
    assert account.loss_streak == 1
    market = a_market(start_ns=NOON_NS + seconds(300))
    harness.lists(market)
    harness.give(a_quote(0.48, 0.5, at_ns=harness.now_ns, market=market))
    harness.run_to(market.end_ns, a_resolution(market, "UP", at_ns=market.end_ns))
    assert (account.loss_streak, harness.engine.desk.books.wins) == (0, 1)


def test_entries_wait_while_the_journal_cannot_be_written_and_a_halt_stays_a_halt() -> None:
    harness, _ = a_running_harness()
    harness.give(Command(NOON_NS, "halt", "ana"))
    harness.give(JournalChecked(NOON_NS, is_writable=False))
    harness.give(JournalChecked(NOON_NS, is_writable=True))
    account = harness.engine.desk.account
    assert (account.has_journal, account.is_halted) == (True, True)
    assert [text for text in harness.notices() if "journal" in text] == [
        "the journal cannot be written: no entries",
        "the journal can be written again",
    ]


def test_what_an_operator_asks_for_is_journaled_with_its_author() -> None:
    harness, _ = a_running_harness()
    harness.give(Command(NOON_NS, "halt", "ana"))
    (entry,) = harness.entries(Commanded)
    assert (entry.name, entry.author) == ("halt", "ana")


def test_the_fees_of_orders_in_flight_are_kept_back_from_the_cash() -> None:
    """Two stakes fit the cash, but not with both fees."""
    entry = an_entry(stake=5)
    harness = Harness(
        an_engine((("BTC", "5m"), ("ETH", "5m")), deposit_micros=10 * MICROS + 400_000),
        Scripted(Says(proposal=entry), Says(proposal=entry)),
    )
    for asset in ("BTC", "ETH"):
        market = a_market(asset)
        harness.lists(market)
        harness.quote(market)
    harness.run_to(NOON_NS)
    sent, kept_out = harness.entries(Judged)
    assert sent.order_id is not None
    assert [refusal.name for refusal in kept_out.refusals] == ["stake"]


def test_what_arrived_before_midnight_does_not_turn_the_day_back() -> None:
    account = Account()
    account.turn_to(MIDNIGHT_NS)
    account.took(-10 * MICROS)
    account.turn_to(MIDNIGHT_NS - 1)
    account.turn_to(MIDNIGHT_NS + 1)
    assert account.day_pnl_micros == -10 * MICROS


def test_a_step_of_the_clock_is_told_once_and_its_end_too() -> None:
    harness, _ = a_running_harness()
    for drift_ms in (0.0, 900.0, 901.0, 0.0):
        harness.give(ClockChecked(NOON_NS, drift_ms))
    assert [text for text in harness.notices() if "clock" in text] == [
        "the wall clock has stepped by 900 ms: no orders",
        "the clock is right again",
    ]


def test_a_window_that_is_settled_already_takes_no_entry() -> None:
    harness, market = a_running_harness(Says(), Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    harness.give(a_resolution(market, at_ns=NOON_NS + 1))
    harness.run_for(5)
    (judged,) = harness.entries(Judged)
    assert [refusal.name for refusal in judged.refusals] == ["window"]


def test_names_that_live_code_makes_up_without_end_are_counted_as_other() -> None:
    desk = an_engine().desk
    desk.count_refusals(tuple(Refusal("gate", str(number), "") for number in range(1_000)))
    assert len(desk.refusals) == 129
    assert desk.refusals["other"] == 1_000 - 128
