"""All that is known of the markets now: slots, their windows and books, and the underlyings' prices.

Held by the engine, so that it survives every change of live code. Nothing here decides; it takes what arrived.
"""

import msgspec

from foresight.engine.basis import Basis
from foresight.engine.books import NOBODY, BookState, pair_of
from foresight.engine.prices import PriceSeries
from foresight.engine.settings import Settings
from foresight.engine.slots import SlotState, Window
from foresight.events import Depth, Levels, Listed, Printed, Quote, Reference, Spot, TickChanged, TopicsDeclared
from foresight.markets import MINUTE_NS, SECOND_NS, TIMEFRAME_NS, MarketId, SlotId, Token

FORGET_FEED_NS = 60 * MINUTE_NS
FORGET_AFTER_NS = 24 * 60 * MINUTE_NS
"""A window that nobody resolves is forgotten after a day, unless a position waits in it."""
AVERAGED_FOR_NS = SECOND_NS
"""An average is told 1 to 2 s after its stamp (venue spec §7.1), beside its way; the age of one that comes later than
both counts from there, not from its arrival."""
BOUNDARY_NS = min(TIMEFRAME_NS.values())
"""Windows of every timeframe open at multiples of the shortest."""
OPENS_KEPT = max(TIMEFRAME_NS.values()) // BOUNDARY_NS + 1
"""So many boundaries' averages tell the open of every window that is not over, however late it is listed."""


class Ages(msgspec.Struct, frozen=True, gc=False):
    """Nanoseconds since the underlying, and since the oracle, was last told; None where it never was."""

    underlying_ns: int | None
    reference_ns: int | None

    def or_older(self, other: "Ages") -> "Ages":
        """Of each the greater that is known."""
        return Ages(
            _older(self.underlying_ns, other.underlying_ns),
            _older(self.reference_ns, other.reference_ns),
        )


