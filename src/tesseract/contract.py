"""What a release must offer, and the check that tells everything that is missing at once.

A release is a package with an entry function and two frozen msgspec Structs:

    Params                              what an operator may tune; every field has a default, numbers have ranges
    State                               what one key remembers from call to call; every field has a default
    entry(input, state, params)         a plain, synchronous, pure function; its result carries the next state
                                        in an attribute `state`
    migrate(old, old_schema)            optional: a State from the fields of another release's
    NEEDS                               optional, where the contract names it: what it needs besides its input
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from tesseract.errors import said_by
from tesseract.schema import state_type_problems

ENTRY_ARGUMENTS = 3
MIGRATE_ARGUMENTS = 2
NEEDS_MAX, NEED_CHARACTERS_MAX = 64, 100

NeedsProblems = Callable[[tuple[str, ...]], Sequence[str]]


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What the resident program and its live code have agreed on.

    `entry` names the function; `given` is the msgspec type of its input, `answer` that of its result, where `state` is
    `msgspec.Raw`. `check` tells why an answer of the right type can still not be used, or None. `compared` names the
    fields of an answer that are its decision: a rehearsal counts those that differ from what was decided.

    `needs` names the attribute in which a release says what it needs besides its input, as a tuple of short texts;
    empty where it may need nothing. `needs_problems` tells what is wrong with such names, before anybody is asked for
    them.
    """

    entry: str
    given: type[Any]
    answer: type[msgspec.Struct]
    check: Callable[[Any], str | None] | None = None
    compared: tuple[str, ...] = ()
    needs: str = ""
    needs_problems: NeedsProblems | None = None

    def decision_of(self, answer: msgspec.Struct) -> bytes:
        """The compared fields, encoded."""
        return msgspec.msgpack.encode([getattr(answer, name) for name in self.compared])


def contract_at(place: str) -> Contract:
    """The contract that `package.module:NAME` names. Raises ImportError or AttributeError."""
    module, _, name = place.partition(":")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, Contract), f"{place} is no Contract"
    return found


def folder_left_out(place: str, path: Sequence[str]) -> str | None:
    """The folder in which this program finds a contract's module, and in which the runtime's processes do not look:
    they get `path` and `sys.path`, without its first entry (the script's folder) and the current one. None when they
    find the module, too."""
    package = place.partition(":")[0].partition(".")[0]
    if PathFinder.find_spec(package, [entry for entry in (*path, *sys.path[1:]) if entry]) is not None:
        return None
    found = (entry for entry in sys.path if PathFinder.find_spec(package, [entry]) is not None)
    return next((str(Path(entry).absolute()) for entry in found), None)


def problems_of(module: ModuleType, contract: Contract) -> list[str]:
    """Every way in which `module` breaks the contract, as sentences with their place. Empty when it meets it."""
    found = {
        "Params": struct_problems(module, "Params"),
        "State": struct_problems(module, "State"),
        contract.entry: _entry_problems(module, contract.entry, "input, state, params", ENTRY_ARGUMENTS),
    }
    if _has_migrate(module):
        found["migrate"] = _entry_problems(module, "migrate", "old, old_schema", MIGRATE_ARGUMENTS)
    if contract.needs:
        found[contract.needs] = _needs_problems(module, contract)
    return [f"{problem} ({_place_of(module, name)})" for name, problems in found.items() for problem in problems]


def needs_of(module: ModuleType, contract: Contract) -> tuple[str, ...]:
    """What a release that meets the contract says that it needs, each name once."""
    return tuple(dict.fromkeys(getattr(module, contract.needs, ()))) if contract.needs else ()


def _place_of(module: ModuleType, name: str) -> str:
    """Where live code defines a name, as `file:line`; only the module's file when there is no such place."""
    try:
        found = inspect.unwrap(getattr(module, name))
        return f"{inspect.getsourcefile(found)}:{inspect.getsourcelines(found)[1]}"
    except Exception:  # noqa: BLE001 - live code may have put anything there; the refusal names the file then
        return str(module.__file__)


def _has_migrate(module: ModuleType) -> bool:
    return getattr(module, "migrate", None) is not None


def struct_problems(module: ModuleType, name: str) -> list[str]:
    """Why `module` has no usable Struct of this name; empty when it has."""
    found = getattr(module, name, None)
    if found is None:
        return [f"{name} is missing: the package must offer a frozen msgspec Struct of that name"]
    if not (isinstance(found, type) and issubclass(found, msgspec.Struct)):
        return [f"{name} is {found!r}, and must be a msgspec Struct"]
    problems = []
    if not found.__struct_config__.frozen:
        problems.append(f"{name} must be frozen: class {name}(msgspec.Struct, frozen=True)")
    undeclared = state_type_problems(found)
    if undeclared:  # a type that msgspec cannot handle must not be built from here on
        return [*problems, *undeclared]
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(found()), type=found)
    except msgspec.ValidationError as error:
        problems.append(f"{name}'s own defaults break its types: {error}")
    except Exception as error:  # noqa: BLE001 - live code is executed here (factories, __post_init__); it is refused
        why = _why_not(found, error)
        problems.append(f"{name}() cannot be built, every field needs a default of plain data: {why}")
    return problems


def _why_not(found: type[msgspec.Struct], error: BaseException) -> str:
    needy = [f"{found.__name__}.{field.name}" for field in msgspec.structs.fields(found) if field.required]
    return f"{', '.join(needy)} has none" if needy else said_by(error)


def _entry_problems(module: ModuleType, entry: str, arguments: str, count: int) -> list[str]:
    found: Any = getattr(module, entry, None)
    if found is None:
        return [f"{entry}({arguments}) is missing"]
    if not inspect.isfunction(found):
        return [f"{entry} is {found!r}, and must be a plain function"]
    problems = []
    if inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        problems.append(f"{entry} must be a plain function, neither async nor a generator")
    try:
        inspect.signature(found).bind(*range(count))
    except TypeError:
        problems.append(f"{entry}{inspect.signature(found)} must take ({arguments})")
    return problems


def _needs_problems(module: ModuleType, contract: Contract) -> list[str]:
    name, found = contract.needs, getattr(module, contract.needs, ())
    if type(found) not in (tuple, list):
        return [f"{name} is {found!r:.100}, and must be a tuple of texts"]
    problems = [
        f"{name} holds {each!r:.100}, and may hold texts of 1 to {NEED_CHARACTERS_MAX} printable characters"
        for each in found
        if not _is_need(each)
    ]
    if len(found) > NEEDS_MAX:
        problems.append(f"{name} holds {len(found)} names, over the limit of {NEEDS_MAX}")
    if problems or contract.needs_problems is None:
        return problems
    return [f"{name}: {problem}" for problem in contract.needs_problems(needs_of(module, contract))]


def _is_need(found: object) -> bool:
    return type(found) is str and 0 < len(found) <= NEED_CHARACTERS_MAX and found.isprintable()
