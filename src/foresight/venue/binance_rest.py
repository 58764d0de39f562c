"""The exchange's REST answers, with their exact keys (venue spec §10.4)."""

from foresight.venue.candles import INTERVALS_NS, Candle
from foresight.venue.decimals import eight
from foresight.venue.documents import Document
from foresight.venue.exchange import Exchange
from foresight.venue.frames import BinanceMarket
from foresight.venue.instruments import Instrument
from foresight.venue.stream_frames import level_texts, partial_depth, price_text, quantity_text, trade_fields

LIMITS: list[Document] = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61000},
]
AVERAGE_MINUTES = 5
INVALID_SYMBOL: Document = {"code": -1121, "msg": "Invalid symbol."}
INVALID_INTERVAL: Document = {"code": -1120, "msg": "Invalid interval."}
ILLEGAL: Document = {"code": -1100, "msg": "Illegal characters found in a parameter."}


def missing(parameter: str) -> Document:
    return {"code": -1102, "msg": f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed."}


def exchange_info(
    exchange: Exchange, market: BinanceMarket, symbols: list[str] | None, now_ns: int, ns_per_unit: int
) -> Document | None:
    """All symbols, or these; None when one of them is not listed."""
    listed = {name: found for name, found in exchange.instruments.items() if found.symbol.is_on(market)}
    wanted = sorted(listed) if symbols is None else symbols
    if any(name not in listed for name in wanted):
        return None
    return {
        "timezone": "UTC",
        "serverTime": now_ns // ns_per_unit,
        "rateLimits": LIMITS,
        "exchangeFilters": [],
        "symbols": [_symbol(listed[name], market) for name in wanted],
    }


def klines(
    instrument: Instrument,
    market: BinanceMarket,
    interval: str,
    *,
    start_ns: int | None,
    end_ns: int | None,
    limit: int,
    ns_per_unit: int,
) -> list[list[object]]:
    """With a start the oldest from there on, else the newest; rows of 12."""
    found = [
        candle
        for candle in instrument.candles.recent(interval, 1_000_000)
        if (start_ns is None or candle.open_ns >= start_ns) and (end_ns is None or candle.open_ns <= end_ns)
    ]
    chosen = found[-limit:] if start_ns is None else found[:limit]
    return [_row(instrument, market, candle, interval, ns_per_unit) for candle in chosen]


def depth(instrument: Instrument, market: BinanceMarket, limit: int) -> Document:
    return partial_depth(instrument, market, limit)


def agg_trades(
    instrument: Instrument, market: BinanceMarket, *, from_id: int | None, limit: int, ns_per_unit: int
) -> list[Document]:
    known = [trade for trade in instrument.trades if from_id is None or trade.trade_id >= from_id]
    chosen = known[-limit:] if from_id is None else known[:limit]
    return [trade_fields(instrument, market, ns_per_unit, trade) for trade in chosen]


def book_ticker(instrument: Instrument, market: BinanceMarket) -> Document:
    bid, ask = (level_texts(instrument, market, levels)[0] for levels in (instrument.bids(1), instrument.asks(1)))
    return {
        "symbol": instrument.symbol.name,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
    }


def ticker_price(instrument: Instrument, market: BinanceMarket) -> Document:
    return {"symbol": instrument.symbol.name, "price": price_text(instrument, market, instrument.price)}


def average_price(instrument: Instrument, ns_per_unit: int) -> Document:
    """Volume-weighted over five minutes."""
    recent = instrument.candles.recent("1m", AVERAGE_MINUTES)
    volume, quote = sum(candle.volume for candle in recent), sum(candle.quote for candle in recent)
    price = quote / volume if volume else instrument.price
    return {"mins": AVERAGE_MINUTES, "price": eight(price), "closeTime": instrument.stamped_ns // ns_per_unit}


def _row(
    instrument: Instrument, market: BinanceMarket, candle: Candle, interval: str, ns_per_unit: int
) -> list[object]:
    return [
        candle.open_ns // ns_per_unit,
        price_text(instrument, market, candle.open),
        price_text(instrument, market, candle.high),
        price_text(instrument, market, candle.low),
        price_text(instrument, market, candle.close),
        quantity_text(instrument, market, candle.volume),
        (candle.open_ns + INTERVALS_NS[interval]) // ns_per_unit - 1,
        eight(candle.quote),
        candle.count,
        quantity_text(instrument, market, candle.bought),
        eight(candle.bought_quote),
        "0",
    ]


def _symbol(instrument: Instrument, market: BinanceMarket) -> Document:
    symbol = instrument.symbol
    tick = price_text(instrument, market, symbol.tick)
    step = quantity_text(instrument, market, 10.0**-symbol.quantity_decimals)
    shared: Document = {
        "symbol": symbol.name,
        "status": "TRADING",
        "baseAsset": symbol.asset,
        "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000.00000000", "stepSize": step},
        ],
    }
    if market == "futures":
        return shared | {"contractType": "PERPETUAL", "pricePrecision": symbol.decimals}
    return shared | {
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }
