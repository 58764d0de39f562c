"""Bad releases that misuse what they are given, or what their answers are used for. Inputs are frozen and each call has
copies of its own, the resident side checks every answer, and a tripwire of the program takes a release back."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from conformance.bad_releases import a_warm_program, goes_back, good, is_refused, state_in_store, unlucky
from conformance.program import HOSTS, Given, Program, a_program
from tesseract.deploy_events import WentBack

ORDERS_MAX = 3
"""What the resident side of these tests lets through in one answer."""

FORCED = "import msgspec\nmsgspec.structs.force_setattr({0}, {1!r}, {2!r})"
"""The way around a frozen Struct, for code that really wants it."""
FIND_GUEST = "import gc\nguest = next(found for found in gc.get_objects() if type(found).__name__ == 'Guest')\n"


@pytest.fixture(scope="module", params=HOSTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("neighbours"), request.param) as started:
        yield started


@pytest.fixture(scope="module")
def in_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with a_warm_program(tmp_path_factory.mktemp("apart"), "process") as started:
        yield started


def keeping(what: str, code: str) -> str:
    """A good release with `KEPT`, a list of its own, and `code` at the front of its `decide`."""
    return good("keeps", before=code).replace("def decide", f"{what} = []\n\n\ndef decide")


# Order storm


@pytest.mark.parametrize("host", HOSTS)
def test_order_storm(tmp_path: Path, host: str) -> None:
    """The program counts the orders of an answer, throws away what is too much, and trips the release."""
    with a_program(tmp_path, host=host, files={"__init__.py": good(["one order"])}) as program:
        orders = [program.value()]
        before, number = unlucky("return Result(State(state.seen + 100), ['buy'] * 10_000)")
        assert program.deploy({"__init__.py": good(["another order"], before=before, step=100)}).is_live
        orders.append(program.value())
        storm = program.ask(number=number)
        assert len(storm.value.value) == 10_000
        program.runtime.trip(storm.release, f"{len(storm.value.value)} orders in one answer, over {ORDERS_MAX}")
        [back] = program.happened(WentBack)
        assert (back.release.name, back.to.name) == ("v2", "v1")
        assert back.details == "10000 orders in one answer, over 3"
        orders.append(program.value())
        assert orders == [["one order"], ["another order"], ["one order"]]
        assert program.state() == {"seen": 4}, "it never left"
        assert program.deploy().is_refused
        assert state_in_store(program, "v2") == "rolled back"


@pytest.mark.parametrize("host", HOSTS)
def test_a_tripwire_takes_back_only_what_is_on_probation(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": good("old")}) as program:
        program.ask()
        assert program.deploy({"__init__.py": good("new")}).is_live
        program.runtime.trip("v1", "it is not the one that runs")
        assert program.value() == "new"
        program.keep()
        program.runtime.trip("v2", "too late")
        assert program.value() == "new"
        assert program.happened(WentBack) == []


# A proposal for a slot that nobody has


@pytest.mark.parametrize("host", HOSTS)
def test_proposal_for_unknown_slot(tmp_path: Path, host: str) -> None:
    """Refused by the resident's check: on the tape, on probation, and after the keep."""
    told = "it proposes an order for doge, and the slots are btc, eth"
    contract = "conformance.resident_slots:CONTRACT"
    with a_program(tmp_path, host=host, contract=contract, files={"__init__.py": good("btc")}) as program:
        assert program.value(number=1) == "btc"
        refused = program.deploy({"__init__.py": good("doge")})
        assert refused.is_refused
        assert refused.step == "rehearsal"
        assert told in refused.text
        before, number = unlucky("return Result(State(state.seen + 100), 'doge')")
        assert program.deploy({"__init__.py": good("eth", before=before)}).is_live
        outcome = program.ask(number=number)
        assert (outcome.release, outcome.value.value) == ("v1", "btc")
        assert told in program.happened(WentBack)[0].details
        again, number = unlucky("return Result(State(state.seen + 100), 'doge')")
        assert program.deploy({"__init__.py": good("eth", before=again)}).is_live
        program.keep()
        outcome = program.ask(number=number)
        assert (outcome.value, outcome.fault.kind, outcome.fault.text) == (None, "answer", told)
        assert program.state() == {"seen": 2}
        assert program.value() == "eth"


