"""The life of a slot's windows: listed ahead, opened at their price to beat, resolved after their end."""

import hashlib
from heapq import heappush

from foresight.events import Listed, MarketEvent, Reference, Resolved
from foresight.markets import SECOND_NS, TIMEFRAME_NS, Market, MarketId, Outcome, SettlesOn, Token
from foresight.sources.simulated.kept import KeptWindows
from foresight.sources.simulated.noise import place_of, put_at, uniform_stream
from foresight.sources.simulated.paths import ORACLE, AssetPath

SOURCE = "simulated"

Later = list[tuple[int, int, int, MarketEvent]]
"""A heap of events that are decided but not due: (at_ns, number of the slot, number within the slot, event)."""


def market_of(asset: str, timeframe: str, start_s: int, settles_on: SettlesOn = "twap60") -> Market:
    """The market of the window that starts at this Unix second; the same for every seed."""
    market_id = MarketId(f"{asset.lower()}-updown-{timeframe}-{start_s}")
    return Market(
        market_id=market_id,
        asset=asset,
        timeframe=timeframe,
        start_ns=start_s * SECOND_NS,
        end_ns=start_s * SECOND_NS + TIMEFRAME_NS[timeframe],
        up=_token(market_id, "UP"),
        down=_token(market_id, "DOWN"),
        source=SOURCE,
        settles_on=settles_on,
    )


def winner(open_total: int, close_total: int) -> Outcome:
    """UP when the average at the end is not below the average at the start: a tie is UP (docs/venue.md)."""
    return "UP" if close_total >= open_total else "DOWN"


class Windows:
    """The windows of one slot. `market` is the open one, None before the first boundary; `strike_total` is its price to
    beat as a sum of oracle values in units."""

    def __init__(
        self, seed: int, slot: tuple[str, str], *, number: int, path: AssetPath, settles_on: SettlesOn = "twap60"
    ) -> None:
        self._asset, self._timeframe = slot
        self._number = number
        self._pushed = 0
        self._settles_on: SettlesOn = settles_on
        self._path = path
        self._uniform = uniform_stream(seed, "windows", *slot)
        self.length_s = TIMEFRAME_NS[self._timeframe] // SECOND_NS
        self.market: Market | None = None
        self.end_s = 0
        self.strike_total = 0

    def begin(self, second: int, later: Later) -> None:
        """List the first two windows; the first one opens at the next boundary after `second`."""
        self.end_s = second - second % self.length_s + self.length_s
        for start_s in (self.end_s, self.end_s + self.length_s):
            self._list(start_s, second * SECOND_NS, later)

    def kept(self) -> KeptWindows:
        assert self.market is not None, "a market begins a minute before windows turn, and is kept after they have"
        return KeptWindows(self.strike_total, place_of(self._uniform))

    def go_on(self, kept: KeptWindows, second: int) -> None:
        """With the window that is open at `second`, from where they were kept."""
        start_s = second - second % self.length_s
        self.end_s = start_s + self.length_s
        self.market = self._market(start_s)
        self.strike_total = kept.strike_total
        put_at(self._uniform, kept.stream)

    def next_market(self) -> Market:
        """The market of the window that opens at the next boundary."""
        return self._market(self.end_s)

    def turn(self, second: int, later: Later) -> None:
        """At a boundary: settle the window that ends, open the next, list the one after the one after it."""
        total = self._path.average_total(second)
        now_ns = second * SECOND_NS
        if self.market is not None:
            at_ns = now_ns + self._between(20, 90)
            outcome = winner(self.strike_total, total)
            self._push(later, Resolved(at_ns, self.market.market_id, outcome, f"simulated:{self._settles_on}"))
        self.market = self._market(second)
        self.strike_total = total
        self.end_s = second + self.length_s
        told = (self._path.average(second), now_ns, ORACLE, self._timeframe)
        self._push(later, Reference(now_ns + self._between(1, 3), self._asset, "price_to_beat", *told))
        self._list(second + 2 * self.length_s, now_ns + self._between(0, 20), later)

    def _list(self, start_s: int, at_ns: int, later: Later) -> None:
        self._push(later, Listed(at_ns, self._market(start_s)))

    def _market(self, start_s: int) -> Market:
        return market_of(self._asset, self._timeframe, start_s, self._settles_on)

    def _push(self, later: Later, event: MarketEvent) -> None:
        self._pushed += 1
        heappush(later, (event.at_ns, self._number, self._pushed, event))

    def _between(self, low_s: int, high_s: int) -> int:
        return low_s * SECOND_NS + int(self._uniform() * (high_s - low_s) * SECOND_NS)


def _token(market_id: MarketId, outcome: Outcome) -> Token:
    return Token(str(int.from_bytes(hashlib.sha256(f"{market_id}:{outcome}".encode()).digest(), "big")))
