"""The desk: from a proposal through gates and risk to an order, and from executions and winners to the books."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from foresight.effects import (
    Deposited,
    Effect,
    FillBooked,
    Journal,
    JournalEntry,
    LedgerEntry,
    Notify,
    Order,
    OrderEnded,
    Refusal,
    SendOrder,
    SettlementBooked,
)
from foresight.engine.books import BookState
from foresight.engine.gates import GateScores
from foresight.engine.markets_state import Ages
from foresight.engine.orders import Flight, OrdersInFlight
from foresight.engine.risk import Account, Context, Exposure, approve, refusals_of
from foresight.engine.settings import Settings
from foresight.engine.slots import SlotState, Window
from foresight.events import OrderClosed, OrderFilled, Resolved
from foresight.ledger import Books, Position, Trade, fold
from foresight.markets import Market, MarketId, OrderId, Outcome, SlotId
from foresight.money import MICROS, text_of
from foresight.strategy import Enter, Exit

NAMES_MAX = 128
"""Names of refusals that are counted one by one; gates are named by live code, which could name without end."""


class Desk:
    """Holds the books, the orders in flight and the risk account. Every change of money is a journal entry first."""

    def __init__(self, settings: Settings, on_trade: Callable[[Trade], None] = lambda _trade: None) -> None:
        """`on_trade` is told each trade that has closed."""
        self._settings = settings
        self._on_trade = on_trade
        self.books = Books()
        self.account = Account()
        self.orders = OrdersInFlight()
        self.gates = GateScores()
        self.orders_sent = 0
        self.refusals: dict[str, int] = {}
        self._trades_opened = 0

    def book(self, seq: int, at_ns: int, entry: LedgerEntry) -> list[Effect]:
        """Folds one entry into the books."""
        before = self.books.realised_micros
        self.books, trade = fold(self.books, at_ns, entry)
        self.account.turn_to(at_ns)
        self.account.took(self.books.realised_micros - before)
        effects: list[Effect] = [Journal(seq, at_ns, entry)]
        if trade is not None:
            self.account.closed(trade)
            self._on_trade(trade)
            effects.append(Notify(at_ns, "info", _closed_text(trade)))
        return effects

    def deposit(self, seq: int, at_ns: int) -> list[Effect]:
        return self.book(seq, at_ns, Deposited(self._settings.deposit_micros))

    def positions(self) -> dict[MarketId, Position]:
        """Open positions by market; of two in one market, the newer."""
        return {position.market_id: position for position in self.books.positions.values()}

    def refuse(
        self,
        proposal: Enter | Exit,
        slot: SlotState,
        window: Window,
        *,
        now_ns: int,
        ages: Ages,
        seen_book_ns: int,
        silent_topics: Sequence[str] = (),
    ) -> tuple[Refusal, ...]:
        """Risk's refusals of a proposal. `seen_book_ns` is how old the book was that it was decided on, `silent_topics`
        are the further topics that are past the underlying's limit."""
        self.account.turn_to(now_ns)
        context = self._context(proposal, slot, window, now_ns, ages, seen_book_ns)
        if silent_topics:
            context = msgspec.structs.replace(context, silent_topics=tuple(silent_topics))
        return refusals_of(context, self._settings.risk)

    def count_refusals(self, refusals: tuple[Refusal, ...]) -> None:
        for refusal in refusals:
            name = f"{refusal.by}:{refusal.name}"
            if name not in self.refusals and len(self.refusals) >= NAMES_MAX:
                name = "other"
            self.refusals[name] = self.refusals.get(name, 0) + 1

    def _context(
        self,
        proposal: Enter | Exit,
        slot: SlotState,
        window: Window,
        now_ns: int,
        ages: Ages,
        seen_book_ns: int,
    ) -> Context:
        book = book_of(window, proposal.outcome)
        is_entry = isinstance(proposal, Enter)
        stake = proposal.stake_micros if isinstance(proposal, Enter) else 0
        price, _, told_ns = book.best_ask(now_ns) if is_entry else book.best_bid(now_ns)
        return Context(
            is_entry=is_entry,
            stake_micros=stake,
            fee_max_micros=stake * window.market.fee_rate_micros // MICROS,
            limit_micros=proposal.limit_micros,
            tick_micros=window.market.tick_micros,
            notional_min_micros=window.market.min_notional_micros,
            cash_micros=self.books.cash_micros - sum(flight.cash_reserved_micros() for flight in self.orders),
            price_micros=price,
            has_order_in_flight=slot.pending_order is not None,
            holds_this_side=self._held(window.market.market_id, proposal.outcome) is not None,
            window_left_ns=0 if window.is_settled else window.market.end_ns - now_ns,
            book_age_ns=max(now_ns - told_ns, seen_book_ns),
            underlying_age_ns=ages.underlying_ns,
            reference_age_ns=ages.reference_ns,
            exposure=self._exposure(slot),
            day_pnl_micros=self.account.day_pnl_micros,
            loss_streak=self.account.loss_streak,
            orders_last_minute=self.account.orders_last_minute(now_ns),
            drift_ms=self.account.drift_ms,
            is_halted=self.account.is_halted,
            has_journal=self.account.has_journal,
        )

    def _held(self, market_id: MarketId, outcome: Outcome) -> Position | None:
        for position in self.books.positions.values():
            if position.market_id == market_id and position.outcome == outcome:
                return position
        return None

    def _exposure(self, slot: SlotState) -> Exposure:
        exposed = [(position.slot, position.cost_micros) for position in self.books.positions.values()]
        exposed += [(flight.slot, flight.reserved_micros()) for flight in self.orders]
        asset, timeframe = slot.id.split("-")
        return Exposure(
            slot=sum(cost for name, cost in exposed if name == slot.id),
            asset=sum(cost for name, cost in exposed if name.split("-")[0] == asset),
            timeframe=sum(cost for name, cost in exposed if name.split("-")[1] == timeframe),
            total=sum(cost for _, cost in exposed),
        )

    def send(
        self, proposal: Enter | Exit, slot: SlotState, market: Market, *, now_ns: int, release: str, revision: int
    ) -> tuple[OrderId, SendOrder]:
        """The approved order of a proposal that nobody refused."""
        self.orders_sent += 1
        order = self._order(proposal, market, release=release, revision=revision)
        held = self._held(market.market_id, proposal.outcome)
        flight = Flight(
            order,
            market,
            proposal.outcome,
            trade_id=held.trade_id if held is not None else None,
            release=release,
            revision=revision,
        )
        self.orders.send(flight)
        self.account.sent(now_ns, (release, revision))
        slot.pending_order = order.order_id
        return order.order_id, SendOrder(approve(order, ()))

    def _order(self, proposal: Enter | Exit, market: Market, *, release: str, revision: int) -> Order:
        side: Literal["BUY", "SELL"] = "BUY" if isinstance(proposal, Enter) else "SELL"
        if isinstance(proposal, Enter):
            amount = proposal.stake_micros
        else:
            held = self._held(market.market_id, proposal.outcome)
            assert held is not None, "risk refuses to sell what is not held"
            amount = held.shares_micros
        return Order(
            order_id=OrderId(f"o{self.orders_sent:06d}"),
            market_id=market.market_id,
            token=market.token(proposal.outcome),
            side=side,
            amount_micros=amount,
            limit_micros=_on_tick(proposal.limit_micros, market.tick_micros, side),
            kind=proposal.kind,
            release=release,
            revision=revision,
        )

    def filled(self, seq: int, event: OrderFilled) -> list[Effect]:
        flight = self.orders.move(event.order_id, "fill")
        if flight is None:
            return [_unknown_order(event)]
        if flight.trade_id is None:
            self._trades_opened += 1
            flight.trade_id = f"t{self._trades_opened:06d}"
        effects: list[Effect] = []
        for fill in event.fills:
            flight.spent_micros += fill.price_micros * fill.shares_micros // MICROS
            entry = FillBooked(
                trade_id=flight.trade_id,
                order_id=event.order_id,
                market_id=flight.market.market_id,
                slot=flight.slot,
                outcome=flight.outcome,
                side=flight.order.side,
                fill=fill,
                book=event.book,
                release=flight.release,
                revision=flight.revision,
                source=flight.market.source,
                fee_rate_micros=flight.market.fee_rate_micros,
                assumed=flight.market.assumed,
            )
            effects += self.book(seq, event.at_ns, entry)
        effects.append(Notify(event.at_ns, "info", _filled_text(flight, event)))
        return effects

    def ended(self, seq: int, event: OrderClosed, slots: dict[SlotId, SlotState]) -> list[Effect]:
        flight = self.orders.move(event.order_id, "close")
        if flight is None:
            return [_unknown_order(event)]
        slot = slots[flight.slot]
        if slot.pending_order == event.order_id:
            slot.pending_order = None
        effects: list[Effect] = [_journal(seq, event.at_ns, _ended(flight, event))]
        if event.ending != "filled":
            effects.append(Notify(event.at_ns, "info", f"{flight.slot} order {event.order_id} {event.why}"))
        return effects

    def settle(self, seq: int, event: Resolved, market: Market) -> list[Effect]:
        """Pays out every position of a market whose winner is known, and scores the gates that stood before it."""
        effects: list[Effect] = []
        for position in list(self.books.positions.values()):
            if position.market_id == market.market_id:
                entry = SettlementBooked(
                    trade_id=position.trade_id,
                    market_id=market.market_id,
                    winner=event.outcome,
                    source=event.source,
                    release=position.release,
                    revision=position.revision,
                )
                effects += self.book(seq, event.at_ns, entry)
        effects += [_journal(seq, event.at_ns, score) for score in self.gates.settle(market, event.outcome)]
        return effects


