"""What a commit, a rollback and a keep do to the calls that are on their way and to every key's state."""

from release_trees import Told
from told_hosts import COUNTED, FIRST, PromptHost, State, ToldHost, taken

from tesseract import Outcome, Seam
from tesseract.host import Host
from tesseract.seam import RolledBack

ROUNDS = 3


class Bench:
    """A seam with v1 live, and everything that it told."""

    def __init__(self, first: ToldHost | None = None, *, strategy_of: dict[str, str] | None = None) -> None:
        names = strategy_of or {}
        self.v1 = first or ToldHost(1)
        self.seam: Seam[Told] = Seam(COUNTED, self.v1, rounds=ROUNDS, strategy_of=lambda key: names.get(key, ""))
        self.outcomes: list[Outcome[Told]] = []
        self.back: list[RolledBack] = []
        self.clean: list[Host] = []
        self.settled = 0
        self.seam.on_rolled_back = self.back.append
        self.seam.on_clean = self.clean.append

    def ask(self, number: int, key: str = "k") -> None:
        self.seam.submit(key, number, self.outcomes.append)

    def answers(self) -> list[object]:
        """Who answered what; the kind of the fault for what has no value."""
        return [
            each.value.value if each.value else [each.release, each.fault and each.fault.kind] for each in self.outcomes
        ]

    def state(self, key: str = "k") -> State:
        return taken(self.seam.state_of(key))

    def states(self) -> dict[str, bytes]:
        return {key: route.state for key, route in self.seam.routes.items()}

    def commit(self, host: ToldHost, **options: object) -> ToldHost:
        """`host` goes on with the states of now."""
        self.seam.commit(host, self.states(), **options)  # type: ignore[arg-type]
        return host


def on_probation() -> tuple[Bench, ToldHost, ToldHost]:
    """v1 has taken 1, v2 replaced it, and the key's next call, 2, waits for both."""
    bench = Bench()
    bench.ask(1)
    bench.v1.answer()
    v2 = bench.commit(ToldHost(2))
    bench.ask(2)
    return bench, bench.v1, v2


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
    for host in (v1, v2):
        host.answer()

    v3 = bench.commit(ToldHost(3))

    assert [host.is_open for host in (v1, v2, v3)] == [False, True, True]


# Standby


def test_the_standby_gets_every_request_with_its_own_state() -> None:
    bench, v1, v2 = on_probation()
    for host in (v1, v2):
        host.answer()

    bench.ask(3)

    assert taken(v1.asked[0].state) == [("v1", 1), ("v1", 2)]
    assert taken(v2.asked[0].state) == [("v1", 1), ("v2", 2)]


def test_an_outcome_never_waits_for_the_standby_and_the_next_call_does() -> None:
    bench, v1, v2 = on_probation()
    bench.ask(3)

    v2.answer()

    assert bench.answers()[1:] == [["v2", 2]]
    assert not v2.asked
    v1.answer()
    assert [call.given for call in v2.asked] == [3]


def test_a_standby_that_fails_keeps_its_state_and_nobody_is_told() -> None:
    bench, v1, v2 = on_probation()

    v1.fail()
    v2.answer()

    assert bench.answers()[1:] == [["v2", 2]]
    assert bench.back == []
    bench.ask(3)
    assert taken(v1.asked[0].state) == [("v1", 1)]


# Rollback


def test_when_the_live_release_fails_the_standbys_answer_to_the_same_request_is_the_outcome() -> None:
    bench, v1, v2 = on_probation()

    v2.fail()
    assert bench.answers() == [["v1", 1]]
    v1.answer()

    assert bench.answers() == [["v1", 1], ["v1", 2]]
    assert bench.state() == [("v1", 1), ("v1", 2)]


def test_an_answer_of_the_standby_that_came_first_is_used_at_once() -> None:
    bench, v1, v2 = on_probation()

    v1.answer()
    v2.fail()

    assert bench.answers() == [["v1", 1], ["v1", 2]]


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
    for _ in "ab":
        bench.v1.answer()
    v2.answer()  # a
    v2.fail()  # b

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


# Keep


def test_a_kept_release_has_no_standby_and_what_it_replaced_is_closed() -> None:
    bench, v1, v2 = on_probation()
    v2.answer()

    bench.seam.keep(v2)

    assert not v1.is_open
    assert not bench.seam.has_standby(v2)
    bench.ask(3)
    v2.fail()
    assert bench.answers()[2:] == [["v2", "raised"]]


def test_a_call_that_waited_for_the_standby_goes_on_when_the_release_is_kept() -> None:
    bench, _, v2 = on_probation()
    v2.answer()
    bench.ask(3)

    bench.seam.keep(v2)

    assert [call.given for call in v2.asked] == [3]


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


def test_a_key_that_is_never_called_does_not_hold_a_probation_up() -> None:
    bench = Bench(PromptHost(1))
    for key in "ab":
        bench.ask(1, key)
    v2 = bench.commit(PromptHost(2))

    for number in range(ROUNDS):
        bench.ask(number, "a")

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
    inputs = [bench.seam.next_input(lambda _key: True) for _ in range(4)]
    assert [each and each.given for each in inputs] == [2, 3, 4, None]


def test_an_input_that_a_release_has_still_to_answer_after_it_was_put_back_is_kept_for_a_candidate() -> None:
    bench, _, v2 = on_probation()
    v2.answer()
    bench.seam.roll_back(v2, "asked for by ana")

    states = bench.seam.keep_inputs()

    assert taken(states["k"]) == [("v1", 1)]
    inputs = [bench.seam.next_input(lambda _key: True) for _ in range(2)]
    assert [each and each.given for each in inputs] == [2, None]


def test_a_candidate_for_some_keys_is_given_only_their_inputs() -> None:
    bench = Bench(PromptHost(1))
    bench.seam.keep_inputs()
    for number, key in enumerate("aba"):
        bench.ask(number, key)

    inputs = [bench.seam.next_input(lambda key: key == "a") for _ in range(3)]

    assert [each and each.given for each in inputs] == [0, 2, None]


def test_nothing_is_kept_for_a_candidate_that_was_given_up() -> None:
    bench = Bench(PromptHost(1))
    bench.seam.keep_inputs()
    bench.ask(1)

    bench.seam.forget_inputs()

    assert bench.seam.next_input(lambda _key: True) is None


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
