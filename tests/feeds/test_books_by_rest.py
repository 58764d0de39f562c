"""Books by REST: only of what is quiet or lost, never older than what the channel has said, and the deaf are found."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from builders import NOON_NS
from feeds.feed_fakes import Around, FakeConnection, a_host
from feeds.ws_peers import until
from foresight.effects import Rebuild
from foresight.events import Depth, TickChanged
from foresight.feeds.books import DEAF_AFTER, QUIET_NS, BooksByRest
from foresight.feeds.clob import ClobChannel
from foresight.feeds.rest import Rest
from foresight.markets import Token
from wire.wire_frames import DOWN, UP, a_book, a_last_trade, a_price_change, a_tick_change, frame

BOTH = (Token(UP), Token(DOWN))


class Reading:
    """A channel over one connection, and a host that tells books as the test has them."""

    def __init__(self) -> None:
        self.around = Around(NOON_NS)
        self.books: dict[str, dict[str, object]] = {token: a_book(asset_id=token) for token in BOTH}
        self.asked: list[set[str]] = []
        self.deaf: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.status = 200
        self.channel = ClobChannel("ws://venue", self.around.given, lambda _word: None)
        self.channel.follow(BOTH, ())
        self.first = FakeConnection()
        self.channel.opened(self.first)
        self.open_now = list(BOTH)

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/books"
        tokens = [each["token_id"] for each in json.loads(await request.read())]
        self.asked.append(set(tokens))
        self.meanwhile()
        return web.Response(status=self.status, body=frame([self.books[token] for token in tokens]))

    @contextlib.asynccontextmanager
    async def kept(self, url: str) -> AsyncIterator[None]:
        rest = Rest("clob")
        self.rest = BooksByRest(
            rest, url, self.channel, self.around.given, current=lambda: self.open_now, on_deaf=self.deaf.append
        )
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self.rest.keep())
                yield
                task.cancel()
        finally:
            await rest.close()

    def channel_says(self, *events: dict[str, object]) -> None:
        for event in events:
            self.channel.took(self.first, frame(event))

    async def asks(self, times: int = 1) -> None:
        """Waits for so many further requests whose answers have been taken."""
        count = len(self.asked)
        await until(lambda: len(self.asked) >= count + times)
        await asyncio.sleep(0.01)

    async def asks_nothing(self) -> None:
        count = len(self.asked)
        await asyncio.sleep(0.03)
        assert len(self.asked) == count

    def taken(self) -> list[str]:
        return [event.token for event in self.around.taken() if isinstance(event, Depth)]


def reading(work: Callable[[Reading], Awaitable[None]], *, has_books: bool = True) -> None:
    async def run() -> None:
        reads = Reading()
        reads.channel_says(*([a_book(), a_book(asset_id=DOWN)] if has_books else [a_price_change()]))
        reads.around.taken()
        async with a_host(reads.answer) as url, reads.kept(url):
            await work(reads)

    asyncio.run(run())


def test_only_what_has_been_quiet_for_over_four_seconds_is_read_all_at_once() -> None:
    async def work(reads: Reading) -> None:
        reads.around.now_ns += QUIET_NS
        await reads.asks_nothing()
        reads.around.now_ns += 1
        await until(lambda: reads.rest.read == 2)
        assert reads.asked == [set(BOTH)]
        assert reads.taken() == list(BOTH)
        await reads.asks_nothing()

    reading(work)


def test_what_the_channel_tells_is_not_asked_for() -> None:
    async def work(reads: Reading) -> None:
        reads.around.later(3)
        reads.channel_says(a_last_trade())
        reads.around.later(2)
        await until(lambda: reads.rest.read == 1)
        assert reads.asked == [{DOWN}]

    reading(work)


def test_an_answer_that_the_channel_has_overtaken_is_dropped() -> None:
    async def work(reads: Reading) -> None:
        reads.meanwhile = lambda: reads.channel_says(a_price_change())
        reads.around.later(5)
        await reads.asks()
        assert reads.rest.read == 0
        assert reads.taken() == []

    reading(work)


def test_an_answer_that_is_older_than_the_book_is_dropped() -> None:
    async def work(reads: Reading) -> None:
        reads.channel_says(a_price_change())
        reads.around.taken()
        reads.around.later(5)
        await reads.asks()
        assert reads.taken() == []
        for token in BOTH:
            reads.books[token]["timestamp"] = "1795177803200"
        await until(lambda: reads.rest.read == 2)

    reading(work)


def test_an_answer_that_is_older_than_a_print_is_taken() -> None:
    """A trade is told with a later stamp than the book that it left behind."""

    async def work(reads: Reading) -> None:
        reads.channel_says(a_last_trade(), a_last_trade(asset_id=DOWN))
        reads.around.taken()
        reads.around.later(5)
        await until(lambda: reads.rest.read == 2)

    reading(work)


def test_an_outcome_that_has_had_no_whole_book_is_read_whatever_changes_of_it_are_told() -> None:
    async def work(reads: Reading) -> None:
        reads.meanwhile = lambda: reads.channel_says(a_price_change(timestamp="1795177809999"))
        reads.around.now_ns += QUIET_NS
        reads.channel_says(a_price_change())
        await reads.asks_nothing()
        reads.around.now_ns += 1
        await until(lambda: reads.rest.read == 2)
        assert reads.taken() == list(BOTH)
        reads.around.later(3)
        reads.channel_says(a_price_change())
        reads.around.later(3)
        await reads.asks_nothing()

    reading(work, has_books=False)


def test_after_a_gap_an_outcome_has_had_no_whole_book_but_not_after_a_renewal() -> None:
    async def work(reads: Reading) -> None:
        reads.channel.opened(FakeConnection(2))
        reads.channel.lost(reads.first)
        for _ in range(2):
            reads.around.later(3)
            reads.channel_says(a_price_change())
        await reads.asks_nothing()
        reads.channel.lost(FakeConnection(2))
        reads.channel.opened(FakeConnection(3))
        for _ in range(2):
            reads.around.later(3)
            reads.channel_says(a_price_change())
        await until(lambda: reads.rest.read == 2)

    reading(work)


def lost(reads: Reading) -> Rebuild:
    """What the engine says when the book of UP has just been lost."""
    return Rebuild(reads.around.now_ns, Token(UP), "diverged")


def test_a_lost_book_that_has_been_told_anew_meanwhile_is_not_read() -> None:
    async def work(reads: Reading) -> None:
        rebuild = lost(reads)
        reads.channel_says(a_book())
        reads.rest.rebuild(rebuild)
        await reads.asks_nothing()

    reading(work)


def test_a_lost_book_whose_tick_changes_after_it_was_told_is_read() -> None:
    async def work(reads: Reading) -> None:
        reads.channel_says(a_book(), a_tick_change())
        reads.rest.rebuild(lost(reads))
        await reads.asks()
        assert reads.asked == [{UP}]

    reading(work)


def test_a_tick_that_a_book_by_rest_tells_comes_before_it_and_is_told_once() -> None:
    async def work(reads: Reading) -> None:
        reads.books[UP] |= {"tick_size": "0.001"}
        for _ in range(2):
            reads.around.later(5)
            await reads.asks()
        of_up = [event for event in reads.around.taken() if event.token == UP]
        assert [type(event) for event in of_up] == [TickChanged, Depth, Depth]
        assert of_up[0].tick_micros == 1_000
        reads.rest.rebuild(Rebuild(of_up[0].at_ns, Token(UP), "its tick has changed"))
        await reads.asks_nothing()

    reading(work)


def test_a_lost_book_is_read_at_once_whatever_the_channel_says() -> None:
    async def work(reads: Reading) -> None:
        reads.meanwhile = lambda: reads.channel_says(a_price_change(timestamp="1795177809999"))
        reads.around.later(1)
        reads.rest.rebuild(lost(reads))
        await until(lambda: UP in reads.taken())
        assert reads.asked == [{UP}]
        await reads.asks_nothing()

    reading(work)


def test_a_lost_book_of_a_market_that_is_over_is_not_asked_for() -> None:
    async def work(reads: Reading) -> None:
        reads.channel.leave(BOTH, ())
        reads.open_now.clear()
        reads.rest.rebuild(lost(reads))
        await reads.asks_nothing()
        assert reads.rest._lost == {}

    reading(work)


def test_a_host_that_fails_is_asked_again() -> None:
    async def work(reads: Reading) -> None:
        reads.status = 500
        reads.around.later(5)
        await reads.asks(4)
        assert reads.rest.read == 0
        reads.status = 200
        await until(lambda: reads.rest.read == 2)

    reading(work)


def changed(reads: Reading, number: int) -> None:
    """The venue's book of UP is another one now."""
    reads.books[UP] |= {"hash": f"h{number}"}


