"""What both hosts promise: the same tests ask one inside this process and one in a process of its own."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from host_bench import KINDS, Bench, Opened, a_spec, bench_of, spec_of
from release_trees import HEAD, Told, a_release

from tesseract import ReleaseRefused, Tape
from tesseract.calls import ANSWER_BYTES_MAX, Answer, Rehearse
from tesseract.carry import STATE_BYTES_MAX
from tesseract.guest import TRACEBACK_CHARACTERS_MAX
from tesseract.schema import schema_of

pytestmark = pytest.mark.process

BUDGET_S = 0.1
ROUND_NS = 1_000_000_000
WIDE = HEAD.replace("seen: int = 0", "seen: bytes = b''")
COUNTING = "return Result(State(state.seen + params.step), given)"
Open = Callable[..., Opened]


@pytest.fixture(scope="module", params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with contextlib.closing(bench_of(request.param, tmp_path_factory.mktemp("bench"))) as found:
        yield found


@pytest.fixture
def opened(bench: Bench, tmp_path: Path) -> Iterator[Open]:
    """Opens a package of one file with this body, and with a tape; see `spec_of`. Closes what it opened."""
    with contextlib.ExitStack() as stack:

        def open_one(body: str = "return Result(state, 'fine')", *, tape: Tape | None = None, **more: object) -> Opened:
            parts = () if tape is None else tuple(tape.parts())
            return stack.enter_context(contextlib.closing(bench.open(spec_of(tmp_path, body, **more), parts)))

        yield open_one


def value(answer: Answer) -> object:
    assert answer.fault is None, answer.fault.text
    assert isinstance(answer.value, Told)
    return answer.value.value


def fault(answer: Answer) -> tuple[str, str]:
    """Kind and line."""
    assert (answer.value, answer.state) == (None, None)
    assert answer.fault is not None
    return answer.fault.kind, answer.fault.line


# Loading


def test_a_release_that_meets_its_contract_is_loaded(opened: Open, tmp_path: Path) -> None:
    host = opened(overrides={"step": 3, "nothing": 1})

    loaded = host.loaded
    assert loaded.problems == ()
    assert (loaded.params, loaded.dormant, loaded.overridden) == ({"step": 3}, ("nothing",), {"step": 1})
    assert msgspec.msgpack.decode(loaded.first_state) == {"seen": 0}
    assert loaded.digest == a_release(tmp_path / "again", {"__init__.py": _source(tmp_path)}).digest


def _source(folder: Path) -> str:
    return (folder / "tree1/strategy/__init__.py").read_text()


REFUSED = {
    "syntax_error": ({"__init__.py": "def broken(:\n"}, "strategy/__init__.py:1 SyntaxError: invalid syntax: def brok"),
    "in_another_file": (
        {"__init__.py": "from strategy.fair import x\n", "fair.py": "y = 1\ny / 0\n"},
        "strategy/fair.py:2 ZeroDivisionError: division by zero: y / 0",
    ),
    "null_bytes": (
        {"__init__.py": "x = 1\ny = 2\0\n"},
        "strategy/__init__.py:2 SyntaxError: source code string cannot contain null bytes",
    ),
    "module_of_its_own_is_missing": (
        {"__init__.py": "import strategy.nowhere\n"},
        "strategy/__init__.py:1 ModuleNotFoundError: No module named 'strategy.nowhere': import strategy.nowhere",
    ),
    "module_is_not_installed": (
        {"__init__.py": "import nowhere_at_all\n"},
        "strategy/__init__.py:1 ModuleNotFoundError: No module named 'nowhere_at_all': import nowhere_at_all; install",
    ),
    "exits": ({"__init__.py": "raise SystemExit(3)\n"}, "strategy/__init__.py:1 SystemExit: 3"),
    "nothing_of_the_contract": ({"__init__.py": HEAD}, "decide(input, state, params) is missing"),
    "wrong_signature": (
        {"__init__.py": HEAD + "def decide(given):\n    pass\n"},
        "decide(given) must take (input, state, params)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_release_that_cannot_be_loaded_is_refused_with_the_same_sentence(
    bench: Bench, tmp_path: Path, case: str
) -> None:
    files, sentence = REFUSED[case]

    with pytest.raises(ReleaseRefused) as refused:
        bench.open(a_spec(a_release(tmp_path, files)))

    assert refused.value.problems[0].startswith(sentence)
    assert str(tmp_path) not in refused.value.problems[0]


def test_every_problem_is_told_at_once_and_a_parameter_that_does_not_fit_is_one(bench: Bench, tmp_path: Path) -> None:
    source = HEAD.replace("seen: int = 0", "seen: int") + "async def decide(given):\n    pass\n"

    with pytest.raises(ReleaseRefused) as refused:
        bench.open(a_spec(a_release(tmp_path, {"__init__.py": source}), overrides={"step": "far"}))

    told = "\n".join(refused.value.problems)
    for part in ("State() cannot be built", "neither async nor a generator", "must take", "parameter step = 'far'"):
        assert part in told


def test_a_stored_copy_that_was_edited_is_not_run(bench: Bench, tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    path = spec.release.path / "__init__.py"
    path.write_text(path.read_text() + "\n")

    with pytest.raises(ReleaseRefused, match="is not what its name says"):
        bench.open(spec)


# Calls


def test_a_call_gives_value_state_and_time(opened: Open) -> None:
    host = opened("return Result(State(state.seen + params.step), given * 2)", overrides={"step": 5})

    answer = host.ask(21, msgspec.msgpack.encode({"seen": 4}))

    assert value(answer) == 42
    assert msgspec.msgpack.decode(answer.state or b"") == {"seen": 9}
    assert 0 < answer.took_ns < 1_000_000_000


def test_a_state_goes_from_call_to_call_and_nowhere_else(opened: Open) -> None:
    host = opened(COUNTING)
    state = host.loaded.first_state
    for _ in range(3):
        state = host.ask(0, state).state or b""

    assert msgspec.msgpack.decode(state) == {"seen": 3}
    assert msgspec.msgpack.decode(host.ask(0).state or b"") == {"seen": 1}


RAISES = {
    "zero": ("1 / 0", "ZeroDivisionError: division by zero: 1 / 0"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3: raise SystemExit(3)"),
    "base": ("raise BaseException('all of it')", "BaseException: all of it"),
    "recursion": ("def again(): return again()\nagain()", "RecursionError: maximum recursion depth exceeded"),
    "no_unicode": ("raise ValueError('\\udcff')", "ValueError: \\udcff"),
    "memory": ("raise MemoryError", "MemoryError: (no text)"),
    "not_installed": ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
}


@pytest.mark.parametrize("case", sorted(RAISES))
def test_whatever_live_code_raises_is_a_fault_with_its_place_and_its_traceback(opened: Open, case: str) -> None:
    body, text = RAISES[case]
    host = opened(body)

    answer = host.ask(1)

    kind, line = fault(answer)
    assert kind == "raised"
    assert line.startswith("strategy/__init__.py:")
    assert text in line
    assert answer.fault is not None
    assert "Traceback (most recent call last):" in answer.fault.text
    assert fault(host.ask(1))[0] == "raised"


OVERRUNS = {
    "endless_loop": "while True: pass",
    "sleep": "import time\ntime.sleep(30)",
    "catastrophic_regex": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "swallows_every_exception": "while True:\n    try:\n        while True: pass\n    except Exception: pass",
}


@pytest.mark.parametrize("case", sorted(OVERRUNS))
def test_live_code_that_does_not_come_back_is_interrupted_and_the_next_call_is_answered(
    opened: Open, case: str
) -> None:
    body = (
        "if given:\n" + "".join(f"    {line}\n" for line in OVERRUNS[case].splitlines()) + "return Result(state, 'on')"
    )
    host = opened(body, budget_s=BUDGET_S)
    began = time.monotonic()

    kind, line = fault(host.ask(1))

    assert kind == "overran"
    assert line.startswith("took longer than 100 ms")
    assert time.monotonic() - began < 5
    assert value(host.ask(0)) == "on"


UNUSABLE = {
    "nothing": ("return None", "the result's state is None, and must be a State"),
    "wrong_state": ("return Result({'seen': 1})", "the result's state is {'seen': 1}, and must be a State"),
    "wrong_field": (
        "return Result(State('many'))",
        "the state is not a State: Expected `int`, got `str` - at `$.seen`",
    ),
    "no_data": ("return Result(state, object())", "TypeError: Encoding objects of type object is unsupported"),
    "cyclic": ("loop = []\nloop.append(loop)\nreturn Result(state, loop)", "RecursionError"),
    "function_in_state": ("return Result(State(decide))", "State.seen"),
}


@pytest.mark.parametrize("case", sorted(UNUSABLE))
def test_a_result_that_is_not_plain_data_of_the_agreed_types_is_a_fault(opened: Open, case: str) -> None:
    body, text = UNUSABLE[case]

    kind, line = fault(opened(body).ask(1))

    assert kind == "answer"
    assert text in line
    assert "strategy/__init__.py:" in line


def test_a_state_at_the_limit_is_kept_and_one_byte_more_is_a_fault(opened: Open) -> None:
    host = opened("return Result(State(bytes(given)))", head=WIDE)
    room = STATE_BYTES_MAX - (len(msgspec.msgpack.encode({"seen": bytes(60_000)})) - 60_000)

    assert len(host.ask(room).state or b"") == STATE_BYTES_MAX
    kind, line = fault(host.ask(room + 1))
    assert kind == "answer"
    assert f"65537 bytes, over the limit of {STATE_BYTES_MAX} for one key" in line


def test_an_answer_at_the_limit_is_given_and_one_byte_more_is_a_fault(opened: Open) -> None:
    host = opened("return Result(state, 'x' * given)")
    around = len(msgspec.msgpack.encode({"state": {"seen": 0}, "value": "x" * 70_000})) - 70_000
    room = ANSWER_BYTES_MAX - around

    assert len(str(value(host.ask(room)))) == room
    kind, line = fault(host.ask(room + 1))
    assert kind == "answer"
    told = f"the answer is {ANSWER_BYTES_MAX + 1} bytes, over the limit of {ANSWER_BYTES_MAX}"
    assert line.startswith(f"{told}; Told.value has {room + 6} of them (strategy/__init__.py:")


def test_a_long_text_of_an_exception_is_told_in_part_and_ends_nothing(opened: Open) -> None:
    host = opened("if given:\n    raise ValueError('long ' * given)\nreturn Result(state, given)")

    kind, line = fault(host.ask(1_000_000))

    assert (kind, len(line)) == ("raised", TRACEBACK_CHARACTERS_MAX)
    assert "ValueError: long long" in line
    assert value(host.ask(0)) == 0


LARGE = {
    "params": (HEAD.replace("step: int = 1", "step: str = 'x' * 300_000"), {}, "Params is 300011 bytes"),
    "default": (HEAD.replace("step: int = 1", "step: str = 'x' * 300_000"), {"step": ""}, "Params is 300011 bytes"),
    "override": (HEAD.replace("step: int = 1", "step: str = ''"), {"step": "x" * 300_000}, "Params.step has 300005 of"),
    "state": (HEAD.replace("seen: int = 0", "seen: str = 'x' * 70_000"), {}, "over the limit of 65536 for one key"),
    "schema": (
        HEAD.replace("seen: int = 0", f"seen: Literal['{'x' * 300_000}'] | None = None").replace(
            "import", "from typing import Literal\nimport", 1
        ),
        {},
        "the description of Params and State is",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(LARGE))
def test_a_release_that_says_too_much_of_itself_is_refused(opened: Open, case: str) -> None:
    head, overrides, sentence = LARGE[case]

    with pytest.raises(ReleaseRefused) as refused:
        opened(head=head, overrides=overrides)

    assert any(sentence in problem for problem in refused.value.problems), refused.value.problems


def test_what_live_code_keeps_of_a_result_does_not_change_it(opened: Open) -> None:
    host = opened("KEPT.append(1)\nreturn Result(state, KEPT)", head=HEAD + "KEPT = []\n")
    first = host.ask(0)

    host.ask(0)

    assert value(first) == [1]


def test_two_releases_side_by_side_never_mix(opened: Open) -> None:
    one = opened("return Result(state, NAME)", head=HEAD + "NAME = 'one'\n", number=1)
    two = opened("return Result(state, NAME)", head=HEAD + "NAME = 'two'\n", number=2)

    assert [value(host.ask(0)) for host in (one, two, one)] == ["one", "two", "one"]


# Carrying states


class Before(msgspec.Struct, frozen=True):
    """The State of a release before."""

    seen: int = 0
    gone: int = 0


BEFORE = schema_of(Before)
STATES = {"a": msgspec.msgpack.encode(Before(3, 4)), "b": msgspec.msgpack.encode(Before())}


def test_states_are_carried_over_by_rule(opened: Open) -> None:
    carried = opened().staged.carry(STATES, BEFORE)

    assert carried.problems == ()
    assert {key: msgspec.msgpack.decode(state) for key, state in carried.states.items()} == {
        "a": {"seen": 3},
        "b": {"seen": 0},
    }
    assert carried.notes == ("State.gone is dropped",)


MIGRATE = HEAD + "def migrate(old, old_schema):\n    {}\n"


def test_states_are_carried_over_by_the_releases_own_migrate(opened: Open) -> None:
    carried = opened(head=MIGRATE.format("return State(old['seen'] + old['gone'])")).staged.carry(STATES, BEFORE)

    assert carried.problems == ()
    assert msgspec.msgpack.decode(carried.states["a"]) == {"seen": 7}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("1 / 0", "strategy/__init__.py:18 ZeroDivisionError: division by zero"),
        ("raise SystemExit", "SystemExit"),
        ("return 5", "migrate returned int, and must return a State"),
        ("while True: pass", "migrate took longer than 100 ms a key"),
    ],
)
def test_a_migrate_that_fails_is_a_problem_and_the_states_stay(opened: Open, body: str, problem: str) -> None:
    host = opened(head=MIGRATE.format(body), budget_s=BUDGET_S)

    carried = host.staged.carry(STATES, BEFORE)

    assert carried.states == {}
    assert problem in carried.problems[0]
    assert value(host.ask(0)) == "fine"


# Rehearsing


@pytest.fixture
def tape() -> Iterator[Tape]:
    """Three instants of two keys; at the last one the live release said `fine` to both."""
    found = Tape(10**15)
    for second in (1, 2, 3):
        for key in "ab":
            number = found.add(key, second * ROUND_NS, msgspec.msgpack.encode(second))
            if second == 3:
                found.decided(number, second * ROUND_NS, msgspec.msgpack.encode(["fine"]))
    yield found
    found.close()


EVERYTHING = Rehearse(0, 400_000_000)


def test_a_rehearsal_counts_compares_and_tells(opened: Open, tape: Tape) -> None:
    host = opened("return Result(State(state.seen + 1), 'fine' if state.seen % 2 else given)", tape=tape)

    done = host.staged.rehearse(EVERYTHING, within_s=10.0)

    assert (done.evaluations, done.faults, done.faulty, done.changed, done.violations) == (6, (), 0, (), ())
    assert (done.compared, done.differing, len(done.examples)) == (2, 2, 2)
    assert done.examples[0].startswith("a: ")
    assert len(done.digests) == 6 * 8
    assert 0 < done.mean_ns <= done.slowest_ns <= done.slowest_round_ns
    assert done.round_size == 2
    told = host.staged.told(4)
    assert (told.key, told.at_ns) == ("a", 3 * ROUND_NS)
    assert '"seen":3' in told.answer


def test_only_the_newest_inputs_of_the_wanted_keys_are_rehearsed(opened: Open, tape: Tape) -> None:
    asked = Rehearse(2 * ROUND_NS, 400_000_000, keys=frozenset("a"))

    done = opened(tape=tape).staged.rehearse(asked, within_s=10.0)

    assert (done.evaluations, done.compared, done.differing) == (2, 1, 0)


def test_a_field_that_is_folded_from_the_tape_is_merged_into_what_was_carried(opened: Open, tape: Tape) -> None:
    head = HEAD.replace("seen: int = 0", "seen: int = 0\n    sum: int = 0")
    host = opened("return Result(State(state.seen + 1, state.sum + given), 'fine')", head=head, tape=tape)
    carried = {key: msgspec.msgpack.encode({"seen": 100, "sum": 0}) for key in "ac"}

    done = host.staged.rehearse(Rehearse(3 * ROUND_NS, 400_000_000, carried, ("sum",)), within_s=10.0)

    merged = {key: msgspec.msgpack.decode(state) for key, state in done.merged.items()}
    assert merged == {"a": {"seen": 100, "sum": 1 + 2 + 3}, "c": {"seen": 100, "sum": 0}}
    assert done.compared == 2


def test_a_release_that_fails_in_its_rehearsal_is_told_where_and_ends_early(opened: Open, tape: Tape) -> None:
    done = opened("return Result(state, 1 / 0)", tape=tape).staged.rehearse(EVERYTHING, within_s=10.0)

    assert done.faulty == 4
    assert done.faults[0].startswith("a: strategy/__init__.py:19 ZeroDivisionError: division by zero")


def test_state_that_a_release_keeps_outside_of_its_state_is_named(opened: Open, tape: Tape) -> None:
    body = "SEEN.append(given)\nreturn Result(state, 'fine')"
    host = opened(body, head=HEAD + "SEEN = []\n", tape=tape)

    assert host.staged.rehearse(EVERYTHING, within_s=10.0).changed == ("strategy.SEEN",)


def test_two_runs_of_one_release_have_the_same_digests_and_one_of_another_has_others(opened: Open, tape: Tape) -> None:
    one, again = (opened(COUNTING, tape=tape) for _ in range(2))
    other = opened("return Result(state, 'fine')", tape=tape, number=2)

    digests = [host.staged.rehearse(EVERYTHING, within_s=10.0).digests for host in (one, again, other)]

    assert digests[0] == digests[1] != digests[2]


# Both at once


def test_the_two_kinds_give_the_same_release_the_same_face_and_the_same_answers(tmp_path: Path, tape: Tape) -> None:
    spec = spec_of(tmp_path, COUNTING, overrides={"step": 2, "nothing": 1})
    found = []
    for kind in KINDS:
        with contextlib.closing(bench_of(kind, tmp_path)) as bench:
            host = bench.open(spec, tuple(tape.parts()))
            digests = host.staged.rehearse(EVERYTHING, within_s=10.0).digests
            answer = host.ask(3)
            loaded = msgspec.structs.replace(host.loaded, confined={})
            found.append((loaded, digests, answer.value, answer.state))
            host.close()

    assert found[0] == found[1]
