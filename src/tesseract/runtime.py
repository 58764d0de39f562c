"""Tesseract for a program: a seam whose live code is watched, deployed, put on probation, kept and taken back.

    async with Runtime(place, on_event=print) as runtime:
        outcome = await runtime.ask("btc", headline)

In a running program the live code has processes of its own. With `in_process=True` everything happens inside the
caller, at once and on its thread: for simulation and tests.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, NoReturn, Self, TypeVar

import msgspec

from tesseract.contract import contract_at, folder_left_out
from tesseract.deploy_events import Event, NotDone, Notice, WentLive
from tesseract.deployer import Deployer
from tesseract.errors import ReleaseRefused, RequestRefused
from tesseract.links import InProcessLink, WorkshopLink
from tesseract.needs import PREPARE_S, Needs, Prepare, ready_at_once
from tesseract.orders import Take, Waiting, Workplace
from tesseract.outcomes import Deliver, Outcome
from tesseract.priority import be_prompt
from tesseract.process_link import ProcessLink
from tesseract.round_trips import RoundTrips, RoundTripTimes
from tesseract.seam import Seam
from tesseract.store import ReleaseStore
from tesseract.tape import Tape
from tesseract.wall import wall_ns
from tesseract.wire import frame

Value = TypeVar("Value", bound=msgspec.Struct)
TAPE_NS = 3_600 * 1_000_000_000
START = "start"
SHADOW_S_MAX = 7 * 86_400
"""A shadow that runs longer is a release that nobody decides about."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks. `action` is `deploy` (of `what`: tree, commit or release, `where` it is), `rollback` (of
    what is on probation, or to the release named in `where`), `keep`, or `params` (with `overrides` and `revision`).
    A deploy may be for some keys first (`canary`), a shadow for so many seconds of the program's time first
    (`shadow_s`), and of content that is barred (`is_forced`). `id` and `author` are the caller's; both are told."""

    id: str
    action: str
    author: str
    what: str = "tree"
    where: str = ""
    note: str = ""
    canary: tuple[str, ...] = ()
    shadow_s: float = 0.0
    is_forced: bool = False
    overrides: dict[str, object] | None = None
    revision: int = 0


