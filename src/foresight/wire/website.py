"""The website's undocumented price-to-beat (venue spec §7.3) and its geoblock (§5.13)."""

import msgspec

from foresight.wire.rejects import OnReject


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


def decode_price_to_beat(body: bytes, on_reject: OnReject) -> PriceToBeat | None:
    """The answer of `/api/crypto/crypto-price`; None when it went to `on_reject`."""
    raise NotImplementedError


def decode_geoblock(body: bytes, on_reject: OnReject) -> Geoblock | None:
    """The answer of `/api/geoblock`; None when it went to `on_reject`."""
    raise NotImplementedError
