"""Which tests lines are not counted in: counting makes what computes much several times as slow on Python 3.11, and
these prove parts in which no coverage floor is held (tools/coverage_floor.py)."""

from pathlib import Path

import pytest

NOT_COUNTED = ("clients", "feeds", "over_sockets", "record", "venue", "wire")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).parts[0] in NOT_COUNTED:
            item.add_marker(pytest.mark.no_cover)
