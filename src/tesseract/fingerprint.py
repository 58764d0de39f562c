"""Did data that a release's own modules hold change while it was rehearsed? State that is not in its State.

A fingerprint is a digest of every variable; two of them tell which variables differ. What is not seen: the position
of an iterator that can neither be copied nor counted, and what a release's own subclass of a C type other than the
containers holds in C.
"""

import enum
import functools
import itertools
import marshal
import operator
import types
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from hashlib import blake2b
from types import FunctionType, GeneratorType, MappingProxyType, MemberDescriptorType, ModuleType

from tesseract.residue import BOOKKEEPING, SCALARS

NODES_MAX = 20_000
"""Objects that are looked into for one variable. A change beyond them is not seen."""
SCALARS_MAX = 1_000_000
"""Elements of one flat container that count. Beyond them only its length does."""
DEPTH_MAX = 60
"""How deep objects may be nested in one variable. A change below is not seen."""

_MACHINERY = {
    *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__path__", "__file__", "__cached__"),
    *("__builtins__", "_abc_impl"),
    *BOOKKEEPING,
    *("_member_map_", "_value2member_map_", "_unhashable_values_", "_unhashable_values_map_", "_hashable_values_"),
}
"""Attributes that Python or a library keeps; an Enum adds members that are asked for (`A | B`) by itself."""
_BUILTIN_ITEMS: tuple[tuple[type, Callable[..., Iterable[object]]], ...] = (
    (dict, dict.items),
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (deque, deque.__iter__),
)
_CONTAINERS = (dict, list, tuple, deque, set, frozenset)
_FLAT = 2
"""The version of marshal that keeps no references, so that equal data gives equal bytes."""


def fingerprint(modules: Mapping[str, ModuleType]) -> dict[str, bytes]:
    """A digest of everything that the release's own modules hold: `strategy.signals: CACHE`, `strategy.x:
    Counter.total`, `strategy.y: f.<default 0>`, `strategy.y: f.<closure seen>`.

    `modules` are the modules of one release by the name that is to be shown. Compares within one process only. Live
    code's `__eq__`, `__hash__`, `__repr__` and properties are not called. What `functools.cache`,
    `functools.cached_property` and `functools.singledispatchmethod` remember is no state.
    """
    owned = _Owned(modules)
    with warnings.catch_warnings(action="ignore"):  # copying an itertools object is deprecated, and still the way
        return {
            f"{name}: {path}": owned.digest(value)
            for name, module in modules.items()
            for path, value in owned.variables(module)
        }


def changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """The names of what differs, as live code would write them: `strategy.signals.CACHE`."""
    different = (key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return sorted(key.replace(": ", ".", 1) for key in different)


class _Owned:
    """What belongs to the release, and the digests that are known already."""

    def __init__(self, modules: Mapping[str, ModuleType]) -> None:
        self._names = {module.__name__ for module in modules.values()}
        self._spaces = {id(vars(module)) for module in modules.values()}
        self._classes: dict[type, bool] = {}
        self._known: dict[int, bytes] = {}

    def digest(self, value: object) -> bytes:
        """Asked only for what the modules keep alive, so that an identity is not used twice."""
        if type(value) in SCALARS:
            return marshal.dumps(value, _FLAT)  # type: ignore[arg-type]  # a scalar
        if id(value) not in self._known:
            walk = _Walk(self)
            walk.feed(value, 0)
            self._known[id(value)] = walk.digest.digest()
        return self._known[id(value)]

    def has_class(self, found: type) -> bool:
        if found not in self._classes:
            self._classes[found] = any(vars(base).get("__module__") in self._names for base in found.__mro__)
        return self._classes[found]

    def has_function(self, function: FunctionType) -> bool:
        return id(function.__globals__) in self._spaces

    def variables(self, module: ModuleType) -> Iterator[tuple[str, object]]:
        for name, value in list(vars(module).items()):
            if name not in _MACHINERY:
                yield name, value
                yield from self._inside(name, value, module)

    def _inside(self, path: str, value: object, module: ModuleType) -> Iterator[tuple[str, object]]:
        """What a function or a class of this module holds besides code."""
        function = _plain_function(value)
        if function is not None and function.__globals__ is vars(module):
            yield from ((f"{path}.{name}", held) for name, held in _held_by(function))
        elif isinstance(value, type) and vars(value).get("__module__") == module.__name__:
            for name, held in list(vars(value).items()):
                is_told_by_the_class = name.startswith("__") and name.endswith("__") and _plain_function(held) is None
                if name not in _MACHINERY and not is_told_by_the_class:
                    yield f"{path}.{name}", held
                    yield from self._inside(f"{path}.{name}", held, module)


_WRAPPERS: tuple[tuple[type, Callable[[object], object]], ...] = (
    (staticmethod, operator.attrgetter("__func__")),
    (classmethod, operator.attrgetter("__func__")),
    (type(functools.cache(len)), operator.attrgetter("__wrapped__")),
    (property, operator.attrgetter("fget")),
    (functools.cached_property, operator.attrgetter("func")),
    (functools.singledispatchmethod, operator.attrgetter("func")),
)


def _plain_function(value: object) -> FunctionType | None:
    """The function inside of its decorators: staticmethod, classmethod, property, lru_cache."""
    kind = type(value)
    for wrapper, function_of in _WRAPPERS:
        if issubclass(kind, wrapper):
            value = function_of(value)
    return value if type(value) is FunctionType else None


def _held_by(function: FunctionType) -> Iterator[tuple[str, object]]:
    for number, value in enumerate(function.__defaults__ or ()):
        yield f"<default {number}>", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"<default {name}>", value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        yield f"<closure {name}>", _content(cell)
    yield from vars(function).items()


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it has no value yet
        return None


class _Walk:
    """Feeds one variable into a digest. Cycles end at what has been seen; size and depth are limited."""

    def __init__(self, owned: _Owned, nodes: int = NODES_MAX) -> None:
        self.digest = blake2b(digest_size=16)
        self._owned = owned
        self._left = nodes
        self._seen: dict[int, tuple[int, object]] = {}

    def feed(self, value: object, depth: int) -> None:
        kind = type(value)
        if kind in SCALARS:
            self.digest.update(marshal.dumps(value, _FLAT))  # type: ignore[arg-type]  # a scalar
        elif id(value) in self._seen:
            self._say(f"seen {self._seen[id(value)][0]}")
        elif self._left > 0 and depth < DEPTH_MAX:
            self._left -= 1
            self._seen[id(value)] = (len(self._seen), value)  # kept alive: an identity must not be used twice
            self._say(f"{vars(kind).get('__module__')}.{kind.__name__}")
            self._look_into(value, depth + 1)

    def _say(self, text: str) -> None:
        self.digest.update(f"<{text}>".encode("utf-8", "surrogatepass"))

    def _look_into(self, value: object, depth: int) -> None:
        kind = type(value)  # `isinstance` asks the object for its `__class__`, and that may be live code
        if issubclass(kind, type | ModuleType):
            self._say(f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}")
        elif _plain_function(value) is not None:
            self._function(value, depth)
        elif issubclass(kind, _CONTAINERS):
            self._container(value, depth)
        elif kind is MappingProxyType:
            self._container(dict(value), depth)  # type: ignore[call-overload]  # it is a mapping
        elif kind is ContextVar:
            self.feed(value.get(None), depth)  # type: ignore[attr-defined]  # it is a context variable
        elif kind is GeneratorType:
            frame = value.gi_frame  # type: ignore[attr-defined]  # it is a generator
            self._all((frame.f_lasti, dict(frame.f_locals)) if frame else (), depth)
        elif self._owned.has_class(kind):
            self._all(_attributes(value), depth)
        else:
            self._foreign(value, depth)

    def _all(self, values: Iterable[object], depth: int) -> None:
        for value in values:
            if self._left <= 0:
                break
            self.feed(value, depth)
        self._say("end")

    def _function(self, value: object, depth: int) -> None:
        function = _plain_function(value)
        assert function is not None
        self._say(f"{function.__module__}.{function.__qualname__}:{function.__code__.co_firstlineno}")
        if self._owned.has_function(function):
            self._all(itertools.chain.from_iterable(_held_by(function)), depth)
        elif "__wrapped__" in vars(function):
            self.feed(vars(function)["__wrapped__"], depth)

    def _container(self, value: object, depth: int) -> None:
        """The builtin part by the builtin's own iterator, in one step when it is flat; then what a subclass adds."""
        kind = type(value)
        if issubclass(kind, set | frozenset):
            self._set(frozenset(value), depth)  # type: ignore[call-overload]  # it is a set; the copy asks no `__eq__`
        for base, items_of in _BUILTIN_ITEMS:
            if issubclass(kind, base):
                self._items(list(itertools.islice(items_of(value), SCALARS_MAX)), depth, are_pairs=base is dict)
                self._say(str(base.__len__(value)))  # type: ignore[attr-defined]  # each of them has a length
        if kind not in _CONTAINERS:
            self._all(_attributes(value), depth)

    def _items(self, items: list[object], depth: int, *, are_pairs: bool) -> None:
        parts = list(itertools.chain.from_iterable(items)) if are_pairs else items  # type: ignore[arg-type]  # pairs
        if SCALARS.issuperset(map(type, parts)):
            self.digest.update(marshal.dumps(parts, _FLAT))
        else:
            self._all(parts, depth)

    def _set(self, value: frozenset[object], depth: int) -> None:
        """In an order that does not depend on how the set came about."""
        if SCALARS.issuperset(map(type, value)):
            self.digest.update(marshal.dumps(value, _FLAT))  # type: ignore[arg-type]  # a flat set
            return
        digests = []
        for member in value:
            walk = _Walk(self._owned, self._left)
            walk.feed(member, depth)
            self._left = min(self._left, walk._left)
            digests.append(walk.digest.digest())
        self.digest.update(b"".join(sorted(digests)))

    def _foreign(self, value: object, depth: int) -> None:
        """An object of Python or of a library: what a copy of it would be made from, or where an iterator stands."""
        try:
            parts = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001 - any library's code is called here; what cannot be copied is told by its text
            self._say(f"{value!r:.200}" if type(value).__module__ in {"itertools", "builtins"} else "no copy")
            self._say(str(operator.length_hint(value, -1)))
            return
        if isinstance(parts, str):
            self._say(parts)
            return
        self._all((list(part) if isinstance(part, Iterator) else part for part in parts), depth)


def _attributes(value: object) -> Iterator[object]:
    """Names and values from `__dict__` and `__slots__`, but for what `cached_property` and `~flag` keep there."""
    kind = type(value)
    try:
        space = dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:  # it has slots only
        space = {}
    if issubclass(kind, enum.Flag):
        space.pop("_inverted_", None)
    for name, held in space.items():
        if not any(isinstance(vars(base).get(name), functools.cached_property) for base in kind.__mro__):
            yield from (name, held)
    for base in kind.__mro__:
        for name, member in list(vars(base).items()):
            if isinstance(member, MemberDescriptorType) and not issubclass(base, enum.Enum):
                yield from (name, _slot(value, member))


def _slot(value: object, member: MemberDescriptorType) -> object:
    try:
        return member.__get__(value)
    except AttributeError:  # it has no value yet
        return None
