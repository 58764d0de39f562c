"""What a bot does with its operator's files: invariant 10, as far as it is built."""

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest
from operated import Operated, a_new_bot

from tesseract import Entry, ReleaseStore


def test_a_deploy_that_is_asked_for_is_carried_out_answered_and_journaled(operated: Operated) -> None:
    told = operated.deploy_an_edit(note="a wider band")

    assert told["state"] == "done"
    assert told["text"].startswith("v2 r1 is live; rehearsed on ")
    assert operated.bot.engine.live.release == "v2"
    assert [(command.name, command.author) for command in operated.commands] == [("deploy", "ana")]
    assert not (operated.bot.folder.requests / "r1.json").exists()


def test_a_deploy_of_what_runs_is_done_and_says_so(operated: Operated) -> None:
    told = operated.ask("r1", "deploy")

    assert (told["state"], told["text"]) == ("done", "v1 is what runs already; nothing was done")


def release_of(operated: Operated, number: int) -> Entry:
    return ReleaseStore(operated.bot.folder.releases).entry(number)


def test_a_note_reaches_a_release_that_is_live_already(operated: Operated) -> None:
    told = operated.ask("r1", "deploy", note="the first one")

    assert (told["state"], told["text"]) == (
        "done",
        "v1 is what runs already; nothing was done; `foresight releases` shows its note",
    )
    entry = release_of(operated, 1)
    assert (entry.note, entry.author, entry.origin) == ("the first one", "ana", "command")


def test_a_note_is_not_replaced_by_a_later_one_and_that_is_told(operated: Operated) -> None:
    operated.deploy_an_edit(note="a wider band")

    operated.ask("r2", "deploy", note="another reason")

    assert release_of(operated, 2).note == "a wider band"
    assert "v2 keeps the note that it has, 'a wider band', and not 'another reason'" in operated.notices()


def test_a_release_that_was_kept_gets_a_note_and_stays_whose_it_was(operated: Operated) -> None:
    operated.ask("r1", "keep")
    before = release_of(operated, 1)

    operated.ask("r2", "deploy", note="the good one")

    assert release_of(operated, 1) == msgspec.structs.replace(before, note="the good one")


def test_a_note_to_what_is_barred_is_refused_with_it(operated: Operated) -> None:
    operated.deploy_an_edit()
    operated.ask("r2", "rollback")

    assert operated.ask("r3", "deploy", note="once more")["state"] == "refused"
    assert release_of(operated, 2).note == ""
    operated.ask("r4", "deploy", note="once more", force=True)
    assert release_of(operated, 2).note == "once more"


