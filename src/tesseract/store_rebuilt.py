"""What the copies in a release store, and the records beside them, say of the releases when its index does not."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tesseract.errors import IndexDamaged, ReleaseRefused
from tesseract.release import read_tree, tree_digest
from tesseract.store_entry import Entry, Step, entry_in, iso, newer


class Rebuilt:
    """The entries as the copies tell them: their own records first, then the numbers of the oldest layout (one
    document, `numbers.json`, of {digest: number}), then new numbers. `known` is what is known without them."""

    def __init__(self, folder: Path, known: dict[int, Entry]) -> None:
        self._folder = folder
        self.by_number = dict(known)
        self._names = {entry.digest[:16] for entry in known.values()}
        self._lost: list[str] = []
        unrecorded = [home for home in homes_in(folder) if not self._add_record(home)]
        self.is_damage = bool(self.by_number)
        """Whether there was an index: records and unnumbered copies do not come to be without one."""
        for digest, number in _old_numbers(folder).items():
            self._add_old(digest, number)
        for home in unrecorded:
            self._add_unrecorded(home)

    def lost_sentence(self) -> str:
        missing = sorted(set(range(1, max(self.by_number, default=0))) - set(self.by_number))
        lost = [*(f"all of v{number}" for number in missing), *self._lost]
        return f"Lost: {'; '.join(lost)}." if lost else "Nothing is known to be lost."

    def _add_record(self, home: Path) -> bool:
        entry = record_of(home)
        known = None if entry is None else self.by_number.get(entry.number)
        if entry is None or (known is not None and known.digest != entry.digest):
            return False
        self.by_number[entry.number] = newer(entry, known)
        self._names.add(home.name)
        return True

    def _add_old(self, digest: str, number: int) -> None:
        if number not in self.by_number and digest[:16] not in self._names:
            self._add(number, digest, self._folder / digest[:16], "numbered by an older layout of the store")

    def _add_unrecorded(self, home: Path) -> None:
        if home.name in self._names:
            return
        digest = _digest_of(home)
        if digest is None or digest[:16] != home.name:
            self._lost.append(f"the copy {home.name}, which is not what its name says")
            return
        number = max(self.by_number, default=0) + 1
        self._add(number, digest, home, "found without a record")
        self.is_damage = True
        self._lost.append(f"the number and the history of {home.name}, which is v{number} now")

    def _add(self, number: int, digest: str, home: Path, why: str) -> None:
        """What is known of a release without a record. It counts as superseded: nothing says that it was kept."""
        self._names.add(digest[:16])
        package = _package_of(home)
        at = iso(home.stat().st_mtime_ns) if package else ""
        self.by_number[number] = Entry(
            number=number,
            digest=digest,
            package=package.name if package else "",
            origin="start",
            created_at=at,
            state="superseded",
            history=(Step("superseded", at, why),),
        )


def record_of(home: Path) -> Entry | None:
    """What stands beside a copy, when it can be read and is of this copy."""
    try:
        entry = entry_in((home / "release.json").read_bytes())
    except (OSError, IndexDamaged):
        return None
    return entry if entry.digest[:16] == home.name else None


def homes_in(folder: Path) -> list[Path]:
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