class Runtime(Generic[Value]):
    """One program's live code."""

    def __init__(
        self,
        place: Workplace,
        *,
        on_event: Callable[[Event], None] = lambda _event: None,
        on_note: Callable[[str], None] = lambda _text: None,
        strategy_of: Callable[[str], str] = lambda _key: "",
        keys: Iterable[str] = (),
        rounds: int = 12,
        tape_ns: int = TAPE_NS,
        path: Sequence[str] = (),
        in_process: bool = False,
        now_ns: Callable[[], int] = wall_ns,
        prepare: Prepare = ready_at_once,
        prepare_s: float = PREPARE_S,
        on_needs: Callable[[tuple[str, ...]], None] = lambda _needs: None,
    ) -> None:
        """Nothing runs before `start`. `path` goes in front of `sys.path` where the contract is imported; live code can
        import from there too, but never from a folder around the live tree or the store. A probation lasts `rounds`
        answers of each key, the tape reaches back `tape_ns` of the program's time, and `now_ns` is the clock of the
        store and of `ask`. With `in_process` nothing is followed: each deploy is a request. `keys` are those that will
        be called: a request may name them before their first call.

        Where the contract lets releases need something, `prepare(needs, done)` is asked to have it ready before a
        commit: it calls `done(None)`, or `done` with a sentence that refuses the release, at once or within
        `prepare_s`. `on_needs` is told all that is needed whenever that changes."""
        self.place = place
        self.seam: Seam[Value] = Seam(
            contract_at(place.contract), tape=Tape(tape_ns), strategy_of=strategy_of, rounds=rounds
        )
        self._on_event = on_event
        self._on_note = on_note
        self._path = tuple(path)
        self._keys = frozenset(keys)
        self._in_process = in_process
        self._now_ns = now_ns
        self._needs = Needs(prepare, on_needs, prepare_s)
        self._link: WorkshopLink | None = None
        self._deployer: Deployer | None = None
        self._started: asyncio.Future[None] | None = None
        self._first: NotDone | None = None

    # Starting

    async def start(self, *, overrides: dict[str, object] | None = None, revision: int = 1) -> None:
        """Brings the newest kept release live, or else the live tree. Raises ReleaseRefused when neither can be used;
        nothing is left running then. A tree that differs from what was kept goes through the pipeline afterwards."""
        self._started = asyncio.get_running_loop().create_future()
        try:
            self._require_path()
            takes = self._first_takes(overrides or {}, revision)
            self._open()
            for take in takes:
                self._first = None
                self._running().take(take)
                await self._live_or_refused()
                if self.seam.strategies:
                    return
            raise self._none_can_be_used()  # noqa: TRY301 - what was begun is ended in one place
        except BaseException:  # a cancelled start as well: nothing may be left running
            self.close()
            raise

    def start_in_process(self, *, overrides: dict[str, object] | None = None, revision: int = 1) -> None:
        """As `start`, without a loop, for hosts inside this process."""
        assert self._in_process, "a process of its own needs a loop"
        takes = self._first_takes(overrides or {}, revision)
        self._open()
        for take in takes:
            self._running().take(take)
            if self.seam.strategies:
                return
        raise self._none_can_be_used()

    def _require_path(self) -> None:
        """Raises ReleaseRefused, and tells, when the contract is out of reach of the runtime's processes."""
        folder = None if self._in_process else folder_left_out(self.place.contract, self._path)
        if folder is not None:
            module = self.place.contract.partition(":")[0]
            cannot = f"the contract's module {module!r} cannot be imported in the runtime's processes"
            text = f"{cannot}: `path` must name its folder, {folder}; nothing is running yet"
            self._happened(NotDone(START, text, is_refused=True, step="stage"))
            raise self._none_can_be_used()

    def _none_can_be_used(self) -> ReleaseRefused:
        assert self._first is not None
        return ReleaseRefused(self.place.package, [self._first.text])

    def _open(self) -> None:
        if self._in_process:
            self._link = InProcessLink(self.place, self.seam.contract, self._now_ns)
        else:
            be_prompt()
            self._link = ProcessLink(self.place, path=self._path, on_note=self._on_note)
            self.seam.standbys.later = asyncio.get_running_loop().call_soon
        self._deployer = Deployer(self.seam, self._link, self._happened, self._needs)

    def _first_takes(self, overrides: dict[str, object], revision: int) -> list[Take]:
        store = ReleaseStore(Path(self.place.store))  # before there is a workshop: one process writes
        if store.healed:
            self._on_event(Notice(store.healed))
        kept = store.newest_kept()
        common = {"request": START, "origin": "start", "overrides": overrides, "revision": revision, "is_forced": True}
        author = os.environ.get("USER", "")
        takes = [Take(what="tree", author=author, **common)]  # type: ignore[arg-type]  # a dict of several types
        if kept is not None:
            takes.insert(0, Take(what="release", where=f"v{kept.number}", **common))  # type: ignore[arg-type]
        return takes

    async def _live_or_refused(self) -> None:
        assert self._started is not None
        await self._started
        self._started = asyncio.get_running_loop().create_future()

    def _happened(self, event: Event) -> None:
        if isinstance(event, NotDone) and event.request == START:
            self._first = event
        started = self._started
        is_word = isinstance(event, NotDone | WentLive) and event.request == START
        if is_word and started is not None and not started.done():
            started.set_result(None)
        self._on_event(event)

    # Calling

    def submit(
        self, key: str, given: object, deliver: Deliver[Value], *, at_ns: int, encoded: bytes | None = None
    ) -> None:
        """See `Seam.submit`. `at_ns` is the program's own time, for the tape."""
        self.seam.submit(key, given, deliver, at_ns=at_ns, encoded=encoded)

    async def ask(self, key: str, given: object, *, at_ns: int | None = None) -> Outcome[Value]:
        """Asks live code and waits for the outcome; what it does is never raised. `at_ns` is the program's time, the
        wall clock when it is not given. When the one who waits is cancelled, the call still counts."""
        future: asyncio.Future[Outcome[Value]] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome[Value]) -> None:
            if not future.done():
                future.set_result(outcome)

        self.seam.submit(key, given, deliver, at_ns=self._now_ns() if at_ns is None else at_ns)
        return await future

    # Operating

    def request(self, request: Request) -> None:
        """Carries out what an operator asks; what comes of it is told by events with the request's id. Raises
        RequestRefused for what cannot be done; nothing has changed then."""
        deployer = self._running()
        match request.action:
            case "rollback" if not request.where:
                deployer.probation.roll_back(request.id, request.author)
            case "keep":
                deployer.probation.keep(request.id, request.author)
            case "deploy" | "rollback" | "params":
                self._require_encodable(request)
                deployer.take(
                    self._take(request),
                    canary=self._known_keys(request.canary),
                    shadow_ns=self._shadow_ns(request.shadow_s),
                    called=_called(request),
                )
            case _:
                self._refuse(f"{request.action!r} is no action; the actions are deploy, rollback, keep, params")

    def _take(self, request: Request) -> Take:
        what = {"rollback": "release", "params": "params"}.get(request.action, request.what)
        return Take(
            request=request.id,
            what=what,
            where=request.where,
            author=request.author,
            note=request.note,
            is_forced=request.is_forced or request.action == "rollback",
            overrides=request.overrides,
            revision=request.revision,
        )

    def _shadow_ns(self, shadow_s: float) -> int:
        if not 0 <= shadow_s <= SHADOW_S_MAX:
            self._refuse(f"shadow_s is {shadow_s:g}, and must be between 0 and {SHADOW_S_MAX} (7 days)")
        return round(shadow_s * 1e9)

    def _require_encodable(self, request: Request) -> None:
        """An integer over 64 bits, for one, does not cross to the stager."""
        try:
            frame(request)
        except (OverflowError, TypeError, ValueError, NotImplementedError, RecursionError) as error:
            self._refuse(f"the request cannot be encoded: {error}")

    def _known_keys(self, keys: Iterable[str]) -> tuple[str, ...]:
        callable_now = self._keys | self.seam.routes.keys()
        unknown = [key for key in keys if key not in callable_now]
        if unknown:
            known = ", ".join(sorted(callable_now)) or "none yet"
            self._refuse(f"{', '.join(unknown)}: nothing of that name is called; the keys are {known}")
        return tuple(keys)

    def _refuse(self, why: str) -> NoReturn:
        raise RequestRefused(f"{why}; {self.seam.running()} is still running")

    def pin(self, release: str = "") -> None:
        """From now on nothing but this release, by its name, and parameters go live; empty for whatever comes. What
        runs is not touched; a release on probation can still be taken back."""
        self._running().pin = release

    def trip(self, release: str, text: str) -> None:
        """A tripwire of the program: takes `release` back if it is on probation."""
        self._running().probation.trip(release, text)

    @property
    def deployer(self) -> Deployer:
        return self._running()

    @property
    def waiting(self) -> Waiting:
        """The commits of the followed branch that are not live."""
        return Waiting(0, "", "") if self._deployer is None else self._deployer.waiting

    def round_trips(self) -> RoundTripTimes:
        """How long calls take beside the live function."""
        return RoundTrips().times() if self._link is None else self._link.round_trips.times()

    def _running(self) -> Deployer:
        assert self._deployer is not None, "the runtime has not been started"
        return self._deployer

    def close(self) -> None:
        """Ends every process and host."""
        if self._deployer is not None:
            self._deployer.close()
        self.seam.close()
        if self._link is not None:
            self._link.close()
        if self.seam.tape is not None:
            self.seam.tape.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _called(request: Request) -> str:
    """The name of what is asked for in a sentence; a deploy has its release's, once there is one."""
    if request.action == "rollback":
        return f"the rollback to {request.where}"
    return f"the change to parameters r{request.revision}" if request.action == "params" else ""
