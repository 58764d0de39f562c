"""Builders for live trees, releases and hosts. A tree is a dictionary from relative path to source."""

import os
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import msgspec

from tesseract import Contract, InProcessHost, Release, take_release
from tesseract.calls import Answer

HEAD = """
import msgspec


class Params(msgspec.Struct, frozen=True):
    step: int = 1


class State(msgspec.Struct, frozen=True):
    seen: int = 0


class Result(msgspec.Struct, frozen=True):
    state: State
    value: object = None

"""


class Given(msgspec.Struct, frozen=True):
    """What the tests hand to live code."""

    number: int = 0


class Told(msgspec.Struct, frozen=True):
    """What live code must answer."""

    state: msgspec.Raw
    value: Any = None


CONTRACT = Contract(entry="decide", given=Any, answer=Told, compared=("value",))  # type: ignore[arg-type]
"""The tests hand anything that msgpack knows to live code."""
CONTRACT_PLACE = "release_trees:CONTRACT"


def a_package(body: str = "return Result(state, 'fine')", *, head: str = HEAD) -> dict[str, str]:
    """A package of one file, whose `decide(given, state, params)` has this body."""
    return {"__init__.py": head + "\ndef decide(given, state, params):\n" + indent(dedent(body), "    ") + "\n"}


def a_tree(folder: Path, files: dict[str, str] | dict[str, bytes], name: str = "strategy") -> Path:
    """Writes the files below `folder/name` and returns that folder."""
    tree = folder / name
    for relative, content in files.items():
        path = tree / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tree


def a_release(
    folder: Path, files: dict[str, str] | dict[str, bytes], *, number: int = 1, name: str = "strategy"
) -> Release:
    tree = a_tree(folder / f"tree{number}", files, name)
    return take_release(tree, folder / "store", number=number, origin="test", now_ns=0)


def a_host(
    folder: Path,
    files: dict[str, str] | dict[str, bytes] | None = None,
    *,
    number: int = 1,
    budget_s: float = 1.0,
    overrides: dict[str, object] | None = None,
) -> InProcessHost:
    release = a_release(folder, a_package() if files is None else files, number=number)
    return InProcessHost(release, CONTRACT, budget_s=budget_s, overrides=overrides)


def answer_of(host: InProcessHost, given: object = None, state: bytes | None = None) -> Answer:
    """One call, with the first state unless another is given."""
    answers: list[Answer] = []
    before = host.loaded.first_state if state is None else state
    host.submit(given, msgspec.msgpack.encode(given), before, answers.append)
    (answer,) = answers
    return answer


def value_of(host: InProcessHost, given: object = None) -> object:
    """What one call with the first state answers. Fails the test when the call had a fault."""
    answer = answer_of(host, given)
    assert answer.fault is None, answer.fault.text
    assert isinstance(answer.value, Told)
    return answer.value.value


def paths_below(folder: Path) -> list[str]:
    return sorted(
        (Path(parent) / name).relative_to(folder).as_posix() for parent, _, names in os.walk(folder) for name in names
    )
