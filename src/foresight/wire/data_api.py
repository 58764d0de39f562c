"""Polymarket's Data API v2 (venue spec §8): public trades and resolutions, a page at a time."""

import msgspec

from foresight.markets import Token
from foresight.wire.rejects import OnReject


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


def decode_trades(body: bytes, on_reject: OnReject) -> TradesPage | None:
    """A page of `GET /v2/trades`; None when the body is no page at all."""
    raise NotImplementedError


def decode_resolutions(body: bytes, on_reject: OnReject) -> ResolutionsPage | None:
    """`GET /v2/resolutions`; None when the body is no page at all."""
    raise NotImplementedError
