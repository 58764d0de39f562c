"""The queue between the sockets and the engine: what arrived and was not taken yet.

The engine takes events in the order of their arrival, and sockets are read whether or not it keeps up. While it does,
this queue is nearly empty. When it grows to `CONFLATE_AT`, what is out of date in it is joined: of prices and levels
the newest count, prints of one outcome are added up, and of an underlying one price a second is left. Listings,
references and resolutions are never touched, and orders and their fills do not pass through here at all. So however
fast a venue sends, the queue has an end, and what the engine sees late is at least what is true now.
"""

from collections import deque
from collections.abc import Callable

from foresight.events import MarketEvent
from foresight.feeds.conflation import joined

CONFLATE_AT = 1_000
"""Events that may wait one by one: about as many as sixteen slots bring in a busy quarter of a second."""


class Intake:
    """Iterates over what waits; at its end it has nothing now, and may have more later. `on_first` is called when
    something comes into an empty queue."""

    def __init__(self, on_first: Callable[[], None] = lambda: None) -> None:
        self.on_first = on_first
        self.taken = 0
        self.conflated = 0
        self.longest = 0
        self._waiting: deque[MarketEvent] = deque()
        self._conflate_at = CONFLATE_AT

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> "Intake":
        return self

    def __next__(self) -> MarketEvent:
        if not self._waiting:
            raise StopIteration
        self.taken += 1
        return self._waiting.popleft()

    def put(self, event: MarketEvent) -> None:
        """Takes an event. They come in the order of their `at_ns`."""
        waiting = self._waiting
        waiting.append(event)
        if len(waiting) == 1:
            self._conflate_at = CONFLATE_AT
            self.on_first()
        elif len(waiting) >= self._conflate_at:
            self._conflate()

    def waits_since_ns(self) -> int | None:
        """The arrival of the oldest event that waits; None while nothing does."""
        return self._waiting[0].at_ns if self._waiting else None

    def begin_with(self, history: list[MarketEvent]) -> None:
        """Puts what happened before the first arrival in its place by time."""
        self._waiting = deque(sorted((*history, *self._waiting), key=lambda event: event.at_ns))
        self._conflate_at = len(self._waiting) + CONFLATE_AT

    def _conflate(self) -> None:
        before = len(self._waiting)
        self.longest = max(self.longest, before)
        self._waiting = deque(joined(self._waiting))
        self.conflated += before - len(self._waiting)
        self._conflate_at = len(self._waiting) + CONFLATE_AT
