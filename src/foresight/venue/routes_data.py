"""The Data API's public routes, and the website's (venue spec §5.13, §7.3, §8)."""

import re
from decimal import Decimal

from aiohttp import web

from foresight.markets import SECOND_NS
from foresight.money import MICROS
from foresight.venue import data_documents, gamma_documents
from foresight.venue.answers import answer, is_true, whole
from foresight.venue.data_trades import LIMIT_USUAL, Measure, TradesAsked, page_of, place_of
from foresight.venue.desk import Desk
from foresight.venue.documents import Document, from_iso, milliseconds
from foresight.venue.listings import Listing

CONDITION_NAMES = ("condition_id", "condition", "conditionId")
VARIANTS = {"fiveminute": "5m", "fifteen": "15m"}
_CONDITION_LENGTH = 66
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?", re.ASCII)


class DataRoutes:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/data/v2/trades", self._trades),
            web.get("/data/v2/resolutions", self._resolutions),
            web.get("/api/geoblock", self._geoblock),
            web.get("/api/crypto/crypto-price", self._crypto_price),
        ]

    async def _trades(self, request: web.Request) -> web.Response:
        asked, query = _trades_asked(request), request.query
        conditions = _conditions(request)
        if asked is None or (conditions is not None and not _are_conditions(conditions)):
            return answer({"error": "invalid parameter"}, status=400)
        listings = list(self._desk.state.listings) if conditions is None else self._listings(conditions)
        event = query.get("event_id", query.get("eventId"))
        if event is not None:
            listings = [listing for listing in listings if listing.identity.event_id == event]
        return answer(data_documents.trades(page_of(listings, asked)))

    async def _resolutions(self, request: web.Request) -> web.Response:
        conditions = _conditions(request)
        by_event = request.query.get("event_id", request.query.get("eventId"))
        by_question = request.query.get("question_id", request.query.get("questionId"))
        if sum(value is not None for value in (conditions, by_event, by_question)) != 1:
            return answer({"error": "exactly one of condition_id, event_id, question_id is required"}, status=400)
        if conditions is not None:
            if not _are_conditions(conditions):
                return answer({"error": "invalid condition_id"}, status=400)
            return answer(data_documents.resolutions(self._listings(conditions)))
        wanted = by_event or by_question
        found = [
            listing
            for listing in self._desk.state.listings
            if wanted in (listing.identity.event_id, listing.identity.question_id)
        ]
        return answer(data_documents.resolutions(found))

    async def _geoblock(self, _: web.Request) -> web.Response:
        return answer({"blocked": False, "ip": "127.0.0.1", "country": "DE", "region": "BE"})

    async def _crypto_price(self, request: web.Request) -> web.Response:
        """Without the two twap parameters it tells spot, which disagrees with the settlement."""
        query = request.query
        timeframe = VARIANTS.get(query.get("variant", ""))
        start_ns = from_iso(query.get("eventStartTime", ""))
        if timeframe is None or start_ns is None or not query.get("symbol"):
            return answer({"error": "Invalid parameters"}, status=400)
        asset = query["symbol"].upper()
        slug = f"{asset.lower()}-updown-{timeframe}-{start_ns // SECOND_NS}"
        listing = self._desk.state.listings.of_slug(slug)
        if listing is None:
            return answer({"error": "Not found"}, status=404)
        is_average = is_true(query.get("twapEnabled"), default=False) and query.get("twapLookbackSeconds") == "60"
        return answer(self._window_prices(listing, is_average=is_average))

    def _window_prices(self, listing: Listing, *, is_average: bool) -> Document:
        now_ns, prices = self._desk.clock.now_ns(), self._desk.state.prices_of(listing.market.asset)
        market, after_ns = listing.market, self._desk.settings.website_after_ns
        opened = prices.boundary(market.start_ns) if is_average else prices.spots_at.get(market.start_ns)
        closed = gamma_documents.final_price(listing, prices) if is_average else prices.spots_at.get(market.end_ns)
        open_price = opened if now_ns >= market.start_ns + after_ns else None
        close_price = closed if now_ns >= market.end_ns + after_ns else None
        is_completed = open_price is not None and close_price is not None
        return {
            "openPrice": open_price,
            "closePrice": close_price,
            "timestamp": milliseconds(now_ns),
            "completed": is_completed,
            "incomplete": not is_completed,
            "cached": False,
        }

    def _listings(self, conditions: list[str]) -> list[Listing]:
        found = (self._desk.state.listings.of_condition(condition) for condition in conditions)
        return [listing for listing in found if listing is not None]


def _conditions(request: web.Request) -> list[str] | None:
    """The conditions that are named, None when there is no such parameter."""
    for name in CONDITION_NAMES:
        if name in request.query:
            return [part for part in request.query[name].split(",") if part]
    return None


def _are_conditions(conditions: list[str]) -> bool:
    return 0 < len(conditions) <= data_documents.CONDITIONS_MAX and all(
        len(condition) == _CONDITION_LENGTH and condition.startswith("0x") for condition in conditions
    )


def _trades_asked(request: web.Request) -> TradesAsked | None:
    """None for parameters that cannot be meant."""
    query = request.query
    limit = whole(request, "limit", default=LIMIT_USUAL, least=1, most=data_documents.LIMIT_MAX)
    start_s = whole(request, "start", default=0, least=0, most=2**62)
    end_s = whole(request, "end", default=2**62, least=0, most=2**62)
    side, cursor, measured = query.get("side", "").upper(), query.get("cursor", ""), _least(request)
    if limit is None or start_s is None or end_s is None or measured is None or side not in ("", "BUY", "SELL"):
        return None
    after = place_of(cursor)
    if cursor and after is None:
        return None
    return TradesAsked(
        takers_only=is_true(query.get("taker_only", query.get("takerOnly")), default=True),
        side=side,
        user=query.get("user", "").lower(),
        start_s=start_s,
        end_s=end_s,
        measure=measured[0],
        least_micros=measured[1],
        limit=limit,
        after=after,
    )


def _least(request: web.Request) -> tuple[Measure, int] | None:
    """The size from which on trades are wanted; None where only half of it is told, or something else."""
    query = request.query
    kind = query.get("filter_type", query.get("filterType", "")).upper()
    amount = query.get("filter_amount", query.get("filterAmount", ""))
    if not kind and not amount:
        return "", 0
    if not _AMOUNT.fullmatch(amount):
        return None
    match kind:
        case "CASH" | "TOKENS":
            return kind, int(Decimal(amount) * MICROS)
        case _:
            return None
