"""One side of an order book that is streamed as changes of its levels."""

Level = tuple[int, int]
"""(price, size) in micros."""


class Ladder:
    """Prices with the size that rests at each. `best` is 0 while nothing does. A change costs one look into a
    dictionary; only when the best level goes are the others looked through."""

    __slots__ = ("_is_bid", "_sizes", "_sorted", "best")

    def __init__(self, levels: tuple[Level, ...], *, is_bid: bool) -> None:
        """`levels` are the whole side, best first."""
        self._is_bid = is_bid
        self._sizes = dict(levels)
        self._sorted: tuple[Level, ...] | None = levels
        self.best = levels[0][0] if levels else 0

    def put(self, price_micros: int, size_micros: int) -> None:
        """At this price rests this size now; 0 takes the level away, and one that is not there stays away."""
        self._sorted = None
        if size_micros > 0:
            self._sizes[price_micros] = size_micros
            if not self.best or (price_micros > self.best) == self._is_bid:
                self.best = price_micros
        elif self._sizes.pop(price_micros, None) is not None and price_micros == self.best:
            self.best = (max if self._is_bid else min)(self._sizes, default=0)

    def size_at_best(self) -> int:
        return self._sizes.get(self.best, 0)

    def levels(self) -> tuple[Level, ...]:
        """The whole side, best first."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._sizes.items(), reverse=self._is_bid))
        return self._sorted
