"""Presence: counts and percentiles against a naive computation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesseract import Counts, Lateness, Presence, total
from tesseract.presence import CAUSES_MAX, LATENESS_SAMPLES_MAX

STEPS = st.one_of(
    st.tuples(st.sampled_from(["done", "late", "blind"]), st.integers(0, 10**10)),
    st.tuples(st.just("missed"), st.sampled_from(["no process", "loop stalled", "host lost"])),
    st.tuples(st.just("on_event"), st.none()),
)
RUNS = st.lists(STEPS, max_size=60)


def a_presence(steps: list[tuple[str, object]]) -> Presence:
    presence = Presence()
    for kind, detail in steps:
        if kind == "on_event":
            presence.ran_on_event()
            continue
        presence.became_due()
        if kind == "missed":
            presence.was_missed(str(detail))
        else:
            presence.ended(kind, detail)  # type: ignore[arg-type]
    return presence


def naive_percentile(samples: list[int], share: float) -> float:
    """The smallest sample that at least `share` of all samples do not exceed."""
    fitting = [x for x in samples if sum(y <= x for y in samples) >= share * len(samples)]
    return min(fitting, default=0) / 1e6


def test_nothing_due_is_all_zeros() -> None:
    assert Presence().counts() == Counts(
        due=0, done=0, late=0, missed=0, blind=0, on_event=0, lateness_ms=Lateness(0.0, 0.0, 0.0), missed_by_cause={}
    )
    assert total([]) == Presence().counts()


@pytest.mark.parametrize("ending", ["done", "late", "blind"])
def test_an_evaluation_that_was_due_ends_in_exactly_one_way(ending: str) -> None:
    counts = a_presence([(ending, 5_000_000)]).counts()

    assert {name: getattr(counts, name) for name in ("done", "late", "missed", "blind")} == {
        name: int(name == ending) for name in ("done", "late", "missed", "blind")
    }
    assert counts.lateness_ms == Lateness(5.0, 5.0, 5.0)


def test_what_waits_is_due_and_has_not_ended() -> None:
    presence = a_presence([("done", 0), ("missed", "no process")])
    presence.became_due()
    counts = presence.counts()

    assert counts.due - (counts.done + counts.late + counts.missed + counts.blind) == 1


def test_evaluations_on_events_are_counted_apart() -> None:
    counts = a_presence([("on_event", None)] * 3).counts()

    assert (counts.due, counts.on_event, counts.lateness_ms) == (0, 3, Lateness(0.0, 0.0, 0.0))


@given(RUNS)
def test_every_due_evaluation_is_counted_once(steps: list[tuple[str, object]]) -> None:
    counts = a_presence(steps).counts()

    assert counts.due == counts.done + counts.late + counts.missed + counts.blind
    assert counts.missed == sum(counts.missed_by_cause.values())


@given(st.lists(RUNS, max_size=4))
def test_totals_and_percentiles_agree_with_a_naive_computation(runs: list[list[tuple[str, object]]]) -> None:
    counts = total([a_presence(steps) for steps in runs])
    steps = [step for run in runs for step in run]
    samples = [detail for kind, detail in steps if kind in ("done", "late", "blind") and isinstance(detail, int)]

    for kind in ("done", "late", "blind", "missed", "on_event"):
        assert getattr(counts, kind) == sum(name == kind for name, _ in steps)
    for cause in ("no process", "loop stalled", "host lost"):
        assert counts.missed_by_cause.get(cause, 0) == steps.count(("missed", cause))
    assert counts.lateness_ms.p50 == naive_percentile(samples, 0.50)
    assert counts.lateness_ms.p99 == naive_percentile(samples, 0.99)
    assert counts.lateness_ms.max == max(samples, default=0) / 1e6


@pytest.mark.parametrize(("count", "p50", "p99"), [(1, 1, 1), (2, 1, 2), (99, 50, 99), (100, 50, 99), (101, 51, 100)])
def test_percentiles_are_nearest_ranks(count: int, p50: float, p99: float) -> None:
    lateness = a_presence([("done", number * 1_000_000) for number in range(count, 0, -1)]).counts().lateness_ms

    assert lateness == Lateness(p50, p99, count)


def test_percentiles_forget_old_samples_and_the_maximum_does_not() -> None:
    presence = a_presence([("late", 9_000_000_000)])
    for _ in range(LATENESS_SAMPLES_MAX):
        presence.ended("done", 1_000_000)

    assert presence.counts().lateness_ms == Lateness(1.0, 1.0, 9000.0)


def test_causes_beyond_the_limit_are_counted_as_other() -> None:
    presence = a_presence([("missed", f"cause {number}") for number in range(CAUSES_MAX + 5)])
    presence.was_missed("cause 0")

    causes = presence.counts().missed_by_cause

    assert len(causes) == CAUSES_MAX + 1
    assert causes["other"] == 5
    assert causes["cause 0"] == 2
    assert presence.counts().missed == CAUSES_MAX + 6
