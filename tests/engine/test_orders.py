"""The life of an order: the table of moves, and how a proposal becomes an order within the venue's grid."""

from itertools import product

import pytest

from foresight.effects import FillBooked, Judged, Order, OrderEnded
from foresight.engine.orders import MOVES, Flight, OrdersInFlight
from foresight.markets import OrderId
from foresight.money import MICROS
from tests.builders import (
    NOON_NS,
    Says,
    a_fill,
    a_held_position,
    a_market,
    a_running_harness,
    an_entry,
    an_exit,
    seconds,
)

LIVES = ("sent", "partly_filled", "closed")
STEPS = ("fill", "close")


def a_flight(side: str = "BUY", amount_micros: int = 5 * MICROS) -> Flight:
    market = a_market()
    order = Order(
        order_id=OrderId("o1"),
        market_id=market.market_id,
        token=market.up,
        side=side,  # type: ignore[arg-type]
        amount_micros=amount_micros,
        limit_micros=500_000,
        kind="FAK",
        release="v1",
        revision=1,
    )
    return Flight(order, market, "UP", trade_id="t1", release="v1", revision=1)


def test_the_legal_moves_are_those_of_the_picture() -> None:
    assert MOVES == {
        ("sent", "fill"): "partly_filled",
        ("sent", "close"): "closed",
        ("partly_filled", "fill"): "partly_filled",
        ("partly_filled", "close"): "closed",
    }


@pytest.mark.parametrize(("life", "step"), sorted(MOVES))
def test_a_legal_move_leads_where_the_table_says(life: str, step: str) -> None:
    orders, flight = OrdersInFlight(), a_flight()
    orders.send(flight)
    flight.life = life  # type: ignore[assignment]
    assert orders.move(OrderId("o1"), step) is flight  # type: ignore[arg-type]
    assert flight.life == MOVES[life, step]  # type: ignore[index]
    assert list(orders) == ([] if flight.life == "closed" else [flight])


@pytest.mark.parametrize(("life", "step"), [pair for pair in product(LIVES, STEPS) if pair not in MOVES])
def test_an_illegal_move_is_refused_and_changes_nothing(life: str, step: str) -> None:
    orders, flight = OrdersInFlight(), a_flight()
    orders.send(flight)
    flight.life = life  # type: ignore[assignment]
    assert orders.move(OrderId("o1"), step) is None  # type: ignore[arg-type]
    assert (flight.life, list(orders)) == (life, [flight])


@pytest.mark.parametrize("step", STEPS)
def test_a_move_of_an_unknown_order_is_refused(step: str) -> None:
    orders, flight = OrdersInFlight(), a_flight()
    orders.send(flight)
    assert orders.move(OrderId("o2"), step) is None  # type: ignore[arg-type]
    assert (flight.life, list(orders)) == ("sent", [flight])


def test_an_order_id_is_used_once() -> None:
    """Invariant 5, as far as it is built."""
    orders = OrdersInFlight()
    orders.send(a_flight())
    with pytest.raises(AssertionError):
        orders.send(a_flight())


def test_a_buy_reserves_what_it_may_still_spend_and_a_sale_nothing() -> None:
    flight = a_flight()
    assert flight.reserved_micros() == 5 * MICROS
    flight.spent_micros = 3 * MICROS
    assert flight.reserved_micros() == 2 * MICROS
    flight.spent_micros = 6 * MICROS
    assert flight.reserved_micros() == 0
    assert a_flight("SELL").reserved_micros() == 0


# In the engine


def test_a_fill_for_an_unknown_order_leaves_the_books_unchanged_and_is_told() -> None:
    harness, _ = a_running_harness()
    books, digest = harness.engine.desk.books, harness.engine.digest.hex()
    effects = harness.fill(a_fill(), order_id=OrderId("o000777"))
    assert harness.engine.desk.books is books
    assert harness.engine.digest.hex() == digest
    assert [type(effect).__name__ for effect in effects] == ["Notify"]
    assert harness.notices()[-1] == "OrderFilled for order o000777, which is not in flight; the books are unchanged"


def test_an_end_of_an_unknown_order_changes_nothing_and_is_told() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    harness.close(order_id=OrderId("o000777"))
    assert len(list(harness.engine.desk.orders)) == 1
    assert "OrderClosed for order o000777" in harness.notices()[-1]


