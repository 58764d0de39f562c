"""Further topics: symbols that a release needs besides the slots' own, followed while the bot runs.

They are asked for on the connections that stand already, and on their successors; where a market of Binance has no line
yet, one is made. A topic is warm once a price of it has been heard. Its last half hour is read first, because prices
are taken in the order of their time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

import msgspec

from foresight.errors import FeedFailed
from foresight.feeds.binance import SPOT, BinanceChannel
from foresight.feeds.history import closes_of
from foresight.feeds.line import Line
from foresight.feeds.rest import Denied, Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import SECOND_NS
from foresight.topics import Topic, topic_of
from foresight.wire.binance_rest import decode_symbols

WARM_S = 10.0
"""So long the topics of one release may take until each has a price."""
LOOK_S = 0.02

Done = Callable[[str | None], None]
Made = list[tuple[BinanceChannel, Line]]


class Watching:
    """`have` are the lines to Binance; `make` adds those of one market, given its symbols, and `keep` keeps one up.
    Prices of a topic carry its name as their asset."""

    def __init__(
        self,
        rest: Rest,
        binance: str,
        around: Surroundings,
        *,
        have: Made,
        make: Callable[[str, Mapping[str, str]], Made],
        keep: Callable[[str, Callable[[], Awaitable[None]]], Coroutine[None, None, None]],
    ) -> None:
        self._rest = rest
        self._binance = binance
        self._around = around
        self._have = have
        self._make = make
        self._keep = keep
        self._own: dict[Line, asyncio.Task[None]] = {}
        """The lines that were made for topics alone."""
        self._wanted: set[str] = set()
        self._followed: dict[str, Topic] = {}
        self._asked: asyncio.Queue[tuple[list[str], Done]] = asyncio.Queue()
        """Short: one release is prepared at a time."""
        self._group: asyncio.TaskGroup | None = None

    def watch(self, names: Iterable[str], done: Done) -> None:
        """Begins to follow what is not followed yet. `done` is told None once every one of these has a price; or why
        not, and nothing is begun where one of them does not exist."""
        names = list(names)
        self._wanted.update(names)
        if all(self._told_ns(name) is not None for name in names):
            done(None)
        else:
            self._asked.put_nowait((names, done))

    def watch_only(self, names: Iterable[str]) -> list[Line]:
        """Lets go what is not among these; returned are the lines that have ended with it."""
        self._wanted = set(names)
        gone = [self._followed.pop(name) for name in list(self._followed) if name not in self._wanted]
        for channel, line in self._have:
            mine = [topic.name for topic in gone if topic.adapter == channel.feed]
            if mine:
                channel.drop(mine, line.connections)
        ended = [(channel, line) for channel, line in self._have if line in self._own and not channel.assets]
        for each in ended:
            self._have.remove(each)
            self._own.pop(each[1]).cancel()
        return [line for _, line in ended]

    def ages_s(self, now_ns: int) -> dict[str, float | None]:
        """Seconds since the newest price of each topic that is followed."""
        told = {name: self._told_ns(name) for name in self._followed}
        return {name: None if at is None else (now_ns - at) / SECOND_NS for name, at in told.items()}

    async def keep(self) -> None:
        """Brings what is asked for, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while True:
                names, done = await self._asked.get()
                group.create_task(self._bring(names, done), name=f"further topics {', '.join(names)}")

    async def _bring(self, names: list[str], done: Done) -> None:
        fresh = [topic_of(name) for name in names if name not in self._followed]
        try:
            async with asyncio.timeout(WARM_S):
                absent = [why for why in [await self._absent(topic) for topic in fresh] if why]
                if not absent:
                    await self._take_history(fresh)
                    self._follow(fresh)
                while not absent and self._silent(names):  # noqa: ASYNC110 - the sockets fill it
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            self._follow(fresh)  # a start goes on without them, and they may come later
            absent = [f"no price of {', '.join(self._silent(names))} within {WARM_S:g} s"]
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the other topics go on
            absent = [f"{', '.join(names)} cannot be had: {type(error).__name__}: {error}"]
        done("; ".join(absent) or None)

    def _silent(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self._wanted and self._told_ns(name) is None]

    def _told_ns(self, name: str) -> int | None:
        told = (channel.told_ns(name) for channel, _ in self._have)
        return max((at for at in told if at is not None), default=None)

    async def _absent(self, topic: Topic) -> str:
        """Why there is no such symbol; empty where there is, or where nobody says (venue spec §10.4). Futures are not
        asked: their host is another one, and a symbol that is not there is silent."""
        if topic.adapter != SPOT:
            return ""
        try:
            body = await self._rest.get(f"{self._binance}/api/v3/exchangeInfo", {"symbol": topic.symbol})
        except Denied:
            return f"{topic.name}: Binance spot has no symbol {topic.symbol} (-1121)"
        except FeedFailed as error:
            self._around.tell(f"Binance cannot be asked for {topic.symbol}: {error}; its stream is waited for")
            return ""
        status = decode_symbols(body, self._around.reject).get(topic.symbol, "not told")
        return "" if status == "TRADING" else f"{topic.name}: {topic.symbol} is {status} on Binance spot"

    async def _take_history(self, topics: Iterable[Topic]) -> None:
        """Candles of a second, which futures have none of."""
        for topic in topics:
            if topic.adapter == SPOT:
                closes = await closes_of(self._rest, self._binance, topic.symbol, topic.name, self._around)
                now_ns = self._around.now_ns()
                for spot in closes:  # they arrive now, and keep the time that the venue gave them
                    self._around.put(msgspec.structs.replace(spot, at_ns=now_ns))

    def _follow(self, topics: Iterable[Topic]) -> None:
        """Asks for the streams of those that are still wanted."""
        by_feed: dict[str, dict[str, str]] = {}
        for topic in topics:
            if topic.name in self._wanted and topic.name not in self._followed:
                self._followed[topic.name] = topic
                by_feed.setdefault(topic.adapter, {})[topic.symbol] = topic.name
        for feed, symbols in by_feed.items():
            there = [(channel, line) for channel, line in self._have if channel.feed == feed]
            for channel, line in there:
                channel.add(symbols, line.connections)
            if not there:
                self._open(feed, symbols)

    def _open(self, feed: str, symbols: Mapping[str, str]) -> None:
        assert self._group is not None, "what is asked for is brought while it is kept up"
        for channel, line in self._make(feed, symbols):
            self._have.append((channel, line))
            self._own[line] = self._group.create_task(self._keep(channel.name, line.keep), name=channel.name)
