"""The three controls on real recordings."""

import os
from pathlib import Path

import pytest

from tests.results.controls import STRATEGY, check_coin_flip, check_no_look_ahead, check_oracle, replayed

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data"
FOLDER = Path(os.environ.get("FORESIGHT_RECORDINGS", str(DEFAULT))) / "polymarket"

pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(
        not (FOLDER / "quotes.parquet").exists(),
        reason=f"{FOLDER} is not there: no look-ahead, coin flip and oracle were proven on made-up markets only",
    ),
]


@pytest.mark.parametrize("source", ["borisz42", "thevalerka_marks", "thevalerka_csv"])
def test_a_decision_knows_nothing_of_what_comes_later(source, tmp_path):
    check_no_look_ahead(FOLDER, (source,), tmp_path, shares=(0.31, 0.77))


@pytest.mark.parametrize(("source", "trades_min"), [("borisz42", 60), ("thevalerka_marks", 60)])
def test_a_coin_loses_about_spread_and_fees(source, trades_min, tmp_path):
    check_coin_flip(FOLDER, (source,), tmp_path, trades_min=trades_min)


@pytest.mark.parametrize(("source", "trades_min"), [("borisz42", 70), ("thevalerka_marks", 100)])
def test_a_strategy_that_is_told_the_winner_wins(source, trades_min, tmp_path):
    check_oracle(FOLDER, (source,), tmp_path, trades_min=trades_min)


def test_two_replays_of_one_recording_decide_the_same(tmp_path):
    first = replayed(FOLDER, ("thevalerka_csv", "weiuou"), STRATEGY, tmp_path / "store")
    second = replayed(FOLDER, ("thevalerka_csv", "weiuou"), STRATEGY, tmp_path / "store")
    assert first.digest == second.digest
    assert first.trades == second.trades
