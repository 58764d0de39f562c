"""How a command waits for its answer, with a bot that is played by the test."""

import fcntl
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from foresight.bot_folder import BotFolder
from foresight.cli.asking import BotStopped, ask, author, new_id, readable, seconds_for, wait_for_answer
from foresight.cli.deploying import meant
from foresight.runtime.operator import AnswerDocument, RequestDocument, answer
from foresight.runtime.state_files import encode
from tesseract import RequestRefused


@pytest.fixture
def folder(tmp_path: Path) -> BotFolder:
    found = BotFolder(tmp_path)
    for home in (found.requests, found.answers):
        home.mkdir(parents=True)
    (found.state / "lock").touch()
    return found


@contextmanager
def a_bot(folder: BotFolder) -> Iterator[Callable[[], None]]:
    """Holds the lock that a running bot holds, until the call or the end."""
    with (folder.state / "lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(file, fcntl.LOCK_UN)


def says(folder: BotFolder, name: str, state: str, text: str) -> None:
    answer(folder, AnswerDocument(id=name, state=state, text=text, answered_at="2026-01-01T00:00:00Z"))  # type: ignore[arg-type]


@contextmanager
def meanwhile(*steps: Callable[[], None]) -> Iterator[None]:
    """Carries out the steps in another thread, a while apart."""

    def run() -> None:
        for step in steps:
            time.sleep(0.1)
            step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def waited(folder: BotFolder, *, wait_s: float = 10) -> AnswerDocument:
    return wait_for_answer(folder, "keep-1", stands=folder.requests / "keep-1.json", wait_s=wait_s, is_quiet=False)


def test_the_last_word_is_waited_for_and_not_the_first(folder: BotFolder) -> None:
    first = lambda: says(folder, "keep-1", "accepted", "")  # noqa: E731
    last = lambda: says(folder, "keep-1", "done", "v2 r1 is kept by ana")  # noqa: E731
    with a_bot(folder), meanwhile(first, last):
        assert waited(folder).text == "v2 r1 is kept by ana"


def test_an_answer_of_a_bot_that_has_just_stopped_still_counts(folder: BotFolder) -> None:
    says(folder, "keep-1", "done", "kept")
    assert waited(folder).state == "done"


def test_a_bot_that_stops_before_it_answers_is_told(folder: BotFolder) -> None:
    with a_bot(folder) as stops, meanwhile(stops), pytest.raises(BotStopped):
        waited(folder)


def test_no_answer_in_time_says_what_stands_and_where_the_answer_will_be(folder: BotFolder) -> None:
    with a_bot(folder), pytest.raises(RequestRefused) as refused:
        waited(folder, wait_s=0.1)
    assert str(folder.requests / "keep-1.json") in str(refused.value)
    assert str(folder.answers / "keep-1.json") in str(refused.value)


def test_an_answer_that_cannot_be_read_is_told(folder: BotFolder) -> None:
    (folder.answers / "keep-1.json").write_text("{")
    with a_bot(folder), pytest.raises(RequestRefused, match="cannot be read"):
        waited(folder)


def a_request(**changes: object) -> RequestDocument:
    return RequestDocument(**({"id": new_id("keep"), "action": "keep", "author": "ana"} | changes))  # type: ignore[arg-type]


def test_a_refusal_is_printed_as_json_and_raised_as_a_sentence(
    folder: BotFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    request = a_request()
    refuses = lambda: says(folder, request.id, "refused", "nothing is on probation")  # noqa: E731
    with a_bot(folder), meanwhile(refuses), pytest.raises(RequestRefused, match="nothing is on probation"):
        ask(folder, request, wait="10s", json=True)
    assert json.loads(capsys.readouterr().out)["state"] == "refused"


def test_the_request_is_written_whole_and_withdrawn_when_the_bot_stops(folder: BotFolder) -> None:
    seen: list[bytes] = []
    request = a_request(note="[bold] why\n")
    look = lambda: seen.extend(path.read_bytes() for path in folder.requests.iterdir())  # noqa: E731
    with a_bot(folder) as stops, meanwhile(look, stops), pytest.raises(RequestRefused, match="withdrawn"):
        ask(folder, request, wait="10s", json=False)
    assert seen == [encode(request)]
    assert list(folder.requests.iterdir()) == []


def test_a_note_that_is_no_text_is_refused_and_nothing_is_asked(folder: BotFolder) -> None:
    with a_bot(folder), pytest.raises(RequestRefused, match="no text in UTF-8"):
        ask(folder, a_request(note="\udcff"), wait="10s", json=False)
    assert list(folder.requests.iterdir()) == []


def test_ids_are_file_names_that_differ_and_sort_by_time() -> None:
    first, second = new_id("deploy"), new_id("deploy")
    assert first < second
    assert all(RequestDocument(id=each, action="deploy", author="").id == each for each in (first, second))
    assert len(first) <= 64


def test_the_author_is_the_user_and_a_user_without_a_name_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ana")
    assert author() == "ana"
    monkeypatch.delenv("USER")
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("uid")))
    assert author() == "operator"


def test_a_wrong_time_names_its_option() -> None:
    assert seconds_for("90s", "--wait") == 90
    with pytest.raises(typer.BadParameter) as wrong:
        seconds_for("soon", "--shadow")
    assert wrong.value.param_hint == "--shadow"


def test_foreign_text_moves_no_cursor_and_keeps_its_lines() -> None:
    assert readable("a\x1b[2Jb\r\n\tc") == "a [2Jb \n        c"


def test_what_is_deployed_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("v12", "main"):
        (tmp_path / name).mkdir()
    assert meant(None) == ("tree", "")
    assert meant("main") == ("tree", str(tmp_path / "main"))
    assert meant("v12") == ("release", "v12")
    assert meant("./v12") == ("tree", str(tmp_path / "v12"))
    assert meant("feature/x") == ("commit", "feature/x")


def test_a_folder_of_requests_that_somebody_took_away_is_made_again(folder: BotFolder) -> None:
    folder.requests.rmdir()
    with a_bot(folder), meanwhile(lambda: says(folder, "keep-1", "done", "v2 r1 is kept by ana")):
        ask(folder, RequestDocument(id="keep-1", action="keep", author="ana"), wait="10s", json=True)

    assert folder.requests.is_dir()
