"""Invariant 3: no event of a slot is ever handled by a mix of two releases.

A seam with its deployer, over hosts that answer when they are told to, in whatever order: calls, late answers,
failures, deploys of all keys or of a canary, rollbacks and keeps come interleaved as hypothesis likes.
"""

import contextlib
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from release_trees import Told
from told_hosts import COUNTED, FIRST, ToldHost, a_spec, taken

from tesseract import Event, Fault, NotDone, Outcome, Report, RequestRefused, Seam, WentLive, deployer, kept_inputs
from tesseract.deployer import Deployer
from tesseract.host import Deliver, Host
from tesseract.links import WorkshopLink
from tesseract.orders import Order, ReadyHost, Refused, Stage, Staged, Take, Taken
from tesseract.round_trips import RoundTrips

KEYS = ("a", "b", "c")
ROUNDS = 3


class Fold:
    """What one release makes of one key: each state that comes in is the one that it answered last, or the one that it
    began with, which comes from the fold `before` it."""

    def __init__(self, state: bytes, before: "Fold | None") -> None:
        self.state = state
        self.before = before
        self.failed: set[int] = set()
        self.seen: set[int] = set()
        self.is_asked = False

    def excuses(self, given: int) -> bool:
        """Whether an input may be missing in a state: this release failed on it, or one before that it comes from."""
        if given in self.seen:
            return given in self.failed
        return self.before is not None and self.before.excuses(given)


class ChainHost(ToldHost):
    """A host that sees to it that it is used as one fold per key."""

    def __init__(self, number: int, staged: dict[str, bytes], before: dict[str, Fold]) -> None:
        super().__init__(number)
        self.folds = {key: Fold(staged.get(key, FIRST), before.get(key)) for key in KEYS}
        self.asked_folds: list[Fold] = []
        """Of each call that waits, in the order of `asked`."""

    def submit(self, given: object, encoded: bytes, state: bytes, deliver: Deliver) -> None:
        key = key_of(given)
        fold = self.folds[key]
        assert not fold.is_asked, f"{self.name} has two calls of {key}"
        assert state == fold.state, f"{self.name} is given a state of {key} that is not its own"
        assert given not in fold.seen, f"{self.name} is given {given} twice"
        fold.is_asked = True
        fold.seen.add(int(str(given)))
        self.asked_folds.append(fold)
        super().submit(given, encoded, state, deliver)

    def answered(self, place: int, *, fails: bool) -> None:
        call, fold = self.asked[place], self.asked_folds.pop(place)
        fold.is_asked = False
        if fails:
            fold.failed.add(call.given)
            self.fail(place)
        else:
            fold.state = msgspec.msgpack.encode([*taken(call.state), (self.name, call.given)])
            self.answer(place)

    def close(self) -> None:
        super().close()
        self.asked_folds.clear()


def key_of(given: object) -> str:
    assert isinstance(given, int)
    return KEYS[given % len(KEYS)]


def states_of(order: Stage) -> dict[str, bytes]:
    return {key: state for group in order.now[""] for key, state in group.states.items()}


class ToldLink(WorkshopLink):
    """A workshop that takes and stages when it is told to. A candidate's states are of the folds of that moment."""

    def __init__(self) -> None:
        self.round_trips = RoundTrips()
        self.takes: list[Take] = []
        self.stages: list[tuple[Stage, dict[str, Fold]]] = []
        self.numbers: dict[str, int] = {}
        self.fold_of: Callable[[str], Fold] | None = None

    def order(self, order: Order, tape: Sequence[tuple[int, int]] = ()) -> None:
        if isinstance(order, Take):
            self.takes.append(order)
        elif isinstance(order, Stage):
            assert self.fold_of is not None
            self.stages.append((order, {key: self.fold_of(key) for key in states_of(order)}))

    def close(self) -> None: ...


