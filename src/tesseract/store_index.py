"""The index of the release store: what one entry holds, how entries are written, and how they are found again from the
copies when the index is torn or gone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tesseract.errors import ReleaseRefused
from tesseract.life import State
from tesseract.release import read_tree, tree_digest

Origin = Literal["files", "git", "command", "start"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Step(NamedTuple):
    """One move in the life of a release."""

    state: State
    at: str
    why: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of one release. Times are ISO 8601 in UTC; an empty one is not known."""

    number: int
    digest: str
    package: str
    origin: Origin
    author: str = ""
    note: str = ""
    commit: str = ""
    created_at: str
    parent: int | None = None
    state: State
    history: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The name people see, such as `v18`."""
        return f"v{self.number}"


def iso(at_ns: int) -> str:
    moment = EPOCH + timedelta(microseconds=at_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def ns(at: str) -> int:
    return (datetime.fromisoformat(at) - EPOCH) // timedelta(microseconds=1) * 1000 if at else 0


def readable(entry: Entry) -> bytes:
    return msgspec.json.format(msgspec.json.encode(entry), indent=2) + b"\n"


def joined(lines: dict[int, bytes]) -> bytes:
    return b"[\n" + b",\n".join(lines[number] for number in sorted(lines)) + b"\n]\n"


class Rebuilt:
    """The entries as the copies tell them: their own records first, then the numbers of the older layout (one document,
    `numbers.json`, of {digest: number}), then new numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_number: dict[int, Entry] = {}
        self._lost: list[str] = []
        unrecorded = [home for home in _homes(folder) if not self._add_record(home)]
        self.is_damage = bool(self._by_number)
        """Whether there was an index: records and unnumbered copies do not come to be without one."""
        for digest, number in _old_numbers(folder).items():
            self._add_old(digest, number)
        for home in unrecorded:
            self._add_unrecorded(home)

    @property
    def entries(self) -> list[Entry]:
        return [self._by_number[number] for number in sorted(self._by_number)]

    def lost_sentence(self) -> str:
        missing = sorted(set(range(1, max(self._by_number, default=0))) - set(self._by_number))
        lost = [*(f"all of v{number}" for number in missing), *self._lost]
        return f"Lost: {'; '.join(lost)}." if lost else "Nothing is known to be lost."

    def _add_record(self, home: Path) -> bool:
        try:
            entry = msgspec.json.decode((home / "release.json").read_bytes(), type=Entry)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return False
        if entry.digest[:16] != home.name or entry.number in self._by_number:
            return False
        self._by_number[entry.number] = entry
        return True

    def _add_old(self, digest: str, number: int) -> None:
        if number not in self._by_number and not self._has(digest[:16]):
            self._add(number, digest, self._folder / digest[:16], "numbered by an older layout of the store")

    def _add_unrecorded(self, home: Path) -> None:
        if self._has(home.name):
            return
        digest = _digest_of(home)
        if digest is None or digest[:16] != home.name:
            self._lost.append(f"the copy {home.name}, which is not what its name says")
            return
        number = max(self._by_number, default=0) + 1
        self._add(number, digest, home, "found without a record")
        self.is_damage = True
        self._lost.append(f"the number and the history of {home.name}, which is v{number} now")

    def _has(self, digest16: str) -> bool:
        return any(entry.digest[:16] == digest16 for entry in self._by_number.values())

    def _add(self, number: int, digest: str, home: Path, why: str) -> None:
        """What is known of a release without a record. It counts as superseded: nothing says that it was kept."""
        package = _package_of(home)
        at = iso(home.stat().st_mtime_ns) if package else ""
        self._by_number[number] = Entry(
            number=number,
            digest=digest,
            package=package.name if package else "",
            origin="start",
            created_at=at,
            state="superseded",
            history=(Step("superseded", at, why),),
        )


def _homes(folder: Path) -> list[Path]:
    """The folders of the copies, oldest first."""
    found: Iterator[Path] = folder.iterdir() if folder.is_dir() else iter(())
    homes = [path for path in found if re.fullmatch("[0-9a-f]{16}", path.name) and path.is_dir()]
    return sorted(homes, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _old_numbers(folder: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode((folder / "numbers.json").read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _package_of(home: Path) -> Path | None:
    return next((path for path in sorted(home.glob("*")) if (path / "__init__.py").exists()), None)


def _digest_of(home: Path) -> str | None:
    package = _package_of(home)
    try:
        return tree_digest(read_tree(package)) if package else None
    except ReleaseRefused:
        return None
