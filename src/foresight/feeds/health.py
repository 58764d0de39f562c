"""How the feeds are, as plain data for `state/observed/feeds.json`, status and screens."""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import msgspec

from foresight.effects import Rebuild

BEHIND_MS = 250.0
"""An engine that is this far behind its sockets cannot be said to see the market."""


State = Literal["connecting", "open", "down", "given up"]


class LineHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One line as it is now. `silent_s` is the time since the newest data, None before the first."""

    name: str
    url: str
    state: State
    connections: int
    reconnects: int
    renewals: int
    frames: int
    silent_s: float | None
    last_end: str


class ConnectionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `lag_*` is how much later than the venue's own stamp frames arrive, in milliseconds of venue time; None
    where it stamps nothing. `duplicates` were brought by two connections."""

    line: LineHealth
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    duplicates: int


class ReadsHealth(msgspec.Struct, frozen=True, kw_only=True):
    """REST reads of one host since the start."""

    name: str
    asked: int
    failed: int
    last_failure: str


class FeedsHealth(msgspec.Struct, frozen=True, kw_only=True):
    """All feeds at one instant. `waiting` events have not reached the engine, the oldest for `waiting_ms`; `conflated`
    were joined with newer ones because it could not keep up. `rejects` are frames that did not parse, by kind;
    `problems` are markets that cannot be traded, by slug."""

    lines: tuple[ConnectionHealth, ...]
    reads: tuple[ReadsHealth, ...]
    waiting: int
    waiting_ms: float
    conflated: int
    rejects: dict[str, int]
    books_by_rest: int
    deaf: int
    winners_awaited: int
    clock_offset_ms: float
    problems: dict[str, str]
    topics: dict[str, float | None] = {}
    """Further topics by name, with the seconds since their newest price; None before the first."""


class Feeding(Protocol):
    """The feeds as a bot knows them."""

    def health(self) -> FeedsHealth: ...
    def problems(self) -> list[str]: ...
    def clock_offset_ms(self) -> float: ...
    def clock_is_told(self) -> bool: ...
    def rebuild(self, lost: Rebuild) -> None: ...

    def series_of(self, name: str) -> str:
        """The asset whose underlying this further topic is, where a slot has it; else its own name."""
        ...

    def watch(self, names: Iterable[str], done: Callable[[str | None], None]) -> None:
        """Follows further topics, too; `done` is told None once each has a price, or why they cannot be had."""
        ...

    def watch_only(self, names: Iterable[str]) -> None:
        """Lets the other further topics go."""
        ...
