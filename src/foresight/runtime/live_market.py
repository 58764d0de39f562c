"""A venue over sockets as a source of market events: its clock, its feeds, and what they bring."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from foresight.engine.settings import way_ns_at
from foresight.errors import FeedFailed, VenueRefused
from foresight.events import MarketEvent
from foresight.feeds.endpoints import Endpoints
from foresight.feeds.feeds import Feeds, Plan, spot_assets
from foresight.feeds.rest import Rest
from foresight.markets import Origin
from foresight.runtime.clock import PacedClock, wall_ns

WARM_S = 20.0


class LocalClock(msgspec.Struct, frozen=True, kw_only=True):
    """What a local venue says of its time: `venue_ns` at `monotonic_ns` of this machine, `speed` times as fast; and of
    what it trades."""

    monotonic_ns: int
    venue_ns: int
    speed: float
    origin: Origin
    name: str
    slots: tuple[tuple[str, str], ...]


class Joined(msgspec.Struct, frozen=True):
    """A venue whose time is known."""

    clock: PacedClock
    speed: float
    origin: Origin
    name: str
    slots: tuple[tuple[str, str], ...] | None


class LiveMarket:
    """The source. `problems` are what was missing when it was opened."""

    is_live = True

    def __init__(self, feeds: Feeds, joined: Joined, start_ns: int, missing: list[str]) -> None:
        self.feeds = feeds
        self.joined = joined
        self.origin = joined.origin
        self.name = joined.name
        self.start_ns = start_ns
        self.slots = feeds.plan.slots
        self.missing = missing

    def events(self) -> Iterator[MarketEvent]:
        return self.feeds.intake


async def join(endpoints: Endpoints) -> Joined:
    """The venue's clock: a local one tells its own, a real one runs by the wall's. Raises VenueRefused."""
    if not endpoints.control:
        return Joined(PacedClock(wall_ns(), 1.0), 1.0, "live", "Polymarket", None)
    rest = Rest("control")
    try:
        told = msgspec.json.decode(await rest.get(f"{endpoints.control}/clock"), type=LocalClock)
    except (FeedFailed, msgspec.MsgspecError) as error:
        raise VenueRefused(f"the local venue at {endpoints.clob} does not tell its time: {error}") from None
    finally:
        await rest.close()
    clock = PacedClock.at_anchor(told.monotonic_ns, told.venue_ns, told.speed)
    return Joined(clock, told.speed, told.origin, told.name, told.slots)


async def make_feeds(plan: Plan, joined: Joined, rejects: Path, tell: Callable[[str], None]) -> Feeds:
    """The feeds of a plan, nothing running yet. Asks Binance which symbols it has."""
    rest = Rest("binance")
    try:
        spot = await spot_assets(rest, plan.endpoints.binance, plan.assets, tell)
    finally:
        await rest.close()
    now_ns, way_ns = joined.clock.now_ns, way_ns_at(joined.speed)
    return Feeds(plan, now_ns=now_ns, way_ns=way_ns, rejects=rejects, tell=tell, spot=spot)


async def opened(feeds: Feeds, joined: Joined, tell: Callable[[str], None]) -> LiveMarket:
    """Waits for the running feeds to be warm, takes history, and begins: rounds are due once live code is up. What is
    missing is told, and its slots are blind until it comes. Raises VenueRefused when there is nothing at all."""
    missing = await feeds.warm(WARM_S)
    if len(missing) >= len(feeds.plan.slots) + len(feeds.plan.assets):
        raise VenueRefused(f"nothing is heard from {feeds.plan.endpoints.clob}: {', '.join(missing[:4])} …")
    for sentence in missing:
        tell(f"{sentence} yet; what needs it is blind until it comes")
    feeds.intake.begin_with(await feeds.history())
    return LiveMarket(feeds, joined, joined.clock.now_ns(), missing)
