"""The venue's REST answers, with the statuses and bodies of refusals (venue spec §3, §5.8, §7.3, §8, §10.4)."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from serving import BTC, NoEvents, Venue, a_price, with_venue

from builders import NOON_NS, a_market, seconds
from foresight.errors import VenueRefused
from foresight.events import Printed, Reference, Resolved
from foresight.markets import MINUTE_NS, Market
from foresight.money import micros
from foresight.runtime.clock import PacedClock
from foresight.venue import VenueServer, VenueSettings, data_documents, data_trades

NOON_MS = NOON_NS // 1_000_000
HAS_IPV6 = Path("/proc/net/if_inet6").exists() and "lo" in Path("/proc/net/if_inet6").read_text()
LATER = a_market(start_ns=NOON_NS + 5 * MINUTE_NS)


def an_average(price: float, at_ns: int) -> Reference:
    return Reference(at_ns + seconds(1.2), "BTC", "twap60", price, at_ns, "test")


def resolved(outcome: str = "UP", after_s: float = 30) -> Resolved:
    return msgspec.convert(
        {"type": "Resolved", "at_ns": BTC.end_ns + seconds(after_s), "market_id": BTC.market_id, "outcome": outcome,
         "source": "test"}, Resolved,
    )  # fmt: skip


def test_a_book_ends_with_its_best_levels() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        status, book = await venue.get(f"/book?token_id={venue.down()}")
        assert status == 200
        assert list(book) == [
            "market", "asset_id", "timestamp", "hash", "bids", "asks", "min_order_size", "tick_size", "neg_risk",
            "last_trade_price",
        ]  # fmt: skip
        assert (book["bids"][-1]["price"], book["asks"][-1]["price"]) == ("0.46", "0.48")
        assert (book["min_order_size"], book["tick_size"], book["neg_risk"]) == ("5", "0.01", False)

    with_venue(work)


def test_an_unknown_token_and_a_resolved_market_have_no_book() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        assert (await venue.get("/book?token_id=17"))[0] == 404
        assert (await venue.get("/book"))[0] == 400
        venue.tell(resolved())
        no_book = (404, {"error": "No orderbook exists for the requested token id"})
        assert await venue.get(f"/book?token_id={venue.up()}") == no_book
        assert await venue.get(f"/midpoint?token_id={venue.up()}") == no_book
        assert (await venue.post("/books", [{"token_id": venue.up()}])) == (200, [])

    with_venue(work)


def test_books_come_together_and_at_most_five_hundred_are_asked_for() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        status, books = await venue.post("/books", [{"token_id": venue.up()}, {"token_id": venue.down()}])
        assert (status, [book["asset_id"] for book in books]) == (200, [venue.up(), venue.down()])
        assert (await venue.post("/books", [{"token_id": "1"}] * 500))[0] == 200
        assert (await venue.post("/books", [{"token_id": "1"}] * 501))[0] == 400
        assert (await venue.post("/books", {"token_id": "1"}))[0] == 400

    with_venue(work)


def test_small_answers_of_the_clob() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        up = f"?token_id={venue.up()}"
        assert await venue.get("/ok") == (200, "OK")
        assert await venue.get("/version") == (200, {"version": 2})
        assert await venue.get("/time") == (200, NOON_NS // 10**9)
        assert await venue.get("/midpoint" + up) == (200, {"mid": "0.53"})
        assert await venue.get("/spread" + up) == (200, {"spread": "0.02"})
        assert await venue.get("/price" + up + "&side=BUY") == (200, {"price": "0.52"})
        assert await venue.get("/price" + up + "&side=sell") == (200, {"price": "0.54"})
        assert (await venue.get("/price" + up))[0] == 400
        assert await venue.get("/tick-size" + up) == (200, {"minimum_tick_size": 0.01})
        assert await venue.get("/neg-risk" + up) == (200, {"neg_risk": False})
        assert await venue.get("/fee-rate" + up) == (200, {"base_fee": 1000})
        assert (await venue.get("/tick-size?token_id=17"))[0] == 404
        venue.tell(Printed(NOON_NS + seconds(2), BTC.up, micros(0.54), micros(3)))
        assert await venue.get("/last-trade-price" + up) == (200, {"price": "0.54", "side": "BUY"})
        down = f"?token_id={venue.down()}"
        assert await venue.get("/last-trade-price" + down) == (200, {"price": "0.46", "side": "SELL"})

    with_venue(work)


def test_a_market_by_token_and_by_condition() -> None:
    async def work(venue: Venue) -> None:
        told = {
            "condition_id": venue.condition(),
            "primary_token_id": venue.up(),
            "secondary_token_id": venue.down(),
        }
        assert await venue.get(f"/markets-by-token/{venue.down()}") == (200, told)
        _, compact = await venue.get(f"/clob-markets/{venue.condition()}")
        assert compact["t"] == [{"t": venue.up(), "o": "Up"}, {"t": venue.down(), "o": "Down"}]
        assert (compact["mos"], compact["mts"], compact["itode"], compact["v"]) == (5, 0.01, True, "v1")
        assert compact["fd"] == {"r": 0.07, "e": 1, "to": True}
        assert "nr" not in compact
        _, long = await venue.get(f"/markets/{venue.condition()}")
        assert [token["winner"] for token in long["tokens"]] == [False, False]
        venue.tell(resolved("DOWN"))
        _, long = await venue.get(f"/markets/{venue.condition()}")
        assert [(token["outcome"], token["price"], token["winner"]) for token in long["tokens"]] == [
            ("Up", 0.0, False), ("Down", 1.0, True)
        ]  # fmt: skip
        assert (await venue.get("/markets-by-token/17"))[0] == 404
        assert (await venue.get("/clob-markets/0x17"))[0] == 404

    with_venue(work)


def test_a_v2_market_has_positions_and_a_condition_of_31_bytes_in_gamma_and_of_32_elsewhere() -> None:
    async def work(venue: Venue) -> None:
        venue.book()
        _, row = await venue.get(f"/gamma/markets/slug/{BTC.market_id}")
        assert (row["version"], row["clobTokenIds"]) == ("v2", None)
        assert row["positionIds"] == [venue.up(), venue.down()]
        assert [len(position) for position in row["positionIds"]] == [75, 75]
        assert all(int(position) & (2**64 - 1) << 40 == 0 for position in row["positionIds"])
        assert [int(position) % 256 for position in row["positionIds"]] == [0, 1]
        short = row["conditionId"]
        assert len(short) == 2 + 62
        assert int(venue.up()) >> 8 == int(short, 16)
        assert (await venue.get(f"/clob-markets/{short}"))[0] == 404
        assert (await venue.get(f"/data/v2/resolutions?condition_id={short}"))[0] == 400
        assert (await venue.get(f"/clob-markets/{short}00"))[1]["v"] == "v2"
        _, book = await venue.get(f"/book?token_id={venue.up()}")
        assert (book["market"], book["version"]) == (short + "00", "v2")
        _, found = await venue.get(f"/gamma/markets?condition_ids={short}")
        assert [row["slug"] for row in found] == [BTC.market_id]

    with_venue(work, version="v2")


def test_mixed_versions_alternate_by_window() -> None:
    async def work(venue: Venue) -> None:
        versions = [
            (await venue.get(f"/gamma/markets/slug/{market.market_id}"))[1]["version"] for market in (BTC, LATER)
        ]
        assert sorted(versions) == ["v1", "v2"]

    with_venue(work, version="mixed", markets=(BTC, LATER))


def test_gamma_shows_an_open_market_as_the_venue_writes_it() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        _, row = await venue.get(f"/gamma/markets/slug/{BTC.market_id}")
        assert row["question"] == "Bitcoin Up or Down - January 5, 7:00AM-7:05AM ET"
        assert (row["eventStartTime"], row["endDate"]) == ("2026-01-05T12:00:00Z", "2026-01-05T12:05:00Z")
        assert json.loads(row["clobTokenIds"]) == [venue.up(), venue.down()]
        assert (json.loads(row["outcomes"]), json.loads(row["outcomePrices"])) == (["Up", "Down"], ["0.53", "0.47"])
        assert "positionIds" not in row
        assert (row["active"], row["closed"], row["acceptingOrders"], row["negRisk"]) == (True, False, True, False)
        assert (row["orderPriceMinTickSize"], row["orderMinSize"]) == (0.01, 5)
        assert row["feeSchedule"] == {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2}
        assert row["cryptoMarketConfig"] == {
            "id": "btc-5m-twap-60", "asset": "btc", "duration": "5m", "twapEnabled": True, "twapLookbackSeconds": 60
        }  # fmt: skip
        assert row["resolutionSource"] == "https://data.chain.link/streams/btc-usd-twap-60s-streams"
        assert (row["bestBid"], row["bestAsk"], row["spread"]) == (0.52, 0.54, 0.02)

    with_venue(work)


def test_a_resolved_market_is_hidden_from_lists_and_still_found_by_its_slug() -> None:
    async def work(venue: Venue) -> None:
        slug = BTC.market_id
        assert len((await venue.get(f"/gamma/markets?slug={slug}"))[1]) == 1
        venue.tell(resolved())
        assert await venue.get(f"/gamma/markets?slug={slug}") == (200, [])
        (row,) = (await venue.get(f"/gamma/markets?slug={slug}&closed=true"))[1]
        assert row == (await venue.get(f"/gamma/markets/slug/{slug}"))[1]
        assert (row["closed"], row["acceptingOrders"], row["outcomePrices"]) == (True, False, '["1", "0"]')
        assert row["closedTime"] == "2026-01-05 12:05:30+00"
        assert row["umaResolutionStatus"] == "resolved"
        assert (await venue.get("/gamma/markets/slug/nothing"))[0] == 404
        assert (await venue.get("/gamma/events/slug/nothing"))[0] == 404

    with_venue(work)


def test_markets_are_found_by_condition_and_by_token() -> None:
    async def work(venue: Venue) -> None:
        both = f"condition_ids={venue.condition()}&condition_ids={venue.condition(LATER)}"
        found = (await venue.get(f"/gamma/markets?{both}"))[1]
        assert [row["slug"] for row in found] == [BTC.market_id, LATER.market_id]
        found = (await venue.get(f"/gamma/markets?clob_token_ids={venue.down(LATER)}"))[1]
        assert [row["slug"] for row in found] == [LATER.market_id]

    with_venue(work, markets=(BTC, LATER))


@pytest.mark.parametrize(("offset", "status"), [("2000", 200), ("2001", 422), ("x", 422)])
def test_paging_by_offset_ends_at_two_thousand(offset: str, status: int) -> None:
    async def work(venue: Venue) -> None:
        assert (await venue.get(f"/gamma/markets?offset={offset}"))[0] == status

    with_venue(work)


def test_keyset_paging_has_no_cursor_at_its_end() -> None:
    async def work(venue: Venue) -> None:
        _, first = await venue.get("/gamma/markets/keyset?limit=1")
        _, last = await venue.get(f"/gamma/markets/keyset?limit=1&after_cursor={first['next_cursor']}")
        assert [page["markets"][0]["slug"] for page in (first, last)] == [BTC.market_id, LATER.market_id]
        assert "next_cursor" not in last
        _, events = await venue.get("/gamma/events/keyset?series_slug=btc-up-or-down-5m")
        assert len(events["events"]) == 2

    with_venue(work, markets=(BTC, LATER))


def test_orders_are_taken_for_a_while_after_the_end_and_metadata_come_late() -> None:
    ticking = NOON_NS

    async def work(venue: Venue) -> None:
        clock = _Moved(ticking)
        venue.server.desk.clock = clock
        venue.tell(an_average(81_201.5, BTC.start_ns))

        async def at(after_s: float) -> tuple[bool, dict[str, float]]:
            clock.at_ns = NOON_NS + seconds(after_s)
            event = (await venue.get(f"/gamma/events/slug/{BTC.market_id}"))[1]
            return event["markets"][0]["acceptingOrders"], event.get("eventMetadata", {})

        assert await at(59) == (True, {})
        assert await at(60) == (True, {"priceToBeat": 81201.5})
        assert await at(359) == (True, {"priceToBeat": 81201.5})
        assert await at(360) == (False, {"priceToBeat": 81201.5})
        venue.tell(an_average(81_215.1, BTC.end_ns), resolved(after_s=80))
        assert await at(384) == (False, {"priceToBeat": 81201.5})
        assert await at(385) == (False, {"priceToBeat": 81201.5, "finalPrice": 81215.1})

    with_venue(work)


def test_how_long_orders_are_taken_after_the_end_can_be_said() -> None:
    async def work(venue: Venue) -> None:
        clock = _Moved(NOON_NS)
        venue.server.desk.clock = clock
        for after_s, takes in ((449.9, True), (450, False)):
            clock.at_ns = NOON_NS + seconds(after_s)
            assert (await venue.get(f"/gamma/markets/slug/{BTC.market_id}"))[1]["acceptingOrders"] is takes
            assert (await venue.get(f"/clob-markets/{venue.condition()}"))[1]["ao"] is takes

    with_venue(work, accepts_after_ns=seconds(150))


class _Moved(PacedClock):
    """A clock that stands where the test puts it."""

    def __init__(self, at_ns: int) -> None:
        super().__init__(at_ns, 1.0)
        self.at_ns = at_ns

    def now_ns(self) -> int:
        return self.at_ns


def test_the_website_tells_the_average_only_with_both_of_its_parameters() -> None:
    async def work(venue: Venue) -> None:
        clock = _Moved(NOON_NS + seconds(3))
        venue.server.desk.clock = clock
        venue.tell(a_price(100.0, after_s=0.05), an_average(99.0, NOON_NS), a_price(101.0, after_s=2))
        path = "/api/crypto/crypto-price?symbol=BTC&eventStartTime=2026-01-05T12:00:00Z&variant=fiveminute"
        average = path + "&endDate=2026-01-05T12:05:00Z&twapEnabled=true&twapLookbackSeconds=60"
        told = (await venue.get(average))[1]
        assert (told["openPrice"], told["closePrice"], told["completed"], told["incomplete"]) == (
            None, None, False, True
        )  # fmt: skip
        clock.at_ns = NOON_NS + seconds(4)
        assert (await venue.get(average))[1]["openPrice"] == 99.0
        assert (await venue.get(path))[1]["openPrice"] is None
        assert (await venue.get("/api/crypto/crypto-price?symbol=BTC"))[0] == 400
        assert (await venue.get("/api/geoblock"))[1]["blocked"] is False

    with_venue(work)


def test_trades_are_paged_newest_first_and_makers_are_shown_when_asked_for() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        for n in range(5):
            venue.tell(Printed(NOON_NS + seconds(2 + n), BTC.up, micros(0.54), micros(1 + n)))
        path = f"/data/v2/trades?condition_id={venue.condition()}"
        _, first = await venue.get(path + "&limit=3")
        _, last = await venue.get(path + f"&limit=3&cursor={first['pagination']['next_cursor']}")
        rows = first["data"] + last["data"]
        assert [row["size"] for row in rows] == [5.0, 4.0, 3.0, 2.0, 1.0]
        assert last["pagination"] == {"has_more": False, "next_cursor": None}
        assert (rows[0]["side"], rows[0]["outcome"], rows[0]["outcome_index"]) == ("BUY", "Up", 0)
        assert rows[0]["timestamp"] == NOON_NS // 10**9 + 6
        _, all_rows = await venue.get(path + "&taker_only=false")
        assert [row["side"] for row in all_rows["data"]].count("SELL") == 5
        start = NOON_NS // 10**9 + 4
        assert len((await venue.get(path + f"&start={start}&end={start + 1}"))[1]["data"]) == 2
        assert (await venue.get("/data/v2/trades?condition_id=0x17"))[0] == 400
        assert (await venue.get("/data/v2/trades?limit=x"))[0] == 400
        unknown = "0x" + "ab" * 32
        assert (await venue.get(f"/data/v2/trades?condition_id={unknown}"))[1]["data"] == []

    with_venue(work)


def some_trades(venue: Venue, count: int, *, first: int = 0, market: Market = BTC) -> None:
    """One a second, the n-th of n shares."""
    for n in range(first, first + count):
        venue.tell(Printed(NOON_NS + seconds(2 + n), market.up, micros(0.54), micros(1 + n)))


def test_a_page_of_trades_goes_on_where_the_last_one_ended_while_trades_arrive() -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        some_trades(venue, 4)
        some_trades(venue, 3, first=4, market=LATER)
        sizes: list[float] = []
        cursor = ""
        for arrived in range(7, 16):
            page = (await venue.get(f"/data/v2/trades?limit=3&taker_only=false&cursor={cursor}"))[1]
            sizes += [row["size"] for row in page["data"]]
            cursor = page["pagination"]["next_cursor"]
            if cursor is None:
                break
            some_trades(venue, 1, first=arrived, market=BTC if arrived % 2 else LATER)
        assert sizes == [float(n) for n in (7, 6, 5, 4, 3, 2, 1) for _ in ("taker", "maker")]

    with_venue(work, markets=(BTC, LATER))


@pytest.mark.parametrize(
    ("words", "sizes"),
    [
        ("filter_type=TOKENS&filter_amount=3", [5.0, 4.0, 3.0]),
        ("filterType=cash&filterAmount=2.16", [5.0, 4.0]),
        ("filter_type=CASH&filter_amount=2.160001", [5.0]),
    ],
)
def test_trades_are_filtered_by_shares_and_by_dollars(words: str, sizes: list[float]) -> None:
    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        some_trades(venue, 5)
        assert [row["size"] for row in (await venue.get(f"/data/v2/trades?{words}"))[1]["data"]] == sizes

    with_venue(work)


@pytest.mark.parametrize(
    "words", ["filter_type=CASH", "filter_amount=1", "filter_type=GOLD&filter_amount=1", "cursor=2"]
)
def test_half_a_filter_and_what_is_no_cursor_are_refused(words: str) -> None:
    async def work(venue: Venue) -> None:
        assert (await venue.get(f"/data/v2/trades?{words}"))[0] == 400

    with_venue(work)


def test_a_page_looks_at_a_limited_number_of_trades_and_its_cursor_says_where_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data_trades, "LOOKED_AT_MAX", 2)
    built: list[str] = []
    monkeypatch.setattr(data_documents, "transaction_hash", lambda slug, number: built.append(slug) or str(number))

    async def work(venue: Venue) -> None:
        venue.book(0.52, 0.54)
        some_trades(venue, 5)
        path, cursor, pages = "/data/v2/trades?filter_type=TOKENS&filter_amount=4&cursor=", "", []
        while cursor is not None:
            page = (await venue.get(path + cursor))[1]
            pages.append([row["size"] for row in page["data"]])
            cursor = page["pagination"]["next_cursor"]
        assert pages == [[5.0, 4.0], [], []]
        assert len(built) == 2  # of what is not shown no document is made

    with_venue(work)


def test_a_resolution_is_told_with_payouts_and_exactly_one_parameter_is_wanted() -> None:
    async def work(venue: Venue) -> None:
        path = f"/data/v2/resolutions?condition_id={venue.condition()}"
        (row,) = (await venue.get(path))[1]["data"]
        assert (row["status"], row["payouts"], row["resolved_at"]) == ("active", None, None)
        venue.tell(resolved("DOWN"))
        (row,) = (await venue.get(path))[1]["data"]
        assert (row["status"], row["reporter"], row["payouts"]) == ("resolved", "CHAINLINK", [0, 1_000_000])
        assert row["resolved_at"] == BTC.end_ns // 10**9 + 30
        assert (await venue.get("/data/v2/resolutions"))[0] == 400
        assert (await venue.get(path + "&event_id=1"))[0] == 400

    with_venue(work)


def test_klines_have_twelve_columns_and_obey_start_end_and_limit() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(*(a_price(100.0 + n, after_s=n) for n in range(1, 200)))
        path = "/api/v3/klines?symbol=BTCUSDT&interval="
        status, minutes = await venue.get(path + "1m")
        assert status == 200
        assert [row[0] for row in minutes] == [NOON_MS + n * 60_000 for n in range(4)]
        assert minutes[1][:5] == [NOON_MS + 60_000, *(f"{p}.00000000" for p in (160, 219, 160, 219))]
        assert (len(minutes[1]), minutes[1][6], minutes[1][8], minutes[1][11]) == (12, NOON_MS + 119_999, 60, "0")
        assert [row[0] for row in (await venue.get(path + "1m&limit=2"))[1]] == [NOON_MS + 120_000, NOON_MS + 180_000]
        window = f"&startTime={NOON_MS + 60_000}&endTime={NOON_MS + 120_000}"
        assert [row[0] for row in (await venue.get(path + "1m" + window))[1]] == [NOON_MS + 60_000, NOON_MS + 120_000]
        three, _ = (await venue.get(path + "3m"))[1]
        assert three[1:5] == [f"{p}.00000000" for p in (101, 279, 101, 279)]
        assert three[8] == 179
        _, micro = await venue.get(path + "1s&limit=1", **{"X-MBX-TIME-UNIT": "MICROSECOND"})
        assert micro[0][0] == (NOON_MS + 199_000) * 1000

    with_venue(work)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v3/klines?symbol=HYPEUSDT&interval=1m", 400, -1121),
        ("/api/v3/depth?symbol=NOPE", 400, -1121),
        ("/api/v3/exchangeInfo?symbol=HYPEUSDT", 400, -1121),
        ('/api/v3/exchangeInfo?symbols=["BTCUSDT","NOPE"]', 400, -1121),
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("/futures/fapi/v1/klines?symbol=HYPEUSDT&interval=1s", 400, -1120),
        ("/api/v3/klines?interval=1m", 400, -1102),
        ("/api/v3/klines?symbol=BTCUSDT", 400, -1102),
        ("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=x", 400, -1100),
    ],
)
def test_the_exchange_refuses_with_its_codes(path: str, status: int, code: int) -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(81_000.0), a_price(31.0, asset="HYPE"))
        found, told = await venue.get(path)
        assert (found, told["code"]) == (status, code)

    with_venue(work)


def test_small_answers_of_the_exchange() -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(81_000.0), a_price(31.0, asset="HYPE"))
        assert await venue.get("/api/v3/ping") == (200, {})
        assert (await venue.get("/api/v3/time"))[1]["serverTime"] == NOON_MS
        ticker = (await venue.get("/api/v3/ticker/bookTicker?symbol=BTCUSDT"))[1]
        assert (ticker["bidPrice"], ticker["askPrice"]) == ("81000.00000000", "81000.01000000")
        assert [row["symbol"] for row in (await venue.get("/api/v3/ticker/price"))[1]] == ["BTCUSDT"]
        assert (await venue.get("/api/v3/avgPrice?symbol=BTCUSDT"))[1]["price"] == "81000.00000000"
        (trade,) = (await venue.get("/api/v3/aggTrades?symbol=BTCUSDT"))[1]
        assert list(trade) == ["a", "p", "q", "f", "l", "T", "m", "M"]
        info = (await venue.get('/api/v3/exchangeInfo?symbols=["BTCUSDT"]'))[1]
        assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT"]
        hype = (await venue.get("/futures/fapi/v1/klines?symbol=HYPEUSDT&interval=1m"))[1]
        assert hype[0][4] == "31.000"

    with_venue(work)


def test_weights_are_counted_and_the_limit_answers_429_with_retry_after() -> None:
    async def work(venue: Venue) -> None:
        url = venue.server.url + "/api/v3/exchangeInfo"
        for _ in range(601):
            async with venue.session.get(url) as answer:
                told = await answer.json()
                if answer.status == 429:
                    break
                assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) <= 6_000
        assert answer.status == 429
        assert told["code"] == -1003
        assert 0 <= int(answer.headers["Retry-After"]) <= 60

    with_venue(work)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "example.com", "127.0.0.1.example.com", ""])
def test_a_host_that_is_not_loopback_is_refused(host: str) -> None:
    async def build() -> None:
        VenueServer(NoEvents(), VenueSettings(), lambda: PacedClock(0, 1.0), host=host)

    with pytest.raises(VenueRefused, match="not loopback"):
        asyncio.run(build())


def test_a_request_under_another_name_is_refused() -> None:
    async def work(venue: Venue) -> None:
        assert (await venue.get("/ok", Host="evil.example"))[0] == 403
        assert (await venue.get("/ok", Host="127.0.0.1.evil.example:80"))[0] == 403
        for host in ("localhost:1", "localhost", "127.0.0.2:8170", "[::1]:8170", "[::1]"):
            assert (await venue.get("/ok", Host=host))[0] == 200

    with_venue(work)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.2", "http://127.0.0.2"),
        pytest.param("::1", "http://[::1]", marks=pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 on this machine")),
        ("localhost", "http://localhost"),
    ],
)
def test_every_loopback_host_is_served_under_the_url_that_is_told(host: str, url: str) -> None:
    async def work(venue: Venue) -> None:
        assert venue.server.url == f"{url}:{venue.server.port}"
        assert (await venue.get("/ok"))[0] == 200

    with_venue(work, host=host)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "http://localhost", "null", ""])
def test_a_page_of_a_browser_switches_nothing(origin: str) -> None:
    async def work(venue: Venue) -> None:
        venue.tell(a_price(1.0))
        for path in ("/control/faults", "/control/load"):
            for send in (venue.session.post, venue.session.delete):
                async with send(
                    venue.server.url + path, data=b'{"name":"stall"}', headers={"Origin": origin}
                ) as answer:
                    assert answer.status == 403
        assert (await venue.get("/control/faults"))[1]["active"] == []
        assert (await venue.get("/ok", Origin=origin))[0] == 200
        assert (await venue.get("/control/status", Origin=venue.server.url))[0] == 200

    with_venue(work)


def test_credentials_follow_from_the_address() -> None:
    async def work(venue: Venue) -> None:
        headers = {"POLY_ADDRESS": "0xAB", "POLY_SIGNATURE": "0x1"}
        async with venue.session.post(venue.server.url + "/auth/api-key", headers=headers) as answer:
            made = await answer.json()
        assert made == (await venue.get("/auth/derive-api-key", **headers))[1]
        assert set(made) == {"apiKey", "secret", "passphrase"}
        assert (await venue.get("/auth/derive-api-key"))[0] == 401
        assert (await venue.get("/auth/api-keys"))[0] == 401

    with_venue(work)
