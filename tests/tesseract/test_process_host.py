"""What only a host in a process of its own has to promise: it may end at any moment, and nothing waits for it."""

import asyncio
import contextlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from host_bench import ProcessBench, ProcessOpened, a_spec, spec_of
from release_trees import Told, a_package, a_release

from tesseract import process_host
from tesseract.calls import Answer, HostSpec
from tesseract.errors import ReleaseRefused
from tesseract.process_host import RESPAWNS_MAX, Descriptors
from tesseract.zygote import NICE

pytestmark = pytest.mark.process

BUDGET_S = 0.1
OBEYS = """
import os, signal, sys, time
if given == "exit": os._exit(3)
if given == "abort": os.abort()
if given == "wait": time.sleep(0.05)
if given == "block":  # a long call into C: no signal gets through
    sum(range(10**11))
if given == "print": print("hello")
if given == "rubbish":
    for file in range(3, 64):
        try: os.write(file, b"\\x00\\x00\\x00\\x01\\xc1")
        except OSError: pass
if given == "announce":
    for file in range(3, 64):
        try: os.write(file, ((1 << 20) + 1).to_bytes(4, "big"))
        except OSError: pass
    time.sleep(0.05)
if given == "forge":
    for file in range(3, 64):
        try: os.write(file, bytes(os.urandom(0)) + b"\\xff" * 8)
        except OSError: pass
return Result(State(state.seen + 1), [os.getpid(), state.seen])
"""
Open = Callable[..., ProcessOpened]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessBench]:
    with contextlib.closing(ProcessBench(tmp_path_factory.mktemp("bench"))) as found:
        yield found


@pytest.fixture
def opened(bench: ProcessBench, tmp_path: Path) -> Iterator[Open]:
    """Opens a release that does what its input says. Closes what it opened."""
    bench.notes.clear()
    with contextlib.ExitStack() as stack:

        def open_one(*, budget_s: float = 1.0, number: int = 1) -> ProcessOpened:
            spec = spec_of(tmp_path, OBEYS, budget_s=budget_s, number=number)
            return stack.enter_context(contextlib.closing(bench.open(spec)))

        yield open_one


def who(answer: Answer) -> int:
    """The process that answered."""
    assert answer.fault is None, answer.fault.text
    assert isinstance(answer.value, Told)
    return int(answer.value.value[0])


def kind(answer: Answer) -> str:
    assert answer.fault is not None
    return answer.fault.kind


def has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 5.0)[0])


# A process that ends


@pytest.mark.parametrize("ending", ["exit", "abort"])
def test_a_process_that_ends_in_a_call_costs_that_call_and_another_one_answers_the_next(
    opened: Open, bench: ProcessBench, ending: str
) -> None:
    host = opened()
    first = who(host.ask())

    lost = host.ask(ending)

    assert kind(lost) == "lost"
    assert lost.fault is not None
    assert lost.fault.text.startswith("its process ended")
    assert who(host.ask()) != first
    assert host.respawned == 1
    assert any(note.startswith("v1: its process ended") for note in bench.notes)


def test_what_a_process_wrote_last_is_told_with_its_end(opened: Open) -> None:
    lost = opened().ask("abort")

    assert lost.fault is not None
    assert "it wrote last: Fatal Python error" in lost.fault.text


def test_no_state_is_lost_with_a_process(opened: Open) -> None:
    host = opened()
    state = host.ask().state

    host.ask("exit", state)

    after = host.ask("", state)
    assert isinstance(after.value, Told)
    assert after.value.value[1] == 1


def test_a_process_that_ends_between_two_calls_costs_none(opened: Open) -> None:
    host = opened()
    first = who(host.ask())
    os.kill(first, signal.SIGKILL)

    async def a_while() -> None:
        while not host.respawned:
            await asyncio.sleep(0.01)

    host.bench.run(a_while())

    assert who(host.ask()) != first


def test_calls_that_waited_are_asked_again_and_answered_in_their_order(opened: Open) -> None:
    host = opened()
    host.ask()

    asked = [host.submit(given) for given in ("exit", "", "wait", "")]
    answers = host.answers(*asked)

    assert kind(answers[0]) == "lost"
    assert len({who(answer) for answer in answers[1:]}) == 1
    assert host.respawned == 1


