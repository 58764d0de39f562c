"""Learns who won (venue spec §4): from the market channel, and, because it may stay silent, by asking Gamma and the
Data API.

Whoever tells first counts, once for a market, with its name as the source that the books keep. A later word that
contradicts it changes nothing and is told.
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from foresight.errors import FeedFailed
from foresight.events import Resolved
from foresight.feeds.rest import Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import MINUTE_NS, OPPOSITE, SECOND_NS, Market, Outcome
from foresight.wire.clob import MarketResolved
from foresight.wire.data_api import decode_resolutions
from foresight.wire.gamma import Listing, decode_market

ASK_AFTER_NS = 15 * SECOND_NS
ASK_EVERY_NS = 10 * SECOND_NS
ASK_SELDOM_FROM_NS = 30 * MINUTE_NS
"""From so long after the end, a winner is asked for once a minute."""
ASKED_AT_ONCE = 4
ALSO_DATA_AFTER_NS = 60 * SECOND_NS
GIVE_UP_AFTER_NS = 24 * 60 * MINUTE_NS
REMEMBERED_NS = 30 * MINUTE_NS
LOOK_S = 0.5
MICROS = 1_000_000
LABELS: dict[str, Outcome] = {"Up": "UP", "Down": "DOWN"}


class Told(msgspec.Struct, frozen=True):
    """The first word about a market."""

    market: Market
    winner: Outcome
    at_ns: int


class Resolving:
    """Follows markets until their winner is known. `on_over` gets each market then. `gamma` and `data` are the two
    hosts with their addresses."""

    def __init__(
        self,
        gamma: tuple[Rest, str],
        data: tuple[Rest, str],
        around: Surroundings,
        on_over: Callable[[Market], None],
    ) -> None:
        self._gamma, self._gamma_url = gamma
        self._data, self._data_url = data
        self._around = around
        self._on_over = on_over
        self._open: dict[str, Listing] = {}
        self._asked_ns: dict[str, int] = {}
        self._over: dict[str, Told] = {}

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
        markets = [listing.market for listing in self._open.values()]
        for market in (*markets, *(told.market for told in self._over.values())):
            winner = _winner_of(market, message)
            if winner is not None:
                self._settle(market, winner, "market_resolved", message.stamped_ns)

    async def keep(self) -> None:
        """Asks for winners that have not been told, until it is cancelled."""
        while True:
            due = self._due()
            for start in range(0, len(due), ASKED_AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for listing in due[start : start + ASKED_AT_ONCE]:
                        group.create_task(self._ask(listing), name=f"winner of {listing.market.market_id}")
            await asyncio.sleep(LOOK_S)

    def _due(self) -> list[Listing]:
        now_ns = self._around.now_ns()
        for slug in [slug for slug, told in self._over.items() if now_ns - told.at_ns > REMEMBERED_NS]:
            del self._over[slug]
        for slug, listing in list(self._open.items()):
            if now_ns - listing.market.end_ns > GIVE_UP_AFTER_NS:
                self._around.tell(f"nobody has told the winner of {slug} for a day; it is not asked for any more")
                self._leave(listing.market)
        return [
            listing
            for slug, listing in self._open.items()
            if now_ns >= listing.market.end_ns + ASK_AFTER_NS
            and now_ns - self._asked_ns.get(slug, 0) >= _every_ns(now_ns - listing.market.end_ns)
        ]

    async def _ask(self, listing: Listing) -> None:
        """What fails is asked again; what fails for long is seen in the health of the reads."""
        market, now_ns = listing.market, self._around.now_ns()
        self._asked_ns[market.market_id] = now_ns
        with contextlib.suppress(FeedFailed):
            await self._ask_gamma(market)
        if market.market_id in self._open and now_ns >= market.end_ns + ALSO_DATA_AFTER_NS:
            with contextlib.suppress(FeedFailed):
                await self._ask_data(listing)

    async def _ask_gamma(self, market: Market) -> None:
        slug = market.market_id
        found = decode_market(await self._gamma.get(f"{self._gamma_url}/markets/slug/{slug}"), slug)
        if isinstance(found, Listing) and found.resolved is not None:
            self._settle(market, found.resolved, "gamma", 0)

    async def _ask_data(self, listing: Listing) -> None:
        url = f"{self._data_url}/v2/resolutions"
        body = await self._data.get(url, {"condition_id": listing.condition})
        page = decode_resolutions(body, self._around.reject)
        for resolution in page.resolutions if page is not None else ():
            if resolution.status == "resolved" and resolution.payouts in ((MICROS, 0), (0, MICROS)):
                winner: Outcome = "UP" if resolution.payouts[0] else "DOWN"
                self._settle(listing.market, winner, "data_api", resolution.resolved_ns)

    def _settle(self, market: Market, winner: Outcome, source: str, stamped_ns: int) -> None:
        before = self._over.get(market.market_id)
        if before is not None:
            if before.winner == OPPOSITE[winner]:
                self._around.tell(
                    f"{market.market_id}: {source} says {winner}, after {before.winner} was told and booked"
                )
            return
        now_ns = self._around.now_ns()
        self._over[market.market_id] = Told(market, winner, now_ns)
        self._around.put(Resolved(now_ns, market.market_id, winner, f"polymarket:{source}", stamped_ns))
        self._leave(market)

    def _leave(self, market: Market) -> None:
        self._open.pop(market.market_id, None)
        self._asked_ns.pop(market.market_id, None)
        self._on_over(market)


def _every_ns(since_end_ns: int) -> int:
    return ASK_EVERY_NS if since_end_ns < ASK_SELDOM_FROM_NS else MINUTE_NS


def _winner_of(market: Market, message: MarketResolved) -> Outcome | None:
    """By its token; by its label where the message names no token. None when it is about another market."""
    if message.winning_token:
        is_ours = message.winning_token in (market.up, market.down)
        return market.outcome_of(message.winning_token) if is_ours else None
    return LABELS.get(message.winning_outcome) if market.up in message.tokens else None
