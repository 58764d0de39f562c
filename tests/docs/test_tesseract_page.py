"""docs/tesseract.md: its program runs as it stands, every sentence that it quotes is what one reads, and its tables
leave nothing out."""

import asyncio
import importlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pages import file_blocks, names_in_tables, page, section

import tesseract
from tesseract import Event, NotDone, Outcome, Request, Runtime, Strategy, WentBack, WentLive, Workplace, life

PAGE = page("docs/tesseract.md")
FILES = file_blocks(PAGE)
LIVE = FILES["replies/__init__.py"]
PROGRAM_LINES_MAX = 40
THREADS_ARE_TOLD_SINCE = (3, 13)
"""Before, the event of a new thread has another name, or none."""
WAIT_S = 30.0
Value = TypeVar("Value")

STATE = "class State(msgspec.Struct, frozen=True):\n"
LINES = "    lines: int = 0\n"
BODY = "    lines = state.lines + 1\n"
RETURN = 'return Reply(State(lines), f"{params.greeting} {line.text}, {lines} so far")'
TYPED = "from typing import Annotated\n\nfrom tesseract import refold\n"
LONGEST = "    longest: Annotated[int, refold] = 0\n"


def edited(*edits: tuple[str, str], before: str = "", after: str = "") -> str:
    """The page's live code with each edit done; an edit must find its old text once."""
    code = LIVE
    for old, new in edits:
        assert code.count(old) == 1, f"the live code holds {old!r} {code.count(old)} times"
        code = code.replace(old, new)
    return before + code + after


def migrating(body: str) -> str:
    """State has another field, and `migrate` does this."""
    return edited((LINES, LINES + '    last: str = ""\n'), after=f"\n\ndef migrate(old, old_schema):\n    {body}\n")


def returning(new: str, *, before: str = "") -> str:
    return edited((RETURN, new), before=before)


def doing(new: str, *, before: str = "") -> str:
    """The function does something else as well, first."""
    return edited((BODY, f"    {new}\n{BODY}"), before=before)


REFUSED = {
    "a typing mistake": edited((STATE, STATE.replace("class", "clas"))),
    "it imports what is not there": edited(before="import nosuch\n"),
    "it raises while it is imported": edited(after="\nRATE = 1 / 0\n"),
    "the agreed function is gone": edited(("def reply(", "def answer(")),
    "several parts of the contract are broken": edited(
        ("def reply(line, state, params)", "async def reply(line, state)"),
        (STATE, STATE.replace(", frozen=True", "")),
        ('greeting: str = "hello"', "greeting: str"),
    ),
    "it fails on recent inputs": doing('assert line.text != "number 2", "not two"'),
    "its answer has a wrong type": returning('return Reply(State(lines), lines if line.text == "number 2" else "")'),
    "it returns no state": returning('return Reply(State(lines) if line.text != "number 2" else None, "")'),
    "a state grows over the limit": edited(
        (LINES, LINES + '    text: str = ""\n'), (RETURN, 'return Reply(State(lines, "x" * 70_000 * (lines == 3)), "")')
    ),
    "it takes too long": doing("time.sleep(1.0)", before="import time\n"),
    "it asks the clock": returning("return Reply(State(lines), str(time.monotonic_ns()))", before="import time\n"),
    "it remembers something outside State": doing("SEEN.append(line.text)", before="SEEN = []\n"),
    "it remembers something in another module": doing("json.seen = line.text", before="import json\n"),
    "it writes a file": doing('line.text == "number 2" and open("log.txt", "a")'),
    "it reads a file that is not its own": edited(before='PASSWORDS = open("/etc/passwd").read()\n'),
    "it uses the network": edited(before='import socket\n\nsocket.create_connection(("example.com", 80))\n'),
    "it starts a thread": edited(before="import threading\n\nthreading.Thread(target=print).start()\n"),
    "it starts a process": edited(before='import os\n\nos.system("true")\n'),
    "it changes somebody else's module": edited(before="import socket\n\nsocket.create_connection = None\n"),
    "it takes too much memory": edited(before="TABLE = bytearray(2 << 30)\n"),
    "it leaves": edited(before="import os\n\nos._exit(3)\n"),
}
"""Edits of the page's live code that are refused, by the first column of the page's table."""

