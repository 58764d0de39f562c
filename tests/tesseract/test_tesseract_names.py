"""What is public in the runtime. A name that is added here is a promise."""

import re
from pathlib import Path
from typing import get_args

import pytest

import tesseract

NAMES = [
    "Answer",
    "Contract",
    "Counts",
    "Entry",
    "Event",
    "Fault",
    "HandoverNeeded",
    "Host",
    "HostSpec",
    "InProcessHost",
    "Kept",
    "Lateness",
    "Loaded",
    "NotDone",
    "Notice",
    "Outcome",
    "PeerGone",
    "Presence",
    "Release",
    "ReleaseRefused",
    "ReleaseStore",
    "Report",
    "Request",
    "RequestRefused",
    "RoundTripTimes",
    "Rules",
    "Runtime",
    "Seam",
    "ShadowInput",
    "Shadowing",
    "Strategy",
    "Tape",
    "TesseractError",
    "Tuned",
    "WentBack",
    "WentLive",
    "Workplace",
    "flat",
    "give_way",
    "read_tree",
    "refold",
    "take_release",
    "total",
    "tree_digest",
    "tuned",
]


WORDS_OF_PROGRAMS = re.compile(r"\b(foresight|bots?|(?<!nothing of )markets?|trad(e|es|ing))\b|--force", re.IGNORECASE)


def test_the_runtime_says_no_word_of_a_program_on_it() -> None:
    sources = sorted(Path(str(tesseract.__file__)).parent.glob("*.py"))
    assert sources
    assert {path.name: found[0] for path in sources if (found := WORDS_OF_PROGRAMS.search(path.read_text()))} == {}


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(tesseract.__all__) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("Event", "refold")])
def test_each_public_name_is_importable_and_says_what_it_is(name: str) -> None:
    found = getattr(tesseract, name)

    assert found.__module__.startswith("tesseract.")
    assert found.__doc__


def test_an_event_is_one_of_the_public_kinds() -> None:
    assert {kind.__name__ for kind in get_args(tesseract.Event)} <= set(NAMES)


def test_refold_marks_a_field_of_a_state() -> None:
    assert tesseract.refold.extra == {"refold": True}
