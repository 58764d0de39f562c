"""The synthetic frames of venue spec §3, §5.8, §6.1, §7, §8 and §10, and a witness of what decoders reject."""

import json
from collections import Counter

COND = "0x0ab2dd2f64c9fd4e4310cfbb82556f0596060583dec1a7ab2d178603c3eb61d0"
UP = "53207776345142603829496159177365258137766387401318644928581668116189900513001"
DOWN = "20648356934634559682666465818616091365200180083124951072594390370095022737505"
T0_S = 1795177800
T0_NS = T0_S * 10**9
SLUG = f"btc-updown-5m-{T0_S}"


class Rejects:
    """Counts what a decoder rejects by kind, and keeps the sentences and the frames."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.whys: list[str] = []
        self.frames: list[bytes] = []

    def __call__(self, kind: str, why: str, frame: bytes) -> None:
        self.kinds[kind] += 1
        self.whys.append(why)
        self.frames.append(frame)


def frame(value: object) -> bytes:
    return json.dumps(value).encode()


def a_level(price: str, size: str) -> dict[str, str]:
    return {"price": price, "size": size}


def a_book(**changed: object) -> dict[str, object]:
    return {
        "event_type": "book", "market": COND, "asset_id": UP, "timestamp": "1795177803120", "hash": "9c1d",
        "bids": [a_level("0.01", "500"), a_level("0.51", "120")],
        "asks": [a_level("0.99", "500"), a_level("0.53", "80")],
        "tick_size": "0.01", "last_trade_price": "0.520",
    } | changed  # fmt: skip


def a_change(**changed: object) -> dict[str, object]:
    return {
        "asset_id": UP, "price": "0.52", "size": "30", "side": "BUY", "hash": "..", "best_bid": "0.52",
        "best_ask": "0.53",
    } | changed  # fmt: skip


def a_price_change(*changes: dict[str, object], **changed: object) -> dict[str, object]:
    down = a_change(asset_id=DOWN, price="0.48", side="SELL", best_bid="0.47", best_ask="0.48")
    return {
        "event_type": "price_change", "market": COND, "timestamp": "1795177803200",
        "price_changes": list(changes) or [a_change(), down],
    } | changed  # fmt: skip


def a_last_trade(**changed: object) -> dict[str, object]:
    return {
        "event_type": "last_trade_price", "market": COND, "asset_id": UP, "price": "0.53", "size": "9.43",
        "side": "BUY", "fee_rate_bps": "0", "timestamp": "1795177803350", "transaction_hash": "0x..",
    } | changed  # fmt: skip


def a_tick_change(**changed: object) -> dict[str, object]:
    return {
        "event_type": "tick_size_change", "market": COND, "asset_id": UP, "old_tick_size": "0.01",
        "new_tick_size": "0.001", "timestamp": "1795177803900",
    } | changed  # fmt: skip


def a_top(**changed: object) -> dict[str, object]:
    return {
        "event_type": "best_bid_ask", "market": COND, "asset_id": UP, "best_bid": "0.52", "best_ask": "0.53",
        "spread": "0.01", "timestamp": "1795177803901",
    } | changed  # fmt: skip


def a_new_market(**changed: object) -> dict[str, object]:
    return {
        "event_type": "new_market", "id": "2871112", "market": COND, "condition_id": COND, "question": "..",
        "slug": "btc-updown-5m-1795264200", "description": "..", "assets_ids": [UP, DOWN], "clob_token_ids": [UP, DOWN],
        "outcomes": ["Up", "Down"], "active": True, "tags": ["crypto"], "event_message": {"id": "99", "ticker": ".."},
        "order_price_min_tick_size": "0.01", "taker_base_fee": "1000", "fees_enabled": True,
        "fee_schedule": {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2}, "line": "",
        "timestamp": "1795177804000",
    } | changed  # fmt: skip


def a_resolution_told(**changed: object) -> dict[str, object]:
    return {
        "event_type": "market_resolved", "id": "2871111", "market": COND, "assets_ids": [UP, DOWN],
        "winning_asset_id": UP, "winning_outcome": "Up", "event_message": {"id": "98"}, "timestamp": "1795178160000",
        "tags": ["crypto"],
    } | changed  # fmt: skip


CLOB_EVENTS = [
    a_book(), a_price_change(), a_last_trade(), a_tick_change(), a_top(), a_new_market(), a_resolution_told(),
]  # fmt: skip

BOOK_TICKER = {
    "u": 400900217, "s": "BTCUSDT", "b": "81234.01000000", "B": "1.20000000", "a": "81234.02000000", "A": "0.50000000",
}  # fmt: skip
AGG_TRADE = {
    "e": "aggTrade", "E": 1795177803136, "s": "BTCUSDT", "a": 12345, "p": "81234.01", "q": "0.100", "f": 100, "l": 105,
    "T": 1795177803135, "m": True, "M": True,
}  # fmt: skip
TRADE = {
    "e": "trade", "E": 1795177803136, "s": "BTCUSDT", "t": 12345, "p": "81234.01", "q": "0.100", "T": 1795177803135,
    "m": False, "M": True,
}  # fmt: skip
KLINE = {
    "e": "kline", "E": 1795177803001, "s": "BTCUSDT",
    "k": {
        "t": 1795177802000, "T": 1795177802999, "s": "BTCUSDT", "i": "1s", "f": 1, "L": 2, "o": "81234.0",
        "c": "81235.5", "h": "81236", "l": "81233", "v": "1", "n": 100, "x": True, "q": "1", "V": "1", "Q": "1",
        "B": "0",
    },
}  # fmt: skip
DEPTH = {
    "e": "depthUpdate", "E": 1795177803100, "s": "BTCUSDT", "U": 157, "u": 160, "b": [["81234.01", "0"]],
    "a": [["81234.02", "1.5"]],
}  # fmt: skip
SHUTDOWN = {"e": "serverShutdown", "E": 1795177800000}
BINANCE_EVENTS = [BOOK_TICKER, AGG_TRADE, TRADE, KLINE, DEPTH, SHUTDOWN]


def wrapped(stream: str, data: object) -> bytes:
    return frame({"stream": stream, "data": data})


def a_twap(**changed: object) -> dict[str, object]:
    payload = {
        "symbol": "btcusd", "source": "chainlink", "window_seconds": 60, "timestamp": 1795177803000, "value": 81201.5,
        "full_accuracy_value": "81201.500000000000000000",
    } | changed  # fmt: skip
    return {"v": 1, "channel": "price.crypto.twap", "seq": 2, "ts": 1795177803000, "payload": payload}


def a_snapshot(*points: object) -> dict[str, object]:
    known = {"timestamp": 1795177801000, "value": 81200.5, "full_accuracy_value": "81200.500000000000000000"}
    payload = {
        "symbol": "btcusd", "source": "chainlink", "window_seconds": 60, "data": [known, *points],
    }  # fmt: skip
    return {
        "v": 1, "channel": "price.crypto.twap", "seq": 1, "ts": 1795177803000, "snapshot": True, "payload": payload,
    }  # fmt: skip


POLYBOLT_CONTROLS = [
    {"op": "authed", "rid": "1"},
    {"op": "subscribed", "channel": "price.crypto.twap", "rid": "2"},
    {"op": "pong", "rid": "p1"},
    {"op": "error", "channel": "price.crypto", "rid": "2", "code": "bad_filter"},
]


def an_rtds_price(topic: str = "crypto_prices_twap_sixty", **changed: object) -> dict[str, object]:
    payload = {
        "symbol": "btc/usd", "timestamp": 1795177803000, "value": 81201.5,
        "full_accuracy_value": "81201500000000000000000", "window_s": 60,
    } | changed  # fmt: skip
    return {"topic": topic, "type": "update", "timestamp": 1795177804421, "connection_id": "Zz=", "payload": payload}


def an_rtds_backfill(*points: object) -> dict[str, object]:
    payload = {"symbol": "btc/usd", "data": list(points) or [{"timestamp": 1795177801000, "value": 81200.5}]}
    return {"topic": "crypto_prices_twap_sixty", "type": "subscribe", "timestamp": 1795177804421, "payload": payload}


def a_listing(**changed: object) -> dict[str, object]:
    return {
        "id": "2871111", "slug": SLUG, "question": "Bitcoin Up or Down - November 20, 7:30AM-7:35AM ET",
        "conditionId": COND, "version": "v1", "clobTokenIds": json.dumps([UP, DOWN]), "outcomes": '["Up", "Down"]',
        "outcomePrices": '["0.505", "0.495"]', "startDate": "2026-11-19T12:33:10.1Z",
        "eventStartTime": "2026-11-20T12:30:00Z", "endDate": "2026-11-20T12:35:00Z", "active": True, "closed": False,
        "archived": False, "acceptingOrders": True, "enableOrderBook": True, "negRisk": False,
        "orderPriceMinTickSize": 0.01, "orderMinSize": 5, "feesEnabled": True, "feeType": "crypto_fees_v2",
        "feeSchedule": {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2}, "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "cryptoMarketConfig": {
            "id": "btc-5m-twap-60", "asset": "btc", "duration": "5m", "twapEnabled": True, "twapLookbackSeconds": 60,
        },
        "resolutionSource": "https://data.chain.link/streams/btc-usd-twap-60s-streams", "bestBid": 0.5, "bestAsk": 0.51,
        "spread": 0.01, "lastTradePrice": 0.5, "volume": "1042.7", "liquidity": "9120.4",
    } | changed  # fmt: skip


def a_trades_page(*rows: object, cursor: str | None = None) -> dict[str, object]:
    row = {
        "proxy_wallet": "0x00000000000000000000000000000000000000a1", "token_id": UP, "condition_id": COND,
        "side": "BUY", "size": 9.43, "price": 0.53, "timestamp": 1795177803, "transaction_hash": "0x..", "slug": SLUG,
        "event_slug": SLUG, "title": "Bitcoin Up or Down", "outcome": "Up", "outcome_index": 0, "name": "",
        "pseudonym": "Quiet-Heron",
    }  # fmt: skip
    return {"data": [row, *rows], "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}


def a_resolutions_page(**changed: object) -> dict[str, object]:
    row = {
        "condition_id": COND, "status": "resolved", "reporter": "CHAINLINK", "payouts": [1000000, 0],
        "resolved_at": 1795178160, "was_disputed": False,
    } | changed  # fmt: skip
    return {"data": [row]}


def a_market_info(**changed: object) -> dict[str, object]:
    return {
        "c": COND, "t": [{"t": UP, "o": "Up"}, {"t": DOWN, "o": "Down"}], "mos": 5, "mts": 0.01, "mbf": 1000,
        "tbf": 1000, "ao": True, "cbos": False, "itode": True, "fd": {"r": 0.07, "e": 1, "to": True},
        "r": {"mi": 50, "ma": 4.5, "moas": 1}, "v": "v1",
    } | changed  # fmt: skip


WEBSITE_PRICE = {
    "openPrice": 81201.5, "closePrice": None, "timestamp": 1795177811549, "completed": False, "incomplete": True,
    "cached": False,
}  # fmt: skip
GEOBLOCK = {"blocked": False, "ip": "203.0.113.7", "country": "DE", "region": "BE"}
KLINE_ROW = [
    1795177740000, "81230.0", "81240.0", "81220.0", "81234.5", "12.5", 1795177799999, "1000000", 321, "6", "500", "0",
]  # fmt: skip
AGG_TRADE_ROW = {"a": 12345, "p": "81234.01", "q": "0.100", "f": 1, "l": 2, "T": 1795177803135, "m": True, "M": True}
EXCHANGE_INFO = {
    "timezone": "UTC", "serverTime": 1795177803000, "rateLimits": [], "exchangeFilters": [],
    "symbols": [
        {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"},
        {"symbol": "ZECUSDT", "status": "CANCEL_ONLY", "baseAsset": "ZEC", "quoteAsset": "USDT"},
    ],
}  # fmt: skip
SERVER_TIME = {"serverTime": 1795177803135}
REST_TICKER = {
    "symbol": "BTCUSDT", "bidPrice": "81234.01", "bidQty": "1.2", "askPrice": "81234.02", "askQty": "0.5",
}  # fmt: skip
