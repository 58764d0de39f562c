"""What distinguishes one simulated asset from another."""

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`market_weight` is the correlation with the common factor. `half_spread_ticks` is what makers add on each side of
    the fair price in quiet times, `level_shares` the usual size of one level, `trades_per_second` per open market."""

    price: float
    decimals: int
    annual_volatility: float
    market_weight: float = 0.65
    oracle_decimals: int = 8
    half_spread_ticks: float = 0.3
    level_shares: float = 120.0
    trades_per_second: float = 0.15


PROFILES = {
    "BTC": Profile(
        price=81_000.0, decimals=2, annual_volatility=0.45, market_weight=0.88, oracle_decimals=4,
        half_spread_ticks=0.03, level_shares=620.0, trades_per_second=0.55,
    ),
    "ETH": Profile(
        price=2_700.0, decimals=2, annual_volatility=0.62, market_weight=0.82, oracle_decimals=5,
        half_spread_ticks=0.12, level_shares=300.0, trades_per_second=0.35,
    ),
    "SOL": Profile(
        price=130.0, decimals=2, annual_volatility=0.72, market_weight=0.75, oracle_decimals=6,
        half_spread_ticks=0.18, level_shares=220.0, trades_per_second=0.25,
    ),
    "XRP": Profile(
        price=1.9, decimals=4, annual_volatility=0.70, market_weight=0.70,
        half_spread_ticks=0.18, level_shares=200.0, trades_per_second=0.25,
    ),
    "DOGE": Profile(price=0.13, decimals=5, annual_volatility=0.80, market_weight=0.70),
    "BNB": Profile(price=820.0, decimals=2, annual_volatility=0.50, oracle_decimals=6),
    "HYPE": Profile(price=31.0, decimals=3, annual_volatility=0.95, market_weight=0.55, oracle_decimals=6),
    "ZEC": Profile(price=420.0, decimals=2, annual_volatility=1.10, market_weight=0.40, oracle_decimals=6),
    "AVAX": Profile(price=14.0, decimals=3, annual_volatility=0.80, oracle_decimals=6),
    "LINK": Profile(price=13.0, decimals=3, annual_volatility=0.75, oracle_decimals=6),
    "MATIC": Profile(price=0.3, decimals=4, annual_volatility=0.85),
}  # fmt: skip

_UNKNOWN = Profile(price=10.0, decimals=3, annual_volatility=0.85, oracle_decimals=6)


def profile_of(asset: str) -> Profile:
    """The asset's own profile, or that of a middling altcoin for a name nobody wrote a profile for."""
    return PROFILES.get(asset, _UNKNOWN)
