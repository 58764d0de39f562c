"""The second generation: also knows the highest number, and counts its own calls. It can come down from the third."""

from typing import Annotated

import msgspec

from tesseract import refold

from .peaks import higher
from .totals import added


class Params(msgspec.Struct, frozen=True):
    step: int = 1


class State(msgspec.Struct, frozen=True):
    seen: int = 0
    total: int = 0
    peak: Annotated[int, refold] = 0
    boosts: int = 0


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None


def decide(given, state, params):
    state = State(
        seen=state.seen + params.step,
        total=added(state.total, given.number),
        peak=higher(state.peak, given.number),
        boosts=state.boosts + 1,
    )
    return Result(state, ["g2", state.seen, state.total, state.peak])


def migrate(old, old_schema):
    total = old["sums"]["total"] if "sums" in old else old["total"]
    return State(seen=old["seen"], total=total, peak=old.get("peak", 0), boosts=old.get("boosts", 0))
