"""The nouns of the venue: assets, slots, markets and their two outcomes."""

from typing import Literal, NewType

import msgspec

from foresight.money import MICROS

Nanoseconds = NewType("Nanoseconds", int)
SlotId = NewType("SlotId", str)
MarketId = NewType("MarketId", str)
Token = NewType("Token", str)
OrderId = NewType("OrderId", str)

Outcome = Literal["UP", "DOWN"]
Origin = Literal["simulated", "recorded", "live"]
SettlesOn = Literal["twap60", "spot"]
"""Where a number comes from; every screen, JSON and report carries it."""

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
TIMEFRAME_NS = {"5m": 5 * MINUTE_NS, "15m": 15 * MINUTE_NS}
DEFAULT_ASSETS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "HYPE", "ZEC")

OPPOSITE: dict[Outcome, Outcome] = {"UP": "DOWN", "DOWN": "UP"}


def slot_id(asset: str, timeframe: str) -> SlotId:
    """The slot's name everywhere: `btc-5m`."""
    return SlotId(f"{asset.lower()}-{timeframe}")


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One window of one slot at the venue, with all that is needed to trade and settle it.

    Prices and shares are micros; `fee_rate_micros` is the rate of docs/venue.md (0.07 is 70,000).
    `settles_on` is the rule: `twap60` compares the 60-second averages stamped at the window's two ends, `spot` the
    prices there; a tie is UP. `fills` says how a paper order is filled: against a streamed book, or, where only
    quotes about a second apart were recorded, at the worse of the last quote and the next. `assumed` names the
    fields that the source did not give.
    """

    market_id: MarketId
    asset: str
    timeframe: str
    start_ns: int
    end_ns: int
    up: Token
    down: Token
    source: str
    tick_micros: int = 10_000
    min_shares_micros: int = 5 * MICROS
    min_notional_micros: int = MICROS
    fee_rate_micros: int = 70_000
    taker_delay_ns: int = 150_000_000
    settles_on: SettlesOn = "twap60"
    fills: Literal["book", "next_quote"] = "book"
    assumed: tuple[str, ...] = ()

    @property
    def slot(self) -> SlotId:
        return slot_id(self.asset, self.timeframe)

    def token(self, outcome: Outcome) -> Token:
        return self.up if outcome == "UP" else self.down

    def outcome_of(self, token: Token) -> Outcome:
        return "UP" if token == self.up else "DOWN"
