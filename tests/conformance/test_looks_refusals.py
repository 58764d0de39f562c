"""Group F, sentences: every refusal says what, at which step, where, why, and what still runs; and nothing changed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conformance.program import HOSTS, Files, Program, Verdict, a_program
from conformance.refusals import assert_refused, states_of
from conformance.swaps import LOOKING
from tesseract import NotDone, Request, RequestRefused

LAST = LOOKING.count("\n")
PARTS = "import time\n\nSEEN = []\n\n\ndef look(number):\n    return 'good'\n"
GOOD: Files = {"__init__.py": LOOKING, "parts.py": PARTS}
BROKEN = PARTS.replace("return 'good'", "return 'good")
MIGRATE = "\ndef migrate(old, old_schema):\n    return 1 / 0\n"


def looking(line: str) -> Files:
    """The good tree, with another line in `look`, which is line 7 of parts.py."""
    return {"parts.py": PARTS.replace("return 'good'", line)}


def deciding(old: str, new: str) -> Files:
    """The good tree, with another text in `__init__.py`."""
    assert LOOKING.count(old) == 1, old
    return {"__init__.py": LOOKING.replace(old, new)}


class Refusal(NamedTuple):
    """`files` are changed in the good tree, or something else is `asked`. `where` and `why` stand in the sentence; in
    them and in what is asked `{folder}` is the folder of the test."""

    step: str
    where: str
    why: str
    files: Files = {}
    asked: Mapping[str, Any] = {"action": "deploy"}
    what: str = ""


CASES = {
    "no_package": Refusal(
        "snapshot", "{folder}/strategy: ", "__init__.py is missing", {"__init__.py": None}, what="the deploy"
    ),
    "no_folder": Refusal(
        "snapshot",
        "{folder}/nowhere: ",
        "the folder does not exist",
        asked={"action": "deploy", "where": "{folder}/nowhere"},
        what="the deploy",
    ),
    "unreadable_file": Refusal(
        "snapshot",
        "{folder}/torn: ",
        "gone.py cannot be read: No such file",
        asked={"action": "deploy", "where": "{folder}/torn"},
    ),
    "too_large": Refusal(
        "snapshot",
        "{folder}/large: ",
        "the tree holds more than 16 MiB",
        asked={"action": "deploy", "where": "{folder}/large"},
    ),
    "unknown_release": Refusal(
        "snapshot",
        "v99: ",
        "there is no such release",
        asked={"action": "rollback", "where": "v99"},
        what="the rollback to v99",
    ),
    "no_name_of_a_release": Refusal(
        "snapshot",
        "'newest' is no release",
        "write a name such as v12",
        asked={"action": "rollback", "where": "newest"},
        what="the rollback to newest",
    ),
    "commit_without_a_branch": Refusal(
        "snapshot", "HEAD: ", "no branch is named", asked={"action": "deploy", "what": "commit", "where": "HEAD"}
    ),
    "syntax_error": Refusal(
        "stage", "strategy/parts.py:7 ", "SyntaxError: unterminated string literal", {"parts.py": BROKEN}
    ),
    "barred_content": Refusal(
        "snapshot", "was rejected at ", "until it changes or somebody forces it", {"parts.py": BROKEN}
    ),
    "raises_at_import": Refusal(
        "stage",
        "strategy/parts.py:3 ",
        "ZeroDivisionError: division by zero: SEEN = 1 / 0",
        {"parts.py": PARTS.replace("[]", "1 / 0")},
    ),
    "import_missing": Refusal(
        "stage",
        "strategy/__init__.py:18 ",
        "No module named 'strategy.part'",
        deciding("strategy.parts", "strategy.part"),
    ),
    "entry_missing": Refusal(
        "stage",
        "(strategy/__init__.py)",
        "decide(input, state, params) is missing",
        deciding("def decide", "def decides"),
    ),
    "entry_signature": Refusal(
        "stage",
        f"(strategy/__init__.py:{LAST - 1})",
        "decide(given, state) must take",
        deciding("given, state, params", "given, state"),
    ),
    "params_not_frozen": Refusal(
        "stage",
        "(strategy/__init__.py:5)",
        "Params must be frozen",
        deciding("class Params(msgspec.Struct, frozen=True)", "class Params(msgspec.Struct)"),
    ),
    "state_does_not_fit": Refusal(
        "stage", "State.seen: ", "was integer, is now string", deciding("seen: int = 0", "seen: str = ''")
    ),
    "migrate_raises": Refusal(
        "stage",
        f"strategy/__init__.py:{LAST + 3} ",
        "btc: migrate raised",
        {"__init__.py": LOOKING.replace("seen: int", "seen: float") + MIGRATE},
    ),
    "parameter_of_a_wrong_type": Refusal(
        "stage",
        "parameter step = 'three'",
        "Expected `int`, got `str`",
        asked={"action": "params", "overrides": {"step": "three"}, "revision": 2},
        what="parameters r2",
    ),
    "raises": Refusal(
        "rehearsal",
        "btc: strategy/parts.py:7 ",
        "ZeroDivisionError: division by zero: return 1 / number",
        looking("return 1 / number"),
    ),
    "wrong_state": Refusal(
        "rehearsal",
        f"(strategy/__init__.py:{LAST - 1})",
        "btc: the result's state is 1, and must be a State",
        deciding("State(state.seen + params.step)", "1"),
    ),
    "breaks_a_rule_of_the_resident": Refusal(
        "rehearsal",
        f"(strategy/__init__.py:{LAST - 1})",
        "btc: stake is -1.0, and must be a positive number",
        deciding("look(given.number))", "look(given.number), -1.0)"),
    ),
    "too_slow": Refusal(
        "rehearsal", "strategy/parts.py:7: time.sleep(9)", "took longer than 200 ms", looking("time.sleep(9)")
    ),
    "not_deterministic": Refusal(
        "rehearsal", "the first is btc: ", "not deterministic", looking("return time.perf_counter_ns()")
    ),
    "state_outside_state": Refusal(
        "rehearsal", "strategy.parts.SEEN changed", "state outside State", looking("return SEEN.append(1)")
    ),
}


@pytest.mark.parametrize("host", HOSTS)
def test_every_refusal_has_its_sentence(tmp_path: Path, host: str) -> None:
    strange_folders(tmp_path)
    with a_program(tmp_path, host=host, files=GOOD, budget_s=0.2) as program:
        for _ in range(3):
            program.value()
        for case in CASES.values():
            program.replace(GOOD)
            is_refused(program, case, tmp_path)
        program.replace({**GOOD, "parts.py": PARTS.replace("good", "better")})
        assert program.deploy().is_live
        assert program.value() == "better"
        assert program.state() == {"seen": 4 + len(CASES)}


def strange_folders(folder: Path) -> None:
    """A tree with a link to nothing, and one that is too large."""
    for name in ("torn", "large"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(LOOKING)
    (folder / "torn" / "gone.py").symlink_to(folder / "nothing")
    (folder / "large" / "recording.bin").touch()
    os.truncate(folder / "large" / "recording.bin", 17 * 1024 * 1024)


def is_refused(program: Program, case: Refusal, folder: Path) -> None:
    before = states_of(program)
    asked = {
        name: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for name, value in case.asked.items()
    }
    program.write(case.files)
    verdict = program.request(**asked)
    says = (case.where.replace("{folder}", str(folder)), case.why)
    assert_refused(program, verdict, *says, step=case.step, running="v1")
    assert_one_sentence(verdict, case.what)
    assert states_of(program) == before
    outcome = program.ask()
    assert (outcome.release, outcome.value.value) == ("v1", "good")


def assert_one_sentence(verdict: Verdict, what: str) -> None:
    """It begins with what was refused, ends with what still runs, and is one line."""
    what = what or verdict.event.release or "the deploy"
    assert verdict.text.startswith(f"{what} refused at {verdict.step}: ")
    assert verdict.text.endswith("; v1 is still running")
    assert "\n" not in verdict.text


def test_a_refusal_at_the_commit_has_its_sentence(tmp_path: Path) -> None:
    """What comes in while a candidate is staged is new to it. In process nothing can come in between."""
    with a_program(tmp_path, host="process", files=GOOD) as program:
        program.value()
        program.write(looking("return 12 // (number - 13)"))
        program.runtime.request(Request(id="late", action="deploy", author="ana"))
        while program.runtime.seam.inputs.since is None:
            program.pause(0.001)
        assert program.value(number=13) == "good", "the candidate has not seen it"
        verdict = Verdict(program.wait_for(lambda event: isinstance(event, NotDone)))
        before = states_of(program)
        where = "btc: strategy/parts.py:7 ZeroDivisionError: "
        assert_refused(program, verdict, where, "12 // (number - 13)", step="commit", running="v1")
        assert_one_sentence(verdict, "v2")
        assert states_of(program) == before
        assert program.deploy({"parts.py": PARTS.replace("good", "better")}).is_live
        assert program.value() == "better"


@pytest.mark.parametrize("host", HOSTS)
def test_a_request_that_cannot_be_done_has_its_sentence(tmp_path: Path, host: str) -> None:
    refused = {
        "rollback": ({"action": "rollback"}, ("v1 has no standby; name a release to go back to; v1 is still running",)),
        "keep": ({"action": "keep"}, ("nothing is on probation",)),
        "canary": (
            {"action": "deploy", "canary": ("eth",)},
            ("eth: nothing of that name is called", "the keys are btc"),
        ),
        "action": ({"action": "restart"}, ("'restart' is no action", "deploy, rollback, keep, params")),
    }
    with a_program(tmp_path, host=host, files=GOOD) as program:
        program.value()
        program.keep()
        before, events = states_of(program), len(program.events)
        for asked, says in refused.values():
            with pytest.raises(RequestRefused) as caught:
                program.request(**asked)
            assert [text for text in says if text not in str(caught.value)] == []
            assert str(caught.value).endswith("; v1 is still running")
        assert (states_of(program), len(program.events)) == (before, events)
        assert program.value() == "good"
