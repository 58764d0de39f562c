"""REST reads: one small class over aiohttp's client. An answer is bytes, and a failure a FeedFailed with its reason.

A venue that asks for a pause (429, or 418 and 503 with Retry-After) gets it: until then nothing more is asked of that
host.
"""

import asyncio

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from foresight.errors import FeedFailed

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
ATTEMPTS = 3
RETRY_FIRST_S = 0.2
RETRY_LONGEST_S = 2.0
PAUSE_MAX_S = 60.0
PAUSE_DEFAULT_S = 5.0
CONNECTIONS_MAX = 8
OK, BAD, MISSING, BANNED, TOO_MANY, UNAVAILABLE, SERVER_ERROR = 200, 400, 404, 418, 429, 503, 500


class Missing(FeedFailed):
    """404: there is no such thing, now."""


class Denied(FeedFailed):
    """400: it does not know what was asked for."""


class _Again(FeedFailed):
    """A failure that may be over in a moment."""


class Rest:
    """Asks one venue. `close` ends its connections."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.failed = 0
        self.last_failure = ""
        self._session: aiohttp.ClientSession | None = None
        self._pause_until_s = 0.0

    async def get(self, url: str, params: dict[str, str] | None = None) -> bytes:
        """The body of a 200. Raises Missing for a 404, and FeedFailed for all else after some attempts."""
        return await self._retried("GET", url, params, None)

    async def post(self, url: str, body: bytes) -> bytes:
        """As `get`. Only for reads, because it may be sent more than once."""
        return await self._retried("POST", url, None, body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _retried(self, method: str, url: str, params: dict[str, str] | None, body: bytes | None) -> bytes:
        retrying = AsyncRetrying(
            wait=wait_random_exponential(multiplier=RETRY_FIRST_S, max=RETRY_LONGEST_S),
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception_type(_Again),
            reraise=True,
        )
        try:
            return await retrying(self._ask, method, url, params, body)
        except Missing:
            raise
        except FeedFailed as error:
            self.failed += 1
            self.last_failure = str(error)
            raise

    async def _ask(self, method: str, url: str, params: dict[str, str] | None, body: bytes | None) -> bytes:
        loop = asyncio.get_running_loop()
        if loop.time() < self._pause_until_s:
            left_s = self._pause_until_s - loop.time()
            raise FeedFailed(f"{self.name} asked for a pause, which lasts {left_s:.0f} s more")
        self.asked += 1
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self._opened().request(method, url, params=params, data=body, headers=headers) as answer:
                self._judge(answer, url, loop.time())
                content = bytearray()
                while len(content) <= ANSWER_BYTES_MAX and not answer.content.at_eof():
                    content += await answer.content.read(ANSWER_BYTES_MAX + 1 - len(content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Again(f"{url} does not answer: {str(error) or type(error).__name__}") from None
        if len(content) > ANSWER_BYTES_MAX:
            raise FeedFailed(f"{url} answers with over {ANSWER_BYTES_MAX} bytes")
        return bytes(content)

    def _judge(self, answer: aiohttp.ClientResponse, url: str, now_s: float) -> None:
        status = answer.status
        if status == OK:
            return
        if status in (MISSING, BAD):
            raise (Missing if status == MISSING else Denied)(f"{url}: there is no such thing")
        told = answer.headers.get("Retry-After", "")
        if status == TOO_MANY or (status in (BANNED, UNAVAILABLE) and told):
            pause_s = min(float(told), PAUSE_MAX_S) if told.isdecimal() else PAUSE_DEFAULT_S
            self._pause_until_s = max(self._pause_until_s, now_s + pause_s)
            raise FeedFailed(f"{url} answers {status}; nothing is asked for {pause_s:.0f} s")
        if status >= SERVER_ERROR:
            raise _Again(f"{url} answers {status}")
        raise FeedFailed(f"{url} answers {status}")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
            )
        return self._session
