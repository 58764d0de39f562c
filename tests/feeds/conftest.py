"""Every test of the feeds retries quickly."""

import pytest

from foresight.feeds import books, rest


@pytest.fixture(autouse=True)
def _quick_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "RETRY_FIRST_S", 0.001)
    monkeypatch.setattr(rest, "RETRY_LONGEST_S", 0.002)
    monkeypatch.setattr(books, "LOOK_S", 0.001)
    monkeypatch.setattr(books, "ASK_EVERY_S", 0.001)
