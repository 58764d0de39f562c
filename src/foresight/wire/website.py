"""The website's undocumented price-to-beat (venue spec §7.3) and its geoblock (§5.13)."""

import msgspec

from foresight.wire.numbers import measured, ns_of
from foresight.wire.rejects import FAULTS, OnReject, Rejecter, check_length


class PriceToBeat(msgspec.Struct, frozen=True, gc=False):
    """The official open and close of a window, None before they are known; the first open is now and then corrected."""

    open: float | None
    close: float | None
    is_complete: bool
    stamped_ns: int


class Geoblock(msgspec.Struct, frozen=True):
    is_blocked: bool
    country: str
    region: str


class _Price(msgspec.Struct):
    timestamp: int
    openPrice: float | None = None  # noqa: N815 - the wire's name
    closePrice: float | None = None  # noqa: N815 - the wire's name
    completed: bool = False


class _Geoblock(msgspec.Struct):
    blocked: bool
    country: str = ""
    region: str = ""


_PRICE = msgspec.json.Decoder(_Price)
_GEOBLOCK = msgspec.json.Decoder(_Geoblock)


def decode_price_to_beat(body: bytes, on_reject: OnReject) -> PriceToBeat | None:
    """The answer of `/api/crypto/crypto-price`; None when it went to `on_reject`."""
    try:
        check_length(body)
        told = _PRICE.decode(body)
        return PriceToBeat(_known(told.openPrice), _known(told.closePrice), told.completed, ns_of(told.timestamp))
    except FAULTS as error:
        Rejecter("website-price", on_reject).fault(error, body)
        return None


def _known(price: float | None) -> float | None:
    return None if price is None else measured(price)


def decode_geoblock(body: bytes, on_reject: OnReject) -> Geoblock | None:
    """The answer of `/api/geoblock`; None when it went to `on_reject`."""
    try:
        check_length(body)
        told = _GEOBLOCK.decode(body)
        return Geoblock(told.blocked, told.country[:40], told.region[:40])
    except FAULTS as error:
        Rejecter("geoblock", on_reject).fault(error, body)
        return None
