"""One run for all tests that only look at what it wrote."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorded import Written, run_everything
from runtime.operated import Operated, a_new_bot


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return run_everything(tmp_path_factory.mktemp("everything"))


@pytest.fixture
def written(everything: tuple[Path, str], tmp_path: Path) -> Written:
    return Written(everything[0], tmp_path)


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[Operated]:
    with a_new_bot(tmp_path) as operated:
        operated.begin()
        yield operated
