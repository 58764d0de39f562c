"""The history of the parameters: numbers are used once, and what was refused is put back."""

import json
import os
from pathlib import Path

import msgspec
import pytest
import typer

from foresight.bot_folder import BotFolder
from foresight.cli.revisions import ASKED, Revisions, changes
from foresight.cli.tuning import assigned, revision_documents
from foresight.errors import BotFolderRefused, DesiredRefused
from foresight.runtime.desired import Desired
from foresight.runtime.operator import AnswerDocument, answer
from foresight.runtime.state_files import encode


@pytest.fixture
def folder(tmp_path: Path) -> BotFolder:
    found = BotFolder(tmp_path)
    for home in (found.answers, found.data / "params"):
        home.mkdir(parents=True)
    return found


def wanted(revision: int, **params: object) -> Desired:
    return Desired(revision=revision, author="ana", params=params)


def test_the_first_revision_is_that_of_no_document(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    assert revisions.next_number() == 2
    assert [(each.revision, each.params, each.state) for each in revisions.history()] == [(1, {}, "found")]


def test_a_number_that_was_answered_or_written_down_is_not_used_again(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    answer(folder, AnswerDocument(id="desired-r7", state="refused", text="", answered_at=""))
    assert revisions.next_number() == 8
    revisions.note(wanted(9), "refused")
    assert revisions.next_number() == 10
    revisions.path.write_bytes(encode(wanted(12)))
    assert revisions.next_number() == 13


def test_a_document_that_somebody_else_wrote_is_part_of_the_history(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    revisions.path.write_bytes(encode(wanted(3, a=1)))
    revisions.write(wanted(4, a=2), ASKED)
    revisions.path.write_bytes(encode(wanted(4, a=3)))
    assert [(each.revision, each.params, each.state) for each in revisions.history()] == [
        (3, {"a": 1}, "found"),
        (4, {"a": 3}, "found"),
    ]


def test_an_answer_that_came_after_the_command_had_left_is_known(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    revisions.write(wanted(2, a=1), ASKED)
    answer(folder, AnswerDocument(id="desired-r2", state="done", text="old", answered_at="2000-01-01T00:00:00.000Z"))
    assert revisions.history()[-1].state == ASKED
    answer(folder, AnswerDocument(id="desired-r2", state="refused", text="no", answered_at="2999-01-01T00:00:00.000Z"))
    assert (revisions.history()[-1].state, revisions.history()[-1].text) == ("refused", "no")


def test_a_refused_document_is_put_back_byte_by_byte(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    for content in (None, b'{"revision": 5}\n\n'):
        if content is not None:
            revisions.path.write_bytes(content)
        before = revisions.desired()
        revisions.write(wanted(before.revision + 1, a=1), ASKED)
        assert revisions.put_back(before, content, wanted(before.revision + 1, a=1))
        assert revisions.content() == content


def test_what_was_changed_beside_a_refused_revision_stays(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    before, asked = revisions.desired(), wanted(2, a=1)
    revisions.write(asked, ASKED)
    revisions.path.write_bytes(encode(msgspec.structs.replace(asked, halted=True)))
    assert revisions.put_back(before, None, asked)
    assert revisions.desired() == Desired(halted=True)
    revisions.path.write_bytes(encode(wanted(9)))
    assert not revisions.put_back(before, None, asked)
    assert revisions.desired() == wanted(9)


def test_a_damaged_history_is_told_by_its_file(folder: BotFolder) -> None:
    (folder.data / "params/3.json").write_text("{}")
    with pytest.raises(DesiredRefused, match=r"3\.json cannot be read"):
        Revisions(folder).history()


def test_a_revision_is_a_document_that_anyone_can_read(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    revisions.write(wanted(2, a=1), ASKED)
    document = json.loads((folder.data / "params/2.json").read_text())
    assert document | {"revision": 2, "author": "ana", "params": {"a": 1}, "halted": False} == document


def test_changes_are_told_beside_the_last_revision_that_was_not_refused(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    for revision, value, state in ((2, 1, "done"), (3, 2, "refused"), (4, 3, "done")):
        revisions.note(wanted(revision, a=value), state)
    shown = revision_documents(revisions.history(), lambda number: number == 4)
    assert [(each.revision, each.changes, each.in_force) for each in shown[1:]] == [
        (2, ["a = 1"], False),
        (3, ["a 1 → 2"], False),
        (4, ["a 1 → 3"], True),
    ]


def test_changes_are_additions_removals_and_other_values() -> None:
    assert changes({"a": 1, "b": 1, "c": 1}, {"b": True, "c": 1, "d": "x"}) == [
        "a back to its default",
        "b 1 → true",
        'd = "x"',
    ]


def test_values_are_json_or_else_text() -> None:
    given = ["a=0.5", "b=kelly", 'c="0.5"', "d=null", "e=[1, 2]", "f=x=y", "g=", " h = true"]
    assert assigned(given) == {
        "a": 0.5, "b": "kelly", "c": "0.5", "d": None, "e": [1, 2], "f": "x=y", "g": "", "h": True,
    }  # fmt: skip
    assert assigned(["a=default", 'b="default"']) == {"a": msgspec.UNSET, "b": "default"}


@pytest.mark.parametrize("given", [["a"], ["=1"], ["a=1", "a=2"], ["a=\udcff"]])
def test_what_sets_nothing_is_wrong_usage(given: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        assigned(given)


def test_values_that_were_refused_a_number_do_not_take_it_from_those_that_have_it(folder: BotFolder) -> None:
    revisions = Revisions(folder)
    revisions.write(wanted(2, a=1), ASKED)
    revisions.note(wanted(2, a=1), "done")
    revisions.path.write_bytes(encode(wanted(2, a=5)))
    answer(folder, AnswerDocument(id="desired-r2", state="refused", text="no", answered_at="2999-01-01T00:00:00.000Z"))

    assert [(each.revision, each.params, each.state) for each in revisions.history()][-1] == (2, {"a": 1}, "done")
    revisions.write(wanted(3, a=5), ASKED)
    assert [(each.revision, each.params) for each in revisions.history()][-2:] == [(2, {"a": 1}), (3, {"a": 5})]


def test_a_pipe_in_place_of_the_lock_is_refused_and_not_waited_for(folder: BotFolder) -> None:
    os.mkfifo(folder.data / "params/lock")

    with pytest.raises(BotFolderRefused, match="it is a named pipe and no plain file"), Revisions(folder).alone():
        pytest.fail("nobody else may change the document meanwhile")
