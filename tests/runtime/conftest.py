"""What the tests of a bot and its operator begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from operated import Operated, a_new_bot


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[Operated]:
    with a_new_bot(tmp_path) as operated:
        operated.begin()
        yield operated
