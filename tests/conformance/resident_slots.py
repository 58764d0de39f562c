"""A resident side that knows its slots, and refuses an answer that proposes something for another one."""

import msgspec

from conformance.resident import Given
from tesseract import Contract

SLOTS = ("btc", "eth")


class Proposed(msgspec.Struct, frozen=True):
    """A proposal for a slot, and the next state."""

    state: msgspec.Raw
    value: str | None = None


def problem_of(proposed: Proposed) -> str | None:
    if proposed.value is not None and proposed.value not in SLOTS:
        return f"it proposes an order for {proposed.value}, and the slots are {', '.join(SLOTS)}"
    return None


CONTRACT = Contract(entry="decide", given=Given, answer=Proposed, check=problem_of, compared=("value",))