def test_an_outcome_is_deaf_after_three_changes_that_only_rest_tells() -> None:
    async def work(reads: Reading) -> None:
        for number in range(1 + DEAF_AFTER):
            assert reads.deaf == []
            changed(reads, number)
            reads.around.later(5)
            await reads.asks()
        assert reads.deaf == [UP]
        assert reads.rest.deaf == 1

    reading(work)


def test_an_outcome_of_which_the_channel_tells_now_and_then_is_not_deaf() -> None:
    async def work(reads: Reading) -> None:
        for number in range(3 * DEAF_AFTER):
            reads.channel_says(a_last_trade(timestamp=str(1_795_177_803_000 + number)))
            changed(reads, number)
            reads.around.later(5)
            await reads.asks()
        assert reads.deaf == []

    reading(work)


def test_a_book_that_does_not_change_is_not_deaf() -> None:
    async def work(reads: Reading) -> None:
        for _ in range(3 * DEAF_AFTER):
            reads.around.later(5)
            await reads.asks()
        assert reads.deaf == []

    reading(work)


def test_an_answer_that_is_no_book_changes_nothing() -> None:
    async def work(reads: Reading) -> None:
        reads.books = {UP: {"asset_id": UP}, DOWN: {"asset_id": "7"}}
        reads.around.later(5)
        await reads.asks(2)
        assert reads.taken() == []
        assert reads.around.rejected

    reading(work)
