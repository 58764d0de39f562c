"""The price to beat from the venue's website (venue spec §7.3), where the oracle's own observation of the open was not
heard: undocumented, so optional, asked for gently, and named as what it is wherever the number goes.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from foresight.errors import FeedFailed
from foresight.events import Reference
from foresight.feeds.rest import Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import SECOND_NS, Market
from foresight.wire.website import decode_price_to_beat

AFTER_OPEN_NS = 8 * SECOND_NS
"""Its first values were now and then corrected; the oracle's own has long come by then."""
ASK_EVERY_S = 2.0
VARIANTS = {"5m": "fiveminute", "15m": "fifteen"}
SOURCE = "website_ptb"


class WebsitePrices:
    """`current` gives the markets that are open now; `is_known` says whether the oracle told the open of (asset,
    time)."""

    def __init__(
        self,
        rest: Rest,
        website: str,
        around: Surroundings,
        *,
        current: Callable[[], Iterable[Market]],
        is_known: Callable[[str, int], bool],
    ) -> None:
        self.told = 0
        self._rest = rest
        self._url = f"{website}/api/crypto/crypto-price"
        self._around = around
        self._current = current
        self._is_known = is_known
        self._told: dict[str, int] = {}
        self._asked: Counter[str] = Counter()

    async def keep(self) -> None:
        """Asks for one missing open at a time, each in its turn, until it is cancelled."""
        while True:
            for market in sorted(self._missing(), key=lambda market: self._asked[market.market_id])[:1]:
                self._asked[market.market_id] += 1
                await self._ask(market)
            await asyncio.sleep(ASK_EVERY_S)

    def _missing(self) -> list[Market]:
        now_ns, open_now = self._around.now_ns(), list(self._current())
        for kept in (self._told, self._asked):
            for slug in kept.keys() - {market.market_id for market in open_now}:
                del kept[slug]
        return [
            market
            for market in open_now
            if market.market_id not in self._told
            and now_ns >= market.start_ns + AFTER_OPEN_NS
            and not self._is_known(market.asset, market.start_ns)
        ]

    async def _ask(self, market: Market) -> None:
        params = {
            "symbol": market.asset,
            "eventStartTime": _iso(market.start_ns),
            "variant": VARIANTS[market.timeframe],
            "endDate": _iso(market.end_ns),
            "twapEnabled": "true",
            "twapLookbackSeconds": "60",
        }
        try:
            found = decode_price_to_beat(await self._rest.get(self._url, params), self._around.reject)
        except FeedFailed:
            return
        if found is not None and found.open is not None:
            self._told[market.market_id] = now_ns = self._around.now_ns()
            self.told += 1
            timeframe = market.timeframe
            told = Reference(now_ns, market.asset, "price_to_beat", found.open, market.start_ns, SOURCE, timeframe)
            self._around.put(told)


def _iso(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
