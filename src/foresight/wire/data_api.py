"""Polymarket's Data API v2 (venue spec §8): public trades and resolutions, a page at a time."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from foresight.events import NO_STAMP
from foresight.markets import Token
from foresight.money import MICROS
from foresight.wire.numbers import ns_of, ns_of_moment, ns_of_seconds, rounded_micros, token_of
from foresight.wire.rejects import FAULTS, OnReject, Rejected, Rejecter, check_length, taken

SECONDS_DIGITS_MAX = 11
"""A time of more digits is not in seconds: they would lie beyond the year 5138."""


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade of somebody. Price and size come as JSON numbers and are rounded to whole micros."""

    wallet: str
    token: Token
    condition: str
    slug: str
    outcome: str
    is_buy: bool
    price_micros: int
    size_micros: int
    traded_ns: int
    transaction: str


class TradesPage(msgspec.Struct, frozen=True):
    """One page; `cursor` asks for the next one, None at the end."""

    trades: tuple[PublicTrade, ...]
    cursor: str | None


class Resolution(msgspec.Struct, frozen=True):
    """How a condition stands. `payouts` are micros of a dollar for one share of each outcome, empty before; `status` is
    `resolved` when they count."""

    condition: str
    status: str
    payouts: tuple[int, ...]
    resolved_ns: int
    reporter: str


class ResolutionsPage(msgspec.Struct, frozen=True):
    resolutions: tuple[Resolution, ...]
    cursor: str | None


class _Pagination(msgspec.Struct):
    next_cursor: str | None = None


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    pagination: _Pagination | None = None


class _Trade(msgspec.Struct):
    token_id: str
    condition_id: str
    side: str
    size: float
    price: float
    timestamp: int
    proxy_wallet: str = ""
    transaction_hash: str | None = None
    slug: str | None = None
    outcome: str | None = None


class _Resolution(msgspec.Struct):
    condition_id: str
    status: str
    payouts: list[int] | None = None
    resolved_at: int | str | None = None
    reporter: str | None = None


_PAGE = msgspec.json.Decoder(_Page)
_TRADE = msgspec.json.Decoder(_Trade)
_RESOLUTION = msgspec.json.Decoder(_Resolution)
Row = TypeVar("Row")


def decode_trades(body: bytes, on_reject: OnReject) -> TradesPage | None:
    """A page of `GET /v2/trades`; a bad row is told and left out. None when the body is no page at all."""
    page = _page(body, _trade, Rejecter("data-trades", on_reject))
    return None if page is None else TradesPage(*page)


def decode_resolutions(body: bytes, on_reject: OnReject) -> ResolutionsPage | None:
    """`GET /v2/resolutions`; a bad row is told and left out. None when the body is no page at all."""
    page = _page(body, _resolution, Rejecter("data-resolutions", on_reject))
    return None if page is None else ResolutionsPage(*page)


def _page(
    body: bytes, take: Callable[[msgspec.Raw], Row], rejecter: Rejecter
) -> tuple[tuple[Row, ...], str | None] | None:
    try:
        check_length(body)
        page = _PAGE.decode(body)
        rows = taken(page.data, take, lambda error: rejecter.fault(error, body))
    except FAULTS as error:
        rejecter.fault(error, body)
        return None
    cursor = page.pagination.next_cursor if page.pagination is not None else None
    return tuple(rows), cursor or None


def _trade(raw: msgspec.Raw) -> PublicTrade:
    told = _TRADE.decode(raw)
    if told.side not in ("BUY", "SELL"):
        raise Rejected("bad-side", f"a side {told.side[:20]!r}")
    return PublicTrade(
        wallet=told.proxy_wallet,
        token=token_of(told.token_id),
        condition=told.condition_id,
        slug=told.slug or "",
        outcome=told.outcome or "",
        is_buy=told.side == "BUY",
        price_micros=_price(told.price),
        size_micros=rounded_micros(told.size, "size"),
        traded_ns=ns_of_seconds(told.timestamp),
        transaction=told.transaction_hash or "",
    )


def _price(price: float) -> int:
    """The price of a trade over several levels is an average: a double with any digits."""
    price_micros = rounded_micros(price, "price")
    if not 0 < price_micros < MICROS:
        raise Rejected("bad-price", f"a price of {price} is not between 0 and 1")
    return price_micros


def _resolution(raw: msgspec.Raw) -> Resolution:
    told = _RESOLUTION.decode(raw)
    payouts = tuple(told.payouts or ())
    if any(not 0 <= payout <= MICROS for payout in payouts) or len(payouts) not in (0, 2):
        raise Rejected("bad-payouts", "payouts are two, of 0 to 1,000,000 each")
    return Resolution(told.condition_id, told.status[:40], payouts, _time(told.resolved_at), (told.reporter or "")[:40])


def _time(time: int | str | None) -> int:
    """The specification names no unit of `resolved_at`: seconds and milliseconds are told by their size, text may be
    digits or ISO 8601 with a zone."""
    if time is None or time == "":
        return NO_STAMP
    if isinstance(time, str) and not time.isdigit():
        return ns_of_moment(msgspec.convert(time, datetime))
    number = int(time) if len(str(time)) <= SECONDS_DIGITS_MAX + 6 else -1
    return ns_of_seconds(number) if len(str(number)) <= SECONDS_DIGITS_MAX else ns_of(number)
