"""What is public in the runtime. A name that is added here is a promise."""

import pytest

import tesseract

NAMES = [
    "Contract",
    "Counts",
    "Fault",
    "Host",
    "InProcessHost",
    "Lateness",
    "Outcome",
    "Presence",
    "Release",
    "ReleaseRefused",
    "Seam",
    "TesseractError",
    "read_tree",
    "take_release",
    "total",
    "tree_digest",
]


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(tesseract.__all__) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_importable_and_says_what_it_is(name: str) -> None:
    found = getattr(tesseract, name)

    assert found.__module__.startswith("tesseract.")
    assert found.__doc__
