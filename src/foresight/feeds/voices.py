"""Which symbols are heard on which connection of one line.

A venue can lose one symbol's stream, or refuse it, on a connection that brings the others. That connection is not
silent, so only the symbol's own silence shows it. A symbol that has never spoken on the line is not lost: the venue may
not know it, or it may be quiet.
"""

from foresight.feeds.connection import Connection


class Voices:
    """Times are connections' ages, so they are real time."""

    def __init__(self) -> None:
        self._heard_s: dict[int, dict[str, float]] = {}
        self._known: dict[str, None] = {}

    def hear(self, connection: Connection, symbol: str) -> None:
        self._known[symbol] = None
        self._heard_s.setdefault(connection.number, {})[symbol] = connection.age_s()

    def end(self, connection: Connection) -> None:
        self._heard_s.pop(connection.number, None)

    def forget(self, symbol: str) -> None:
        """It is not asked for any more."""
        self._known.pop(symbol, None)

    def silent_s(self, connection: Connection, symbol: str) -> float:
        """Since a symbol was last heard on a connection, or since that was opened."""
        return connection.age_s() - self._heard_s.get(connection.number, {}).get(symbol, 0.0)

    def lost(self, connection: Connection, seconds: float) -> list[str]:
        """The symbols that have spoken on this line and have been silent on this connection for so long."""
        return [symbol for symbol in self._known if self.silent_s(connection, symbol) >= seconds]
