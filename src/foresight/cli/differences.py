"""What differs between two releases: code, parameters, the State, and what a state would go through on its way."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from foresight.bot_folder import BotFolder
from foresight.cli.shapes import Schema, leaf_of, leaves_of, schema_at
from foresight.cli.stored import imported, release_of
from tesseract import Entry, Loaded, Release, ReleaseRefused

LINES_BYTES_MAX = 512 * 1024
"""A longer file is data, and is named only: comparing it line by line takes minutes."""
FRESH = "a fresh state"


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `lines` is a unified diff; it is empty for a file that is no text."""

    name: str
    change: Literal["added", "removed", "changed"]
    is_text: bool
    bytes_before: int
    bytes_after: int
    lines: tuple[str, ...]


class FieldsDiff(msgspec.Struct, frozen=True):
    """Fields by name, each with what it is, or what it was and is."""

    added: dict[str, str]
    removed: dict[str, str]
    changed: dict[str, tuple[str, str]]

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)


class StrategyDiff(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy. With a `problem` nothing else is known. `carry_problems` is why the newer release would be refused
    for the state of the older one, as far as a fresh state shows it; `carry_notes` is what it would do."""

    strategy: str
    problem: str = ""
    params: FieldsDiff = FieldsDiff({}, {}, {})
    state: FieldsDiff = FieldsDiff({}, {}, {})
    is_same_state: bool = False
    carry_notes: tuple[str, ...] = ()
    carry_problems: tuple[str, ...] = ()


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """From release `a` to release `b`."""

    a: str
    b: str
    files: tuple[FileDiff, ...]
    strategies: tuple[StrategyDiff, ...]


def diff_of(folder: BotFolder, before: Entry, after: Entry, modules: Mapping[str, str]) -> Diff:
    """Everything that differs. `modules` are the bot's strategies with their modules. Raises RequestRefused when a copy
    is pruned or damaged."""
    old, old_files = release_of(folder, before)
    new, new_files = release_of(folder, after)
    names = (before.name, after.name)
    return Diff(
        a=before.name,
        b=after.name,
        files=tuple(_file_diffs(old_files, new_files, names)),
        strategies=tuple(_strategy_diff(name, module, (old, new)) for name, module in modules.items()),
    )


def _file_diffs(old: Mapping[str, bytes], new: Mapping[str, bytes], names: tuple[str, str]) -> Iterator[FileDiff]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        texts = _text(before), _text(after)
        is_text = None not in texts
        yield FileDiff(
            name=name.encode("utf-8", "backslashreplace").decode(),
            change="added" if before is None else "removed" if after is None else "changed",
            is_text=is_text,
            bytes_before=len(before or b""),
            bytes_after=len(after or b""),
            lines=tuple(_unified(name, texts, names)) if is_text else (),
        )


def _text(content: bytes | None) -> list[str] | None:
    """The lines of a text with their ends, or None for what is no text. A file that is not there has none."""
    content = content or b""
    if b"\0" in content or len(content) > LINES_BYTES_MAX:
        return None
    try:
        *lines, last = content.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def _unified(name: str, texts: Sequence[list[str] | None], names: tuple[str, str]) -> Iterator[str]:
    """Without line ends; a last line without an end is followed by a line that says so."""
    before, after = (text or [] for text in texts)
    for line in difflib.unified_diff(before, after, f"{names[0]}/{name}", f"{names[1]}/{name}"):
        yield line.removesuffix("\n").encode("utf-8", "backslashreplace").decode()
        if not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _strategy_diff(name: str, module: str, releases: tuple[Release, Release]) -> StrategyDiff:
    old, new = releases
    try:
        with imported(old, module) as host:
            before = host.loaded
    except ReleaseRefused as error:
        return StrategyDiff(strategy=name, problem=_not_imported(old, error))
    try:
        with imported(new, module) as host:
            carried = host.carry({FRESH: before.first_state}, before.state_schema)
            after = host.loaded
    except ReleaseRefused as error:
        return StrategyDiff(strategy=name, problem=_not_imported(new, error))
    return StrategyDiff(
        strategy=name,
        params=_compared(before, after, _params),
        state=_compared(before, after, _state),
        is_same_state=before.state_schema == after.state_schema,
        carry_notes=carried.notes,
        carry_problems=carried.problems,
    )


def _not_imported(release: Release, error: ReleaseRefused) -> str:
    return f"{release.name} cannot be imported: {'; '.join(error.problems)}"


def _params(loaded: Loaded) -> dict[str, str]:
    return {name: leaf.text() for name, leaf in leaves_of(schema_at(loaded.params_schema)).items()}


def _state(loaded: Loaded) -> dict[str, str]:
    schema: Schema = schema_at(loaded.state_schema)
    return {
        f"{record}.{field.wire}": leaf_of(field, field.plain_default()).text() + (", refold" if field.refold else "")
        for record, found in schema.records.items()
        for field in found.fields
    }


def _compared(before: Loaded, after: Loaded, fields: Callable[[Loaded], dict[str, str]]) -> FieldsDiff:
    old, new = fields(before), fields(after)
    return FieldsDiff(
        added={name: text for name, text in new.items() if name not in old},
        removed={name: text for name, text in old.items() if name not in new},
        changed={name: (old[name], text) for name, text in new.items() if name in old and old[name] != text},
    )
