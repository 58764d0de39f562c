"""The first generation: counts and adds."""

import msgspec

from .totals import added


class Params(msgspec.Struct, frozen=True):
    step: int = 1


class State(msgspec.Struct, frozen=True):
    seen: int = 0
    total: int = 0


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None


def decide(given, state, params):
    state = State(state.seen + params.step, added(state.total, given.number))
    return Result(state, ["g1", state.seen, state.total])
