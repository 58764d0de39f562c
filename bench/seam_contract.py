"""What the benchmarks' own program and its live code have agreed on: an input, and an answer that names the edit."""

import msgspec

from tesseract import Contract


class Given(msgspec.Struct, frozen=True):
    """One input: a number, and the newest prices."""

    number: int = 0
    prices: tuple[float, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """`edit` is the number of the edit that answered."""

    state: msgspec.Raw
    edit: int = 0
    score: float = 0.0


CONTRACT = Contract(entry="decide", given=Given, answer=Told, compared=("score",))
