"""The life of an order, as a table, and the orders that are in flight.

    sent ──fill──> partly_filled ──fill──> partly_filled ──close──> closed
      └──────────────────close──────────────────────────────────────^

A closed order leaves the table. A move that is not in it is refused and changes nothing.
"""

from collections.abc import Iterator
from typing import Literal

from foresight.effects import Order
from foresight.markets import Market, OrderId, Outcome, SlotId
from foresight.money import MICROS

Life = Literal["sent", "partly_filled", "closed"]

MOVES: dict[tuple[Life, str], Life] = {
    ("sent", "fill"): "partly_filled",
    ("partly_filled", "fill"): "partly_filled",
    ("sent", "close"): "closed",
    ("partly_filled", "close"): "closed",
}


class Flight:
    """One order in flight and the decision behind it. `trade_id` is None until an entry has its first fill."""

    def __init__(
        self, order: Order, market: Market, outcome: Outcome, *, trade_id: str | None, release: str, revision: int
    ) -> None:
        self.order = order
        self.market = market
        self.outcome: Outcome = outcome
        self.trade_id = trade_id
        self.release = release
        self.revision = revision
        self.life: Life = "sent"
        self.spent_micros = 0

    @property
    def slot(self) -> SlotId:
        return self.market.slot

    def cash_reserved_micros(self) -> int:
        """Dollars that it may still take from the cash, its fee included."""
        return self.reserved_micros() + self.reserved_micros() * self.market.fee_rate_micros // MICROS

    def reserved_micros(self) -> int:
        """Dollars that it may still spend on shares."""
        return max(0, self.order.amount_micros - self.spent_micros) if self.order.side == "BUY" else 0


class OrdersInFlight:
    """Orders by id, at most one a slot."""

    def __init__(self) -> None:
        self._flights: dict[OrderId, Flight] = {}

    def __iter__(self) -> Iterator[Flight]:
        return iter(self._flights.values())

    def send(self, flight: Flight) -> None:
        assert flight.order.order_id not in self._flights, "an order id is used once"
        self._flights[flight.order.order_id] = flight

    def move(self, order_id: OrderId, step: Literal["fill", "close"]) -> Flight | None:
        """The flight after a legal step; None, and nothing changed, for an unknown order or an illegal step."""
        flight = self._flights.get(order_id)
        if flight is None or (flight.life, step) not in MOVES:
            return None
        flight.life = MOVES[flight.life, step]
        if flight.life == "closed":
            del self._flights[order_id]
        return flight
