"""The exchange's side of the venue: prices in, events of its streams out. Only what somebody listens to is made.

Candles of a second are told every second, others every two (venue spec §10.3). Depth is told as differences, every
second or ten times a second, and as the best levels.
"""

import re
from collections import Counter

import msgspec

from foresight.markets import SECOND_NS
from foresight.venue import stream_frames
from foresight.venue.candles import INTERVALS_NS, Candle
from foresight.venue.documents import Document
from foresight.venue.frames import BinanceMarket, Frame, Labels, StreamEvent
from foresight.venue.instruments import LEVELS, AggTrade, Instrument, Level

TENTH_NS = SECOND_NS // 10
SLOW_KLINES_EVERY_S = 2
MARKETS: tuple[BinanceMarket, ...] = ("spot", "futures")

_NAME = re.compile(r"([a-z0-9]{1,30})@([A-Za-z0-9_]{1,40}(?:@100ms)?)")
_DEPTH = re.compile(r"depth(5|10|20)?(@100ms)?")


class _Told(msgspec.Struct):
    """What a stream of differences has told last."""

    update_id: int
    bids: dict[int, float]
    asks: dict[int, float]


class Exchange:
    """`watched` counts the connections that listen to (market, stream); who serves them keeps it."""

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.watched: Counter[tuple[BinanceMarket, str]] = Counter()
        self._told: dict[tuple[BinanceMarket, str], _Told] = {}

    def instrument(self, market: BinanceMarket, symbol: str) -> Instrument | None:
        """By its name, such as `BTCUSDT`; None where that market does not list it."""
        found = self.instruments.get(symbol)
        return found if found is not None and found.symbol.is_on(market) else None

    def take(self, asset: str, price: float, *, stamped_ns: int, at_ns: int, out: list[Frame]) -> None:
        """A new price of an underlying."""
        found = self.instruments.get(f"{asset}USDT")
        if found is None:
            found = Instrument(asset, price, at_ns)
            self.instruments[found.symbol.name] = found
        trade = found.take(price, stamped_ns, at_ns)
        for market in MARKETS:
            self._tell_price(market, found, trade, out)

    def tenth(self, at_ns: int, out: list[Frame]) -> None:
        """A tenth of a second has passed: the quick depth streams."""
        for market, stream in [key for key in self.watched if key[1].endswith("@100ms")]:
            self._tell_depth(market, stream, at_ns, out)

    def second(self, at_ns: int, out: list[Frame]) -> None:
        """A second has passed: candles, and the slow depth streams."""
        closing = {name: list(found.candles.seconds)[-1:] for name, found in self.instruments.items()}
        before = self._before_roll(at_ns)
        for found in self.instruments.values():
            found.candles.roll(at_ns)
        for market, stream in list(self.watched):
            symbol, _, what = stream.partition("@")
            found_or_none = self.instrument(market, symbol.upper())
            if found_or_none is None:
                continue
            if what == "kline_1s":
                for candle in closing[found_or_none.symbol.name]:
                    self._tell_kline(market, found_or_none, stream, candle, is_closed=True, at_ns=at_ns, out=out)
            elif what.startswith("kline_"):
                self._tell_slow_kline(market, found_or_none, stream, before, at_ns, out)
            elif what.startswith("depth") and not what.endswith("@100ms"):
                self._tell_depth(market, stream, at_ns, out)

    def forget(self, market: BinanceMarket, stream: str) -> None:
        """Nobody listens to it any more."""
        self._told.pop((market, stream), None)

    def _tell_price(self, market: BinanceMarket, found: Instrument, trade: AggTrade, out: list[Frame]) -> None:
        if not found.symbol.is_on(market):
            return
        name, update_id, at_ns = found.symbol.name.lower(), found.update_id, trade.at_ns
        if (market, f"{name}@bookTicker") in self.watched:
            ticker = {
                unit: stream_frames.book_ticker(found, market, unit, update_id=update_id, at_ns=at_ns)
                for unit in (1_000_000, 1_000)
            }
            out.append(self._event(market, found, f"{name}@bookTicker", ticker))
        for what, build in (("aggTrade", stream_frames.agg_trade), ("trade", stream_frames.single_trade)):
            if (market, f"{name}@{what}") in self.watched:
                trades = {unit: build(found, market, unit, trade) for unit in (1_000_000, 1_000)}
                out.append(self._event(market, found, f"{name}@{what}", trades))

    def _before_roll(self, at_ns: int) -> dict[tuple[str, str], Candle]:
        """The slow candles that this second closes, by symbol and interval."""
        intervals = {
            (stream.partition("@")[0].upper(), stream.partition("@kline_")[2])
            for _, stream in self.watched
            if "@kline_" in stream
        }
        closing = {}
        for symbol, interval in intervals:
            length_ns, found = INTERVALS_NS.get(interval), self.instruments.get(symbol)
            if found is None or length_ns is None or at_ns // SECOND_NS * SECOND_NS % length_ns:
                continue
            candle = found.candles.current(interval)
            if candle is not None:
                closing[symbol, interval] = candle
        return closing

    def _tell_slow_kline(
        self,
        market: BinanceMarket,
        found: Instrument,
        stream: str,
        closing: dict[tuple[str, str], Candle],
        at_ns: int,
        out: list[Frame],
    ) -> None:
        interval = stream.partition("@kline_")[2]
        closed = closing.get((found.symbol.name, interval))
        if closed is not None:
            self._tell_kline(market, found, stream, closed, is_closed=True, at_ns=at_ns, out=out)
        elif at_ns // SECOND_NS % SLOW_KLINES_EVERY_S == 0 and interval in INTERVALS_NS:
            current = found.candles.current(interval)
            if current is not None:
                self._tell_kline(market, found, stream, current, is_closed=False, at_ns=at_ns, out=out)

    def _tell_kline(
        self,
        market: BinanceMarket,
        found: Instrument,
        stream: str,
        candle: Candle,
        *,
        is_closed: bool,
        at_ns: int,
        out: list[Frame],
    ) -> None:
        interval = stream.partition("@kline_")[2]
        if interval == "1s" and market == "futures":
            return  # futures have no candles of a second
        told = {
            unit: stream_frames.kline(found, market, unit, candle, interval=interval, is_closed=is_closed, at_ns=at_ns)
            for unit in (1_000_000, 1_000)
        }
        out.append(self._event(market, found, stream, told))

    def _tell_depth(self, market: BinanceMarket, stream: str, at_ns: int, out: list[Frame]) -> None:
        symbol, _, what = stream.partition("@")
        found, shape = self.instrument(market, symbol.upper()), _DEPTH.fullmatch(what)
        if found is None or shape is None:
            return
        if shape[1]:
            told = stream_frames.partial_depth(found, market, int(shape[1]))
            out.append(self._event(market, found, stream, dict.fromkeys((1_000_000, 1_000), told)))
            return
        self._tell_differences(market, found, stream, at_ns, out)

    def _tell_differences(
        self, market: BinanceMarket, found: Instrument, stream: str, at_ns: int, out: list[Frame]
    ) -> None:
        before = self._told.get((market, stream))
        now = _Told(found.update_id, dict(found.bids(LEVELS)), dict(found.asks(LEVELS)))
        self._told[market, stream] = now
        if before is None or before.update_id == now.update_id:
            return
        bids = stream_frames.level_texts(found, market, _differences(before.bids, now.bids))
        asks = stream_frames.level_texts(found, market, _differences(before.asks, now.asks))
        ids = {"U": before.update_id + 1, "u": now.update_id, "b": bids, "a": asks}
        told = {
            unit: {"e": "depthUpdate", "E": at_ns // unit, "s": found.symbol.name, **ids} for unit in (1_000_000, 1_000)
        }
        out.append(self._event(market, found, stream, told))

    def _event(self, market: BinanceMarket, found: Instrument, stream: str, told: dict[int, Document]) -> StreamEvent:
        return StreamEvent(market, stream, told.__getitem__, labels_of(found, stream))


def is_stream(name: str) -> bool:
    """Whether it has the form of a stream's name; a symbol that nobody lists is taken and stays silent."""
    return _NAME.fullmatch(name) is not None


def labels_of(instrument: Instrument, stream: str) -> Labels:
    return frozenset((instrument.symbol.asset, instrument.symbol.name, stream))


def _differences(before: dict[int, float], after: dict[int, float]) -> list[Level]:
    gone = [(ticks, 0.0) for ticks in before if ticks not in after]
    return gone + [(ticks, quantity) for ticks, quantity in after.items() if before.get(ticks) != quantity]
