"""Moves the source's events into the venue's state when their time has come, and what follows from them to the hub.

The faults of the market's data are done here: a resolution held back or turned round, a tie, an asset that is silent.
"""

import asyncio
import heapq
from collections.abc import Iterator

import msgspec

from foresight.events import MarketEvent, Reference, Resolved, Spot
from foresight.markets import OPPOSITE, SECOND_NS
from foresight.runtime.clock import PacedClock
from foresight.sources import Source
from foresight.venue.exchange import TENTH_NS
from foresight.venue.faults import Faults
from foresight.venue.frames import Frame
from foresight.venue.hub import Hub
from foresight.venue.listings import Listing
from foresight.venue.state import VenueState

EVENTS_PER_TURN = 64
"""Events taken while behind before sockets get a turn."""
FLICKER_S = 0.001
"""Changes between two books go out at most this often, in real time. In a recording of a busy market three quarters of
the frames have a millisecond of their own, and 99.9 % share it with two others at most."""


class Pump:
    """`next_ns` is the time of the source's next event, None when it has ended."""

    def __init__(self, source: Source, state: VenueState, hub: Hub, faults: Faults) -> None:
        self._events: Iterator[MarketEvent] = source.events()
        self._state = state
        self._hub = hub
        self._faults = faults
        self._next: MarketEvent | None = next(self._events, None)
        self._held: list[tuple[int, int, Resolved]] = []
        self._held_count = 0

    @property
    def next_ns(self) -> int | None:
        return None if self._next is None else self._next.at_ns

    def take_until(self, until_ns: int) -> None:
        """All events before `until_ns` at once: the source's history."""
        while self._next is not None and self._next.at_ns < until_ns:
            self.step()

    def step(self) -> None:
        """Take the next event."""
        event = self._next
        assert event is not None
        self._next = next(self._events, None)
        self.take(event)

    def take(self, event: MarketEvent) -> None:
        """One event now: what time brings first, then the event as the faults leave it."""
        out: list[Frame] = []
        self._state.advance(event.at_ns, out)
        self._release_held(event.at_ns, out)
        changed = self._changed(event)
        if changed is not None:
            self._state.take(changed, out)
        self._hub.deliver(out)

    def idle(self, now_ns: int) -> None:
        """Time passes without an event."""
        out: list[Frame] = []
        self._state.advance(now_ns, out)
        self._release_held(now_ns, out)
        self._hub.deliver(out)

    async def run(self, clock: PacedClock, stop: asyncio.Event, until_ns: int | None) -> None:
        """Until asked to stop, or venue time has come to `until_ns`."""
        while not stop.is_set():
            now_ns = clock.now_ns()
            if until_ns is not None and now_ns >= until_ns:
                stop.set()
                return
            for _ in range(EVENTS_PER_TURN):
                if self._next is None or self._next.at_ns > now_ns:
                    self.idle(now_ns)
                    break
                self.step()
            due_ns = now_ns // TENTH_NS * TENTH_NS + TENTH_NS
            flick_ns = self._state.flickering.next_ns()
            if flick_ns is not None:
                due_ns = min(due_ns, max(flick_ns, now_ns + clock.ns_of(FLICKER_S)))
            if self._next is not None:
                due_ns = min(due_ns, self._next.at_ns)
            await _wait(stop, clock.seconds_until(due_ns))

    def lag_ns(self, now_ns: int) -> int:
        """How far the venue is behind its own time."""
        return 0 if self._next is None else max(now_ns - self._next.at_ns, 0)

    def _changed(self, event: MarketEvent) -> MarketEvent | None:
        """The event as the faults leave it; None when it is lost or held back."""
        match event:
            case Spot() if self._faults.find("silent_underlying", (event.asset,)) is not None:
                return None
            case Reference(kind="twap60"):
                self._arrange_ties(event)
                is_silent = self._faults.find("silent_reference", (event.asset,)) is not None
                return None if is_silent else event
            case Resolved():
                return self._resolved(event)
            case _:
                return event

    def _arrange_ties(self, event: Reference) -> None:
        """A tie is arranged when the average of a window's end comes."""
        if event.stamped_ns % SECOND_NS or event.stamped_ns % (300 * SECOND_NS):
            return
        for listing in self._ending_at(event):
            if self._faults.find("tie", listing.labels()) is not None:
                self._state.tie(listing.slug)
                return  # one average cannot tie two windows that began at different times

    def _ending_at(self, event: Reference) -> list[Listing]:
        return [
            listing
            for listing in self._state.listings
            if listing.market.end_ns == event.stamped_ns and listing.market.asset == event.asset
        ]

    def _resolved(self, event: Resolved) -> Resolved | None:
        listing = self._state.listings.of_slug(event.market_id)
        labels = frozenset({str(event.market_id)}) if listing is None else listing.labels()
        if self._faults.find("contrary_winner", labels) is not None:
            event = msgspec.structs.replace(event, outcome=OPPOSITE[event.outcome])
        late = self._faults.find("late_resolution", labels)
        if late is None:
            return event
        at_ns = event.at_ns + round(late.number("delay_s") * SECOND_NS)
        self._held_count += 1
        heapq.heappush(self._held, (at_ns, self._held_count, msgspec.structs.replace(event, at_ns=at_ns)))
        return None

    def _release_held(self, now_ns: int, out: list[Frame]) -> None:
        while self._held and self._held[0][0] <= now_ns:
            self._state.take(heapq.heappop(self._held)[2], out)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
