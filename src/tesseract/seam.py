"""The seam: the one place where resident code reaches live code.

Each key is a fold: the release that is bound to the key answers, and the state that it returns is kept, as encoded
bytes, for the key's next call. A call that fails leaves the key's state exactly as it was.

The theory of a change. A commit replaces the entry of a key in one table, between two calls, so no call is ever handled
by two releases. While the new release is on probation, the one that it replaced is its standby: every request goes to
both, each with its own state. When the live one fails, the table goes back, and the standby's answer to the very same
request is the outcome. Calls of one key are answered one after the other, so there is always one current state. The
standby follows behind: it is asked once nobody waits for a live release, and no live call ever waits for it, because
what was replaced may be what hangs. One that falls too far behind, or does not answer, stands by no more.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Generic

import msgspec

from tesseract.calls import Answer, Fault
from tesseract.contract import Contract
from tesseract.host import Host
from tesseract.kept_inputs import KeptInputs
from tesseract.outcomes import Deliver, Outcome, RolledBack, Value, outcome_of, rolled_back
from tesseract.routes import Asked, Input, Route
from tesseract.shadow import Shadow, ShadowInput
from tesseract.standbys import Standbys
from tesseract.tape import Tape

WAITING_MAX = 64
"""Calls of one key that may wait for the one before; a fold that falls so far behind will not catch up."""
PATIENCE = 4
"""A probation waits for keys that are not called until the others have answered so many times as often."""


class Seam(Generic[Value]):
    """Routes calls to hosts and holds every key's state. Not thread-safe: everything happens on one thread."""

    def __init__(
        self,
        contract: Contract,
        host: Host | None = None,
        *,
        tape: Tape | None = None,
        strategy_of: Callable[[str], str] = lambda _key: "",
        rounds: int = 12,
    ) -> None:
        """`host` answers every key, until something else is committed; without one, calls have no value before the
        first commit. `strategy_of` names the strategy of a key, where a package holds several. A probation lasts
        `rounds` answers of each key that it began with."""
        self.contract = contract
        self.tape = tape
        self.rounds = rounds
        self.strategy_of = strategy_of
        self.routes: dict[str, Route] = {}
        self.standbys = Standbys(self._standby_said, self._give_up_standby)
        self.inputs = KeptInputs()
        self.strategies: dict[str, Host] = {} if host is None else {"": host}
        self.on_rolled_back: Callable[[RolledBack], None] = lambda _event: None
        self.on_standby_lost: Callable[[Host, Host, str], None] = lambda _live, _standby, _why: None
        self.on_fault: Callable[[Host, str, Fault], None] = lambda _live, _key, _fault: None
        self.on_clean: Callable[[Host], None] = lambda _host: None
        self.on_settled: Callable[[], None] = lambda: None
        self.tape_ns = 0
        self.shadow: Shadow | None = None
        self.shadow_sees: Callable[[str, object, bytes], tuple[object, bytes]] = lambda _key, given, encoded: (
            given,
            encoded,
        )
        self._before: dict[str, Host] = {}
        self._clean: set[int] = set()
        """The hosts, by id, whose probation has been told to be over."""
        self._taped: dict[str, frozenset[str]] = {}
        """The keys on the tape by strategy; keys come there and never go."""
        self._encoder = msgspec.msgpack.Encoder()
        self._number = 0
        self._open = self._needed()

    def submit(
        self, key: str, given: object, deliver: Deliver[Value], *, at_ns: int = 0, encoded: bytes | None = None
    ) -> None:
        """Asks the release that is bound to `key`. `deliver` gets the outcome exactly once, at once or later; nothing
        that live code does raises. `encoded` is `given` in msgpack, where the caller has it already."""
        if self.inputs.held is not None:
            self.inputs.held.append(lambda: self.submit(key, given, deliver, at_ns=at_ns, encoded=encoded))
            return
        taken = self._take(key, given, at_ns, self._encoder.encode(given) if encoded is None else encoded)
        route = self.route(key)
        if route is None:
            deliver(Outcome("v0", 0, None, Fault("lost", "no release is live yet"), 0))
        elif route.is_free:
            self._ask(route, taken, at_ns, deliver)
        elif len(route.waiting) < WAITING_MAX:
            route.waiting.append((taken, at_ns, deliver))
        else:
            fault = Fault("overran", f"{WAITING_MAX} calls of {key} wait already")
            deliver(outcome_of(route.live, None, fault, 0))
        self._tell_shadow(taken, at_ns)

    def call(self, key: str, given: object, *, at_ns: int = 0) -> Outcome[Value]:
        """As `submit`, for hosts that answer at once: those inside this process."""
        outcomes: list[Outcome[Value]] = []
        self.submit(key, given, outcomes.append, at_ns=at_ns)
        assert outcomes, "this host answers later; use `submit`"
        return outcomes[0]

    def keep_on_tape(self, key: str, encoded: bytes, at_ns: int) -> None:
        """An input that nobody is asked about: history, for rehearsals."""
        if self.tape is not None:
            self.tape_ns = at_ns
            self.tape.add(key, at_ns, encoded)

    def route(self, key: str) -> Route | None:
        """The key's entry, made on its first call; None while its strategy has no release."""
        found = self.routes.get(key)
        if found is None:
            strategy = self.strategy_of(key)
            host, before = self.strategies.get(strategy), self._before.get(strategy)
            if host is None:
                return None
            found = self.routes[key] = Route(strategy, host, host.loaded.first_state, before)
            found.standby_state = b"" if before is None else before.loaded.first_state
        return found

    def running(self) -> str:
        """The names of what answers, as a sentence has them; a canary's is not among them."""
        names = {host.spec.release.name: None for host in self.strategies.values()}
        return " and ".join(names) or "nothing"

    def state_of(self, key: str) -> bytes:
        """The encoded state of one key (msgpack of the release's State). Raises KeyError while nothing is live."""
        route = self.route(key)
        if route is None:
            raise KeyError(key)
        return route.state

    def _take(self, key: str, given: object, at_ns: int, encoded: bytes) -> Input:
        self._number += 1
        self.tape_ns = at_ns
        number = self._number if self.tape is None else self.tape.add(key, at_ns, encoded)
        taken = Input(number, key, given, encoded)
        if self.inputs.since is not None:
            self.inputs.add(taken)
        return taken

    def _tell_shadow(self, taken: Input, at_ns: int) -> None:
        """After the live release was asked, which somebody waits for."""
        if self.shadow is not None:
            given, encoded = self.shadow_sees(taken.key, taken.given, taken.encoded)
            self.shadow.take(taken.key, self.strategy_of(taken.key), ShadowInput(given, encoded, at_ns))

    # One call

    def _ask(self, route: Route, taken: Input, at_ns: int, deliver: Deliver[Value]) -> None:
        asked = Asked(taken, at_ns, deliver, route.live, route.standby)
        route.asked = asked
        self.standbys.awaited += 1
        if route.standby is not None:
            self.standbys.put_behind(route, asked)
        route.live.submit(taken.given, taken.encoded, route.state, lambda answer: self._live_said(route, asked, answer))

    def _live_said(self, route: Route, asked: Asked, answer: Answer) -> None:
        if asked.is_overruled or route.asked is not asked:
            return
        if answer.value is not None and answer.state is not None:
            route.rounds += 1
            self._settle(route, asked, answer)
            if route.rounds >= self.rounds and id(asked.live) not in self._clean and self._is_clean(asked.live):
                self._clean.add(id(asked.live))
                self.on_clean(asked.live)
        elif answer.fault is not None and asked.standby is not None and route.standby is asked.standby:
            self._roll_back(asked.live, asked.input.key, answer.fault.text, answer.fault.line)
        else:
            self._settle(route, asked, answer)
        self.standbys.ask_all()

    def _standby_said(self, route: Route, asked: Asked, answer: Answer) -> None:
        if not route.backlog or route.backlog[0] is not asked:
            return
        was_behind = route.is_behind
        route.backlog.popleft()
        if asked.is_overruled:
            self._settle(route, asked, answer)
            return
        if was_behind:
            route.state = answer.state or route.state
            self.on_settled()
        else:
            route.standby_state = answer.state or route.standby_state
            self.standbys.count_failure(route, answer.fault)
        self.standbys.ask(route)
        self._next(route)

    def _give_up_standby(self, route: Route, why: str) -> None:
        host, standby = route.live, route.standby
        assert standby is not None, "it was one until now"
        self.keep(host)
        self.on_standby_lost(host, standby, why)

    def _settle(self, route: Route, asked: Asked, answer: Answer) -> None:
        """The outcome is decided: the state moves, the tape learns of it, the caller is told, the next call begins."""
        if route.asked is not asked:
            return
        route.asked = None
        self.standbys.awaited -= not asked.is_overruled
        host = route.live
        if answer.value is not None and answer.state is not None:
            route.state = answer.state
            if self.tape is not None:
                self.tape.decided(asked.input.number, asked.at_ns, self.contract.decision_of(answer.value))
        asked.deliver(outcome_of(host, answer.value, answer.fault, answer.took_ns))
        self.on_settled()
        self._next(route)
        if answer.fault is not None:
            self.on_fault(host, asked.input.key, answer.fault)

    def _next(self, route: Route) -> None:
        if route.is_free and route.waiting:
            self._ask(route, *route.waiting.popleft())

    def _is_clean(self, host: Host) -> bool:
        """Whether each key that was moved to `host` has had all its rounds; or, where some are hardly ever called, all
        together many times as many."""
        routes = [route for route in self.routes.values() if _same(route.live, host)]
        moved = [route.rounds for route in routes if route.was_moved]
        answers = sum(route.rounds for route in routes)
        return min(moved, default=answers) >= self.rounds or answers >= self.rounds * max(len(moved), 1) * PATIENCE

    # Changes

    def keep_inputs(self) -> dict[str, bytes]:
        """The states of this moment, by key; from now on the inputs that they do not know are kept for a candidate,
        until they are forgotten."""
        self.inputs.begin(self.routes.values())
        return {key: route.state for key, route in self.routes.items()}

    def keys_on_tape(self, strategies: Iterable[str]) -> dict[str, frozenset[str]]:
        """The keys of each of these strategies that have been on the tape."""
        keys = self.tape.keys if self.tape is not None else set()
        if len(keys) != sum(map(len, self._taped.values())):
            taped: dict[str, set[str]] = defaultdict(set)
            for key in keys:
                taped[self.strategy_of(key)].add(key)
            self._taped = {name: frozenset(found) for name, found in taped.items()}
        return {name: self._taped.get(name, frozenset()) for name in strategies}

    def is_between_calls(self, is_wanted: Callable[[str], bool]) -> bool:
        """Whether no call of the wanted keys waits for its answer."""
        return not any(route.is_called and is_wanted(key) for key, route in self.routes.items())

    def commit(self, host: Host, states: Mapping[str, bytes], *, strategy: str = "", keys: Iterable[str] = ()) -> None:
        """From the next call on `host` answers: these keys, or without any every key of the strategy. What it replaces
        becomes its standby. A key that a host of this release answers already, as a canary, and that has no entry in
        `states` stays as it is. Nothing here can fail."""
        self._open[id(host)] = host
        self.standbys.forget_failures()
        self._clean.clear()
        chosen = list(keys)
        if not chosen:
            if strategy in self.strategies:
                self._before[strategy] = self.strategies[strategy]
            self.strategies[strategy] = host
            chosen = [key for key, route in self.routes.items() if route.strategy == strategy]
        for key in chosen:
            route = self.routes.get(key) or self.route(key)
            if route is not None and (key in states or not _same(route.live, host)):
                route.standby, route.standby_state = route.live, route.state
                route.live, route.state = host, states.get(key, host.loaded.first_state)
                route.rounds, route.was_moved = 0, True
                route.backlog.clear()
        self._sweep()

    def keep(self, host: Host) -> None:
        """Ends a probation: the standbys of this release are not needed any more."""
        for route in self.routes.values():
            if _same(route.live, host) and route.standby is not None:
                route.standby, route.standby_state = None, b""
                route.backlog.clear()
        for strategy in [name for name, live in self.strategies.items() if _same(live, host)]:
            self._before.pop(strategy, None)
        self._sweep()
        for route in list(self.routes.values()):
            self._next(route)  # it may have waited for the standby

    def has_standby(self, host: Host) -> bool:
        return any(_same(route.live, host) and route.standby is not None for route in self.routes.values()) or any(
            _same(live, host) and name in self._before for name, live in self.strategies.items()
        )

    def standby(self) -> Host | None:
        """A host that stands by, also where no call has come since it was replaced; None when nothing does."""
        standing = (route.standby for route in self.routes.values() if route.standby is not None)
        return next(standing, None) or next(iter(self._before.values()), None)

    def roll_back(self, host: Host, text: str) -> None:
        """Puts back what `host` replaced, with the state of a run that never left it. It must have a standby."""
        assert self.has_standby(host), "a release is rolled back once, while it has a standby"
        self._roll_back(host, "", text, text)

    def recall(self, canary: Host, key: str, fault: Fault) -> list[str]:
        """Takes back a canary that failed at `key` and that nothing stands by for: what its keys' strategies stand for
        answers them, beginning with the calls that wait. A state of the same type goes along; returned are the keys
        that begin with a first state instead. Nothing happens where it answers no key."""
        anew = []
        mine = {name: route for name, route in self.routes.items() if _same(route.live, canary)}
        for name, route in mine.items():
            whole = self.strategies[route.strategy]
            assert route.standby is None and not _same(whole, canary), "a canary that nothing stands by for"
            route.standby, route.standby_state = whole, route.state
            if whole.loaded.state_schema != route.live.loaded.state_schema:
                route.standby_state = whole.loaded.first_state
                anew.append(name)
            _hand_over(route, whole)
        if mine:
            self._roll_back(canary, key, fault.text, fault.line)
        return anew

    def _roll_back(self, failed: Host, key: str, text: str, line: str) -> None:
        behind: list[Route] = []
        back_to: list[Host] = []
        for route in self.routes.values():
            if _same(route.live, failed) and route.standby is not None:
                route.live = route.standby
                back_to.append(route.live)
                route.state, route.standby, route.standby_state = route.standby_state, None, b""
                route.rounds = 0
                if route.asked is not None and route.asked.standby is not None:
                    self.standbys.awaited -= not route.asked.is_overruled
                    route.asked.is_overruled = True
                behind.append(route)
        for strategy, live in list(self.strategies.items()):
            if _same(live, failed) and strategy in self._before:
                self.strategies[strategy] = self._before.pop(strategy)
                back_to.append(self.strategies[strategy])
        assert back_to, "it has a standby"
        self.on_rolled_back(rolled_back(failed, back_to, key, text, line))
        self._sweep()
        for route in behind:
            self.standbys.ask(route)
        self.standbys.ask_all()

    def hosts(self) -> list[Host]:
        """Every host that a route or a strategy still needs, each once."""
        return list(self._needed().values())

    def _needed(self) -> dict[int, Host]:
        found = {id(host): host for host in (*self.strategies.values(), *self._before.values())}
        for route in self.routes.values():
            found[id(route.live)] = route.live
            if route.standby is not None:
                found[id(route.standby)] = route.standby
            if route.asked is not None and route.asked.is_overruled and route.asked.standby is not None:
                found[id(route.asked.standby)] = route.asked.standby
        return found

    def _sweep(self) -> None:
        """Closes the hosts that nobody needs any more."""
        needed = self._needed()
        for identity, host in self._open.items():
            if identity not in needed:
                host.close()
        self._open = needed

    def close(self) -> None:
        if self.shadow is not None:
            self.shadow.close()
        for host in self.hosts():
            host.close()


def _same(one: Host, other: Host) -> bool:
    """Two strategies of one release go live, are kept and go back together."""
    return one is other or (one.spec.release, one.spec.revision) == (other.spec.release, other.spec.revision)


def _hand_over(route: Route, standby: Host) -> None:
    """What the live release has still to answer waits for its new standby instead; its own answers come too late."""
    waiting = list(route.backlog) or ([] if route.asked is None else [route.asked])
    route.backlog = deque(msgspec.structs.replace(each, standby=standby, is_standby_asked=False) for each in waiting)
    if route.asked is not None:
        route.asked = route.backlog[-1]
