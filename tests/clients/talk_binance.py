"""Runs in the clients' environment: what `binance-connector`, unmodified, reads from a venue, as one JSON document.

python talk_binance.py URL SECONDS
"""

import json
import sys
import threading

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

STREAMS = ["btcusdt@bookTicker", "btcusdt@aggTrade", "btcusdt@kline_1s", "btcusdt@depth5@100ms"]


def refusal(call):
    try:
        call()
    except ClientError as error:
        return {"status": error.status_code, "code": error.error_code, "message": error.error_message}
    return None


def reads(url):
    client = Spot(base_url=url)
    return {
        "ping": client.ping(),
        "time": client.time(),
        "info": client.exchange_info(symbol="BTCUSDT"),
        "klines": client.klines("BTCUSDT", "1m", limit=31),
        "seconds": client.klines("BTCUSDT", "1s", limit=60),
        "depth": client.depth("BTCUSDT", limit=10),
        "agg_trades": client.agg_trades("BTCUSDT", limit=5),
        "book_ticker": client.book_ticker("BTCUSDT"),
        "price": client.ticker_price("BTCUSDT"),
        "average": client.avg_price("BTCUSDT"),
        "hype": refusal(lambda: client.klines("HYPEUSDT", "1m")),
        "interval": refusal(lambda: client.klines("BTCUSDT", "7m")),
    }


def stream(url, seconds):
    frames, replies, is_enough = {}, [], threading.Event()

    def on_message(_, text):
        message = json.loads(text)
        if "stream" not in message:
            replies.append(message)
            return
        known = frames.setdefault(message["stream"], [])
        if len(known) < 3:
            known.append(message["data"])
        if len(frames) == len(STREAMS):
            is_enough.set()

    client = SpotWebsocketStreamClient(
        stream_url=url.replace("http://", "ws://"), on_message=on_message, is_combined=True
    )
    client.subscribe(STREAMS, id=7)
    client.list_subscribe(id=8)
    is_enough.wait(seconds)
    client.stop()
    return {"frames": frames, "replies": replies}


if __name__ == "__main__":
    url, seconds = sys.argv[1], float(sys.argv[2])
    sys.stdout.write(json.dumps(reads(url) | stream(url, seconds)))
