"""The revisions of a bot's parameters: `state/desired.json` asks for one, `data/params/` keeps them all.

Whoever changes the document holds a lock while it does, until its change is in force or refused: a refused one is put
back, so that what is asked for is what is in force. A number is used once.
"""

import contextlib
import fcntl
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from foresight.bot_folder import BotFolder
from foresight.errors import DesiredRefused
from foresight.runtime.clock import wall_ns
from foresight.runtime.desired import Desired, read_desired
from foresight.runtime.documents import iso
from foresight.runtime.operator import AnswerDocument
from foresight.runtime.state_files import encode, open_lock, write_atomic

REVISIONS_MAX = 1_000
"""Kept, so that the folder has an end; older ones go."""
FOUND = "found"
ASKED = "asked"
NEXT_START = "next start"


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision as it was asked for. `state` is `asked`, `next start`, `done`, `refused`, or `found` in
    state/desired.json, where somebody else had put it; `text` is the sentence of the answer."""

    revision: int
    author: str
    halted: bool
    params: dict[str, object]
    asked_at: str
    state: str
    text: str = ""


class Revisions:
    """Reads and writes the document and its history."""

    def __init__(self, folder: BotFolder) -> None:
        self.path = folder.state / "desired.json"
        self._home = folder.data / "params"
        self._answers = folder.answers

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until nobody else changes the document."""
        for home in (self._home, self.path.parent):
            home.mkdir(parents=True, exist_ok=True)
        with open_lock(self._home / "lock", makes_it=True) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def desired(self) -> Desired:
        """What is asked for now. Raises DesiredRefused for a document that cannot be understood."""
        return read_desired(self.path)

    def history(self) -> list[Revision]:
        """Every revision by its number, with the newest that is known of each, also of one that nobody wrote down."""
        found = {revision.revision: self._answered(revision) for revision in self._written()}
        desired = self.desired()
        theirs = self._by_others(desired, found.get(desired.revision))
        if theirs is not None:
            found[desired.revision] = theirs
        return [found[number] for number in sorted(found)]

    def next_number(self) -> int:
        """A number that no revision has had."""
        answers = (re.fullmatch(r"desired-r(\d+)\.json", path.name) for path in self._answers.glob("desired-r*.json"))
        used = [int(found[1]) for found in answers if found]
        used += [int(path.stem) for path in self._paths()]
        return max([self.desired().revision, *used]) + 1

    def write(self, desired: Desired, state: str) -> None:
        """Asks for `desired`, and keeps what was asked for before. Raises OSError; the old document then stands."""
        before = self.desired()
        known = {revision.revision: revision for revision in self._written()}.get(before.revision)
        if self._by_others(before, known) is not None:
            self._keep(self._found(before))
        self._keep(_revision(desired, state))
        write_atomic(self.path, encode(desired))
        self._prune()

    def put_back(self, before: Desired, content: bytes | None, asked: Desired) -> bool:
        """Asks for what was asked for before, and whether it did: a document that asks for another revision by now
        stays. `content` is the document of then, None for none. What else was changed meanwhile, such as `halted`,
        stays as well."""
        now = self.desired()
        if now.revision != asked.revision:
            return False
        back = msgspec.structs.replace(now, revision=before.revision, author=before.author, params=before.params)
        if back != before:
            write_atomic(self.path, encode(back))
        elif content is None:
            self.path.unlink(missing_ok=True)
        else:
            write_atomic(self.path, content)
        return True

    def content(self) -> bytes | None:
        """The document as it stands, or None when there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def note(self, desired: Desired, state: str, text: str = "") -> None:
        """Writes down what became of a revision."""
        self._keep(_revision(desired, state, text))

    def _by_others(self, desired: Desired, known: Revision | None) -> Revision | None:
        """What somebody else wrote to the document, unless it was refused the number that `known` has."""
        if known is not None and known.params == desired.params:
            return None
        theirs = self._answered(self._found(desired))
        return None if known is not None and theirs.state == "refused" else theirs

    def _found(self, desired: Desired) -> Revision:
        at_ns = self.path.stat().st_mtime_ns if self.path.exists() else 0
        return _revision(desired, FOUND, asked_at=iso(at_ns) if at_ns else "")

    def _answered(self, revision: Revision) -> Revision:
        """With the answer that came after the command that asked had left."""
        if revision.state not in (ASKED, FOUND):
            return revision
        try:
            answer = msgspec.json.decode(self._answer_path(revision).read_bytes(), type=AnswerDocument)
        except (OSError, ValueError):
            return revision
        is_later = answer.answered_at >= revision.asked_at and answer.state != "accepted"
        return msgspec.structs.replace(revision, state=answer.state, text=answer.text) if is_later else revision

    def _answer_path(self, revision: Revision) -> Path:
        return self._answers / f"desired-r{revision.revision}.json"

    def _written(self) -> list[Revision]:
        return [_read(path) for path in self._paths()]

    def _paths(self) -> list[Path]:
        found = [path for path in self._home.glob("*.json") if path.stem.isdecimal()]
        return sorted(found, key=lambda path: int(path.stem))

    def _keep(self, revision: Revision) -> None:
        write_atomic(self._home / f"{revision.revision}.json", encode(revision))

    def _prune(self) -> None:
        for path in self._paths()[:-REVISIONS_MAX]:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Revision:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Revision)
    except (OSError, ValueError) as error:
        raise DesiredRefused(f"{path} cannot be read: {error}; the history needs it: mend it or delete it") from None


def _revision(desired: Desired, state: str, text: str = "", *, asked_at: str | None = None) -> Revision:
    return Revision(
        revision=desired.revision,
        author=desired.author,
        halted=desired.halted,
        params=desired.params,
        asked_at=iso(wall_ns()) if asked_at is None else asked_at,
        state=state,
        text=text,
    )


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """What one set of overrides has made of another, as short sentences."""
    found = []
    for name in sorted({*before, *after}):
        if name not in after:
            found.append(f"{name} back to its default")
        elif name not in before:
            found.append(f"{name} = {_text(after[name])}")
        elif _text(before[name]) != _text(after[name]):
            found.append(f"{name} {_text(before[name])} → {_text(after[name])}")
    return found


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
