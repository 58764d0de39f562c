"""What the venue says unasked, before it is written for a connection.

One event of the CLOB, one of an exchange's stream, or one reference price. `labels` are the names by which a fault may
mean it.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from foresight.venue.documents import Document, encoded
from foresight.venue.prices import Price

Labels = frozenset[str]
BinanceMarket = Literal["spot", "futures"]


class ClobEvent(msgspec.Struct, frozen=True):
    """`tokens` are those whose subscribers get it; none means everybody. `is_custom`: only with
    `custom_feature_enabled` (venue spec §6.1)."""

    kind: str
    tokens: tuple[str, ...]
    body: bytes
    is_custom: bool
    labels: Labels


class StreamEvent:
    """One event of an exchange's stream. It is written once for each unit of time that a connection has asked for."""

    def __init__(self, market: BinanceMarket, stream: str, build: Callable[[int], Document], labels: Labels) -> None:
        self.market: BinanceMarket = market
        self.stream = stream
        self.labels = labels
        self._build = build
        self._written: dict[tuple[int, bool], bytes] = {}

    def body(self, ns_per_unit: int, *, is_combined: bool) -> bytes:
        """Raw, or wrapped with the stream's name (venue spec §10.2)."""
        key = (ns_per_unit, is_combined)
        if key not in self._written:
            document: object = self._build(ns_per_unit)
            self._written[key] = encoded({"stream": self.stream, "data": document} if is_combined else document)
        return self._written[key]


class PriceEvent(msgspec.Struct, frozen=True):
    """A reference price; PolyBolt and RTDS write it each in its own form."""

    price: Price
    labels: Labels


Frame = ClobEvent | StreamEvent | PriceEvent
