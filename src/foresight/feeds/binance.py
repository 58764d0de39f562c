"""The underlying, from Binance's combined streams (venue spec §10): best bid and ask, trades, candles of a second.

The price is the middle of `bookTicker`. Where that is silent for a second, the last trade counts, and where nobody
trades, the close of the one-second candle: three witnesses of one price, on one connection. What two connections both
bring is taken once, by the ids that Binance numbers its messages with. Quotes of spot carry no time: on a connection
whose trades and candles come late they are as late as those.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from foresight.events import Spot
from foresight.feeds.connection import Connection, Ended
from foresight.feeds.telling import Lags, Surroundings
from foresight.feeds.voices import Voices
from foresight.markets import SECOND_NS
from foresight.wire.binance import (
    AggTrade,
    BinanceDecoder,
    BookTicker,
    Kline,
    Reply,
    ServerShutdown,
    subscribe,
    unsubscribe,
)

SPOT_STREAMS = ("bookTicker", "aggTrade", "kline_1s")
QUIET_NS = SECOND_NS
"""After so long without a quote a trade tells the price, and without either a candle."""
AGAIN_NS = SECOND_NS // 4
"""A quote whose middle has not moved is passed on this often, as a sign that the price is fresh."""
AGE_MAX_S = 23.5 * 3_600
"""Binance ends a connection after 24 hours."""
SILENCE_S = 5.0
STEADY_KINDS = frozenset({"bookTicker", "kline_1s"})
"""Streams that speak every few seconds for whatever is traded. Trades of a quiet symbol may take their time."""
TRADES_SILENCE_S = 60.0
"""The limit of a line that brings trades alone."""
LOST_S = 180.0
"""A symbol that has spoken, and of which one connection says nothing for so long while it brings others, is lost there:
the connection is renewed, and so at most once in so long."""
ANEW_AFTER_NS = 2 * SECOND_NS
"""So long after a connection has ended, the numbers that only it has brought count no more: the next one may lead to a
venue that counts anew. Before, its copies are still under way on others."""
NEVER_NS = -(10**18)
SPOT, FUTURES = "binance", "binance-futures"


class Witnesses(msgspec.Struct):
    """When the better witnesses of each asset's price last spoke. Channels that tell of the same assets share them."""

    quoted_ns: dict[str, int] = {}
    traded_ns: dict[str, int] = {}


