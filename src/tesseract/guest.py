"""A release that has been imported, wherever that was: it answers calls, carries states over and is rehearsed.

Both hosts are made of it, so what is true in a replay is true in a process of its own. Whatever live code does comes
back as a fault or a problem; nothing of it gets through as an exception.
"""

import hashlib
import inspect
import linecache
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import msgspec

from tesseract.calls import ANSWER_BYTES_MAX, Answer, CarriedOver, Fault, FaultKind, HostSpec, Loaded
from tesseract.carry import carry, culprit, largest_field, size_problem
from tesseract.contract import Contract, needs_of, problems_of, struct_problems
from tesseract.errors import ReleaseRefused, said_by
from tesseract.fingerprint import fingerprint
from tesseract.params import Tuned, tuned
from tesseract.release import read_tree, tree_digest
from tesseract.schema import schema_of
from tesseract.watchdog import OverrunError, Watchdog

TRACEBACK_CHARACTERS_MAX = 16_000
TRACEBACK_FRAMES_MAX = 60
"""The innermost ones; a thousand of a recursion would take longer to write down than the evaluation may take."""
FRAMES_BEFORE = 3
TRACEBACK_TITLE = "Traceback (most recent call last):\n"
PARAMS_TITLE = "Params"
_NAMESPACE = re.compile(r"\b_release_[0-9a-f]{12}_\d+\.")
"""What the in-process host puts in front of a live module's name."""


