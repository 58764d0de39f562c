"""A rehearsal: a candidate over the tape, before it may go live.

Every key is folded from the release's first state, and the answers are compared with what was decided then. It ends
early when an instant's calls take longer together than the limit, and do when they are made again: a candidate that is
too slow is known after one round, and one that met a busy machine is not refused for it.
"""

import statistics
import sys
from collections.abc import Sequence

import msgspec

from tesseract import fingerprint
from tesseract.calls import Answer, Rehearse, Rehearsed, Told
from tesseract.carry import merge_refolded
from tesseract.guest import Guest
from tesseract.tape import Taped

FAULTS_TOLD = 3
"""Different ones; after so many failed inputs the next one ends the rehearsal."""
EXAMPLES_TOLD = 5
TOLD_CHARACTERS_MAX = 600
LOOKS_MAX = 3
"""How often the calls of an instant over the limit are timed; of each call the shortest time counts."""


class Rehearsal:
    """One run over one tape. `answer_at` tells later what was answered at a place."""

    def __init__(self, guest: Guest, tape: Sequence[Taped], asked: Rehearse) -> None:
        self._guest = guest
        mine = (taped for taped in tape if asked.keys is None or taped.key in asked.keys)
        recent = (taped for taped in mine if asked.merge or taped.at_ns >= asked.from_ns)
        self._tape = [taped for taped in recent if taped.number not in asked.later]
        self._asked = asked
        self._states: dict[str, bytes] = {}
        self._answers: list[Answer] = []
        self._faults: dict[str, tuple[str, int]] = {}
        """The first key and the number of each, by its line."""
        self._examples: list[str] = []
        self._faulty = self._compared = self._differing = 0
        self._rounds: dict[int, list[int]] = {}
        self._round: list[tuple[bytes, bytes]] = []
        """The inputs and states of the last one of `_rounds`."""
        self._before: dict[str, bytes] = {}
        self._imported: set[str] = set()
        self._loaded = 0

    def run(self) -> Rehearsed:
        self._before = self._guest.fingerprint()
        self._imported, self._loaded = set(self._guest.modules()), len(sys.modules)
        for taped in self._tape:
            self._one(taped)
            if self._faulty > FAULTS_TOLD or self._is_too_slow(taped.at_ns):
                break
        changed = fingerprint.changed(self._before, self._guest.fingerprint())
        times = [answer.took_ns for answer in self._answers] or [0]
        slowest = max(self._rounds.values(), key=sum, default=[0])
        return Rehearsed(
            evaluations=len(self._answers),
            faults=tuple(self._told_faults()),
            faulty=self._faulty,
            compared=self._compared,
            differing=self._differing,
            examples=tuple(self._examples),
            mean_ns=round(statistics.fmean(times)),
            slowest_ns=max(times),
            slowest_round_ns=sum(slowest),
            round_size=len(slowest),
            digests=b"".join(map(self._guest.digest_of, self._answers)),
            changed=tuple(changed),
            merged=self._merged() if not self._faulty else {},
        )

    def answer_at(self, place: int) -> Told:
        """What was answered to the input at `place` of the tape, as text."""
        taped, answer = self._tape[place], self._answers[place]
        encoded = msgspec.msgpack.encode(answer.value)  # only its state is encoded already
        said = answer.fault.text if answer.fault else msgspec.json.encode(msgspec.msgpack.decode(encoded)).decode()
        return Told(taped.key, taped.at_ns, said)

    def _one(self, taped: Taped) -> None:
        guest = self._guest
        state = self._states.get(taped.key) or guest.first_state()
        answer = guest.call_encoded(taped.given, state)
        self._answers.append(answer)
        if answer.fault is not None and not guest.is_input(taped.given):
            return  # the program's own mistake is no reason to refuse a release
        if len(sys.modules) != self._loaded:
            self._accept_imports()
        if taped.at_ns >= self._asked.from_ns:
            if taped.at_ns not in self._rounds:
                self._round.clear()
            self._rounds.setdefault(taped.at_ns, []).append(answer.took_ns)
            self._round.append((taped.given, state))
        if answer.value is None or answer.state is None:
            assert answer.fault is not None
            self._faulty += 1
            line = answer.fault.line[:TOLD_CHARACTERS_MAX]
            key, count = self._faults.get(line, (taped.key, 0))
            self._faults[line] = (key, count + 1)
            return
        self._states[taped.key] = answer.state
        self._compare(taped, answer.value)

    def _told_faults(self) -> list[str]:
        told = [
            f"{key}: {line}" + (f" ({count} times)" if count > 1 else "") for line, (key, count) in self._faults.items()
        ]
        return told[:FAULTS_TOLD]

    def _accept_imports(self) -> None:
        """A module that a function imports when it is called is no state; what it holds may not change from here on."""
        self._loaded = len(sys.modules)
        fresh = set(self._guest.modules()) - self._imported
        self._imported |= fresh
        for place, digest in self._guest.fingerprint().items() if fresh else ():
            if place.partition(": ")[0] in fresh or place.replace(": ", ".", 1) in fresh:
                self._before[place] = digest

    def _compare(self, taped: Taped, value: msgspec.Struct) -> None:
        if taped.decided is None or taped.at_ns < self._asked.from_ns:
            return
        self._compared += 1
        decision = self._guest.contract.decision_of(value)
        if decision != taped.decided:
            self._differing += 1
            if len(self._examples) < EXAMPLES_TOLD:
                then, now = (_shown(each) for each in (taped.decided, decision))
                self._examples.append(f"{taped.key}: {then} -> {now}")

    def _is_too_slow(self, at_ns: int) -> bool:
        """Whether the calls of this instant are over the limit together, however often they are made."""
        took = self._rounds.get(at_ns, [])
        for _ in range(LOOKS_MAX - 1):
            if self._faulty or sum(took) <= self._asked.round_ns:
                break
            again = [self._guest.call_encoded(given, state).took_ns for given, state in self._round]
            took[:] = map(min, took, again)
        return sum(took) > self._asked.round_ns

    def _merged(self) -> dict[str, bytes]:
        """The carried states, with the named fields from the fold over the tape."""
        asked, kind = self._asked, self._guest.state_type
        if not asked.merge:
            return {}
        return {
            key: merge_refolded(state, self._states[key], asked.merge, kind) if key in self._states else state
            for key, state in asked.carried.items()
        }


def _shown(decision: bytes) -> str:
    return msgspec.json.encode(msgspec.msgpack.decode(decision)).decode()[:TOLD_CHARACTERS_MAX]
