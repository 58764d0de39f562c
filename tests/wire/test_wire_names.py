"""What the rest of the program may use of the decoders, and that they are pure."""

import ast
from pathlib import Path

import foresight.wire
from foresight.wire import binance, clob, gamma

CLOB = """PING BestBidAsk Book Change ClobDecoder ClobMessage LastTrade Level MarketInfo MarketResolved NewMarket Pong
PriceChange TickSizeChange book_hash books_request decode_books decode_market_info subscribe subscription unsubscribe"""
BINANCE = """AggTrade BinanceDecoder BinanceMessage BookTicker Candle DepthUpdate Kline PartialDepth Reply
ServerShutdown Trade decode_agg_trades decode_book_ticker decode_klines decode_symbols decode_time subscribe
unsubscribe"""
GAMMA = """Answer EventPrices Listing NotYet Refused Window condition_of_v2 decode_event decode_market decode_markets
is_v2_id padded_condition parse_slug slug_of window_start_s"""
PURE = {
    "collections.abc", "datetime", "functools", "hashlib", "re", "typing", "msgspec", "foresight.events",
    "foresight.markets", "foresight.money",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert foresight.wire.__all__ == ["FRAME_BYTES_MAX", "OnReject"]
    assert [clob.__all__, binance.__all__, gamma.__all__] == [CLOB.split(), BINANCE.split(), GAMMA.split()]


def test_the_decoders_import_nothing_that_could_do_more_than_decode() -> None:
    imported = set()
    for path in Path(foresight.wire.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module)
            elif isinstance(node, ast.Import):
                imported.update(name.name for name in node.names)

    assert {name for name in imported if not str(name).startswith("foresight.wire")} == PURE
