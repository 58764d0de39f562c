"""The books: a pure fold over ledger entries. Money is integer micros.

Invariant 12, checked after every entry: `cash + cost of open positions == deposits + realised`, to the micro. Fees
are part of `realised` from the moment they are paid.
"""

from typing import Literal

import msgspec

from foresight.effects import Deposited, FillBooked, LedgerEntry, SettlementBooked
from foresight.markets import MarketId, Outcome, SlotId
from foresight.money import cost_of, proceeds_of


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """An open trade: one window's position. `cost_micros` is what the shares still held cost, without fees."""

    trade_id: str
    market_id: MarketId
    slot: SlotId
    outcome: Outcome
    opened_ns: int
    shares_micros: int
    cost_micros: int
    bought_shares_micros: int
    bought_micros: int
    sold_micros: int
    fees_micros: int
    realised_micros: int
    release: str
    revision: int
    source: str
    assumed: tuple[str, ...]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A closed trade: from entry to exit or settlement. `pnl_micros` is after all fees; it is a win above zero."""

    position: Position
    closed_ns: int
    closed_by: Literal["exit", "settlement"]
    winner: Outcome | None
    settled_by: str | None
    payout_micros: int
    pnl_micros: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """What the account holds after some entries."""

    deposits_micros: int = 0
    cash_micros: int = 0
    realised_micros: int = 0
    fees_micros: int = 0
    positions: dict[str, Position] = {}
    trades: int = 0
    wins: int = 0

    def open_cost_micros(self) -> int:
        return sum(position.cost_micros for position in self.positions.values())


def fold(books: Books, at_ns: int, entry: LedgerEntry) -> tuple[Books, Trade | None]:
    """The books after one entry, and the trade that it closed, if any. `books` itself stays as it was.

    Raises AssertionError for an entry that cannot follow (a sale of more than is held, a settlement of nothing).
    """
    match entry:
        case Deposited(amount_micros=amount):
            after, trade = _deposited(books, amount), None
        case FillBooked(side="BUY"):
            after, trade = _bought(books, at_ns, entry), None
        case FillBooked():
            after, trade = _sold(books, at_ns, entry)
        case SettlementBooked():
            after, trade = _settled(books, at_ns, entry)
    assert after.cash_micros + after.open_cost_micros() == after.deposits_micros + after.realised_micros
    return after, trade


def _deposited(books: Books, amount: int) -> Books:
    return msgspec.structs.replace(
        books, deposits_micros=books.deposits_micros + amount, cash_micros=books.cash_micros + amount
    )


def _bought(books: Books, at_ns: int, entry: FillBooked) -> Books:
    fill = entry.fill
    cost = cost_of(fill.price_micros, fill.shares_micros)
    held = books.positions.get(entry.trade_id) or _opened(at_ns, entry)
    assert (held.market_id, held.outcome) == (entry.market_id, entry.outcome), "a trade is one market and one outcome"
    assert fill.shares_micros > 0, "nothing bought"
    position = msgspec.structs.replace(
        held,
        shares_micros=held.shares_micros + fill.shares_micros,
        cost_micros=held.cost_micros + cost,
        bought_shares_micros=held.bought_shares_micros + fill.shares_micros,
        bought_micros=held.bought_micros + cost,
        fees_micros=held.fees_micros + fill.fee_micros,
        realised_micros=held.realised_micros - fill.fee_micros,
        assumed=tuple(sorted({*held.assumed, *entry.assumed, *fill.assumed})),
    )
    return msgspec.structs.replace(
        books,
        cash_micros=books.cash_micros - cost - fill.fee_micros,
        realised_micros=books.realised_micros - fill.fee_micros,
        fees_micros=books.fees_micros + fill.fee_micros,
        positions={**books.positions, entry.trade_id: position},
    )


def _opened(at_ns: int, entry: FillBooked) -> Position:
    return Position(
        trade_id=entry.trade_id,
        market_id=entry.market_id,
        slot=entry.slot,
        outcome=entry.outcome,
        opened_ns=at_ns,
        shares_micros=0,
        cost_micros=0,
        bought_shares_micros=0,
        bought_micros=0,
        sold_micros=0,
        fees_micros=0,
        realised_micros=0,
        release=entry.release,
        revision=entry.revision,
        source=entry.source,
        assumed=(),
    )


def _sold(books: Books, at_ns: int, entry: FillBooked) -> tuple[Books, Trade | None]:
    fill = entry.fill
    held = _held(books, entry)
    assert held.outcome == entry.outcome, "a trade is one outcome"
    assert 0 < fill.shares_micros <= held.shares_micros, "more shares sold than held"
    proceeds = proceeds_of(fill.price_micros, fill.shares_micros)
    left = held.shares_micros - fill.shares_micros
    freed = held.cost_micros - held.cost_micros * left // held.shares_micros
    gained = proceeds - freed - fill.fee_micros
    position = msgspec.structs.replace(
        held,
        shares_micros=left,
        cost_micros=held.cost_micros - freed,
        sold_micros=held.sold_micros + proceeds,
        fees_micros=held.fees_micros + fill.fee_micros,
        realised_micros=held.realised_micros + gained,
        assumed=tuple(sorted({*held.assumed, *entry.assumed, *fill.assumed})),
    )
    after = msgspec.structs.replace(
        books,
        cash_micros=books.cash_micros + proceeds - fill.fee_micros,
        realised_micros=books.realised_micros + gained,
        fees_micros=books.fees_micros + fill.fee_micros,
        positions={**books.positions, entry.trade_id: position},
    )
    if left:
        return after, None
    trade = Trade(
        position=position,
        closed_ns=at_ns,
        closed_by="exit",
        winner=None,
        settled_by=None,
        payout_micros=0,
        pnl_micros=position.realised_micros,
    )
    return _without(after, trade), trade


def _settled(books: Books, at_ns: int, entry: SettlementBooked) -> tuple[Books, Trade]:
    held = _held(books, entry)
    payout = held.shares_micros if held.outcome == entry.winner else 0
    gained = payout - held.cost_micros
    position = msgspec.structs.replace(held, realised_micros=held.realised_micros + gained)
    after = msgspec.structs.replace(
        books, cash_micros=books.cash_micros + payout, realised_micros=books.realised_micros + gained
    )
    trade = Trade(
        position=position,
        closed_ns=at_ns,
        closed_by="settlement",
        winner=entry.winner,
        settled_by=entry.source,
        payout_micros=payout,
        pnl_micros=position.realised_micros,
    )
    return _without(after, trade), trade


def _held(books: Books, entry: FillBooked | SettlementBooked) -> Position:
    held = books.positions.get(entry.trade_id)
    assert held is not None, "a trade that is not open"
    assert held.market_id == entry.market_id, "a trade is one market"
    return held


def _without(books: Books, trade: Trade) -> Books:
    """The books once a trade has left them."""
    closed = trade.position.trade_id
    return msgspec.structs.replace(
        books,
        positions={name: held for name, held in books.positions.items() if name != closed},
        trades=books.trades + 1,
        wins=books.wins + (trade.pnl_micros > 0),
    )
