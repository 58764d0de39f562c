"""The life of a release, as a table of legal moves.

    staged ── rehearsed ── live ── kept
       │          │          │       │
       └──────────┴─ rejected│       └── live (put back), rolled back (by a person)
       └──────────┴──────────┴── rolled back (from live), superseded

- staged: copied into the store; rehearsed: it passed its checks; live: it answers, on probation; kept: it has proved
  itself.
- A kept release stays kept when a later one replaces it, because a cold start and a rollback return to kept ones.
- A release that was rejected, rolled back or superseded starts again at staged when somebody asks for it. One that
  has been live may also be put back at once.
"""

from typing import Literal, get_args

from tesseract.errors import TesseractError

State = Literal["staged", "rehearsed", "live", "kept", "rolled back", "rejected", "superseded"]

STATES: tuple[State, ...] = get_args(State)

FIRST: State = "staged"
"""The state in which every release begins."""

BARRED: frozenset[State] = frozenset({"rejected", "rolled back"})
"""Content in these states is not deployed again until it changes or somebody forces it."""

MOVES: dict[State, frozenset[State]] = {
    "staged": frozenset({"rehearsed", "rejected", "superseded"}),
    "rehearsed": frozenset({"live", "rejected", "superseded"}),
    "live": frozenset({"kept", "rolled back", "superseded"}),
    "kept": frozenset({"live", "rolled back"}),
    "rolled back": frozenset({"staged", "live"}),
    "rejected": frozenset({"staged"}),
    "superseded": frozenset({"staged", "live"}),
}


class IllegalMove(TesseractError):
    """A release was asked to move where the table does not lead. Nothing has changed."""

    def __init__(self, name: str, now: State, to: State) -> None:
        self.now = now
        self.to = to
        legal = " or ".join(sorted(MOVES[now]))
        super().__init__(f"{name} is {now} and cannot become {to}, only {legal}; it is still {now}")


def is_legal(now: State, to: State) -> bool:
    """Whether the table has this move."""
    return to in MOVES[now]


def moved(name: str, now: State, to: State) -> State:
    """The state after the move. Raises `IllegalMove`, with the release's `name` in its sentence."""
    if not is_legal(now, to):
        raise IllegalMove(name, now, to)
    return to
