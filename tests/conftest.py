"""In which order tests run, on how many workers, who goes first, and in which tests lines are not counted."""

import contextlib
import os
from pathlib import Path

import pytest

COUNTED = (
    "broker/", "conformance/test_modules_", "conformance/test_state_", "engine/", "ledger/", "strategy/", "tesseract/",
)  # fmt: skip
"""Counting makes what computes much several times as slow on Python 3.11, and the parts that a coverage floor is held
for (tools/coverage_floor.py) are proved by tests of their own."""
LONG = ("storms", "over_sockets", "end_to_end", "clients", "bench", "conformance")
"""What takes minutes begins first, so that no worker is left with it at the end."""
COUNT_WHAT_IS_MISSED = ("storms/test_storms", "storms/test_stalls", "over_sockets/")
"""They run bots at several times the market's pace, and demand that nothing is missed or blind that need not be."""
PUNCTUAL = "punctual"
WORKERS_MAX = 4
HERE = Path(__file__).parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice as many as there are cores, because half of the time tests wait for processes; fewer of those that must
    be punctual, which leave a core to spare."""
    cores = os.cpu_count() or 1
    return min(cores * 3 // 2 if config.getoption("markexpr") == PUNCTUAL else 2 * cores, WORKERS_MAX)


def pytest_sessionstart() -> None:
    """Each worker is a session of its own: Linux shares the cores among sessions first, so what must be on time in one
    worker does not wait for what computes in another (sched(7), "The autogroup feature")."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        with contextlib.suppress(PermissionError):  # it leads one already
            os.setsid()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(HERE).as_posix()
        if not path.startswith(COUNTED):
            item.add_marker(pytest.mark.no_cover)
        if path.startswith(COUNT_WHAT_IS_MISSED):
            item.add_marker(PUNCTUAL)
    items.sort(key=lambda item: LONG.index(_package(item)) if _package(item) in LONG else len(LONG))


def _package(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0]