class MarketsState:
    """Slots in the order of the settings; windows that have ended wait in `ended` for their resolution."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.slots: dict[SlotId, SlotState] = {}
        self.by_asset: dict[str, list[SlotState]] = {}
        for asset, timeframe in settings.slots:
            state = SlotState(asset, timeframe)
            self.slots[state.id] = state
            self.by_asset.setdefault(asset, []).append(state)
        self.prices: dict[str, PriceSeries] = {asset: PriceSeries() for asset, _ in settings.slots}
        self.bases: dict[str, Basis] = {asset: Basis() for asset, _ in settings.slots}
        self.topics: dict[str, str] = {}
        """The further topics by name, each with its series."""
        self._watched: dict[str, PriceSeries] = {}
        self.oracle_at_ns: dict[str, int] = {}
        self._opens: dict[str, dict[int, Reference]] = {asset: {} for asset, _ in settings.slots}
        """The newest averages of boundaries, by asset and stamp, for windows that are not listed yet."""
        self.books: dict[Token, BookState] = {}
        self.ended: dict[MarketId, Window] = {}
        self.unknown_tokens = 0
        self.unused_ticks = 0

    def list_market(self, event: Listed) -> None:
        """A market of a slot that is not traded, one that is known, or one that is over changes nothing."""
        market = event.market
        slot = self.slots.get(market.slot)
        if slot is None or market.end_ns <= event.at_ns:
            return
        up, down = pair_of(market, self._settings.event_window_ns, self._settings.way_ns)
        window = Window(market, up, down, event.at_ns)
        if slot.announce(window):
            self.books[market.up], self.books[market.down] = up, down
            opened = self._opens[market.asset].get(market.start_ns)
            if opened is not None:
                _keep_open(window, opened, market.timeframe)

    def take_quote(self, quote: Quote) -> BookState | None:
        book = self.books.get(quote.token)
        if book is None:
            self.unknown_tokens += 1
            return None
        book.take_quote(quote)
        return book

    def take_depth(self, depth: Depth) -> BookState | None:
        book = self.books.get(depth.token)
        if book is None:
            self.unknown_tokens += 1
            return None
        book.take_depth(depth)
        return book

    def take_levels(self, event: Levels) -> tuple[BookState | None, bool]:
        """The book that changed, and whether it is still the one that the venue names."""
        book = self.books.get(event.token)
        if book is None:
            self.unknown_tokens += 1
            return None, True
        return book, book.take_levels(event)

    def take_tick(self, event: TickChanged) -> None:
        """The whole market has another tick; the book that it was told for is lost until the next whole one."""
        book = self.books.get(event.token)
        if book is None:
            self.unknown_tokens += 1
            return
        book.lose()
        slot = self.slots[book.slot_id]
        for window in (slot.window, *slot.upcoming.values()):
            if window is not None and window.market is book.market and window.market.tick_micros != event.tick_micros:
                market = msgspec.structs.replace(window.market, tick_micros=event.tick_micros)
                window.market = window.up.market = window.down.market = market

    def take_print(self, printed: Printed) -> None:
        """A trade of others; of a market that is not followed it changes nothing."""
        book = self.books.get(printed.token)
        if book is None:
            self.unknown_tokens += 1
        else:
            book.take_print(printed)

    def take_spot(self, tick: Spot) -> bool:
        """Whether the underlying of a slot has another price."""
        series = self.prices.get(tick.asset)
        if series is None:
            watched = self._watched.get(tick.asset)
            self.unused_ticks += watched is None or not watched.take(tick)
            return False
        if not series.take(tick):
            self.unused_ticks += 1
            return False
        return True

    def declare(self, event: TopicsDeclared) -> None:
        """From now on these are the further topics. One that was there already keeps what is known of it."""
        self.topics = dict(event.topics)
        own = [series for series in self.topics.values() if series not in self.prices]
        self._watched = {series: self._watched.get(series) or PriceSeries() for series in own}

    def watched(self, name: str) -> PriceSeries | None:
        """The prices of a further topic; None where it is not declared."""
        series = self.topics.get(name, "")
        return self.prices.get(series) or self._watched.get(series)

    def take_reference(self, event: Reference) -> list[tuple[Window, float]]:
        """Keeps an observation at the windows it belongs to. Returns the windows whose closing average it is, with
        their opening average, where both are known. The average can come before the timer that ends the window."""
        slots = self.by_asset.get(event.asset, [])
        for slot in slots:
            for window in (slot.window, *slot.upcoming.values()):
                _keep_open(window, event, slot.timeframe)
        if event.kind != "twap60":
            return []
        if event.asset in self.prices:
            self._keep_boundary(event)
            known_ns = min(event.at_ns, event.stamped_ns + AVERAGED_FOR_NS + self._settings.way_ns)
            self.oracle_at_ns[event.asset] = max(known_ns, self.oracle_at_ns.get(event.asset, known_ns))
            self.bases[event.asset].observe(event.price, event.stamped_ns, self.prices[event.asset])
        followed = [slot.window for slot in slots if slot.window is not None]
        followed += [window for window in self.ended.values() if window.market.asset == event.asset]
        return [
            (window, window.twap_open)
            for window in followed
            if window.market.end_ns == event.stamped_ns and window.twap_open is not None
        ]

    def _keep_boundary(self, event: Reference) -> None:
        if event.stamped_ns % BOUNDARY_NS == 0:
            opens = self._opens[event.asset]
            opens[event.stamped_ns] = event
            if len(opens) > OPENS_KEPT:
                del opens[min(opens)]

    def roll(self, now_ns: int) -> None:
        """Moves every slot to the window of this moment, and fixes the prices at new windows' opens."""
        self._forget_feeds(now_ns)
        for series in (*self.prices.values(), *self._watched.values()):
            series.catch_up(now_ns)
        for slot in self.slots.values():
            for window in slot.roll(now_ns):
                self._retire(window)
            if slot.window is not None:
                slot.window.capture_open(self.prices[slot.asset], now_ns, self._settings.underlying_stale_ns)

    def _forget_feeds(self, now_ns: int) -> None:
        """An underlying that fell silent long ago while no window of its asset was open is absent from now on, not
        stale: a recording's next source may never have had it."""
        watched = {slot.asset for slot in self.slots.values() if slot.window is not None}
        for asset, series in self.prices.items():
            if asset not in watched and series.feed and now_ns - series.at_ns > FORGET_FEED_NS:
                self.prices[asset] = PriceSeries()
                self.oracle_at_ns.pop(asset, None)

    def _retire(self, window: Window) -> None:
        if not window.is_settled:
            self.ended[window.market.market_id] = window
        self.books.pop(window.market.up, None)
        self.books.pop(window.market.down, None)
        # Parted, the two books are freed with their window; as a cycle, some 7 MB of them an hour would wait for the
        # garbage collector, and leave holes when it comes.
        window.up.mirror = window.down.mirror = NOBODY

    def window_of(self, market_id: MarketId) -> Window | None:
        """The window of a market that has ended or is open."""
        found = self.ended.get(market_id)
        if found is not None:
            return found
        for slot in self.slots.values():
            if slot.window is not None and slot.window.market.market_id == market_id:
                return slot.window
        return None

    def forget_old(self, now_ns: int, wanted: set[MarketId]) -> list[MarketId]:
        """Drops ended windows that nobody resolved within a day and nobody holds."""
        old = [
            market_id
            for market_id, window in self.ended.items()
            if now_ns - window.market.end_ns > FORGET_AFTER_NS and market_id not in wanted
        ]
        for market_id in old:
            del self.ended[market_id]
        return old

    def topics_blind(self, slot: SlotState, window: Window, now_ns: int) -> list[str]:
        """The topics that this slot's evaluation needs and that are past their staleness limit. An underlying or an
        oracle that no source has ever told is absent, not stale."""
        blind = []
        if now_ns - window.up.told_at_ns() > self._settings.book_stale_ns:
            blind.append("book")
        series = self.prices[slot.asset]
        if series.feed and now_ns - series.at_ns > self._settings.underlying_stale_ns:
            blind.append("underlying")
        oracle_age_ns = self.oracle_age_ns(slot.asset, now_ns)
        if oracle_age_ns is not None and oracle_age_ns > self._settings.reference_stale_ns:
            blind.append("reference")
        return blind + self.stale_topics(slot, now_ns, self._settings.underlying_stale_ns) if slot.needs else blind

    def stale_topics(self, slot: SlotState, now_ns: int, limit_ns: int) -> list[str]:
        """The further topics of this slot's live release whose newest price is older than this, or that have none."""
        return [
            name
            for name in slot.needs
            if (series := self.watched(name)) is None or not series.feed or now_ns - series.at_ns > limit_ns
        ]

    def ages(self, asset: str, now_ns: int) -> Ages:
        series = self.prices[asset]
        return Ages(now_ns - series.at_ns if series.feed else None, self.oracle_age_ns(asset, now_ns))

    def oracle_age_ns(self, asset: str, now_ns: int) -> int | None:
        """Since the oracle last told anything of this asset in time; None where it never has told."""
        told_ns = self.oracle_at_ns.get(asset)
        return None if told_ns is None else now_ns - told_ns


def _older(one_ns: int | None, other_ns: int | None) -> int | None:
    return max((age_ns for age_ns in (one_ns, other_ns) if age_ns is not None), default=None)


def _keep_open(window: Window | None, event: Reference, timeframe: str) -> None:
    """Elsewhere a price to beat is told too; it counts only while the oracle's own average of the open has not come."""
    if window is None or window.market.start_ns != event.stamped_ns:
        return
    if event.kind == "twap60":
        window.twap_open = event.price
        if window.reference is None:
            window.reference, window.reference_source = event.price, event.source
    elif window.twap_open is None and event.timeframe in (None, timeframe):
        window.reference, window.reference_source = event.price, event.source
