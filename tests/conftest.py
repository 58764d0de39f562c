"""In which order tests run, on how many workers, who goes first, and in which tests lines are not counted."""

import contextlib
import os
from pathlib import Path

import pytest

COUNTED = ("broker", "conformance", "engine", "ledger", "strategy", "tesseract")
"""Counting makes what computes much several times as slow on Python 3.11, and the parts that a coverage floor is held
for (tools/coverage_floor.py) are proved by tests of their own."""
LONG = ("storms", "over_sockets", "end_to_end", "clients", "bench", "conformance")
"""What takes minutes begins first, so that no worker is left with it at the end."""
WORKERS_MAX = 4
HERE = Path(__file__).parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: half of the time tests wait for processes."""
    return min(2 * (os.cpu_count() or 1), WORKERS_MAX)


def pytest_sessionstart() -> None:
    """Each worker is a session of its own: Linux shares the cores among sessions first, so what must be on time in one
    worker does not wait for what computes in another (sched(7), "The autogroup feature")."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        with contextlib.suppress(PermissionError):  # it leads one already
            os.setsid()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _package(item) not in COUNTED:
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=lambda item: LONG.index(_package(item)) if _package(item) in LONG else len(LONG))


def _package(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0]
