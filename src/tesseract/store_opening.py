"""How the index of a release store is opened: read, completed, built again, or taken over from the older layout.

An index with a torn last line is completed from the records beside the copies. One that is damaged is set aside as
`<its name>.damaged` and built again from them.

The older layout has one list of all entries, `releases.json`. It is read once; when all that it says is written and
synced in the new one, it is removed: two files would soon say two things. An older version of this package finds the
releases again from the records, and what it then writes is taken over in turn: of each release the newer of both.
"""

import contextlib
import re
from pathlib import Path

from tesseract.errors import IndexDamaged
from tesseract.store_entry import Entry, entries_in, newer
from tesseract.store_index import INDEX, Index
from tesseract.store_rebuilt import Rebuilt, homes_in, record_of

OLDER_INDEX = "releases.json"


def read_entries(folder: Path) -> list[Entry]:
    """All entries as they stand on disk, for somebody who has no hand in them; none where there is no store. A last
    line that is being written is not seen yet. Raises OSError and IndexDamaged."""
    for read in (_in_lines, _in_a_list, _in_lines):  # the list may be taken over in between
        with contextlib.suppress(FileNotFoundError):
            return read(folder)
    return []


def open_index(folder: Path) -> tuple[Index, str]:
    """The index, whole on disk and in memory, and what happened to it and is lost: no text when nothing is. Raises
    OSError; nothing is then lost."""
    index, damage = Index(folder / INDEX), ""
    older: list[Entry] = []
    try:
        index = Index.read(folder / INDEX)
    except FileNotFoundError:
        pass
    except IndexDamaged as error:
        damage = _set_aside(folder / INDEX, error)
    try:
        older = _in_a_list(folder)
    except FileNotFoundError:
        pass
    except IndexDamaged as error:
        damage = _set_aside(folder / OLDER_INDEX, error)
    if not len(index) or index.torn or index.is_cut or older or damage:
        return _completed(index, older, damage)
    if index.is_long():
        with contextlib.suppress(OSError):  # it can stay as it is
            index.write_whole()
    return index, ""


def _completed(index: Index, older: list[Entry], damage: str) -> tuple[Index, str]:
    """A missing index beside nothing but the oldest layout, or nothing at all, is no damage."""
    folder, healed = index.path.parent, ""
    known = {entry.number: entry for entry in index.entries()}
    for entry in older:
        known[entry.number] = newer(entry, known.get(entry.number))
    if damage or not known:
        found = Rebuilt(folder, known)
        known = found.by_number
        if damage or found.is_damage:
            again = f"{len(known)} releases are found again"
            healed = f"{damage or f'{index.path} is gone'}; {again}. {found.lost_sentence()}"
    elif (index.torn or index.is_cut) and not _add_records(known, folder) and index.torn:
        healed = f"{index.path} ended in a torn line; what it said of {_name_in(index.torn)} is lost, and nothing else"
    index = Index(index.path, (known[number] for number in sorted(known)))
    if known:
        index.write_whole()
    (folder / OLDER_INDEX).unlink(missing_ok=True)
    return index, healed


def _add_records(known: dict[int, Entry], folder: Path) -> bool:
    """Whether a record says more than is known."""
    is_more = False
    for record in filter(None, map(record_of, homes_in(folder))):
        before = known.get(record.number)
        if before is None or (before.digest == record.digest and newer(record, before) != before):
            known[record.number] = record
            is_more = True
    return is_more


def _name_in(torn: bytes) -> str:
    found = re.match(rb'\{"number":(\d+),', torn)
    return f"v{int(found[1])}" if found else "one release"


def _in_lines(folder: Path) -> list[Entry]:
    return list(Index.read(folder / INDEX).entries())


def _in_a_list(folder: Path) -> list[Entry]:
    return entries_in((folder / OLDER_INDEX).read_bytes())


def _set_aside(path: Path, damage: IndexDamaged) -> str:
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    return f"{path} cannot be read ({damage}) and is set aside as {aside.name}"
