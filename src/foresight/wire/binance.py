"""Binance's public market data (venue spec §10): stream frames and REST bodies to nouns, and what we say there."""

from collections.abc import Sequence

import msgspec

from foresight.events import NO_STAMP
from foresight.wire.rejects import OnReject, Rejecter


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


class ServerShutdown(msgspec.Struct, frozen=True, gc=False):
    """The server will close this connection: open another one first."""

    event_ns: int


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request; `error` is None when it was obeyed, `id` None when the server could not read it."""

    id: int | str | None
    error: str | None


BinanceMessage = BookTicker | AggTrade | Trade | Kline | DepthUpdate | ServerShutdown | Reply


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One candle of `GET /klines`; `close_ns` is its last millisecond, as the wire says."""

    open_ns: int
    close_ns: int
    close: float


class BinanceDecoder:
    """Decodes the frames of one connection, wrapped (`/stream`) and raw (`/ws`), spot and futures."""

    def __init__(self, on_reject: OnReject) -> None:
        self._rejecter = Rejecter("binance", on_reject)

    def decode(self, frame: bytes) -> BinanceMessage | None:
        """The frame's message; None when it went to `on_reject`."""
        raise NotImplementedError


def decode_klines(body: bytes, on_reject: OnReject) -> list[Candle]:
    raise NotImplementedError


def decode_symbols(body: bytes, on_reject: OnReject) -> dict[str, str]:
    raise NotImplementedError


def decode_agg_trades(body: bytes, symbol: str, on_reject: OnReject) -> list[AggTrade]:
    raise NotImplementedError


def decode_book_ticker(body: bytes, on_reject: OnReject) -> BookTicker | None:
    raise NotImplementedError


def subscribe(streams: Sequence[str], id: int) -> bytes:  # noqa: A002 - the protocol's own word
    return msgspec.json.encode({"method": "SUBSCRIBE", "params": list(streams), "id": id})


def unsubscribe(streams: Sequence[str], id: int) -> bytes:  # noqa: A002 - the protocol's own word
    return msgspec.json.encode({"method": "UNSUBSCRIBE", "params": list(streams), "id": id})
