"""The operator's side of the files: what `state/desired.json` and `state/requests/` ask, and what is answered.

A desired document says how things should be; a request asks for one thing to be done. Both are read off the loop, ten
times a second. Every request is answered in `state/observed/requests/<id>.json`, at first with `accepted`, at last with
`done` or `refused` and the sentence; then its own file goes. Requests from before the start are refused: nobody knows
whether they are still meant.

Whatever lies there instead of a plain file (a pipe, a folder, a device) is told once, and holds up nothing.
"""

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from foresight.bot_folder import BotFolder
from foresight.errors import DesiredRefused
from foresight.runtime.desired import Desired, content_of, desired_of
from foresight.runtime.state_files import encode, read_plain, write_atomic
from tesseract import Host, Request

REQUEST_BYTES_MAX = 64 * 1024
ANSWERS_MAX = 200
LOOKS_A_SECOND = 10
TORN_S = 1.0
"""A document that cannot be read, or that is gone, may be in an editor's hands; after so long it is what it is."""
SHADOW_S_MAX = 7 * 86_400
"""What the runtime takes."""
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
    shadow_s: Annotated[float, msgspec.Meta(ge=0, le=SHADOW_S_MAX)] = 0
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
    """What one look at the files gave: a desired document when it changed, or why it is refused, and new requests. What
    is wrong is told once while it stays so: `bad` requests by their name, `requests_problem` of their folder."""

    desired: Desired | None
    desired_problem: str | None
    requests: tuple[RequestDocument, ...]
    bad: tuple[tuple[str, str], ...]
    requests_problem: str | None = None


class Inbox:
    """Reads the operator's files. Not on the loop: a slow disk holds up nobody but the operator."""

    def __init__(self, folder: BotFolder) -> None:
        self._folder = folder
        self._path = folder.state / "desired.json"
        self._desired: bytes | None = None
        self._unclear: dict[str, int] = {}
        """What is unclear at this look, and at how many looks in a row before it."""
        self._unclear_before: dict[str, int] = {}

    def start(self) -> Desired:
        """What is desired at the start; from then on `look` tells what changes. Raises DesiredRefused."""
        self._desired = content_of(self._path)
        return desired_of(self._path, self._desired)

    def old_requests(self) -> list[str]:
        """The ids of requests from before the start."""
        return [path.stem for path in self._paths()[0]]

    def look(self) -> Found:
        """What is new since the last look."""
        self._unclear_before, self._unclear = self._unclear, {}
        desired, problem = self._new_desired()
        requests, bad = [], []
        paths, requests_problem = self._paths()
        for path in paths:
            try:
                requests.append(_read(path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                if self._has_lasted(path.name):
                    bad.append((path.stem, f"{path} is refused: {error}"))
        return Found(desired, problem, tuple(requests), tuple(bad), requests_problem)

    def _new_desired(self) -> tuple[Desired | None, str | None]:
        try:
            content = content_of(self._path)
            if content == self._desired:
                return None, None
            desired = desired_of(self._path, content)
        except DesiredRefused as error:
            return None, f"{error}; what was in force stays so" if self._has_lasted("desired: refused") else None
        if content is None and not self._has_lasted("desired: gone"):
            return None, None
        self._desired = content
        return desired, None

    def _has_lasted(self, what: str) -> bool:
        """Whether something has been unclear for TORN_S; yes once, and again only after it has been clear."""
        looks = self._unclear[what] = self._unclear_before.get(what, -1) + 1
        return looks == round(TORN_S * LOOKS_A_SECOND)

    def _paths(self) -> tuple[list[Path], str | None]:
        """The requests, or why they cannot be looked at. A name that no screen and no document can say is nobody's."""
        home = self._folder.requests
        try:
            found = [path for path in home.iterdir() if path.suffix == ".json"]
        except FileNotFoundError:
            return [], None
        except OSError as error:
            problem = f"{home} cannot be read: {error}; no request is heard until it is a folder that can be"
            return [], problem if self._has_lasted("requests/") else None
        return sorted(path for path in found if path.name[0] != "." and path.name.isprintable()), None


def _read(path: Path) -> RequestDocument:
    document = msgspec.json.decode(read_plain(path, REQUEST_BYTES_MAX), type=RequestDocument)
    if document.id != path.stem or not _ID.fullmatch(document.id):
        raise ValueError("its id must be its file's name, of letters, digits, dashes and underscores")
    return document


def answer(folder: BotFolder, document: AnswerDocument) -> None:
    """Writes the word on a request, and takes the request away when it is the last one. Raises OSError."""
    home = folder.answers
    home.mkdir(parents=True, exist_ok=True)
    write_atomic(home / f"{document.id}.json", encode(document))
    if document.state != "accepted":
        with contextlib.suppress(IsADirectoryError):  # a folder is left to who made it
            (folder.requests / f"{document.id}.json").unlink(missing_ok=True)
        _prune(home)


def _prune(home: Path) -> None:
    answers = [path for path in home.glob("*.json") if path.is_file()]
    for path in sorted(answers, key=lambda path: path.stat().st_mtime_ns)[:-ANSWERS_MAX]:
        path.unlink(missing_ok=True)
