"""Sends Binance book tickers over a WebSocket on loopback, each with the monotonic time of its sending.

That time is its `u`. A process of its own: prints its port, and takes one rate a line on standard input (below 0 is as
fast as it goes).
"""

import asyncio
import sys
import time

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

SYMBOLS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ZEC", "HYPE")
TICK_S = 0.001
BATCH = 64


class Sender(WSListener):
    """One receiver."""

    def __init__(self, rate: list[float]) -> None:
        self.rate = rate
        self.transport: WSTransport | None = None
        self.is_full = False
        self.sent = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows calls it so
        self.transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def send(self, count: int) -> None:
        """So many frames, the symbols in turn, each with a price of its own."""
        transport = self.transport
        for _ in range(count):
            if transport is None or self.is_full:
                return
            self.sent += 1
            symbol, cents = SYMBOLS[self.sent % len(SYMBOLS)], 10_000 + self.sent // len(SYMBOLS) % 97
            bid, ask = f"{cents / 100:.2f}000000", f"{(cents + 1) / 100:.2f}000000"
            name = symbol.lower()
            frame = (
                f'{{"stream":"{name}usdt@bookTicker","data":{{"u":{time.monotonic_ns()},"s":"{symbol}USDT",'
                f'"b":"{bid}","B":"1.20000000","a":"{ask}","A":"0.50000000"}}}}'
            )
            transport.send(WSMsgType.TEXT, frame.encode())


async def serve() -> None:
    rate, senders = [0.0], list[Sender]()

    def listener(_request: WSUpgradeRequest) -> Sender:
        senders.append(Sender(rate))
        return senders[-1]

    server = await picows.ws_create_server(listener, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_send(rate, senders))
        while line := await lines.readline():
            rate[0] = float(line)
        sending.cancel()


async def _send(rate: list[float], senders: list[Sender]) -> None:
    began_s, owed = time.monotonic(), 0.0
    while True:
        now_s = time.monotonic()
        if rate[0] < 0:  # as fast as it goes
            for sender in senders:
                sender.send(BATCH)
            await asyncio.sleep(0)
        else:
            owed = min(owed + (now_s - began_s) * rate[0], rate[0] * 0.05)
            for sender in senders:
                sender.send(int(owed))
            owed -= int(owed)
            await asyncio.sleep(TICK_S)
        began_s = now_s


if __name__ == "__main__":
    asyncio.run(serve())
