"""Gamma's market objects (venue spec §2.3, §3): which market a slug is, whether it can be traded, and how it ended."""

from datetime import datetime

import msgspec

from foresight.markets import SECOND_NS, TIMEFRAME_NS, Market, MarketId, Outcome, Token
from foresight.money import MICROS
from foresight.wire.gamma_messages import Answer, EventPrices, Listing, NotYet, Refused
from foresight.wire.identifiers import (
    Window,
    condition_of_v2,
    is_v2_id,
    padded_condition,
    parse_slug,
    slug_of,
    window_start_s,
)
from foresight.wire.numbers import measured, micros_of_number, ns_of_moment, price_of_number, token_of
from foresight.wire.rejects import ELEMENTS_MAX, FAULTS, Rejected, check_length, what_of

__all__ = [
    "Answer",
    "EventPrices",
    "Listing",
    "NotYet",
    "Refused",
    "Window",
    "condition_of_v2",
    "decode_event",
    "decode_market",
    "decode_markets",
    "is_v2_id",
    "padded_condition",
    "parse_slug",
    "slug_of",
    "window_start_s",
]

TWAP_S = 60
"""The average that settles every window since 2026-08-14 (venue spec §4); no other rule is traded."""


class _Fee(msgspec.Struct):
    exponent: float
    rate: float


class _Config(msgspec.Struct, rename="camel"):
    asset: str = ""
    duration: str = ""
    twap_enabled: bool = False
    twap_lookback_seconds: int = 0


class _Metadata(msgspec.Struct, rename="camel"):
    price_to_beat: float | None = None
    final_price: float | None = None


class _Event(msgspec.Struct, rename="camel"):
    slug: str = ""
    event_metadata: _Metadata | None = None


class _Market(msgspec.Struct, rename="camel"):
    slug: str
    version: str | None = None
    condition_id: str | None = None
    clob_token_ids: str | list[str] | None = None
    position_ids: str | list[str] | None = None
    outcomes: str | list[str] | None = None
    outcome_prices: str | list[str] | None = None
    event_start_time: datetime | None = None
    end_date: datetime | None = None
    closed: bool = False
    accepting_orders: bool = False
    neg_risk: bool | None = None
    order_price_min_tick_size: float | None = None
    order_min_size: float | None = None
    fee_schedule: _Fee | None = None
    crypto_market_config: _Config | None = None
    events: list[_Event] = []


class _Slug(msgspec.Struct):
    slug: str


_MARKET = msgspec.json.Decoder(_Market)
_MARKETS = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(_Event | list[_Event])
_SLUG = msgspec.json.Decoder(_Slug)
_LIST = msgspec.json.Decoder(list[str])


class _Missing(Exception):
    """Something is not there yet."""


def decode_market(body: bytes, slug: str) -> Answer:
    """The object of `GET /markets/slug/{slug}`. What is no JSON is NotYet: an answer that was cut off is no verdict."""
    try:
        check_length(body)
        told = _MARKET.decode(body)
        if told.slug != slug:
            raise Rejected("slug", f"the answer is about {told.slug[:80]!r}")
        return _listing(told)
    except _Missing as missing:
        return NotYet(str(missing), slug)
    except FAULTS as error:
        what, why = what_of(error)
        return NotYet(f"{what}: {why}", slug) if what == "not-json" else Refused(f"{what}: {why}", slug)


def decode_markets(body: bytes) -> list[Answer]:
    """The array of `GET /markets?slug=`, an answer for each element by its own slug."""
    try:
        check_length(body)
        rows = _MARKETS.decode(body)
        if len(rows) > ELEMENTS_MAX:
            raise Rejected("too-many", f"{len(rows)} markets")
    except FAULTS as error:
        return [NotYet(": ".join(what_of(error)))]
    return [_element(bytes(row)) for row in rows]


def _element(row: bytes) -> Answer:
    try:
        slug = _SLUG.decode(row).slug
    except FAULTS as error:
        return Refused(": ".join(what_of(error)))
    return decode_market(row, slug)


def decode_event(body: bytes) -> EventPrices | Refused:
    """The `eventMetadata` of `GET /events/slug/{slug}`, or of `GET /events?slug=` with its one event."""
    try:
        check_length(body)
        told = _EVENT.decode(body)
        if isinstance(told, list):
            if len(told) != 1:
                raise Rejected("event", f"{len(told)} events instead of one")
            told = told[0]
        if not told.slug:
            raise Rejected("event", "no event: it has no slug")
        return EventPrices(told.slug, *_event_prices(told))
    except FAULTS as error:
        return Refused(": ".join(what_of(error)))


def _listing(told: _Market) -> Listing:
    if told.version not in ("v1", "v2"):
        raise Rejected("version", f"{str(told.version)[:20]} is none that we know")
    labels = _strings(told.outcomes)
    if sorted(labels) != ["Down", "Up"]:
        raise Rejected("outcomes", f"{labels[:4]!r} instead of Up and Down"[:200])
    up = labels.index("Up")
    prices = _prices(told, up)
    beaten, final = _event_prices_of(told)
    return Listing(
        market=_market(told, up),
        condition=_condition(told),
        version=told.version,
        closed=told.closed,
        accepting=told.accepting_orders,
        prices=prices,
        resolved=_WINNER.get(prices) if told.closed and prices is not None else None,
        price_to_beat=beaten,
        final_price=final,
    )


