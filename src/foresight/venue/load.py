"""Extra book tickers for a benchmark, well-formed and at a set rate, straight to the sockets that listen.

`u` of every book ticker is venue time in nanoseconds; at speed 1 a client that has asked `/control/clock` reads the
sender's monotonic time off it as `monotonic_ns + (u - venue_ns)`.
"""

import asyncio

import msgspec

from foresight.markets import SECOND_NS
from foresight.runtime.clock import PacedClock, monotonic_ns
from foresight.venue.connection import Connection
from foresight.venue.documents import encoded
from foresight.venue.exchange import Exchange
from foresight.venue.hub import Hub
from foresight.venue.instruments import Instrument
from foresight.venue.stream_frames import book_ticker

RATE_MAX = 1_000_000.0
TURN_S = 0.001
BATCH_MAX = 2_000
"""Frames of one turn: a load that has fallen behind catches up in steps, and the rest of the venue goes on."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /control/load` takes: frames a second, 0 for as fast as it goes; without `seconds` until taken off."""

    rate: float
    symbol: str = "BTCUSDT"
    seconds: float | None = None


class Report(msgspec.Struct):
    """What `GET /control/load` tells: frames made, and frames sent over all connections."""

    is_on: bool = False
    symbol: str = ""
    rate: float = 0.0
    made: int = 0
    sent: int = 0
    took_s: float = 0.0


class Load:
    def __init__(self, exchange: Exchange, hub: Hub) -> None:
        self.report = Report()
        self._exchange = exchange
        self._hub = hub
        self._wanted: Wanted | None = None
        self._is_due = asyncio.Event()

    def begin(self, wanted: Wanted) -> str | None:
        """Replaces what was on. Returns why not, if so."""
        if self._exchange.instrument("spot", wanted.symbol) is None:
            return f"{wanted.symbol} is not on spot"
        if not 0 <= wanted.rate <= RATE_MAX:
            return f"a rate lies between 0 and {RATE_MAX:.0f} a second"
        self._wanted = wanted
        self.report = Report(is_on=True, symbol=wanted.symbol, rate=wanted.rate)
        self._is_due.set()
        return None

    def end(self) -> None:
        self._wanted = None
        self.report.is_on = False

    async def run(self, clock: PacedClock) -> None:
        """Sends whatever is wanted, for ever."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            wanted = self._wanted
            if wanted is not None:
                await self._send(wanted, clock)
                if self._wanted is wanted:
                    self.end()

    async def _send(self, wanted: Wanted, clock: PacedClock) -> None:
        instrument = self._exchange.instrument("spot", wanted.symbol)
        assert instrument is not None
        report, began_ns = self.report, monotonic_ns()
        while self._wanted is wanted:
            report.took_s = (monotonic_ns() - began_ns) / SECOND_NS
            if wanted.seconds is not None and report.took_s >= wanted.seconds:
                return
            missing = BATCH_MAX if wanted.rate == 0 else int(report.took_s * wanted.rate) - report.made
            listening = self._listening(wanted.symbol)
            if not listening:
                report.made += max(missing, 0) if wanted.rate else 0
                await asyncio.sleep(TURN_S)
                continue
            tail = _after_the_id(encoded(book_ticker(instrument, "spot", 1_000_000, update_id=0, at_ns=0)))
            for _ in range(min(missing, BATCH_MAX)):
                await self._send_one(instrument, tail, listening, clock)
            await asyncio.sleep(0 if wanted.rate == 0 or missing > BATCH_MAX else TURN_S)

    async def _send_one(
        self, instrument: Instrument, tail: bytes, listening: list[tuple[Connection, bool]], clock: PacedClock
    ) -> None:
        raw = b'{"u":%d%s' % (instrument.next_update_id(clock.now_ns()), tail)
        wrapped = b'{"stream":"%s@bookTicker","data":%s}' % (instrument.symbol.name.lower().encode(), raw)
        self.report.made += 1
        for connection, is_combined in listening:
            if not connection.is_ending:
                await connection.send_or_leave(wrapped if is_combined else raw)
                self.report.sent += 1

    def _listening(self, symbol: str) -> list[tuple[Connection, bool]]:
        stream = f"{symbol.lower()}@bookTicker"
        return [
            (connection, session.is_combined)
            for session, connection in self._hub.binance.items()
            if stream in session.streams and session.request.market == "spot"
        ]


def _after_the_id(ticker: bytes) -> bytes:
    """A written book ticker without its first key, `u`, which is the only one that changes within a turn."""
    return ticker[ticker.index(b",") :]
