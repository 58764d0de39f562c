"""Live trees that differ in their State."""

from collections.abc import Mapping

TREE = """
import enum
import math
import socket
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tesseract import refold

{declares}


class Params(msgspec.Struct, frozen=True):
    step: int = 1


class State(msgspec.Struct, frozen=True, kw_only=True):
    {fields}


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None


def decide(given, state, params):
    {before}
    return Result(msgspec.structs.replace(state, {step}), {value})


{functions}
"""


def a_tree(
    fields: str,
    step: str,
    *,
    value: str = "given.number",
    declares: str = "",
    functions: str = "",
    before: str = "",
) -> Mapping[str, str]:
    """A package whose State has `fields` (separated by semicolons); a call replaces what `step` says, and may use
    `given` and `state`."""
    parts = {"declares": declares, "functions": functions, "step": step, "value": value, "before": before}
    source = TREE.format(fields="\n    ".join(each.strip() for each in fields.split(";")), **parts)
    return {"__init__.py": source}
