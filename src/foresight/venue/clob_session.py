"""One connection to the CLOB's market channel (venue spec §6.1).

A subscription is answered with one array of books. Naming a token again changes `custom_feature_enabled` for the
connection and sends no book, as the official client's source describes the venue. A connection whose tokens are all
resolved is closed with 1000. What the venue cannot read it answers with `INVALID OPERATION`: the spec does not say.
"""

from foresight.venue import clob_frames
from foresight.venue.documents import Document, encoded
from foresight.venue.frames import ClobEvent, Labels
from foresight.venue.listings import Listing
from foresight.venue.sessions import Answer, End, Say, document_of, texts_of
from foresight.venue.state import VenueState

TOKENS_MAX = 500
"""The venue's undocumented limit for one connection."""
INVALID = b"INVALID OPERATION"
ALL_RESOLVED = End(1000, "all subscribed assets resolved")
TOO_MANY = End(1008, f"more than {TOKENS_MAX} assets")


class ClobSession:
    """`tokens` are those the connection listens to."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self.tokens: dict[str, None] = {}
        self.is_custom = False

    def hear(self, text: str) -> list[Answer]:
        """What the venue answers to a text frame."""
        if text == "PING":
            return [Say(b"PONG", "pong")]
        asked = document_of(text)
        tokens = None if asked is None else texts_of(asked.get("assets_ids"))
        if asked is None or tokens is None:
            return [Say(INVALID, "reply")]
        if asked.get("type") == "market" or asked.get("operation") == "subscribe":
            return self._subscribe(tokens, asked)
        if asked.get("operation") == "unsubscribe":
            self._unwatch([token for token in dict.fromkeys(tokens) if token in self.tokens])
            return []
        return [Say(INVALID, "reply")]

    def wants(self, event: ClobEvent) -> bool:
        if event.is_custom and not self.is_custom:
            return False
        return not event.tokens or any(token in self.tokens for token in event.tokens)

    def ending(self) -> End | None:
        """The close that is due when nothing is left to listen to."""
        if not self.tokens:
            return None
        return ALL_RESOLVED if all(self._is_resolved(token) for token in self.tokens) else None

    def names(self) -> Labels:
        """What the connection listens to, as faults name it."""
        listings = (self._state.listings.of_token(token) for token in self.tokens)
        return frozenset(self.tokens).union(*(listing.labels() for listing in listings if listing is not None))

    def leave(self) -> None:
        self._unwatch(list(self.tokens))

    def _subscribe(self, tokens: list[str], asked: Document) -> list[Answer]:
        custom = asked.get("custom_feature_enabled")
        if isinstance(custom, bool):
            self.is_custom = custom
        new = [token for token in dict.fromkeys(tokens) if token not in self.tokens]
        if len(self.tokens) + len(new) > TOKENS_MAX:
            return [TOO_MANY]
        self.tokens.update(dict.fromkeys(new))
        self._state.watched_tokens.update(new)
        if not new and tokens:
            return []
        ending = self.ending()
        return [self._books(new), *([] if ending is None else [ending])]

    def _books(self, tokens: list[str]) -> Say:
        books, labels = [], frozenset[str]()
        for token in tokens:
            listing = self._state.listings.of_token(token)
            if listing is not None and listing.winner is None:
                books.append(clob_frames.book_event(listing, listing.outcome_of(token)))
                labels |= listing.labels()
        return Say(encoded(books), "snapshot", labels)

    def _is_resolved(self, token: str) -> bool:
        listing: Listing | None = self._state.listings.of_token(token)
        return listing is not None and listing.winner is not None

    def _unwatch(self, tokens: list[str]) -> None:
        watched = self._state.watched_tokens
        for token in tokens:
            del self.tokens[token]
            watched[token] -= 1
            if watched[token] <= 0:
                del watched[token]
