"""What one frame costs each channel: decoded, taken, and put before the engine, in microseconds of one core.

Frames are made here in the venues' own shapes (venue spec §6.1, §7.1, §7.2, §10.3), each one new, so nothing is dropped
as a copy unless the row says so. A row is the median of some passes, with the fastest and the slowest.
"""

import gc
import itertools
import time
from collections.abc import Callable, Iterator

import msgspec

from foresight.engine.settings import WAY_NS
from foresight.feeds.binance import SPOT_STREAMS, BinanceChannel
from foresight.feeds.clob import FRAMES_REMEMBERED, ClobChannel
from foresight.feeds.connection import Connection
from foresight.feeds.intake import Intake
from foresight.feeds.line import Channel
from foresight.feeds.polybolt import Credentials, PolyboltChannel
from foresight.feeds.rtds import RtdsChannel
from foresight.feeds.telling import Surroundings
from foresight.markets import DEFAULT_ASSETS, Token
from foresight.secrets import Secret
from measuring import Document, arguments, machine, middle, tell

FRAMES, PASSES = 20_000, 7
QUICK_FRAMES, QUICK_PASSES = 500, 2
LEVELS = 40
"""Levels a side of a whole book: about what a busy 5-minute market has."""
START_MS = 1_795_177_803_000
CONDITION = "0x" + "ab" * 32
UP, DOWN = Token("5" * 77), Token("2" * 77)
COPIES = FRAMES_REMEMBERED // 4
"""Frames of which copies come: fewer than the channel remembers."""
TAKEN_AT_ONCE = 64
"""The engine takes what waits this often, so nothing is joined."""

Frames = Iterator[bytes]


