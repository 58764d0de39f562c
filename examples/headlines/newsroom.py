"""What the program and its detector have agreed on. Both import it; a change of it takes a new process."""

import msgspec

from tesseract import Contract


class Headline(msgspec.Struct, frozen=True):
    at_s: float
    narrative: str
    text: str


class Verdict(msgspec.Struct, frozen=True):
    state: msgspec.Raw
    alert: str


CONTRACT = Contract(entry="detect", given=Headline, answer=Verdict, compared=("alert",))
