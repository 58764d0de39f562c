"""The operator's files: what is asked is read once, every request has its answer, and nothing in the folder harms."""

import contextlib
import json
import os
import socket
from pathlib import Path

import msgspec
import pytest

from foresight.bot_folder import BotFolder
from foresight.runtime import operator
from foresight.runtime.desired import DESIRED_BYTES_MAX, Desired
from foresight.runtime.operator import (
    LOOKS_A_SECOND,
    REQUEST_BYTES_MAX,
    TORN_S,
    AnswerDocument,
    Found,
    Inbox,
    RequestDocument,
    answer,
)

NOTHING = Found(None, None, (), ())


@pytest.fixture
def folder(tmp_path: Path) -> BotFolder:
    found = BotFolder(tmp_path)
    found.requests.mkdir(parents=True)
    return found


@pytest.fixture
def inbox(folder: BotFolder) -> Inbox:
    """One that has taken note of what is there at the start."""
    inbox = Inbox(folder)
    inbox.look()
    return inbox


def ask(folder: BotFolder, name: str = "r1", text: str | None = None, **more: object) -> Path:
    path = folder.requests / f"{name}.json"
    document = {"id": name, "action": "deploy", "author": "ana", **more}
    path.write_text(json.dumps(document) if text is None else text)
    return path


def answered(folder: BotFolder, name: str = "r1") -> dict[str, str]:
    found: dict[str, str] = json.loads((folder.answers / f"{name}.json").read_text())
    return found


def an_answer(name: str = "r1", state: str = "done") -> AnswerDocument:
    return AnswerDocument(id=name, state=state, text="v2 is live", answered_at="2026-01-05T12:00:00Z")  # type: ignore[arg-type]


def settled(inbox: Inbox) -> Found:
    """What is found once a document has been there for a while."""
    for _ in range(round(TORN_S * LOOKS_A_SECOND)):
        inbox.look()
    return inbox.look()


# Requests


def test_an_empty_folder_and_a_missing_one_ask_for_nothing(folder: BotFolder, inbox: Inbox) -> None:
    assert inbox.look() == NOTHING
    folder.requests.rmdir()
    assert inbox.look() == NOTHING


def test_a_request_says_what_is_asked(folder: BotFolder, inbox: Inbox) -> None:
    ask(folder, what="release", where="v2", note="back to before", canary=["btc-5m"], force=True, shadow_s=60)

    (found,) = inbox.look().requests

    request = found.request()
    assert (request.id, request.action, request.author) == ("r1", "deploy", "ana")
    assert (request.what, request.where, request.note) == ("release", "v2", "back to before")
    assert (request.canary, request.is_forced, request.shadow_s) == (("btc-5m",), True, 60)


def test_requests_are_found_in_the_order_of_their_names(folder: BotFolder, inbox: Inbox) -> None:
    for name in ("b", "a", "c"):
        ask(folder, name)

    assert [request.id for request in inbox.look().requests] == ["a", "b", "c"]


def test_a_request_is_found_until_it_has_its_last_word(folder: BotFolder, inbox: Inbox) -> None:
    ask(folder)
    answer(folder, an_answer(state="accepted"))
    assert len(inbox.look().requests) == 1

    answer(folder, an_answer(state="done"))

    assert inbox.look() == NOTHING


def test_requests_from_before_the_start_are_told_apart(folder: BotFolder) -> None:
    ask(folder, "old")

    assert Inbox(folder).old_requests() == ["old"]


@pytest.mark.parametrize("name", [".r1.json.tmp", ".r1.json", "r1.json.tmp", "r1.txt", "README.md"])
def test_other_files_are_no_requests(folder: BotFolder, inbox: Inbox, name: str) -> None:
    (folder.requests / name).write_text("{}")

    assert settled(inbox) == NOTHING


def test_a_name_that_is_no_text_is_nobodys_request_and_harms_nothing(folder: BotFolder, inbox: Inbox) -> None:
    Path(os.fsdecode(os.fsencode(folder.requests) + b"/\xff.json")).write_text("{}")
    ask(folder)

    found = settled(inbox)
    assert ([request.id for request in found.requests], found.bad) == (["r1"], ())


