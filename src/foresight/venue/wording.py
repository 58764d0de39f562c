"""A window in words, as Gamma titles and describes it."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from foresight.markets import SECOND_NS, Market

_NAMES = {
    "BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "XRP": "XRP", "DOGE": "Dogecoin", "BNB": "BNB",
    "HYPE": "Hyperliquid", "ZEC": "Zcash",
}  # fmt: skip


def question(market: Market) -> str:
    """`Bitcoin Up or Down - November 20, 7:30AM-7:35AM ET`."""
    start, end = _eastern(market.start_ns), _eastern(market.end_ns)
    return f"{name_of(market.asset)} Up or Down - {start:%B} {start.day}, {_hour(start)}-{_hour(end)} ET"


def description(market: Market) -> str:
    return (
        f'This market resolves to "Up" if the 60-second average price of {market.asset}/USD at the end of the time '
        'range in the title is greater than or equal to the one at its beginning, and to "Down" otherwise.'
    )


def name_of(asset: str) -> str:
    return _NAMES.get(asset, asset)


def _hour(at: datetime) -> str:
    return f"{at.hour % 12 or 12}:{at:%M%p}"


def _eastern(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // SECOND_NS, _EASTERN)


def _zone() -> ZoneInfo | None:
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return None


_EASTERN = _zone()