class Guest:
    """One imported strategy of one release, with its parameters."""

    def __init__(self, spec: HostSpec, contract: Contract, module: ModuleType, watchdog: Watchdog) -> None:
        """Checks the contract. Raises ReleaseRefused with every problem."""
        self.spec = spec
        self.contract = contract
        self.module = module
        self.watchdog = watchdog
        problems = [each.replace(f"{spec.release.path.parent}/", "") for each in problems_of(module, contract)]
        settings = Tuned(None, (), ()) if struct_problems(module, "Params") else tuned(module.Params, spec.overrides)
        problems += [f"parameter {problem}" for problem in settings.problems]
        if problems or settings.params is None:
            raise ReleaseRefused(name_of(spec), problems)
        self.params_type: type[msgspec.Struct] = module.Params
        self.state_type: type[msgspec.Struct] = module.State
        self.params = settings.params
        self.dormant, self.overridden = settings.dormant, settings.overridden
        self._entry: Callable[..., object] = getattr(module, contract.entry)
        self._given_decoder = msgspec.msgpack.Decoder(contract.given)
        self._state_decoder = msgspec.msgpack.Decoder(module.State)
        self._answer_decoder = msgspec.msgpack.Decoder(contract.answer)
        self._encoder = msgspec.msgpack.Encoder()
        too_large = self._size_problems()
        if too_large:
            raise ReleaseRefused(name_of(spec), too_large)

    def _size_problems(self) -> list[str]:
        """What makes `Loaded` larger than the program takes from a host. The defaults count as well: those that an
        override stands for are told too."""
        settings = (self._encoder.encode(msgspec.to_builtins(each)) for each in (self.params_type(), self.params))
        described = len(schema_of(self.params_type)) + len(schema_of(self.state_type))
        found = [
            _too_large(PARAMS_TITLE, max(settings, key=len)),
            size_problem(self.state_type, self.first_state()),
            _over("the description of Params and State", described),
        ]
        return [problem for problem in found if problem]

    def loaded(self, confined: Mapping[str, str] | None = None) -> Loaded:
        """What the program is told of this release."""
        return Loaded(
            params=msgspec.to_builtins(self.params),
            params_schema=schema_of(self.params_type),
            dormant=self.dormant,
            overridden=self.overridden,
            state_schema=schema_of(self.state_type),
            first_state=self.first_state(),
            digest=tree_digest(read_tree(self.spec.release.path)),
            confined=dict(confined or {}),
            needs=needs_of(self.module, self.contract),
        )

    def first_state(self) -> bytes:
        return self._encoder.encode(self.state_type())

    def given_of(self, encoded: bytes) -> object:
        return self._given_decoder.decode(encoded)

    def is_input(self, encoded: bytes) -> bool:
        """Whether an encoded input is what the contract says."""
        try:
            self.given_of(encoded)
        except msgspec.MsgspecError:
            return False
        return True

    def call_encoded(self, encoded: bytes, state: bytes) -> Answer:
        """As `call`, for an input that has crossed to another process. One that is not what the contract says is the
        caller's mistake, and costs that call alone."""
        try:
            given = self.given_of(encoded)
        except msgspec.MsgspecError as error:
            return Answer(None, None, _fault("answer", f"the input is not what the contract says: {error}"), 0)
        return self.call(given, state)

    def call(self, given: object, state: bytes) -> Answer:
        """One call of the entry function with a fresh copy of the state. Never raises for what live code does."""
        began_ns = time.perf_counter_ns()
        try:
            return self.watchdog.run(self.spec.budget_ns, lambda: self._run(given, state, began_ns))
        except OverrunError as overrun:
            text = f"took longer than {self.spec.budget_ns / 1e6:.0f} ms and was interrupted{self._where(overrun)}"
            return Answer(None, None, _fault("overran", text), time.perf_counter_ns() - began_ns)

    def _run(self, given: object, state: bytes, began_ns: int) -> Answer:
        """Everything that can execute live code: the call, the look at its result, the text of its exception."""
        try:
            result = self._entry(given, self._state_decoder.decode(state), self.params)
        except (KeyboardInterrupt, OverrunError):
            raise
        except BaseException as error:  # noqa: BLE001 - live code was called; its accident is an answer
            fault = _fault("raised", _traceback(error), self.sentence(error))
            return Answer(None, None, fault, time.perf_counter_ns() - began_ns)
        took_ns = time.perf_counter_ns() - began_ns
        try:
            return self._checked(result, took_ns)
        except (KeyboardInterrupt, OverrunError):
            raise
        except BaseException as error:  # noqa: BLE001 - a result may carry live code: properties, `__repr__`
            return self._unusable(self.sentence(error), took_ns)

    def _unusable(self, why: str, took_ns: int) -> Answer:
        """A result that is no answer; no line of live code did it, so the entry function is its place."""
        code = getattr(inspect.unwrap(self._entry), "__code__", self._entry.__code__)
        place = f"{_short(code.co_filename, str(self.spec.release.path))}:{code.co_firstlineno}"
        return Answer(None, None, _fault("answer", why, f"{why} ({place})"), took_ns)

    def _checked(self, result: object, took_ns: int) -> Answer:
        """The result through its own encoding: what comes out is plain data of the agreed types, shared with nobody.
        Raises for a result that is not."""
        found = getattr(result, "state", None)
        if not isinstance(found, self.state_type):
            text = f"the result's state is {found!r:.200}, and must be a State"
            return self._unusable(text, took_ns)
        try:
            encoded = self._encoder.encode(result)
        except Exception as error:  # noqa: BLE001 - a result may carry live code
            where = culprit(found, self.state_type.__name__)
            text = f"{where} ({self.sentence(error)})" if where else self.sentence(error)
            return self._unusable(text, took_ns)
        too_large = _too_large(self.contract.answer.__name__, encoded, "the answer")
        if too_large:
            return self._unusable(too_large, took_ns)
        value = self._answer_decoder.decode(encoded)
        state = bytes(getattr(value, "state"))  # noqa: B009 - the contract says that the answer type has it
        problem = self._state_problem(state) or (self.contract.check(value) if self.contract.check else None)
        if problem is not None:
            return self._unusable(problem, took_ns)
        return Answer(value, state, None, took_ns)

    def _state_problem(self, state: bytes) -> str | None:
        try:
            self._state_decoder.decode(state)
        except msgspec.ValidationError as error:
            return f"the state is not a {self.state_type.__name__}: {error}"
        return size_problem(self.state_type, state) or None

    def carry(self, states: Mapping[str, bytes], old_schema: str) -> CarriedOver:
        """The states of another release in this one's own State, under the watchdog."""
        try:
            migrate = getattr(self.module, "migrate", None)
            budget_ns = self.spec.budget_ns * max(len(states), 1)
            found = self.watchdog.run(budget_ns, lambda: carry(self.state_type, states, old_schema, migrate))
        except OverrunError as overrun:
            problem = f"migrate took longer than {self.spec.budget_ns / 1e6:.0f} ms a key{self._where(overrun)}"
            return CarriedOver({}, (), (), (problem,))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - migrate is live code; whatever it raises refuses the release
            return CarriedOver({}, (), (), (self.sentence(error),))
        home = f"{self.spec.release.path.parent}/"
        problems = tuple(problem.replace(home, "") for problem in found.problems)
        return CarriedOver(found.states, found.notes, found.refold, problems)

    def modules(self) -> dict[str, ModuleType]:
        """The release's own modules, by the names that their source uses; a twin in this process has others."""
        home = str(self.spec.release.path)
        prefix = self._prefix()
        return {
            name.removeprefix(prefix): module
            for name, module in list(sys.modules.items())
            if name.startswith(prefix) and str(getattr(module, "__file__", None) or "").startswith(home)
        }

    def fingerprint(self) -> dict[str, bytes]:
        """What the release's modules hold besides code."""
        return fingerprint(self.modules())

    def digest_of(self, answer: Answer) -> bytes:
        """Eight bytes that two equal answers share. A twin in this process has its modules in another namespace, and
        an answer may name them (`__name__`, a class's `repr`); the namespaces' names are of one length, which is part
        of the encoding."""
        if answer.value is None:
            return b"\0" * 8
        encoded = self._encoder.encode(answer.value).replace(self._prefix().encode(), b"")
        return hashlib.blake2b(encoded, digest_size=8).digest()

    def _prefix(self) -> str:
        """What stands in front of the modules' own names; nothing in a process of its own."""
        return self.module.__name__.removesuffix(self.spec.module)

    def sentence(self, error: BaseException) -> str:
        return sentence_of(error, self.spec.release.path)

    def _where(self, error: BaseException) -> str:
        place = _place(error, str(self.spec.release.path))
        return f" at {place}" if place else ""