BAD = {
    "torn": ('{"id": "r1", "act', "truncated"),
    "no_object": ("[]", "Expected `object`"),
    "empty": ("", "truncated"),
    "no_unicode": ('"\udcff"', "Expected `object`"),
    "unknown_action": ('{"id": "r1", "action": "dance", "author": "ana"}', "Invalid enum value 'dance'"),
    "unknown_field": (
        '{"id": "r1", "action": "keep", "author": "ana", "hurry": true}',
        "Object contains unknown field `hurry`",
    ),
    "no_author": ('{"id": "r1", "action": "keep"}', "missing required field `author`"),
    "id_of_another": ('{"id": "r2", "action": "keep", "author": "ana"}', "its id must be its file's name"),
    "endless_shadow": (
        '{"id": "r1", "action": "deploy", "author": "ana", "shadow_s": 1e300}',
        "Expected `float` <= 604800.0",
    ),
    "too_long": (" " * (REQUEST_BYTES_MAX + 1), f"it is longer than {REQUEST_BYTES_MAX} bytes"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_request_that_cannot_be_read_is_refused_with_the_reason(folder: BotFolder, inbox: Inbox, case: str) -> None:
    text, reason = BAD[case]
    (folder.requests / "r1.json").write_text(text, errors="surrogateescape")

    ((name, problem),) = settled(inbox).bad

    assert name == "r1"
    assert problem.startswith(f"{folder.requests}/r1.json is refused: ")
    assert reason in problem


def test_a_request_of_the_largest_size_is_read(folder: BotFolder, inbox: Inbox) -> None:
    path = ask(folder)
    path.write_text(path.read_text().ljust(REQUEST_BYTES_MAX))

    assert len(inbox.look().requests) == 1


@pytest.mark.parametrize("name", ["a b", "ä", "-r1", "a" * 65, "r1.v2"])
def test_an_id_that_is_no_plain_word_is_refused(folder: BotFolder, inbox: Inbox, name: str) -> None:
    ask(folder, name)

    assert [bad for bad, _ in settled(inbox).bad] == [name]


def test_a_folder_with_the_name_of_a_request_is_refused(folder: BotFolder, inbox: Inbox) -> None:
    (folder.requests / "r1.json").mkdir()

    assert "it is a folder and no plain file" in settled(inbox).bad[0][1]


def in_place_of(path: Path, what: str) -> None:
    """Something that is no plain file and would hold up whoever opens it as one."""
    path.unlink(missing_ok=True)
    if what == "a folder":
        path.mkdir()
    elif what == "a named pipe":
        os.mkfifo(path)
    elif what == "a socket":
        with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):  # a socket's path is short
            server.bind(path.name)
    elif what == "a device":
        path.symlink_to("/dev/zero")


NO_FILES = ("a folder", "a named pipe", "a socket", "a device")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_plain_file_is_told_once_and_the_requests_beside_it_are_heard(
    folder: BotFolder, inbox: Inbox, what: str
) -> None:
    in_place_of(folder.requests / "a.json", what)
    ask(folder, "b")

    looks = [inbox.look() for _ in range(5 * LOOKS_A_SECOND)]

    assert [bad for found in looks for bad in found.bad] == [
        ("a", f"{folder.requests}/a.json is refused: it is {what} and no plain file")
    ]
    assert all([request.id for request in found.requests] == ["b"] for found in looks)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_plain_file_changes_nothing_of_what_is_desired_and_is_told_once(
    folder: BotFolder, inbox: Inbox, what: str
) -> None:
    path = folder.state / "desired.json"
    in_place_of(path, what)

    looks = [inbox.look() for _ in range(5 * LOOKS_A_SECOND)]

    assert [found.desired for found in looks if found.desired is not None] == []
    (problem,) = [found.desired_problem for found in looks if found.desired_problem is not None]
    assert problem.endswith(f"it is {what} and no plain file; correct it or delete it; what was in force stays so")

    path.rmdir() if what == "a folder" else path.unlink()
    path.write_text('{"revision": 2}')
    assert inbox.look().desired == Desired(revision=2)


def test_a_file_that_nobody_may_read_is_told_once(
    folder: BotFolder, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(folder)

    def refuse(path: Path, _bytes_max: int) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(operator, "read_plain", refuse)  # the tests may run as root, whom nothing is forbidden

    (told,) = [bad for _ in range(30) for bad in inbox.look().bad]
    assert "Permission denied" in told[1]


def test_a_desired_document_without_an_end_is_read_no_further_than_it_may_be_long(
    folder: BotFolder, inbox: Inbox
) -> None:
    with (folder.state / "desired.json").open("wb") as file:
        file.truncate(1 << 40)  # a hole, which takes no room

    assert f"it is longer than {DESIRED_BYTES_MAX} bytes" in (settled(inbox).desired_problem or "")


def test_what_lies_in_place_of_the_folder_of_requests_is_told_once(folder: BotFolder, inbox: Inbox) -> None:
    folder.requests.rmdir()
    os.mkfifo(folder.requests)

    problems = [inbox.look().requests_problem for _ in range(30)]

    (told,) = [problem for problem in problems if problem is not None]
    assert "no request is heard until it is a folder" in told
    folder.requests.unlink()
    folder.requests.mkdir()
    ask(folder)
    assert len(inbox.look().requests) == 1


def test_a_document_that_is_still_being_written_is_waited_for(folder: BotFolder, inbox: Inbox) -> None:
    path = ask(folder, text='{"id": "r1", ')
    for _ in range(round(TORN_S * LOOKS_A_SECOND)):
        assert inbox.look() == NOTHING

    path.write_text('{"id": "r1", "action": "keep", "author": "ana"}')

    assert len(inbox.look().requests) == 1


def test_an_id_that_was_refused_before_is_waited_for_as_long_as_any_other(folder: BotFolder, inbox: Inbox) -> None:
    path = ask(folder, text="{")
    assert settled(inbox).bad
    path.unlink()
    inbox.look()

    ask(folder, text="{")

    assert inbox.look() == NOTHING


def test_a_request_that_goes_between_two_looks_is_no_request(
    folder: BotFolder, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ask(folder)
    monkeypatch.setattr(inbox, "_paths", lambda: ([path], None))
    path.unlink()

    assert inbox.look() == NOTHING


# What is desired


def test_a_desired_document_is_told_when_it_has_changed_and_only_then(folder: BotFolder, inbox: Inbox) -> None:
    path = folder.state / "desired.json"
    path.write_text('{"revision": 2, "params": {"price_max": 0.9}}')

    assert inbox.look().desired == Desired(revision=2, params={"price_max": 0.9})
    assert inbox.look().desired is None
    path.unlink()
    assert settled(inbox).desired == Desired()
    assert inbox.look().desired is None


def test_a_desired_document_that_cannot_be_understood_is_told_and_the_next_good_one_taken(
    folder: BotFolder, inbox: Inbox
) -> None:
    path = folder.state / "desired.json"
    path.write_text('{"revision": "two"}')

    found = settled(inbox)
    assert found.desired is None
    assert "desired.json is refused: Expected `int`, got `str`" in (found.desired_problem or "")

    path.write_text('{"revision": 2}')
    found = inbox.look()
    assert (found.desired, found.desired_problem) == (Desired(revision=2), None)


@pytest.mark.parametrize(
    "text",
    [
        '{"author": "\udcff"}',
        '{"params": {"a": ' + "[" * 100_000,
        '{"params": {"a": 99999999999999999999}}',
        '{"revision": 99999999999999999999}',
        '{"revision": 0}',
        '{"author": "\\ud800"}',
    ],
    ids=("no_unicode", "nested", "large_value", "large_revision", "revision_0", "half_a_character"),
)
def test_a_desired_document_that_nothing_could_carry_further_is_refused(
    folder: BotFolder, inbox: Inbox, text: str
) -> None:
    (folder.state / "desired.json").write_text(text, errors="surrogateescape")

    found = settled(inbox)

    assert found.desired is None
    assert "desired.json is refused" in (found.desired_problem or "")


def test_a_desired_document_that_an_editor_replaces_is_never_taken_as_gone_or_empty(
    folder: BotFolder, inbox: Inbox
) -> None:
    path = folder.state / "desired.json"
    path.write_text('{"revision": 2, "halted": true}')
    inbox.look()

    path.unlink()
    looks = [inbox.look()]
    path.write_text("")
    looks += [inbox.look()]
    path.write_text('{"revision": 3, "halted": true}')
    looks += [inbox.look()]

    assert [found.desired for found in looks] == [None, None, Desired(revision=3, halted=True)]
    assert [found.desired_problem for found in looks] == [None, None, None]


def test_what_is_there_at_the_start_is_no_change(folder: BotFolder) -> None:
    path = folder.state / "desired.json"
    path.write_text('{"revision": 2}')
    inbox = Inbox(folder)

    assert inbox.start() == Desired(revision=2)
    assert inbox.look() == NOTHING
    path.unlink()
    assert settled(inbox).desired == Desired()


# Answers


def test_an_answer_can_be_read_by_anyone_and_takes_the_request_away(folder: BotFolder) -> None:
    path = ask(folder)

    answer(folder, an_answer())

    assert answered(folder) == {
        "id": "r1",
        "state": "done",
        "text": "v2 is live",
        "answered_at": "2026-01-05T12:00:00Z",
    }
    assert not path.exists()


def test_a_request_that_is_only_accepted_stays(folder: BotFolder) -> None:
    path = ask(folder)

    answer(folder, an_answer(state="accepted"))

    assert answered(folder)["state"] == "accepted"
    assert path.exists()


def test_an_answer_without_a_request_is_written_too(folder: BotFolder) -> None:
    answer(folder, an_answer("desired-r3"))

    assert answered(folder, "desired-r3")["state"] == "done"


def test_a_folder_in_place_of_a_request_is_answered_and_left(folder: BotFolder) -> None:
    (folder.requests / "r1.json").mkdir()

    answer(folder, an_answer())

    assert answered(folder)["state"] == "done"
    assert (folder.requests / "r1.json").is_dir()


def test_a_folder_among_the_answers_is_left(folder: BotFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "ANSWERS_MAX", 1)
    (folder.answers / "r0.json").mkdir(parents=True)

    for number in range(1, 4):
        answer(folder, an_answer(f"r{number}"))

    assert (folder.answers / "r0.json").is_dir()


def test_only_the_newest_answers_are_kept(folder: BotFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "ANSWERS_MAX", 3)
    for number in range(6):
        answer(folder, an_answer(f"r{number}"))
        os.utime(folder.answers / f"r{number}.json", ns=(number, number))

    answer(folder, an_answer("last"))

    assert sorted(path.stem for path in folder.answers.iterdir()) == ["last", "r4", "r5"]


def test_a_request_document_is_what_the_command_writes() -> None:
    document = RequestDocument(id="r1", action="rollback", author="ana")

    assert msgspec.json.decode(msgspec.json.encode(document), type=RequestDocument) == document
