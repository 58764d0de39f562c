"""Storms over a whole bot with processes for its live code: a minute of each; `make soak` has ten."""

from pathlib import Path

import pytest

from storms.releases import BAD
from storms.storm import AT_THE_DUE_INSTANT, OVER_SOCKETS, SECOND_BY_SECOND, SECONDS_OVER_SOCKETS, run_storm

pytestmark = [pytest.mark.process, pytest.mark.no_cover]
DEPLOYS_MIN = 40
"""Of sixty; a machine that does other things beside is slower."""
AIMED_MS = 25.0


def test_a_deploy_a_second_and_a_round_every_half_second(tmp_path: Path) -> None:
    told = run_storm(tmp_path, SECOND_BY_SECOND)
    assert told.problems == []
    assert told.presence.missed == 0
    assert told.deploys >= DEPLOYS_MIN
    assert len(told.bad) >= DEPLOYS_MIN // 3 - 2, "bad releases did come, and went"
    assert {name.split()[0] for name in told.bad} <= set(BAD)
    assert told.orders > 0


def test_deploys_around_the_due_instant(tmp_path: Path) -> None:
    told = run_storm(tmp_path, AT_THE_DUE_INSTANT)
    assert told.problems == []
    assert told.presence.missed == 0
    assert sum(abs(distance) <= AIMED_MS for distance in told.aimed_ms) >= 3
    assert told.bad
    assert told.orders > 0


def test_a_deploy_a_second_over_sockets_with_no_reconnect(tmp_path: Path) -> None:
    told = run_storm(tmp_path, SECONDS_OVER_SOCKETS)
    assert told.problems == []
    assert told.presence.missed == 0
    assert told.deploys >= DEPLOYS_MIN
    assert told.orders > 0


def test_deploys_around_the_due_instant_over_sockets_with_no_reconnect(tmp_path: Path) -> None:
    told = run_storm(tmp_path, OVER_SOCKETS)
    assert told.problems == []
    assert told.presence.missed == 0
    assert sum(abs(distance) <= AIMED_MS for distance in told.aimed_ms) >= 3
    assert told.bad
