"""What a commit and a keep do to calls on their way and to every key's state, and what a candidate is given."""

import pytest
from seam_bench import ROUNDS, Bench, on_probation
from told_hosts import FIRST, PromptHost, ToldHost, taken

from tesseract.calls import FaultKind
from tesseract.seam import PATIENCE
from tesseract.standbys import STANDBY_BEHIND_MAX, STANDBY_FAILS_MAX

# Commit


def test_after_a_commit_the_new_release_answers_with_the_state_that_it_was_given() -> None:
    bench, _, v2 = on_probation()

    v2.answer()

    assert bench.answers() == [["v1", 1], ["v2", 2]]
    assert bench.state() == [("v1", 1), ("v2", 2)]


def test_a_key_that_a_commit_brings_no_state_for_begins_with_the_releases_first() -> None:
    bench = Bench(PromptHost(1))
    bench.ask(1)

    bench.seam.commit(PromptHost(2), {})

    assert bench.seam.state_of("k") == FIRST


def test_a_key_that_is_called_for_the_first_time_after_a_commit_belongs_to_the_new_release() -> None:
    bench = Bench(PromptHost(1))
    bench.commit(PromptHost(2))

    bench.ask(1, "new")

    assert bench.answers() == [["v2", 1]]


def test_a_commit_of_some_keys_leaves_the_others_and_new_ones_with_what_they_have() -> None:
    bench = Bench(PromptHost(1))
    for key in "ab":
        bench.ask(1, key)

    bench.commit(PromptHost(2), keys=["a"])
    for key in "abc":
        bench.ask(2, key)

    assert bench.answers()[2:] == [["v2", 2], ["v1", 2], ["v1", 2]]
    assert bench.state("b") == [("v1", 1), ("v1", 2)]


def test_a_commit_of_one_strategy_leaves_the_keys_of_another() -> None:
    bench = Bench(PromptHost(1), strategy_of={"fast": "fast"})
    bench.commit(PromptHost(1), strategy="fast")
    for key in ("fast", "slow"):
        bench.ask(1, key)

    bench.commit(PromptHost(2), strategy="fast")
    for key in ("fast", "slow"):
        bench.ask(2, key)

    assert bench.answers()[2:] == [["v2", 2], ["v1", 2]]


def test_what_was_replaced_before_stands_by_no_more_and_is_closed() -> None:
    bench, v1, v2 = on_probation()
    for host in (v2, v1):
        host.answer()

    v3 = bench.commit(ToldHost(3))

    assert [host.is_open for host in (v1, v2, v3)] == [False, True, True]


# Standby


def test_the_standby_gets_every_request_with_its_own_state() -> None:
    bench, v1, v2 = on_probation()
    for host in (v2, v1):
        host.answer()

    bench.ask(3)

    assert taken(v2.asked[0].state) == [("v1", 1), ("v2", 2)]
    v2.answer()
    assert taken(v1.asked[0].state) == [("v1", 1), ("v1", 2)]


def test_a_standby_is_asked_once_nobody_waits_for_a_live_release() -> None:
    bench, v1, v2 = on_probation()
    bench.ask(3, "other")

    v2.answer()
    assert bench.answers()[1:] == [["v2", 2]]
    assert not v1.asked
    v2.answer()

    assert [call.given for call in v1.asked] == [2, 3]


def test_a_standby_is_asked_when_the_keys_next_call_comes_whoever_else_waits() -> None:
    bench, v1, v2 = on_probation()
    bench.ask(3, "other")
    v2.answer()

    bench.ask(4)

    assert [call.given for call in v2.asked] == [3, 4]
    assert [call.given for call in v1.asked] == [2]
    v1.answer()
    assert not v1.asked, "the live release is at the next one itself"
    for _ in range(2):
        v2.answer()
    assert {call.given: taken(call.state) for call in v1.asked} == {3: [], 4: [("v1", 1), ("v1", 2)]}


def test_a_standby_that_was_not_asked_yet_when_the_release_is_replaced_is_never_asked() -> None:
    bench, v1, v2 = on_probation()
    bench.ask(3, "other")
    v2.answer()

    bench.commit(ToldHost(3), keys=["k"])
    v2.answer()

    assert [call.given for call in v1.asked] == [3]


