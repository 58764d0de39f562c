"""A venue in a process of its own: it runs until a signal, a time in its market, or the end of its standard input."""

import asyncio
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from foresight.errors import VenueRefused
from foresight.markets import SECOND_NS
from foresight.runtime.clock import PacedClock
from foresight.sources import Source
from foresight.sources.simulated import KeptMarket, SimulatedMarket
from foresight.venue.identities import VersionRule
from foresight.venue.server import LOOPBACK, VenueServer, greeting
from foresight.venue.settings import VenueSettings
from foresight.venue.standing import KEPT_MAX, Standing, instant, read_standing, usual_place, write_standing

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOAD_SYMBOL = "BTCUSDT"


class VenueAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What `foresight venue` was asked for. `rate` of None is no load, 0 as fast as it goes. `flicker` is the
    part of the recorded rate of changes that is shown in a real second. `is_fresh` passes over what `state` has.
    `may_begin_anew`: what `state` has of another market, or what cannot be read there, is passed over too."""

    seed: int
    slots: tuple[tuple[str, str], ...]
    port: int = 0
    host: str = LOOPBACK
    speed: float = 1.0
    version: VersionRule = "v1"
    recording: Path | None = None
    sources: tuple[str, ...] = ()
    for_s: float | None = None
    state: Path | None = None
    is_fresh: bool = False
    may_begin_anew: bool = False
    until_stdin_ends: bool = False
    rate: float | None = None
    ticks_change: bool = True
    accepts_after_s: float = 60.0
    flicker: float = 1.0


def serve(asked: VenueAsked) -> None:
    """Serves until it is asked to leave. Raises VenueRefused or SourceRefused when it cannot begin."""
    asyncio.run(_serve(with_usual_place(asked)))


def with_usual_place(asked: VenueAsked) -> VenueAsked:
    """A simulated venue of a certain port goes on where the last one was, unless it is told where to look. Recordings
    end, so nobody wants to be late for one."""
    if asked.state is not None or asked.port == 0 or asked.recording is not None:
        return asked
    return msgspec.structs.replace(asked, state=usual_place(asked.port), may_begin_anew=True)


async def _serve(asked: VenueAsked) -> None:
    log = structlog.get_logger()
    before = _before(asked)
    memory = _Memory(asked)
    source, clock_of = _market(asked, before, memory)
    port = asked.port or (before.port if before is not None else 0)
    server = VenueServer(source, settings_of(asked), clock_of, host=asked.host, port=port)
    _watch_for_the_end(server.desk.stop, stdin=asked.until_stdin_ends)
    try:
        await server.start()
    except OSError as error:
        raise VenueRefused(f"port {port} cannot be listened on: {error}; nothing was started") from None
    memory.begin(server)
    if asked.rate is not None:
        server.begin_load(asked.rate, LOAD_SYMBOL)
    sys.stdout.buffer.write(greeting(server, os.getpid()) + b"\n")
    sys.stdout.buffer.flush()
    kept_in = "nowhere" if asked.state is None else str(asked.state)
    log.info("venue serves", url=server.url, name=source.name, resumed=before is not None, kept_in=kept_in)
    until_ns = None if asked.for_s is None else server.desk.clock.now_ns() + int(asked.for_s * SECOND_NS)
    await server.run(until_ns)
    log.info("venue left", url=server.url)


def settings_of(asked: VenueAsked) -> VenueSettings:
    """What of it the venue itself is told."""
    return VenueSettings(
        version=asked.version,
        accepts_after_ns=round(asked.accepts_after_s * SECOND_NS),
        ticks_change=asked.ticks_change,
        flicker=0.0 if asked.recording is not None else asked.flicker / max(1.0, asked.speed),
        flicker_seed=asked.seed,
    )


def _before(asked: VenueAsked) -> Standing | None:
    """The life before this one, when there was one. Raises VenueRefused for one of another market."""
    if asked.state is None or asked.is_fresh:
        return None
    try:
        return _of_this_market(asked, asked.state)
    except VenueRefused as refused:
        if not asked.may_begin_anew:
            raise
        structlog.get_logger().warning("the market begins anew", why=str(refused))
        return None


def _of_this_market(asked: VenueAsked, state: Path) -> Standing | None:
    found = read_standing(state)
    if found is None:
        return None
    if not found.is_same_market(_asked_standing(asked)):
        raise VenueRefused(
            f"{state} is the state of another market (seed {found.seed}, speed {found.speed:g}, {found.version}, "
            f"{len(found.slots)} slots); name another file or ask for the same; nothing was started"
        )
    return found


def _market(asked: VenueAsked, before: Standing | None, memory: "_Memory") -> tuple[Source, Callable[[], PacedClock]]:
    """The source, and what makes the clock once its history has been taken."""
    if asked.recording is not None:
        from foresight.sources.recording import Recording  # noqa: PLC0415 - polars loads only where it is needed

        source: Source = Recording(asked.recording, asked.sources)
    elif before is None:
        source = SimulatedMarket(asked.seed, asked.slots, keep=memory.keep)
    else:
        resume_ns = before.venue_at(instant())
        source = SimulatedMarket(asked.seed, asked.slots, resume_ns=resume_ns, kept=before.kept, keep=memory.keep)
    if before is None:
        return source, lambda: PacedClock(source.start_ns, asked.speed)
    return source, lambda: _clock_again(before, asked.speed)


def _clock_again(before: Standing, speed: float) -> PacedClock:
    now = instant()
    return PacedClock.at_anchor(now.monotonic_ns, before.venue_at(now), speed)


def _asked_standing(asked: VenueAsked) -> Standing:
    return Standing(
        seed=asked.seed,
        slots=() if asked.recording is not None else asked.slots,
        version=asked.version,
        recording="" if asked.recording is None else str(asked.recording.resolve()),
        sources=asked.sources,
        speed=asked.speed,
        wall_ns=0,
        venue_ns=0,
        port=0,
        pid=os.getpid(),
    )


class _Memory:
    """The state file, when one was asked for: written when the venue serves, and whenever its market is kept."""

    def __init__(self, asked: VenueAsked) -> None:
        self._asked = asked
        self._kept: deque[KeptMarket] = deque(maxlen=KEPT_MAX)
        self._server: VenueServer | None = None

    def begin(self, server: VenueServer) -> None:
        """The venue serves."""
        self._server = server
        try:
            self._write(server)
        except OSError as error:
            if not self._asked.may_begin_anew:
                raise
            _say_unwritten(error)

    def keep(self, market: KeptMarket) -> None:
        """An OSError of the disk is told: the market is gone on with from what the file has."""
        self._kept.append(market)
        if self._server is None:
            return
        try:
            self._write(self._server)
        except OSError as error:
            _say_unwritten(error)

    def _write(self, server: VenueServer) -> None:
        if self._asked.state is None:
            return
        now = instant()
        standing = msgspec.structs.replace(
            _asked_standing(self._asked),
            wall_ns=now.wall_ns,
            monotonic_ns=now.monotonic_ns,
            boot=now.boot,
            venue_ns=server.desk.clock.now_ns(),
            port=server.port,
            kept=tuple(self._kept),
        )
        write_standing(self._asked.state, standing)


def _say_unwritten(error: OSError) -> None:
    structlog.get_logger().error("state not written, the file is as it was", error=str(error))


def _watch_for_the_end(stop: asyncio.Event, *, stdin: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if stdin:
        threading.Thread(target=_read_stdin, args=(loop, stop), name="stdin", daemon=True).start()


def _read_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Reads until nobody holds the other end any more; what comes means nothing."""
    while os.read(sys.stdin.fileno(), 4_096):
        pass
    loop.call_soon_threadsafe(stop.set)
