"""The nouns of Binance's public market data (venue spec §10). Prices and quantities are measurements: floats."""

import msgspec

from foresight.events import NO_STAMP


class BookTicker(msgspec.Struct, frozen=True, gc=False):
    """The best bid and ask. Spot gives no time of it (`event_ns` is NO_STAMP), futures do."""

    symbol: str
    bid: float
    ask: float
    bid_quantity: float
    ask_quantity: float
    update_id: int
    event_ns: int = NO_STAMP


class AggTrade(msgspec.Struct, frozen=True, gc=False):
    """Trades of one taker at one price. `is_buyer_maker` says that the taker sold."""

    symbol: str
    trade_id: int
    price: float
    quantity: float
    traded_ns: int
    event_ns: int
    is_buyer_maker: bool


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade. `is_buyer_maker` says that the taker sold."""

    symbol: str
    trade_id: int
    price: float
    quantity: float
    traded_ns: int
    event_ns: int
    is_buyer_maker: bool


class Kline(msgspec.Struct, frozen=True, gc=False):
    """A candle as it stands; `is_closed` once, when it is over. `close_ns` is its last millisecond, as on the wire."""

    symbol: str
    interval: str
    open_ns: int
    close_ns: int
    close: float
    is_closed: bool
    event_ns: int


class DepthUpdate(msgspec.Struct, frozen=True, gc=False):
    """A change of the book; its levels are not kept."""

    symbol: str
    first_id: int
    last_id: int
    event_ns: int


class PartialDepth(msgspec.Struct, frozen=True, gc=False):
    """The best levels of a book, which are not kept. The payload names no symbol: "" where no stream does either."""

    symbol: str
    last_id: int


class ServerShutdown(msgspec.Struct, frozen=True, gc=False):
    """The server will close this connection: open another one first."""

    event_ns: int


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request; `error` is None when it was obeyed, `id` None when the server could not read it."""

    id: int | str | None
    error: str | None


BinanceMessage = BookTicker | AggTrade | Trade | Kline | DepthUpdate | PartialDepth | ServerShutdown | Reply


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One candle of `GET /klines`; `close_ns` is its last millisecond, as the wire says."""

    open_ns: int
    close_ns: int
    close: float
