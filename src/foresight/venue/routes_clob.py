"""The CLOB's public REST routes (venue spec §5.8)."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from foresight.markets import SECOND_NS, Outcome
from foresight.venue import clob_documents, clob_frames
from foresight.venue.answers import answer
from foresight.venue.desk import Desk
from foresight.venue.documents import Document, Unreadable, decoded
from foresight.venue.listings import Listing

TOKENS_MAX = 500
NO_BOOK: Document = {"error": "No orderbook exists for the requested token id"}
NO_MARKET: Document = {"error": "market not found"}

OfToken = Callable[[Listing, Outcome], Document | None]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class _Wanted(msgspec.Struct, frozen=True):
    token_id: str
    side: str = "BUY"


class ClobRoutes:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        single: dict[str, OfToken] = {
            "/midpoint": clob_documents.midpoint,
            "/spread": clob_documents.spread,
            "/last-trade-price": clob_documents.last_trade,
        }
        constant: dict[str, Callable[[Listing], Document]] = {
            "/tick-size": lambda listing: {"minimum_tick_size": listing.tick_micros / 1_000_000},
            "/neg-risk": lambda _: {"neg_risk": False},
            "/fee-rate": lambda _: {"base_fee": clob_documents.BASE_FEE},
        }
        return [
            web.get("/", self._ok),
            web.get("/ok", self._ok),
            web.get("/time", self._time),
            web.get("/version", self._version),
            web.get("/book", self._book),
            web.post("/books", self._books),
            web.get("/price", self._price),
            *(web.get(path, self._open_book(build)) for path, build in single.items()),
            *(web.get(path, self._of_market(build)) for path, build in constant.items()),
            web.get("/markets-by-token/{token}", self._by_token),
            web.get("/clob-markets/{condition}", self._compact),
            web.get("/markets/{condition}", self._long),
        ]

    async def _ok(self, _: web.Request) -> web.Response:
        return answer("OK")

    async def _time(self, _: web.Request) -> web.Response:
        return answer(self._desk.clock.now_ns() // SECOND_NS)

    async def _version(self, _: web.Request) -> web.Response:
        return answer({"version": 2})

    async def _book(self, request: web.Request) -> web.Response:
        found = self._listing(request.query.get("token_id"))
        if found is None:
            return answer({"error": "Invalid token id"}, status=400)
        listing, token = found
        if listing is None or listing.winner is not None or self._is_hidden(listing):
            return answer(NO_BOOK, status=404)
        return answer(clob_frames.book(listing, listing.outcome_of(token)))

    async def _books(self, request: web.Request) -> web.Response:
        try:
            wanted = decoded(await request.read(), list[_Wanted])
        except Unreadable:
            return answer({"error": "Invalid payload"}, status=400)
        if len(wanted) > TOKENS_MAX:
            return answer({"error": "Payload exceeds the limit"}, status=400)
        listings = [(self._desk.state.listings.of_token(item.token_id), item.token_id) for item in wanted]
        return answer(
            [
                clob_frames.book(listing, listing.outcome_of(token))
                for listing, token in listings
                if listing is not None and listing.winner is None and not self._is_hidden(listing)
            ]
        )

    async def _price(self, request: web.Request) -> web.Response:
        side = request.query.get("side", "").upper()
        if side not in ("BUY", "SELL"):
            return answer({"error": "Invalid side"}, status=400)
        return self._answer_open(request, lambda listing, outcome: clob_documents.price(listing, outcome, side))

    async def _by_token(self, request: web.Request) -> web.Response:
        listing = self._desk.state.listings.of_token(request.match_info["token"])
        return answer(NO_MARKET, status=404) if listing is None else answer(clob_documents.by_token(listing))

    async def _compact(self, request: web.Request) -> web.Response:
        listing = self._desk.state.listings.of_condition(request.match_info["condition"])
        if listing is None:
            return answer(NO_MARKET, status=404)
        return answer(clob_documents.compact_market(listing, self._desk.settings, self._desk.clock.now_ns()))

    async def _long(self, request: web.Request) -> web.Response:
        listing = self._desk.state.listings.of_condition(request.match_info["condition"])
        if listing is None:
            return answer(NO_MARKET, status=404)
        return answer(clob_documents.long_market(listing, self._desk.settings, self._desk.clock.now_ns()))

    def _open_book(self, build: OfToken) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            return self._answer_open(request, build)

        return handle

    def _of_market(self, build: Callable[[Listing], Document]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            found = self._listing(request.query.get("token_id"))
            if found is None:
                return answer({"error": "Invalid token id"}, status=400)
            return answer(NO_MARKET, status=404) if found[0] is None else answer(build(found[0]))

        return handle

    def _answer_open(self, request: web.Request, build: OfToken) -> web.Response:
        found = self._listing(request.query.get("token_id"))
        if found is None:
            return answer({"error": "Invalid token id"}, status=400)
        listing, token = found
        told = None
        if listing is not None and listing.winner is None and not self._is_hidden(listing):
            told = build(listing, listing.outcome_of(token))
        return answer(NO_BOOK, status=404) if told is None else answer(told)

    def _listing(self, token: str | None) -> tuple[Listing | None, str] | None:
        """None when the request names no token."""
        return None if not token else (self._desk.state.listings.of_token(token), token)

    def _is_hidden(self, listing: Listing) -> bool:
        return self._desk.faults.find("book_404", listing.labels() | {"/book"}) is not None
