"""The life of a release: every pair of states, and what a refused move says."""

import pytest

from tesseract import TesseractError
from tesseract.life import BARRED, FIRST, MOVES, STATES, IllegalMove, State, is_legal, moved

LEGAL = {
    ("staged", "rehearsed"),
    ("staged", "rejected"),
    ("staged", "superseded"),
    ("rehearsed", "live"),
    ("rehearsed", "rejected"),
    ("rehearsed", "superseded"),
    ("live", "kept"),
    ("live", "rolled back"),
    ("live", "superseded"),
    ("kept", "live"),
    ("kept", "rolled back"),
    ("rolled back", "staged"),
    ("rolled back", "live"),
    ("rejected", "staged"),
    ("superseded", "staged"),
    ("superseded", "live"),
}


@pytest.mark.parametrize("now", STATES)
@pytest.mark.parametrize("to", STATES)
def test_a_move_is_legal_exactly_when_the_table_has_it(now: State, to: State) -> None:
    assert is_legal(now, to) == ((now, to) in LEGAL)
    if is_legal(now, to):
        assert moved("v3", now, to) == to
        return
    with pytest.raises(IllegalMove) as caught:
        moved("v3", now, to)
    assert f"v3 is {now} and cannot become {to}" in str(caught.value)
    assert f"it is still {now}" in str(caught.value)
    assert (caught.value.now, caught.value.to) == (now, to)


def test_every_state_has_a_row_and_every_row_leads_somewhere() -> None:
    assert set(MOVES) == set(STATES)
    assert all(MOVES.values())


def test_every_state_can_be_reached_from_the_first() -> None:
    reached = {FIRST}
    for _ in STATES:
        reached |= {to for now in reached for to in MOVES[now]}

    assert reached == set(STATES)


def test_what_is_barred_can_be_asked_for_again() -> None:
    assert frozenset({"rejected", "rolled back"}) == BARRED
    assert all(is_legal(state, FIRST) for state in BARRED)


def test_what_never_passed_its_rehearsal_cannot_be_put_back_at_once() -> None:
    assert not is_legal("rejected", "live")
    assert not is_legal("staged", "live")


def test_an_illegal_move_is_an_error_of_the_runtime_and_names_the_legal_ones() -> None:
    with pytest.raises(TesseractError, match="only live or rolled back"):
        moved("v4", "kept", "superseded")
