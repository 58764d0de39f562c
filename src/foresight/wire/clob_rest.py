"""The books and the trading rules that Polymarket's CLOB answers over REST (venue spec §5.8)."""

import hashlib
from collections.abc import Iterable

import msgspec

from foresight.markets import Token
from foresight.wire.clob_events import WireEvent, WireLevel, book_of
from foresight.wire.clob_messages import Book, MarketInfo
from foresight.wire.numbers import micros_of_number, price_of_number, quantity_of, token_of
from foresight.wire.rejects import FAULTS, OnReject, Rejected, Rejecter, check_length, taken

BOOKS_MAX = 500
"""So many books one `POST /books` may ask for."""


class _Hashed(msgspec.Struct):
    """A book with the keys that its hash covers, in their order."""

    market: str
    asset_id: str
    timestamp: str
    hash: str
    bids: list[WireLevel]
    asks: list[WireLevel]
    min_order_size: str
    tick_size: str
    neg_risk: bool
    last_trade_price: str


class _WireToken(msgspec.Struct):
    t: str
    o: str


class _WireFee(msgspec.Struct):
    r: float
    e: float = 1


class _WireInfo(msgspec.Struct):
    c: str
    t: list[_WireToken]
    mts: float
    mos: float
    fd: _WireFee | None = None
    itode: bool | None = None
    ao: bool | None = None
    nr: bool | None = None
    v: str | int | None = None


_BOOKS = msgspec.json.Decoder(WireEvent | list[msgspec.Raw])
_BOOK = msgspec.json.Decoder(WireEvent)
_HASHED = msgspec.json.Decoder(_Hashed)
_INFO = msgspec.json.Decoder(_WireInfo)


def decode_books(body: bytes, on_reject: OnReject) -> list[Book]:
    """The book of `GET /book` or the books of `POST /books`; a bad one is told and left out."""
    rejecter = Rejecter("clob-books", on_reject)
    try:
        check_length(body)
        whole = _BOOKS.decode(body)
        if isinstance(whole, WireEvent):
            return [book_of(whole)]
        return taken(whole, lambda raw: book_of(_BOOK.decode(raw)), lambda error: rejecter.fault(error, body))
    except FAULTS as error:
        rejecter.fault(error, body)
        return []


def books_request(tokens: Iterable[Token]) -> bytes:
    """The body of `POST /books`, for 500 tokens at most; raises ValueError for more."""
    wanted = [{"token_id": token} for token in tokens]
    if len(wanted) > BOOKS_MAX:
        raise ValueError(f"{len(wanted)} books in one request, the venue takes {BOOKS_MAX}")
    return msgspec.json.encode(wanted)


def book_hash(body: bytes) -> str | None:
    """The hash that a book of `GET /book` has to name: SHA-1 of its compact JSON in the order of the keys with an
    empty `hash` (venue spec §5.8, §14). None for a body that is no whole book."""
    try:
        check_length(body)
        book = _HASHED.decode(body)
    except FAULTS:
        return None
    book.hash = ""
    return hashlib.sha1(msgspec.json.encode(book), usedforsecurity=False).hexdigest()


def decode_market_info(body: bytes, on_reject: OnReject) -> MarketInfo | None:
    """The answer of `GET /clob-markets/{cond}`; None when it went to `on_reject`."""
    try:
        check_length(body)
        return _info_of(_INFO.decode(body))
    except FAULTS as error:
        Rejecter("clob-market", on_reject).fault(error, body)
        return None


def _info_of(info: _WireInfo) -> MarketInfo:
    if not info.c:
        raise Rejected("no-market", "a market without its condition")
    return MarketInfo(
        condition=info.c,
        tokens=tuple([token_of(token.t) for token in info.t]),
        outcomes=tuple([token.o for token in info.t]),
        tick_micros=price_of_number(info.mts, "tick"),
        min_shares_micros=micros_of_number(info.mos, "size"),
        fee_rate_micros=None if info.fd is None else micros_of_number(info.fd.r, "fee"),
        fee_exponent=None if info.fd is None else quantity_of(info.fd.e, "fee"),
        has_taker_delay=bool(info.itode),
        is_accepting=bool(info.ao),
        is_neg_risk=bool(info.nr),
        version="" if info.v is None else str(info.v),
    )
