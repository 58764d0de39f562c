"""The workshop: takes releases into the store and brings them to where only the commit is left.

Plain, blocking code. It answers orders with news and has no say over what runs: the program commits, keeps and rolls
back, and tells the workshop, which writes it down.
"""

import contextlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import msgspec

from tesseract.calls import HostSpec
from tesseract.errors import ReleaseRefused, TesseractError
from tesseract.git_branch import Commit, GitBranch, GitRefused
from tesseract.imports import reach_digest
from tesseract.life import BARRED, State, is_legal
from tesseract.orders import (
    Drop,
    Live,
    Moved,
    News,
    Noticed,
    Order,
    ReadyHost,
    Refused,
    Running,
    Stage,
    Staged,
    Take,
    Taken,
    Waiting,
    Workplace,
)
from tesseract.release import Release, read_tree, require_apart
from tesseract.resident import Resident
from tesseract.staging import Opener, Ready, RefusedAt, stage
from tesseract.store import ReleaseStore
from tesseract.store_entry import iso

UNWRITTEN_MAX = 1_000
"""Moves that wait for the disk; a store that has taken nothing for so long misses the oldest."""


class Workshop:
    """Everything about releases but their going live."""

    def __init__(
        self, place: Workplace, opener: Opener, now_ns: Callable[[], int], *, resident: Resident | None = None
    ) -> None:
        self.place = place
        self.store = ReleaseStore(Path(place.store))
        self.resident = resident or Resident(place.resident)
        self._opener = opener
        self._now_ns = now_ns
        self._live: dict[str, Running] = {}
        self._taken: dict[str, Taken] = {}
        self._reach: dict[tuple[str, str], str] = {}
        self._ready: dict[str, list[Ready]] = {}
        self._unwritten: list[tuple[int, State, str]] = []
        self._trouble = ""

    def obey(self, order: Order, tape_files: list[int] | None = None) -> list[News]:
        """Does what is asked, and returns what there is to say. Moves that the disk does not take are tried again at
        the next order: a full disk ends nothing."""
        told = self._trouble
        self._write_down()
        return [*self._do(order, tape_files or []), *self._trouble_since(told)]

    def settle(self) -> list[News]:
        """Writes down what an order has brought about, once that has been told: nobody waits for the disk on the way to
        the commit."""
        told = self._trouble
        self._write_down()
        return self._trouble_since(told)

    def _trouble_since(self, told: str) -> list[News]:
        return [Noticed(self._trouble)] if self._trouble and not told else []

    def _do(self, order: Order, tape_files: list[int]) -> list[News]:
        match order:
            case Live(strategies=strategies, moves=moves):
                self._live = dict(strategies)
                self._moved(*moves)
                return []
            case Moved():
                self._moved(order)
                return []
            case Take():
                return self._noted(order, self._take(order))
            case Stage():
                return [self._stage(order, tape_files)]
            case Drop(request=request, why=why):
                taken = self._taken.pop(request, None)
                if taken is not None and taken.what != "params":
                    self._drop(taken.release.number, why)
                return []

    def hosts_of(self, request: str) -> list[Ready]:
        """The hosts behind a `Staged`; whoever asks has them from now on."""
        return self._ready.pop(request, [])

    def take_files(
        self, files: dict[str, bytes], take: Take, *, commit: str = "", saved_ns: int = 0, package: str = ""
    ) -> News:
        """A tree that somebody has read already: a save, or a commit."""
        number = self._live_number()
        try:
            self._require_apart(take)
            release = self.store.take(
                files,
                package or self.place.package,
                origin=take.origin,
                author=take.author,
                note=take.note,
                commit=commit,
                parent=number,
                now_ns=self._now_ns(),
            )
        except (TesseractError, OSError) as error:
            return Refused(take.request, "", "snapshot", _problems(error))
        return self._taken_release(release, take, saved_ns)

    def _take(self, take: Take) -> News:
        try:
            if take.what == "params":
                return self._taken_params(take)
            if take.what == "kept":
                return self._taken_release(self._newest_kept(), take, 0)
            if take.what == "release":
                return self._taken_release(self.store.release(_number(take.where)), take, 0)
            if take.what == "commit":
                return self._take_commit(take)
            tree = Path(take.where) if take.where else Path(self.place.tree)
            theirs = self.resident.file_in(tree)
            if theirs is not None:
                text = f"needs handover: {theirs} is resident code, and only a new process runs another"
                return Refused(take.request, "", "snapshot", (text,))
            self._require_apart(take)  # before the tree is read: with the store in it, it may be any size
            return self.take_files(read_tree(tree), take, package=self.place.package)
        except (TesseractError, OSError, KeyError, ValueError) as error:
            return Refused(take.request, "", "snapshot", _problems(error))

    def _require_apart(self, take: Take) -> None:
        """Of the live tree alone, which is taken again when it changes; a folder that is named is taken once."""
        if take.what == "tree" and not take.where:
            require_apart(Path(self.place.tree), Path(self.place.store))

    def _newest_kept(self) -> Release:
        kept = self.store.newest_kept()
        if kept is None:
            raise ValueError("no release has been kept yet")
        return self.store.release(kept.number)

    def _noted(self, take: Take, taken: News) -> list[News]:
        """With the note beside the release, which the store may have had before: who saves a file and then deploys it
        with a note finds that the watch was faster."""
        if not take.note or not isinstance(taken, Taken) or taken.what == "params":
            return [taken]
        try:
            entry = self.store.note(taken.release.number, author=take.author, note=take.note)
        except OSError as error:
            return [Noticed(f"the note to {taken.release.name} cannot be written: {error}"), taken]
        release = msgspec.structs.replace(taken.release, origin=entry.origin, author=entry.author, note=entry.note)
        taken = self._taken[take.request] = msgspec.structs.replace(taken, release=release)
        if entry.note == take.note:
            return [taken]
        return [Noticed(f"{entry.name} keeps the note that it has, {entry.note!r}, and not {take.note!r}"), taken]

    def _take_commit(self, take: Take) -> News:
        if not self.place.branch:
            text = f"{take.where}: no branch is named to find commits in; deploy the tree or a release"
            return Refused(take.request, "", "snapshot", (text,))
        try:
            branch = self._followed
            commit = branch.resolve(take.where)
            files = branch.files(commit.sha)
        except GitRefused as error:
            text = error.to_a_follower if self.place.follow == "git" else str(error)
            return Refused(take.request, "", "snapshot", (text,))
        return self.take_files(files, named_after(take, commit), commit=commit.sha)

    @cached_property
    def _followed(self) -> GitBranch:
        return self.branch("orders")

    def branch(self, user: str) -> GitBranch:
        """The followed branch, with a working folder for one user: the watch has another one than the orders."""
        place = self.place
        repository = place.repository or str(Path(place.tree).parent)
        work = Path(place.store).parent / "git" / user
        return GitBranch(repository, place.branch, subfolder=place.subfolder, work=work)

    def waiting(self) -> Waiting:
        """The commits of the followed branch that are not live. Raises GitRefused when the branch cannot be read."""
        shas = {running.release.commit for running in self._live.values()}
        ahead_of = next(iter(shas)) if len(shas) == 1 else ""
        found = self._followed.poll(ahead_of=ahead_of, now_ns=self._now_ns())
        since = "" if found.oldest_at_ns is None else iso(found.oldest_at_ns)
        return Waiting(found.commits, since, found.head.sha)

    def _taken_params(self, take: Take) -> News:
        """What runs, with other parameters. The releases themselves do not move."""
        newest = max((running.release for running in self._live.values()), key=lambda each: each.number)
        taken = Taken(
            request=take.request,
            release=newest,
            strategies=tuple(self._live),
            revision=take.revision,
            overrides=take.overrides or {},
            what="params",
            against=self._against(),
        )
        self._taken[take.request] = taken
        return taken

    def _taken_release(self, release: Release, take: Take, saved_ns: int) -> News:
        reached = self._reached(release)
        barred = None if take.is_forced or not reached else self.store.is_barred(release.digest)
        if barred is not None:
            return Refused(take.request, release.name, "snapshot", (barred,))
        if reached:
            self._begin(release)
        taken = Taken(
            request=take.request,
            release=release,
            strategies=reached,
            revision=take.revision or max((running.revision for running in self._live.values()), default=1),
            overrides=self._overrides() if take.overrides is None else take.overrides,
            what="release",
            against=self._against(),
            keeps_params=take.overrides is None and not take.revision,
            saved_ns=saved_ns,
        )
        self._taken[take.request] = taken
        return taken

    def _reached(self, release: Release) -> tuple[str, ...]:
        """The strategies whose code differs from what runs; all of them while nothing does."""
        return tuple(
            strategy.name
            for strategy in self.place.strategies
            if (running := self._live.get(strategy.name)) is None
            or self._reach_of(release, strategy.module) != self._reach_of(running.release, strategy.module)
        )

    def _reach_of(self, release: Release, module: str) -> str:
        key = (release.digest, module)
        if key not in self._reach:
            while len(self._reach) > 64:
                self._reach.pop(next(iter(self._reach)))
            self._reach[key] = reach_digest(read_tree(release.path), release.package, module)
        return self._reach[key]

    def _stage(self, order: Stage, files: list[int]) -> News:
        taken = self._taken.pop(order.request, None)
        if taken is None:
            return Refused(order.request, "", "stage", ("the stager's process ended before its turn came; ask again",))
        tape = list(zip(files, order.tape, strict=True))
        try:
            ready, report = stage(
                self._opener,
                self._specs(taken),
                order.now,
                tape,
                tape_ns=order.tape_ns,
                rules=self.place.rules,
                keys=order.keys,
                later=order.later,
            )
        except RefusedAt as refused:
            return self._refused(taken, refused.step, refused.problems)
        except (TesseractError, OSError, TimeoutError) as error:
            return self._refused(taken, "stage", _problems(error))
        if taken.what != "params":
            self._note(taken.release.number, "rehearsed", report.sentence())
        self._ready[order.request] = ready
        hosts = tuple(ReadyHost(one.strategy, one.spec, one.host.loaded, one.states) for one in ready)
        return Staged(order.request, hosts, report)

    def _specs(self, taken: Taken) -> list[tuple[str, HostSpec]]:
        modules = {strategy.name: strategy.module for strategy in self.place.strategies}
        return [
            (
                name,
                HostSpec(
                    release=self._live[name].release if taken.what == "params" else taken.release,
                    module=modules[name],
                    contract=self.place.contract,
                    overrides=taken.overrides,
                    revision=taken.revision,
                    budget_ns=self.place.rules.budget_ns,
                    import_ns=self.place.rules.import_ns,
                    memory_bytes=self.place.rules.memory_bytes,
                ),
            )
            for name in taken.strategies
        ]

    def _refused(self, taken: Taken, step: str, problems: tuple[str, ...]) -> News:
        if taken.what != "params":
            is_override = all(problem.startswith("parameter ") for problem in problems)  # the content is not at fault
            to = "superseded" if is_override else "rejected"
            self._move(taken.release.number, to, f"at {step}: {problems[0]}")
        name = f"parameters r{taken.revision}" if taken.what == "params" else taken.release.name
        return Refused(taken.request, name, step, problems)

    def _drop(self, number: int, why: str) -> None:
        """A release that has not been live yet is superseded by its being dropped; any other is what it was."""
        if self.store.entry(number).state in ("staged", "rehearsed"):
            self._move(number, "superseded", why)

    def _begin(self, release: Release) -> None:
        state = self.store.entry(release.number).state
        if state in BARRED or state == "superseded":
            self._move(release.number, "staged", "asked for again")

    def _moved(self, *moves: Moved) -> None:
        for move in moves:
            if not (move.unless_kept and self.store.entry(move.number).state == "kept"):
                self._move(move.number, move.state, move.why)
        if moves:
            self._prune()

    def _move(self, number: int, state: str, why: str) -> None:
        """Writes a move down, or notes it until the disk takes it."""
        self._note(number, state, why)
        self._write_down()

    def _note(self, number: int, state: str, why: str) -> None:
        to: State = state  # type: ignore[assignment]  # the orders carry names of the table
        del self._unwritten[: -UNWRITTEN_MAX + 1]
        self._unwritten.append((number, to, why))

    def _write_down(self) -> None:
        try:
            while self._unwritten:
                self._write_move(*self._unwritten[0])
                del self._unwritten[0]
            self._trouble = ""
        except OSError as error:
            self._trouble = f"the store cannot be written: {error}; it is tried again, and what runs goes on"

    def _write_move(self, number: int, to: State, why: str) -> None:
        """A move that the table does not have (a kept release that is staged again) is none. A kept release that goes
        live again, at a start or because somebody went back to it, has proved itself already, and is what a start after
        a crash comes back to."""
        before = self.store.entry(number).state
        if is_legal(before, to):
            self.store.move(number, to, why, self._now_ns())
        if (before, to) == ("kept", "live"):
            self._unwritten.insert(1, (number, "kept", "it had been kept before"))

    def _prune(self) -> None:
        with contextlib.suppress(OSError):  # a disk that lets nothing go is told when something is to be written
            self.store.prune(self.place.keep)

    def _live_number(self) -> int | None:
        return max((running.release.number for running in self._live.values()), default=None)

    def _against(self) -> dict[str, tuple[int, int]]:
        return {name: (running.release.number, running.revision) for name, running in self._live.items()}

    def _overrides(self) -> dict[str, object]:
        newest = max(self._live.values(), key=lambda running: running.revision, default=None)
        return {} if newest is None else newest.overrides


def named_after(take: Take, commit: Commit) -> Take:
    """A commit's author and subject are the release's, where nobody gave others."""
    author = commit.author if take.origin == "git" else take.author or commit.author
    return msgspec.structs.replace(take, author=author, note=take.note or commit.subject)


def _number(name: str) -> int:
    """`v12` or `12`. Raises ValueError for anything else."""
    if not name.removeprefix("v").isdecimal():
        raise ValueError(f"{name!r} is no release; write a name such as v12")
    return int(name.removeprefix("v"))


def _problems(error: Exception) -> tuple[str, ...]:
    if isinstance(error, ReleaseRefused):
        return tuple(f"{error.tree}: {problem}" for problem in error.problems)
    if isinstance(error, KeyError):
        return (f"there is no release {error.args[0]}",)
    return (str(error),)