_WINNER: dict[tuple[float, float], Outcome] = {(1.0, 0.0): "UP", (0.0, 1.0): "DOWN"}


def _market(told: _Market, up: int) -> Market:
    window = _window(told)
    _check_rules(told, window)
    tokens = _tokens(told)
    tick, size = told.order_price_min_tick_size, told.order_min_size
    if tick is None or size is None:
        raise _Missing("no tick or no minimum size yet")
    return Market(
        market_id=MarketId(told.slug),
        asset=window.asset,
        timeframe=window.timeframe,
        start_ns=window.start_s * SECOND_NS,
        end_ns=window.start_s * SECOND_NS + TIMEFRAME_NS[window.timeframe],
        up=tokens[up],
        down=tokens[1 - up],
        source="polymarket",
        tick_micros=price_of_number(tick, "tick"),
        min_shares_micros=micros_of_number(size, "size"),
        fee_rate_micros=_fee_rate(told),
        settles_on="twap60",
        fills="book",
    )


def _window(told: _Market) -> Window:
    """The window that the slug names, if the object's own two ends agree."""
    window = parse_slug(told.slug)
    if window is None:
        raise Rejected("slug", f"{told.slug[:80]!r} is no window that we trade")
    if told.event_start_time is None or told.end_date is None:
        raise _Missing("the window's ends are not there yet")
    start_ns = window.start_s * SECOND_NS
    ends = (ns_of_moment(told.event_start_time), ns_of_moment(told.end_date))
    if ends != (start_ns, start_ns + TIMEFRAME_NS[window.timeframe]):
        raise Rejected("window", f"{told.event_start_time} to {told.end_date} is not what the slug says")
    return window


def _check_rules(told: _Market, window: Window) -> None:
    """Refuses a market that settles in another way than ours do (venue spec §3.3, §4)."""
    if told.neg_risk:
        raise Rejected("negative-risk", "it is one of several that pay together")
    config = told.crypto_market_config
    if config is None:
        raise Rejected("settlement", "no cryptoMarketConfig: an object of before the averages")
    if not config.twap_enabled or config.twap_lookback_seconds != TWAP_S:
        raise Rejected("settlement", f"an average over {config.twap_lookback_seconds} s, on: {config.twap_enabled}")
    if (config.asset.upper(), config.duration) != (window.asset, window.timeframe):
        raise Rejected("settlement", f"it settles on {config.asset[:20]} {config.duration[:20]}")


def _fee_rate(told: _Market) -> int:
    fee = told.fee_schedule
    if fee is None:
        raise Rejected("fee", "no feeSchedule")
    if fee.exponent != 1:
        raise Rejected("fee", f"an exponent of {fee.exponent}")
    rate_micros = micros_of_number(fee.rate, "fee")
    if rate_micros > MICROS:
        raise Rejected("fee", f"a rate of {fee.rate}")
    return rate_micros


def _tokens(told: _Market) -> tuple[Token, Token]:
    """The ids by `version`, even when both fields are filled (venue spec §2.3)."""
    ids = told.clob_token_ids if told.version == "v1" else told.position_ids
    if not ids or ids == "[]":
        raise _Missing(f"no outcome ids of {told.version} yet")
    tokens = [token_of(text) for text in _strings(ids)]
    if len(tokens) != 2 or int(tokens[0]) == int(tokens[1]):
        raise Rejected("ids", "not two different outcome ids")
    return tokens[0], tokens[1]


def _condition(told: _Market) -> str:
    if not told.condition_id:
        raise _Missing("no condition id yet")
    padded = padded_condition(told.condition_id)
    if padded is None or (told.version == "v1" and len(told.condition_id) != len(padded)):
        raise Rejected("condition", f"{told.condition_id[:80]!r} is no condition id of {told.version}")
    return padded


def _prices(told: _Market, up: int) -> tuple[float, float] | None:
    """Cached for display, with any digits: only 1 and 0 mean something, a result."""
    texts = _strings(told.outcome_prices)
    if not texts:
        return None
    values = msgspec.convert(texts, list[float], strict=False)
    if len(values) != 2 or not all(0.0 <= value <= 1.0 for value in values):
        raise Rejected("bad-price", "outcomePrices are not two prices")
    return values[up], values[1 - up]


def _strings(told: str | list[str] | None) -> list[str]:
    """A real array, or one inside a string: the same field comes as both."""
    if not told:
        return []
    return _LIST.decode(told) if isinstance(told, str) else told


def _event_prices_of(told: _Market) -> tuple[float | None, float | None]:
    events = [event for event in told.events if event.slug == told.slug]
    return _event_prices(events[0]) if events else (None, None)


def _event_prices(event: _Event) -> tuple[float | None, float | None]:
    metadata = event.event_metadata or _Metadata()
    return _known(metadata.price_to_beat), _known(metadata.final_price)


def _known(price: float | None) -> float | None:
    return None if price is None else measured(price)
