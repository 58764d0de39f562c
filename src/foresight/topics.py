"""Further topics: what a release may need besides its slots' own markets, by name.

    binance:AVAXUSDT            a symbol of Binance spot
    binance-futures:HYPEUSDT    a perpetual of Binance's USD-M futures

What stands before the colon is an adapter, which is resident code: a new one takes a new process (a handover).
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

ADAPTERS = {"binance": "a symbol of Binance spot", "binance-futures": "a perpetual of Binance's USD-M futures"}
TOPICS_MAX = 16
"""Of all releases that may answer together: each takes up to three streams, and half an hour of prices."""
QUOTED_IN = "USDT"

_SYMBOL = re.compile(r"[A-Z0-9]{2,20}")


class Topic(msgspec.Struct, frozen=True):
    """A name in its parts."""

    adapter: str
    symbol: str

    @property
    def name(self) -> str:
        return f"{self.adapter}:{self.symbol}"


def topic_of(name: str) -> Topic:
    """Of a name that `problems_of` has nothing against."""
    adapter, _, symbol = name.partition(":")
    return Topic(adapter, symbol)


def problems_of(names: Sequence[str]) -> list[str]:
    """Why a release cannot need these, as sentences; empty when it can."""
    problems = [problem for name in names if (problem := _problem(name))]
    if len(names) > TOPICS_MAX:
        problems.append(f"{len(names)} topics are over the limit of {TOPICS_MAX}")
    return problems


def _problem(name: str) -> str:
    topic = topic_of(name)
    if topic.adapter not in ADAPTERS:
        known = ", ".join(f"{adapter}:SYMBOL ({what})" for adapter, what in ADAPTERS.items())
        return f"needs handover: there is no adapter for {name!r}; known are {known}"
    if _SYMBOL.fullmatch(topic.symbol) is None:
        return f"{name!r} names no symbol, which is 2 to 20 capital letters and digits: {topic.adapter}:AVAXUSDT"
    return ""


def made_by(names: Iterable[str], assets: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The topics, and their series, of a market without feeds for them: the underlyings of its assets."""
    return tuple((name, asset) for name in names if (asset := traded_asset(name, assets)) is not None)


def traded_asset(name: str, assets: Iterable[str]) -> str | None:
    """The asset among `assets` whose own underlying this topic is by its symbol; None for another symbol."""
    symbol = topic_of(name).symbol
    return next((asset for asset in assets if symbol == f"{asset}{QUOTED_IN}"), None)
