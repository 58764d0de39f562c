"""What every channel is given: where its events go, what time it is, and who is told of what went wrong."""

from collections.abc import Callable

import msgspec

from foresight.events import MarketEvent


class Surroundings(msgspec.Struct, frozen=True):
    """`put` takes an event for the engine, `now_ns` is venue time, `reject` takes (kind, why, frame) of what did not
    parse, and `tell` a sentence that a person should read. `way_ns` is how long what a venue says may be under way, in
    venue time: what comes later is late."""

    put: Callable[[MarketEvent], None]
    now_ns: Callable[[], int]
    reject: Callable[[str, str, bytes], None]
    tell: Callable[[str], None]
    way_ns: int


class Lags:
    """How much later than the venue's own stamp frames arrive, over the newest `KEPT` of them."""

    KEPT = 512

    def __init__(self) -> None:
        self._newest: list[int] = []
        self._next = 0

    def add(self, lag_ns: int) -> None:
        if len(self._newest) < self.KEPT:
            self._newest.append(lag_ns)
        else:
            self._newest[self._next] = lag_ns
            self._next = (self._next + 1) % self.KEPT

    def quantile_ms(self, share: float) -> float | None:
        """None before the first frame with a stamp."""
        if not self._newest:
            return None
        ordered = sorted(self._newest)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6
