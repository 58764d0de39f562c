"""How far the bot's clock is from the venue's."""

import asyncio

import pytest

from feeds.feed_fakes import Around
from foresight.errors import FeedFailed
from foresight.feeds.venue_clock import VenueClock

NOW_NS = 1_790_000_000_000_000_000


class Answering:
    """A venue whose clock says this."""

    def __init__(self, body: bytes | None) -> None:
        self.body = body

    async def get(self, _url: str) -> bytes:
        if self.body is None:
            raise FeedFailed("no answer")
        return self.body


def looked(bodies: list[bytes | None]) -> tuple[list[float], list[str]]:
    """The offset after each look, and what was told."""
    around = Around(NOW_NS)
    rest = Answering(None)
    clock = VenueClock(rest, "", around.given)  # type: ignore[arg-type]  # all that it asks of it

    async def run() -> list[float]:
        found = []
        for body in bodies:
            rest.body = body
            await clock.look()
            found.append(clock.offset_ms)
            assert clock.is_told is (body is not None and not around.rejected)
        return found

    return asyncio.run(run()), around.told


def test_an_offset_is_told_when_it_is_large_and_when_it_is_over() -> None:
    offsets, told = looked([b'{"serverTime":1790000001500}', b'{"serverTime":1790000000000}'])
    assert offsets == [1_500.0, 0.0]
    assert len(told) == 2


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"{}",
        b"{",
        b'{"serverTime":"x"}',
        b'{"serverTime":-1}',
        b'{"serverTime":%s}' % (b"9" * 400),
        b'{"a":' + b"[" * 20_000,
    ],
)
def test_an_answer_that_is_none_leaves_the_last_offset(body: bytes | None) -> None:
    offsets, _ = looked([b'{"serverTime":1790000001500}', body])
    assert offsets == [1_500.0, 1_500.0]
