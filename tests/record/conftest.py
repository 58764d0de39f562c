"""One run for all tests that only look at what it wrote."""

from pathlib import Path

import pytest

from record.recorded import Written, run_everything


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return run_everything(tmp_path_factory.mktemp("everything"))


@pytest.fixture
def written(everything: tuple[Path, str], tmp_path: Path) -> Written:
    return Written(everything[0], tmp_path)
