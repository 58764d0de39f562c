"""Where live code runs. Here: inside the caller's process, for replay, simulation and tests.

A host holds one release, calls its entry function and turns every accident into an answer. It never lets an
exception of live code through. The watchdog is a repeating `setitimer` signal, so it works on the main thread, and
interrupts Python code, sleeps and regular expressions; a long call into C is only noticed when it returns.
"""

import itertools
import signal
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Literal

import msgspec

from tesseract.contract import Contract, problems_of, said_by
from tesseract.errors import ReleaseRefused
from tesseract.namespace import Namespace
from tesseract.release import Release

STATE_BYTES_MAX = 64 * 1024
TRACEBACK_CHARACTERS_MAX = 16_000
WATCHDOG_REPEAT_S = 0.05
"""A signal that lands inside a `finally` or an `except` of live code can be swallowed; the next one is not."""

_HOSTS = itertools.count(1)
"""Two hosts of one release never share a module, not even when one was dropped without `close`."""

_Handler = Callable[[int, FrameType | None], object] | int | None
FaultKind = Literal["raised", "overran", "answer"]


class Fault(msgspec.Struct, frozen=True):
    """Why a call has no value. `raised`: an exception; `overran`: the watchdog; `answer`: the result is not plain
    data of the agreed type. `text` is a traceback or a sentence."""

    kind: FaultKind
    text: str


class Answer(msgspec.Struct, frozen=True):
    """What one call gave: exactly one of `value` (the contract's answer type) and `fault`; the encoded next state
    comes with a value."""

    value: msgspec.Struct | None
    state: bytes | None
    fault: Fault | None
    took_ns: int


class _OverrunError(BaseException):
    """Raised by the watchdog inside live code; a BaseException, so that `except Exception` there cannot eat it."""


class InProcessHost:
    """Runs one release inside this process."""

    def __init__(self, release: Release, contract: Contract, *, budget_s: float = 1.0) -> None:
        """Imports the release. Raises `ReleaseRefused` with every problem; nothing of it is then left behind."""
        self.release = release
        self._budget_s = budget_s
        identity = f"{release.digest[:12]}_{next(_HOSTS)}"
        self._namespace = Namespace(release.path.parent, release.package, identity)
        try:
            module = self._import(release)
            self._bind(module, contract)
        except BaseException:  # a Ctrl-C as well
            self._namespace.close()
            raise

    def _import(self, release: Release) -> ModuleType:
        try:
            return self._namespace.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - live code is executed here; whatever it raises refuses it
            raise ReleaseRefused(f"{release.package} ({release.name})", [self._sentence(error)]) from None

    def _bind(self, module: ModuleType, contract: Contract) -> None:
        problems = problems_of(module, contract)
        if problems:
            raise ReleaseRefused(f"{self.release.package} ({self.release.name})", problems)
        self._entry: Callable[..., object] = getattr(module, contract.entry)
        self.params_type: type[msgspec.Struct] = module.Params
        self.state_type: type[msgspec.Struct] = module.State
        self._state_decoder = msgspec.msgpack.Decoder(module.State)
        self._answer_decoder = msgspec.msgpack.Decoder(contract.answer)
        self._encoder = msgspec.msgpack.Encoder()

    def first_state(self) -> bytes:
        return self._encoder.encode(self.state_type())

    def call(self, given: object, state: bytes, params: object) -> Answer:
        """One call of the entry function with a fresh copy of the state. Never raises for what live code does."""
        began_ns = time.perf_counter_ns()
        watch = _Watch()
        is_armed, previous = watch.arm(self._budget_s)
        try:
            watch.is_on = True
            return self._run(given, state, params, began_ns)
        except _OverrunError:
            watch.is_on = False
            text = f"took longer than {self._budget_s * 1000:.0f} ms and was interrupted"
            return Answer(None, None, _fault("overran", text), time.perf_counter_ns() - began_ns)
        finally:
            watch.is_on = False
            if is_armed:
                watch.disarm(previous)

    def _run(self, given: object, state: bytes, params: object, began_ns: int) -> Answer:
        """Everything that can execute live code: the call, the look at its result, the text of its exception."""
        try:
            result = self._entry(given, self._state_decoder.decode(state), params)
        except (KeyboardInterrupt, _OverrunError):
            raise
        except BaseException as error:  # noqa: BLE001 - live code was called; its accident is an answer
            text = "".join(traceback.format_exception(error))[-TRACEBACK_CHARACTERS_MAX:]
            return Answer(None, None, _fault("raised", text), time.perf_counter_ns() - began_ns)
        took_ns = time.perf_counter_ns() - began_ns
        try:
            return self._checked(result, took_ns)
        except (KeyboardInterrupt, _OverrunError):
            raise
        except BaseException as error:  # noqa: BLE001 - a result may carry live code: properties, `__repr__`
            return Answer(None, None, _fault("answer", self._sentence(error)), took_ns)

    def _checked(self, result: object, took_ns: int) -> Answer:
        """The result through its own encoding: what comes out is plain data of the agreed types, shared with nobody.
        Raises for a result that is not."""
        found = getattr(result, "state", None)
        if not isinstance(found, self.state_type):
            text = f"the result's state is {found!r:.200}, and must be a State"
            return Answer(None, None, _fault("answer", text), took_ns)
        value = self._answer_decoder.decode(self._encoder.encode(result))
        state = bytes(getattr(value, "state"))  # noqa: B009 - the contract says that the answer type has it
        self._state_decoder.decode(state)
        if len(state) > STATE_BYTES_MAX:
            text = f"the state is {len(state)} bytes, over the limit of {STATE_BYTES_MAX} for one key"
            return Answer(None, None, _fault("answer", text), took_ns)
        return Answer(value, state, None, took_ns)

    def close(self) -> None:
        self._namespace.close()

    def _sentence(self, error: BaseException) -> str:
        """The error with the place in live code that caused it, in one line."""
        kind, home = type(error).__name__, str(self.release.path)
        if isinstance(error, SyntaxError) and str(error.filename).startswith(home):
            return f"{error.filename}:{error.lineno or 1} {kind}: {error.msg}: {str(error.text or '').strip()}"
        places = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(home)]
        where = f"{places[-1].filename}:{places[-1].lineno} " if places else ""
        line = f": {places[-1].line}" if places else ""
        return f"{where}{kind}: {said_by(error)}{line}"


def _fault(kind: FaultKind, text: str) -> Fault:
    """A fault whose text can be encoded, whatever live code put into it."""
    return Fault(kind, text.encode("utf-8", "backslashreplace").decode())


class _Watch:
    """Interrupts live code from a signal handler while `is_on`, and is inert at every other moment.

    Python runs a signal handler between byte codes, so one that always raised could hit the lines that put things
    back in order. Setting an attribute is a single step that nothing can interrupt.
    """

    def __init__(self) -> None:
        self.is_on = False

    def arm(self, budget_s: float) -> tuple[bool, _Handler]:
        """Whether there is a watchdog here, and the handler that it displaced."""
        if threading.current_thread() is not threading.main_thread():
            return False, None
        previous = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, budget_s, WATCHDOG_REPEAT_S)
        return True, previous

    def disarm(self, previous: _Handler) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if previous is None else previous)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_on:
            raise _OverrunError