def test_no_call_ever_waits_for_the_standby_which_follows_behind() -> None:
    bench, v1, v2 = on_probation()
    for number in (3, 4):
        v2.answer()
        bench.ask(number)
    v2.answer()

    assert bench.answers()[1:] == [["v2", 2], ["v2", 3], ["v2", 4]]
    assert [call.given for call in v1.asked] == [2]
    for _ in range(3):
        v1.answer()
    assert taken(bench.seam.routes["k"].standby_state) == [("v1", 1), ("v1", 2), ("v1", 3), ("v1", 4)]


def test_a_standby_that_falls_too_far_behind_stands_by_no_more() -> None:
    bench, v1, v2 = on_probation()
    bench.ask(0, "other")
    for number in range(STANDBY_BEHIND_MAX):
        v2.answer()
        bench.ask(number)
    v2.answer()
    v2.answer()

    assert bench.lost == [(v2, v1, f"it has fallen {STANDBY_BEHIND_MAX} calls behind")]
    assert not v1.is_open
    assert not bench.seam.has_standby(v2)
    assert len(bench.answers()) == STANDBY_BEHIND_MAX + 3
    bench.ask(5)
    v2.fail()
    assert bench.answers()[-1] == ["v2", "raised"]


def test_a_standby_that_fails_keeps_its_state_and_nobody_is_told() -> None:
    bench, v1, v2 = on_probation()

    v2.answer()
    v1.fail()

    assert bench.answers()[1:] == [["v2", 2]]
    assert bench.back == []
    bench.ask(3)
    v2.answer()
    assert taken(v1.asked[0].state) == [("v1", 1)]


@pytest.mark.parametrize("kind", ["overran", "lost"])
def test_a_standby_that_does_not_answer_some_times_in_a_row_stands_by_no_more(kind: FaultKind) -> None:
    bench, v1, v2 = on_probation()
    for number in range(STANDBY_FAILS_MAX):
        v2.answer()
        v1.fail(text="took longer than 400 ms", kind=kind)
        bench.ask(number)

    ((live, standby, why),) = bench.lost
    assert (live, standby) == (v2, v1)
    assert why == f"it did not answer {STANDBY_FAILS_MAX} times in a row: took longer than 400 ms"
    assert not v1.is_open
    v2.answer()
    assert len(bench.answers()) == STANDBY_FAILS_MAX + 2


def test_a_standby_that_raises_or_hangs_now_and_then_stands_by_on() -> None:
    bench, v1, v2 = on_probation()
    for number in range(4 * STANDBY_FAILS_MAX):
        v2.answer()
        v1.fail(kind="raised" if number % STANDBY_FAILS_MAX == 0 else "overran")
        bench.ask(number)

    assert bench.lost == []
    assert v1.is_open


# Keep


def test_what_was_replaced_stands_by_before_any_call_and_until_its_successor_is_kept() -> None:
    bench = Bench(v1 := PromptHost(1))
    assert bench.seam.standby() is None
    v2 = bench.commit(PromptHost(2))
    assert bench.seam.standby() is v1
    bench.ask(1)
    assert bench.seam.standby() is v1

    bench.seam.keep(v2)

    assert bench.seam.standby() is None


def test_a_kept_release_has_no_standby_and_what_it_replaced_is_closed() -> None:
    bench, v1, v2 = on_probation()
    v2.answer()

    bench.seam.keep(v2)

    assert not v1.is_open
    assert not bench.seam.has_standby(v2)
    bench.ask(3)
    v2.fail()
    assert bench.answers()[2:] == [["v2", "raised"]]


def test_a_probation_is_clean_after_so_many_answers_of_each_key() -> None:
    bench = Bench(PromptHost(1))
    for key in "ab":
        bench.ask(1, key)
    v2 = bench.commit(PromptHost(2))
    for number in range(ROUNDS - 1):
        bench.ask(number, "b")
    for number in range(ROUNDS):
        bench.ask(number, "a")
    assert bench.clean == []

    bench.ask(ROUNDS, "b")

    assert bench.clean == [v2]


