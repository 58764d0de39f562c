"""Staging: a release in its hosts, checked, with the state carried over, and rehearsed; or every reason why not.

Plain code that waits for each step. In a running program it runs in the stager's process; with hosts inside the
caller it runs there. Nothing of the live release is touched by it: what it returns is only ready to go live.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tesseract.calls import CarriedOver, HostSpec, Loaded, Rehearse, Rehearsed, is_told
from tesseract.errors import ReleaseRefused
from tesseract.host import StagedHost

REHEARSAL_S = 60.0
"""A rehearsal may take so long in all; its process is killed then."""
EVERYTHING_NS = -(2**62)


class Strategy(msgspec.Struct, frozen=True):
    """A strategy of the live package: its name, and its module. A package is a strategy itself, named ``."""

    name: str
    module: str


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`rehearse_ns` of tape are rehearsed, none with 0. A call may take `budget_ns`, and so may all calls of one
    instant together. An import may take `import_ns`: it may read tables and compile thousands of lines, and it may not
    go on for ever. `memory_bytes` is what one host may use."""

    rehearse_ns: int = 900 * 1_000_000_000
    budget_ns: int = 400_000_000
    import_ns: int = 10_000_000_000
    memory_bytes: int = 1024 * 1024 * 1024


class StateNow(msgspec.Struct, frozen=True):
    """The states of some keys of a strategy, with the schema that they are encoded by."""

    states: dict[str, bytes]
    schema: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What staging found, for people. Decisions that differ are no reason to refuse: they are why one deploys."""

    evaluations: int = 0
    compared: int = 0
    differing: int = 0
    examples: tuple[str, ...] = ()
    mean_us: float = 0.0
    slowest_ms: float = 0.0
    notes: tuple[str, ...] = ()

    def sentence(self) -> str:
        if not self.evaluations:
            return "nothing was on the tape to rehearse"
        return (
            f"rehearsed on {self.evaluations} evaluations ({self.mean_us:.0f} us each, slowest"
            f" {self.slowest_ms:.1f} ms); {self.differing} of {self.compared} decisions differ"
        )


class Ready(msgspec.Struct, frozen=True):
    """One strategy that may go live: its host, and the states that it begins with."""

    strategy: str
    spec: HostSpec
    host: StagedHost
    states: dict[str, bytes]


class Opener(Protocol):
    """Starts hosts. `pair` gives a twin beside the host, started with another hash seed, where there is such a thing:
    two runs that must agree."""

    def open(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> StagedHost: ...
    def open_twin(self, spec: HostSpec, tape: Sequence[tuple[int, int]]) -> StagedHost: ...
    def rehearse_both(self, host: StagedHost, twin: StagedHost, asked: Rehearse) -> tuple[Rehearsed, Rehearsed]: ...


class RefusedAt(Exception):
    """Why a release may not go live, and at which step."""

    def __init__(self, step: str, problems: Sequence[str]) -> None:
        super().__init__(step, problems)
        self.step = step
        self.problems = tuple(problems)


def stage(
    opener: Opener,
    specs: Sequence[tuple[str, HostSpec]],
    now: dict[str, tuple[StateNow, ...]],
    tape: Sequence[tuple[int, int]],
    *,
    tape_ns: int,
    rules: Rules,
    keys: Mapping[str, frozenset[str]] = {},
    later: frozenset[int] = frozenset(),
) -> tuple[list[Ready], Report]:
    """Brings every strategy in `specs` (name, spec) to where only the commit is left. `tape_ns` is the tape's newest
    time, `keys` are those of each strategy on it, and the inputs in `later` are on it although they still come. Raises
    RefusedAt, with all problems of the step that failed, and no host left behind."""
    ready: list[Ready] = []
    reports = []
    problems: list[str] = []
    step = "stage"
    try:
        for name, spec in specs:
            asked = Rehearse(tape_ns - rules.rehearse_ns, rules.budget_ns, keys=keys.get(name), later=later)
            try:
                one, report = _stage_one(opener, name, spec, now.get(name, ()), tape, asked=asked, rules=rules)
            except RefusedAt as refused:
                step = refused.step
                problems += refused.problems
            else:
                ready.append(one)
                reports.append(report)
    except BaseException:  # Ctrl-C as well: no host may be left behind
        _close(ready)
        raise
    if problems:
        _close(ready)
        raise RefusedAt(step, list(dict.fromkeys(problems)))  # strategies can share the file that is at fault
    return ready, _together(reports)


def _close(ready: Sequence[Ready]) -> None:
    for one in ready:
        one.host.close()


def _stage_one(
    opener: Opener,
    name: str,
    spec: HostSpec,
    now: tuple[StateNow, ...],
    tape: Sequence[tuple[int, int]],
    *,
    asked: Rehearse,
    rules: Rules,
) -> tuple[Ready, Report]:
    try:
        host = opener.open(spec, tape)
    except ReleaseRefused as refused:
        raise RefusedAt("stage", refused.problems) from None
    try:
        carried = _carry(host, now)
        asked = msgspec.structs.replace(asked, carried=carried.states, merge=carried.refold)
        notes = (*carried.notes, *_notes_on_params(spec, host.loaded))
        if not tape or (rules.rehearse_ns <= 0 and not carried.refold):
            return Ready(name, spec, host, carried.states), Report(notes=notes)
        done = _rehearse(opener, spec, host, asked, tape)
        report = Report(
            evaluations=done.evaluations,
            compared=done.compared,
            differing=done.differing,
            examples=done.examples,
            mean_us=done.mean_ns / 1e3,
            slowest_ms=done.slowest_ns / 1e6,
            notes=notes,
        )
        return Ready(name, spec, host, done.merged or carried.states), report
    except ReleaseRefused as refused:
        host.close()
        raise RefusedAt("rehearsal", refused.problems) from None
    except BaseException:  # Ctrl-C as well: no host may be left behind
        host.close()
        raise


def _notes_on_params(spec: HostSpec, loaded: Loaded) -> list[str]:
    """What the operator has set and the release does not know, or would have otherwise."""
    dormant = [f"parameter {name} is dormant: this release has none" for name in loaded.dormant]
    told = {name: (spec.overrides[name], default) for name, default in loaded.overridden.items()}
    return dormant + [
        f"parameter {name} is set to {value!r}; the default is {default!r}"
        for name, (value, default) in told.items()
        if value != default
    ]


def _carry(host: StagedHost, now: tuple[StateNow, ...]) -> CarriedOver:
    """Every group's states in the candidate's own State."""
    try:
        groups = [host.carry(group.states, group.schema) for group in now]
    except ReleaseRefused as refused:
        raise RefusedAt("stage", refused.problems) from None
    problems = tuple(dict.fromkeys(problem for group in groups for problem in group.problems))
    if problems:
        raise RefusedAt("stage", problems)
    return CarriedOver(
        {key: state for group in groups for key, state in group.states.items()},
        tuple(dict.fromkeys(note for group in groups for note in group.notes)),
        tuple(dict.fromkeys(name for group in groups for name in group.refold)),
        (),
    )


def _rehearse(
    opener: Opener, spec: HostSpec, host: StagedHost, asked: Rehearse, tape: Sequence[tuple[int, int]]
) -> Rehearsed:
    """Runs the candidate and its twin over the tape. Raises RefusedAt for what must not go live."""
    twin = opener.open_twin(spec, tape)
    try:
        done, again = opener.rehearse_both(host, twin, asked)
        problems = _objections(done, asked)
        if not problems:
            problems = _disagreements(host, twin, done, again)
    finally:
        twin.close()
    if problems:
        raise RefusedAt("rehearsal", problems)
    return done


def _objections(done: Rehearsed, asked: Rehearse) -> list[str]:
    problems = []
    if done.faulty:
        told = "; ".join(done.faults)
        problems.append(f"{done.faulty} of {done.evaluations} evaluations on recent inputs failed: {told}")
    if done.slowest_round_ns > asked.round_ns:
        problems.append(
            f"too slow: the {done.round_size} evaluations of one instant took {done.slowest_round_ns / 1e6:.0f} ms"
            f" together, over the limit of {asked.round_ns / 1e6:.0f} ms"
        )
    if done.changed:
        problems.append(f"state outside State: {', '.join(done.changed)} changed while it was rehearsed")
    problems += [f"state outside State: {left}" for left in done.left_behind]
    return problems + [tried for tried in done.violations if not is_told(tried, done.faults)]


def _disagreements(host: StagedHost, twin: StagedHost, done: Rehearsed, again: Rehearsed) -> list[str]:
    if done.digests == again.digests:
        return []
    size = 8
    places = range(min(len(done.digests), len(again.digests)) // size)
    at = (place * size for place in places)
    place = next((i // size for i in at if done.digests[i : i + size] != again.digests[i : i + size]), 0)
    first, second = host.told(place), twin.told(place)
    differs = _difference(first.answer, second.answer)
    causes = "the clock, random numbers, the order of a set, or id"
    said = f"two runs over the same input gave two answers ({causes}); the first is {first.key}: {differs}"
    return [f"not deterministic: {said}"]


def _difference(one: str, other: str) -> str:
    """The parts of two texts around the first place where they differ."""
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    begin = max(at - 40, 0)
    return f"{one[begin : at + 80]!r} and {other[begin : at + 80]!r}"


def _together(reports: Sequence[Report]) -> Report:
    evaluations = sum(report.evaluations for report in reports)
    return Report(
        evaluations=evaluations,
        compared=sum(report.compared for report in reports),
        differing=sum(report.differing for report in reports),
        examples=tuple(example for report in reports for example in report.examples),
        mean_us=sum(report.mean_us * report.evaluations for report in reports) / evaluations if evaluations else 0.0,
        slowest_ms=max((report.slowest_ms for report in reports), default=0.0),
        notes=tuple(note for report in reports for note in report.notes),
    )
