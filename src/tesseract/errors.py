"""What can go wrong in the runtime.

TesseractError
└── ReleaseRefused    a tree cannot become a release; carries every problem found, nothing has changed
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
