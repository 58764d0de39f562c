"""What Gamma's objects say to us (venue spec §3.3): a market that can be traded, or why not."""

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
    slug: str = ""


class Refused(msgspec.Struct, frozen=True):
    """This market must not be traded, and asking again will not help."""

    why: str
    slug: str = ""


class EventPrices(msgspec.Struct, frozen=True):
    """An event's `eventMetadata`: both appear late (venue spec §3.3)."""

    slug: str
    price_to_beat: float | None = None
    final_price: float | None = None


Answer = Listing | NotYet | Refused