def test_only_the_call_at_the_head_is_guilty(opened: Open) -> None:
    host = opened()

    answers = host.answers(*[host.submit(given) for given in ("", "exit", "", "exit", "")])

    assert [answer.fault is None for answer in answers] == [True, False, True, False, True]
    assert host.respawned == 2


def test_a_host_that_ends_too_often_gets_no_process_any_more_and_says_so(opened: Open, bench: ProcessBench) -> None:
    host = opened()
    for _ in range(RESPAWNS_MAX):
        assert kind(host.ask("exit")) == "lost"
    assert who(host.ask())

    asked = [host.submit(given) for given in ("exit", "", "")]
    answers = host.answers(*asked)

    assert host.respawned == RESPAWNS_MAX
    why = f"its process ended {RESPAWNS_MAX + 1} times in 60 s"
    assert [answer.fault.text for answer in answers[1:] if answer.fault] == [why, why]
    assert kind(host.ask()) == "lost"
    assert any(why in note for note in bench.notes)


def test_a_host_that_was_given_up_is_tried_again_when_its_ends_are_long_ago(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = opened()
    for _ in range(RESPAWNS_MAX + 1):
        host.ask("exit")
    assert kind(host.ask()) == "lost"

    monkeypatch.setattr(process_host, "RESPAWN_WINDOW_S", 0.0)

    assert who(host.ask())


def test_without_a_new_process_the_calls_that_wait_are_lost(opened: Open) -> None:
    host = opened()

    def refuse(_spec: HostSpec, told: Callable[[Descriptors | None], None]) -> None:
        told(None)

    host.respawn = refuse
    answers = host.answers(host.submit("exit"), host.submit())

    assert [answer.fault.text for answer in answers[1:] if answer.fault] == ["no new process could be started"]


def test_a_process_that_comes_late_gets_the_calls_that_wait_for_it(opened: Open) -> None:
    host = opened()
    late: list[Callable[[Descriptors | None], None]] = []
    host.respawn = lambda _spec, told: late.append(told)
    lost, waiting = host.submit("exit"), host.submit()
    assert kind(host.answers(lost)[0]) == "lost"

    late[0](host.bench.reach(host.staged.spec))

    assert who(host.answers(waiting)[0])


# A process that takes too long


def test_a_long_call_into_c_is_ended_from_outside_on_time(opened: Open) -> None:
    host = opened(budget_s=BUDGET_S)
    host.ask()
    began = time.monotonic()

    answers = host.answers(host.submit("block"), host.submit())

    assert time.monotonic() - began < 2
    assert kind(answers[0]) == "overran"
    assert answers[0].fault is not None
    assert answers[0].fault.text == "took longer than 100 ms; its process was killed"
    assert answers[0].took_ns >= BUDGET_S * 1e9
    assert who(answers[1])


def test_a_process_that_is_stopped_is_ended_and_replaced(opened: Open) -> None:
    host = opened(budget_s=BUDGET_S)
    first = who(host.ask())
    os.kill(first, signal.SIGSTOP)

    assert kind(host.ask()) == "overran"
    assert who(host.ask()) != first


def test_calls_in_a_row_have_the_limit_each_and_not_together(opened: Open) -> None:
    host = opened(budget_s=BUDGET_S)

    answers = host.answers(*[host.submit("wait") for _ in range(6)])

    assert [answer.fault for answer in answers] == [None] * 6


def test_a_loop_that_stood_still_itself_blames_no_process(opened: Open) -> None:
    host = opened(budget_s=BUDGET_S)
    first = who(host.ask())
    asked = host.submit("wait")

    async def stand_still() -> None:
        time.sleep(BUDGET_S * 5)  # noqa: ASYNC251 - it is the loop that is held up

    host.bench.run(stand_still())

    assert who(host.answers(asked)[0]) == first


# What it writes


def test_what_live_code_prints_is_told_with_its_release(opened: Open, bench: ProcessBench) -> None:
    opened().ask("print")

    assert bench.notes == ["v1 printed: hello"]


@pytest.mark.parametrize("given", ["rubbish", "forge", "announce"])
def test_a_process_that_writes_into_its_socket_is_ended_and_replaced(opened: Open, given: str) -> None:
    host = opened()
    first = who(host.ask())

    assert kind(host.ask(given)) == "lost"
    assert who(host.ask()) != first


# Closing


def test_closing_a_host_ends_its_process(opened: Open) -> None:
    host = opened()
    pidfd = os.pidfd_open(who(host.ask()))

    host.close()

    assert has_ended(pidfd)
    os.close(pidfd)


def test_closing_a_host_leaves_calls_without_an_answer_and_asks_for_no_process(opened: Open) -> None:
    host = opened()
    asked = host.submit("wait")

    host.close()
    host.bench.run(asyncio.sleep(0.1))

    assert not asked.done()
    assert host.respawned == 0


def test_a_closed_host_answers_at_once_that_it_is_closed(opened: Open) -> None:
    host = opened()
    host.ask()
    host.close()

    (answer,) = host.answers(host.submit())

    assert answer.fault is not None
    assert answer.fault.text == "the host has been closed"


def test_a_process_that_comes_after_the_end_is_ended(opened: Open) -> None:
    host = opened()
    late: list[Callable[[Descriptors | None], None]] = []
    host.respawn = lambda _spec, told: late.append(told)
    host.ask("exit")
    reached = host.bench.reach(host.staged.spec)
    pidfd = os.dup(reached.pidfd)

    host.close()
    late[0](reached)

    assert has_ended(pidfd)
    os.close(pidfd)


def test_calls_beyond_those_that_may_wait_are_refused(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_host, "WAITING_MAX", 2)
    host = opened()

    answers = host.answers(*[host.submit("wait") for _ in range(3)])

    assert [answer.fault.text for answer in answers if answer.fault] == ["2 calls wait already"]


def test_opening_and_closing_many_hosts_leaves_no_descriptor_and_no_process(opened: Open, bench: ProcessBench) -> None:
    """Invariant 11, in small."""

    def left() -> tuple[int, int]:
        children = Path(f"/proc/{bench.process.pid}/task/{bench.process.pid}/children").read_text().split()
        return len(list(Path("/proc/self/fd").iterdir())), len(children)

    opened().close()
    bench.run(asyncio.sleep(0.3))
    before = left()

    for _ in range(40):
        host = opened()
        host.ask()
        host.close()
    bench.run(asyncio.sleep(0.3))

    assert left() == before


def test_hosts_leave_the_first_turn_to_the_loop_that_waits_for_them(opened: Open) -> None:
    pid = who(opened().ask())

    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + NICE


# The process that waits ready


@pytest.fixture
def own_bench(tmp_path: Path) -> Iterator[ProcessBench]:
    with contextlib.closing(ProcessBench(tmp_path)) as found:
        yield found


def forks_of(zygote: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()]


def sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def ready_of(bench: ProcessBench, *others: int) -> int:
    """The process that the zygote keeps ready, as soon as there is one that waits for its order."""
    end_s = time.monotonic() + 10.0
    while time.monotonic() < end_s:
        found = [pid for pid in forks_of(bench.process.pid) if pid not in others and sleeps(pid)]
        if found:
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no process was made ready")


def test_a_process_waits_ready_and_becomes_the_next_host(own_bench: ProcessBench, tmp_path: Path) -> None:
    ready = ready_of(own_bench)

    with contextlib.closing(own_bench.open(spec_of(tmp_path, OBEYS))) as opened:
        assert who(opened.ask()) == ready
        assert ready_of(own_bench, ready) != ready


def test_a_process_that_was_killed_while_it_waited_is_replaced(own_bench: ProcessBench, tmp_path: Path) -> None:
    first = ready_of(own_bench)
    pidfd = os.pidfd_open(first)
    os.kill(first, signal.SIGKILL)
    assert has_ended(pidfd)
    os.close(pidfd)

    with contextlib.closing(own_bench.open(spec_of(tmp_path, OBEYS))) as opened:
        assert who(opened.ask()) != first


def test_two_releases_at_once_need_no_process_that_waits(own_bench: ProcessBench, tmp_path: Path) -> None:
    ready_of(own_bench)

    with contextlib.ExitStack() as stack:
        both = [
            stack.enter_context(contextlib.closing(own_bench.open(spec_of(tmp_path, OBEYS, number=number))))
            for number in (1, 2)
        ]
        assert len({who(opened.ask()) for opened in both}) == 2


def test_what_was_compiled_of_the_release_before_changes_nothing_of_the_next(
    own_bench: ProcessBench, tmp_path: Path
) -> None:
    with contextlib.closing(own_bench.open(spec_of(tmp_path, "return Result(state, 1)", number=1))) as first:
        ready = ready_of(own_bench, first.staged.pid)
        with contextlib.closing(own_bench.open(spec_of(tmp_path, "return Result(state, 2)", number=2))) as second:
            assert second.staged.pid == ready
            assert [opened.ask().value.value for opened in (first, second)] == [1, 2]  # type: ignore[union-attr]


def test_the_process_that_waits_ends_with_its_zygote(own_bench: ProcessBench) -> None:
    ready = os.pidfd_open(ready_of(own_bench))

    own_bench.process.kill()

    assert has_ended(ready)
    os.close(ready)


NESTED = 19
LEVELS = "".join(f"{' ' * depth}try: pass\n{' ' * depth}finally:\n" for depth in range(NESTED))
ENDLESS_TO_COMPILE = f"{LEVELS}{' ' * NESTED}pass\n"
"""What is in a `finally` is compiled twice, so each level costs twice what it would without it. Nobody imports it."""


def with_endless(folder: Path, number: int) -> HostSpec:
    files = a_package("return Result(state, 1)") | {"never_imported.py": ENDLESS_TO_COMPILE}
    return a_spec(a_release(folder, files, number=number))


def test_a_process_that_is_not_ready_yet_is_not_waited_for(own_bench: ProcessBench, tmp_path: Path) -> None:
    with contextlib.closing(own_bench.open(with_endless(tmp_path, 1))) as first:
        end_s = time.monotonic() + 10.0
        while len(forks_of(own_bench.process.pid)) < 2:
            assert time.monotonic() < end_s, "no process was forked to be made ready"
            time.sleep(0.01)
        (busy,) = set(forks_of(own_bench.process.pid)) - {first.staged.pid}
        ended = os.pidfd_open(busy)
        with contextlib.closing(own_bench.open(spec_of(tmp_path, OBEYS, number=2))) as second:
            assert who(second.ask()) not in (busy, first.staged.pid)
            assert has_ended(ended)
        os.close(ended)


def test_a_release_that_cannot_be_compiled_in_its_limits_is_not_compiled_ahead(
    own_bench: ProcessBench, tmp_path: Path
) -> None:
    with contextlib.closing(own_bench.open(with_endless(tmp_path, 1))) as first:
        ready = ready_of(own_bench, first.staged.pid)
        with contextlib.closing(own_bench.open(spec_of(tmp_path, OBEYS, number=2))) as second:
            assert who(second.ask()) == ready


def test_a_machine_without_room_refuses_the_order_and_ends_nothing(own_bench: ProcessBench, tmp_path: Path) -> None:
    spec = spec_of(tmp_path, OBEYS)
    zygote = own_bench.process.pid
    with contextlib.closing(own_bench.open(spec)) as first:
        before = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
        ready = ready_of(own_bench, first.staged.pid)
        ended = os.pidfd_open(ready)
        resource.prlimit(zygote, resource.RLIMIT_NOFILE, (3, before[1]))
        os.kill(ready, signal.SIGKILL)
        assert has_ended(ended)
        os.close(ended)

        with pytest.raises(ReleaseRefused, match=r"the machine gave no process for it: .*Too many open files"):
            own_bench.open(spec)

        resource.prlimit(zygote, resource.RLIMIT_NOFILE, before)
        with contextlib.closing(own_bench.open(spec)) as second:
            assert who(second.ask()) == second.staged.pid
        assert who(first.ask()) == first.staged.pid