def test_a_note_that_the_disk_does_not_take_is_told_and_the_deploy_goes_on(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Entry:
        raise OSError("no space left on device")

    monkeypatch.setattr(ReleaseStore, "note", full)

    assert operated.deploy_an_edit(note="a wider band")["text"].startswith("v2 r1 is live")
    assert "the note to v2 cannot be written: no space left on device" in operated.notices()


def test_a_named_rollback_that_is_refused_is_told_as_a_rollback(operated: Operated) -> None:
    told = operated.ask("r1", "rollback", where="v7")

    assert told["state"] == "refused"
    assert told["text"].startswith("the rollback to v7 refused at snapshot: ")
    assert told["text"].endswith("v1 is still running")
    assert json.loads(operated.bot.documents(running=True)["deploy.json"])["last_refusal"] == told["text"]


def test_a_deploy_that_is_refused_before_it_has_a_release_is_told_as_one(operated: Operated) -> None:
    told = operated.ask("r1", "deploy", what="release", where="v7")

    assert told["text"].startswith("the deploy refused at snapshot: ")


def test_a_deploy_that_is_refused_is_answered_with_the_whole_sentence_and_nothing_changes(operated: Operated) -> None:
    (operated.folder / "strategy/fair.py").write_text("def broken(:\n")

    told = operated.ask("r1", "deploy")

    assert told["state"] == "refused"
    assert told["text"].startswith("v2 refused at stage: strategy/fair.py:1 SyntaxError")
    assert told["text"].endswith("v1 is still running")
    assert operated.bot.engine.live.release == "v1"
    again = operated.ask("r2", "deploy")["text"]
    assert again.endswith("forces it; v1 is still running; `foresight deploy --force` deploys it all the same")


def test_a_rollback_and_a_keep_are_carried_out_at_once(operated: Operated) -> None:
    operated.deploy_an_edit()

    assert operated.ask("r2", "rollback")["text"] == "v2 r1 was rolled back: asked for by ana; v1 is running"
    assert operated.bot.engine.live.release == "v1"
    operated.ask("r3", "deploy", force=True)
    assert operated.ask("r4", "keep")["text"] == "v2 r1 is kept by ana"


def test_what_cannot_be_done_is_refused_with_what_still_runs(operated: Operated) -> None:
    operated.run_for(120)  # v1 has proved itself

    kept, back = operated.ask("r1", "keep"), operated.ask("r2", "rollback")

    assert (kept["state"], back["state"]) == ("refused", "refused")
    assert "v1" in kept["text"]
    assert back["text"].endswith("v1 is still running")


def test_a_request_that_cannot_even_begin_is_told_in_the_log_with_its_sentence(operated: Operated) -> None:
    told = operated.ask("r1", "rollback")

    last = json.loads((operated.folder / "data/log.jsonl").read_text().splitlines()[-1])
    assert (last["level"], last["event"]) == ("warning", f"the rollback refused: {told['text']}")
    assert told["text"] == "v1 has no standby; name a release to go back to; v1 is still running"


def test_a_request_is_carried_out_once_however_often_it_is_found(operated: Operated) -> None:
    operated.deploy_an_edit()
    operated.edit("0.91", "0.92")

    operated.ask("r1", "deploy")

    assert operated.bot.engine.live.release == "v2"
    assert len(operated.commands) == 1


def test_a_request_from_before_the_start_is_refused_and_not_carried_out(tmp_path: Path) -> None:
    with a_new_bot(tmp_path) as operated:
        document = {"id": "old", "action": "deploy", "author": "ana"}
        operated.bot.folder.requests.joinpath("old.json").write_text(json.dumps(document))
        operated.begin()
        operated.look()

        told = operated.answer("old")
        assert told["state"] == "refused"
        assert "before this run began" in told["text"]
        assert operated.commands == []


def test_a_request_that_cannot_be_read_is_answered_and_taken_away(operated: Operated) -> None:
    path = operated.bot.folder.requests / "r1.json"
    path.write_text('{"id": "r1"}')
    for _ in range(12):
        operated.look()

    assert operated.answer("r1")["state"] == "refused"
    assert not path.exists()


def test_what_the_bot_does_by_itself_is_no_answer_to_anybody(operated: Operated) -> None:
    assert not operated.bot.folder.answers.exists() or not list(operated.bot.folder.answers.iterdir())


# What is desired


def test_parameters_that_are_desired_go_live_with_their_revision_and_are_answered(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 0.5})

    assert operated.answer("desired-r2")["state"] == "done"
    assert operated.bot.engine.live.revision == 2
    assert operated.aggression() == (2, 0.5)
    assert [command.name for command in operated.commands] == ["params"]


def test_parameters_out_of_their_range_are_refused_and_those_in_force_stay(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 0.5})

    operated.desire(revision=3, params={"aggression": 9})

    told = operated.answer("desired-r3")
    assert told["state"] == "refused"
    assert "parameter aggression = 9: Expected `float` <= 2.0" in told["text"]
    assert operated.aggression() == (2, 0.5)


def test_parameters_that_are_taken_away_are_the_defaults_again(operated: Operated) -> None:
    default = operated.params()["params"]["aggression"]
    operated.desire(revision=2, params={"aggression": 0.5})

    operated.desire(revision=3)

    assert operated.params()["params"]["aggression"] == default
    assert operated.params()["revision"] == 3


def test_a_document_that_cannot_be_understood_is_told_once_and_changes_nothing(operated: Operated) -> None:
    (operated.folder / "state/desired.json").write_text("{")
    before = operated.bot.sink.noticed

    for _ in range(50):
        operated.look()
        operated.bot.write(operated.bot.documents(running=True))

    assert operated.bot.sink.noticed == before + 1
    assert operated.params()["revision"] == 1


