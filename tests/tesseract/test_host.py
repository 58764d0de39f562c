"""The in-process host: every accident of live code is an answer, and nothing of it stays behind."""

import itertools
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from release_trees import CONTRACT, HEAD, Given, Told, a_host, a_package, answer_of, value_of

from tesseract import InProcessHost
from tesseract.calls import Answer
from tesseract.carry import STATE_BYTES_MAX
from tesseract.guest import TRACEBACK_CHARACTERS_MAX
from tesseract.watchdog import _Watch

BUDGET_S = 0.05


def called(host: InProcessHost, given: object = None, state: bytes | None = None) -> Answer:
    answer = answer_of(host, given, state)
    host.close()
    return answer


def answer_to(folder: Path, body: str, *, given: object = None, budget_s: float = 1.0, head: str = HEAD) -> Answer:
    return called(a_host(folder, a_package(body, head=head), budget_s=budget_s), given)


def assert_fault(answer: Answer, kind: str, text: str) -> None:
    assert answer.value is None
    assert answer.state is None
    assert answer.fault is not None
    assert answer.fault.kind == kind
    assert text in answer.fault.text


def test_a_call_gives_the_value_the_next_state_and_the_time_it_took(tmp_path: Path) -> None:
    host = a_host(tmp_path, a_package("return Result(State(state.seen + params.step), given.number * 2)"))

    answer = answer_of(host, Given(21), msgspec.msgpack.encode({"seen": 4}))

    assert answer.fault is None
    assert isinstance(answer.value, Told)
    assert answer.value.value == 42
    assert msgspec.msgpack.decode(answer.state or b"") == {"seen": 5}
    assert 0 < answer.took_ns < 1_000_000_000
    host.close()


def test_the_first_state_is_the_defaults(tmp_path: Path) -> None:
    host = a_host(tmp_path)

    assert msgspec.msgpack.decode(host.loaded.first_state) == {"seen": 0}
    host.close()


def test_the_parameters_given_are_those_that_are_used(tmp_path: Path) -> None:
    host = a_host(tmp_path, a_package("return Result(state, params.step)"), overrides={"step": 7})

    assert value_of(host) == 7
    assert host.loaded.params == {"step": 7}
    host.close()


def test_the_result_is_a_copy_that_live_code_no_longer_holds(tmp_path: Path) -> None:
    host = a_host(tmp_path, a_package("KEPT.append(1)\nreturn Result(state, KEPT)", head=HEAD + "KEPT = []\n"))
    first = answer_of(host)

    answer_of(host)

    assert isinstance(first.value, Told)
    assert first.value.value == [1]
    host.close()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise RuntimeError('out of ideas')", "RuntimeError: out of ideas"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise BaseException('all of it')", "BaseException: all of it"),
        ("import os\nos.nothing", "has no attribute 'nothing'"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("def again(): return again()\nagain()", "RecursionError: maximum recursion depth exceeded"),
        ("raise MemoryError", "MemoryError"),
        ("assert False, 'never'", "AssertionError: never"),
        ("exit(1)", "SystemExit"),
    ],
)
def test_whatever_live_code_raises_is_an_answer_with_its_traceback(tmp_path: Path, body: str, text: str) -> None:
    answer = answer_to(tmp_path, body)

    assert_fault(answer, "raised", text)
    assert answer.fault is not None
    assert f'File "{tmp_path / "store"}' in answer.fault.text
    assert "in decide" in answer.fault.text


def test_an_exception_whose_own_text_raises_is_an_answer(tmp_path: Path) -> None:
    head = HEAD + "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\n"

    assert_fault(answer_to(tmp_path, "raise Mute", head=head), "raised", "Mute")


def test_an_exception_whose_own_text_never_ends_is_interrupted(tmp_path: Path) -> None:
    head = HEAD + "class Endless(Exception):\n    def __str__(self):\n        while True: pass\n"

    answer = answer_to(tmp_path, "raise Endless", head=head, budget_s=BUDGET_S)

    assert answer.fault is not None
    assert answer.value is None


def test_a_long_traceback_is_cut_at_its_limit_and_keeps_its_end(tmp_path: Path) -> None:
    answer = answer_to(tmp_path, "raise ValueError('x' * 100_000 + ' the end')")

    assert answer.fault is not None
    assert len(answer.fault.text) == TRACEBACK_CHARACTERS_MAX
    assert answer.fault.text.endswith("the end\n")


def test_a_ctrl_c_during_a_call_stops_the_program_and_disarms_the_watchdog(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGALRM)

    with pytest.raises(KeyboardInterrupt):
        answer_to(tmp_path, "raise KeyboardInterrupt")

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_ctrl_c_while_the_result_is_looked_at_stops_the_program(tmp_path: Path) -> None:
    head = HEAD + "class Rude:\n    @property\n    def state(self):\n        raise KeyboardInterrupt\n"

    with pytest.raises(KeyboardInterrupt):
        answer_to(tmp_path, "return Rude()", head=head)