def name_of(spec: HostSpec) -> str:
    return f"{spec.module} ({spec.release.name})"


def not_as_stored(spec: HostSpec) -> str:
    """Why a release is not run whose copy was edited in the store."""
    release = spec.release
    return f"the stored copy {release.path} is not what its name says; deploy the content of {release.name} again"


def sentence_of(error: BaseException, home: Path) -> str:
    """An error of live code with the place that caused it, in one line. Places are relative to the live package, and
    modules have the names that its source gives them."""
    return _NAMESPACE.sub("", _sentence(error, home).replace(f"{home.parent}/", "")) + _advice(error, home)


def _advice(error: BaseException, home: Path) -> str:
    """What to do about a module that is not installed; nothing about the release's own, or any other error."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if name is None or _NAMESPACE.match(name) or name.partition(".")[0] == home.name:
        return ""
    return "; install the distribution that has it, and force the deploy"


def _sentence(error: BaseException, home: Path) -> str:
    kind = type(error).__name__
    root = str(home)
    if isinstance(error, SyntaxError) and (file := _source_of(error, home)) is not None:
        line = error.lineno if error.filename else None
        return f"{_short(str(file), root)}{_line(file.read_bytes(), line, kind, str(error.msg))}"
    place = _place(error, root)
    said = said_by(error) or "(no text)"
    return f"{place.replace(': ', f' {kind}: {said}: ', 1)}" if place else f"{kind}: {said}"


def _source_of(error: SyntaxError, home: Path) -> Path | None:
    """The file of the release that does not compile. Of null bytes the compiler does not tell it."""
    if error.filename is not None:
        path = Path(error.filename)
        return path if home in path.parents and path.is_file() else None
    return next((path for path in sorted(home.rglob("*.py")) if b"\0" in path.read_bytes()), None)


def _line(source: bytes, line: int | None, kind: str, said: str) -> str:
    """`:12 SyntaxError: what is wrong: the line`, also of a line that has no encoding; None is where a null byte is."""
    line = line or source[: max(source.find(b"\0"), 0)].count(b"\n") + 1
    text = b"".join(source.splitlines()[line - 1 : line]).decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return f":{line} {kind}: {said}: {text.strip()}"


def _traceback(error: BaseException) -> str:
    """As Python prints it; of a deep one the outermost and the innermost frames."""
    text = "".join(traceback.format_exception(error, limit=-TRACEBACK_FRAMES_MAX))[-TRACEBACK_CHARACTERS_MAX:]
    left_out = sum(1 for _ in traceback.walk_tb(error.__traceback__)) - TRACEBACK_FRAMES_MAX - FRAMES_BEFORE
    if left_out <= 0:
        return text
    first = "".join(traceback.format_tb(error.__traceback__, limit=FRAMES_BEFORE))
    return f"{TRACEBACK_TITLE}{first}  [{left_out} frames are left out]\n{text.removeprefix(TRACEBACK_TITLE)}"


def _place(error: BaseException, home: str) -> str:
    """`strategy/momentum.py:12: the line`, of the innermost frame inside live code."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.startswith(home)
    ]
    if not frames:
        return ""
    name, line = frames[-1]
    return f"{_short(name, home)}:{line}: {linecache.getline(name, line).strip()}"


def _short(filename: str, home: str) -> str:
    return f"{Path(home).name}{filename.removeprefix(home)}"


def _too_large(name: str, encoded: bytes, called: str = "") -> str:
    """Why an encoded object is too large for the program, with its largest field; empty when it is not."""
    problem = _over(called or name, len(encoded))
    return problem and problem + largest_field(name, encoded)


def _over(name: str, size: int) -> str:
    return f"{name} is {size} bytes, over the limit of {ANSWER_BYTES_MAX}" if size > ANSWER_BYTES_MAX else ""


def _fault(kind: FaultKind, text: str, brief: str = "") -> Fault:
    """A fault whose text can be encoded, whatever live code put into it, and has a limit: a traceback's end says what
    was raised, and a line's beginning where."""
    return Fault(kind, _encodable(text[-TRACEBACK_CHARACTERS_MAX:]), _encodable(brief[:TRACEBACK_CHARACTERS_MAX]))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
