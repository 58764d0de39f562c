"""The venue's own routes under `/control`: its clock, its state, the fault menu and the load generator."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from foresight.markets import SECOND_NS
from foresight.money import micros
from foresight.venue.answers import answer, whole
from foresight.venue.desk import Desk
from foresight.venue.documents import Document, Unreadable, decoded
from foresight.venue.faults import BY_NAME, MENU, Active, Asked, FaultRefused
from foresight.venue.frames import Frame
from foresight.venue.load import Load, Wanted
from foresight.venue.sessions import End
from foresight.venue.state import ASSUMPTIONS

CLOSE_CODES = (1000, 1001, 1006, 1008, 1011, 1012, 4001, 4002, 4003, 4008)
DAY_OVER = End(1008, "24 hours")
SHUT_DOWN = End(1001, "server shutdown")
BINANCE = ("binance", "binance_futures")

Refuse = Callable[[float], Awaitable[None]]


class Control:
    """`refuse` closes the listener for so many seconds."""

    def __init__(self, desk: Desk, load: Load, refuse: Refuse) -> None:
        self._desk = desk
        self._load = load
        self._refuse = refuse

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/clock", self._clock),
            web.get("/control/status", self._status),
            web.get("/control/faults", self._faults),
            web.post("/control/faults", self._switch_on),
            web.delete("/control/faults", self._switch_off),
            web.get("/control/load", self._told_load),
            web.post("/control/load", self._begin_load),
            web.delete("/control/load", self._end_load),
        ]

    async def _clock(self, _: web.Request) -> web.Response:
        monotonic_ns, venue_ns, speed = self._desk.clock.anchor
        source = self._desk.source
        return answer(
            {
                "monotonic_ns": monotonic_ns,
                "venue_ns": venue_ns,
                "speed": speed,
                "start_ns": source.start_ns,
                "origin": source.origin,
                "name": source.name,
                "slots": [list(slot) for slot in source.slots],
            }
        )

    async def _status(self, _: web.Request) -> web.Response:
        desk = self._desk
        now_ns = desk.clock.now_ns()
        waiting = max((connection.waiting for connection in desk.hub.connections()), default=0)
        return answer(
            {
                "origin": desk.source.origin,
                "name": desk.source.name,
                "version": desk.settings.version,
                "now_ns": now_ns,
                "lag_ms": desk.pump.lag_ns(now_ns) / 1e6,
                "has_ended": desk.pump.next_ns is None,
                "events": desk.state.taken,
                "listings": len(desk.state.listings),
                "connections": desk.hub.counts(),
                "waiting_max": waiting,
                "faults": len(desk.faults.active()),
                "assumptions": list(ASSUMPTIONS),
            }
        )

    async def _faults(self, _: web.Request) -> web.Response:
        return answer({"menu": list(MENU), "active": [_shown(active) for active in self._desk.faults.active()]})

    async def _switch_on(self, request: web.Request) -> web.Response:
        try:
            asked = decoded(await request.read(), Asked)
            self._check(asked)
            active = self._desk.faults.switch_on(asked)
        except (Unreadable, FaultRefused) as error:
            return answer({"error": str(error)}, status=400)
        if BY_NAME[active.name].place == "now":
            await self._act(active)
        return answer(_shown(active))

    async def _switch_off(self, request: web.Request) -> web.Response:
        """All faults, those of `?name=`, or the one of `?id=`."""
        number = whole(request, "id", default=-1, least=-1, most=2**62)
        if number is None:
            return answer({"error": "id is a number"}, status=400)
        gone = self._desk.faults.switch_off(request.query.get("name"), None if number < 0 else number)
        return answer({"switched_off": gone})

    async def _told_load(self, _: web.Request) -> web.Response:
        return answer(self._load.report)

    async def _begin_load(self, request: web.Request) -> web.Response:
        try:
            wanted = decoded(await request.read(), Wanted)
        except Unreadable as error:
            return answer({"error": str(error)}, status=400)
        wrong = self._load.begin(wanted)
        return answer(self._load.report) if wrong is None else answer({"error": wrong}, status=400)

    async def _end_load(self, _: web.Request) -> web.Response:
        self._load.end()
        return answer(self._load.report)

    def _check(self, asked: Asked) -> None:
        """What only makes sense here. Raises FaultRefused."""
        if asked.name == "close" and asked.parameters.get("code", 1006) not in CLOSE_CODES:
            raise FaultRefused(f"close: code is one of {', '.join(map(str, CLOSE_CODES))}")

    async def _act(self, active: Active) -> None:
        """Faults that act once, now."""
        match active.name:
            case "close":
                code = round(active.number("code"))
                for connection in self._desk.hub.connections(active.target):
                    connection.end(End(code, "fault"))
                    active.hits += 1
            case "server_shutdown" | "day_close":
                self._leave_binance(active)
            case "tick_change":
                self._change_ticks(active)
            case "refuse_connections":
                await self._refuse(active.number("for_s"))

    def _leave_binance(self, active: Active) -> None:
        for session, connection in self._desk.hub.binance.items():
            if active.target not in (None, connection.channel):
                continue
            active.hits += 1
            if active.name == "day_close":
                connection.end(DAY_OVER)
            else:
                connection.say(session.shutdown_notice(self._desk.clock.now_ns()))
                connection.end_later(SHUT_DOWN, active.number("after_s"))

    def _change_ticks(self, active: Active) -> None:
        """Of the open windows that the target means."""
        now_ns, out = self._desk.clock.now_ns(), list[Frame]()
        for listing in self._desk.state.listings:
            is_open = listing.market.start_ns <= now_ns < listing.market.end_ns and listing.winner is None
            if is_open and (active.target is None or active.target in listing.labels()):
                active.hits += 1
                self._desk.state.change_tick(listing, micros(active.number("tick")), now_ns, out)
        self._desk.hub.deliver(out)


def _shown(active: Active) -> Document:
    until_ns = active.until_ns
    return {
        "id": active.id,
        "name": active.name,
        "target": active.target,
        "parameters": active.parameters,
        "left": active.left,
        "until_monotonic_s": None if until_ns is None else until_ns / SECOND_NS,
        "hits": active.hits,
    }
