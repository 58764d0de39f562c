"""The seam: a fold per key, whose state a failure never moves."""

import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_trees import Told, a_host, a_package

from tesseract import Fault, Outcome, Release, Seam
from tesseract.host import Answer

COUNTING = a_package("return Result(State(state.seen + params.step), [state.seen, 1 / given])")


def a_seam(folder: Path, **files: str) -> Seam[Told]:
    return Seam(a_host(folder, files or COUNTING), Told)


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
    assert isinstance(seam.release, Release)
    seam.close()


def test_parameters_are_the_releases_defaults_or_those_that_are_given(tmp_path: Path) -> None:
    host = a_host(tmp_path, COUNTING)
    five = msgspec.convert({"step": 5}, host.params_type)

    plain, tuned = Seam(host, Told), Seam(host, Told, params=five)
    plain.call("k", 1)
    tuned.call("k", 1)

    assert plain.params == host.params_type()
    assert [msgspec.msgpack.decode(seam.state_of("k")) for seam in (plain, tuned)] == [{"seen": 1}, {"seen": 5}]
    plain.close()


def test_a_value_of_another_type_than_agreed_is_an_impossibility(tmp_path: Path) -> None:
    class Other(msgspec.Struct, frozen=True):
        pass

    seam = Seam(a_host(tmp_path, COUNTING), Other)

    with pytest.raises(AssertionError):
        seam.call("k", 1)
    seam.close()


def test_closing_the_seam_closes_its_host(tmp_path: Path) -> None:
    host = a_host(tmp_path)
    seam = Seam(host, Told)

    seam.close()

    assert not [name for name in sys.modules if name.startswith(host._namespace.prefix)]


class FoldingHost:
    """A host without live code: adds the input to the state, and fails on what is negative."""

    def __init__(self) -> None:
        self.release = Release(number=3, digest="", package="", path=Path(), origin="", created_ns=0)
        self.params_type = Told

    def first_state(self) -> bytes:
        return msgspec.msgpack.encode(0)

    def call(self, given: object, state: bytes, params: object) -> Answer:
        assert isinstance(given, int)
        if given < 0:
            return Answer(None, None, Fault("raised", "negative"), 1)
        after = msgspec.msgpack.encode(msgspec.msgpack.decode(state) + given)
        return Answer(Told(msgspec.Raw(after), given), after, None, 1)

    def close(self) -> None: ...


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5))))
def test_every_keys_state_is_the_fold_of_its_own_successful_calls(calls: list[tuple[str, int]]) -> None:
    seam = Seam(FoldingHost(), Told, params=Told(msgspec.Raw(b"\xc0")))

    for key, number in calls:
        seam.call(key, number)

    for key in "abc":
        expected = sum(number for name, number in calls if name == key and number >= 0)
        assert msgspec.msgpack.decode(seam.state_of(key)) == expected
