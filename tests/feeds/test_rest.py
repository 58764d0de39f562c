"""Reads over HTTP: what is retried, what is not, and a pause that a venue asks for is kept."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from feeds.feed_fakes import Answer, a_host
from foresight.errors import FeedFailed
from foresight.feeds import rest as module
from foresight.feeds.rest import Denied, Missing, Rest


class Asked:
    """What a host was asked, and a script of statuses; the last one goes on."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self._statuses = list(statuses)
        self._headers = headers or {}

    async def __call__(self, request: web.Request) -> web.Response:
        self.paths.append(request.path_qs)
        self.bodies.append(await request.read())
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return web.Response(status=status, body=b"[]", headers=self._headers if status != 200 else {})


def reading(answer: Answer, work: Callable[[Rest, str], Awaitable[None]]) -> None:
    async def run() -> None:
        async with a_host(answer) as url:
            rest = Rest("venue")
            try:
                await work(rest, url)
            finally:
                await rest.close()

    asyncio.run(run())


def test_the_body_of_a_200_comes_back() -> None:
    asked = Asked(200)

    async def work(rest: Rest, url: str) -> None:
        assert await rest.get(f"{url}/a", {"b": "1"}) == b"[]"
        assert await rest.post(f"{url}/books", b"[1]") == b"[]"
        assert (rest.asked, rest.failed, rest.last_failure) == (2, 0, "")

    reading(asked, work)
    assert asked.paths == ["/a?b=1", "/books"]
    assert asked.bodies == [b"", b"[1]"]


@pytest.mark.parametrize(("status", "error", "failed"), [(404, Missing, 0), (400, Denied, 1), (403, FeedFailed, 1)])
def test_what_asking_again_does_not_help_is_asked_once(status: int, error: type[FeedFailed], failed: int) -> None:
    asked = Asked(status)

    async def work(rest: Rest, url: str) -> None:
        with pytest.raises(error):
            await rest.get(url)
        assert rest.failed == failed
        with pytest.raises(error):
            await rest.get(url)

    reading(asked, work)
    assert len(asked.paths) == 2


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failure_of_the_server_is_retried(status: int) -> None:
    asked = Asked(status, status, 200)

    async def work(rest: Rest, url: str) -> None:
        assert await rest.get(url) == b"[]"
        assert rest.failed == 0

    reading(asked, work)
    assert len(asked.paths) == 3


def test_after_some_attempts_the_failure_is_told_with_its_reason() -> None:
    asked = Asked(500)

    async def work(rest: Rest, url: str) -> None:
        with pytest.raises(FeedFailed, match="answers 500"):
            await rest.get(f"{url}/x")
        assert (rest.failed, rest.last_failure) == (1, f"{url}/x answers 500")

    reading(asked, work)
    assert len(asked.paths) == module.ATTEMPTS


@pytest.mark.parametrize(
    ("status", "headers", "pause_s"),
    [
        (429, {"Retry-After": "7"}, 7),
        (429, {}, module.PAUSE_DEFAULT_S),
        (429, {"Retry-After": "Fri, 20 Nov 2026 12:30:00 GMT"}, module.PAUSE_DEFAULT_S),
        (429, {"Retry-After": "\xb2"}, module.PAUSE_DEFAULT_S),
        (429, {"Retry-After": "9" * 400}, module.PAUSE_MAX_S),
        (503, {"Retry-After": "3"}, 3),
        (418, {"Retry-After": "120"}, module.PAUSE_MAX_S),
    ],
)
def test_while_a_pause_lasts_that_was_asked_for_nothing_is_asked(
    status: int, headers: dict[str, str], pause_s: float
) -> None:
    asked = Asked(status, 200, headers=headers)

    async def work(rest: Rest, url: str) -> None:
        with pytest.raises(FeedFailed, match=f"answers {status}; nothing is asked for {pause_s:.0f} s"):
            await rest.get(url)
        with pytest.raises(FeedFailed, match=f"asked for a pause, which lasts {pause_s:.0f} s more"):
            await rest.get(f"{url}/other")
        assert len(asked.paths) == 1
        rest._pause_until_s -= pause_s
        assert await rest.get(url) == b"[]"

    reading(asked, work)


def test_a_connection_that_is_reset_is_tried_again() -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) < 3:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=b"[]")

    async def work(rest: Rest, url: str) -> None:
        assert await rest.get(url) == b"[]"

    reading(answer, work)
    assert len(asked) == 3


def test_a_host_that_is_not_there_is_told_as_one() -> None:
    async def work(rest: Rest, url: str) -> None:
        with pytest.raises(FeedFailed, match=r"http://127\.0\.0\.1:9/ does not answer: .*connect"):
            await rest.get("http://127.0.0.1:9/")

    reading(Asked(200), work)


def test_a_slow_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)

    async def answer(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    async def work(rest: Rest, url: str) -> None:
        with pytest.raises(FeedFailed, match="does not answer: TimeoutError"):
            await rest.get(url)

    reading(answer, work)


def test_a_body_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "ATTEMPTS", 1)

    async def answer(request: web.Request) -> web.StreamResponse:
        drip = web.StreamResponse()
        await drip.prepare(request)
        while True:
            await drip.write(b" ")
            await asyncio.sleep(0.01)

    async def work(rest: Rest, url: str) -> None:
        with pytest.raises(FeedFailed, match="does not answer"):
            await rest.get(url)

    reading(answer, work)


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(("more", "comes"), [(0, True), (1, False)])
def test_a_body_over_the_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch, more: int, comes: bool, is_packed: bool
) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 200_000)

    async def answer(_request: web.Request) -> web.Response:
        big = web.Response(body=b"x" * (200_000 + more))
        if is_packed:
            big.enable_compression(web.ContentCoding.gzip)
        return big

    async def work(rest: Rest, url: str) -> None:
        if comes:
            assert len(await rest.get(url)) == 200_000
        else:
            with pytest.raises(FeedFailed, match="answers with over 200000 bytes"):
                await rest.get(url)

    reading(answer, work)
