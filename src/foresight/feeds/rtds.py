"""The oracle's averages from RTDS (venue spec §7.2): the older socket, without credentials, deprecated. Off unless
asked for.

It can fall silent while it stays open, so only data counts as a sign of life. What PolyBolt has told already is not
told again.
"""

from collections.abc import Callable, Mapping

from foresight.events import Reference
from foresight.feeds.connection import Connection, Ended
from foresight.feeds.telling import Lags, Surroundings
from foresight.markets import SECOND_NS
from foresight.wire import rtds
from foresight.wire.rtds import Backfill, Price, RtdsDecoder

TOPIC = "crypto_prices_twap_sixty"
WINDOW_S = 60
PING_EVERY_S = 5.0
SILENCE_S = 30.0
NEVER_S = 10.0**12
REMEMBERED = 300


class RtdsChannel:
    """Follows the 60-second averages. `assets` names the asset of each symbol (`btc/usd`); `is_known` says whether an
    average has come another way."""

    name = "rtds"
    age_max_s = NEVER_S

    def __init__(
        self, url: str, assets: Mapping[str, str], around: Surroundings, is_known: Callable[[str, int], bool]
    ) -> None:
        self.url = url
        self.silence_s = SILENCE_S
        self.lags = Lags()
        self.duplicates = 0
        self._assets = dict(assets)
        self._around = around
        self._is_known = is_known
        self._decoder = RtdsDecoder(around.reject)
        self._seen: dict[tuple[str, int], None] = {}
        self._pinged_s: dict[int, float] = {}

    def opened(self, connection: Connection) -> None:
        connection.say(rtds.subscribe((TOPIC,)))

    def lost(self, connection: Connection) -> None:
        self._pinged_s.pop(connection.number, None)

    def pause_after(self, how: Ended) -> float:
        del how
        return 0.0

    def keep_alive(self, connection: Connection) -> None:
        age_s = connection.age_s()
        if age_s - self._pinged_s.get(connection.number, 0.0) >= PING_EVERY_S:
            self._pinged_s[connection.number] = age_s
            connection.say(rtds.PING)

    def took(self, connection: Connection, frame: bytes) -> None:
        message = self._decoder.decode(frame)
        match message:
            case Price(window_s=window_s) if window_s in (None, WINDOW_S):
                connection.heard()
                connection.warmed()
                self._observe(message.symbol, message.stamped_ns, message.value)
            case Backfill(window_s=window_s) if window_s in (None, WINDOW_S):
                for stamped_ns, value in message.values:
                    self._observe(message.symbol, stamped_ns, value)

    def _observe(self, symbol: str, stamped_ns: int, value: float) -> None:
        asset, now_ns = self._assets.get(symbol), self._around.now_ns()
        if asset is None or stamped_ns > now_ns + SECOND_NS:
            return
        if (asset, stamped_ns) in self._seen or self._is_known(asset, stamped_ns):
            self.duplicates += 1
            return
        self._seen[asset, stamped_ns] = None
        while len(self._seen) > REMEMBERED * len(self._assets):
            self._seen.pop(next(iter(self._seen)))
        self._around.put(Reference(now_ns, asset, "twap60", value, stamped_ns, "rtds:chainlink"))
