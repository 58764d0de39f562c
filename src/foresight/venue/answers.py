"""HTTP answers of the venue, and reading of numbers out of requests."""

from aiohttp import web

from foresight.venue.documents import encoded


def answer(document: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON document."""
    return web.Response(body=encoded(document), status=status, content_type="application/json", headers=headers)


def whole(request: web.Request, name: str, *, default: int, least: int, most: int) -> int | None:
    """A whole number of the query, held inside its range; None when it is none."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        return min(max(int(text), least), most)
    except ValueError:
        return None


def is_true(text: str | None, *, default: bool) -> bool:
    return default if text is None else text.lower() in ("true", "1")
