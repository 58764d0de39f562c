"""Gamma: markets by slug, condition or token (venue spec §3.2). Closed ones are hidden unless asked for."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

from aiohttp import web

from foresight.markets import SECOND_NS
from foresight.venue import gamma_documents
from foresight.venue.answers import answer, is_true, whole
from foresight.venue.desk import Desk
from foresight.venue.documents import Document, from_iso
from foresight.venue.gamma_documents import GammaView
from foresight.venue.listings import Listing

OFFSET_MAX = 2_000
LIMIT_USUAL, LIMIT_MAX = 20, 500
KEYSET_LIMIT_MAX = 100
NOT_FOUND: Document = {"type": "not found error", "error": "slug not found"}
Handler = Callable[[web.Request], Awaitable[web.Response]]
FILTERS = ("slug", "condition_ids", "clob_token_ids")


class GammaRoutes:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/gamma/markets/slug/{slug}", self._market),
            web.get("/gamma/events/slug/{slug}", self._event),
            web.get("/gamma/markets/keyset", self._keyset("markets")),
            web.get("/gamma/events/keyset", self._keyset("events")),
            web.get("/gamma/markets", self._list("markets")),
            web.get("/gamma/events", self._list("events")),
        ]

    async def _market(self, request: web.Request) -> web.Response:
        listing = self._of_slug(request.match_info["slug"])
        if listing is None:
            return answer(NOT_FOUND, status=404)
        return answer(self._row("markets", listing, is_stale=self._is_stale(listing)))

    async def _event(self, request: web.Request) -> web.Response:
        listing = self._of_slug(request.match_info["slug"])
        if listing is None:
            return answer(NOT_FOUND, status=404)
        return answer(self._row("events", listing, is_stale=self._is_stale(listing)))

    def _list(self, kind: str) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            offset = whole(request, "offset", default=0, least=0, most=10**9)
            limit = whole(request, "limit", default=LIMIT_USUAL, least=1, most=LIMIT_MAX)
            if offset is None or limit is None or offset > OFFSET_MAX:
                return answer({"type": "validation error", "error": "offset is invalid"}, status=422)
            found = islice(self._chosen(request), offset, offset + limit)
            return answer([self._row(kind, listing, is_stale=is_stale) for listing, is_stale in found])

        return handle

    def _keyset(self, kind: str) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            limit = whole(request, "limit", default=LIMIT_USUAL, least=1, most=KEYSET_LIMIT_MAX)
            start = whole(request, "after_cursor", default=0, least=0, most=10**9)
            if limit is None or start is None:
                return answer({"type": "validation error", "error": "cursor or limit is invalid"}, status=422)
            found = list(islice(self._chosen(request), start, start + limit + 1))
            told: Document = {
                kind: [self._row(kind, listing, is_stale=is_stale) for listing, is_stale in found[:limit]]
            }
            return answer(told | ({"next_cursor": str(start + limit)} if len(found) > limit else {}))

        return handle

    def _chosen(self, request: web.Request) -> Iterator[tuple[Listing, bool]]:
        """What the filters leave, in the order of the windows' ends, each with whether it is shown as it was before its
        resolution."""
        query = request.query
        wants_closed = is_true(query.get("closed"), default=False)
        after_ns = from_iso(query.get("end_date_min", "")) or 0
        series = query.get("series_slug")
        candidates = self._candidates(request)
        for listing in sorted(candidates, key=_end_and_slug, reverse=query.get("ascending", "true") == "false"):
            if listing.market.end_ns < after_ns or series not in (None, gamma_documents.series_slug(listing)):
                continue
            is_stale = self._is_stale(listing)
            if (listing.winner is not None and not is_stale) == wants_closed:
                yield listing, is_stale

    def _candidates(self, request: web.Request) -> list[Listing]:
        listings, query, now_ns = self._desk.state.listings, request.query, self._desk.clock.now_ns()
        if not any(name in query for name in FILTERS):
            found = list(listings)
        else:
            by_slug = [listings.of_slug(slug) for slug in query.getall("slug", [])]
            by_condition = [self._of_gamma_condition(condition) for condition in query.getall("condition_ids", [])]
            by_token = [listings.of_token(token) for token in query.getall("clob_token_ids", [])]
            found = [listing for listing in (*by_slug, *by_condition, *by_token) if listing is not None]
        return [listing for listing in dict.fromkeys(found) if gamma_documents.is_listed(listing, now_ns)]

    def _of_gamma_condition(self, condition: str) -> Listing | None:
        """Both widths of a v2 condition are taken here."""
        listings = self._desk.state.listings
        return listings.of_condition(condition) or listings.of_condition(condition + "00")

    def _of_slug(self, slug: str) -> Listing | None:
        listing = self._desk.state.listings.of_slug(slug)
        is_there = listing is not None and gamma_documents.is_listed(listing, self._desk.clock.now_ns())
        return listing if is_there else None

    def _row(self, kind: str, listing: Listing, *, is_stale: bool) -> Document:
        settings, now_ns = self._desk.settings, self._desk.clock.now_ns()
        if kind == "markets":
            return gamma_documents.market(listing, GammaView(settings, now_ns, is_stale=is_stale))
        is_bare = self._desk.faults.find("metadata_missing", listing.labels()) is not None
        view = GammaView(settings, now_ns, is_stale=is_stale, is_without_metadata=is_bare)
        return gamma_documents.event(listing, self._desk.state.prices_of(listing.market.asset), view)

    def _is_stale(self, listing: Listing) -> bool:
        """Asked once for each answer: where a fault has a count, this spends one. An open market has nothing stale."""
        return listing.winner is not None and self._desk.faults.find("stale_gamma", listing.labels()) is not None


def _end_and_slug(listing: Listing) -> tuple[int, str]:
    return listing.market.end_ns // SECOND_NS, listing.slug
