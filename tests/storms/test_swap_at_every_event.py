"""A change to an identical release changes nothing, wherever in a recorded run it falls: see `swapping.py`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storms.swapping import Changer, Kept, Run, changed_everywhere, committed, deployed, unchanged

pytestmark = pytest.mark.no_cover
DEPLOYS = 4
"""Single ones through the whole pipeline, evenly over the run, beside the moments that are picked."""


@pytest.fixture(scope="module")
def source() -> Kept:
    return Kept()


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory, source: Kept) -> Run:
    return unchanged(tmp_path_factory.mktemp("without"), source)


def assert_same(run: Run, without: Run) -> None:
    assert run.answers == without.answers, "every answer, with all its signals"
    assert run.decisions == without.decisions, "the journal, names aside"
    assert run.states == without.states
    assert run.presence == without.presence


def test_the_run_repeats_itself_and_decides_something(tmp_path: Path, source: Kept, without: Run) -> None:
    again = unchanged(tmp_path, source)
    assert_same(again, without)
    assert (again.digest, again.prints) == (without.digest, without.prints)
    assert len(without.prints) > 29_000
    assert without.decisions.count(b'"FillBooked"') > 0
    assert without.moments.keys() >= {"an order is in flight", "a position is held", "before a round"}


def test_the_comparison_sees_a_state_that_is_lost(tmp_path: Path, source: Kept, without: Run) -> None:
    run = committed(tmp_path, source, len(without.prints) // 2, with_states=False)
    assert run.answers != without.answers
    assert run.decisions != without.decisions


@pytest.mark.parametrize("change", [Changer.commit, Changer.commit_or_roll_back])
def test_swap_at_every_event(tmp_path: Path, source: Kept, without: Run, change: Callable[[Changer], None]) -> None:
    """Tens of thousands of changes in one run: before every step, before every input, after every answer."""
    run = changed_everywhere(tmp_path, source, change)
    assert run.changes > len(without.prints)
    assert_same(run, without)
    assert (run.digest, run.prints) == (without.digest, without.prints)


@pytest.mark.parametrize("part", range(DEPLOYS))
def test_swap_at_a_single_event(tmp_path: Path, source: Kept, without: Run, part: int) -> None:
    """By the whole pipeline; `make soak` has a single change at each event."""
    assert_same(deployed(tmp_path, source, part * (len(without.prints) - 1) // (DEPLOYS - 1)), without)


@pytest.mark.parametrize("moment", ["an order is in flight", "a position is held", "before a round"])
def test_swap_at_a_moment(tmp_path: Path, source: Kept, without: Run, moment: str) -> None:
    assert_same(deployed(tmp_path, source, without.moments[moment]), without)
