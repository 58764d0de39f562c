"""The venue as a server on one loopback port: it puts the parts together, starts them, and ends them in order."""

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from foresight.errors import VenueRefused
from foresight.runtime.clock import PacedClock, monotonic_ns
from foresight.sources import Source
from foresight.sources.simulated import SimulatedMarket
from foresight.venue.answers import answer
from foresight.venue.control import Control
from foresight.venue.desk import Desk
from foresight.venue.faults import Faults
from foresight.venue.hub import Hub
from foresight.venue.load import Load, Wanted
from foresight.venue.pump import Pump
from foresight.venue.rest_faults import rest_faults
from foresight.venue.routes_auth import AuthRoutes
from foresight.venue.routes_binance import BinanceRoutes
from foresight.venue.routes_clob import ClobRoutes
from foresight.venue.routes_data import DataRoutes
from foresight.venue.routes_gamma import GammaRoutes
from foresight.venue.sessions import End
from foresight.venue.settings import VenueSettings
from foresight.venue.sockets import Sockets
from foresight.venue.state import VenueState

LOOPBACK = "127.0.0.1"
LEAVING = End(1001, "going away")
LEAVE_S = 0.7
"""How long open connections have to close when the venue ends; it is gone within a second."""


class VenueServer:
    """A venue that serves a source. `clock_of` makes its clock once the history has been taken."""

    def __init__(
        self,
        source: Source,
        settings: VenueSettings,
        clock_of: Callable[[], PacedClock],
        *,
        host: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        """Raises VenueRefused for a host that is not loopback: nothing of this is meant for others to reach."""
        _check_loopback(host)
        self._host, self._port = host, port
        self._clock_of = clock_of
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._is_refusing = asyncio.Event()
        self._refused_s = 0.0
        by_arithmetic = isinstance(source, SimulatedMarket)
        state = VenueState(settings, slots=source.slots, by_arithmetic=by_arithmetic)
        hub, faults = Hub(), Faults(monotonic_ns)
        pump = Pump(source, state, hub, faults)
        clock = PacedClock(source.start_ns, 1.0)
        self.desk = Desk(source, settings, state, hub, faults, pump, clock, asyncio.Event())
        self.load = Load(state.exchange, hub)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Takes the history and listens. Raises OSError when the port is taken."""
        desk = self.desk
        desk.pump.take_until(desk.source.start_ns)
        desk.clock = self._clock_of()
        desk.pump.take_until(desk.clock.now_ns())
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=LEAVE_S)
        await self._runner.setup()
        await self._listen()

    async def run(self, until_ns: int | None = None) -> None:
        """Serves until `desk.stop` is set, or venue time has come to `until_ns`; then closes everything."""
        desk = self.desk
        try:
            async with asyncio.TaskGroup() as group:
                others = (
                    group.create_task(self.load.run(desk.clock), name="load"),
                    group.create_task(self._keep_listening(), name="listener"),
                )
                await desk.pump.run(desk.clock, desk.stop, until_ns)
                for task in others:
                    task.cancel()
        finally:
            await self.close()

    async def close(self) -> None:
        """Every socket gets a close with 1001; then the listener ends."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if self._site is not None:
            await self._site.stop()
        leaving = list(self.desk.hub.connections())
        self.desk.hub.end_all(LEAVING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                for connection in leaving:
                    await connection.gone.wait()
        await runner.cleanup()

    async def refuse(self, for_s: float) -> None:
        """Nothing listens for so long; open connections stay."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
            self._refused_s = for_s
            self._is_refusing.set()

    async def _keep_listening(self) -> None:
        """Listens again after a refusal."""
        while True:
            await self._is_refusing.wait()
            self._is_refusing.clear()
            await asyncio.sleep(self._refused_s)
            await self._listen()

    async def _listen(self) -> None:
        assert self._runner is not None
        site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._site = site
        self._port = self._runner.addresses[0][1]

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[_only_this_machine, rest_faults(self.desk)])
        desk = self.desk
        parts = (
            Sockets(desk), ClobRoutes(desk), GammaRoutes(desk), DataRoutes(desk), BinanceRoutes(desk, "spot"),
            BinanceRoutes(desk, "futures"), AuthRoutes(), Control(desk, self.load, self.refuse),
        )  # fmt: skip
        for part in parts:
            application.add_routes(part.routes())
        return application

    def begin_load(self, rate: float, symbol: str) -> None:
        """Raises VenueRefused when there is no such load."""
        wrong = self.load.begin(Wanted(rate=rate, symbol=symbol))
        if wrong is not None:
            raise VenueRefused(f"the load is refused: {wrong}")


@web.middleware
async def _only_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page in a browser is refused that reaches this port under another name, or wants to switch something."""
    if not _is_loopback(_name_of(request.host)):
        return answer({"error": "this venue is for this machine"}, status=403)
    origin = request.headers.get("Origin")
    if origin not in (None, f"{request.scheme}://{request.host}") and request.path.startswith("/control"):
        return answer({"error": "no page but the venue's own may ask for this"}, status=403)
    return await handler(request)


def _name_of(host: str) -> str:
    """A Host header without its port, an address of IPv6 without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_loopback(host: str) -> None:
    if not _is_loopback(host):
        raise VenueRefused(f"the venue listens on this machine only; {host} is not loopback, and nothing was started")


def greeting(server: VenueServer, pid: int) -> bytes:
    """The line of JSON that says where a venue listens."""
    source, speed = server.desk.source, server.desk.clock.anchor[2]
    return msgspec.json.encode(
        {
            "url": server.url,
            "port": server.port,
            "pid": pid,
            "start_ns": source.start_ns,
            "speed": speed,
            "origin": source.origin,
            "name": source.name,
        }
    )
