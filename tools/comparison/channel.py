"""How often the venues' streams say something: raw frames of the market channel and of Binance, through our decoders.

The market channel was recorded for ten whole seconds of one BTC 5m window, Binance for some minutes of 2024-08-08.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import mean, median, pstdev

import msgspec

from foresight.markets import SECOND_NS, Token
from foresight.money import MICROS
from foresight.wire import binance, clob
from foresight.wire.rejects import OnReject

MARKET_CHANNEL = "polymarket_ws_market_btc5m_20260421.jsonl.gz"
MARKETS = "polymarket_ws_market_btc5m_20260421.markets.json"
BINANCE = "binance_spot_ws_{}usdt_20240808.gz"


class Changes(msgspec.Struct, frozen=True):
    """The changes of UP's levels: how many, their shares by distance from the best price (0 to 4, then all others), the
    median step in shares, the share that undo the level's last one, how many times a best price moved, the sizes of
    the best levels (median, at each second), and the deviation of the counts of a tenth of a second with their mean."""

    count: int
    by_distance: tuple[float, ...]
    step_shares: float
    larger: float
    undone: float
    best_moves: int
    best_size: float
    tenth_mean: float
    tenth_deviation: float


def frames_per_second(fixtures: Path) -> dict[str, float]:
    """By kind of frame, of the open market, over the whole seconds between the first and the last stamp."""
    up, told = _channel(fixtures)
    condition = next(one.market for one in told if isinstance(one, clob.Book) and one.token == up)
    stamps = [one.stamped_ns // SECOND_NS for one in told]
    first, last = min(stamp for stamp in stamps if stamp * SECOND_NS > 0), max(stamps)
    busy = Counter(one.stamped_ns // SECOND_NS for one in told if isinstance(one, clob.PriceChange))
    whole = [second for second in range(first, last + 1) if busy[second] > 200]
    kinds = Counter(
        type(one).__name__ for one in told if one.market == condition and one.stamped_ns // SECOND_NS in whole
    )
    return {name: count / len(whole) for name, count in kinds.items()}


def binance_per_second(fixtures: Path, asset: str) -> dict[str, float]:
    """By kind of frame, by the time of receipt."""
    decoder = binance.BinanceDecoder(_refuse("binance"))
    kinds: Counter[str] = Counter()
    stamps: list[int] = []
    with gzip.open(fixtures / BINANCE.format(asset.lower())) as lines:
        for line in lines:
            received, frame = line.split(b" ", 1)
            stamps.append(int(received))
            kinds[type(decoder.decode(frame)).__name__] += 1
    return {name: count * SECOND_NS / (stamps[-1] - stamps[0]) for name, count in kinds.items()}


def level_changes(fixtures: Path) -> Changes:
    """In the order of the venue's stamps: frames overtake each other on the way."""
    up, told = _channel(fixtures)
    ladder = _Ladder(up)
    for _, instant in groupby(sorted(told, key=lambda one: one.stamped_ns), key=lambda one: one.stamped_ns):
        for one in instant:
            ladder.apply(one)
        ladder.look()
    near = Counter(min(distance, 5) for distance in ladder.distances if distance >= 0)
    tenths = Counter(at // (SECOND_NS // 10) for at in ladder.times)
    inner = [tenths[key] for key in sorted(tenths)[1:-1]]
    return Changes(
        count=len(ladder.distances),
        by_distance=tuple(near[place] / near.total() for place in range(6)),
        step_shares=median(abs(step) for step in ladder.steps) / MICROS,
        larger=sum(step > 0 for step in ladder.steps) / len(ladder.steps),
        undone=ladder.undone / len(ladder.distances),
        best_moves=ladder.best_moves,
        best_size=median(ladder.best_sizes) / MICROS,
        tenth_mean=mean(inner),
        tenth_deviation=pstdev(inner),
    )


class _Ladder:
    """UP's book, and what its changes were."""

    def __init__(self, up: Token) -> None:
        self._up = up
        self._sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._before: dict[tuple[bool, int], int] = {}
        self._top: tuple[int, int] | None = None
        self._second = 0
        self.distances: list[int] = []
        self.steps: list[int] = []
        self.times: list[int] = []
        self.best_sizes: list[int] = []
        self.undone = 0
        self.best_moves = 0

    def apply(self, one: clob.ClobMessage) -> None:
        if isinstance(one, clob.Book) and one.token == self._up:
            self._sides = (dict(one.bids), dict(one.asks))
        elif isinstance(one, clob.PriceChange) and self._sides[0]:
            for change in one.changes:
                if change.token == self._up:
                    self._change(change, one.stamped_ns)

    def look(self) -> None:
        """At the end of an instant."""
        bids, asks = self._sides
        if not bids or not asks:
            return
        top = (max(bids), min(asks))
        self.best_moves += self._top is not None and top != self._top
        self._top = top
        if self.times and self.times[-1] // SECOND_NS != self._second:
            self._second = self.times[-1] // SECOND_NS
            self.best_sizes += [bids[top[0]], asks[top[1]]]

    def _change(self, change: clob.Change, at_ns: int) -> None:
        side = self._sides[0 if change.is_bid else 1]
        best = max(side) if change.is_bid else min(side)
        self.distances.append(
            ((best - change.price_micros) if change.is_bid else (change.price_micros - best)) // 10_000
        )
        self.times.append(at_ns)
        key, old = (change.is_bid, change.price_micros), side.get(change.price_micros, 0)
        if change.size_micros != old:
            self.steps.append(change.size_micros - old)
        self.undone += self._before.get(key) == change.size_micros
        self._before[key] = old
        side[change.price_micros] = change.size_micros
        if not change.size_micros:
            del side[change.price_micros]


def _channel(fixtures: Path) -> tuple[Token, list[clob.Book | clob.PriceChange | clob.LastTrade | clob.BestBidAsk]]:
    """UP's token of the open market, and all messages in the order of their arrival."""
    markets = json.loads((fixtures / MARKETS).read_text())
    return Token(markets["current"]["upTokenId"]), list(_messages(fixtures))


def _messages(fixtures: Path) -> Iterator[clob.Book | clob.PriceChange | clob.LastTrade | clob.BestBidAsk]:
    decoder = clob.ClobDecoder(_refuse("clob"))
    with gzip.open(fixtures / MARKET_CHANNEL) as lines:
        for line in lines:
            for one in decoder.decode(json.dumps(json.loads(line)["payload"]).encode()):
                assert isinstance(one, clob.Book | clob.PriceChange | clob.LastTrade | clob.BestBidAsk)
                yield one


def _refuse(name: str) -> OnReject:
    def refuse(*found: object) -> None:
        raise AssertionError(f"a recorded frame of {name} was rejected: {found}")

    return refuse
