"""Whole books by REST (venue spec §5.8): where the market channel has been quiet, and where a book is lost.

A book in which nothing happens is not stale, but silence alone does not say so. So outcomes of open windows that have
been quiet for some seconds are read, all in one request; the answer refreshes them. One that has had no whole book yet
counts as quiet, whatever changes of it are told: they change nothing that is known. An outcome whose book changes by
REST while the channel says nothing about it has gone deaf on the channel, and is subscribed anew.
"""

import asyncio
from collections.abc import Callable, Iterable

from foresight.effects import Rebuild
from foresight.errors import FeedFailed
from foresight.feeds.clob import ClobChannel
from foresight.feeds.rest import Rest
from foresight.feeds.telling import Surroundings
from foresight.markets import SECOND_NS, Token
from foresight.wire.clob import Book
from foresight.wire.clob_rest import books_request, decode_books

QUIET_NS = 4 * SECOND_NS
LOOK_S = 0.5
ASK_EVERY_S = 1.0
TOKENS_AT_ONCE = 200
DEAF_AFTER = 3
"""So many changes in a row that REST tells and the channel does not."""


class BooksByRest:
    """`current` gives the outcomes of the windows that are open now."""

    def __init__(
        self,
        rest: Rest,
        clob: str,
        channel: ClobChannel,
        around: Surroundings,
        *,
        current: Callable[[], Iterable[Token]],
        on_deaf: Callable[[Token], None],
    ) -> None:
        self.read = 0
        self.deaf = 0
        self._rest = rest
        self._url = f"{clob}/books"
        self._channel = channel
        self._around = around
        self._current = current
        self._on_deaf = on_deaf
        self._lost: dict[Token, str] = {}
        self._hashes: dict[Token, str] = {}
        self._changes: dict[Token, int] = {}
        self._refreshed_ns: dict[Token, int] = {}

    def rebuild(self, lost: Rebuild) -> None:
        """Asks for a whole book as soon as may be; not where one has been told since it was lost."""
        if self._channel.booked_ns.get(lost.token, 0) < lost.at_ns:
            self._lost[lost.token] = lost.why

    async def keep(self) -> None:
        """Reads what is quiet or lost, until it is cancelled."""
        while True:
            tokens = self._due()
            for start in range(0, len(tokens), TOKENS_AT_ONCE):
                await self._ask(tokens[start : start + TOKENS_AT_ONCE])
            await asyncio.sleep(ASK_EVERY_S if tokens else LOOK_S)

    def _due(self) -> list[Token]:
        now_ns, current = self._around.now_ns(), list(self._current())
        for kept in (self._hashes, self._changes, self._refreshed_ns):
            for token in kept.keys() - set(current):
                del kept[token]
        quiet = [token for token in current if now_ns - self._known_ns(token) > QUIET_NS]
        for token in self._lost.keys() - set(self._channel.wanted):
            del self._lost[token]  # its market is over
        return list(dict.fromkeys((*self._lost, *quiet)))

    def _known_ns(self, token: Token) -> int:
        return max(self._channel.known_ns(token), self._refreshed_ns.get(token, 0))

    async def _ask(self, tokens: list[Token]) -> None:
        heard = {token: self._channel.heard_ns.get(token, 0) for token in tokens}
        try:
            body = await self._rest.post(self._url, books_request(tokens))
        except FeedFailed:
            return  # the books grow old then, and old books are not traded on
        for book in decode_books(body, self._around.reject):
            if book.token in heard:
                self._take(book, heard[book.token])

    def _take(self, book: Book, heard_ns: int) -> None:
        """An answer that the channel has overtaken meanwhile says nothing."""
        token, now_ns = book.token, self._around.now_ns()
        is_lost = self._lost.pop(token, None) is not None or self._channel.awaits_book(token)
        if self._channel.heard_ns.get(token, 0) != heard_ns and not is_lost:
            return
        if book.stamped_ns < self._channel.stamped_ns.get(token, 0) and not is_lost:
            return
        self.read += 1
        if heard_ns >= self._refreshed_ns.get(token, 0):
            self._changes.pop(token, None)  # the channel has spoken since the last answer: it is not deaf
            self._hashes.pop(token, None)
        self._refreshed_ns[token] = now_ns
        self._listen(token, book.hash)
        for told in self._channel.book_told(book):
            self._around.put(told)

    def _listen(self, token: Token, hash_: str) -> None:
        """Counts the changes that only REST has told."""
        if self._hashes.get(token, hash_) == hash_:
            self._hashes[token] = hash_
            return
        self._hashes[token] = hash_
        self._changes[token] = self._changes.get(token, 0) + 1
        if self._changes[token] >= DEAF_AFTER:
            self._changes[token] = 0
            self.deaf += 1
            self._on_deaf(token)
