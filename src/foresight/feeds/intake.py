"""The queue between the sockets and the engine: what arrived and was not taken yet.

The engine takes events in the order of their arrival, and sockets are read whether or not it keeps up. While it does,
this queue is nearly empty. When it grows to `CONFLATE_AT`, what is out of date in it is joined: of prices and levels
the newest count, prints of one outcome are added up, and of an underlying one price a second is left. Listings,
references and resolutions are never touched, and orders and their fills do not pass through here at all. So however
fast a venue sends, the queue has an end, and what the engine sees late is at least what is true now.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from foresight.events import Depth, Levels, MarketEvent, Printed, Spot, TickChanged
from foresight.markets import SECOND_NS

CONFLATE_AT = 1_000
"""Events that may wait one by one: about as many as sixteen slots bring in a busy quarter of a second."""

Key = tuple[object, ...]


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


def joined(waiting: deque[MarketEvent]) -> list[MarketEvent]:
    """What is left of events when the newest of each kind counts, each at the place of its newest part."""
    left: dict[Key, MarketEvent] = {}
    for number, event in enumerate(waiting):
        match event:
            case Levels():
                _join_levels(left, event)
            case Depth(token=token) | TickChanged(token=token):  # a book and what makes one void
                _drop_older(left, event, (Levels, Depth) if isinstance(event, Depth) else (Levels, Depth, TickChanged))
                left.pop((type(event), token), None)
                left[type(event), token] = event
            case Printed(token=token):
                earlier = left.pop((Printed, token), None)
                size = earlier.size_micros if isinstance(earlier, Printed) else 0
                left[Printed, token] = msgspec.structs.replace(event, size_micros=event.size_micros + size)
            case Spot(asset=asset, feed=feed):
                key = (Spot, asset, feed, event.stamped_ns // SECOND_NS)
                left.pop(key, None)
                left[key] = event
            case _:
                left[(number,)] = event
    return list(left.values())


def _drop_older(left: dict[Key, MarketEvent], event: Depth | TickChanged, kinds: tuple[type, ...]) -> None:
    """Of one book: what a whole one, or a new tick, makes void. Changes that are newer than a whole book stay."""
    for kind in kinds:
        earlier = left.get((kind, event.token))
        if isinstance(earlier, Levels | Depth | TickChanged) and earlier.stamped_ns <= event.stamped_ns:
            del left[kind, event.token]


def _join_levels(left: dict[Key, MarketEvent], event: Levels) -> None:
    earlier = left.pop((Levels, event.token), None)
    if isinstance(earlier, Levels):
        bids = tuple((dict(earlier.bids) | dict(event.bids)).items())
        asks = tuple((dict(earlier.asks) | dict(event.asks)).items())
        stamped_ns = max(earlier.stamped_ns, event.stamped_ns)
        event = msgspec.structs.replace(event, bids=bids, asks=asks, stamped_ns=stamped_ns)
    left[Levels, event.token] = event
