"""What the commands read of a bot's releases and parameters, without a hand in them: the running bot is the only writer
of `data/releases/`."""

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from foresight.bot_folder import BotFolder
from foresight.cli.reading import is_running
from foresight.contract import CONTRACT
from foresight.errors import BotFolderRefused
from tesseract import (
    Entry,
    InProcessHost,
    Release,
    ReleaseRefused,
    ReleaseStore,
    RequestRefused,
    TesseractError,
    read_tree,
    tree_digest,
)

NEWER_S = 0.010
"""Times of files come from a clock that may lag by so much."""
FRESH_S_MAX = 2.0
"""The bot replaces its documents once a second; one that is not newer by then is what there is."""
LOOK_S = 0.020


class _Dated(Protocol):
    @property
    def written_at(self) -> str: ...


Document = TypeVar("Document", bound=_Dated)


def entries_of(folder: BotFolder) -> list[Entry]:
    """Every release of the bot by its number; none before its first run."""
    try:
        return ReleaseStore.read(folder.releases)
    except (OSError, TesseractError) as error:
        path = folder.releases / ReleaseStore.INDEX
        raise BotFolderRefused(f"{path} cannot be read: {error}; the next run finds the releases again") from None


def entry_named(entries: list[Entry], name: str) -> Entry:
    """The entry of `v12`. Raises RequestRefused when there is none."""
    found = next((entry for entry in entries if entry.name == name), None)
    if found is None:
        known = f"the store knows v1 to v{entries[-1].number}" if entries else "the bot has not run yet"
        raise RequestRefused(f"there is no release {name}: {known}")
    return found


def release_of(folder: BotFolder, entry: Entry) -> tuple[Release, dict[str, bytes]]:
    """A stored release and its files. Raises RequestRefused when its copy is pruned or damaged."""
    path = (folder.releases / entry.digest[:16] / entry.package).absolute()
    try:
        files = read_tree(path)
    except ReleaseRefused as error:
        problems = "; ".join(error.problems)
        raise RequestRefused(f"the copy of {entry.name} is not there any more ({path}: {problems})") from None
    if tree_digest(files) != entry.digest:
        raise RequestRefused(f"the copy of {entry.name}, {path}, is damaged: it does not hold what {entry.name} was")
    return _release(entry.number, path, entry.digest), files


def release_in(tree: Path) -> Release:
    """The live folder as it stands, as if it were a release. Raises ReleaseRefused for one that is none."""
    return _release(0, tree.absolute(), tree_digest(read_tree(tree)))


def _release(number: int, path: Path, digest: str) -> Release:
    return Release(number=number, digest=digest, package=path.name, path=path, origin="", created_ns=0)


@contextlib.contextmanager
def imported(release: Release, module: str = "") -> Iterator[InProcessHost]:
    """A strategy of a release, imported into this process; what it prints goes to standard error. Raises ReleaseRefused
    with every problem, also for an import that does not end."""
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        yield stack.enter_context(contextlib.closing(InProcessHost(release, CONTRACT, module=module)))


def newest(folder: BotFolder, name: str, kind: type[Document]) -> Document | None:
    """A document of the running bot that is not behind its answers and its store, or None when no bot runs.

    The bot writes once a second; who has just asked for something must not be told what was before."""
    until = time.monotonic() + FRESH_S_MAX
    while is_running(folder):
        found = _read(folder.observed / name, kind)
        is_new = found is not None and _seconds(found.written_at) > _changed_s(folder) + NEWER_S
        if is_new or time.monotonic() >= until:
            return found
        time.sleep(LOOK_S)
    return None


def _read(path: Path, kind: type[Document]) -> Document | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BotFolderRefused(f"{path} cannot be read: {error}; a running bot replaces it within a second") from None


def _changed_s(folder: BotFolder) -> float:
    """When the newest answer or the store was written."""
    paths = [folder.releases / ReleaseStore.INDEX, folder.state / "lock", *folder.answers.glob("*.json")]
    return max(map(_modified_s, paths))


def _modified_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp() if re.match(r"\d{4}-", at) else 0.0
