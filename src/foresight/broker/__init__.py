"""Brokers carry approved orders to a market and bring back what became of them. One interface for all."""

from typing import Protocol

from foresight.broker.paper import PaperBroker
from foresight.effects import Approved, Order
from foresight.events import BrokerEvent, Quote

__all__ = ["Broker", "PaperBroker"]


class Broker(Protocol):
    """`next_wake_ns` asks for `wake` at that instant; `observe` is only called while `is_waiting`."""

    @property
    def is_waiting(self) -> bool: ...
    @property
    def next_wake_ns(self) -> int | None: ...
    def send(self, approved: Approved[Order], at_ns: int) -> None: ...
    def wake(self, at_ns: int) -> list[BrokerEvent]: ...
    def observe(self, quote: Quote) -> list[BrokerEvent]: ...
