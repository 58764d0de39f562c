"""Who is connected, and what the venue says unasked brought to those who want it."""

from collections.abc import Iterable, Iterator

from foresight.venue.binance_session import BinanceSession
from foresight.venue.clob_session import ClobSession
from foresight.venue.connection import Connection
from foresight.venue.frames import ClobEvent, Frame, PriceEvent, StreamEvent
from foresight.venue.polybolt_session import PolyBoltSession
from foresight.venue.rtds_session import RtdsSession
from foresight.venue.sessions import End, Say

CHANNELS = ("clob", "polybolt", "rtds", "binance", "binance_futures")
RESOLVED = "market_resolved"


class Hub:
    """Sessions by kind, each with its connection."""

    def __init__(self) -> None:
        self.clob: dict[ClobSession, Connection] = {}
        self.binance: dict[BinanceSession, Connection] = {}
        self.prices: dict[PolyBoltSession | RtdsSession, Connection] = {}

    def connections(self, target: str | None = None) -> Iterator[Connection]:
        """All, those of a channel, or those whose session listens to what is named so."""
        for table in (self.clob, self.binance, self.prices):
            for session, connection in table.items():
                if target in (None, connection.channel) or target in session.names():
                    yield connection

    def counts(self) -> dict[str, int]:
        """Open connections by channel."""
        told = dict.fromkeys(CHANNELS, 0)
        for connection in self.connections():
            told[connection.channel] += 1
        return told

    def deliver(self, frames: Iterable[Frame]) -> None:
        """Queue each frame on the connections that want it."""
        for frame in frames:
            match frame:
                case StreamEvent():
                    self._deliver_stream(frame)
                case ClobEvent():
                    self._deliver_clob(frame)
                case PriceEvent():
                    self._deliver_price(frame)

    def end_all(self, end: End) -> None:
        for connection in self.connections():
            connection.end(end)

    def _deliver_stream(self, event: StreamEvent) -> None:
        kind = event.stream.partition("@")[2]
        for session, connection in self.binance.items():
            if session.wants(event):
                connection.say(Say(session.body_of(event), kind, event.labels))

    def _deliver_clob(self, event: ClobEvent) -> None:
        said = Say(event.body, event.kind, event.labels)
        for session, connection in self.clob.items():
            if session.wants(event):
                connection.say(said)
            if event.kind == RESOLVED and (ending := session.ending()) is not None:
                connection.end(ending)

    def _deliver_price(self, event: PriceEvent) -> None:
        for session, connection in self.prices.items():
            for said in session.tell(event):
                connection.say(said)
