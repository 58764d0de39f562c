"""The bot folder: its layout, and the making of a new one from the template.

bot.toml            the configuration, read once at the start
strategy/           the live code
state/              what the bot and its operator tell each other
  observed/         what the engine reports, one JSON file a subject
    requests/       the answers to requests
  requests/         what is asked of the engine
data/               what the bot keeps
  releases/         immutable copies of the live code
  runs/             one folder a run: its journal and its ledger
  record/           one folder a run: the market data that its engine took
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import msgspec

from foresight.errors import BotFolderRefused

_NOT_TEMPLATE = ("__pycache__", ".mypy_cache", ".ruff_cache", ".DS_Store")


class BotFolder(msgspec.Struct, frozen=True):
    """Where everything of one bot lies. The paths are names: nothing is made or checked by asking for one."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "bot.toml"

    @property
    def strategy(self) -> Path:
        return self.root / "strategy"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def observed(self) -> Path:
        return self.state / "observed"

    @property
    def requests(self) -> Path:
        return self.state / "requests"

    @property
    def answers(self) -> Path:
        return self.observed / "requests"

    @property
    def runs(self) -> Path:
        return self.data / "runs"

    @property
    def record(self) -> Path:
        return self.data / "record"

    @property
    def releases(self) -> Path:
        return self.data / "releases"


def write_new(path: Path, content: bytes) -> None:
    """Make a file, whole or not at all. Raises FileExistsError for anything of that name, a broken link included."""
    with path.open("xb") as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink()
            raise


def init_bot(directory: Path, *, write: Callable[[Path, bytes], None] = write_new) -> list[Path]:
    """Make `bot.toml` and `strategy/` in the directory, which may exist; the new files' paths come back, sorted.

    Raises BotFolderRefused, with nothing changed, when either exists, and when a file cannot be written.
    """
    bot = BotFolder(directory)
    existing = [str(path) for path in (bot.config, bot.strategy) if os.path.lexists(path)]
    if existing:
        raise BotFolderRefused(f"{' and '.join(existing)} already there; nothing was changed: choose another folder")
    contents = dict(_tree(files("foresight") / "template", directory))
    made: list[Path] = []
    try:
        for path, content in contents.items():
            _make_folder(path.parent, made)
            write(path, content)
            made.append(path)
    except OSError as error:
        _unmake(made)
        failed = f"{error.filename or directory} cannot be written: {error.strerror or error}"
        raise BotFolderRefused(f"{failed}; nothing was changed") from error
    return sorted(contents)


def _tree(source: Traversable, target: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file under the source, by the path it gets under the target."""
    for entry in source.iterdir():
        if entry.name in _NOT_TEMPLATE:
            continue
        if entry.is_dir():
            yield from _tree(entry, target / entry.name)
        else:
            yield target / entry.name, entry.read_bytes()


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make the folder and those around it that are missing, and add each to `made`."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _unmake(made: list[Path]) -> None:
    """Remove the files and folders, last first. One that cannot be removed is left, with the folders around it."""
    for path in reversed(made):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
