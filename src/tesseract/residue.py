"""Did the import or the rehearsal of a release change anything that it does not own? Asked of a process that runs
nothing else.

`Baseline` remembers every attribute of every module loaded so far and of their classes, by identity, and the settings
of the interpreter and of the process.

What is innocent, so that no release is refused for importing a library: a module that appears as an attribute of its
package; what a module adds to itself through its own `__getattr__`; private data (`_cache = None` that is filled); data
that is None until it is needed; filters of warnings that name a message or a module.

What is not seen: a container of another module that is changed in place (`json.encoder.ESCAPE_DCT`, the registries of
`abc`, `functools.singledispatch`, `atexit` and `copyreg`), and the state of C extensions (`random.seed`,
`decimal.getcontext()`).
"""

import gc
import locale
import os
import signal
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import is_
from pathlib import Path
from types import FunctionType, ModuleType

PROBLEMS_MAX = 20
"""Sentences told at once. What is over is counted in one more."""
BOOKKEEPING = {"__warningregistry__", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
"""What Python keeps in a module or a class by itself."""
SCALARS = {type(None), bool, int, float, complex, str, bytes}

_ABSENT = object()
_LAZY_MODULES = {"mimetypes"}
"""Standard modules that fill their public names at their first use."""
_SET_BY_OTHERS = {
    ("sys", "dont_write_bytecode"),  # by `cage.confine`
    *(("typing", "_collect_parameters"), ("typing", "_check_generic")),  # by `typing_extensions`, before Python 3.12
}
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8


def _umask() -> int:
    """The kernel has no call that only reads it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_SETTINGS: dict[str, Callable[[], object]] = {
    "the working directory": os.getcwd,
    "the locale": lambda: locale.setlocale(locale.LC_ALL),
    "the umask": _umask,
    "the recursion limit": sys.getrecursionlimit,
    "the switch interval": sys.getswitchinterval,
    "the limit of digits in an int": sys.get_int_max_str_digits,
    "the garbage collector's switch": gc.isenabled,
    "the garbage collector's thresholds": gc.get_threshold,
    "the garbage collector's debug flags": gc.get_debug,
    "tracing": lambda: sys.gettrace() is not None,
    "profiling": lambda: sys.getprofile() is not None,
    "the running of the alarm timer": lambda: signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0),
    "the import hooks": lambda: list(sys.path_hooks),
    "sys.path": lambda: list(sys.path),
}


class Baseline:
    """What stood before live code was imported. It keeps what it has seen alive, so that no identity is used twice."""

    @classmethod
    def taken(cls) -> "Baseline":
        """Of this process as it is now; its forks share it. `__main__` is left out: it is the program that runs."""
        baseline = cls()
        baseline.takes_in("__main__")
        baseline._settings = {name: setting() for name, setting in _SETTINGS.items()}
        baseline._environment = dict(os.environ)
        baseline._handlers = _handlers()
        baseline._threads = set(threading.enumerate())
        baseline._thread_count = _thread_count()
        baseline._finders = list(sys.meta_path)
        baseline._filters = list(warnings.filters)
        return baseline

    def __init__(self) -> None:
        self._modules: dict[str, tuple[ModuleType, dict[str, object]]] = {}
        self._classes: list[tuple[type, dict[str, object]]] = []
        self._functions: dict[int, tuple[FunctionType, types.CodeType, tuple[object, ...] | None]] = {}
        self._settings: dict[str, object] = {}
        self._environment: dict[str, str] = {}
        self._handlers: dict[int, object] = {}
        self._threads: set[threading.Thread] = set()
        self._thread_count = 0
        self._finders: list[object] = []
        self._filters: list[object] = []

    def takes_in(self, *but: str) -> None:
        """Remembers what has been loaded since as well, but for the packages and modules of these names."""
        loaded = [(name, found) for name, found in list(sys.modules.items()) if isinstance(found, ModuleType)]
        modules = {
            name: found for name, found in loaded if name not in self._modules and name.partition(".")[0] not in but
        }
        fresh = {name: (found, dict(vars(found))) for name, found in modules.items()}
        known = {id(found) for found, _ in self._classes}
        classes = [(found, dict(vars(found))) for found in _classes_of(modules.values()) if id(found) not in known]
        spaces = (space for _, space in (*fresh.values(), *classes))
        functions = (value for space in spaces for value in space.values() if type(value) is FunctionType)
        self._functions |= {
            id(found): (found, found.__code__, found.__defaults__)
            for found in functions
            if id(found) not in self._functions
        }
        self._modules |= fresh
        self._classes += classes

    def owns_handler(self, number: int) -> None:
        """The handler that this signal has now is the process's own from here on."""
        self._handlers[number] = signal.getsignal(number)

    def problems(self) -> list[str]:
        """What differs now, as sentences that begin with `it`. Empty when nothing does."""
        found = [
            *self._module_problems(),
            *self._class_problems(),
            *self._function_problems(),
            *self._setting_problems(),
            *self._environment_problems(),
            *self._handler_problems(),
            *self._thread_problems(),
            *self._import_problems(),
        ]
        over = len(found) - PROBLEMS_MAX
        return [*found[:PROBLEMS_MAX], f"it changed {over} more"] if over > 0 else found

    def _module_problems(self) -> Iterator[str]:
        for name, (module, before) in self._modules.items():
            if sys.modules.get(name) is not module:
                yield f"it replaced the module {name}" if name in sys.modules else f"it removed the module {name}"
            fills_itself = "__getattr__" in before or name in _LAZY_MODULES
            for key, old, new in _differences(before, vars(module)):
                is_own = fills_itself and (old is _ABSENT or name in _LAZY_MODULES)
                if not (is_own or (name, key) in _SET_BY_OTHERS or _is_innocent(key, old, new)):
                    yield f"it {_verb(old, new)} {name}.{key}"

    def _class_problems(self) -> Iterator[str]:
        for owner, before in self._classes:
            for key, old, new in _differences(before, vars(owner)):
                if not _is_innocent(key, old, new):
                    yield f"it {_verb(old, new)} {owner.__module__}.{owner.__qualname__}.{key}"

    def _function_problems(self) -> Iterator[str]:
        for function, code, defaults in self._functions.values():
            if function.__code__ is not code or function.__defaults__ is not defaults:
                yield f"it changed the inside of {function.__module__}.{function.__qualname__}"

    def _setting_problems(self) -> Iterator[str]:
        for name, before in self._settings.items():
            now = _SETTINGS[name]()
            if now != before:
                yield f"it changed {name} from {before!r:.200} to {now!r:.200}"

    def _environment_problems(self) -> Iterator[str]:
        for name in sorted(self._environment.keys() | dict(os.environ).keys()):
            if self._environment.get(name) != os.environ.get(name):
                yield f"it changed the environment variable {name}"

    def _handler_problems(self) -> Iterator[str]:
        for number, handler in _handlers().items():
            if handler is not self._handlers[number]:
                yield f"it set a handler for {signal.Signals(number).name}"

    def _thread_problems(self) -> Iterator[str]:
        """Threads that Python knows by name, and then those that only the kernel knows, by number."""
        new = [thread for thread in threading.enumerate() if thread not in self._threads]
        yield from (f"it left a thread running: {thread.name}" for thread in new)
        unknown = _thread_count() - self._thread_count - len(new)
        if unknown > 0:
            yield f"it left {unknown} threads running that Python does not know"

    def _import_problems(self) -> Iterator[str]:
        """Installed libraries may bring a finder of their own; live code may not."""
        for finder in sys.meta_path:
            if finder not in self._finders and not _is_installed(finder):
                yield f"it added {type(finder).__module__}.{type(finder).__qualname__} to sys.meta_path"
        if any(finder not in sys.meta_path for finder in self._finders):
            yield "it removed a finder from sys.meta_path"
        blanket = [entry for entry in warnings.filters if entry[1] is None and entry[3] is None]
        if any(entry not in self._filters for entry in blanket):
            yield "it changed which warnings are shown"


def _classes_of(modules: Iterable[ModuleType]) -> list[type]:
    """Every class that can be changed and is reached from the modules, also those inside of classes; each once."""
    found: dict[int, type] = {}
    spaces: list[Mapping[str, object]] = [vars(module) for module in modules]
    while spaces:
        for value in list(spaces.pop().values()):
            if isinstance(value, type) and id(value) not in found and _is_open(value):
                found[id(value)] = value
                spaces.append(vars(value))
    return list(found.values())


def _is_open(found: type) -> bool:
    return bool(found.__flags__ & _HEAP_TYPE) and not found.__flags__ & _IMMUTABLE_TYPE


def _differences(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[tuple[str, object, object]]:
    """Name, old value and new value of every attribute that is not the same object. Nearly always there is none, and
    that is told by loops that run in C."""
    if len(now) == len(before) and all(map(is_, now.values(), before.values())) and all(map(is_, now, before)):
        return
    for key, old in before.items():
        new = now.get(key, _ABSENT)
        if new is not old:
            yield key, old, new
    if len(now) != len(before) or now.keys() != before.keys():
        yield from ((key, _ABSENT, now[key]) for key in list(now) if key not in before)


def _is_innocent(key: str, old: object, new: object) -> bool:
    if key in BOOKKEEPING:
        return True
    if new is _ABSENT or callable(old) or callable(new):
        return False
    if _is_plain(old) and _is_plain(new) and old == new:  # `time.tzset` makes an equal `time.tzname`
        return True
    return key.startswith("_") or old is None or (old is _ABSENT and isinstance(new, ModuleType))


def _is_plain(value: object) -> bool:
    return type(value) in SCALARS or (type(value) is tuple and SCALARS.issuperset(map(type, value)))


def _verb(old: object, new: object) -> str:
    return "added" if old is _ABSENT else "removed" if new is _ABSENT else "replaced"


def _handlers() -> dict[int, object]:
    return {int(number): signal.getsignal(number) for number in signal.valid_signals()}


def _thread_count() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def _is_installed(finder: object) -> bool:
    module = sys.modules.get(type(finder).__module__)
    return str(getattr(module, "__file__", "") or "").startswith((sys.prefix, sys.base_prefix))
