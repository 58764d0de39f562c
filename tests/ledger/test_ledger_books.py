"""The books: invariant 12 over random histories, recomputed apart; who is credited; and what cannot happen."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from entry_builders import a_fill, a_settlement, frozen_copy
from hypothesis import given
from hypothesis import strategies as st

from foresight.effects import Deposited, FillBooked, LedgerEntry, SettlementBooked
from foresight.ledger import Books, Trade, fold
from foresight.money import MICROS, micros

TRADES = ("t1", "t2", "t3")


def folded(*entries: LedgerEntry) -> tuple[Books, list[Trade]]:
    books, trades = Books(), []
    for at_ns, entry in enumerate(entries):
        books, trade = fold(books, at_ns, entry)
        trades += [trade] if trade is not None else []
    return books, trades


@st.composite
def histories(draw: st.DrawFn) -> list[LedgerEntry]:
    """Any order of deposits, buys, partial and full sells, and settlements that can follow one another."""
    entries: list[LedgerEntry] = []
    held: dict[str, int] = {}
    for _ in range(draw(st.integers(0, 25))):
        trade = draw(st.sampled_from(TRADES))
        price, fee = draw(st.integers(1, MICROS - 1)), draw(st.integers(0, 2_000_000))
        step = draw(st.sampled_from(["deposit", "buy", "sell", "sell all", "settle"]))
        if step == "deposit":
            entries.append(Deposited(draw(st.integers(0, 10**10))))
        elif step == "buy":
            shares = draw(st.integers(1, 10**9))
            held[trade] = held.get(trade, 0) + shares
            entries.append(a_fill(trade=trade, price=price, shares=shares, fee=fee))
        elif trade in held and step == "settle":
            del held[trade]
            entries.append(a_settlement(draw(st.sampled_from(["UP", "DOWN"])), trade=trade))
        elif trade in held:
            shares = held[trade] if step == "sell all" else draw(st.integers(1, held[trade]))
            held[trade] -= shares
            entries.append(a_fill("SELL", trade=trade, price=price, shares=shares, fee=fee))
            if held[trade] == 0:
                del held[trade]
    return entries


def rounded(value: Decimal, mode: str) -> Decimal:
    return value.quantize(Decimal(1), mode)


class Recomputed:
    """The same account in decimals, from the entries alone."""

    def __init__(self) -> None:
        self.deposits = self.cash = self.fees = Decimal(0)
        self.paid_in: dict[str, Decimal] = {}
        self.shares: dict[str, Decimal] = {}
        self.closed: list[Decimal] = []

    def take(self, entry: LedgerEntry) -> None:
        if isinstance(entry, Deposited):
            self.deposits += entry.amount_micros
            self.cash += entry.amount_micros
        elif isinstance(entry, FillBooked):
            self._fill(entry)
        else:
            self._flow(entry.trade_id, self.shares[entry.trade_id] if entry.winner == "UP" else Decimal(0))
            self._end(entry.trade_id)

    def _fill(self, entry: FillBooked) -> None:
        value = Decimal(entry.fill.price_micros) * entry.fill.shares_micros / MICROS
        self.fees += entry.fill.fee_micros
        if entry.side == "BUY":
            self._flow(entry.trade_id, -rounded(value, ROUND_CEILING) - entry.fill.fee_micros)
            self.shares[entry.trade_id] = self.shares.get(entry.trade_id, Decimal(0)) + entry.fill.shares_micros
        else:
            self._flow(entry.trade_id, rounded(value, ROUND_FLOOR) - entry.fill.fee_micros)
            self.shares[entry.trade_id] -= entry.fill.shares_micros
            if self.shares[entry.trade_id] == 0:
                self._end(entry.trade_id)

    def _flow(self, trade: str, amount: Decimal) -> None:
        self.cash += amount
        self.paid_in[trade] = self.paid_in.get(trade, Decimal(0)) + amount

    def _end(self, trade: str) -> None:
        self.closed.append(self.paid_in.pop(trade))
        del self.shares[trade]


@given(histories())
def test_invariant_12_money_reconciles_to_the_micro_after_every_entry(entries: list[LedgerEntry]) -> None:
    books, apart, trades = Books(), Recomputed(), []
    for at_ns, entry in enumerate(entries):
        books, trade = fold(books, at_ns, entry)
        apart.take(entry)
        trades += [trade] if trade is not None else []

        assert books.cash_micros + books.open_cost_micros() == books.deposits_micros + books.realised_micros
        assert (books.cash_micros, books.deposits_micros, books.fees_micros) == (
            apart.cash,
            apart.deposits,
            apart.fees,
        )
        assert {name: held.shares_micros for name, held in books.positions.items()} == apart.shares

    assert [trade.pnl_micros for trade in trades] == apart.closed
    assert books.trades == len(apart.closed)
    assert books.wins == sum(pnl > 0 for pnl in apart.closed)


@given(histories())
def test_what_every_trade_made_and_what_open_ones_made_so_far_is_all_that_was_realised(
    entries: list[LedgerEntry],
) -> None:
    books, trades = folded(*entries)

    open_so_far = sum(held.realised_micros for held in books.positions.values())
    assert books.realised_micros == sum(trade.pnl_micros for trade in trades) + open_so_far


@given(histories())
def test_the_books_given_are_never_changed(entries: list[LedgerEntry]) -> None:
    books = Books()
    for at_ns, entry in enumerate(entries):
        before = frozen_copy(books)
        after, _ = fold(books, at_ns, entry)
        assert frozen_copy(books) == before
        books = after


@given(histories())
def test_the_cost_of_what_is_held_is_never_negative_and_never_more_than_was_paid(entries: list[LedgerEntry]) -> None:
    books, _ = folded(*entries)

    for held in books.positions.values():
        assert held.shares_micros > 0
        assert 0 <= held.cost_micros <= held.bought_micros


def test_a_buy_costs_price_and_fee_and_the_fee_is_realised_at_once() -> None:
    books, _ = folded(Deposited(micros(100)), a_fill(price=500_000, shares=10 * MICROS, fee=175_000))

    assert books.cash_micros == micros(94.825)
    assert books.realised_micros == -175_000
    assert books.fees_micros == 175_000
    assert books.positions["t1"].cost_micros == micros(5)


def test_a_winning_share_pays_a_dollar() -> None:
    books, (trade,) = folded(a_fill(price=900_000, fee=63_000), a_settlement("UP"))

    assert trade.payout_micros == 10 * MICROS
    assert trade.pnl_micros == micros(1 - 0.063)
    assert (trade.closed_by, trade.winner, trade.settled_by) == ("settlement", "UP", "official")
    assert (books.trades, books.wins, books.positions) == (1, 1, {})


def test_a_losing_share_pays_nothing() -> None:
    books, (trade,) = folded(a_fill(price=900_000, fee=63_000), a_settlement("DOWN"))

    assert trade.payout_micros == 0
    assert trade.pnl_micros == -micros(9.063)
    assert (books.trades, books.wins) == (1, 0)


def test_a_position_in_down_wins_when_down_does() -> None:
    _, (trade,) = folded(a_fill(outcome="DOWN"), a_settlement("DOWN"))

    assert trade.pnl_micros == micros(5)


def test_a_trade_that_ends_at_exactly_zero_is_no_win_and_one_micro_more_is() -> None:
    even, _ = folded(a_fill(price=500_000), a_fill("SELL", price=500_000))
    above, _ = folded(a_fill(price=500_000), a_fill("SELL", price=600_000, fee=999_999))

    assert (even.trades, even.wins) == (1, 0)
    assert (above.trades, above.wins) == (1, 1)


def test_a_partial_sale_frees_its_share_of_the_cost_and_closes_nothing() -> None:
    books, trades = folded(a_fill(price=500_000), a_fill("SELL", price=700_000, shares=4 * MICROS, fee=1_000))

    held = books.positions["t1"]
    assert trades == []
    assert (held.shares_micros, held.cost_micros) == (6 * MICROS, micros(3))
    assert (held.sold_micros, held.realised_micros) == (micros(2.8), micros(0.8) - 1_000)


def test_the_cost_freed_by_a_partial_sale_is_rounded_against_us() -> None:
    books, _ = folded(a_fill(price=500_001, shares=3), a_fill("SELL", price=1, shares=1))

    assert books.positions["t1"].cost_micros == math.floor(2 * 2 / 3)


def test_a_sale_of_everything_closes_the_trade() -> None:
    books, (trade,) = folded(a_fill(price=500_000), a_fill("SELL", price=700_000))

    assert (trade.closed_by, trade.winner, trade.settled_by, trade.payout_micros) == ("exit", None, None, 0)
    assert trade.pnl_micros == micros(2)
    assert trade.closed_ns == 1
    assert books.positions == {}


def test_a_trade_is_credited_to_the_release_and_revision_that_entered_it() -> None:
    _, (trade,) = folded(
        a_fill(release="v17", revision=3, shares=5 * MICROS),
        a_fill(release="v18", revision=4, shares=5 * MICROS),
        a_fill("SELL", release="v19", revision=5),
    )

    assert (trade.position.release, trade.position.revision) == ("v17", 3)
    assert trade.position.opened_ns == 0


def test_what_was_assumed_of_any_fill_stands_at_the_trade() -> None:
    _, (trade,) = folded(a_fill(assumed=("size",)), a_fill("SELL", assumed=("price", "size")))

    assert trade.position.assumed == ("price", "size")


OPEN = (Deposited(micros(100)), a_fill())


@pytest.mark.parametrize(
    "entry",
    [
        a_fill("SELL", shares=10 * MICROS + 1),
        a_fill("SELL", shares=0),
        a_fill("SELL", shares=-1),
        a_fill("SELL", trade="t9"),
        a_fill("SELL", outcome="DOWN"),
        a_fill("SELL", market="another"),
        a_fill("BUY", outcome="DOWN"),
        a_fill("BUY", market="another"),
        a_fill("BUY", shares=0),
        a_fill("BUY", shares=-1),
        a_settlement(trade="t9"),
        a_settlement(market="another"),
    ],
    ids=[
        "sells more than is held", "sells nothing", "sells less than nothing", "sells what is not held",
        "sells the other outcome", "sells another market", "buys the other outcome", "buys another market",
        "buys nothing", "buys less than nothing", "settles nothing", "settles another market",
    ],
)  # fmt: skip
def test_an_entry_that_cannot_follow_is_an_impossibility_and_changes_nothing(entry: LedgerEntry) -> None:
    books, _ = folded(*OPEN)
    before = frozen_copy(books)

    with pytest.raises(AssertionError):
        fold(books, 9, entry)

    assert frozen_copy(books) == before


def test_a_settlement_after_a_full_sale_is_an_impossibility() -> None:
    books, _ = folded(a_fill(), a_fill("SELL"))

    with pytest.raises(AssertionError):
        fold(
            books,
            9,
            SettlementBooked(
                trade_id="t1", market_id=a_fill().market_id, winner="UP", source="x", release="v1", revision=1
            ),
        )
