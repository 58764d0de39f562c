"""The underlying, from Binance's combined streams (venue spec §10): best bid and ask, trades, candles of a second.

The price is the middle of `bookTicker`. Where that is silent for a second, the last trade counts, and where nobody
trades, the close of the one-second candle: three witnesses of one price, on one connection. What two connections both
bring is taken once, by the ids that Binance numbers its messages with.
"""

from collections.abc import Callable, Iterable, Mapping

from foresight.events import Spot
from foresight.feeds.connection import Connection, Ended
from foresight.feeds.telling import Lags, Surroundings
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
"""After so long without a quote, a trade or a candle tells the price."""
AGAIN_NS = SECOND_NS // 4
"""A quote whose middle has not moved is passed on this often, as a sign that the price is fresh."""
AGE_MAX_S = 23.5 * 3_600
"""Binance ends a connection after 24 hours."""
SILENCE_S = 5.0
SPOT, FUTURES = "binance", "binance-futures"


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
    ) -> None:
        self.name = name
        self.silence_s = SILENCE_S
        self.lags = Lags()
        self.duplicates = 0
        self.on_planned_end: Callable[[Connection, str], None] = lambda _connection, _why: None
        self._base = base
        self.feed = feed
        self._assets = dict(assets)
        self._kinds = tuple(kinds)
        self._streams = streams_of(assets, self._kinds)
        self._around = around
        self._decoder = BinanceDecoder(around.reject)
        self._ids = 0
        self._newest: dict[tuple[str, str], int] = {}
        self._told: dict[str, tuple[float, int]] = {}
        self._heard: dict[int, set[str]] = {}

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
        self._ids += 1
        for connection in connections:
            if fresh:
                connection.say(subscribe(fresh, self._ids))

    def drop(self, assets: Iterable[str], connections: Iterable[Connection]) -> None:
        """Asks for the streams of these no more."""
        gone = {symbol for symbol, asset in self._assets.items() if asset in set(assets)}
        streams = [stream for stream in self._streams if stream.partition("@")[0].upper() in gone]
        self._streams = [stream for stream in self._streams if stream not in streams]
        for symbol in gone:
            self._told.pop(self._assets.pop(symbol), None)
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

    def lost(self, connection: Connection) -> None:
        self._heard.pop(connection.number, None)

    def pause_after(self, how: Ended) -> float | None:
        del how
        return 0.0

    def keep_alive(self, connection: Connection) -> None:
        """Binance asks itself, every 20 s, and the connection answers."""

    def took(self, connection: Connection, frame: bytes) -> None:
        message = self._decoder.decode(frame)
        match message:
            case BookTicker():
                self._hear(connection, message.symbol)
                self._quote(message)
            case AggTrade():
                self._hear(connection, message.symbol)
                self._trade(message)
            case Kline():
                self._hear(connection, message.symbol)
                self._candle(message)
            case ServerShutdown():
                self.on_planned_end(connection, "the venue will close it")
            case Reply(error=str() as error):
                self._around.tell(f"{self.name} refuses a request: {error}")

    def _hear(self, connection: Connection, symbol: str) -> None:
        connection.heard()
        if not connection.is_warm:
            heard = self._heard.setdefault(connection.number, set())
            heard.add(symbol)
            if heard >= self._assets.keys():
                connection.warmed()

    def _is_new(self, kind: str, symbol: str, number: int) -> bool:
        if number <= self._newest.get((kind, symbol), -1):
            self.duplicates += 1
            return False
        self._newest[kind, symbol] = number
        return True

    def _quote(self, message: BookTicker) -> None:
        asset = self._assets.get(message.symbol)
        if asset is None or not self._is_new("quote", message.symbol, message.update_id):
            return
        now_ns, price = self._around.now_ns(), (message.bid + message.ask) / 2
        last = self._told.get(asset)
        if last is None or last[0] != price or now_ns - last[1] >= AGAIN_NS:
            self._tell(asset, price, now_ns, message.event_ns or now_ns)

    def _trade(self, message: AggTrade) -> None:
        now_ns = self._around.now_ns()
        self.lags.add(now_ns - message.event_ns)
        asset = self._assets.get(message.symbol)
        if (
            asset is not None
            and self._is_new("trade", message.symbol, message.trade_id)
            and self._is_quiet(asset, now_ns)
        ):
            self._tell(asset, message.price, now_ns, message.traded_ns)

    def _candle(self, message: Kline) -> None:
        now_ns = self._around.now_ns()
        asset = self._assets.get(message.symbol)
        if (
            asset is not None
            and self._is_new("candle", message.symbol, message.event_ns)
            and self._is_quiet(asset, now_ns)
        ):
            self._tell(asset, message.close, now_ns, message.event_ns)

    def _is_quiet(self, asset: str, now_ns: int) -> bool:
        last = self._told.get(asset)
        return last is None or now_ns - last[1] > QUIET_NS

    def _tell(self, asset: str, price: float, now_ns: int, stamped_ns: int) -> None:
        self._told[asset] = (price, now_ns)
        self._around.put(Spot(now_ns, asset, self.feed, price, stamped_ns))


def streams_of(symbols: Iterable[str], kinds: Iterable[str] = SPOT_STREAMS) -> list[str]:
    """`btcusdt@bookTicker` and so on."""
    kinds = tuple(kinds)
    return [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds]
