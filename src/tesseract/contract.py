"""What a release must offer, and the check that tells everything that is missing at once.

A release is a package with an entry function and two frozen msgspec Structs:

    Params                              what an operator may tune; every field has a default, numbers have ranges
    State                               what one key remembers from call to call; every field has a default
    entry(input, state, params)         a plain, synchronous, pure function; its result carries the next state
                                        in an attribute `state`
"""

import inspect
from types import ModuleType
from typing import Any

import msgspec

ENTRY_ARGUMENTS = 3


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """`entry` names the function; `answer` is the msgspec type of its result, where `state` is `msgspec.Raw`."""

    entry: str
    answer: type[msgspec.Struct]


def problems_of(module: ModuleType, contract: Contract) -> list[str]:
    """Every way in which `module` breaks the contract, as sentences. Empty when it meets it."""
    return [
        *_struct_problems(module, "Params"),
        *_struct_problems(module, "State"),
        *_entry_problems(module, contract.entry),
    ]


def said_by(error: BaseException) -> str:
    """What live code's error says of itself; its own `__str__` may fail as well."""
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - live code is executed here; the refusal goes on without its text
        return f"its text cannot be told ({type(second).__name__})"


def _struct_problems(module: ModuleType, name: str) -> list[str]:
    found = getattr(module, name, None)
    if found is None:
        return [f"{name} is missing: the package must offer a frozen msgspec Struct of that name"]
    if not (isinstance(found, type) and issubclass(found, msgspec.Struct)):
        return [f"{name} is {found!r}, and must be a msgspec Struct"]
    problems = []
    if not found.__struct_config__.frozen:
        problems.append(f"{name} must be frozen: class {name}(msgspec.Struct, frozen=True)")
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(found()), type=found)
    except msgspec.ValidationError as error:
        problems.append(f"{name}'s own defaults break its types: {error}")
    except Exception as error:  # noqa: BLE001 - live code is executed here (factories, __post_init__); it is refused
        problems.append(f"{name}() cannot be built, every field needs a default of plain data: {said_by(error)}")
    return problems


def _entry_problems(module: ModuleType, entry: str) -> list[str]:
    found: Any = getattr(module, entry, None)
    if found is None:
        return [f"{entry}(input, state, params) is missing"]
    if not inspect.isfunction(found):
        return [f"{entry} is {found!r}, and must be a plain function"]
    problems = []
    if inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        problems.append(f"{entry} must be a plain function, neither async nor a generator")
    try:
        inspect.signature(found).bind(*range(ENTRY_ARGUMENTS))
    except TypeError:
        problems.append(f"{entry}{inspect.signature(found)} must take (input, state, params)")
    return problems
