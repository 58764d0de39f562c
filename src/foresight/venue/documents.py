"""JSON as plain data, its encoding, and the venues' spellings of time."""

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from foresight.markets import SECOND_NS

Document = dict[str, object]

NS_PER_MS = 1_000_000
Decoded = TypeVar("Decoded")


class Unreadable(ValueError):
    """What came is no JSON, or not of the form that is wanted."""


def decoded(body: bytes | str, wanted: type[Decoded]) -> Decoded:
    """What a client sent. Raises Unreadable, also for a text that is no UTF-8 and for what is nested too deep."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise Unreadable("it is nested too deep") from None


def encoded(document: object) -> bytes:
    return msgspec.json.encode(document)


def milliseconds(at_ns: int) -> int:
    return at_ns // NS_PER_MS


def iso(at_ns: int) -> str:
    """`2026-11-20T12:30:00Z`."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def closed_time(at_ns: int) -> str:
    """Gamma's `closedTime`: `2026-11-20 12:36:27+00`, which is no ISO-T (venue spec §3.3)."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def from_iso(text: str) -> int | None:
    """The Unix nanoseconds of an ISO time with its zone; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else round(at.timestamp()) * SECOND_NS