def test_an_answer_is_checked_again_on_the_resident_side(in_processes: Program) -> None:
    """Code that runs beside the check in the host's process can change it there, and nowhere else."""
    switched_off = FIND_GUEST + FORCED.format("guest.contract", "check", None)
    before, number = unlucky(f"{switched_off}\nreturn Result(state, stake=float('nan'))")
    goes_back(in_processes, before, "stake is nan, and must be a positive number", number=number)


# Views and states


@pytest.mark.parametrize("code", ["given.number = 1", "given.numbers.append(1)", "del given.number"])
def test_mutates_view(program: Program, code: str) -> None:
    is_refused(program, {"__init__.py": good(before=code)}, "AttributeError", step="rehearsal")
    before, number = unlucky(code)
    goes_back(program, before, "AttributeError", number=number)


def test_mutates_view_by_force_and_changes_only_its_own_copy(in_processes: Program) -> None:
    """The standby is given the same input, and so is the tape: both have what was asked."""
    program = in_processes
    echo = good("ECHO").replace("'ECHO'", "given.number")
    assert program.deploy({"__init__.py": echo}).is_live
    before, number = unlucky(FORCED.format("given", "number", -1) + "\n1 / 0")
    given = Given(number)
    assert program.deploy({"__init__.py": echo.replace("\n    return", f"\n{indented(before)}    return")}).is_live
    outcome = program.run(program.runtime.ask("btc", given, at_ns=program.runtime.seam.tape_ns + 1))
    assert (outcome.fault, outcome.value.value) == (None, number)
    assert given.number == number
    assert program.happened(WentBack)


def test_mutates_other_state(program: Program) -> None:
    """On the tape it is found out as state outside of State; off the tape it changes what nobody reads."""
    told = "state outside State: strategy.KEPT changed while it was rehearsed"
    is_refused(program, {"__init__.py": keeping("KEPT", "KEPT.append(state)")}, told, step="rehearsal")
    keep, number = unlucky("KEPT.append(state)")
    change, then = unlucky(FORCED.format("KEPT[0]", "seen", 10**6))
    assert program.deploy({"__init__.py": keeping("KEPT", keep + change)}).is_live
    assert program.value("eth", number) == "keeps"
    state = program.runtime.seam.state_of("eth")
    assert program.value("btc", then) == "keeps"
    assert program.runtime.seam.state_of("eth") == state
    assert program.state("btc")["seen"] < 10**6
    program.roll_back()
    assert program.state("eth")["seen"] < 10**6


def test_keeps_reference_to_view(program: Program) -> None:
    told = "state outside State: strategy.VIEWS changed while it was rehearsed"
    is_refused(program, {"__init__.py": keeping("VIEWS", "VIEWS.append(given)")}, told, step="rehearsal")
    keep, number = unlucky("VIEWS.append(given)")
    look, then = unlucky("return Result(state, VIEWS[0].number)")
    assert program.deploy({"__init__.py": keeping("VIEWS", keep + look)}).is_live
    assert program.value(number=number) == "keeps"
    assert program.value(number=then) == number, "what it kept is a copy that stays as it was"
    program.roll_back()


@pytest.mark.parametrize("host", HOSTS)
def test_a_state_is_a_fresh_copy_for_every_call(tmp_path: Path, host: str) -> None:
    """Lists in it can be changed by live code, and it is what is returned that counts."""
    source = good("listed").replace("seen: int = 0", "seen: int = 0\n    log: list[int] = []")
    change = "state.log.append(given.number)\nif given.number == 7:\n    raise ValueError('seven')"
    with a_program(tmp_path, host=host, files={"__init__.py": source}) as program:
        assert program.state() == {"seen": 0, "log": []}
        changing = source.replace("\n    return", f"\n{indented(change)}    return")
        assert program.deploy({"__init__.py": changing}).is_live
        program.keep()
        assert program.ask(number=1).fault is None
        assert program.ask(number=7).fault is not None
        assert program.state() == {"seen": 1, "log": []}, "it was changed in a copy, and not returned"
        assert msgspec.msgpack.decode(program.runtime.seam.state_of("eth")) == {"seen": 0, "log": []}


def indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())
