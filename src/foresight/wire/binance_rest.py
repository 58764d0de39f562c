"""What Binance answers over REST (venue spec §10.4), as far as a start needs it. Nothing raises past it."""

import msgspec

from foresight.wire.binance_messages import AggTrade, BookTicker, Candle
from foresight.wire.numbers import count_of, measured, ns_of, quantity_of
from foresight.wire.rejects import FAULTS, OnReject, Rejected, Rejecter, check_length, taken

CANDLE_FIELDS_MIN = 7
"""Open time, open, high, low, close, volume, close time; five more follow that we do not read."""


class _AggTrade(msgspec.Struct):
    a: int
    p: float
    q: float
    T: int
    m: bool


class _BookTicker(msgspec.Struct):
    symbol: str
    bidPrice: float  # noqa: N815 - the wire's name
    bidQty: float  # noqa: N815 - the wire's name
    askPrice: float  # noqa: N815 - the wire's name
    askQty: float  # noqa: N815 - the wire's name
    lastUpdateId: int = 0  # noqa: N815 - the wire's name


class _Symbol(msgspec.Struct):
    symbol: str
    status: str


class _Time(msgspec.Struct):
    serverTime: int  # noqa: N815 - the wire's name


class _ExchangeInfo(msgspec.Struct):
    symbols: list[msgspec.Raw]


_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS = msgspec.json.Decoder(list[msgspec.Raw])
_INTEGER = msgspec.json.Decoder(int)
_FLOAT = msgspec.json.Decoder(float, strict=False)
_AGG_TRADE = msgspec.json.Decoder(_AggTrade, strict=False)
_BOOK_TICKER = msgspec.json.Decoder(_BookTicker, strict=False)
_EXCHANGE_INFO = msgspec.json.Decoder(_ExchangeInfo)
_TIME = msgspec.json.Decoder(_Time)
_SYMBOL = msgspec.json.Decoder(_Symbol)


def decode_klines(body: bytes, on_reject: OnReject) -> list[Candle]:
    """`GET /klines`, oldest first as it comes; a bad candle is told and left out."""
    rejecter = Rejecter("binance-klines", on_reject)
    try:
        check_length(body)
        return taken(_ROWS.decode(body), _candle, lambda error: rejecter.fault(error, body))
    except FAULTS as error:
        rejecter.fault(error, body)
        return []


def _candle(raw: msgspec.Raw) -> Candle:
    fields = _FIELDS.decode(raw)
    if len(fields) < CANDLE_FIELDS_MIN:
        raise Rejected("bad-candle", f"a candle of {len(fields)} fields")
    open_ns, close_ns = ns_of(_INTEGER.decode(fields[0])), ns_of(_INTEGER.decode(fields[6]))
    return Candle(open_ns, close_ns, measured(_FLOAT.decode(fields[4])))


def decode_agg_trades(body: bytes, symbol: str, on_reject: OnReject) -> list[AggTrade]:
    """`GET /aggTrades` of a symbol, which the body does not name; nor does it name a time of sending, so `event_ns` is
    the trade's. A bad trade is told and left out."""
    rejecter = Rejecter("binance-trades", on_reject)
    try:
        check_length(body)
        rows = _ROWS.decode(body)
        return taken(rows, lambda raw: _agg_trade(raw, symbol), lambda error: rejecter.fault(error, body))
    except FAULTS as error:
        rejecter.fault(error, body)
        return []


def _agg_trade(raw: msgspec.Raw, symbol: str) -> AggTrade:
    told = _AGG_TRADE.decode(raw)
    traded_ns = ns_of(told.T)
    return AggTrade(symbol, count_of(told.a), measured(told.p), quantity_of(told.q), traded_ns, traded_ns, told.m)


def decode_symbols(body: bytes, on_reject: OnReject) -> dict[str, str]:
    """`GET /exchangeInfo`: the status of each symbol (`TRADING`, `HALT`, `BREAK`, `CANCEL_ONLY`)."""
    rejecter = Rejecter("binance-symbols", on_reject)
    try:
        check_length(body)
        rows = _EXCHANGE_INFO.decode(body).symbols
        symbols = taken(rows, _SYMBOL.decode, lambda error: rejecter.fault(error, body))
    except FAULTS as error:
        rejecter.fault(error, body)
        return {}
    return {told.symbol: told.status for told in symbols}


def decode_book_ticker(body: bytes, on_reject: OnReject) -> BookTicker | None:
    """`GET /ticker/bookTicker` of one symbol; it has no update id on spot (0). None when it went to `on_reject`."""
    try:
        check_length(body)
        told = _BOOK_TICKER.decode(body)
        bid, ask = measured(told.bidPrice), measured(told.askPrice)
        quantities = quantity_of(told.bidQty), quantity_of(told.askQty)
        return BookTicker(told.symbol, bid, ask, *quantities, count_of(told.lastUpdateId))
    except FAULTS as error:
        Rejecter("binance-ticker", on_reject).fault(error, body)
        return None


def decode_time(body: bytes, on_reject: OnReject) -> int | None:
    """`GET /time`: the venue's clock, in nanoseconds since 1970. None when it went to `on_reject`."""
    try:
        check_length(body)
        return ns_of(_TIME.decode(body).serverTime)
    except FAULTS as error:
        Rejecter("binance-time", on_reject).fault(error, body)
        return None
