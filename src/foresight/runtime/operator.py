"""The operator's side of the files: what `state/desired.json` and `state/requests/` ask, and what is answered.

A desired document says how things should be; a request asks for one thing to be done. Both are read off the loop, ten
times a second. Every request is answered in `state/observed/requests/<id>.json`, at first with `accepted`, at last with
`done` or `refused` and the sentence; then its own file goes. Requests from before the start are refused: nobody knows
whether they are still meant.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from foresight.bot_folder import BotFolder
from foresight.errors import DesiredRefused
from foresight.runtime.desired import Desired, read_desired
from foresight.runtime.state_files import encode, write_atomic
from tesseract import Host, Request

REQUEST_BYTES_MAX = 64 * 1024
ANSWERS_MAX = 200
TORN_S = 1.0
"""A document that cannot be read may still be on its way; after so long it is what it is."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class RequestDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked. `deploy` takes `what`: the live folder (`tree`, or another one in `where`), a `commit` or a
    `release`; `rollback` goes back to what stands by, or to the release in `where`; `keep` ends a probation.
    With `shadow_s` a deploy runs beside what is live for so long first, and decides nothing."""

    id: str
    action: Literal["deploy", "rollback", "keep"]
    author: str
    what: Literal["tree", "commit", "release"] = "tree"
    where: str = ""
    note: str = ""
    canary: tuple[str, ...] = ()
    shadow_s: float = 0
    force: bool = False

    def request(self) -> Request:
        return Request(
            id=self.id,
            action=self.action,
            author=self.author,
            what=self.what,
            where=self.where,
            note=self.note,
            canary=self.canary,
            shadow_s=self.shadow_s,
            is_forced=self.force,
        )


class AnswerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The word on a request, or on `desired-r<revision>`. An `accepted` one has a text where the last word takes long:
    a shadow has begun."""

    id: str
    state: Literal["accepted", "done", "refused"]
    text: str
    answered_at: str


class StrategyParams(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy runs with: `params` are all values in force, `overrides` those that were asked for, and
    `dormant` the names among them that its release has no parameter for. `module` is the strategy's dotted name."""

    strategy: str
    module: str
    release: str
    revision: int
    overrides: dict[str, object]
    params: dict[str, object]
    dormant: tuple[str, ...]


class ParamsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters in force, by strategy."""

    written_at: str
    strategies: tuple[StrategyParams, ...]


def params_document(hosts: Mapping[str, Host], written_at: str) -> ParamsDocument:
    """What the live hosts, by strategy, run with."""
    strategies = (
        StrategyParams(
            strategy=name,
            module=host.spec.module,
            release=host.spec.release.name,
            revision=host.spec.revision,
            overrides=host.spec.overrides,
            params=host.loaded.params,
            dormant=host.loaded.dormant,
        )
        for name, host in hosts.items()
    )
    return ParamsDocument(written_at=written_at, strategies=tuple(strategies))


class Found(msgspec.Struct, frozen=True):
    """What one look at the files gave: a desired document when it changed, or why it is refused, and new requests."""

    desired: Desired | None
    desired_problem: str | None
    requests: tuple[RequestDocument, ...]
    bad: tuple[tuple[str, str], ...]


class Inbox:
    """Reads the operator's files. Not on the loop: a slow disk holds up nobody but the operator."""

    def __init__(self, folder: BotFolder) -> None:
        self._folder = folder
        self._desired: bytes | None = None
        self._torn: dict[str, int] = {}
        self._looks = 0

    def old_requests(self) -> list[str]:
        """The ids of requests from before the start."""
        return [path.stem for path in self._paths()]

    def look(self) -> Found:
        """What is new since the last look."""
        self._looks += 1
        desired, problem = self._new_desired()
        requests, bad = [], []
        paths = self._paths()
        self._torn = {path.name: self._torn[path.name] for path in paths if path.name in self._torn}
        for path in paths:
            try:
                requests.append(_read(path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                if self._is_settled(path):
                    bad.append((path.stem, f"{path.name} is refused: {error}"))
        return Found(desired, problem, tuple(requests), tuple(bad))

    def _new_desired(self) -> tuple[Desired | None, str | None]:
        path = self._folder.state / "desired.json"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            return None, f"{path} is refused: {error}; what was in force stays so"
        if content == self._desired:
            return None, None
        try:
            desired = read_desired(path)
        except DesiredRefused as error:
            return None, str(error)
        self._desired = content
        return desired, None

    def _is_settled(self, path: Path) -> bool:
        """Whether a document that cannot be read has been there for a while."""
        first = self._torn.setdefault(path.name, self._looks)
        return self._looks - first >= TORN_S * 10

    def _paths(self) -> list[Path]:
        """The requests. A name that no screen and no document can say is nobody's."""
        try:
            found = [path for path in self._folder.requests.iterdir() if path.suffix == ".json"]
        except OSError:
            return []
        return sorted(path for path in found if path.name[0] != "." and path.name.isprintable())


def _read(path: Path) -> RequestDocument:
    with path.open("rb") as file:
        content = file.read(REQUEST_BYTES_MAX + 1)
    if len(content) > REQUEST_BYTES_MAX:
        raise ValueError(f"it is longer than {REQUEST_BYTES_MAX} bytes")
    document = msgspec.json.decode(content, type=RequestDocument)
    if document.id != path.stem or not _ID.fullmatch(document.id):
        raise ValueError("its id must be its file's name, of letters, digits, dashes and underscores")
    return document


def answer(folder: BotFolder, document: AnswerDocument) -> None:
    """Writes the word on a request, and takes the request away when it is the last one. Raises OSError."""
    home = folder.answers
    home.mkdir(parents=True, exist_ok=True)
    write_atomic(home / f"{document.id}.json", encode(document))
    if document.state != "accepted":
        (folder.requests / f"{document.id}.json").unlink(missing_ok=True)
        _prune(home)


def _prune(home: Path) -> None:
    answers = sorted(home.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for path in answers[:-ANSWERS_MAX]:
        path.unlink(missing_ok=True)
