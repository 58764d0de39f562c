"""The markets' books and trades, from Polymarket's market channel (venue spec §6.1).

A connection that is subscribed gets a whole book of each outcome, then changes. The channel has no numbers and no
replay: after a gap the books are asked for anew. What two connections both bring is taken once: the venue sends the
very same frame to both.
"""

from collections.abc import Callable, Iterable

from foresight.events import NO_STAMP, Depth, Levels, Printed, TickChanged
from foresight.feeds.connection import Connection, Ended
from foresight.feeds.telling import Lags, Surroundings
from foresight.markets import Token
from foresight.wire import clob
from foresight.wire.clob import (
    BestBidAsk,
    Book,
    ClobDecoder,
    ClobMessage,
    LastTrade,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)

PING_EVERY_S = 10.0
PONG_WITHIN_S = 5.0
SILENCE_S = 10.0
TOKENS_AT_ONCE = 200
"""Outcomes a subscription names; the venue allows 500 a connection."""
FRAMES_REMEMBERED = 8_192
"""Frames by which the second connection's copies are known: some seconds of a busy venue."""
BESIDE = 2
"""From so many connections on, one brings copies of what another has brought."""
SIGN_BYTES_MAX = 16
"""A frame as short as this is a sign of life (PONG) and no data."""
NEVER_S = 10.0**12