CARRIED = {
    "a field is added": edited((LINES, LINES + '    last: str = ""\n')),
    "a field that is marked `refold` is added": edited(
        (LINES, LINES + LONGEST),
        ("State(lines)", "State(lines, max(state.longest, len(line.text)))"),
        before=TYPED,
    ),
    "a field is removed": edited((LINES, "    pass\n"), (BODY, "    lines = 1\n"), ("State(lines)", "State()")),
    "every old value fits the new type": edited(("lines: int = 0", "lines: float = 0.0")),
    "not every old value fits the new type": edited(("lines: int = 0", 'lines: str = ""')),
    "a field is renamed": edited(("lines: int = 0", "count: int = 0"), (BODY, "    lines = state.count + 1\n")),
    "a field is renamed, and `migrate` says so": edited(
        ("lines: int = 0", "count: int = 0"),
        (BODY, "    lines = state.count + 1\n"),
        after='\n\ndef migrate(old, old_schema):\n    return State(old["lines"])\n',
    ),
    "a field without a default": edited((LINES, LINES.replace(" = 0", ""))),
    "a field that is not plain data": edited((LINES, LINES + "    lock: object = None\n")),
    "`migrate` raises": migrating('return State(old["line"])'),
    "`migrate` forgets a value": migrating("return State()"),
    "`migrate` changes what it is given": migrating('return State(old.pop("lines"))'),
    "`migrate` returns something else": migrating("return old"),
}
"""Edits that change the state's type, by the first column of the page's table."""

