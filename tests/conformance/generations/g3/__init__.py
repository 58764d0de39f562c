"""The third generation: keeps its sums together, and knows the sum of squares as well."""

from typing import Annotated

import msgspec

from tesseract import refold

from . import peaks
from .sums import Sums, added


class Params(msgspec.Struct, frozen=True):
    step: int = 1
    power: int = 2


class State(msgspec.Struct, frozen=True):
    seen: int = 0
    sums: Sums = Sums()
    peak: Annotated[int, refold] = 0
    boosts: int = 0
    powers: Annotated[int, refold] = 0


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None


def decide(given, state, params):
    state = State(
        seen=state.seen + params.step,
        sums=added(state.sums, given.number),
        peak=peaks.higher(state.peak, given.number),
        boosts=state.boosts + 1,
        powers=state.powers + given.number**params.power,
    )
    return Result(state, ["g3", state.seen, state.sums.total, state.peak, state.powers])


def migrate(old, old_schema):
    return State(seen=old["seen"], sums=Sums(old["total"]), peak=old["peak"], boosts=old["boosts"])
