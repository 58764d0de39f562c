"""What a decoder says of a frame that it does not take: a kind out of a bounded set, a sentence, and the bytes."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

OnReject = Callable[[str, str, bytes], None]
"""`(kind, why, frame)`: a kind for counting (`clob/bad-price`), a sentence for a person, and the bytes."""

Taken = TypeVar("Taken")

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""A longer frame is rejected unread. A book with a thousand levels a side has 90 kB."""
KIND_NAME_LENGTH_MAX = 32
UNKNOWN_NAMES_MAX = 32
"""So many unknown names a decoder tells apart; the rest are `…/other`, so that a counter by kind is bounded."""

ELEMENTS_MAX = 2000
"""The longest arrays are 1,000 candles or trades and 500 books; without a limit 4 MiB of `[1,1,…` would be two million
rejects."""

FAULTS = (RecursionError, ValueError, ArithmeticError)
"""All that msgspec and our own parsing raise for bytes from outside. Wrong JSON, wrong types, wrong UTF-8 and our own
`Rejected` are ValueErrors."""


class Rejected(ValueError):
    """One event is refused. Never leaves a decoder: it becomes a call of `on_reject`.

    `what` is the kind without the protocol's name (`bad-price`)."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what
        self.why = why


class Unknown(Rejected):
    """A well-formed message that we do not know: counted as such, and no error of anybody's."""

    def __init__(self, of_what: str, name: str) -> None:
        super().__init__(f"unknown-{of_what}", f"unknown {of_what} {name[:80]!r}")
        self.name = name


def sanitised(name: str) -> str:
    """A name from outside as part of a kind: letters, digits, `_` and `-`, at most 32 of them; never empty."""
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_"
        for letter in name[:KIND_NAME_LENGTH_MAX]
    )
    return kept or "none"


class Rejecter:
    """One decoder's rejects: puts the protocol's name before each kind and bounds the unknown names."""

    def __init__(self, protocol: str, on_reject: OnReject) -> None:
        self._protocol = protocol
        self._on_reject = on_reject
        self._unknown: set[str] = set()

    def fault(self, error: Exception, frame: bytes) -> None:
        """Reports what decoding raised; an unknown name becomes part of the kind, `clob/unknown-event/foo`."""
        what, why = what_of(error)
        if isinstance(error, Unknown):
            what = f"{what}/{self._bounded(error.name)}"
        self._on_reject(f"{self._protocol}/{what}", why, frame)

    def _bounded(self, name: str) -> str:
        known_as = sanitised(name)
        if known_as not in self._unknown:
            if len(self._unknown) >= UNKNOWN_NAMES_MAX:
                return "other"
            self._unknown.add(known_as)
        return known_as


def what_of(error: Exception) -> tuple[str, str]:
    """A fault's kind and its sentence: `bad-shape` is JSON of another type, `not-json` no JSON at all."""
    if isinstance(error, Rejected):
        return error.what, error.why
    if isinstance(error, msgspec.ValidationError):
        return "bad-shape", str(error)[:200]
    if isinstance(error, RecursionError):
        return "too-deep", "nested deeper than the decoder goes"
    if isinstance(error, (msgspec.DecodeError, UnicodeDecodeError)):
        return "not-json", str(error)[:200]
    return "bad-number", str(error)[:200]


def check_length(frame: bytes) -> None:
    """Raises `Rejected` for a frame of more than 4 MiB."""
    if len(frame) > FRAME_BYTES_MAX:
        raise Rejected("too-long", f"{len(frame)} bytes, more than {FRAME_BYTES_MAX}")


def taken(
    raws: Sequence[msgspec.Raw], take: Callable[[msgspec.Raw], Taken], tell: Callable[[Exception], None]
) -> list[Taken]:
    """What `take` makes of each element of an array; a bad one is told and left out, the others count. Raises
    `Rejected` for more elements than any body of these protocols has."""
    if len(raws) > ELEMENTS_MAX:
        raise Rejected("too-many", f"{len(raws)} elements, more than {ELEMENTS_MAX}")
    made: list[Taken] = []
    for raw in raws:
        try:
            made.append(take(raw))
        except FAULTS as error:
            tell(error)
    return made
