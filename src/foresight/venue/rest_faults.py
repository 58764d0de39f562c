"""The faults of REST answers, in one place before every route but those of `/control`.

A WebSocket's handshake is touched only where the fault's target names its path.
"""

import asyncio
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from foresight.venue.answers import answer
from foresight.venue.desk import Desk
from foresight.venue.documents import Document
from foresight.venue.faults import Active
from foresight.venue.frames import Labels

SERVICES = (
    ("/gamma", "gamma"),
    ("/data", "data"),
    ("/api/v3", "binance"),
    ("/futures", "binance"),
    ("/api", "website"),
)
_BAN: Document = {"code": -1003, "msg": "Way too much request weight used; IP banned."}
_STATUS: dict[str, tuple[int, str]] = {
    "http_429": (429, "Too Many Requests"),
    "http_418": (418, "banned"),
    "http_500": (500, "Internal Server Error"),
    "http_503": (503, "Service Unavailable"),
}


def rest_faults(desk: Desk) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/control") or not desk.faults.active():
            return await handler(request)
        labels = labels_of(request)
        is_handshake = request.headers.get("Upgrade", "").lower() == "websocket"
        find = partial(desk.faults.find, labels=labels, only_named=is_handshake)
        slow = find("http_slow")
        if slow is not None:
            await asyncio.sleep(slow.number("delay_s"))
        if find("http_reset") is not None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        for name, (status, text) in _STATUS.items():
            active = find(name)
            if active is not None:
                return _refusal(active, status, text, labels)
        return await handler(request)

    return middleware


def labels_of(request: web.Request) -> Labels:
    """The path, every path above it, and its service."""
    parts = request.path.strip("/").split("/")
    paths = {"/" + "/".join(parts[: count + 1]) for count in range(len(parts))}
    service = next((name for prefix, name in SERVICES if request.path.startswith(prefix)), "clob")
    return frozenset(paths | {service})


def _refusal(active: Active, status: int, text: str, labels: Labels) -> web.Response:
    after_s = round(active.number("retry_after")) if "retry_after" in active.parameters else 0
    headers = {"Retry-After": str(after_s)} if after_s > 0 else None
    is_binance = "binance" in labels and status in (418, 429)
    return answer(_BAN if is_binance else {"error": text}, status=status, headers=headers)