class World:
    """One program, in which everything that can happen is one of the methods below; a pick chooses among its ways."""

    def __init__(self) -> None:
        self.hosts = [ChainHost(1, {}, {})]
        self.seam: Seam[Told] = Seam(COUNTED, self.hosts[0], rounds=ROUNDS)
        self.link = ToldLink()
        self.link.fold_of = self._fold
        self._recall, self.seam.recall = self.seam.recall, self._recalled  # type: ignore[method-assign]
        self.events: list[Event] = []
        self.deployer = Deployer(self.seam, self.link, self.events.append)
        self.asked: dict[str, list[int]] = {key: [] for key in KEYS}
        self.answered: dict[str, list[int]] = {key: [] for key in KEYS}
        self.number = 0
        self.requests = 0
        self.releases = 1

    # What can happen

    def nothing(self, pick: int) -> None: ...

    def call(self, pick: int) -> None:
        key = KEYS[pick % len(KEYS)]
        self.number += 1
        given = self.number * len(KEYS) + KEYS.index(key)
        self.asked[key].append(given)
        self.seam.submit(key, given, lambda outcome: self._told(key, given, outcome))

    def answer(self, pick: int) -> None:
        waiting = self._waiting()
        if waiting:
            host, place = waiting[pick % len(waiting)]
            host.answered(place, fails=False)

    def fail(self, pick: int) -> None:
        waiting = self._waiting()
        if waiting:
            host, place = waiting[pick % len(waiting)]
            host.answered(place, fails=True)

    def deploy(self, pick: int) -> None:
        """Of every key, or of a canary."""
        self.requests += 1
        canary = [key for key in (("a",), (), ("a", "b"), ())[pick % 4] if key in self.seam.routes]
        self.deployer.take(Take(request=f"r{self.requests}", what="tree"), canary=canary)
        self.take(pick)

    def take(self, pick: int) -> None:
        """The workshop has the oldest order's release in the store; every fourth is one that there was before."""
        if not self.link.takes:
            return
        take = self.link.takes.pop(0)
        if take.where:
            number = int(take.where.removeprefix("v"))
        elif pick % 4 == 0:
            number = pick % self.releases + 1
        else:
            self.releases += 1
            number = self.releases
        self.link.numbers[take.request] = number
        found = Taken(
            request=take.request,
            release=a_spec(number).release,
            strategies=("",),
            revision=1,
            overrides={},
            what="release",
            against={
                name: (host.spec.release.number, host.spec.revision) for name, host in self.seam.strategies.items()
            },
        )
        self.link.on_news(found, [])

    def stage(self, pick: int) -> None:
        """The oldest candidate is ready; every eighth is refused."""
        if not self.link.stages:
            return
        order, before = self.link.stages.pop(0)
        if pick % 8 == 0:
            self.link.on_news(Refused(order.request, "v9", "rehearsal", ("it raises",)), [])
            return
        states = states_of(order)
        host = ChainHost(self.link.numbers[order.request], states, before)
        self.hosts.append(host)
        ready = ReadyHost("", host.spec, host.loaded, states)
        self.link.on_news(Staged(order.request, (ready,), Report()), [host])

    def roll_back(self, pick: int) -> None:
        self._operate(self.deployer.probation.roll_back)

    def keep(self, pick: int) -> None:
        self._operate(self.deployer.probation.keep)

    # What must be true

    def check(self) -> None:
        for key, route in self.seam.routes.items():
            inputs = [given for _, given in taken(route.state)]
            assert inputs == sorted(set(inputs)), f"{key} has folded an input twice, or in another order"

    def end(self) -> None:
        """Everything that waits is answered; then nothing may be missing, and no host be left open."""
        while waiting := self._waiting():
            host, place = waiting[0]
            host.answered(place, fails=False)
        for key in KEYS:
            assert self.answered[key] == self.asked[key], f"each call of {key} has one outcome, in its order"
            if key in self.seam.routes:
                self._whole(key)
        needed = {id(host) for host in self.seam.hosts()}
        assert {id(host) for host in self.hosts if host.is_open} == needed

    def _whole(self, key: str) -> None:
        """Every input is in the key's state, or the release behind it failed on it."""
        fold = self._fold(key)
        state = self.seam.state_of(key)
        assert state == fold.state
        missing = set(self.asked[key]) - {given for _, given in taken(state)}
        assert all(fold.excuses(given) for given in missing), f"{key} has lost some of {missing}"

    # Helpers

    def _told(self, key: str, given: int, outcome: Outcome[Told]) -> None:
        self.answered[key].append(given)
        name, fold = self.seam.routes[key].live.spec.release.name, self._fold(key)
        assert outcome.release == name
        if outcome.value is None:
            assert given in fold.failed
        else:
            assert outcome.value.value == [name, given]
            assert self.seam.state_of(key) == fold.state == bytes(outcome.value.state)

    def _recalled(self, canary: Host, key: str, fault: Fault) -> list[str]:
        """What answers the other keys begins another fold of each, with the canary's state."""
        whole = self.seam.strategies[""]
        assert isinstance(whole, ChainHost)
        for name, route in self.seam.routes.items():
            if route.live.spec.release == canary.spec.release:
                whole.folds[name] = Fold(route.state, self._fold(name))
        return self._recall(canary, key, fault)

    def _fold(self, key: str) -> Fold:
        host = self.seam.routes[key].live
        assert isinstance(host, ChainHost)
        return host.folds[key]

    def _waiting(self) -> list[tuple[ChainHost, int]]:
        return [(host, place) for host in self.hosts for place in range(len(host.asked))]

    def _operate(self, ask: Callable[[str, str], None]) -> None:
        self.requests += 1
        with contextlib.suppress(RequestRefused):
            ask(f"r{self.requests}", "ana")


HAPPENS = [
    *(World.nothing, World.call, World.call, World.call, World.call, World.answer, World.answer, World.answer),
    *(World.answer, World.answer, World.answer, World.fail, World.deploy, World.take, World.stage, World.stage),
    *(World.roll_back, World.keep),
]
"""By how often it shall happen; the simplest first, which is where hypothesis shrinks to."""


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=240, max_size=480))
def test_every_outcome_is_by_one_release_every_state_one_fold_and_no_input_lost_or_taken_twice(story: bytes) -> None:
    """Invariant 3. A story is two bytes a step: what happens, and in which of its ways."""
    world = World()
    steps = [(HAPPENS[one % len(HAPPENS)], pick) for one, pick in zip(story[::2], story[1::2], strict=False)]
    note("  ".join(f"{happens.__name__} {pick}" for happens, pick in steps if happens is not World.nothing))
    for happens, pick in steps:
        happens(world, pick)
        world.check()
    world.end()


def test_a_candidate_that_cannot_be_given_every_input_does_not_go_live(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kept_inputs, deployer):
        monkeypatch.setattr(module, "BEHIND_MAX", 3)
    world = World()
    world.deploy(1)
    for _ in range(4):
        world.call(0)
        world.answer(0)

    world.stage(1)

    (refused,) = [event for event in world.events if isinstance(event, NotDone)]
    assert refused.text == "v2 refused at commit: more than 3 inputs came while it was prepared; v1 is still running"
    world.end()


def test_a_candidate_that_is_given_as_many_inputs_as_are_kept_goes_live(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kept_inputs, deployer):
        monkeypatch.setattr(module, "BEHIND_MAX", 3)
    world = World()
    world.deploy(1)
    for _ in range(3):
        world.call(0)
        world.answer(0)

    world.stage(1)
    for _ in range(3):
        world.answer(0)

    assert [event for event in world.events if isinstance(event, WentLive)]
    world.end()