FAILING = {
    "it raises": ("raised", doing('if line.text == "fail": raise ValueError("no answer")')),
    "it takes longer than `budget_ns`": ("overran", doing('time.sleep(line.text == "fail")', before="import time\n")),
    "it stays in C for longer": ("overran", doing('sum(range((line.text == "fail") * 10**11))')),
    "its process ends": ("lost", doing('line.text == "fail" and os._exit(1)', before="import os\n")),
    "its answer is too large": (
        "answer",
        returning('return Reply(State(lines), "x" * 300_000 * (line.text == "fail"))'),
    ),
    "its answer has a wrong type": (
        "answer",
        returning('return Reply(State(lines), None if line.text == "fail" else "")'),
    ),
}
"""Edits that fail on a line `fail` alone, by the first column of the page's table, with the kind of fault."""


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head; sentences in double backticks lose them."""
    lines = [line for line in section(PAGE, title).splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in lines]


def told(title: str, column: int = 1) -> dict[str, str]:
    """The quoted sentences of a table by its first column."""
    return {cells[0]: cells[column].strip("`").strip() for cells in rows(title)}


def plain(text: str) -> str:
    """A sentence without what differs from run to run: numbers of releases, hashes, times, and lengths of time."""
    text = re.sub(r"^v\d+ refused at snapshot: v\d+ ", "v2 refused at snapshot: v2 ", text)
    text = re.sub(r"\bv\d+\b", "v2", text, count=1)
    text = re.sub(r"v\d+ is still running$", "v1 is still running", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "…", text)
    text = re.sub(r"\btook \d+ ms together", "took … ms together", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "…", text)
    return re.sub(r"\b\d{9,}\b", "…", text)


class Program:
    """The page's live code on a runtime of its own; everything else is the page's Workplace."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.tree = folder / "replies"
        self.events: list[Event] = []
        self._loop = loop
        place = Workplace(
            tree=str(self.tree),
            package="replies",
            strategies=(Strategy("", "replies"),),
            contract="agreed:CONTRACT",
            store=str(folder / "releases"),
            follow="",
        )
        self.runtime: Runtime[Any] = Runtime(place, on_event=self.events.append, path=[str(folder)])

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self._loop.run_until_complete(asyncio.wait_for(work, WAIT_S))

    def ask(self, text: str) -> Outcome[Any]:
        return self.run(self.runtime.ask("everybody", sys.modules["agreed"].Line(text)))

    def deploy(self, code: str, *, is_forced: bool = True) -> WentLive | NotDone:
        """Saves, asks for a deploy, and returns its last word."""
        (self.tree / "__init__.py").write_text(code, encoding="utf-8")
        return self.request("deploy", is_forced=is_forced)

    def request(self, action: str, **given: Any) -> WentLive | NotDone:
        heard = len(self.events)
        self.runtime.request(Request(id="page", action=action, author="reader", **given))
        return self.run(self._last_word(heard))

    async def _last_word(self, heard: int) -> WentLive | NotDone:
        while True:
            for event in self.events[heard:]:
                if isinstance(event, WentLive | NotDone):
                    return event
            await asyncio.sleep(0.005)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files, as it tells a reader to make them."""
    for name, code in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    return tmp_path


@pytest.fixture
def program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "agreed", raising=False)
    loop = asyncio.new_event_loop()
    made: list[Program] = []

    async def make() -> None:
        made.append(Program(folder, loop))
        await made[0].runtime.start()

    loop.run_until_complete(make())
    for number in range(4):
        made[0].ask(f"number {number}")
    yield made[0]
    made[0].runtime.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    sys.modules.pop("agreed", None)


# The program


@pytest.mark.process
def test_the_pages_program_keeps_its_connection_and_its_count_through_an_edit_and_a_mistake(folder: Path) -> None:
    port = _free_port()
    service = folder / "service.py"
    service.write_text(FILES["service.py"].replace("8765", str(port)), encoding="utf-8")
    live = folder / "replies" / "__init__.py"
    with subprocess.Popen([sys.executable, "service.py"], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            with _connected(port) as connection, connection.makefile("rw") as lines:
                assert _said(lines, "bob") == "v1: hello bob, 1 so far\n"
                live.write_text(LIVE.replace("so far", "lines so far"), encoding="utf-8")
                count = _until(lines, "v2: ")
                live.write_text(LIVE.replace("class State", "clas State"), encoding="utf-8")
                assert process.stdout is not None
                _skip_to(process.stdout, "clas State")
                assert _said(lines, "bob") == f"v2: hello bob, {count + 1} lines so far\n"
        finally:
            process.terminate()


@pytest.mark.process
def test_without_path_the_pages_program_says_which_module_is_out_of_reach_and_where_it_is(folder: Path) -> None:
    given = ', path=["."]'
    assert given in FILES["service.py"]
    (folder / "service.py").write_text(FILES["service.py"].replace(given, ""), encoding="utf-8")
    command = [sys.executable, "service.py"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)
    cannot = "the contract's module 'agreed' cannot be imported in the runtime's processes: "
    assert f"{cannot}`path` must name its folder, {folder}; nothing is running yet" in ran.stderr
    assert cannot in ran.stdout, "it is told like any other refusal"
    assert f"`{cannot}…`" in section(PAGE, "11. Troubleshooting")
    assert not (folder / "releases").exists()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _connected(port: int) -> socket.socket:
    ends_s = time.monotonic() + WAIT_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except ConnectionRefusedError:
            assert time.monotonic() < ends_s, "the program does not listen"
            time.sleep(0.02)


def _said(lines: Any, text: str) -> str:
    lines.write(f"{text}\n")
    lines.flush()
    return str(lines.readline())


def _until(lines: Any, start: str) -> int:
    """Sends lines until an answer begins with this; returns its count. Not one line is lost or counted twice."""
    for number in range(2, 10_000):
        answer = _said(lines, "bob")
        assert f" {number} " in answer
        if answer.startswith(start):
            return number
        time.sleep(0.005)
    raise AssertionError(f"no answer began with {start!r}")


def _skip_to(lines: Any, text: str) -> None:
    for line in lines:
        if text in line:
            return
    raise AssertionError(f"the program did not say {text!r}")


def test_the_pages_program_is_as_short_as_it_says() -> None:
    lines = [line for code in FILES.values() for line in code.splitlines() if line.strip()]
    assert set(FILES) == {"agreed.py", "replies/__init__.py", "service.py"}
    assert len(lines) <= PROGRAM_LINES_MAX


# The sentences


@pytest.mark.process
def test_every_refusal_is_what_one_reads(program: Program) -> None:
    said = {}
    for what, code in REFUSED.items():
        event = program.deploy(code)
        assert isinstance(event, NotDone), what
        said[what] = plain(event.text)
    quoted = {what: plain(text) for what, text in told("What a refusal looks like").items()}
    if sys.version_info < THREADS_ARE_TOLD_SINCE:
        del said["it starts a thread"], quoted["it starts a thread"]
    assert said == quoted


@pytest.mark.process
@pytest.mark.parametrize("what", CARRIED)
def test_what_becomes_of_a_state_is_what_the_page_says(program: Program, what: str) -> None:
    event = program.deploy(CARRIED[what])
    if isinstance(event, WentLive):
        said, verdict = "; ".join(event.report.notes), "live"
    else:
        said, verdict = event.text, "refused"
    assert verdict == told("3. State", 1)[what]
    assert plain(said) == plain(told("3. State", 2)[what])


def test_the_page_tells_of_every_change_of_a_state_that_is_tried() -> None:
    assert list(told("3. State")) == list(CARRIED)


@pytest.mark.process
@pytest.mark.parametrize("what", FAILING)
def test_a_call_that_fails_on_probation_is_answered_by_the_standby_with_the_pages_sentence(
    program: Program, what: str
) -> None:
    kind, code = FAILING[what]
    assert isinstance(program.deploy(code), WentLive)
    outcome = program.ask("fail")
    assert outcome.value is not None
    assert (outcome.release, outcome.value.text) == ("v1", "hello fail, 5 so far")
    (back,) = (event for event in program.events if isinstance(event, WentBack))
    assert [kind, plain(back.line)] == [told("When a call fails", 1)[what], plain(told("When a call fails", 2)[what])]


def test_the_page_tells_of_every_failure_that_is_tried() -> None:
    assert list(told("When a call fails")) == list(FAILING)


@pytest.mark.process
def test_content_that_was_refused_is_barred_with_the_pages_sentence(program: Program) -> None:
    program.deploy(REFUSED["a typing mistake"])
    event = program.deploy(REFUSED["a typing mistake"], is_forced=False)
    assert isinstance(event, NotDone)
    assert plain(event.text) in [plain(line) for line in section(PAGE, "What a refusal looks like").splitlines()]


@pytest.mark.process
def test_parameters_that_do_not_fit_are_refused_with_the_pages_sentence(program: Program) -> None:
    event = program.request("params", overrides={"greeting": 7}, revision=3)
    assert isinstance(event, NotDone)
    assert event.text in section(PAGE, "4. Parameters").splitlines()
    assert isinstance(program.request("params", overrides={"greeting": "good day"}, revision=2), WentLive)
    outcome = program.ask("bob")
    assert outcome.value is not None
    assert (outcome.release, outcome.revision, outcome.value.text) == ("v1", 2, "good day bob, 5 so far")


# The tables


def test_every_limit_of_the_page_is_the_one_in_the_source() -> None:
    for name, place, value, _ in rows("10. Limits"):
        found = getattr(importlib.import_module(place.strip("`")), name.strip("`"))
        assert str(found) == value.replace(",", ""), f"{place}.{name}"


def test_every_public_name_stands_in_its_table_and_nothing_else() -> None:
    assert names_in_tables(section(PAGE, "Public names")) == set(tesseract.__all__)


def test_every_state_of_a_release_stands_in_its_table() -> None:
    assert [name.strip("`") for name in told("The states of a release")] == list(life.STATES)


def test_every_field_of_a_workplace_a_rule_and_a_request_is_explained() -> None:
    fields = names_in_tables(section(PAGE, "Settings"))
    assert fields == {*Workplace.__struct_fields__, *tesseract.Rules.__struct_fields__}
    assert names_in_tables(section(PAGE, "Requests")) == set(Request.__struct_fields__) - {"id", "author"}


def test_every_event_is_explained() -> None:
    kinds = Event.__args__
    assert names_in_tables(section(PAGE, "Events")) == {kind.__name__ for kind in kinds}
