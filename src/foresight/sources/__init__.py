"""Where market events come from: the simulated market, a recording, the venue's sockets."""

from collections.abc import Iterator
from typing import Protocol

from foresight.events import MarketEvent
from foresight.markets import Origin

__all__ = ["Source"]


class Source(Protocol):
    """A finite or endless run of market events in the order of their `at_ns`.

    Events before `start_ns` are history: the engine takes them at once to warm up, and nothing is due before
    `start_ns`. `slots` are the (asset, timeframe) pairs that the source can list markets for. Of a live source the
    iterator ends when nothing is there now, and may have more later; others are over when they end.
    """

    origin: Origin
    name: str
    start_ns: int
    slots: tuple[tuple[str, str], ...]
    is_live: bool

    def events(self) -> Iterator[MarketEvent]:
        """A fresh iterator from the beginning of the history; the same one each time."""
        ...