OVERRUNS = {
    "endless_loop": "while True: pass",
    "sleep": "import time\ntime.sleep(30)",
    "catastrophic_regex": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "swallows_exceptions": "while True:\n    try:\n        while True: pass\n    except Exception: pass",
    "swallows_the_first_interruption": (
        "try:\n    while True: pass\nexcept BaseException: pass\nwhile True: pass"
    ),
    "interrupted_in_a_finally": "try:\n    while True: pass\nfinally:\n    while True: pass",
    "endless_generator": "return Result(state, sum(1 for _ in iter(int, 1)))",
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(OVERRUNS))
def test_live_code_that_does_not_come_back_is_interrupted(tmp_path: Path, case: str) -> None:
    began = time.monotonic()

    answer = answer_to(tmp_path, OVERRUNS[case], budget_s=BUDGET_S)

    assert_fault(answer, "overran", "took longer than 50 ms and was interrupted")
    assert answer.took_ns >= BUDGET_S * 1e9
    assert time.monotonic() - began < 10


def test_a_result_that_takes_for_ever_to_look_at_is_interrupted(tmp_path: Path) -> None:
    head = HEAD + "class Slow:\n    @property\n    def state(self):\n        while True: pass\n"

    assert_fault(answer_to(tmp_path, "return Slow()", head=head, budget_s=BUDGET_S), "overran", "took longer")


def test_a_release_that_overran_answers_the_next_call(tmp_path: Path) -> None:
    host = a_host(tmp_path, a_package("while given: pass\nreturn Result(state, 'back')"), budget_s=BUDGET_S)

    overran = answer_of(host, True)

    assert overran.fault is not None
    assert value_of(host, False) == "back"
    host.close()


@pytest.mark.parametrize("body", ["return Result(state)", "1 / 0", "while True: pass", "return None"])
def test_the_watchdog_leaves_no_timer_and_puts_the_handler_back(tmp_path: Path, body: str) -> None:
    heard: list[int] = []

    def handler(number: int, _frame: object) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        answer_to(tmp_path, body, budget_s=BUDGET_S)

        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert heard == []
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_watchdog_never_bites_outside_of_live_code_at_whatever_instant_it_fires(tmp_path: Path) -> None:
    """Budgets of about the length of a call make the signal land on every line around it. A tracer (coverage) holds a
    lock of its own on those lines, and would keep it for ever when interrupted: it is off meanwhile."""
    tracer = sys.gettrace()
    sys.settrace(None)
    before = signal.getsignal(signal.SIGALRM)
    host = a_host(tmp_path, a_package("return Result(state, list(range(200)))"))
    kinds = set()

    try:
        for microseconds in itertools.islice(itertools.cycle(range(1, 120)), 6_000):
            host.guest.spec = msgspec.structs.replace(host.spec, budget_ns=microseconds * 1_000)
            answer = answer_of(host)
            kinds.add("value" if answer.fault is None else answer.fault.kind)
            assert (answer.value is None) == (answer.fault is not None)
            assert signal.getsignal(signal.SIGALRM) is before
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        sys.settrace(tracer)

    assert "overran" in kinds
    host.close()


def test_a_signal_that_comes_while_no_live_code_runs_is_inert() -> None:
    signal_handler = _Watch()._interrupt

    signal_handler(signal.SIGALRM, None)


