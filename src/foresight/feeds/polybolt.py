"""The oracle's 60-second averages, from PolyBolt (venue spec §7.1). These settle the markets.

PolyBolt wants API credentials even to read. Where it refuses them the bot does without the oracle, says so, and
presents them again after growing pauses, or others as soon as there are any. Each second's average is taken once, in
whatever order and on however many connections they come. A symbol that stays silent, because its subscription was
refused or is lost, is asked for again.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from foresight.events import Reference
from foresight.feeds.connection import Connection, Ended
from foresight.feeds.line import Refusal
from foresight.feeds.telling import Lags, Surroundings
from foresight.feeds.voices import Voices
from foresight.markets import MINUTE_NS, SECOND_NS, TIMEFRAME_NS
from foresight.secrets import Secret
from foresight.wire import polybolt
from foresight.wire.polybolt import Authed, Item, PolyboltDecoder, Price, Refused, Snapshot, Subscribed

TWAP = "price.crypto.twap"
WINDOW_S = 60
PING_EVERY_S = 30.0
SILENCE_S = 15.0
ASK_AGAIN_S = 4 * SILENCE_S
"""A symbol that is silent for so long while others speak is asked for again, once in so long."""
LOST_S = 20 * SILENCE_S
"""One that has spoken before, and that asking again does not bring back, is lost on this connection: it is renewed."""
AUTH_FAILED, SLOW_CONSUMER, DRAINING, POLICY = 4001, 4002, 4003, 4008
DRAINED_WITHIN_S = 10.0
REMEMBERED_NS = max(TIMEFRAME_NS.values()) + MINUTE_NS
"""So long it is known of an open window that its opening average was heard."""
AUTH_CODES = ("auth_invalid", "auth_expired", "auth_attempts")
"""Other refusals of credentials (`auth_unavailable`) pass by themselves."""
NEVER_S = 10.0**12


class Credentials(msgspec.Struct, frozen=True):
    """API credentials of the venue."""

    key: Secret
    secret: Secret
    passphrase: Secret

    def revealed(self) -> tuple[str, str, str]:
        return self.key.reveal(), self.secret.reveal(), self.passphrase.reveal()


class PolyboltChannel:
    """Follows the averages of some symbols. `assets` names the asset of each symbol (`btcusd`), and `credentials` gives
    those to present now."""

    name = "polybolt"
    age_max_s = NEVER_S

    def __init__(
        self,
        url: str,
        assets: Mapping[str, str],
        credentials: Callable[[], Credentials],
        around: Surroundings,
        uniform: Callable[[], float],
    ) -> None:
        self.url = url
        self.silence_s = SILENCE_S
        self.lags = Lags()
        self.duplicates = 0
        self.dropped = 0
        self.renew: Callable[[Connection, str], None] = lambda _connection, _why: None
        self._assets = dict(assets)
        self._credentials = credentials
        self._presented = credentials()
        self._around = around
        self._uniform = uniform
        self._decoder = PolyboltDecoder(around.reject)
        self._seen: dict[str, dict[int, None]] = {symbol: {} for symbol in assets}
        self._heard: dict[int, set[str]] = {}
        self._asked_s: dict[int, dict[str, float]] = {}
        self._voices = Voices()
        self._refusals: set[str] = set()
        self._pinged_s: dict[int, float] = {}

    def has(self, asset: str, stamped_ns: int) -> bool:
        """Whether the average with this stamp has been heard."""
        return any(stamped_ns in self._seen[symbol] for symbol, name in self._assets.items() if name == asset)

    def opened(self, connection: Connection) -> None:
        self._heard[connection.number] = set()
        self._refusals.clear()
        self._presented = self._credentials()
        connection.say(polybolt.auth(*self._presented.revealed(), "1"))

    def lost(self, connection: Connection) -> None:
        self._heard.pop(connection.number, None)
        self._pinged_s.pop(connection.number, None)
        self._asked_s.pop(connection.number, None)
        self._voices.end(connection)

    def pause_after(self, how: Ended) -> float | Refusal:
        if how.code in (AUTH_FAILED, POLICY) or (how.by_us and how.reason in AUTH_CODES):
            presented = self._presented
            return Refusal(lambda: self._credentials().revealed() != presented.revealed())
        return self._uniform() * DRAINED_WITHIN_S if how.code == DRAINING else 0.0

    def keep_alive(self, connection: Connection) -> None:
        age_s = connection.age_s()
        if age_s - self._pinged_s.get(connection.number, 0.0) >= PING_EVERY_S:
            self._pinged_s[connection.number] = age_s
            connection.say(polybolt.ping(f"p{age_s:.0f}"))
        self._ask_again(connection)
        lost = self._voices.lost(connection, LOST_S)
        if lost:
            self.renew(connection, f"no data of {', '.join(lost)} for {LOST_S:.0f} s")

    def _ask_again(self, connection: Connection) -> None:
        age_s, asked_s = connection.age_s(), self._asked_s.get(connection.number, {})
        silent = [
            symbol
            for symbol, symbol_asked_s in asked_s.items()
            if min(age_s - symbol_asked_s, self._voices.silent_s(connection, symbol)) >= ASK_AGAIN_S
        ]
        if silent:
            self._subscribe(connection, silent)

    def _subscribe(self, connection: Connection, symbols: Iterable[str]) -> None:
        items = [Item(TWAP, symbol, WINDOW_S) for symbol in symbols]
        asked_s = self._asked_s.setdefault(connection.number, {})
        asked_s.update((item.symbol, connection.age_s()) for item in items)
        connection.say(polybolt.subscribe(items, "2"))

    def took(self, connection: Connection, frame: bytes) -> None:
        message = self._decoder.decode(frame)
        match message:
            case Authed():
                self._subscribe(connection, self._assets)
            case Price() | Snapshot():
                self._count(message.dropped)
                if self._is_asked_for(message):
                    self._hear(connection, message)
            case Refused():
                self._refuse(connection, message)
            case Subscribed() | None:
                pass

    def _count(self, dropped: int) -> None:
        if dropped:
            self.dropped += dropped
            self._around.tell(f"polybolt has dropped {dropped} frames: we read too slowly, or the way is too narrow")

    def _refuse(self, connection: Connection, message: Refused) -> None:
        """What is refused again and again is told once a connection."""
        sentence = f"polybolt refuses: {message.code} {message.channel}".rstrip()
        if sentence not in self._refusals:
            self._refusals.add(sentence)
            self._around.tell(sentence)
        if message.code.startswith("auth"):
            connection.close(message.code)

    def _is_asked_for(self, message: Price | Snapshot) -> bool:
        """Other prices of the oracle settle nothing."""
        return message.channel == TWAP and message.window_s == WINDOW_S and message.symbol in self._assets

    def _hear(self, connection: Connection, message: Price | Snapshot) -> None:
        connection.heard()
        heard = self._heard.setdefault(connection.number, set())
        heard.add(message.symbol)
        if len(heard) >= len(self._assets):
            connection.warmed()
        if isinstance(message, Price):
            self._voices.hear(connection, message.symbol)  # a snapshot alone is no sign that averages come
            self.lags.add(self._around.now_ns() - message.stamped_ns)
            self._observe(message.symbol, message.stamped_ns, message.value, message.source)
        else:
            for stamped_ns, value in message.values:
                self._observe(message.symbol, stamped_ns, value, message.source)

    def _observe(self, symbol: str, stamped_ns: int, value: float, source: str) -> None:
        asset, seen = self._assets[symbol], self._seen[symbol]
        if stamped_ns in seen:
            self.duplicates += 1
            return
        seen[stamped_ns] = None
        while len(seen) > REMEMBERED_NS // SECOND_NS:
            seen.pop(next(iter(seen)))
        self._around.put(Reference(self._around.now_ns(), asset, "twap60", value, stamped_ns, f"polybolt:{source}"))