def book_of(window: Window, outcome: Outcome) -> BookState:
    return window.up if outcome == "UP" else window.down


def _on_tick(price_micros: int, tick_micros: int, side: Literal["BUY", "SELL"]) -> int:
    """The nearest valid price that is no worse for us; risk has refused a limit that has none."""
    steps = price_micros // tick_micros if side == "BUY" else -(-price_micros // tick_micros)
    return max(steps * tick_micros, tick_micros) if side == "SELL" else min(steps * tick_micros, MICROS - tick_micros)


def _journal(seq: int, at_ns: int, entry: JournalEntry) -> Journal:
    return Journal(seq, at_ns, entry)


def _ended(flight: Flight, event: OrderClosed) -> OrderEnded:
    return OrderEnded(event.order_id, flight.market.market_id, event.ending, event.why)


def _unknown_order(event: OrderFilled | OrderClosed) -> Notify:
    name = type(event).__name__
    text = f"{name} for order {event.order_id}, which is not in flight; the books are unchanged"
    return Notify(event.at_ns, "error", text)


def _filled_text(flight: Flight, event: OrderFilled) -> str:
    shares = sum(fill.shares_micros for fill in event.fills)
    paid = sum(fill.price_micros * fill.shares_micros for fill in event.fills)
    price = paid / shares / MICROS if shares else 0.0
    verb = "bought" if flight.order.side == "BUY" else "sold"
    return f"{flight.slot} {verb} {shares / MICROS:.2f} {flight.outcome} at {price:.3f} ({flight.trade_id})"


def _closed_text(trade: Trade) -> str:
    held = trade.position
    how = f"settled {trade.winner} by {trade.settled_by}" if trade.closed_by == "settlement" else "sold"
    return f"{held.slot} {held.outcome} {how}: {text_of(trade.pnl_micros)} ({held.trade_id})"