class Mute(Connection):
    """A connection without a socket."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_heard = False

    def heard(self) -> None:
        self.is_heard = True

    @property
    def is_warm(self) -> bool:
        return True

    def warmed(self) -> None:
        """It is."""

    def say(self, text: bytes) -> None:
        """Nobody hears it."""


def main() -> None:
    asked = arguments(__doc__.splitlines()[0]).parse_args()
    frames, passes = (QUICK_FRAMES, QUICK_PASSES) if asked.quick else (FRAMES, PASSES)
    rows: list[Document] = [_measured(name, make, kind, frames, passes) for name, make, kind in KINDS]
    tell({"machine": machine(), "frames": frames, "passes": passes, "microseconds_per_frame": rows})


def _measured(
    name: str, make: Callable[[Surroundings], Channel], kind: Callable[[], Frames], frames: int, passes: int
) -> Document:
    texts = list(itertools.islice(kind(), frames))
    found, events = [], 0
    for _ in range(passes):
        taken_us, events = _pass(make, texts)
        found.append(taken_us)
    size = sum(map(len, texts)) / len(texts)
    return {"frame": name, "bytes": round(size), "events": round(events / len(texts), 2), **middle(found, 2)}


def _pass(make: Callable[[Surroundings], Channel], texts: list[bytes]) -> tuple[float, int]:
    """(microseconds a frame, events that came out)."""
    intake = Intake()
    channel = make(Surroundings(intake.put, time.time_ns, _refuse, _refuse_to_tell, WAY_NS))
    first, second = Mute(1), Mute(2)
    channel.opened(first)
    if isinstance(channel, Twice):
        channel.opened(second)
        del texts[COPIES:]
        for text in texts:
            channel.took(second, text)
        _emptied(intake)
    gc.collect()
    events = 0
    begun_ns = time.perf_counter_ns()
    for number, text in enumerate(texts):
        channel.took(first, text)
        if number % TAKEN_AT_ONCE == 0:
            events += _emptied(intake)
    taken_ns = time.perf_counter_ns() - begun_ns
    return taken_ns / 1e3 / len(texts), events + _emptied(intake)


def _emptied(intake: Intake) -> int:
    count = 0
    for _event in intake:
        count += 1
    return count


def _refuse(kind: str, why: str, _frame: bytes) -> None:
    raise AssertionError(f"{kind}: {why}")


def _refuse_to_tell(sentence: str) -> None:
    raise AssertionError(sentence)


# The channels


def _binance(around: Surroundings) -> Channel:
    assets = {f"{asset}USDT": asset for asset in DEFAULT_ASSETS}
    return BinanceChannel("binance", "", feed="binance", assets=assets, kinds=SPOT_STREAMS, around=around)


class Twice(ClobChannel):
    """Two connections, of which the other has brought everything before."""


def _clob(around: Surroundings) -> Channel:
    return _following(ClobChannel("", around, lambda _word: None))


def _clob_twice(around: Surroundings) -> Channel:
    return _following(Twice("", around, lambda _word: None))


def _following(channel: ClobChannel) -> ClobChannel:
    channel.follow((UP, DOWN), ())
    return channel


def _polybolt(around: Surroundings) -> Channel:
    nothing = Secret("none")
    symbols = {f"{asset.lower()}usd": asset for asset in DEFAULT_ASSETS}
    return PolyboltChannel("", symbols, lambda: Credentials(nothing, nothing, nothing), around, lambda: 0.0)


def _rtds(around: Surroundings) -> Channel:
    symbols = {f"{asset.lower()}/usd": asset for asset in DEFAULT_ASSETS}
    return RtdsChannel("", symbols, around, lambda _asset, _at_ns: False)


# The frames


def _stream(symbol: str, stream: str, data: dict[str, object]) -> bytes:
    return msgspec.json.encode({"stream": f"{symbol.lower()}@{stream}", "data": data})


def _symbols() -> Iterator[tuple[int, str]]:
    return ((number, f"{DEFAULT_ASSETS[number % len(DEFAULT_ASSETS)]}USDT") for number in itertools.count(1))


def _quotes() -> Frames:
    for number, symbol in _symbols():
        bid = f"{81_234 + number % 97 / 100:.8f}"
        data = {"u": number, "s": symbol, "b": bid, "B": "1.20000000", "a": f"{bid[:-8]}90000000", "A": "0.50000000"}
        yield _stream(symbol, "bookTicker", data)


def _trades() -> Frames:
    for number, symbol in _symbols():
        at_ms = START_MS + number
        data = {
            "e": "aggTrade", "E": at_ms, "s": symbol, "a": number, "p": "81234.01000000", "q": "0.10000000",
            "f": number, "l": number + 5, "T": at_ms - 1, "m": True, "M": True,
        }  # fmt: skip
        yield _stream(symbol, "aggTrade", data)


def _candles() -> Frames:
    for number, symbol in _symbols():
        at_ms = START_MS + 1_000 * number
        price = "81234.01000000"
        candle = {
            "t": at_ms - 1_000, "T": at_ms - 1, "s": symbol, "i": "1s", "f": 1, "L": 2, "o": price, "c": price,
            "h": price, "l": price, "v": "1.2", "n": 100, "x": True, "q": "1.0", "V": "1.0", "Q": "1.0", "B": "0",
        }  # fmt: skip
        yield _stream(symbol, "kline_1s", {"e": "kline", "E": at_ms, "s": symbol, "k": candle})


def _changes() -> Frames:
    for number in itertools.count(1):
        cents = 30 + number % 40
        up = {
            "asset_id": UP, "price": f"0.{cents}", "size": f"{number % 900 + 1}.5", "side": "BUY", "hash": "9c1d" * 10,
            "best_bid": "0.69", "best_ask": "0.70",
        }  # fmt: skip
        down = up | {"asset_id": DOWN, "price": f"0.{100 - cents}", "side": "SELL", "best_bid": "0.30"}
        yield _event("price_change", number, price_changes=[up, down | {"best_ask": "0.31"}])


def _books() -> Frames:
    for number in itertools.count(1):
        bids = [{"price": f"0.{cent:02d}", "size": f"{number + cent}.25"} for cent in range(10, 10 + LEVELS)]
        asks = [{"price": f"0.{cent:02d}", "size": f"{number + cent}.25"} for cent in range(99, 99 - LEVELS, -1)]
        yield _event(
            "book", number, asset_id=UP, hash="9c1d" * 10, bids=bids, asks=asks, tick_size="0.01",
            last_trade_price="0.52",
        )  # fmt: skip


def _tops() -> Frames:
    for number in itertools.count(1):
        yield _event("best_bid_ask", number, asset_id=UP, best_bid="0.52", best_ask="0.53", spread="0.01")


def _prints() -> Frames:
    for number in itertools.count(1):
        yield _event(
            "last_trade_price", number, asset_id=UP, price="0.53", size="9.43", side="BUY", fee_rate_bps="0",
            transaction_hash=CONDITION,
        )  # fmt: skip


def _event(kind: str, number: int, **more: object) -> bytes:
    told = {"event_type": kind, "market": CONDITION, "timestamp": str(START_MS + number)}
    return msgspec.json.encode(told | more)


def _averages() -> Frames:
    for number in itertools.count():
        symbol = f"{DEFAULT_ASSETS[number % len(DEFAULT_ASSETS)].lower()}usd"
        at_ms = START_MS + 1_000 * (number // len(DEFAULT_ASSETS))
        payload = {
            "symbol": symbol, "source": "chainlink", "window_seconds": 60, "timestamp": at_ms, "value": 81_201.5,
            "full_accuracy_value": "81201.500000000000000000",
        }  # fmt: skip
        yield msgspec.json.encode(
            {"v": 1, "channel": "price.crypto.twap", "seq": number, "ts": at_ms, "payload": payload}
        )


def _old_averages() -> Frames:
    for number in itertools.count():
        symbol = f"{DEFAULT_ASSETS[number % len(DEFAULT_ASSETS)].lower()}/usd"
        at_ms = 1_000 * (1_500_000_000 + number // len(DEFAULT_ASSETS))
        payload = {
            "symbol": symbol, "timestamp": at_ms, "value": 81_201.5, "full_accuracy_value": "81201500000000000000000",
            "window_s": 60,
        }  # fmt: skip
        yield msgspec.json.encode(
            {"topic": "crypto_prices_twap_sixty", "type": "update", "timestamp": at_ms, "payload": payload}
        )


KINDS: tuple[tuple[str, Callable[[Surroundings], Channel], Callable[[], Frames]], ...] = (
    ("binance bookTicker", _binance, _quotes),
    ("binance aggTrade", _binance, _trades),
    ("binance kline_1s", _binance, _candles),
    ("clob price_change, both outcomes", _clob, _changes),
    ("clob price_change, a copy", _clob_twice, _changes),
    (f"clob book, {LEVELS} levels a side", _clob, _books),
    ("clob best_bid_ask", _clob, _tops),
    ("clob last_trade_price", _clob, _prints),
    ("polybolt price.crypto.twap", _polybolt, _averages),
    ("rtds crypto_prices_twap_sixty", _rtds, _old_averages),
)

if __name__ == "__main__":
    main()