def test_entries_are_halted_and_resumed_and_nothing_else_is_asked_by_it(operated: Operated) -> None:
    operated.desire(halted=True)
    assert operated.bot.engine.desk.account.is_halted

    operated.desire(halted=False)

    assert not operated.bot.engine.desk.account.is_halted
    assert [command.name for command in operated.commands] == ["halt", "resume"]


# What lies where a document should


def notices_of(operated: Operated, seconds: int) -> list[str]:
    """What a person is told while the bot looks for so long."""
    before = operated.bot.sink.noticed
    for _ in range(10 * seconds):
        operated.look()
    count = operated.bot.sink.noticed - before
    return operated.notices()[-count:] if count else []


@pytest.mark.timeout(60)
def test_pipes_and_folders_in_place_of_documents_are_told_once_each_and_the_bot_obeys_on(operated: Operated) -> None:
    requests = operated.bot.folder.requests
    os.mkfifo(requests / "pipe.json")
    (requests / "folder.json").mkdir()
    os.mkfifo(operated.folder / "state/desired.json")

    told = notices_of(operated, 4)

    assert len(told) == 3
    assert all("no plain file" in text for text in told)
    assert operated.answer("pipe")["state"] == operated.answer("folder")["state"] == "refused"
    assert operated.deploy_an_edit()["state"] == "done"


def test_state_files_that_somebody_took_away_are_there_again(operated: Operated) -> None:
    shutil.rmtree(operated.bot.folder.observed)

    operated.bot.write(operated.bot.documents(running=True))

    assert (operated.bot.folder.observed / "status.json").exists()
    assert operated.ask("r1", "deploy")["state"] == "done"


# One number, one set of parameters


def test_a_second_set_of_parameters_under_a_number_that_is_in_force_is_refused(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 0.5})

    operated.desire(revision=2, params={"aggression": 0.7})

    told = operated.answer("desired-r2")
    assert (told["state"], told["text"]) == (
        "refused",
        (
            "parameters r2 refused: r2 is another set of parameters already, and decisions name it; "
            'write a higher "revision", such as 3; v1 is still running'
        ),
    )
    assert operated.params()["params"]["aggression"] == 0.5
    assert operated.notices()[-1] == told["text"]
    operated.desire(revision=3, params={"aggression": 0.7})
    assert operated.answer("desired-r3")["state"] == "done"
    assert operated.params()["params"]["aggression"] == 0.7


def test_the_parameters_of_the_start_have_their_number_too(operated: Operated) -> None:
    operated.desire(params={"aggression": 0.5})

    assert 'write a higher "revision", such as 2' in operated.answer("desired-r1")["text"]
    assert operated.params()["overrides"] == {}


def test_a_number_whose_parameters_are_put_back_is_answered_with_done_again(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 0.5})
    operated.desire(revision=2, params={"aggression": 0.7})

    operated.desire(revision=2, params={"aggression": 0.5})

    assert operated.answer("desired-r2")["state"] == "done"
    assert len(operated.commands) == 1


def test_a_number_that_was_refused_is_free_again(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 9})

    operated.desire(revision=2, params={"aggression": 0.5})

    assert operated.answer("desired-r2")["state"] == "done"
    assert operated.params()["params"]["aggression"] == 0.5


def test_an_earlier_number_with_its_parameters_is_gone_back_to_and_with_others_refused(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 0.5})
    operated.desire(revision=3, params={"aggression": 0.7})

    operated.desire(revision=2, params={"aggression": 0.6})
    assert operated.params()["revision"] == 3
    operated.desire(revision=2, params={"aggression": 0.5})

    assert operated.aggression() == (2, 0.5)


def test_entries_are_halted_also_by_a_document_whose_parameters_are_refused(operated: Operated) -> None:
    operated.desire(revision=2, params={"aggression": 0.5})

    operated.desire(revision=2, params={"aggression": 0.7}, halted=True)

    assert operated.bot.engine.desk.account.is_halted
    assert operated.params()["params"]["aggression"] == 0.5
