"""How far the bot's clock is from the venue's: asked now and then over REST (venue spec §10.4, `/api/v3/time`).

What arrives is stamped by the bot's own clock, windows end by the venue's. The answer counts from the middle of the
asking, and of a few the one that was quickest, so that a slow way is not taken for a wrong clock.
"""

import asyncio

from foresight.errors import FeedFailed
from foresight.feeds.rest import Rest
from foresight.feeds.telling import Surroundings
from foresight.wire.binance import decode_time

ASK_EVERY_S = 20.0
ASKED_AT_ONCE = 3
TELL_FROM_MS = 500.0
NS_PER_MS = 1_000_000


class VenueClock:
    """`offset_ms` is the venue's time minus ours, in venue time; 0 before it is known. `is_told` is whether the venue
    answered when it was last asked."""

    def __init__(self, rest: Rest, binance: str, around: Surroundings) -> None:
        self.offset_ms = 0.0
        self.is_told = False
        self._rest = rest
        self._url = f"{binance}/api/v3/time"
        self._around = around
        self._is_apart = False

    async def keep(self) -> None:
        """Asks until it is cancelled. While the venue does not answer the last offset stands."""
        while True:
            await self.look()
            await asyncio.sleep(ASK_EVERY_S)

    async def look(self) -> None:
        """Asks a few times, and tells when the clocks part or meet again."""
        answers = [answer for _ in range(ASKED_AT_ONCE) if (answer := await self._ask()) is not None]
        self.is_told = bool(answers)
        if not answers:
            return
        took_ms, offset_ms = min(answers)
        # An answer has whole milliseconds, and its way back may take all of the time that asking took.
        self.offset_ms = 0.0 if abs(offset_ms) <= took_ms / 2 + 1 else offset_ms
        is_apart = abs(self.offset_ms) > TELL_FROM_MS
        if is_apart != self._is_apart:
            self._is_apart = is_apart
            apart = f"the venue's clock is {self.offset_ms:+.0f} ms from ours; no orders while that is over the limit"
            self._around.tell(apart if is_apart else "the venue's clock and ours agree again")

    async def _ask(self) -> tuple[float, float] | None:
        """(how long the asking took, the offset), in milliseconds of venue time."""
        before_ns = self._around.now_ns()
        try:
            told_ns = decode_time(await self._rest.get(self._url), self._around.reject)
        except FeedFailed:
            return None
        if told_ns is None:
            return None
        after_ns = self._around.now_ns()
        took_ms = (after_ns - before_ns) / NS_PER_MS
        return took_ms, (told_ns - (before_ns + after_ns) / 2) / NS_PER_MS
