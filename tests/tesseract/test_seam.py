"""The seam: a fold per key, whose state a failure never moves."""

import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_trees import CONTRACT, Told, a_host, a_package
from told_hosts import COUNTED, PromptHost, ToldHost, taken

from tesseract import Fault, Outcome, Seam, Tape
from tesseract.seam import WAITING_MAX
from tesseract.tape import read_tape

COUNTING = a_package("return Result(State(state.seen + params.step), [state.seen, 1 / given])")


def a_seam(folder: Path, **files: str) -> Seam[Told]:
    return Seam(CONTRACT, a_host(folder, files or COUNTING))


def seen_of(outcome: Outcome[Told]) -> object:
    assert outcome.value is not None
    return outcome.value.value[0]


def test_each_call_gets_the_state_that_the_call_before_returned(tmp_path: Path) -> None:
    seam = a_seam(tmp_path)

    assert [seen_of(seam.call("btc-5m", 1)) for _ in range(3)] == [0, 1, 2]
    seam.close()


def test_keys_are_independent(tmp_path: Path) -> None:
    seam = a_seam(tmp_path)
    seam.call("btc-5m", 1)
    seam.call("btc-5m", 1)

    assert seen_of(seam.call("eth-5m", 1)) == 0
    assert seen_of(seam.call("btc-5m", 1)) == 2
    seam.close()


@pytest.mark.parametrize(
    "body", ["1 / given", "return None", "return Result(State('x'))", "return Result(State(5), object())"]
)
def test_a_call_that_fails_leaves_the_state_bit_equal(tmp_path: Path, body: str) -> None:
    body = f"if given == 0: {body}\nreturn Result(State(state.seen + 1))"
    seam = a_seam(tmp_path, **a_package(body))
    seam.call("k", 1)
    before = seam.state_of("k")

    outcome = seam.call("k", 0)

    assert outcome.fault is not None
    assert outcome.value is None
    assert seam.state_of("k") == before
    seam.close()


def test_a_first_call_that_fails_leaves_the_key_at_the_first_state(tmp_path: Path) -> None:
    seam = a_seam(tmp_path)

    seam.call("k", 0)

    assert msgspec.msgpack.decode(seam.state_of("k")) == {"seen": 0}
    assert seen_of(seam.call("k", 1)) == 0
    seam.close()


def test_an_outcome_names_the_release_and_the_revision(tmp_path: Path) -> None:
    seam = a_seam(tmp_path)

    good, bad = seam.call("k", 1), seam.call("k", 0)

    assert [(outcome.release, outcome.revision) for outcome in (good, bad)] == [("v1", 1)] * 2
    assert good.took_ns > 0
    assert isinstance(bad.fault, Fault)
    assert bad.fault.kind == "raised"
    seam.close()


def test_parameters_are_those_of_the_host(tmp_path: Path) -> None:
    plain, tuned = (Seam(CONTRACT, a_host(tmp_path, COUNTING, overrides=overrides)) for overrides in ({}, {"step": 5}))

    plain.call("k", 1)
    tuned.call("k", 1)

    assert [msgspec.msgpack.decode(seam.state_of("k")) for seam in (plain, tuned)] == [{"seen": 1}, {"seen": 5}]
    plain.close()
    tuned.close()


def test_without_a_release_a_call_has_no_value_and_a_key_no_state() -> None:
    seam: Seam[Told] = Seam(COUNTED)

    outcome = seam.call("k", 1)

    assert outcome.fault == Fault("lost", "no release is live yet")
    assert (outcome.release, outcome.revision, outcome.value) == ("v0", 0, None)
    with pytest.raises(KeyError):
        seam.state_of("k")


def test_a_host_that_answers_later_cannot_be_called_and_can_be_asked() -> None:
    host = ToldHost(1)
    seam: Seam[Told] = Seam(COUNTED, host)

    with pytest.raises(AssertionError):
        seam.call("k", 1)


def test_calls_of_one_key_are_answered_one_after_the_other() -> None:
    host, outcomes = ToldHost(1), list[Outcome[Told]]()
    seam: Seam[Told] = Seam(COUNTED, host)

    for number in (1, 2, 3):
        seam.submit("k", number, outcomes.append)

    assert [call.given for call in host.asked] == [1]
    host.answer()
    assert [call.given for call in host.asked] == [2]
    assert taken(host.asked[0].state) == [("v1", 1)]
    host.answer()
    host.answer()
    assert [outcome.value.value for outcome in outcomes if outcome.value] == [["v1", 1], ["v1", 2], ["v1", 3]]


def test_calls_of_two_keys_wait_for_nobody() -> None:
    host, outcomes = ToldHost(1), list[Outcome[Told]]()
    seam: Seam[Told] = Seam(COUNTED, host)
    seam.submit("a", 1, outcomes.append)
    seam.submit("b", 2, outcomes.append)

    host.answer(1)
    host.answer(0)

    assert [outcome.value.value for outcome in outcomes if outcome.value] == [["v1", 2], ["v1", 1]]


def test_a_call_beyond_those_that_may_wait_is_refused_at_once_and_changes_nothing() -> None:
    host, outcomes, refused = ToldHost(1), list[Outcome[Told]](), list[Outcome[Told]]()
    seam: Seam[Told] = Seam(COUNTED, host)
    for number in range(WAITING_MAX + 1):
        seam.submit("k", number, outcomes.append)
    assert not outcomes

    seam.submit("k", 1_000, refused.append)

    assert [outcome.fault for outcome in refused] == [Fault("overran", f"{WAITING_MAX} calls of k wait already")]
    for _ in range(WAITING_MAX + 1):
        host.answer()
    assert [given for _, given in taken(seam.state_of("k"))] == list(range(WAITING_MAX + 1))


def test_the_tape_has_every_input_and_what_was_decided_on_it() -> None:
    tape = Tape(keep_ns=10**12)
    seam: Seam[Told] = Seam(COUNTED, PromptHost(1), tape=tape)
    seam.keep_on_tape("k", msgspec.msgpack.encode(7), 100)

    seam.call("k", 8, at_ns=200)
    seam.call("k", -9, at_ns=300)

    found = [(taped.key, taped.at_ns, taped.given, taped.decided) for taped in read_tape(tape.parts())]
    decided = COUNTED.decision_of(Told(msgspec.Raw(b""), ["v1", 8]))
    encode = msgspec.msgpack.encode
    assert found == [("k", 100, encode(7), None), ("k", 200, encode(8), decided), ("k", 300, encode(-9), None)]
    assert seam.tape_ns == 300
    tape.close()


def test_closing_the_seam_closes_its_host(tmp_path: Path) -> None:
    host = a_host(tmp_path)
    seam: Seam[Told] = Seam(CONTRACT, host)

    seam.close()

    assert not [name for name in sys.modules if name.startswith(host._namespace.prefix)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5))))
def test_every_keys_state_is_the_fold_of_its_own_successful_calls(calls: list[tuple[str, int]]) -> None:
    seam: Seam[Told] = Seam(COUNTED, PromptHost(3))

    for key, number in calls:
        seam.call(key, number)

    for key in "abc":
        expected = [("v3", number) for name, number in calls if name == key and number >= 0]
        assert taken(seam.state_of(key)) == expected
