"""One slot: its open window, the windows that come, and what the engine remembers of it."""

import math
from typing import Literal

from foresight.engine.basis import Basis
from foresight.engine.books import BookState
from foresight.engine.prices import SETTLING_S, PriceSeries
from foresight.events import Resolved
from foresight.markets import SECOND_NS, Market, OrderId, Outcome, SlotId, slot_id
from tesseract import Presence

Opened = Literal["feed", "basis"]

UPCOMING_MAX = 300
"""Windows that may be known ahead: the venue lists a day ahead, which is 288 windows of five minutes."""


class Window:
    """A market while the engine follows it, with both books and the prices at its open."""

    def __init__(self, market: Market, up: BookState, down: BookState, listed_ns: int) -> None:
        self.market = market
        self.up = up
        self.down = down
        # A window that is listed late owes no rounds from before anybody could know of it.
        self.opens_ns = max(market.start_ns, listed_ns)
        self.is_settled = False
        self.reference: float | None = None
        self.reference_source: str | None = None
        self.twap_open: float | None = None
        self.word: Resolved | None = None
        """Who won, by the venue, while the oracle's averages may still settle the window."""
        self.open_price: float | None = None
        self.open_feed = ""
        self.open_is_decided = False
        self.sampled_ns = 0

    def capture_open(self, prices: PriceSeries, now_ns: int, stale_ns: int) -> None:
        """Keeps the feed's own price at the open, by the market's rule; once, when the open has passed."""
        if self.open_is_decided or now_ns < self.market.start_ns:
            return
        self.open_is_decided = True
        start_second = self.market.start_ns // SECOND_NS
        if not prices.feed or now_ns - prices.at_ns > stale_ns:
            return
        seconds = SETTLING_S if self.market.settles_on == "twap60" else 1
        average = prices.average_until(start_second - 1, seconds)
        if average is not None and average[1] == seconds:
            self.open_price, self.open_feed = average[0], prices.feed

    def open_of(self, prices: PriceSeries, basis: Basis) -> tuple[float, Opened] | None:
        """The open in the prices of the present feed, and how it is known: the feed told it itself, or the official
        price to beat is brought over by the basis between the two. A level of one is never held against a level of the
        other."""
        if self.open_price is not None and prices.feed == self.open_feed:
            return self.open_price, "feed"
        if self.reference is not None and basis.value is not None and self.market.settles_on == "twap60":
            return self.reference * math.exp(-basis.value), "basis"
        return None

    def move(self, prices: PriceSeries, basis: Basis) -> float | None:
        """ln(now / open), where the open is known."""
        opened = self.open_of(prices, basis) if prices.feed else None
        return None if opened is None else math.log(prices.last / opened[0])

    def settling(self, prices: PriceSeries, basis: Basis) -> tuple[int, float | None]:
        """(seconds of the closing average already known, their mean log move from the open)."""
        opened = self.open_of(prices, basis)
        if opened is None or self.market.settles_on != "twap60":
            return 0, None
        average = prices.average_until(self.market.end_ns // SECOND_NS - 1, SETTLING_S)
        if average is None:
            return 0, None
        return average[1], math.log(average[0] / opened[0])


class SlotState:
    """`window` is None while no market is open: then nothing is due."""

    def __init__(self, asset: str, timeframe: str) -> None:
        self.asset = asset
        self.timeframe = timeframe
        self.id: SlotId = slot_id(asset, timeframe)
        self.window: Window | None = None
        self.upcoming: dict[int, Window] = {}
        self.presence = Presence()
        self.pending_evaluation: int | None = None
        self.pending_order: OrderId | None = None
        self.event_evaluated_ns = 0
        self.seen: dict[Outcome, tuple[int, int]] = {}
        self.seen_underlying = 0.0
        self.fair: float | None = None
        self.signals: dict[str, float | None] = {}
        self.failures = 0
        self.is_paused = False
        self.release = "v0"
        self.revision = 0
        self.needs: tuple[str, ...] = ()
        """The further topics that the live release has declared."""
        self.note = ""

    def look(self, window: Window, prices: PriceSeries) -> None:
        """Remembers the prices that an evaluation saw."""
        up, down = window.up, window.down
        self.seen = {"UP": (up.bid, up.ask), "DOWN": (down.bid, down.ask)}
        self.seen_underlying = prices.last if prices.feed else 0.0

    def announce(self, window: Window) -> bool:
        """Keeps a window that will open. False where it is known already or there are too many."""
        start_ns = window.market.start_ns
        if start_ns in self.upcoming or len(self.upcoming) >= UPCOMING_MAX:
            return False
        if self.window is not None and start_ns <= self.window.market.start_ns:
            return False
        self.upcoming[start_ns] = window
        return True

    def roll(self, now_ns: int) -> list[Window]:
        """Moves to the window that is open at `now_ns`, and returns those that have ended."""
        ended = []
        if self.window is not None and now_ns >= self.window.market.end_ns:
            ended.append(self.window)
            self.window = None
            self.fair, self.signals, self.seen, self.seen_underlying = None, {}, {}, 0.0
        while self.window is None and (window := self._opened(now_ns)) is not None:
            if window.market.end_ns > now_ns:
                self.window = window
            else:
                ended.append(window)
        return ended

    def _opened(self, now_ns: int) -> Window | None:
        """The earliest of the coming windows that has opened; it is no longer among them."""
        starts = [start_ns for start_ns, window in self.upcoming.items() if window.opens_ns <= now_ns]
        return self.upcoming.pop(min(starts)) if starts else None

    def next_change_ns(self) -> int | None:
        """When a window of this slot next opens, while none is open."""
        return min((window.opens_ns for window in self.upcoming.values()), default=None)


def stall_cause(stalled_ns: int) -> str:
    """A stall's length in coarse steps, so that causes of missed rounds stay few enough to count by name."""
    seconds = stalled_ns / SECOND_NS
    for limit in (10, 30, 60, 300):
        if seconds < limit:
            return f"loop stalled under {limit} s"
    return "loop stalled over 300 s"
