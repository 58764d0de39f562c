"""The underlying's last half hour, by REST, so that volatility is warm at the first round (venue spec §10.4)."""

import asyncio
from collections.abc import Mapping

from foresight.errors import FeedFailed
from foresight.events import Spot
from foresight.feeds.binance import SPOT
from foresight.feeds.rest import Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import SECOND_NS
from foresight.wire.binance import decode_klines

REACH_S = 1_920
"""The engine remembers 1,800 seconds and an average of 60 before them."""
CANDLES_AT_ONCE = 1_000
NS_PER_MS = 1_000_000


async def history_of(rest: Rest, binance: str, assets: Mapping[str, str], around: Surroundings) -> list[Spot]:
    """The closes of the last 32 minutes' seconds of every symbol, in the order of time; those that cannot be had are
    told and missing."""
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(closes_of(rest, binance, symbol, asset, around), name=f"history {asset}")
            for symbol, asset in assets.items()
        ]
    return sorted((spot for each in asked for spot in each.result()), key=lambda spot: spot.at_ns)


async def closes_of(rest: Rest, binance: str, symbol: str, asset: str, around: Surroundings) -> list[Spot]:
    """As `history_of`, of one symbol, told as `asset`."""
    now_ns = around.now_ns()
    start_s = now_ns // SECOND_NS - REACH_S
    found: list[Spot] = []
    try:
        for begin_s in range(start_s, start_s + REACH_S, CANDLES_AT_ONCE):
            found += await _closes(rest, binance, symbol, asset, begin_s, now_ns, around)
    except FeedFailed as error:
        around.tell(f"the history of {asset} is missing: {error}; its volatility warms up as it runs")
    return found


async def _closes(
    rest: Rest, binance: str, symbol: str, asset: str, begin_s: int, now_ns: int, around: Surroundings
) -> list[Spot]:
    params = {
        "symbol": symbol,
        "interval": "1s",
        "startTime": str(begin_s * 1_000),
        "endTime": str(min((begin_s + CANDLES_AT_ONCE) * 1_000, now_ns // NS_PER_MS) - 1),
        "limit": str(CANDLES_AT_ONCE),
    }
    candles = decode_klines(await rest.get(f"{binance}/api/v3/klines", params), around.reject)
    return [
        Spot(candle.close_ns, asset, SPOT, candle.close, candle.close_ns)
        for candle in candles
        if candle.close_ns < now_ns
    ]
