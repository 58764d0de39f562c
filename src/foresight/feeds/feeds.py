"""All feeds of one bot, put together: which lines there are, what they bring to the engine, and how they are.

    lines       Binance spot, Binance futures (an asset that spot does not have), the market channel, PolyBolt, RTDS
    reads       discovery, winners, books that are quiet or lost, prices to beat, history, the venue's clock

Everything arrives in one queue, the intake, with the time of its arrival. Nothing here decides anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from foresight.effects import Rebuild
from foresight.errors import FeedFailed
from foresight.events import MarketEvent
from foresight.feeds.binance import FUTURES, SPOT, BinanceChannel
from foresight.feeds.books import BooksByRest
from foresight.feeds.clob import ClobChannel
from foresight.feeds.discovery import Discovery
from foresight.feeds.endpoints import Endpoints
from foresight.feeds.exchange import channels_of
from foresight.feeds.health import BEHIND_MS, ConnectionHealth, FeedsHealth, ReadsHealth
from foresight.feeds.history import history_of
from foresight.feeds.intake import Intake
from foresight.feeds.line import Line
from foresight.feeds.polybolt import Credentials, PolyboltChannel
from foresight.feeds.rejects import Rejects
from foresight.feeds.resolving import Resolving
from foresight.feeds.rest import Denied, Rest
from foresight.feeds.rtds import RtdsChannel
from foresight.feeds.supervisor import Supervisor
from foresight.feeds.telling import Surroundings
from foresight.feeds.venue_clock import VenueClock
from foresight.feeds.watching import Watching
from foresight.feeds.website import WebsitePrices
from foresight.markets import MINUTE_NS, SECOND_NS, Market, Token
from foresight.sources.simulated.noise import uniform_stream
from foresight.topics import topic_of, traded_asset
from foresight.wire.binance_rest import decode_symbols
from foresight.wire.clob import MarketResolved
from foresight.wire.gamma import Listing

ONLY_FUTURES = ("HYPE",)
"""What Binance spot does not list (venue spec §10.1), for when it cannot be asked."""
WRITE_EVERY_S = 1.0
WARM_LOOK_S = 0.02
SHOWN_NS = 10 * SECOND_NS
"""So long it is said that events were joined."""
LISTEN_ON_NS = 10 * MINUTE_NS
"""After its end a market's outcomes are listened to for so long, because the winner may be told there. Then only reads
ask for it: a day of windows without winners is more than the 500 outcomes that a connection may have (venue spec
§6.1)."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow, and where. `credentials` gives those to present now; without any the oracle is not heard from
    PolyBolt."""

    slots: tuple[tuple[str, str], ...]
    endpoints: Endpoints
    credentials: Callable[[], Credentials] | None
    is_redundant: bool = False
    has_rtds: bool = False
    has_website: bool = True

    @property
    def assets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(asset for asset, _ in self.slots))


class Feeds:
    """Made outside the loop's tasks; `run` keeps everything up until it is cancelled."""

    def __init__(
        self,
        plan: Plan,
        *,
        now_ns: Callable[[], int],
        way_ns: int,
        rejects: Path,
        tell: Callable[[str], None],
        spot: Iterable[str],
    ) -> None:
        """`spot` are the assets whose symbols Binance spot trades; the others are followed on its futures. `way_ns` is
        that of `Surroundings`."""
        self.plan = plan
        self.intake = Intake()
        self.rejects = Rejects(rejects)
        self.rest = {name: Rest(name) for name in ("binance", "clob", "gamma", "data", "website")}
        self._now_ns = now_ns
        self._tell = tell
        self._uniform = uniform_stream(now_ns(), "feeds")  # not all bots shall come back in the same instant
        self._around = Surroundings(self.intake.put, now_ns, self._reject, tell, way_ns)
        self._current: dict[str, Market] = {}
        self._spot = tuple(asset for asset in plan.assets if asset in set(spot))
        self._supervisor = Supervisor(tell)
        self._conflated, self._conflated_ns = 0, 0
        self._lines: list[Line] = []
        self._binance: list[tuple[BinanceChannel, Line]] = []
        for feed, assets in ((SPOT, self._spot), (FUTURES, self._futures())):
            if assets:
                self._binance += self._binance_lines(feed, {f"{asset}USDT": asset for asset in assets})
        self._watching = Watching(
            self.rest["binance"],
            plan.endpoints.binance,
            self._around,
            have=self._binance,
            make=self._binance_lines,
            keep=self._supervisor.keep,
        )
        self._clob = ClobChannel(plan.endpoints.clob_market, self._around, self._resolved)
        self._clob_line = self._line(self._clob)
        self._polybolt = self._polybolt_line()
        if plan.has_rtds:
            pairs = {f"{asset.lower()}/usd": asset for asset in plan.assets}
            self._line(RtdsChannel(plan.endpoints.rtds, pairs, self._around, self._has_average))
        self._reads(plan)

    def _reads(self, plan: Plan) -> None:
        endpoints, around = plan.endpoints, self._around
        self.discovery = Discovery(self.rest["gamma"], endpoints.gamma, plan.slots, around, self._listed)
        hosts = (self.rest["gamma"], endpoints.gamma), (self.rest["data"], endpoints.data)
        self.resolving = Resolving(*hosts, around, self._over)
        self.books = BooksByRest(
            self.rest["clob"],
            endpoints.clob,
            self._clob,
            around,
            current=self._open_tokens,
            on_deaf=lambda token: self._clob.ask_again(token, self._clob_line.connections),
        )
        self.clock = VenueClock(self.rest["binance"], endpoints.binance, around)
        self.website = WebsitePrices(
            self.rest["website"], endpoints.website, around, current=self._open_markets, is_known=self._has_average
        )

    def _futures(self) -> list[str]:
        return [asset for asset in self.plan.assets if asset not in self._spot]

    def _binance_lines(self, feed: str, assets: Mapping[str, str]) -> list[tuple[BinanceChannel, Line]]:
        """New lines of one market of Binance, for these symbols; nothing is opened yet."""
        made = []
        for channel in channels_of(feed, assets, self.plan.endpoints, self._around):
            line = self._line(channel)
            channel.renew = line.renew
            made.append((channel, line))
        return made

    def series_of(self, name: str) -> str:
        """See `Feeding`: the spot symbol of an asset that is followed there, or its perpetual."""
        topic, asset = topic_of(name), traded_asset(name, self.plan.assets)
        return asset if asset is not None and (topic.adapter == SPOT) == (asset in self._spot) else name

    def watch(self, names: Iterable[str], done: Callable[[str | None], None]) -> None:
        self._watching.watch([name for name in names if self.series_of(name) == name], done)

    def watch_only(self, names: Iterable[str]) -> None:
        for line in self._watching.watch_only(names):
            self._lines.remove(line)

    def _polybolt_line(self) -> PolyboltChannel | None:
        credentials = self.plan.credentials
        if credentials is None:
            return None
        symbols = {f"{asset.lower()}usd": asset for asset in self.plan.assets}
        channel = PolyboltChannel(self.plan.endpoints.polybolt, symbols, credentials, self._around, self._uniform)
        channel.renew = self._line(channel).renew
        return channel

    def _line(self, channel: BinanceChannel | ClobChannel | PolyboltChannel | RtdsChannel) -> Line:
        line = Line(channel, self._tell, self._uniform, strands=2 if self.plan.is_redundant else 1)
        self._lines.append(line)
        return line

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(self._lines)

    async def run(self) -> None:
        """Keeps lines and reads up until it is cancelled."""
        works: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            (line.channel.name, line.keep) for line in self._lines
        ]
        works += [("discovery", self.discovery.keep), ("winners", self.resolving.keep), ("books", self.books.keep)]
        works += [("rejects", self._write_rejects), ("venue's clock", self.clock.keep)]
        works += [("further topics", self._watching.keep)]
        if self.plan.has_website:
            works.append(("prices to beat", self.website.keep))
        try:
            async with asyncio.TaskGroup() as group:
                for name, work in works:
                    group.create_task(self._supervisor.keep(name, work), name=name)
        finally:
            for rest in self.rest.values():
                await rest.close()

    async def warm(self, seconds: float) -> list[str]:
        """Waits until every slot's market has a book and every asset a price, or so long; what is missing comes back as
        sentences."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while (missing := self.missing()) and loop.time() < until_s:  # noqa: ASYNC110 - many parts fill it
            await asyncio.sleep(WARM_LOOK_S)
        return missing

    def missing(self) -> list[str]:
        """What has not been heard of yet."""
        heard = {
            channel_asset
            for channel, _ in self._binance
            for channel_asset in channel.assets
            if channel.told_ns(channel_asset)
        }
        missing = [f"no price of {asset}" for asset in self.plan.assets if asset not in heard]
        for market in self._slots_now():
            if isinstance(market, str):
                missing.append(market)
            elif self._clob.awaits_book(market.up):
                missing.append(f"no book of {market.market_id}")
        return missing

    def _slots_now(self) -> list[Market | str]:
        open_now = {(market.asset, market.timeframe): market for market in self._open_markets()}
        return [open_now.get(slot, f"no market of {slot[0]} {slot[1]}") for slot in self.plan.slots]

    async def history(self) -> list[MarketEvent]:
        """What the underlyings did in the last half hour."""
        symbols = {f"{asset}USDT": asset for asset in self._spot}
        return list(await history_of(self.rest["binance"], self.plan.endpoints.binance, symbols, self._around))

    def rebuild(self, lost: Rebuild) -> None:
        """A book that the engine has lost."""
        self.books.rebuild(lost)

    def health(self) -> FeedsHealth:
        now_ns, waits_since_ns = self._now_ns(), self.intake.waits_since_ns()
        lines: list[ConnectionHealth] = [_connection_health(line) for line in self._lines]
        return FeedsHealth(
            lines=tuple(lines),
            reads=tuple(_reads_health(rest) for rest in self.rest.values()),
            waiting=len(self.intake),
            waiting_ms=0.0 if waits_since_ns is None else max(0.0, (now_ns - waits_since_ns) / 1e6),
            conflated=self.intake.conflated,
            rejects=dict(self.rejects.counts),
            books_by_rest=self.books.read,
            deaf=self.books.deaf,
            winners_awaited=self.resolving.waiting,
            clock_offset_ms=self.clock.offset_ms,
            problems=self.discovery.problems(),
            topics=self._watching.ages_s(now_ns),
        )

    def clock_offset_ms(self) -> float:
        """The venue's clock minus ours, as last asked."""
        return self.clock.offset_ms

    def clock_is_told(self) -> bool:
        """Whether the venue answered when it was last asked for its clock."""
        return self.clock.is_told

    def problems(self) -> list[str]:
        """What a person should know now."""
        found = [line.problem() for line in self._lines]
        found += self._supervisor.problems()
        now_ns, since_ns = self._now_ns(), self.intake.waits_since_ns()
        waiting_ms = 0.0 if since_ns is None else (now_ns - since_ns) / 1e6
        if waiting_ms > BEHIND_MS:
            found.append(f"the engine is {waiting_ms:.0f} ms behind its feeds, {len(self.intake)} events wait")
        if self.intake.conflated != self._conflated:
            self._conflated, self._conflated_ns = self.intake.conflated, now_ns
        if self._conflated and now_ns - self._conflated_ns < SHOWN_NS:
            found.append(
                f"the engine cannot keep up: {self._conflated} market events were joined with newer ones so far"
            )
        return [problem for problem in found if problem]

    def _reject(self, kind: str, why: str, frame: bytes) -> None:
        if not self.rejects.counts[kind]:
            self._tell(f"a frame did not parse ({kind}): {why}; the first of its kind is kept in data/rejects")
        self.rejects.take(kind, why, frame, self._now_ns())

    async def _write_rejects(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await asyncio.to_thread(self.rejects.write)
            except OSError as error:
                self._tell(f"rejected frames cannot be kept: {error}; they are counted all the same")
                await asyncio.sleep(60 * WRITE_EVERY_S)

    def _listed(self, listing: Listing) -> None:
        market = listing.market
        self._leave_ended()
        self._current[market.market_id] = market
        self.resolving.follow(listing)
        if market.market_id in self._current:
            self._clob.follow((market.up, market.down), self._clob_line.connections, market.tick_micros)

    def _resolved(self, message: MarketResolved) -> None:
        self.resolving.heard(message)

    def _leave_ended(self) -> None:
        """Called when others come, so what is listened to stays few, however long nobody tells winners."""
        listened_ns = self._now_ns() - LISTEN_ON_NS
        for market in [market for market in self._current.values() if market.end_ns < listened_ns]:
            self._over(market)

    def _over(self, market: Market) -> None:
        """Listens to it no more."""
        self._current.pop(market.market_id, None)
        self._clob.leave((market.up, market.down), self._clob_line.connections)

    def _open_markets(self) -> list[Market]:
        now_ns = self._now_ns()
        return [market for market in self._current.values() if market.start_ns <= now_ns < market.end_ns]

    def _open_tokens(self) -> list[Token]:
        return [token for market in self._open_markets() for token in (market.up, market.down)]

    def _has_average(self, asset: str, stamped_ns: int) -> bool:
        return self._polybolt is not None and self._polybolt.has(asset, stamped_ns)


def _connection_health(line: Line) -> ConnectionHealth:
    channel = line.channel
    return ConnectionHealth(
        line=line.health(),
        lag_p50_ms=channel.lags.quantile_ms(0.5),
        lag_p99_ms=channel.lags.quantile_ms(0.99),
        duplicates=channel.duplicates,
    )


def _reads_health(rest: Rest) -> ReadsHealth:
    return ReadsHealth(name=rest.name, asked=rest.asked, failed=rest.failed, last_failure=rest.last_failure)


async def spot_assets(rest: Rest, binance: str, assets: Iterable[str], tell: Callable[[str], None]) -> list[str]:
    """The assets whose dollar symbol Binance spot trades now. Where it cannot be asked, those that it is known not to
    list are left out."""
    found = []
    for asset in assets:
        symbol = f"{asset}USDT"
        try:
            body = await rest.get(f"{binance}/api/v3/exchangeInfo", {"symbol": symbol})
        except Denied:
            continue
        except FeedFailed as error:
            tell(f"Binance cannot be asked for {symbol}: {error}; it is taken for what it was known to be")
            found += [asset] if asset not in ONLY_FUTURES else []
            continue
        status = decode_symbols(body, lambda _kind, _why, _frame: None).get(symbol, "")
        if status != "TRADING":
            tell(f"{symbol} is {status or 'not listed'} on Binance spot")
        found += [asset] if status else []
    return found
