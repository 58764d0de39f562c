"""Learns who won (venue spec §4): from the market channel, and, because it may stay silent, by asking Gamma and the
Data API.

Whoever tells first counts, once for a market, with its name as the source that the books keep. A later word that
contradicts it changes nothing and is told.
"""

import asyncio
import contextlib
from collections.abc import Callable

from foresight.errors import FeedFailed
from foresight.events import Resolved
from foresight.feeds.rest import Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import MINUTE_NS, OPPOSITE, SECOND_NS, Market, Outcome, Token
from foresight.wire.clob import MarketResolved
from foresight.wire.data_api import decode_resolutions
from foresight.wire.gamma import Listing, decode_market

ASK_AFTER_NS = 15 * SECOND_NS
ASK_EVERY_NS = 10 * SECOND_NS
ALSO_DATA_AFTER_NS = 60 * SECOND_NS
GIVE_UP_AFTER_NS = 24 * 60 * MINUTE_NS
REMEMBERED_NS = 30 * MINUTE_NS
LOOK_S = 0.5
MICROS = 1_000_000


class Resolving:
    """Follows markets until their winner is known. `on_over` gets each market then."""

    def __init__(
        self, rest: Rest, gamma: str, data: str, around: Surroundings, on_over: Callable[[Market], None]
    ) -> None:
        self._rest = rest
        self._gamma = gamma
        self._data = data
        self._around = around
        self._on_over = on_over
        self._open: dict[str, Listing] = {}
        self._asked_ns: dict[str, int] = {}
        self._over: dict[str, tuple[Outcome, int]] = {}

    @property
    def waiting(self) -> int:
        """Markets that have ended and have no winner yet."""
        now_ns = self._around.now_ns()
        return sum(listing.market.end_ns <= now_ns for listing in self._open.values())

    def follow(self, listing: Listing) -> None:
        slug = listing.market.market_id
        if slug not in self._over:
            self._open[slug] = listing
            if listing.resolved is not None:
                self._settle(listing.market, listing.resolved, "gamma", 0)

    def heard(self, message: MarketResolved) -> None:
        """The market channel's word."""
        for listing in list(self._open.values()):
            market = listing.market
            if message.winning_token in (market.up, market.down):
                winner = market.outcome_of(Token(message.winning_token))
                self._settle(market, winner, "market_resolved", message.stamped_ns)

    async def keep(self) -> None:
        """Asks for winners that have not been told, until it is cancelled."""
        while True:
            for listing in self._due():
                await self._ask(listing)
            await asyncio.sleep(LOOK_S)

    def _due(self) -> list[Listing]:
        now_ns = self._around.now_ns()
        for slug in [slug for slug, (_, at_ns) in self._over.items() if now_ns - at_ns > REMEMBERED_NS]:
            del self._over[slug]
        for slug, listing in list(self._open.items()):
            if now_ns - listing.market.end_ns > GIVE_UP_AFTER_NS:
                self._around.tell(f"nobody has told the winner of {slug} for a day; it is not asked for any more")
                self._leave(listing.market)
        return [
            listing
            for slug, listing in self._open.items()
            if now_ns >= listing.market.end_ns + ASK_AFTER_NS and now_ns - self._asked_ns.get(slug, 0) >= ASK_EVERY_NS
        ]

    async def _ask(self, listing: Listing) -> None:
        """Gamma, and where it does not know or does not answer, the Data API."""
        market, now_ns = listing.market, self._around.now_ns()
        self._asked_ns[market.market_id] = now_ns
        for ask, after_ns in ((self._ask_gamma, ASK_AFTER_NS), (self._ask_data, ALSO_DATA_AFTER_NS)):
            if market.market_id not in self._over and now_ns >= market.end_ns + after_ns:
                with contextlib.suppress(FeedFailed):  # it is asked again; the health of the reads shows it
                    await ask(listing)

    async def _ask_gamma(self, listing: Listing) -> None:
        market = listing.market
        found = decode_market(await self._rest.get(f"{self._gamma}/markets/slug/{market.market_id}"), market.market_id)
        if isinstance(found, Listing) and found.resolved is not None:
            self._settle(market, found.resolved, "gamma", 0)

    async def _ask_data(self, listing: Listing) -> None:
        url = f"{self._data}/v2/resolutions"
        body = await self._rest.get(url, {"condition_id": listing.condition})
        page = decode_resolutions(body, self._around.reject)
        for resolution in page.resolutions if page is not None else ():
            if resolution.status == "resolved" and resolution.payouts in ((MICROS, 0), (0, MICROS)):
                winner: Outcome = "UP" if resolution.payouts[0] else "DOWN"
                self._settle(listing.market, winner, "data_api", resolution.resolved_ns)

    def _settle(self, market: Market, winner: Outcome, source: str, stamped_ns: int) -> None:
        before = self._over.get(market.market_id)
        if before is not None:
            if before[0] == OPPOSITE[winner]:
                self._around.tell(f"{market.market_id}: {source} says {winner}, after {before[0]} was told and booked")
            return
        now_ns = self._around.now_ns()
        self._over[market.market_id] = (winner, now_ns)
        self._around.put(Resolved(now_ns, market.market_id, winner, f"polymarket:{source}", stamped_ns))
        self._leave(market)

    def _leave(self, market: Market) -> None:
        self._open.pop(market.market_id, None)
        self._asked_ns.pop(market.market_id, None)
        self._on_over(market)