class BinanceChannel:
    """One connection's worth of streams, of these `kinds`. `assets` names the asset of each symbol, in upper case."""

    age_max_s = AGE_MAX_S

    def __init__(
        self,
        name: str,
        base: str,
        *,
        feed: str,
        assets: Mapping[str, str],
        kinds: Iterable[str],
        around: Surroundings,
        witnesses: Witnesses | None = None,
    ) -> None:
        self.name = name
        self.lags = Lags()
        self.duplicates = 0
        self.renew: Callable[[Connection, str], None] = lambda _connection, _why: None
        self._base = base
        self.feed = feed
        self._assets = dict(assets)
        self._kinds = tuple(kinds)
        self._is_steady = not STEADY_KINDS.isdisjoint(self._kinds)
        self.silence_s = SILENCE_S if self._is_steady else TRADES_SILENCE_S
        self._streams = streams_of(assets, self._kinds)
        self._added: list[str] = []
        """The streams among them that were asked for later."""
        self._around = around
        self._decoder = BinanceDecoder(around.reject)
        self._ids = 0
        self._witnesses = Witnesses() if witnesses is None else witnesses
        self._newest: dict[tuple[str, str], tuple[int, int]] = {}
        self._lost_ns = 0
        self._told: dict[str, tuple[float, int]] = {}
        self._heard: dict[int, set[str]] = {}
        self._behind_ns: dict[int, int] = {}
        """How late the newest message with a time came, on each connection."""
        self._voices = Voices()

    @property
    def url(self) -> str:
        return f"{self._base}/stream?streams={'/'.join(self._streams)}"

    @property
    def assets(self) -> tuple[str, ...]:
        return tuple(self._assets.values())

    def add(self, assets: Mapping[str, str], connections: Iterable[Connection]) -> None:
        """Asks for further symbols, on open connections at once and on later ones from the beginning."""
        self._assets.update(assets)
        fresh = [stream for stream in streams_of(assets, self._kinds) if stream not in self._streams]
        self._streams += fresh
        self._added += fresh
        self._ids += 1
        for connection in connections:
            if fresh:
                connection.say(subscribe(fresh, self._ids))

    def drop(self, assets: Iterable[str], connections: Iterable[Connection]) -> None:
        """Asks for the streams of these no more."""
        gone = {symbol for symbol, asset in self._assets.items() if asset in set(assets)}
        streams = [stream for stream in self._streams if stream.partition("@")[0].upper() in gone]
        self._streams = [stream for stream in self._streams if stream not in streams]
        self._added = [stream for stream in self._added if stream not in streams]
        for symbol in gone:
            self._told.pop(self._assets.pop(symbol), None)
            self._voices.forget(symbol)
        self._newest = {key: number for key, number in self._newest.items() if key[1] not in gone}
        self._ids += 1
        for connection in connections:
            if streams:
                connection.say(unsubscribe(streams, self._ids))

    def told_ns(self, asset: str) -> int | None:
        """When a price of this asset was last passed on."""
        told = self._told.get(asset)
        return None if told is None else told[1]

    def opened(self, connection: Connection) -> None:
        if not self._heard:
            self._newest.clear()  # numbers of a venue that was away may begin anew
        self._heard[connection.number] = set()
        if self._added:  # its address may have been made before they were asked for
            self._ids += 1
            connection.say(subscribe(self._added, self._ids))

    def lost(self, connection: Connection) -> None:
        self._heard.pop(connection.number, None)
        self._behind_ns.pop(connection.number, None)
        self._voices.end(connection)
        self._lost_ns = self._around.now_ns()

    def pause_after(self, how: Ended) -> float:
        del how
        return 0.0

    def keep_alive(self, connection: Connection) -> None:
        """Binance asks itself for signs of life, every 20 s, and the connection answers. A symbol that is lost on it
        asks for another."""
        lost = self._voices.lost(connection, LOST_S) if self._is_steady else []
        if lost:
            self.renew(connection, f"no data of {', '.join(lost)} for {LOST_S:.0f} s")

    def took(self, connection: Connection, frame: bytes) -> None:
        message = self._decoder.decode(frame)
        match message:
            case BookTicker() | AggTrade() | Kline():
                self._take(connection, message)
            case ServerShutdown():
                self.renew(connection, "the venue will close it")
            case Reply(error=str() as error):
                self._around.tell(f"{self.name} refuses a request: {error}")

    def _take(self, connection: Connection, message: BookTicker | AggTrade | Kline) -> None:
        symbol = message.symbol
        if message.event_ns:
            self._behind_ns[connection.number] = self._around.now_ns() - message.event_ns
        match message:
            case BookTicker():
                if self._is_new(connection, "quote", symbol, message.update_id):
                    self._quote(message, self._behind_ns.get(connection.number, 0))
            case AggTrade():
                self.lags.add(self._around.now_ns() - message.event_ns)
                if self._is_new(connection, "trade", symbol, message.trade_id):
                    self._trade(message)
            case Kline():
                if self._is_new(connection, "candle", symbol, message.event_ns):
                    self._candle(message)

    def _is_new(self, connection: Connection, kind: str, symbol: str, number: int) -> bool:
        """Whether this message is about something that was asked for, and comes for the first time."""
        if symbol not in self._assets:
            return False
        self._hear(connection, symbol)
        newest, brought_by = self._newest.get((kind, symbol), (-1, 0))
        if number <= newest and not self._is_forgotten(brought_by):
            self.duplicates += 1
            return False
        self._newest[kind, symbol] = (number, connection.number)
        return True

    def _hear(self, connection: Connection, symbol: str) -> None:
        connection.heard()
        self._voices.hear(connection, symbol)
        if not connection.is_warm:
            heard = self._heard.setdefault(connection.number, set())
            heard.add(symbol)
            if heard >= self._assets.keys():
                connection.warmed()

    def _is_forgotten(self, number: int) -> bool:
        """Numbers of a connection that is long gone say nothing: it may have come from another venue."""
        return number not in self._heard and self._around.now_ns() - self._lost_ns > ANEW_AFTER_NS

    def _quote(self, message: BookTicker, behind_ns: int) -> None:
        asset = self._assets[message.symbol]
        now_ns, price = self._around.now_ns(), (message.bid + message.ask) / 2
        self._witnesses.quoted_ns[asset] = now_ns
        last = self._told.get(asset)
        if last is None or last[0] != price or now_ns - last[1] >= AGAIN_NS:
            late_ns = behind_ns if behind_ns > self._around.way_ns else 0
            self._tell(asset, price, now_ns, message.event_ns or now_ns - late_ns)

    def _trade(self, message: AggTrade) -> None:
        asset, now_ns = self._assets[message.symbol], self._around.now_ns()
        self._witnesses.traded_ns[asset] = now_ns
        if now_ns - self._witnesses.quoted_ns.get(asset, NEVER_NS) > QUIET_NS:
            self._tell(asset, message.price, now_ns, message.traded_ns)

    def _candle(self, message: Kline) -> None:
        asset, now_ns, witnesses = self._assets[message.symbol], self._around.now_ns(), self._witnesses
        spoke_ns = max(witnesses.quoted_ns.get(asset, NEVER_NS), witnesses.traded_ns.get(asset, NEVER_NS))
        if now_ns - spoke_ns > QUIET_NS:
            self._tell(asset, message.close, now_ns, message.event_ns)

    def _tell(self, asset: str, price: float, now_ns: int, stamped_ns: int) -> None:
        self._told[asset] = (price, now_ns)
        self._around.put(Spot(now_ns, asset, self.feed, price, stamped_ns))


def streams_of(symbols: Iterable[str], kinds: Iterable[str] = SPOT_STREAMS) -> list[str]:
    """`btcusdt@bookTicker` and so on."""
    kinds = tuple(kinds)
    return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds]
