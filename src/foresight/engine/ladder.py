"""One side of an order book that is streamed as changes of its levels.

The venue's frames do not come in the order of their stamps: in a recording one of five is followed by an older one, 1
to 3 ms apart, and a tenth of the changes is older than what its level already has. By the order of stamps every top
that the venue names is met, by the order of arrival the book is wrong for moments. So each level keeps the stamp of its
size, an older change is dropped, of equal stamps the later arrival counts, and a whole book does not touch levels that
are newer than it is.
"""

Level = tuple[int, int]
"""(price, size) in micros."""


class Ladder:
    """Prices with the size that rests at each. `best` is 0 while nothing does. A change costs one look into a
    dictionary; only when the best level goes are the others looked through."""

    __slots__ = ("_is_bid", "_sizes", "_sorted", "_stamped_ns", "_stamps", "best")

    def __init__(self, levels: tuple[Level, ...], stamped_ns: int, *, is_bid: bool) -> None:
        """`levels` are the whole side, best first, as it was at `stamped_ns`; 0 for a source without stamps. Most books
        of such a source are never changed, so the dictionaries are only made for the first change."""
        self._is_bid = is_bid
        self._sizes: dict[int, int] | None = None
        self._stamps: dict[int, int] = {}
        self._stamped_ns = stamped_ns
        self._sorted: tuple[Level, ...] | None = levels
        self.best = levels[0][0] if levels else 0

    def put(self, price_micros: int, size_micros: int, stamped_ns: int) -> None:
        """At this price this size rested at `stamped_ns`; 0 takes the level away. What is older than the level is
        dropped."""
        sizes = self._sizes
        if sizes is None:
            self._sizes = sizes = dict(self._sorted or ())
            self._stamps = dict.fromkeys(sizes, self._stamped_ns)
        if stamped_ns < self._stamps.get(price_micros, 0):
            return
        self._stamps[price_micros] = stamped_ns
        self._sorted = None
        if size_micros > 0:
            sizes[price_micros] = size_micros
            if not self.best or (price_micros > self.best) == self._is_bid:
                self.best = price_micros
        elif sizes.pop(price_micros, None) is not None and price_micros == self.best:
            self.best = (max if self._is_bid else min)(sizes, default=0)

    def newer_than(self, stamped_ns: int) -> list[tuple[int, int, int]]:
        """(price, size, stamp) of the levels that changed later than this, those that went away with a size of 0."""
        sizes = self._sizes or {}
        return [(price, sizes.get(price, 0), stamp) for price, stamp in self._stamps.items() if stamp > stamped_ns]

    def size_at_best(self) -> int:
        """0 for an empty side."""
        if self._sizes is None:
            return self._sorted[0][1] if self._sorted else 0
        return self._sizes.get(self.best, 0)

    def levels(self) -> tuple[Level, ...]:
        """The whole side, best first."""
        if self._sorted is None:
            assert self._sizes is not None, "only a change takes the sorted levels away"
            self._sorted = tuple(sorted(self._sizes.items(), reverse=self._is_bid))
        return self._sorted