def test_a_call_from_another_thread_works_and_leaves_the_signals_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGALRM)
    host = a_host(tmp_path, a_package("return Result(state, 1 / given)"))
    answers: list[Answer] = []

    def work() -> None:
        answers.extend(answer_of(host, given) for given in (2, 0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert isinstance(answers[0].value, Told)
    assert answers[0].value.value == 0.5
    assert_fault(answers[1], "raised", "ZeroDivisionError")
    assert signal.getsignal(signal.SIGALRM) is before
    host.close()


def test_a_call_from_another_thread_has_no_watchdog(tmp_path: Path) -> None:
    host = a_host(tmp_path, a_package("import time\ntime.sleep(0.05)\nreturn Result(state)"), budget_s=0.001)
    answers: list[Answer] = []

    thread = threading.Thread(target=lambda: answers.append(called(host)))
    thread.start()
    thread.join()

    assert answers[0].fault is None


ANSWERS = {
    "nothing": ("return None", "the result's state is None, and must be a State"),
    "a_number": ("return 5", "the result's state is None"),
    "wrong_state_type": ("return Result({'seen': 1})", "the result's state is {'seen': 1}, and must be a State"),
    "state_missing": ("return Result(None)", "must be a State"),
    "state_of_the_wrong_field_type": ("return Result(State('many'))", "Expected `int`, got `str`"),
    "unserialisable_value": ("return Result(state, object())", "Encoding objects of type object is unsupported"),
    "function_in_value": ("return Result(state, decide)", "Encoding objects of type function is unsupported"),
    "socket_in_state": ("import socket\nreturn Result(State(socket))", "Encoding objects of type module"),
    "cyclic_result": ("loop = []\nloop.append(loop)\nreturn Result(state, loop)", "RecursionError"),
    "cyclic_state": ("loop = []\nloop.append(loop)\nreturn Result(State(loop))", "RecursionError"),
    "too_large_a_number": ("return Result(state, 1 << 70)", "OverflowError"),
    "text_that_is_no_unicode": ("return Result(state, '\\ud800')", "UnicodeEncodeError"),
}


@pytest.mark.parametrize("case", sorted(ANSWERS))
def test_a_result_that_is_not_plain_data_of_the_agreed_types_is_a_fault(tmp_path: Path, case: str) -> None:
    body, text = ANSWERS[case]

    assert_fault(answer_to(tmp_path, body), "answer", text)


@pytest.mark.parametrize(
    "member",
    [
        "@property\n    def state(self):\n        raise RuntimeError('trap')",
        "@property\n    def state(self):\n        raise SystemExit('trap')",
        "state = type('Odd', (), {'__repr__': lambda self: 1 / 0})()",
    ],
)
def test_a_result_that_carries_live_code_is_a_fault_and_raises_nothing(tmp_path: Path, member: str) -> None:
    answer = answer_to(tmp_path, "return Odd()", head=HEAD + f"class Odd:\n    {member}\n")

    assert answer.fault is not None
    assert answer.fault.kind == "answer"
    assert answer.fault.text.startswith("strategy/__init__.py:")


def test_a_state_at_the_size_limit_is_kept_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    head = HEAD.replace("seen: int = 0", "seen: bytes = b''")
    host = a_host(tmp_path, a_package("return Result(State(bytes(given)))", head=head))
    size = STATE_BYTES_MAX - (len(msgspec.msgpack.encode({"seen": bytes(60_000)})) - 60_000)

    at_limit = answer_of(host, size)
    above = answer_of(host, size + 1)

    assert len(at_limit.state or b"") == STATE_BYTES_MAX
    assert_fault(above, "answer", "the state is 65537 bytes, over the limit of 65536 for one key")
    host.close()


def test_a_nan_in_the_state_is_a_number_like_any_other(tmp_path: Path) -> None:
    head = HEAD.replace("seen: int = 0", "seen: float = 0.0")
    host = a_host(tmp_path, a_package("return Result(State(float('nan')), state.seen != state.seen)", head=head))
    first = answer_of(host)

    second = answer_of(host, None, first.state or b"")

    assert isinstance(second.value, Told)
    assert second.value.value is True
    host.close()


def test_a_state_of_another_shape_is_an_answer_and_no_exception(tmp_path: Path) -> None:
    host = a_host(tmp_path)

    assert_fault(called(host, state=msgspec.msgpack.encode({"seen": "text"})), "raised", "Expected `int`, got `str`")


@pytest.mark.parametrize("target", ["given.number", "state.seen", "params.step"])
def test_what_live_code_is_given_cannot_be_changed_by_it(tmp_path: Path, target: str) -> None:
    given = Given(1)

    answer = answer_to(tmp_path, f"{target} = 99", given=given)

    assert_fault(answer, "raised", "immutable type")
    assert given == Given(1)


def test_a_state_changed_in_place_does_not_reach_the_next_call(tmp_path: Path) -> None:
    head = HEAD.replace("seen: int = 0", "seen: list[int] = []")
    host = a_host(tmp_path, a_package("state.seen.append(1)\nreturn Result(State(), state.seen)", head=head))
    state = host.loaded.first_state

    answers = [answer_of(host, None, state) for _ in range(2)]

    assert [answer.value.value for answer in answers if isinstance(answer.value, Told)] == [[1], [1]]
    host.close()


def test_a_host_shares_no_module_with_one_of_the_same_release_that_was_dropped_without_close(tmp_path: Path) -> None:
    first = a_host(tmp_path, a_package("SEEN.append(1)\nreturn Result(state, len(SEEN))", head=HEAD + "SEEN = []\n"))
    namespaces = []

    for _ in range(4):
        host = InProcessHost(first.spec.release, CONTRACT)
        namespaces.append(host._namespace)
        assert value_of(host) == 1
        del host  # its memory is free, and the next host may well get the same address

    for namespace in namespaces:
        namespace.close()
    first.close()


def test_closing_a_host_removes_every_trace_of_its_modules(tmp_path: Path) -> None:
    modules, finders = set(sys.modules), list(sys.meta_path)

    a_host(tmp_path).close()

    assert set(sys.modules) == modules
    assert sys.meta_path == finders


def test_a_fault_whose_text_cannot_be_encoded_is_told_in_escapes(tmp_path: Path) -> None:
    host = a_host(tmp_path, a_package("raise ValueError('\\udcff')"))
    answer = answer_of(host)
    host.close()
    assert answer.fault is not None
    assert answer.fault.text.encode()
    assert "\\udcff" in answer.fault.text
