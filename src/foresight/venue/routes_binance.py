"""The exchange's REST routes (venue spec §10.4), on spot under `/api/v3` and on futures under `/futures/fapi/v1`."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from foresight.runtime.clock import monotonic_ns
from foresight.venue import binance_rest
from foresight.venue.answers import answer, whole
from foresight.venue.candles import INTERVALS_NS
from foresight.venue.desk import Desk
from foresight.venue.documents import Unreadable, decoded
from foresight.venue.frames import BinanceMarket
from foresight.venue.instruments import LEVELS, Instrument

WEIGHT_PER_MINUTE = 6_000
KLINES_USUAL, KLINES_MAX = 500, 1_000
DEPTH_USUAL, DEPTH_MAX = 100, 5_000
_MINUTE_NS = 60_000_000_000

Build = Callable[[web.Request, Instrument], web.Response]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class BinanceRoutes:
    """The routes of one market. Their weights are counted; over the limit of a minute they answer 429."""

    def __init__(self, desk: Desk, market: BinanceMarket) -> None:
        self._desk = desk
        self._market: BinanceMarket = market
        self._prefix = "/api/v3" if market == "spot" else "/futures/fapi/v1"
        self._minute, self._used = 0, 0

    def routes(self) -> list[web.RouteDef]:
        of_symbol: dict[str, tuple[int, Build]] = {
            "/klines": (2, self._klines),
            "/depth": (5, self._depth),
            "/aggTrades": (4, self._agg_trades),
            "/avgPrice": (2, self._average),
        }
        return [
            web.get(self._prefix + "/ping", self._counted(1, self._ping)),
            web.get(self._prefix + "/time", self._counted(1, self._time)),
            web.get(self._prefix + "/exchangeInfo", self._counted(20, self._info)),
            web.get(self._prefix + "/ticker/bookTicker", self._counted(2, self._tickers(binance_rest.book_ticker))),
            web.get(self._prefix + "/ticker/price", self._counted(2, self._tickers(binance_rest.ticker_price))),
            *(
                web.get(self._prefix + path, self._counted(weight, self._with_symbol(build)))
                for path, (weight, build) in of_symbol.items()
            ),
        ]

    def _counted(self, weight: int, build: Callable[[web.Request], web.Response]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            minute = monotonic_ns() // _MINUTE_NS
            if minute != self._minute:
                self._minute, self._used = minute, 0
            self._used += weight
            if self._used > WEIGHT_PER_MINUTE:
                wrong = {"code": -1003, "msg": "Too much request weight used; please use WebSocket Streams."}
                left_s = 60 - monotonic_ns() % _MINUTE_NS // 1_000_000_000
                return answer(wrong, status=429, headers={"Retry-After": str(left_s)})
            response = build(request)
            response.headers["X-MBX-USED-WEIGHT-1M"] = str(self._used)
            return response

        return handle

    def _with_symbol(self, build: Build) -> Callable[[web.Request], web.Response]:
        def handle(request: web.Request) -> web.Response:
            symbol = request.query.get("symbol")
            if not symbol:
                return answer(binance_rest.missing("symbol"), status=400)
            instrument = self._desk.state.exchange.instrument(self._market, symbol)
            if instrument is None:
                return answer(binance_rest.INVALID_SYMBOL, status=400)
            return build(request, instrument)

        return handle

    def _ping(self, _: web.Request) -> web.Response:
        return answer({})

    def _time(self, request: web.Request) -> web.Response:
        return answer({"serverTime": self._desk.clock.now_ns() // _unit(request)})

    def _info(self, request: web.Request) -> web.Response:
        try:
            symbols = _symbols(request)
        except Unreadable:
            return answer(binance_rest.ILLEGAL, status=400)
        told = binance_rest.exchange_info(
            self._desk.state.exchange, self._market, symbols, self._desk.clock.now_ns(), _unit(request)
        )
        return answer(binance_rest.INVALID_SYMBOL, status=400) if told is None else answer(told)

    def _klines(self, request: web.Request, instrument: Instrument) -> web.Response:
        interval = request.query.get("interval")
        if not interval:
            return answer(binance_rest.missing("interval"), status=400)
        if interval not in INTERVALS_NS or (interval == "1s" and self._market == "futures"):
            return answer(binance_rest.INVALID_INTERVAL, status=400)
        limit = whole(request, "limit", default=KLINES_USUAL, least=1, most=KLINES_MAX)
        start = whole(request, "startTime", default=-1, least=-1, most=2**62)
        end = whole(request, "endTime", default=-1, least=-1, most=2**62)
        if limit is None or start is None or end is None:
            return answer(binance_rest.ILLEGAL, status=400)
        rows = binance_rest.klines(
            instrument,
            self._market,
            interval,
            start_ns=None if start < 0 else start * _asked_unit(start),
            end_ns=None if end < 0 else end * _asked_unit(end),
            limit=limit,
            ns_per_unit=_unit(request),
        )
        return answer(rows)

    def _depth(self, request: web.Request, instrument: Instrument) -> web.Response:
        limit = whole(request, "limit", default=DEPTH_USUAL, least=1, most=DEPTH_MAX)
        if limit is None:
            return answer(binance_rest.ILLEGAL, status=400)
        return answer(binance_rest.depth(instrument, self._market, min(limit, LEVELS)))

    def _agg_trades(self, request: web.Request, instrument: Instrument) -> web.Response:
        limit = whole(request, "limit", default=KLINES_USUAL, least=1, most=KLINES_MAX)
        from_id = whole(request, "fromId", default=-1, least=-1, most=2**62)
        if limit is None or from_id is None:
            return answer(binance_rest.ILLEGAL, status=400)
        first = None if from_id < 0 else from_id
        rows = binance_rest.agg_trades(instrument, self._market, from_id=first, limit=limit, ns_per_unit=_unit(request))
        return answer(rows)

    def _average(self, request: web.Request, instrument: Instrument) -> web.Response:
        return answer(binance_rest.average_price(instrument, _unit(request)))

    def _tickers(self, build: Callable[[Instrument, BinanceMarket], object]) -> Callable[[web.Request], web.Response]:
        """One symbol's, or a list of those that are named, or of all."""

        def handle(request: web.Request) -> web.Response:
            exchange = self._desk.state.exchange
            try:
                symbols = _symbols(request)
            except Unreadable:
                return answer(binance_rest.ILLEGAL, status=400)
            names = sorted(exchange.instruments) if symbols is None else symbols
            found = [exchange.instrument(self._market, name) for name in names]
            if symbols is not None and None in found:
                return answer(binance_rest.INVALID_SYMBOL, status=400)
            told = [build(instrument, self._market) for instrument in found if instrument is not None]
            return answer(told[0] if "symbol" in request.query else told)

        return handle


def _symbols(request: web.Request) -> list[str] | None:
    """Those that are named; None for all. Raises Unreadable for a list that is none."""
    if "symbol" in request.query:
        return [request.query["symbol"]]
    named = request.query.get("symbols")
    return None if named is None else decoded(named, list[str])


def _unit(request: web.Request) -> int:
    """Nanoseconds of the unit that the answer's times are in."""
    return 1_000 if request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND" else 1_000_000


def _asked_unit(value: int) -> int:
    """A request's times may be in milliseconds or microseconds; their size tells which."""
    return 1_000 if value >= 10**15 else 1_000_000
