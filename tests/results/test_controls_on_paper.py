"""The three controls on a recording that is made up here, so that they always run."""

import pytest

from foresight.sources import recording
from tests.results.controls import STRATEGY, check_coin_flip, check_no_look_ahead, check_oracle, replayed
from tests.results.paper_markets import write_recording

pytestmark = pytest.mark.no_cover
SOURCES = ("paper",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_recording(tmp_path_factory.mktemp("recording") / "paper", windows=36)


def test_a_decision_knows_nothing_of_what_comes_later(folder, tmp_path):
    check_no_look_ahead(folder, SOURCES, tmp_path, shares=(0.13, 0.4, 0.77))


def test_the_first_control_finds_a_source_that_tells_the_close_at_the_open(folder, tmp_path, monkeypatch):
    honest = recording._price_to_beat

    def leaking(row, market):
        return honest({**row, "strike": row["ref_close"]}, market)

    monkeypatch.setattr(recording, "_price_to_beat", leaking)
    with pytest.raises(AssertionError):
        check_no_look_ahead(folder, SOURCES, tmp_path, shares=(0.4,))


def test_a_coin_loses_about_spread_and_fees(folder, tmp_path):
    check_coin_flip(folder, SOURCES, tmp_path, trades_min=20)


def test_a_strategy_that_is_told_the_winner_wins(folder, tmp_path):
    check_oracle(folder, SOURCES, tmp_path, trades_min=30)


def test_two_replays_of_one_recording_decide_the_same(folder, tmp_path):
    first = replayed(folder, SOURCES, STRATEGY, tmp_path / "store")
    second = replayed(folder, SOURCES, STRATEGY, tmp_path / "store")
    assert first.digest == second.digest
    assert first.looks == second.looks
    assert first.trades == second.trades
