"""What runs inside a host's process: confine, import, check, then answer one message after the other.

The process holds one socket, the tape's files and a file for its output. Everything else it could reach is closed,
limited or refused by the kernel before a line of live code is executed.
"""

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import msgspec

from tesseract import cage
from tesseract.calls import Answered, Call, Carry, HostSpec, Loaded, Rehearse, Rehearsed, Request, Tell
from tesseract.compiled import CompiledSources
from tesseract.contract import Contract
from tesseract.errors import PeerGone, ReleaseRefused
from tesseract.guest import Guest, not_as_stored, sentence_of
from tesseract.rehearsal import Rehearsal
from tesseract.release import has_byte_code
from tesseract.residue import Baseline
from tesseract.tape import read_tape
from tesseract.watchdog import Watchdog
from tesseract.wire import Link

DESCRIPTORS_MAX = 1 << 16
PRINTED_MAX = 4_000
"""Characters of live code's output that go with an answer; the newest."""


def run(
    spec: HostSpec,
    contract: Contract,
    baseline: Baseline,
    link: Link[Request],
    *,
    tape: list[tuple[int, int]],
    libraries: Sequence[Path],
    compiled: CompiledSources,
) -> None:
    """Serves until the other side closes the socket. Returns when there is nothing left to do. Live code may import
    from `libraries`, as far as they exist by now."""
    confinement = cage.confine(
        cage.Limits(memory_bytes=spec.memory_bytes),
        readable=[spec.release.path.parent],
        libraries=[folder for folder in libraries if folder.exists()],
    )
    confined = msgspec.structs.asdict(confinement)
    guest, loaded = _load(spec, contract, baseline, confined, compiled)
    link.send(loaded)
    if guest is None:
        return
    guest.watchdog.keep_handler()
    baseline.owns_handler(signal.SIGALRM)
    baseline.takes_in("__main__", spec.release.package)
    host = HostProcess(guest, link, tape, baseline)
    with contextlib.suppress(PeerGone):
        host.serve()


def use_output(output: int, *, keep: int) -> None:
    """Standard output and error go to the memory file; every other descriptor but `keep` is closed."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, keep)
    os.closerange(keep + 1, DESCRIPTORS_MAX)


def _load(
    spec: HostSpec, contract: Contract, baseline: Baseline, confined: dict[str, str], compiled: CompiledSources
) -> tuple[Guest | None, Loaded]:
    guest, loaded, watchdog = None, Loaded(), Watchdog()
    try:
        guest = Guest(spec, contract, watchdog.run(spec.import_ns, lambda: _imported(spec, compiled)), watchdog)
    except ReleaseRefused as refused:
        problems = list(refused.problems)
    except BaseException as error:  # noqa: BLE001 - live code is executed here; whatever it raises refuses it
        problems = [sentence_of(error, spec.release.path)]
    else:
        problems = _left_behind(spec, baseline, "at its import")
        loaded = guest.loaded(confined)
        if loaded.digest != spec.release.digest or has_byte_code(spec.release.path):
            problems.append(not_as_stored(spec))
    problems += [tried for tried in _violations(spec) if not _is_told(tried, problems)]
    return (None, Loaded(problems=tuple(problems))) if problems else (guest, loaded)


def _imported(spec: HostSpec, compiled: CompiledSources) -> ModuleType:
    importlib.invalidate_caches()  # what was installed since the zygote began is there as well
    sys.path.insert(0, str(spec.release.path.parent))
    with compiled.used(spec.release.package):
        return importlib.import_module(spec.module)


def _left_behind(spec: HostSpec, baseline: Baseline, when: str) -> list[str]:
    """What live code changed that is not its own, as sentences; the path that was put there for it is its own."""
    home = str(spec.release.path.parent)
    if sys.path[:1] != [home]:
        return [f"{when} it changed sys.path"]
    del sys.path[0]
    try:
        return [f"{when} {problem}" for problem in baseline.problems()]
    finally:
        sys.path.insert(0, home)


def _violations(spec: HostSpec) -> list[str]:
    """What the cage refused, with the places as a refusal tells them."""
    return [tried.removeprefix(f"{spec.release.path.parent}/") for tried in cage.violations()]


def _is_told(tried: str, problems: list[str]) -> bool:
    """Whether a problem is the error that the cage raised for this, at this place."""
    place, _, sentence = tried.partition(": ")
    return any(problem.startswith(f"{place} ") and sentence in problem for problem in problems)


class HostProcess:
    """Answers requests, one at a time, in their order."""

    def __init__(self, guest: Guest, link: Link[Request], tape: list[tuple[int, int]], baseline: Baseline) -> None:
        self._guest = guest
        self._link = link
        self._tape = tape
        self._baseline = baseline
        self._rehearsal: Rehearsal | None = None
        self._encoder = msgspec.msgpack.Encoder()

    def serve(self) -> None:
        while True:
            request = self._link.receive(None)
            match request:
                case Call():
                    self._link.send(self._answer(request))
                case Carry(states=states, old_schema=schema):
                    self._link.send(self._guest.carry(states, schema))
                case Rehearse():
                    self._link.send(self._rehearsed(request))
                case Tell(place=place):
                    assert self._rehearsal is not None, "only what was rehearsed can be told"
                    self._link.send(self._rehearsal.answer_at(place))

    def _rehearsed(self, asked: Rehearse) -> Rehearsed:
        spec = self._guest.spec
        self._rehearsal = Rehearsal(self._guest, read_tape(self._tape), asked)
        done = self._rehearsal.run()
        left = tuple(_left_behind(spec, self._baseline, "while it was rehearsed"))
        return msgspec.structs.replace(done, printed=_printed(), violations=tuple(_violations(spec)), left_behind=left)

    def _answer(self, call: Call) -> Answered:
        answer = self._guest.call_encoded(call.given, call.state)
        encoded = None if answer.value is None else self._encoder.encode(answer.value)
        return Answered(call.number, answer.took_ns, encoded, answer.fault, _printed())


def _printed() -> str:
    """What was written to the output since the last look; the file begins anew, so that it never fills. It is not
    truncated, because no code in a cage may do that: how far it was written says how much of it counts."""
    size = os.lseek(1, 0, os.SEEK_CUR)
    if not size:
        return ""
    text = os.pread(1, min(size, PRINTED_MAX), max(size - PRINTED_MAX, 0)).decode("utf-8", "replace")
    os.lseek(1, 0, os.SEEK_SET)
    return text
