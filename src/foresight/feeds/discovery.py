"""Finds the markets of every slot before their windows open (venue spec §3): by the slug of the window, from Gamma.

A market that does not parse, or whose rules are not those that the bot knows, is refused with its reason and not
traded. It is asked for again, like one that is not there yet, until its window is over: one wrong answer costs no
window.
"""

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from foresight.errors import FeedFailed
from foresight.events import Listed
from foresight.feeds.rest import Missing, Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import SECOND_NS, TIMEFRAME_NS
from foresight.wire.gamma import Listing, NotYet, Refused, decode_market, slug_of, window_start_s

AHEAD = 2
"""Windows after the open one that are known in advance."""
LOOK_S = 0.25
AGAIN_NS = 5 * SECOND_NS
REFUSED_AGAIN_NS = 30 * SECOND_NS
ASKED_AT_ONCE = 8
KEPT_NS = 3_600 * SECOND_NS


class Wanted(msgspec.Struct, frozen=True):
    """One window of one slot."""

    slug: str
    asset: str
    timeframe: str
    start_s: int
    end_s: int


class Discovery:
    """`on_listing` gets every market once, after it has been put before the engine."""

    def __init__(
        self,
        rest: Rest,
        gamma: str,
        slots: Iterable[tuple[str, str]],
        around: Surroundings,
        on_listing: Callable[[Listing], None],
    ) -> None:
        self.known: dict[str, Listing] = {}
        self.refused: dict[str, str] = {}
        self._rest = rest
        self._gamma = gamma
        self._slots = tuple(slots)
        self._around = around
        self._on_listing = on_listing
        self._asked_ns: dict[str, int] = {}
        self._missing: dict[str, str] = {}
        self._versions: set[str] = set()

    def problems(self) -> dict[str, str]:
        """Slugs of windows that should be tradable now and are not, with the reason."""
        return {**self._missing, **self.refused}

    async def keep(self) -> None:
        """Looks for what is missing, until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Asks once for every window that is not known and whose time to be asked for has come."""
        now_ns = self._around.now_ns()
        wanted = [each for each in self._wanted(now_ns) if self._is_due(each, now_ns)]
        self._forget(now_ns)
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for each in wanted[start : start + ASKED_AT_ONCE]:
                    group.create_task(self._ask(each), name=f"discovery {each.slug}")

    def _wanted(self, now_ns: int) -> list[Wanted]:
        windows = []
        for ahead in range(AHEAD + 1):
            for asset, timeframe in self._slots:
                length_s = TIMEFRAME_NS[timeframe] // SECOND_NS
                start_s = window_start_s(now_ns // SECOND_NS, timeframe) + ahead * length_s
                slug = slug_of(asset, timeframe, start_s)
                windows.append(Wanted(slug, asset, timeframe, start_s, start_s + length_s))
        return windows

    def _is_due(self, each: Wanted, now_ns: int) -> bool:
        if each.slug in self.known:
            return False
        asked_ns = self._asked_ns.get(each.slug)
        again_ns = REFUSED_AGAIN_NS if each.slug in self.refused else AGAIN_NS
        return asked_ns is None or now_ns - asked_ns >= again_ns

    def _forget(self, now_ns: int) -> None:
        for slug, listing in list(self.known.items()):
            if now_ns - listing.market.end_ns > KEPT_NS:
                del self.known[slug]
        for kept in (self.refused, self._missing, self._asked_ns):
            for slug in [slug for slug in kept if now_ns - _end_ns(slug) > 0]:
                del kept[slug]

    async def _ask(self, each: Wanted) -> None:
        self._asked_ns[each.slug] = self._around.now_ns()
        try:
            found = decode_market(await self._rest.get(f"{self._gamma}/markets/slug/{each.slug}"), each.slug)
        except Missing:
            self._missing[each.slug] = "the venue does not list it"
            return
        except FeedFailed as error:
            self._missing[each.slug] = str(error)
            return
        match found:
            case Listing():
                self._found(found)
            case NotYet(why=why):
                self._missing[each.slug] = why
            case Refused(why=why):
                if self.refused.get(each.slug) != why:
                    self._around.tell(f"{each.slug} is not traded: {why}")
                self.refused[each.slug] = why

    def _found(self, listing: Listing) -> None:
        slug = listing.market.market_id
        self._missing.pop(slug, None)
        if self.refused.pop(slug, None) is not None:
            self._around.tell(f"{slug} is traded: the venue answers otherwise now")
        if listing.version not in self._versions and self._versions:
            both = " and ".join(sorted({*self._versions, listing.version}))
            self._around.tell(
                f"the venue lists markets of versions {both} side by side; each is traded by its own rules"
            )
        self._versions.add(listing.version)
        self.known[slug] = listing
        if listing.market.end_ns > self._around.now_ns():
            self._around.put(Listed(self._around.now_ns(), listing.market))
        self._on_listing(listing)


def _end_ns(slug: str) -> int:
    """The end of a window by its slug."""
    start, timeframe = int(slug.rsplit("-", 1)[1]) * SECOND_NS, slug.rsplit("-", 2)[1]
    return start + TIMEFRAME_NS[timeframe]
