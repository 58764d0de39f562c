"""A line to one endpoint: connections that are kept up as long as the bot runs.

A connection that ends is replaced at once, and when it cannot be, again and again with growing pauses. One that will
end (the venue says so, or it is nearly as old as the venue lets one be), and one that has fallen silent, is replaced
before it is closed: the new one is opened, subscribed and heard first (make before break), so nothing is lost in
between. A new one that stays mute replaces none that is heard: it is closed, and another is tried. With `strands=2` two
connections stand side by side all the time; what both bring is taken once. Where the venue refuses us, a line stays
away: it tries again after growing pauses, up to an hour, and at once when what was refused is another. A connection
that stands and is heard is kept meanwhile.

What is said on a connection and what its frames mean is the channel's.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from foresight.errors import FeedFailed
from foresight.feeds.connection import Connection, Ended, connect
from foresight.feeds.health import LineHealth, State
from foresight.feeds.telling import Lags

RETRY_FIRST_S = 0.25
RETRY_LONGEST_S = 10.0
WARM_S = 8.0
"""How long a new connection may take until all that was asked for has been heard."""
SHORT_LIVED_S = 10.0
SHORT_LIVED_PAUSE_S = 1.0
"""Venues count attempts (Binance: 300 in five minutes); a connection that ended at once is not replaced at once."""
SHORT_LIVED_MANY = 10
"""After so many in a row the pauses grow, up to `SHORT_LIVED_LONGEST_S`."""
SHORT_LIVED_LONGEST_S = 30.0
LOOK_S = 0.25
AWAY_FIRST_S = 5.0
AWAY_LONGEST_S = 3600.0
"""Between two attempts where the venue wants none of us: that is no loop, and a bot is left running for months."""
AWAY_LOOK_S = 2.5
JITTER = 0.25


class Refusal(msgspec.Struct, frozen=True):
    """The venue wants no more connections of this kind. `is_void` tells whether what it refused is another by now."""

    is_void: Callable[[], bool] = lambda: False


class Channel(Protocol):
    """What is said on the connections of one line, and what their frames mean."""

    name: str
    silence_s: float
    """A connection without data for so long is replaced."""
    age_max_s: float
    """One of this age is replaced, before the venue ends it."""
    lags: Lags
    duplicates: int

    @property
    def url(self) -> str: ...

    def opened(self, connection: Connection) -> None:
        """Says what is wanted, on a new connection."""
        ...

    def took(self, connection: Connection, frame: bytes) -> None: ...

    def keep_alive(self, connection: Connection) -> None:
        """Called every quarter of a second; sends what the venue wants to hear now and then."""
        ...

    def lost(self, connection: Connection) -> None:
        """Told of every connection that has ended."""
        ...

    def pause_after(self, how: Ended) -> float | Refusal:
        """Seconds to wait before another connection, or why there shall be none."""
        ...


class Line:
    """Keeps a channel's connections. `tell` gets a sentence when the line goes down, comes back, or is given up;
    `uniform` gives numbers in [0, 1)."""

    def __init__(
        self, channel: Channel, tell: Callable[[str], None], uniform: Callable[[], float], *, strands: int = 1
    ) -> None:
        self.channel = channel
        self.reconnects = 0
        self.renewals = 0
        self._tell = tell
        self._uniform = uniform
        self._strands = strands
        self._open: dict[int, Connection] = {}
        self._numbers = 0
        self._frames_before = 0
        self._last_end = ""
        self._refusals = 0
        """How often the venue has refused us since we were last heard."""
        self._short_lives = 0
        self._is_told_down = False
        self._renew: dict[int, str] = {}

    @property
    def connections(self) -> list[Connection]:
        return list(self._open.values())

    def say(self, text: bytes) -> None:
        """Sends to every connection that is open; one that opens later asks for what its channel wants then."""
        for connection in self._open.values():
            connection.say(text)

    def renew(self, connection: Connection, why: str) -> None:
        """Asks for a connection to be replaced before it is closed."""
        self._renew.setdefault(connection.number, why)

    def health(self) -> LineHealth:
        silent = min((connection.silent_s() for connection in self._open.values()), default=None)
        return LineHealth(
            name=self.channel.name,
            url=self.channel.url,
            state=self._state(),
            connections=len(self._open),
            reconnects=self.reconnects,
            renewals=self.renewals,
            frames=self._frames_before + sum(connection.frames for connection in self._open.values()),
            silent_s=silent,
            last_end=self._last_end,
        )

    def problem(self) -> str:
        """What is wrong with it, as a sentence; empty while it is open."""
        why = f": {self._last_end}" if self._last_end else ""
        return "" if self._open else f"{self.channel.name} is {self._state()}{why}; what needs it is blind meanwhile"

    def _state(self) -> State:
        if self._open:
            return "open"
        if self._refusals:
            return "given up"
        return "down" if self._numbers else "connecting"

    async def keep(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_alive(), name=f"{self.channel.name} signs of life")
            for number in range(self._strands):
                group.create_task(self._keep_strand(), name=f"{self.channel.name} {number + 1}")

    async def _keep_alive(self) -> None:
        """Of every connection, also of one that waits to be replaced."""
        while True:
            for connection in self.connections:
                self.channel.keep_alive(connection)
            await asyncio.sleep(LOOK_S)

    async def _keep_strand(self) -> None:
        connection = await self._opened()
        try:
            while True:
                why = await self._until_over(connection)
                if connection.is_open:
                    connection = await self._renewed(connection, why)
                else:
                    connection = await self._replaced(connection)
        finally:
            connection.close("the bot leaves", 1001)

    async def _until_over(self, connection: Connection) -> str:
        """Returns when the connection has ended, or why it should be replaced."""
        channel = self.channel
        while connection.is_open:
            if connection.number in self._renew:
                return self._renew.pop(connection.number)
            if connection.age_s() > channel.age_max_s:
                return "as old as the venue lets one be"
            if connection.silent_s() > channel.silence_s:
                return f"no data for {channel.silence_s:.0f} s"
            await connection.wait_ended(LOOK_S)
        return "ended"

    async def _renewed(self, old: Connection, why: str) -> Connection:
        """A new connection, heard from before the old one is closed."""
        self.renewals += 1
        fresh = await self._opened(old)
        self._last_end = f"replaced: {why}"
        old.close(why)
        return fresh

    async def _replaced(self, old: Connection) -> Connection:
        self.reconnects += 1
        if not self._open and old.ended is not None:
            self._is_told_down = True
            self._tell(f"{self.channel.name} is down: {old.ended.text()}; it is opened again")
        try:
            await self._rest(old)
        except _Refused as refused:
            await self._stay_away(refused)
        return await self._opened()

    async def _rest(self, old: Connection) -> None:
        """Waits as long as the way in which a connection ended asks for. Raises _Refused where there shall be no
        other."""
        assert old.ended is not None
        pause_s = self.channel.pause_after(old.ended)
        if isinstance(pause_s, Refusal):
            raise _Refused(old.ended.text(), pause_s)
        if old.age_s() >= SHORT_LIVED_S:
            self._short_lives = 0
        elif not old.ended.by_us:
            self._short_lives += 1
            more = max(0, self._short_lives - SHORT_LIVED_MANY)
            pause_s = max(pause_s, self._grown_s(SHORT_LIVED_PAUSE_S, SHORT_LIVED_LONGEST_S, more))
        await asyncio.sleep(pause_s)

    async def _stay_away(self, refused: "_Refused", old: Connection | None = None) -> None:
        """Returns when there may be another attempt. However many of them fail, it is told once."""
        meanwhile = "the connection that stands goes on meanwhile" if self._is_heard(old) else "what needs it is blind"
        if not self._refusals:
            self._tell(f"{self.channel.name} is given up: {refused}; {meanwhile}; tried again after growing pauses")
        pause_s = self._grown_s(AWAY_FIRST_S, AWAY_LONGEST_S, self._refusals)
        self._refusals += 1
        looks = math.ceil(pause_s / AWAY_LOOK_S)
        for _ in range(looks):
            if refused.refusal.is_void():
                break
            await asyncio.sleep(pause_s / looks)

    def _grown_s(self, first_s: float, longest_s: float, times: int) -> float:
        """A pause that has doubled so many times; not all bots shall come back in the same instant."""
        return min(longest_s, first_s * 2.0 ** min(times, 30)) * (1.0 + JITTER * self._uniform())

    async def _opened(self, old: Connection | None = None) -> Connection:
        """A connection to go on with, however long it takes. While `old` is open and heard, a mute one is not taken
        for it."""
        retrying = AsyncRetrying(
            wait=wait_random_exponential(multiplier=RETRY_FIRST_S, max=RETRY_LONGEST_S),
            retry=retry_if_exception_type(FeedFailed),
            before_sleep=self._failed,
        )
        while True:
            try:
                return await retrying(self._try, old)
            except _Refused as refused:
                if old is not None and not self._is_heard(old):
                    old.close("silent, and the venue wants no more")
                await self._stay_away(refused, old)

    def _failed(self, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        self._last_end = str(error)
        if not self._open and not self._is_told_down:
            self._is_told_down = True
            self._tell(f"{self.channel.name} is down: {error}; it is tried again until it is back")

    async def _try(self, old: Connection | None) -> Connection:
        self._numbers += 1
        url, channel = self.channel.url, self.channel
        connection = await connect(url, self._numbers, channel.took, self._forget, self._begin)
        try:
            await connection.wait_warm(WARM_S)
        except BaseException:  # raised again: a cancelled attempt leaves no connection without an owner
            connection.close("not needed any more")
            raise
        if connection.ended is not None:
            await self._rest(connection)
            raise FeedFailed(f"{url} {connection.ended.text()} before it was heard")
        if not connection.has_spoken and self._is_heard(old):
            connection.close("mute")
            raise FeedFailed(f"{url} brought no data within {WARM_S:g} s")
        if self._is_told_down or self._refusals:
            self._is_told_down, self._refusals = False, 0
            self._tell(f"{self.channel.name} is back")
        return connection

    def _is_heard(self, old: Connection | None) -> bool:
        return old is not None and old.is_open and old.silent_s() <= self.channel.silence_s

    def _begin(self, connection: Connection) -> None:
        self._open[connection.number] = connection
        self.channel.opened(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection.number, None)
        self._renew.pop(connection.number, None)
        self._frames_before += connection.frames
        if connection.ended is not None and not connection.ended.by_us:
            self._last_end = connection.ended.text()
        self.channel.lost(connection)


class _Refused(Exception):
    def __init__(self, how: str, refusal: Refusal) -> None:
        super().__init__(how)
        self.refusal = refusal
