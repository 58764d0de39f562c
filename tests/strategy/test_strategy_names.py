"""What live code may use. A name that is added here is a promise to every operator's strategy."""

import pytest

import foresight.strategy

NAMES = [
    "Board",
    "Book",
    "Enter",
    "Evaluation",
    "Exit",
    "Holding",
    "Level",
    "Meta",
    "Outcome",
    "Prices",
    "SlotId",
    "Verdict",
    "View",
    "Watched",
    "gate",
    "micros",
]


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(foresight.strategy.__all__) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_importable(name: str) -> None:
    assert getattr(foresight.strategy, name) is not None
