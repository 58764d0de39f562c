"""Both kinds of host behind one face, so that one test can ask either.

A `Bench` opens releases. What it opens is first a staged host, which carries and rehearses, and with its first call a
live one, as in a program.
"""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import msgspec
from release_trees import CONTRACT, CONTRACT_PLACE, a_package, a_release

from tesseract import HostSpec, InProcessHost, Loaded, Release, Workplace
from tesseract.calls import Answer
from tesseract.host import Host, StagedHost
from tesseract.process_host import Descriptors, ProcessHost
from tesseract.staged_process import StagedProcess, ZygoteLink, start_zygote

HERE = Path(__file__).parent
ANSWER_S = 20.0
KINDS = ("in process", "process")

Tape = tuple[tuple[int, int], ...]


class Opened(Protocol):
    """One open host."""

    staged: StagedHost

    @property
    def loaded(self) -> Loaded: ...
    def ask(self, given: object = None, state: bytes | None = None) -> Answer: ...
    def close(self) -> None: ...


class Bench(Protocol):
    """Opens hosts of one kind."""

    def open(self, spec: HostSpec, tape: Tape = ()) -> Opened: ...
    def close(self) -> None: ...


def a_spec(release: Release, *, overrides: dict[str, object] | None = None, budget_s: float = 1.0) -> HostSpec:
    return HostSpec(
        release=release,
        module=release.package,
        contract=CONTRACT_PLACE,
        overrides=overrides or {},
        budget_ns=round(budget_s * 1e9),
    )


def spec_of(folder: Path, body: str = "return Result(state, 'fine')", **more: Any) -> HostSpec:
    """A host's spec for a package of one file whose `decide` has this body; see `a_package` and `a_spec`."""
    package = {name: more.pop(name) for name in ("head",) if name in more}
    number = more.pop("number", 1)
    return a_spec(a_release(folder, a_package(body, **package), number=number), **more)


# Inside this process


class InProcessOpened:
    def __init__(self, spec: HostSpec, tape: Tape) -> None:
        self.host = self.staged = InProcessHost(
            spec.release, CONTRACT, budget_s=spec.budget_ns / 1e9, overrides=spec.overrides, tape=tape
        )
        self.loaded = self.host.loaded

    def ask(self, given: object = None, state: bytes | None = None) -> Answer:
        answers: list[Answer] = []
        before = self.loaded.first_state if state is None else state
        self.host.submit(given, msgspec.msgpack.encode(given), before, answers.append)
        (answer,) = answers
        return answer

    def close(self) -> None:
        self.host.close()


class InProcessBench:
    def open(self, spec: HostSpec, tape: Tape = ()) -> InProcessOpened:
        return InProcessOpened(spec, tape)

    def close(self) -> None:
        """Nothing runs beside the caller."""


# In processes of their own


class ProcessBench:
    """A zygote, and a loop on which its hosts are called. `notes` is what the hosts told of."""

    def __init__(self, folder: Path) -> None:
        place = Workplace(
            tree=str(folder / "live/strategy"), store=str(folder / "store"), contract=CONTRACT_PLACE, strategies=()
        )
        self.process, sock = start_zygote(place, path=[str(HERE)])
        self.zygote = ZygoteLink(sock)
        self.loop = asyncio.new_event_loop()
        self.notes: list[str] = []

    def open(self, spec: HostSpec, tape: Tape = ()) -> "ProcessOpened":
        return ProcessOpened(self, spec, tape)

    def reach(self, spec: HostSpec) -> Descriptors:
        """Another process of a release."""
        return handed_over(self.zygote.fork(spec, ()))

    def run(self, story: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(story, ANSWER_S))

    def close(self) -> None:
        self.zygote.close()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.loop.close()


def handed_over(staged: StagedProcess) -> Descriptors:
    """What reaches a host's process, for another owner."""
    sock, pidfd, output = map(os.dup, staged.files())
    staged.close_here()
    return Descriptors(sock, pidfd, output)


class ProcessOpened:
    """`respawned` are the processes that were asked for after the first; `respawn` may be replaced before a call."""

    def __init__(self, bench: ProcessBench, spec: HostSpec, tape: Tape) -> None:
        self.bench = bench
        self.staged: StagedProcess = bench.zygote.fork(spec, tape)
        self.loaded = self.staged.loaded
        self.respawned = 0
        self.respawn: Callable[[HostSpec, Callable[[Descriptors | None], None]], None] = self._respawn
        self._host: ProcessHost | None = None
        self._is_open = True

    @property
    def host(self) -> ProcessHost:
        """The live host; from its first use on it is not staged any more."""
        if self._host is None:
            self._host = self.bench.run(self._live())
        assert self._host is not None
        return self._host

    async def _live(self) -> ProcessHost:
        host = ProcessHost(
            self.staged.spec,
            self.loaded,
            CONTRACT,
            handed_over(self.staged),
            loop=self.bench.loop,
            respawn=lambda spec, told: self.respawn(spec, told),  # noqa: PLW0108 - it may be replaced later
            on_note=self.bench.notes.append,
        )
        host.start()
        return host

    def _respawn(self, spec: HostSpec, told: Callable[[Descriptors | None], None]) -> None:
        self.respawned += 1
        told(self.bench.reach(spec))

    def submit(self, given: object = None, state: bytes | None = None) -> "asyncio.Future[Answer]":
        """Asks without waiting."""
        future: asyncio.Future[Answer] = self.bench.loop.create_future()
        before = self.loaded.first_state if state is None else state
        self.host.submit(given, msgspec.msgpack.encode(given), before, future.set_result)
        return future

    def ask(self, given: object = None, state: bytes | None = None) -> Answer:
        return self.answers(self.submit(given, state))[0]

    def answers(self, *asked: "asyncio.Future[Answer]") -> list[Answer]:
        """What was answered, as soon as all of it is."""
        return list(self.bench.run(_all(asked)))

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            (self.staged if self._host is None else self._host).close()


async def _all(asked: "tuple[asyncio.Future[Answer], ...]") -> list[Answer]:
    return [await each for each in asked]


def bench_of(kind: str, folder: Path) -> Bench:
    return InProcessBench() if kind == "in process" else ProcessBench(folder)


def host_of(opened: Opened) -> Host:
    assert isinstance(opened, InProcessOpened | ProcessOpened)
    return opened.host
