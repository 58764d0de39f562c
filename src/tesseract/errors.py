"""What can go wrong in the runtime.

TesseractError
├── ReleaseRefused    a tree cannot become a release; carries every problem found, nothing has changed
├── HandoverNeeded    what changed is not live code; it takes a new process
├── IndexDamaged      the index of a release store is not what was written
├── RequestRefused    an operator's request cannot be done; says why, and what still runs
└── PeerGone          a process of this program has ended, or cannot be understood
"""

from collections.abc import Sequence


class TesseractError(Exception):
    """The base of every error that the runtime raises on purpose."""


class ReleaseRefused(TesseractError):
    """A live tree does not meet its contract. All problems stand in `problems`."""

    def __init__(self, tree: str, problems: Sequence[str]) -> None:
        self.tree = tree
        self.problems = tuple(problems)
        listed = "\n  - ".join(self.problems)
        super().__init__(f"{tree} cannot become a release; nothing was changed:\n  - {listed}")


class HandoverNeeded(TesseractError):
    """Something that is not live code has changed."""


class IndexDamaged(TesseractError):
    """What should be an entry of a release, or many of them, cannot be read."""


class RequestRefused(TesseractError):
    """An operator's request cannot be done."""


class PeerGone(TesseractError):
    """A process of this program has ended, or sent what cannot be understood."""


LIVE_ERRORS = (Exception, SystemExit)
"""What live code may raise at us. A watchdog's signal and Ctrl-C are no `Exception` and pass through."""


def said_by(error: BaseException) -> str:
    """What live code's error says of itself; its own `__str__` is live code as well, and may fail."""
    try:
        return str(error)
    except LIVE_ERRORS as second:
        return f"its text cannot be told ({type(second).__name__})"


def kind_and_text(error: BaseException) -> str:
    """`ValueError: what it says`, of live code's error."""
    return f"{type(error).__name__}: {said_by(error)}"
