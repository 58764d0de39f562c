"""What a rollback does: the standby answers in place of what failed, with the state of a run that never left it."""

from seam_bench import Bench, on_probation
from told_hosts import PromptHost, ToldHost

from tesseract import Fault
from tesseract.calls import Answer


def test_when_the_live_release_fails_the_standbys_answer_to_the_same_request_is_the_outcome() -> None:
    bench, v1, v2 = on_probation()

    v2.fail()
    assert bench.answers() == [["v1", 1]]
    v1.answer()

    assert bench.answers() == [["v1", 1], ["v1", 2]]
    assert bench.state() == [("v1", 1), ("v1", 2)]


def test_a_standby_is_asked_as_soon_as_the_live_release_has_failed_whoever_else_waits() -> None:
    bench, v1, v2 = on_probation()
    bench.commit(ToldHost(5), keys=["other"])
    bench.ask(3, "other")

    v2.fail()

    assert [call.given for call in v1.asked] == [2]


def test_a_rollback_tells_who_failed_where_with_what_and_who_answers() -> None:
    bench, _, v2 = on_probation()

    v2.fail(text="Traceback …\nZeroDivisionError: division by zero")

    (told,) = bench.back
    assert (told.release.name, told.revision, told.back_to.name, told.back_to_revision) == ("v2", 1, "v1", 1)
    assert (told.key, told.text) == ("k", "Traceback …\nZeroDivisionError: division by zero")


def test_a_rollback_takes_every_key_back_each_with_the_state_of_a_run_that_never_left() -> None:
    bench = Bench()
    for key in "ab":
        bench.ask(1, key)
    for _ in "ab":
        bench.v1.answer()
    v2 = bench.commit(ToldHost(2))
    for key in "ab":
        bench.ask(2, key)
    v2.answer()  # a
    v2.fail()  # b
    for _ in "ab":
        bench.v1.answer()

    assert [bench.state(key) for key in "ab"] == [[("v1", 1), ("v1", 2)]] * 2
    assert bench.answers()[2:] == [["v2", 2], ["v1", 2]]
    assert not v2.is_open


def test_calls_of_every_key_that_wait_when_one_fails_are_answered_by_the_standby() -> None:
    bench = Bench()
    v2 = bench.commit(ToldHost(2))
    for key in "ab":
        bench.ask(1, key)

    v2.fail(0)

    assert not v2.is_open
    for _ in "ab":
        bench.v1.answer()
    assert bench.answers() == [["v1", 1], ["v1", 1]]


def test_a_request_that_both_releases_fail_on_is_a_fault_of_the_standby_and_moves_no_state() -> None:
    bench, v1, v2 = on_probation()

    v2.fail()
    v1.fail()

    assert bench.answers() == [["v1", 1], ["v1", "raised"]]
    assert bench.state() == [("v1", 1)]
    assert len(bench.back) == 1


def test_a_failure_without_a_standby_is_a_fault_and_the_release_stays() -> None:
    bench = Bench(PromptHost(1))

    bench.ask(-1)

    assert bench.answers() == [["v1", "raised"]]
    assert bench.back == []
    assert bench.v1.is_open


def test_a_person_can_take_a_release_back_while_a_call_is_on_its_way() -> None:
    bench, v1, v2 = on_probation()

    bench.seam.roll_back(v2, "asked for by ana")

    assert not v2.is_open
    v1.answer()
    assert bench.answers() == [["v1", 1], ["v1", 2]]
    assert [(told.key, told.text) for told in bench.back] == [("", "asked for by ana")]


def test_a_standby_that_is_put_back_first_answers_what_its_successor_has_answered_already() -> None:
    bench, v1, v2 = on_probation()
    v2.answer()
    bench.ask(3)

    bench.seam.roll_back(v2, "asked for by ana")

    assert bench.state() == [("v1", 1)]
    assert [call.given for call in v1.asked] == [2]
    v1.answer()
    assert [call.given for call in v1.asked] == [3]
    v1.answer()
    assert bench.answers() == [["v1", 1], ["v2", 2], ["v1", 3]]
    assert bench.state() == [("v1", 1), ("v1", 2), ("v1", 3)]


def test_a_standby_that_is_put_back_first_answers_all_that_it_has_fallen_behind_in() -> None:
    bench, v1, v2 = on_probation()
    for number in (3, 4):
        v2.answer()
        bench.ask(number)

    v2.fail()
    bench.ask(5)

    for number in (2, 3, 4, 5):
        assert [call.given for call in v1.asked] == [number]
        v1.answer()
    assert bench.answers() == [["v1", 1], ["v2", 2], ["v2", 3], ["v1", 4], ["v1", 5]]
    assert bench.state() == [("v1", number) for number in (1, 2, 3, 4, 5)]


def test_a_release_without_calls_can_be_taken_back_too() -> None:
    bench = Bench(PromptHost(1))
    v2 = bench.commit(PromptHost(2))

    bench.seam.roll_back(v2, "asked for by ana")
    bench.ask(1)

    assert bench.answers() == [["v1", 1]]
    assert not v2.is_open


def test_the_canarys_failure_takes_only_the_canary_back() -> None:
    bench = Bench(PromptHost(1))
    for key in "ab":
        bench.ask(1, key)
    v2 = bench.commit(PromptHost(2), keys=["a"])

    bench.ask(-2, "a")
    bench.ask(3, "a")

    assert bench.answers()[2:] == [["v1", "raised"], ["v1", 3]]
    assert not v2.is_open
    assert bench.seam.strategies[""] is bench.v1


