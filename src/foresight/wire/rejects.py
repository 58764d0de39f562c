"""What a decoder says of a frame that it does not take: a kind out of a bounded set, a sentence, and the bytes."""

from collections.abc import Callable

import msgspec

OnReject = Callable[[str, str, bytes], None]
"""`(kind, why, frame)`: the kind is for counting (`clob/bad-price`), `why` is a sentence for a person, `frame` the
bytes as they came."""

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""A longer frame is rejected unread. The longest that the venues send (a book with a thousand levels a side) has 90
kB."""
KIND_NAME_LENGTH_MAX = 32
UNKNOWN_NAMES_MAX = 32
"""So many different unknown names a decoder tells apart; the rest are `…/other`, so that a counter by kind is
bounded."""

FAULTS = (msgspec.DecodeError, RecursionError, ValueError, OverflowError)
"""All that msgspec and our own parsing raise for bytes from outside: wrong JSON or types, nesting, UTF-8, numbers."""


class Rejected(ValueError):  # noqa: N818 - a refusal is named for what it is
    """One event is refused. Never leaves a decoder: it becomes a call of `on_reject`.

    `what` is the kind without the protocol's name (`bad-price`)."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(why)
        self.what = what
        self.why = why


def sanitised(name: str) -> str:
    """A name from outside as part of a kind: letters, digits, `_` and `-`, at most 32 of them; never empty."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in name[:32])
    return kept or "none"


class Rejecter:
    """One decoder's rejects: puts the protocol's name before each kind and bounds the unknown names."""

    def __init__(self, protocol: str, on_reject: OnReject) -> None:
        self._protocol = protocol
        self._on_reject = on_reject
        self._unknown: set[str] = set()

    def fault(self, error: Exception, frame: bytes) -> None:
        """Reports what decoding raised."""
        what, why = what_of(error)
        self._on_reject(f"{self._protocol}/{what}", why, frame)

    def refuse(self, what: str, why: str, frame: bytes) -> None:
        self._on_reject(f"{self._protocol}/{what}", why, frame)

    def unknown(self, of_what: str, name: str, frame: bytes) -> None:
        """Reports a well-formed message that we do not know, as `<protocol>/unknown-<of_what>/<name>`."""
        known_as = sanitised(name)
        if known_as not in self._unknown:
            if len(self._unknown) >= UNKNOWN_NAMES_MAX:
                known_as = "other"
            else:
                self._unknown.add(known_as)
        self._on_reject(f"{self._protocol}/unknown-{of_what}/{known_as}", f"unknown {of_what} {name[:80]!r}", frame)


def what_of(error: Exception) -> tuple[str, str]:
    """A fault's kind and its sentence: `bad-shape` is JSON of another type, `not-json` is no JSON, `too-deep`
    nesting."""
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
