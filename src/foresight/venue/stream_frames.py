"""The exchange's streams as documents, with their exact keys (venue spec §10.3).

`ns_per_unit` is the unit of times that the connection asked for: a millisecond, or a microsecond. Futures differ from
spot in small ways: prices without padding, a book ticker with times, no `M`.
"""

from foresight.venue.candles import INTERVALS_NS, Candle
from foresight.venue.decimals import eight
from foresight.venue.documents import Document
from foresight.venue.frames import BinanceMarket
from foresight.venue.instruments import AggTrade, Instrument, Level


def price_text(instrument: Instrument, market: BinanceMarket, price: float) -> str:
    return eight(price) if market == "spot" else f"{price:.{instrument.symbol.decimals}f}"


def quantity_text(instrument: Instrument, market: BinanceMarket, quantity: float) -> str:
    return eight(quantity) if market == "spot" else f"{quantity:.{instrument.symbol.quantity_decimals}f}"


def level_texts(instrument: Instrument, market: BinanceMarket, levels: list[Level]) -> list[list[str]]:
    return [
        [
            price_text(instrument, market, instrument.price_of(ticks)),
            quantity_text(instrument, market, quantity),
        ]
        for ticks, quantity in levels
    ]


def book_ticker(
    instrument: Instrument, market: BinanceMarket, ns_per_unit: int, *, update_id: int, at_ns: int
) -> Document:
    """Spot's has no event time and no `e`."""
    (bid, bid_size), (ask, ask_size) = instrument.bids(1)[0], instrument.asks(1)[0]
    told: Document = {
        "u": update_id,
        "s": instrument.symbol.name,
        "b": price_text(instrument, market, instrument.price_of(bid)),
        "B": quantity_text(instrument, market, bid_size),
        "a": price_text(instrument, market, instrument.price_of(ask)),
        "A": quantity_text(instrument, market, ask_size),
    }
    if market == "spot":
        return told
    return {"e": "bookTicker", **told, "T": instrument.stamped_ns // ns_per_unit, "E": at_ns // ns_per_unit}


def agg_trade(instrument: Instrument, market: BinanceMarket, ns_per_unit: int, trade: AggTrade) -> Document:
    return {
        "e": "aggTrade",
        "E": trade.at_ns // ns_per_unit,
        "s": instrument.symbol.name,
        **trade_fields(instrument, market, ns_per_unit, trade),
    }


def trade_fields(instrument: Instrument, market: BinanceMarket, ns_per_unit: int, trade: AggTrade) -> Document:
    """What a stream's and a REST answer's aggregate trade have in common (venue spec §10.4)."""
    fields: Document = {
        "a": trade.trade_id,
        "p": price_text(instrument, market, trade.price),
        "q": quantity_text(instrument, market, trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.stamped_ns // ns_per_unit,
        "m": trade.is_buyer_maker,
    }
    return fields | {"M": True} if market == "spot" else fields


def single_trade(instrument: Instrument, market: BinanceMarket, ns_per_unit: int, trade: AggTrade) -> Document:
    return {
        "e": "trade",
        "E": trade.at_ns // ns_per_unit,
        "s": instrument.symbol.name,
        "t": trade.trade_id,
        "p": price_text(instrument, market, trade.price),
        "q": quantity_text(instrument, market, trade.quantity),
        "T": trade.stamped_ns // ns_per_unit,
        "m": trade.is_buyer_maker,
        "M": True,
    }


def kline(
    instrument: Instrument,
    market: BinanceMarket,
    ns_per_unit: int,
    candle: Candle,
    *,
    interval: str,
    is_closed: bool,
    at_ns: int,
) -> Document:
    """`x` is true once, when the candle is closed."""
    close_ns = candle.open_ns + INTERVALS_NS[interval]
    return {
        "e": "kline",
        "E": at_ns // ns_per_unit,
        "s": instrument.symbol.name,
        "k": {
            "t": candle.open_ns // ns_per_unit,
            "T": close_ns // ns_per_unit - 1,
            "s": instrument.symbol.name,
            "i": interval,
            "f": candle.first,
            "L": candle.last,
            "o": price_text(instrument, market, candle.open),
            "c": price_text(instrument, market, candle.close),
            "h": price_text(instrument, market, candle.high),
            "l": price_text(instrument, market, candle.low),
            "v": quantity_text(instrument, market, candle.volume),
            "n": candle.count,
            "x": is_closed,
            "q": eight(candle.quote),
            "V": quantity_text(instrument, market, candle.bought),
            "Q": eight(candle.bought_quote),
            "B": "0",
        },
    }


def partial_depth(instrument: Instrument, market: BinanceMarket, count: int) -> Document:
    """Without a symbol inside."""
    return {
        "lastUpdateId": instrument.update_id,
        "bids": level_texts(instrument, market, instrument.bids(count)),
        "asks": level_texts(instrument, market, instrument.asks(count)),
    }