def test_a_canary_that_then_goes_live_everywhere_stays_as_it_is_and_goes_back_with_the_others() -> None:
    bench = Bench(PromptHost(1))
    for key in "ab":
        bench.ask(1, key)
    canary = bench.commit(PromptHost(2), keys=["a"])
    bench.ask(2, "a")

    everywhere = PromptHost(2)
    bench.seam.commit(everywhere, {"b": bench.states()["b"]})

    assert bench.state("a") == [("v1", 1), ("v2", 2)]
    bench.ask(-3, "b")
    bench.ask(4, "a")
    assert bench.answers()[3:] == [["v1", "raised"], ["v1", 4]]
    assert [host.is_open for host in (bench.v1, canary, everywhere)] == [True, False, False]


# A canary that nothing stands by for

BROKEN = Fault("raised", "Traceback …\nZeroDivisionError: division by zero")


def alone_on_a_and_b(canary: ToldHost) -> Bench:
    """Three keys have taken 1 from v1; then the canary answers a and b, and nothing stands by for it."""
    bench = Bench()
    for key in "abc":
        bench.ask(1, key)
        bench.v1.answer()
    bench.commit(canary, keys="ab")
    bench.seam.keep(canary)
    return bench


def test_a_canary_without_a_standby_gives_its_keys_with_their_states_to_what_answers_the_others() -> None:
    v2 = ToldHost(2)
    bench = alone_on_a_and_b(v2)
    bench.ask(2, "a")
    v2.answer()

    assert bench.seam.recall(v2, "b", BROKEN) == []

    assert not v2.is_open
    assert [bench.state(key) for key in "ab"] == [[("v1", 1), ("v2", 2)], [("v1", 1)]]
    bench.ask(3, "a")
    bench.v1.answer()
    assert bench.state("a") == [("v1", 1), ("v2", 2), ("v1", 3)]
    (told,) = bench.back
    assert (told.release.name, told.back_to.name, told.key, told.text) == ("v2", "v1", "b", BROKEN.text)


def test_calls_that_wait_for_a_canary_that_is_taken_back_are_answered_in_its_place() -> None:
    v2 = ToldHost(2)
    bench = alone_on_a_and_b(v2)
    bench.ask(2, "a")
    bench.ask(3, "a")
    (on_its_way,) = v2.asked

    bench.seam.recall(v2, "b", BROKEN)
    on_its_way.deliver(Answer(None, None, Fault("lost", "its process was ended"), 0))
    for _ in range(2):
        bench.v1.answer()

    assert bench.answers()[3:] == [["v1", 2], ["v1", 3]]
    assert bench.state("a") == [("v1", number) for number in (1, 2, 3)]


def test_a_canary_that_was_put_back_itself_gives_what_it_is_behind_with_along() -> None:
    v2 = ToldHost(2)
    bench = alone_on_a_and_b(v2)
    v3 = bench.commit(ToldHost(3), keys="ab")
    bench.ask(2, "a")
    v3.answer()
    bench.ask(3, "a")
    bench.seam.roll_back(v3, "asked for by ana")
    (behind,) = v2.asked

    bench.seam.recall(v2, "b", BROKEN)
    behind.deliver(Answer(None, None, Fault("lost", "its process was ended"), 0))
    for number in (2, 3):
        assert [call.given for call in bench.v1.asked] == [number]
        bench.v1.answer()

    assert bench.answers()[3:] == [["v3", 2], ["v1", 3]]
    assert bench.state("a") == [("v1", number) for number in (1, 2, 3)]
    v4 = bench.commit(ToldHost(4))
    bench.ask(4, "a")
    v4.answer()
    assert [call.given for call in bench.v1.asked] == [4], "it stands by, and nobody waits for a live release"


def test_a_state_of_another_type_is_left_behind_with_the_canary_and_its_key_named() -> None:
    v2 = ToldHost(2, state_schema="another")
    bench = alone_on_a_and_b(v2)

    assert bench.seam.recall(v2, "b", BROKEN) == ["a", "b"]

    assert [bench.state(key) for key in "abc"] == [[], [], [("v1", 1)]]


def test_a_canary_is_taken_back_once() -> None:
    v2 = ToldHost(2)
    bench = alone_on_a_and_b(v2)

    for _ in range(2):
        bench.seam.recall(v2, "b", BROKEN)

    assert len(bench.back) == 1


def test_other_parameters_of_the_same_release_and_revision_take_its_place_with_the_state_that_they_bring() -> None:
    bench = Bench(PromptHost(1))
    bench.ask(1)

    again = bench.commit(PromptHost(1))

    assert bench.seam.routes["k"].live is again
    assert bench.state() == [("v1", 1)]


def test_two_strategies_of_one_release_go_back_together() -> None:
    bench = Bench(PromptHost(1), strategy_of={"fast": "fast"})
    bench.commit(PromptHost(1), strategy="fast")
    two = [bench.commit(PromptHost(2), strategy=name) for name in ("", "fast")]

    bench.ask(-1, "fast")
    bench.ask(1, "slow")

    assert bench.answers() == [["v1", "raised"], ["v1", 1]]
    assert [host.is_open for host in two] == [False, False]
