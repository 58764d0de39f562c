"""A running program for the conformance tests: real files, a real store, and, for the process host, real processes.

    with a_program(tmp_path, host="process", files={"__init__.py": HEAD + BODY}) as program:
        assert program.ask("btc").value == 1
        verdict = program.deploy({"__init__.py": HEAD + OTHER_BODY})
        assert verdict.is_live

`deploy` writes the tree and asks for a deploy; `save` only writes, and waits for what the watch makes of it.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from conformance.resident import CONTRACT, Given, Told
from tesseract import Outcome, Request, Rules, Runtime, Strategy, Workplace
from tesseract.deploy_events import Event, Kept, NotDone, Notice, WentBack, WentLive

TESTS = Path(__file__).parent.parent
CONTRACT_PLACE = "conformance.resident:CONTRACT"
HOSTS = ("process", "in_process")
WAIT_S = 30.0
assert CONTRACT is not None

HEAD = """
import msgspec


class Params(msgspec.Struct, frozen=True):
    step: int = 1


class State(msgspec.Struct, frozen=True):
    seen: int = 0


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None
    stake: float | None = None

"""
"""Params, State and Result; what follows must define `decide(given, state, params)`."""

Files = Mapping[str, str | bytes | None]
"""Relative path to content; None removes the file."""


class Verdict(msgspec.Struct, frozen=True):
    """What became of one deploy: `event` is its last word, `text` its sentence."""

    event: Any

    @property
    def is_live(self) -> bool:
        return isinstance(self.event, WentLive)

    @property
    def is_refused(self) -> bool:
        return isinstance(self.event, NotDone) and self.event.is_refused

    @property
    def text(self) -> str:
        """The sentence of the event."""
        return str(self.event.text)

    @property
    def step(self) -> str:
        return self.event.step if isinstance(self.event, NotDone) else ""

    @property
    def notes(self) -> tuple[str, ...]:
        return self.event.report.notes if isinstance(self.event, WentLive) else ()


class Program:
    """One program with one seam; everything on the caller's thread."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop, runtime: Runtime[Told], tree: Path) -> None:
        self.folder = folder
        self.tree = tree
        self.loop = loop
        self.runtime = runtime
        self.events: list[Event] = []
        self.printed: list[str] = []
        self._count = 0
        self._at_ns = 0

    # Live code

    def ask(self, key: str = "btc", number: int = 0, *, text: str = "", numbers: tuple[int, ...] = ()) -> Outcome[Told]:
        """One call, five seconds of the program's own time after the last."""
        self._at_ns += 5_000_000_000
        return self.run(self.runtime.ask(key, Given(number, text, numbers), at_ns=self._at_ns))

    def ask_all(self, *questions: tuple[str, int]) -> list[Outcome[Told]]:
        """Calls (key, number) of one instant, none of which waits for another; the outcomes in the same order."""
        self._at_ns += 5_000_000_000
        calls = [self.runtime.ask(key, Given(number), at_ns=self._at_ns) for key, number in questions]
        return self.run(together(*calls))

    def value(self, key: str = "btc", number: int = 0, **given: Any) -> Any:
        """The value of one call, which must have one."""
        outcome = self.ask(key, number, **given)
        assert outcome.fault is None, outcome.fault.text
        assert outcome.value is not None
        return outcome.value.value

    def state(self, key: str = "btc") -> Any:
        """The key's state as plain data."""
        return msgspec.msgpack.decode(self.runtime.seam.state_of(key))

    @property
    def running(self) -> str:
        """The name of the release that answers new keys."""
        return self.runtime.seam.running()

    # Deploys

    def write(self, files: Files) -> None:
        """Changes files of the live tree."""
        write_files(self.tree, files)

    def replace(self, files: Files) -> None:
        """Makes the live tree hold these files and no others."""
        shutil.rmtree(self.tree)
        write_files(self.tree, files)

    def deploy(self, files: Files = {}, **request: Any) -> Verdict:  # noqa: B006 - never written to
        """Writes the files, asks for a deploy and waits for its verdict."""
        self.write(files)
        return self.request(action="deploy", **request)

    def request(self, **asked: Any) -> Verdict:
        """Carries out a request and waits for its verdict. Raises RequestRefused for one that is refused at once."""
        self._count += 1
        request = Request(id=f"r{self._count}", author="ana", **asked)
        self.runtime.request(request)
        return Verdict(self.wait_for(lambda event: getattr(event, "request", None) == request.id and is_last(event)))

    def save(self, files: Files, *, settle_s: float = 0.0) -> Verdict:
        """Writes the files, and waits for what the watch makes of them."""
        before = len(self.events)
        self.write(files)
        return self.watched(before)

    def watched(self, since: int) -> Verdict:
        """The next verdict on a deploy that the watch began, after the first `since` events."""
        return Verdict(
            self.wait_for(
                lambda event: str(getattr(event, "request", "")).startswith("watch-") and is_last(event), since=since
            )
        )

    def keep(self) -> None:
        """Declares what is on probation good."""
        self.runtime.request(Request(id="keep", action="keep", author="ana"))

    def roll_back(self) -> None:
        """What is put back has then answered everything that its successor has."""
        self.runtime.request(Request(id="back", action="rollback", author="ana"))
        self.wait_until(lambda: not any(route.is_behind for route in self.runtime.seam.routes.values()))

    def happened(self, kind: type[Any]) -> list[Any]:
        """All events of a kind, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]

    # Time

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(awaitable, WAIT_S))

    def wait_for(self, is_it: Callable[[Event], bool], *, since: int = 0) -> Any:
        """The first event after `since` that is meant, the loop running meanwhile. Fails after a while."""

        def found() -> Event | None:
            return next(filter(is_it, self.events[since:]), None)

        self.wait_until(lambda: found() is not None, lambda: f"it did not happen; what did: {self.events[since:]}")
        return found()

    def wait_until(
        self, is_so: Callable[[], bool], what: Callable[[], str] = lambda: "it did not come to that"
    ) -> None:
        """Looks again and again, the loop running meanwhile. Fails with `what()` after a while."""
        end_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < end_s, what()
            self.pause(0.005)

    def pause(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))


async def together(*calls: Any) -> list[Any]:
    return list(await asyncio.gather(*calls))


def is_last(event: Event) -> bool:
    """Whether nothing more is said about the request of this event."""
    return isinstance(event, WentLive | NotDone | WentBack | Kept)


def write_files(tree: Path, files: Files) -> None:
    for relative, content in files.items():
        path = tree / relative
        if content is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@contextmanager
def a_program(
    folder: Path,
    *,
    host: str,
    files: Files,
    follow: str = "none",
    rounds: int = 12,
    budget_s: float = 0.5,
    rehearse_s: float = 900.0,
    import_s: float = 10.0,
    contract: str = CONTRACT_PLACE,
    strategies: Mapping[str, str] | None = None,
    strategy_of: Callable[[str], str] = lambda _key: "",
    package: str = "strategy",
    path: Sequence[str] = (),
    hooks: Mapping[str, Any] = {},
    **place: Any,
) -> Iterator[Program]:
    """Starts a program on a tree of these files; everything of it has ended when the block is left. `hooks` are further
    arguments of the runtime."""
    tree = folder / package
    write_files(tree, files)
    loop = asyncio.new_event_loop()
    workplace = Workplace(
        tree=str(tree),
        store=str(folder / "data" / "releases"),
        contract=contract,
        strategies=tuple(Strategy(name, module) for name, module in (strategies or {"": package}).items()),
        package=package,
        follow=follow,
        rules=Rules(
            budget_ns=round(budget_s * 1e9), rehearse_ns=round(rehearse_s * 1e9), import_ns=round(import_s * 1e9)
        ),
        **place,
    )
    program: Program
    runtime: Runtime[Told] = Runtime(
        workplace,
        on_event=lambda event: program.events.append(event),  # noqa: PLW0108 - the program is made after this
        on_note=lambda text: program.printed.append(text),  # noqa: PLW0108
        strategy_of=strategy_of,
        rounds=rounds,
        path=[str(TESTS), *path],
        in_process=host == "in_process",
        **hooks,
    )
    program = Program(folder, loop, runtime, tree)
    try:
        program.run(runtime.start())
        yield program
    finally:
        runtime.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


__all__ = ["HEAD", "HOSTS", "Notice", "Program", "Verdict", "a_program", "write_files"]
