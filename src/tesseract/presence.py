"""Presence: the record of every evaluation that was due.

Each due evaluation ends in exactly one of five ways, so `due == done + late + missed + blind + waiting` at every
moment. Evaluations that an event asked for are counted apart: they were never due.
"""

import math
from collections import deque
from typing import Literal

import msgspec

LATENESS_SAMPLES_MAX = 4096
"""Percentiles are over the newest samples of each key; the maximum is since the start."""
CAUSES_MAX = 64
"""Distinct causes that are counted by name; beyond it they are counted as `other`."""

Ending = Literal["done", "late", "blind"]


class Lateness(msgspec.Struct, frozen=True):
    """Time from due to answered, in milliseconds; zero samples give zeros."""

    p50: float
    p99: float
    max: float


class Counts(msgspec.Struct, frozen=True):
    """Presence of one key, or of all: numbers of evaluations, and missed ones by cause."""

    due: int
    done: int
    late: int
    missed: int
    blind: int
    on_event: int
    lateness_ms: Lateness
    missed_by_cause: dict[str, int]


class Presence:
    """Counts for one key."""

    def __init__(self) -> None:
        self.due = self.done = self.late = self.missed = self.blind = self.on_event = 0
        self.lateness_ns: deque[int] = deque(maxlen=LATENESS_SAMPLES_MAX)
        self.lateness_ns_max = 0
        self.causes: dict[str, int] = {}

    def became_due(self) -> None:
        self.due += 1

    def ended(self, ending: Ending, lateness_ns: int) -> None:
        if ending == "done":
            self.done += 1
        elif ending == "late":
            self.late += 1
        else:
            self.blind += 1
        self.lateness_ns.append(lateness_ns)
        self.lateness_ns_max = max(self.lateness_ns_max, lateness_ns)

    def was_missed(self, cause: str) -> None:
        self.missed += 1
        name = cause if cause in self.causes or len(self.causes) < CAUSES_MAX else "other"
        self.causes[name] = self.causes.get(name, 0) + 1

    def ran_on_event(self) -> None:
        self.on_event += 1

    def counts(self) -> Counts:
        return total([self])


def total(parts: list[Presence]) -> Counts:
    """The sum over several keys; percentiles over their samples together."""
    samples = sorted(value for part in parts for value in part.lateness_ns)
    causes: dict[str, int] = {}
    for part in parts:
        for cause, count in part.causes.items():
            causes[cause] = causes.get(cause, 0) + count
    return Counts(
        due=sum(part.due for part in parts),
        done=sum(part.done for part in parts),
        late=sum(part.late for part in parts),
        missed=sum(part.missed for part in parts),
        blind=sum(part.blind for part in parts),
        on_event=sum(part.on_event for part in parts),
        lateness_ms=Lateness(
            p50=_percentile_ms(samples, 0.50),
            p99=_percentile_ms(samples, 0.99),
            max=max((part.lateness_ns_max for part in parts), default=0) / 1e6,
        ),
        missed_by_cause=causes,
    )


def _percentile_ms(ordered: list[int], share: float) -> float:
    """Nearest rank: the smallest sample that at least `share` of all do not exceed."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1e6
