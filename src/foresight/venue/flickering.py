"""Markets whose levels change between two published books, as the recorded channel's do: which changes are still to
come.

Changes are drawn for the time until the next book (0.9 s), at a rate that was fitted to a recording and is given per
real second: a venue whose time runs faster shows proportionally fewer, so that a fast test is not a storm.
"""

from collections import deque
from collections.abc import Iterator

from foresight.markets import SECOND_NS
from foresight.venue.flicker import Flick, Flicker, rate_of
from foresight.venue.ladders import Change
from foresight.venue.listings import Listing

SPAN_NS = SECOND_NS * 9 // 10


class Flickering:
    """`per_rate` is the part of the fitted rate that is shown; 0 shows none."""

    def __init__(self, seed: int, per_rate: float) -> None:
        self._seed = seed
        self._per_rate = per_rate
        self._flickers: dict[str, Flicker] = {}
        self._coming: dict[str, tuple[Listing, deque[Flick]]] = {}

    def next_ns(self) -> int | None:
        """When the next change is due; None while nothing changes."""
        return min((flicks[0][0] for _, flicks in self._coming.values()), default=None)

    def published(self, listing: Listing, at_ns: int) -> None:
        """A new book: what was still to come of the one before is void."""
        if not self._per_rate:
            return
        slug, ladder = listing.slug, listing.ladder
        flicker = self._flickers.setdefault(slug, Flicker(self._seed, slug))
        rate = rate_of(listing.market.asset, listing.market.end_ns - at_ns) * self._per_rate
        flicks = deque(flicker.between(ladder.bids, ladder.asks, at_ns, at_ns + SPAN_NS, per_second=rate))
        if flicks:
            self._coming[slug] = (listing, flicks)
        else:
            self._coming.pop(slug, None)

    def over(self, listing: Listing) -> None:
        """The market shows no more books."""
        self._coming.pop(listing.slug, None)
        self._flickers.pop(listing.slug, None)

    def due(self, now_ns: int) -> Iterator[tuple[Listing, int, Change]]:
        """What has changed by now, each done to its ladder as it is told."""
        for slug, (listing, flicks) in list(self._coming.items()):
            while flicks and flicks[0][0] <= now_ns:
                at_ns, is_bid, price_micros, size_micros = flicks.popleft()
                side = listing.ladder.bids if is_bid else listing.ladder.asks
                if price_micros in side:
                    side[price_micros] = size_micros
                    yield listing, at_ns, Change(is_bid, price_micros, size_micros)
            if not flicks:
                self._coming.pop(slug, None)