def test_a_key_that_is_never_called_is_waited_for_until_the_others_have_answered_often_enough() -> None:
    bench = Bench(PromptHost(1))
    for key in "ab":
        bench.ask(1, key)
    v2 = bench.commit(PromptHost(2))

    for number in range(2 * ROUNDS * PATIENCE - 1):
        bench.ask(number, "a")
    assert bench.clean == []
    for number in range(3):
        bench.ask(number, "a")

    assert bench.clean == [v2], "and it is told once"


def test_keys_that_come_up_later_are_not_waited_for() -> None:
    bench = Bench(PromptHost(1))
    bench.ask(1, "a")
    v2 = bench.commit(PromptHost(2))
    for number in range(ROUNDS):
        bench.ask(number, f"new {number}")
        bench.ask(number, "a")

    assert bench.clean == [v2]


def test_a_probation_that_began_without_keys_is_clean_when_one_has_had_its_rounds() -> None:
    bench = Bench(PromptHost(1))
    v2 = bench.commit(PromptHost(2))
    for number in range(ROUNDS - 1):
        bench.ask(number, "a")
        bench.ask(number, "b")
    assert bench.clean == []

    bench.ask(0, "a")

    assert bench.clean == [v2]


def test_keeping_a_release_in_some_keys_leaves_one_that_is_still_being_put_back_there_alone() -> None:
    """v2 is on probation in b, and was just put back in a, where it has still to answer what v3 answered."""
    bench = Bench()
    for key in "ab":
        bench.ask(1, key)
        bench.v1.answer()
    v2 = bench.commit(ToldHost(2))
    v3 = bench.commit(ToldHost(3), keys=["a"])
    bench.ask(2, "a")
    v3.answer()
    bench.seam.roll_back(v3, "asked for by ana")

    bench.seam.keep(v2)
    v2.answer()

    assert bench.state("a") == [("v1", 1), ("v2", 2)]


# What a candidate is given


def test_the_inputs_since_the_states_were_handed_over_are_kept_for_a_candidate_in_their_order() -> None:
    bench = Bench()
    bench.ask(1)
    bench.v1.answer()
    bench.ask(2)  # on its way
    bench.ask(3)  # waits behind it

    states = bench.seam.keep_inputs()
    bench.ask(4)

    assert taken(states["k"]) == [("v1", 1)]
    inputs = [bench.seam.inputs.next(lambda _key: True) for _ in range(4)]
    assert [each and each.given for each in inputs] == [2, 3, 4, None]


def test_an_input_that_a_release_has_still_to_answer_after_it_was_put_back_is_kept_for_a_candidate() -> None:
    bench, _, v2 = on_probation()
    v2.answer()
    bench.seam.roll_back(v2, "asked for by ana")

    states = bench.seam.keep_inputs()

    assert taken(states["k"]) == [("v1", 1)]
    inputs = [bench.seam.inputs.next(lambda _key: True) for _ in range(2)]
    assert [each and each.given for each in inputs] == [2, None]


def test_a_candidate_for_some_keys_is_given_only_their_inputs() -> None:
    bench = Bench(PromptHost(1))
    bench.seam.keep_inputs()
    for number, key in enumerate("aba"):
        bench.ask(number, key)

    inputs = [bench.seam.inputs.next(lambda key: key == "a") for _ in range(3)]

    assert [each and each.given for each in inputs] == [0, 2, None]


def test_nothing_is_kept_for_a_candidate_that_was_given_up() -> None:
    bench = Bench(PromptHost(1))
    bench.seam.keep_inputs()
    bench.ask(1)

    bench.seam.inputs.forget()

    assert bench.seam.inputs.next(lambda _key: True) is None


def test_it_is_between_calls_only_when_none_of_the_wanted_keys_waits() -> None:
    bench = Bench()
    bench.ask(1, "a")

    assert not bench.seam.is_between_calls(lambda _key: True)
    assert bench.seam.is_between_calls(lambda key: key == "b")
    bench.v1.answer()
    assert bench.seam.is_between_calls(lambda _key: True)


def test_a_standby_that_still_answers_does_not_hold_up_a_commit_and_one_that_was_put_back_does() -> None:
    bench, v1, v2 = on_probation()
    v2.answer()
    assert bench.seam.is_between_calls(lambda _key: True)

    bench.seam.roll_back(v2, "asked for by ana")

    assert not bench.seam.is_between_calls(lambda _key: True)
    v1.answer()
    assert bench.seam.is_between_calls(lambda _key: True)
