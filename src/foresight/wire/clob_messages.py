"""The nouns of Polymarket's public order books (venue spec §5.8, §6.1). Prices and sizes are integer micros."""

import msgspec

from foresight.events import NO_STAMP, NOT_TOLD
from foresight.markets import Token

Level = tuple[int, int]
"""(price in micros, size in micros)."""


class Book(msgspec.Struct, frozen=True):
    """One outcome's whole book, best first on both sides whatever the wire's order; it replaces what was known.
    `tick_micros` is None where the frame does not tell it, `hash` is "" then."""

    market: str
    token: Token
    stamped_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    tick_micros: int | None = None
    hash: str = ""


class Change(msgspec.Struct, frozen=True, gc=False):
    """The size of one level is new; 0 takes the level away. `best_*` is the top that the venue names with it: ABSENT
    for an empty side, NOT_TOLD where it names none."""

    token: Token
    is_bid: bool
    price_micros: int
    size_micros: int
    best_bid_micros: int = NOT_TOLD
    best_ask_micros: int = NOT_TOLD


class PriceChange(msgspec.Struct, frozen=True):
    """Changes of one market's levels, of both its outcomes, in the wire's order."""

    market: str
    stamped_ns: int
    changes: tuple[Change, ...]


class LastTrade(msgspec.Struct, frozen=True, gc=False):
    """A trade of others; `is_buy` is the taker's side. The size is NOT_TOLD where the frame gives none."""

    market: str
    token: Token
    price_micros: int
    size_micros: int
    is_buy: bool
    stamped_ns: int = NO_STAMP


class TickSizeChange(msgspec.Struct, frozen=True, gc=False):
    market: str
    token: Token
    tick_micros: int
    stamped_ns: int = NO_STAMP


class BestBidAsk(msgspec.Struct, frozen=True, gc=False):
    """The top of one outcome's book: ABSENT for an empty side, NOT_TOLD where the frame leaves it out."""

    market: str
    token: Token
    best_bid_micros: int
    best_ask_micros: int
    stamped_ns: int = NO_STAMP


class NewMarket(msgspec.Struct, frozen=True):
    """A market was made, any of the venue's; `tokens` and `outcomes` (labels) belong together by position."""

    condition: str
    slug: str
    tokens: tuple[Token, ...]
    outcomes: tuple[str, ...]
    stamped_ns: int = NO_STAMP


class MarketResolved(msgspec.Struct, frozen=True):
    """A market has a winner; `winning_outcome` is the venue's label ("Up"), either may be "" where it names none."""

    market: str
    tokens: tuple[Token, ...]
    winning_token: Token
    winning_outcome: str
    stamped_ns: int = NO_STAMP


class Pong(msgspec.Struct, frozen=True):
    """The answer to a text `PING`."""


ClobMessage = Book | PriceChange | LastTrade | TickSizeChange | BestBidAsk | NewMarket | MarketResolved | Pong


class MarketInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /clob-markets/{cond}`: how one market trades. The fee is None where it does not tell it; an exponent
    other than 1 must not be traded (venue spec §5.10). `tokens` and `outcomes` belong together by position."""

    condition: str
    tokens: tuple[Token, ...]
    outcomes: tuple[str, ...]
    tick_micros: int
    min_shares_micros: int
    fee_rate_micros: int | None
    fee_exponent: float | None
    has_taker_delay: bool
    is_accepting: bool
    is_neg_risk: bool
    version: str