class ClobChannel:
    """Follows the outcomes that it is told to. `on_resolved` gets what the venue declares. `heard_ns` is when the
    channel last said anything of an outcome, `stamped_ns` the newest stamp of what it said of its book."""

    name = "clob"
    age_max_s = NEVER_S

    def __init__(self, url: str, around: Surroundings, on_resolved: Callable[[MarketResolved], None]) -> None:
        self.url = url
        self.silence_s = SILENCE_S
        self.lags = Lags()
        self.duplicates = 0
        self.heard_ns: dict[Token, int] = {}
        self.stamped_ns: dict[Token, int] = {}
        self.booked_ns: dict[Token, int] = {}
        """When the newest whole book was put before the engine, unless its tick has changed since."""
        self._ticks: dict[Token, tuple[int, int]] = {}
        """The tick of each outcome, and the stamp of who told it."""
        self._awaited_ns: dict[Token, int] = {}
        """Since when a whole book has been awaited, of outcomes that have had none since nobody listened."""
        self._around = around
        self._on_resolved = on_resolved
        self._decoder = ClobDecoder(around.reject)
        self._wanted: dict[Token, None] = {}
        self._missing: dict[int, set[Token]] = {}
        self._pinged_s: dict[int, float] = {}
        self._ponged_s: dict[int, float] = {}
        self._seen: dict[bytes, int] = {}

    @property
    def wanted(self) -> tuple[Token, ...]:
        return tuple(self._wanted)

    def awaits_book(self, token: Token) -> bool:
        """Whether this outcome has had no whole book yet: until one comes, changes of it tell nothing."""
        return token in self._awaited_ns

    def known_ns(self, token: Token) -> int:
        """When the channel last said something that counts of an outcome. While a whole book is awaited, what it says
        does not count."""
        heard_ns = self.heard_ns.get(token, 0)
        return min(heard_ns, self._awaited_ns.get(token, heard_ns))

    def book_told(self, book: Book) -> list[TickChanged | Depth]:
        """What a whole book says that was told here or by REST: its tick first, where that is another one than was
        known and no newer word has named it. Nothing of an outcome that is not followed."""
        token, now_ns = book.token, self._around.now_ns()
        if token not in self._wanted:
            return []
        self._awaited_ns.pop(token, None)
        self.booked_ns[token] = now_ns
        depth = Depth(now_ns, token, book.bids, book.asks, book.stamped_ns)
        known_micros, stamped_ns = self._ticks.get(token, (book.tick_micros, NO_STAMP))
        if book.tick_micros is None or book.stamped_ns < stamped_ns:
            return [depth]
        self._ticks[token] = (book.tick_micros, book.stamped_ns)
        if book.tick_micros == known_micros:
            return [depth]
        return [TickChanged(now_ns, token, book.tick_micros, book.stamped_ns), depth]

    def follow(
        self, tokens: Iterable[Token], connections: Iterable[Connection], tick_micros: int | None = None
    ) -> None:
        """Asks for these outcomes too. `tick_micros` is what their market is listed with."""
        fresh = [token for token in tokens if token not in self._wanted]
        self._wanted.update(dict.fromkeys(fresh))
        self._awaited_ns |= dict.fromkeys(fresh, self._around.now_ns())
        if tick_micros is not None:
            self._ticks |= dict.fromkeys(fresh, (tick_micros, NO_STAMP))
        for connection in connections:
            for part in _parts(fresh):
                connection.say(clob.subscribe(part))

    def leave(self, tokens: Iterable[Token], connections: Iterable[Connection]) -> None:
        """Asks for these outcomes no more."""
        gone = [token for token in tokens if self._wanted.pop(token, 1) is None]
        for token in gone:
            for times in (self.heard_ns, self.stamped_ns, self.booked_ns, self._awaited_ns):
                times.pop(token, None)
            self._ticks.pop(token, None)
        for connection in connections:
            for part in _parts(gone):
                connection.say(clob.unsubscribe(part))
            self._found(connection, gone)

    def ask_again(self, token: Token, connections: Iterable[Connection]) -> None:
        """For an outcome of which the channel has gone deaf."""
        for connection in connections:
            connection.say(clob.unsubscribe((token,)))
            connection.say(clob.subscribe((token,)))

    def opened(self, connection: Connection) -> None:
        if not self._missing:  # what changed while no connection was open nobody has told
            self._awaited_ns = dict.fromkeys(self._wanted, self._around.now_ns())
        self._missing[connection.number] = set(self._wanted)
        self._pinged_s[connection.number] = 0.0
        self._ponged_s[connection.number] = 0.0
        first, *rest = _parts(list(self._wanted)) or [[]]
        connection.say(clob.subscription(first))
        for part in rest:
            connection.say(clob.subscribe(part))
        if not self._wanted:
            connection.warmed()

    def lost(self, connection: Connection) -> None:
        for kept in (self._missing, self._pinged_s, self._ponged_s):
            kept.pop(connection.number, None)
        if len(self._missing) < BESIDE:  # what it has brought is news on the next one
            self._seen.clear()

    def pause_after(self, how: Ended) -> float:
        del how
        return 0.0

    def keep_alive(self, connection: Connection) -> None:
        """A text PING every 10 s. One that is not answered ends the connection."""
        age_s = connection.age_s()
        pinged_s = self._pinged_s.get(connection.number, 0.0)
        if age_s - pinged_s >= PING_EVERY_S:
            self._pinged_s[connection.number] = age_s
            connection.say(clob.PING)
        elif self._ponged_s.get(connection.number, 0.0) < pinged_s < age_s - PONG_WITHIN_S:
            connection.close("no PONG")
        if not self._wanted:
            connection.heard()

    def took(self, connection: Connection, frame: bytes) -> None:
        is_copy = len(self._missing) >= BESIDE and len(frame) > SIGN_BYTES_MAX and self._is_copy(connection, frame)
        if is_copy and connection.is_warm:
            connection.heard()
            return
        messages = self._decoder.decode(frame)
        self._note(connection, messages)
        for message in () if is_copy else messages:
            self._take(message)

    def _is_copy(self, connection: Connection, frame: bytes) -> bool:
        """Whether another connection has brought it. What the same one brings again the venue says again."""
        brought_by = self._seen.setdefault(frame, connection.number)
        if len(self._seen) > FRAMES_REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        is_copy = brought_by != connection.number
        self.duplicates += is_copy
        return is_copy

    def _note(self, connection: Connection, messages: Iterable[ClobMessage]) -> None:
        """A connection is warm when it has brought a book of every outcome."""
        for message in messages:
            if isinstance(message, clob.Pong):
                self._ponged_s[connection.number] = connection.age_s()
                continue
            connection.heard()
            if isinstance(message, Book):
                self._found(connection, (message.token,))

    def _found(self, connection: Connection, tokens: Iterable[Token]) -> None:
        """A connection waits no longer for books of these."""
        missing = self._missing.get(connection.number)
        if missing is not None:
            missing.difference_update(tokens)
            if not missing:
                connection.warmed()

    def _take(self, message: ClobMessage) -> None:
        now_ns = self._around.now_ns()
        match message:
            case PriceChange(stamped_ns=stamped_ns):
                self.lags.add(now_ns - stamped_ns)
                self._put(*levels_of(message, now_ns))
            case Book():
                self._put(*self.book_told(message))
            case BestBidAsk(token=token):
                named = (message.best_bid_micros, message.best_ask_micros)
                self._put(Levels(now_ns, token, (), (), *named, message.stamped_ns))
            case LastTrade(token=token):
                self._put(Printed(now_ns, token, message.price_micros, message.size_micros, message.stamped_ns))
            case TickSizeChange(token=token):
                self._note_tick(message)
                self._put(TickChanged(now_ns, token, message.tick_micros, message.stamped_ns))
            case MarketResolved():
                self._on_resolved(message)

    def _note_tick(self, message: TickSizeChange) -> None:
        if message.token in self._wanted:
            self.booked_ns.pop(message.token, None)
            self._ticks[message.token] = (message.tick_micros, message.stamped_ns)

    def _put(self, *events: Depth | Levels | Printed | TickChanged) -> None:
        for event in events:
            token = event.token
            if token in self._wanted:
                self.heard_ns[token] = event.at_ns
                if isinstance(event, (Depth, Levels)):
                    self.stamped_ns[token] = max(event.stamped_ns, self.stamped_ns.get(token, 0))
                self._around.put(event)


def levels_of(message: PriceChange, now_ns: int) -> list[Levels]:
    """The changes of one frame, an event for each outcome; its tops are those after the whole frame."""
    events: dict[Token, Levels] = {}
    for change in message.changes:
        before = events.get(change.token)
        bids, asks = ((), ()) if before is None else (before.bids, before.asks)
        level = ((change.price_micros, change.size_micros),)
        events[change.token] = Levels(
            now_ns,
            change.token,
            bids + level if change.is_bid else bids,
            asks if change.is_bid else asks + level,
            change.best_bid_micros,
            change.best_ask_micros,
            message.stamped_ns,
        )
    return list(events.values())


def _parts(tokens: list[Token]) -> list[list[Token]]:
    return [tokens[start : start + TOKENS_AT_ONCE] for start in range(0, len(tokens), TOKENS_AT_ONCE)]
