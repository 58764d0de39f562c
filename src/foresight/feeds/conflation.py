"""What may be joined in a queue that has grown long, so that what is left of it says the same of now.

Frames do not come in the order of their stamps, so of a level the size with the newest stamp counts, and keeps that
stamp: joined changes of a book make the book that all of them make one by one.
"""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from foresight.events import NOT_TOLD, Depth, Levels, MarketEvent, Printed, Spot, TickChanged
from foresight.markets import SECOND_NS, Token

Key = tuple[object, ...]


class Changes:
    """The changes of one outcome's book that count: of each level the newest, and the newest top that was named."""

    def __init__(self) -> None:
        self._at_ns = 0
        self._sizes: dict[tuple[bool, int], tuple[int, int]] = {}
        """The stamp and the size of a level, by its side and price."""
        self._top: Levels | None = None

    def add(self, event: Levels) -> None:
        """What arrived last counts among equal stamps."""
        self._at_ns, stamped_ns = event.at_ns, event.stamped_ns
        for is_bid, side in ((True, event.bids), (False, event.asks)):
            for price, size in side:
                if stamped_ns >= self._sizes.get((is_bid, price), (stamped_ns, 0))[0]:
                    self._sizes[is_bid, price] = (stamped_ns, size)
        names_a_top = (event.best_bid_micros, event.best_ask_micros) != (NOT_TOLD, NOT_TOLD)
        if names_a_top and (self._top is None or stamped_ns >= self._top.stamped_ns):
            self._top = event

    def drop_until(self, stamped_ns: int) -> None:
        """A whole book of this stamp, or a new tick, makes void what is not newer."""
        self._sizes = {level: told for level, told in self._sizes.items() if told[0] > stamped_ns}
        if self._top is not None and self._top.stamped_ns <= stamped_ns:
            self._top = None

    def events(self, token: Token) -> list[Levels]:
        """One for each stamp, the oldest first. The top stands at its own."""
        sides: defaultdict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = defaultdict(lambda: ([], []))
        for (is_bid, price), (stamped_ns, size) in self._sizes.items():
            sides[stamped_ns][0 if is_bid else 1].append((price, size))
        top = self._top
        if top is not None:
            sides[top.stamped_ns]  # a frame may name a top and change nothing
        return [
            Levels(self._at_ns, token, tuple(bids), tuple(asks), *self._named_at(stamped_ns), stamped_ns)
            for stamped_ns, (bids, asks) in sorted(sides.items())
        ]

    def _named_at(self, stamped_ns: int) -> tuple[int, int]:
        top = self._top
        if top is None or top.stamped_ns != stamped_ns:
            return NOT_TOLD, NOT_TOLD
        return top.best_bid_micros, top.best_ask_micros


def joined(waiting: Iterable[MarketEvent]) -> list[MarketEvent]:
    """What is left of events when the newest of each kind counts, each at the place of its newest part."""
    left: dict[Key, MarketEvent | Changes] = {}
    for number, event in enumerate(waiting):
        match event:
            case Levels(token=token):
                changes = left.pop((Levels, token), None)
                left[Levels, token] = changes = changes if isinstance(changes, Changes) else Changes()
                changes.add(event)
            case Depth(token=token) | TickChanged(token=token):  # a book and what makes one void
                _drop_older(left, event, (Depth,) if isinstance(event, Depth) else (Depth, TickChanged))
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
    return [event for key, found in left.items() for event in _events(key, found)]


def _events(key: Key, found: MarketEvent | Changes) -> Iterable[MarketEvent]:
    return found.events(Token(str(key[1]))) if isinstance(found, Changes) else (found,)


def _drop_older(left: dict[Key, MarketEvent | Changes], event: Depth | TickChanged, kinds: tuple[type, ...]) -> None:
    """Of one book: what a whole one, or a new tick, makes void. Changes that are newer than a whole book stay."""
    changes = left.get((Levels, event.token))
    if isinstance(changes, Changes):
        changes.drop_until(event.stamped_ns)
    for kind in kinds:
        earlier = left.get((kind, event.token))
        if isinstance(earlier, Depth | TickChanged) and earlier.stamped_ns <= event.stamped_ns:
            del left[kind, event.token]
