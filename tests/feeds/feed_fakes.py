"""What channels and reads are given in tests: surroundings that remember, a clock that is turned, and a connection
without a socket."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from builders import NOON_NS, seconds
from foresight.events import MarketEvent
from foresight.feeds.telling import Surroundings
from foresight.markets import Market, Outcome
from foresight.wire.gamma import Listing

CONDITION = "0x" + "ab" * 32


class Around:
    """Surroundings, and what went through them."""

    def __init__(self, now_ns: int = NOON_NS) -> None:
        self.now_ns = now_ns
        self.events: list[MarketEvent] = []
        self.told: list[str] = []
        self.rejected: list[str] = []
        self.given = Surroundings(
            self.events.append, lambda: self.now_ns, lambda kind, _why, _frame: self.rejected.append(kind),
            self.told.append, seconds(2),
        )  # fmt: skip

    def later(self, count: float) -> None:
        self.now_ns += seconds(count)

    def taken(self) -> list[Any]:
        """The events since the last call."""
        events = list(self.events)
        self.events.clear()
        return events


class FakeConnection:
    """A connection as channels know one. `age` is turned by the test."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.said: list[Any] = []
        self.closed = ""
        self.hearings = 0
        self.is_warm = False
        self.age = 0.0

    def say(self, text: bytes) -> None:
        self.said.append(text if text == b"PING" else msgspec.json.decode(text))

    def heard(self) -> None:
        self.hearings += 1

    def warmed(self) -> None:
        self.is_warm = True

    def close(self, why: str) -> None:
        self.closed = why

    def age_s(self) -> float:
        return self.age

    def taken(self) -> list[Any]:
        """What was said since the last call."""
        said = list(self.said)
        self.said.clear()
        return said


def frame(value: object) -> bytes:
    return msgspec.json.encode(value)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def a_host(answer: Answer) -> AsyncIterator[str]:
    """A web server on loopback that answers everything so; its address."""

    async def answered(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answered)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Script:
    """Answers of one host by path, each a status and a body; and what was asked. Unknown paths are 404."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        status, body = self.answers.get(request.path, (404, {"error": "not found"}))
        return web.Response(status=status, body=body if isinstance(body, bytes) else frame(body))


def a_listing(market: Market, *, winner: Outcome | None = None) -> Listing:
    """A market as Gamma lists it."""
    return Listing(
        market=market, condition=CONDITION, version="v1", closed=winner is not None, accepting=winner is None,
        resolved=winner,
    )  # fmt: skip


def nowhere(folder: Path) -> Path:
    """A folder that cannot be made, because a file stands there."""
    folder.write_text("")
    return folder
