"""The resident side of the conformance tests: what their live code is given, and what it must answer."""

from typing import Any

import msgspec

from tesseract import Contract


class Given(msgspec.Struct, frozen=True):
    """One input."""

    number: int = 0
    text: str = ""
    numbers: tuple[int, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """The answer: any plain value, and the next state."""

    state: msgspec.Raw
    value: Any = None
    stake: float | None = None


def problem_of(told: Told) -> str | None:
    """The resident's own rule about answers."""
    if told.stake is not None and not 0 < told.stake < float("inf"):
        return f"stake is {told.stake}, and must be a positive number"
    return None


def needs_problems(needs: tuple[str, ...]) -> list[str]:
    """The resident's own rule about what releases need."""
    return [f"nothing is called {name!r}" for name in needs if not name.startswith("stream:")]


CONTRACT = Contract(entry="decide", given=Given, answer=Told, check=problem_of, compared=("value", "stake"))
NEEDY = Contract(
    entry="decide", given=Given, answer=Told, compared=("value",), needs="NEEDS", needs_problems=needs_problems
)
"""As CONTRACT, and a release may need something besides its input."""