def test_a_fill_after_the_end_of_its_order_leaves_the_books_unchanged() -> None:
    harness, _ = a_held_position()
    books = harness.engine.desk.books
    harness.fill(a_fill())
    harness.close()
    assert harness.engine.desk.books is books
    assert len(harness.entries(OrderEnded)) == 1


def test_fills_of_one_order_become_one_position() -> None:
    harness, market = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    harness.fill(a_fill(0.5, 4), a_fill(0.51, 2))
    harness.fill(a_fill(0.52, 1))
    (position,) = harness.engine.desk.books.positions.values()
    assert (position.shares_micros, position.cost_micros) == (7 * MICROS, 2_000_000 + 1_020_000 + 520_000)
    assert harness.engine.desk.positions() == {market.market_id: position}


def test_a_fill_without_executions_books_nothing() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    books = harness.engine.desk.books
    harness.fill()
    assert harness.engine.desk.books is books
    assert harness.entries(FillBooked) == []


def test_an_order_that_ends_without_a_fill_frees_its_slot_and_says_why() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    slot = harness.engine.markets.slots["btc-5m"]
    assert slot.pending_order == "o000001"
    harness.close("killed")
    assert (slot.pending_order, harness.engine.desk.books.positions) == (None, {})
    (ended,) = harness.entries(OrderEnded)
    assert (ended.order_id, ended.ending) == ("o000001", "killed")
    assert harness.notices()[-1].startswith("btc-5m order o000001")


def test_a_filled_order_ends_without_a_second_notice() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    harness.fill(a_fill())
    before = harness.notices()
    harness.close("filled")
    assert harness.notices() == before


def test_an_end_frees_only_the_slot_that_waits_for_it() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.run_to(NOON_NS)
    slot = harness.engine.markets.slots["btc-5m"]
    slot.pending_order = OrderId("o000002")
    harness.close("killed")
    assert slot.pending_order == "o000002"


@pytest.mark.parametrize(
    ("limit", "tick", "sent"),
    [(0.557, 10_000, 550_000), (0.55, 10_000, 550_000), (0.5571, 1_000, 557_000), (0.999, 10_000, 990_000)],
)
def test_a_buys_limit_goes_down_to_the_venues_grid(limit: float, tick: int, sent: int) -> None:
    harness, market = a_running_harness()
    order = harness.engine.desk._order(an_entry(limit=limit), a_market(tick_micros=tick), release="v1", revision=1)
    assert (order.side, order.limit_micros, order.token) == ("BUY", sent, market.up)


@pytest.mark.parametrize(
    ("limit", "tick", "sent"), [(0.551, 10_000, 560_000), (0.55, 10_000, 550_000), (0.001, 10_000, 10_000)]
)
def test_a_sales_limit_goes_up_to_the_venues_grid(limit: float, tick: int, sent: int) -> None:
    harness, _ = a_held_position()
    order = harness.engine.desk._order(an_exit(limit=limit), a_market(tick_micros=tick), release="v1", revision=1)
    assert (order.side, order.limit_micros) == ("SELL", sent)


def test_an_order_carries_the_kind_and_stake_of_its_proposal() -> None:
    harness, market = a_running_harness(Says(proposal=an_entry("DOWN", stake=3, kind="FOK")))
    harness.run_to(NOON_NS)
    (order,) = harness.orders
    assert (order.kind, order.amount_micros, order.token) == ("FOK", 3 * MICROS, market.down)


def test_an_exit_offers_the_whole_position() -> None:
    harness, market = a_held_position("DOWN")
    harness.live.says_next(Says(proposal=an_exit("DOWN")))
    harness.run_for(5)
    order = harness.orders[-1]
    assert (order.side, order.amount_micros, order.token) == ("SELL", 10 * MICROS, market.down)


def test_orders_are_numbered_in_the_order_they_are_sent() -> None:
    harness, _ = a_running_harness(*[Says(proposal=an_entry())] * 2)
    harness.run_to(NOON_NS)
    harness.close("killed")
    harness.run_to(NOON_NS + seconds(5))
    assert [order.order_id for order in harness.orders] == ["o000001", "o000002"]
    assert [judged.order_id for judged in harness.entries(Judged)] == ["o000001", "o000002"]
