"""Gamma's market objects (venue spec §2.3, §3): which market a slug is, whether it can be traded, and how it ended."""

import msgspec

from foresight.markets import Market, Outcome


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A market that we can trade. `condition` is the CLOB's form: 0x and 64 hex digits. `prices` are (Up, Down) as the
    venue caches them: not for trading. `resolved` is the official winner, None before and for a split payout."""

    market: Market
    condition: str
    version: str
    closed: bool
    accepting: bool
    prices: tuple[float, float] | None = None
    resolved: Outcome | None = None
    price_to_beat: float | None = None
    final_price: float | None = None


class NotYet(msgspec.Struct, frozen=True):
    """The object is there but not whole: ask again, do not trade."""

    why: str


class Refused(msgspec.Struct, frozen=True):
    """This market must not be traded, and asking again will not help."""

    why: str


class EventPrices(msgspec.Struct, frozen=True):
    """An event's `eventMetadata`: both appear late (venue spec §3.3)."""

    slug: str
    price_to_beat: float | None = None
    final_price: float | None = None


def decode_market(body: bytes, slug: str) -> Listing | NotYet | Refused:
    """The object of `GET /markets/slug/{slug}`."""
    raise NotImplementedError


def decode_markets(body: bytes) -> list[Listing | NotYet | Refused]:
    """The array of `GET /markets?slug=`, an answer for each element by its own slug."""
    raise NotImplementedError


def decode_event(body: bytes) -> EventPrices | Refused:
    """The `eventMetadata` of `GET /events/slug/{slug}`."""
    raise NotImplementedError


def slug_of(asset: str, timeframe: str, start_s: int) -> str:
    """`slug_of("BTC", "5m", 1795177800) == "btc-updown-5m-1795177800"` (venue spec §3.1)."""
    return f"{asset.lower()}-updown-{timeframe}-{start_s}"


class Window(msgspec.Struct, frozen=True):
    """What a slug says; `asset` in capitals."""

    asset: str
    timeframe: str
    start_s: int


def parse_slug(slug: str) -> Window | None:
    raise NotImplementedError


def window_start_s(now_s: int, timeframe: str) -> int:
    """The start of the window that holds `now_s`."""
    raise NotImplementedError


def is_v2_id(token: int) -> bool:
    """The bit test of both official clients (venue spec §2.3)."""
    return token & ((2**64 - 1) << 40) == 0


def condition_of_v2(token: int) -> str:
    """The condition id of a v2 position id, in the CLOB's form (64 hex digits)."""
    raise NotImplementedError


def padded_condition(condition: str) -> str | None:
    """The CLOB's form of a condition id: 62 hex digits get a zero byte at the right; None for what is none."""
    raise NotImplementedError
