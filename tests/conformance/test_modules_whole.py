"""Group B, the tree as one thing: files change together, or not at all, and only where a change reaches."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.program import HEAD, HOSTS, WAIT_S, Program, a_program
from conformance.refusals import assert_refused, refused, states_of
from conformance.resident import Given
from tesseract import Request
from tesseract.deployer import WentLive

DECIDE = """


def decide(given, state, params):
    return Result(State(state.seen + params.step), told())
"""


def entry(source: str) -> str:
    return f"{HEAD}\n{source}{DECIDE}"


@pytest.mark.parametrize("host", HOSTS)
def test_module_deleted_in_use(tmp_path: Path, host: str) -> None:
    files = {
        "signals.py": "def edge():\n    return 'signals'\n",
        "fast.py": "import math\nfrom strategy.signals import edge\n",
        "__init__.py": entry("from strategy import fast\n\n\ndef told():\n    return fast.edge()\n"),
    }
    with a_program(tmp_path, host=host, files=files) as program:
        assert program.value() == "signals"

        refused(
            program,
            {"signals.py": None},
            "v2",
            "strategy/fast.py:2",
            "ModuleNotFoundError",
            "'strategy.signals'",
            "v1 is",
        )

        assert program.value() == "signals"
        assert program.deploy({"fast.py": "def edge():\n    return 'fast'\n"}).is_live
        assert program.value() == "fast"
        assert program.state() == {"seen": 4}


@pytest.mark.parametrize("host", HOSTS)
def test_a_module_that_a_function_imports_late_is_of_its_own_release_even_after_a_rollback(
    tmp_path: Path, host: str
) -> None:
    late = (
        "def told():\n    return 'early'\n\n\ndef late():\n    from strategy.late import answer\n\n    return answer\n"
    )
    decide = DECIDE.replace("told()", "late() if given.number else told()")
    files = {"late.py": "answer = 'old'\n", "__init__.py": f"{HEAD}\n{late}{decide}"}
    with a_program(tmp_path, host=host, files=files) as program:
        assert program.value() == "early"
        assert program.deploy({"late.py": "answer = 'new'\n"}).is_live
        assert program.value() == "early"
        program.roll_back()
        assert program.value(number=1) == "old"


CALLER = "from strategy.pricing import price\n\n\ndef told():\n    return {}\n"


@pytest.mark.parametrize("host", HOSTS)
def test_two_files_one_signature(tmp_path: Path, host: str) -> None:
    """The caller and the callee change together while calls come as fast as they are answered."""
    old = {
        "pricing.py": "def price(value):\n    return ['callee old', value]\n",
        "__init__.py": entry(CALLER.format("['caller old', *price(1)]")),
    }
    new = {
        "pricing.py": "def price(value, *, scale):\n    return ['callee new', value * scale]\n",
        "__init__.py": entry(CALLER.format("['caller new', *price(1, scale=2)]")),
    }
    with a_program(tmp_path, host=host, files=old) as program:
        told = program.run(ask_through_a_deploy(program, new))

    before, after = ["caller old", "callee old", 1], ["caller new", "callee new", 2]
    assert {release for release, _ in told} == {"v1", "v2"}
    swapped_at = [release for release, _ in told].index("v2")
    assert all(each == ("v1", before) for each in told[:swapped_at])
    assert all(each == ("v2", after) for each in told[swapped_at:])


async def ask_through_a_deploy(program: Program, files: dict[str, str]) -> list[tuple[str, Any]]:
    """(release, value) of every call from before a deploy until after it."""
    told = []
    after = 0
    end_s = time.monotonic() + WAIT_S
    for number in itertools.count():
        assert time.monotonic() < end_s, "the deploy has not come"
        if number == 20:
            program.write(files)
            program.runtime.request(Request(id="both", action="deploy", author="ana"))
        outcome = await program.runtime.ask("btc", Given(number), at_ns=number * 5_000_000_000)
        assert outcome.fault is None, outcome.fault.text
        assert outcome.value is not None
        told.append((outcome.release, outcome.value.value))
        await asyncio.sleep(0)
        after += any(isinstance(event, WentLive) and event.request == "both" for event in program.events)
        if after == 20:
            break
    return told


MUTATED = {
    "CACHE": "CACHE = {}\n\n\ndef edge():\n    CACHE[len(CACHE)] = 1\n    return len(CACHE)\n",
    "COUNT": "COUNT = 0\n\n\ndef edge():\n    global COUNT\n    COUNT += 1\n    return COUNT\n",
    "Counter.total": "class Counter:\n    total = 0\n\n\ndef edge():\n    Counter.total += 1\n    return 1\n",
    "SEEN": "from contextvars import ContextVar\n\nSEEN = ContextVar('seen', default=0)\n\n\n"
    "def edge():\n    SEEN.set(SEEN.get() + 1)\n    return SEEN.get()\n",
    "edge.<default 0>": "def edge(seen=[]):\n    seen.append(1)\n    return len(seen)\n",
}


@pytest.mark.parametrize("host", HOSTS)
def test_module_global_mutated_at_run_time(tmp_path: Path, host: str) -> None:
    files = {
        "signals.py": "def edge():\n    return 1\n",
        "__init__.py": entry("from strategy.signals import edge\n\n\ndef told():\n    return edge()\n"),
    }
    with a_program(tmp_path, host=host, files=files) as program:
        for _ in range(3):
            assert program.value() == 1
        for variable, source in MUTATED.items():
            refused(
                program,
                {"signals.py": source},
                "state outside State: ",
                f"strategy.signals.{variable} changed while it was rehearsed",
                step="rehearsal",
            )
        assert program.deploy({"signals.py": "CACHE = {}\n\n\ndef edge():\n    return 2 + len(CACHE)\n"}).is_live
        assert program.value() == 2


MUTATED_ELSEWHERE = {
    "added json.seen": "import json\n\n\ndef edge():\n    json.seen = getattr(json, 'seen', 0) + 1\n    return 1\n",
    "added builtins.seen": "import builtins\n\n\ndef edge():\n    builtins.seen = 1\n    return 1\n",
    "added colorsys.seen": "import colorsys\n\n\ndef edge():\n    colorsys.seen = 1\n    return 1\n",
    "replaced json.dumps": "import json\n\n\ndef edge():\n    json.dumps = repr\n    return 1\n",
    "added conformance.resident.Given.seen": "from conformance.resident import Given\n\n\n"
    "def edge():\n    Given.seen = 1\n    return 1\n",
    "changed the garbage collector's switch from True to False": "import gc\n\n\ndef edge():\n    gc.disable()\n"
    "    return 1\n",
    "changed the recursion limit from 1000 to 2000": "import sys\n\n\ndef edge():\n    sys.setrecursionlimit(2000)\n"
    "    return 1\n",
    "changed sys.path": "import sys\n\n\ndef edge():\n    sys.path.insert(0, '/seen')\n    return 1\n",
    "set a handler for SIGALRM": "import signal\n\n\ndef edge():\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    "    return 1\n",
}
"""What a process of its own sees; inside the program's process these things are the program's as well."""
INNOCENT = """
def edge():
    import decimal, fractions, functools, locale, random, re, statistics, string, time, unicodedata
    from collections import namedtuple
    from dataclasses import dataclass
    from datetime import datetime
    from enum import Flag
    from zoneinfo import ZoneInfo
    import colorsys, csv, difflib, heapq, html.parser, ipaddress, json.tool, textwrap, urllib.parse, uuid
    re.compile("a(b)?").match("ab"), datetime.strptime("2026", "%Y"), f"{1.5:.3f}"
    string.Template("$a").substitute(a=1), random.Random(1).random(), json.loads("[1]"), statistics.fmean([1.0])
    functools.cache(len)(()), decimal.Decimal(1) / 3, dataclass(type("D", (), {})), namedtuple("T", "a")(1)
    Flag("F", "A B")(3), "a".encode("idna"), ZoneInfo.key, warn()
    return 1


def warn():
    import warnings
    warnings.warn("only a warning", stacklevel=1)
"""


def test_what_a_rehearsal_leaves_in_somebody_elses_module_is_state_too(tmp_path: Path) -> None:
    files = {
        "signals.py": "def edge():\n    return 1\n",
        "__init__.py": entry("from strategy.signals import edge\n\n\ndef told():\n    return edge()\n"),
    }
    with a_program(tmp_path, host="process", files=files) as program:
        assert program.value() == 1
        for change, source in MUTATED_ELSEWHERE.items():
            says = f"state outside State: while it was rehearsed it {change}"
            refused(program, {"signals.py": source}, says, step="rehearsal")
        verdict = program.deploy({"signals.py": INNOCENT})
        assert verdict.is_live, verdict.text


@pytest.mark.parametrize("host", HOSTS)
def test_module_imported_late_and_mutated_is_state_too(tmp_path: Path, host: str) -> None:
    told = "def told():\n    from strategy.late import COUNTS\n\n    {}return 1\n"
    files = {"late.py": "COUNTS = []\n", "__init__.py": entry(told.format(""))}
    with a_program(tmp_path, host=host, files=files) as program:
        for _ in range(3):
            assert program.value() == 1
        says = "state outside State: strategy.late.COUNTS changed while it was rehearsed"
        refused(program, {"__init__.py": entry(told.format("COUNTS.append(1)\n    "))}, says, step="rehearsal")


STRATEGIES = {"fast": "strategy.fast", "slow": "strategy.slow"}


@pytest.mark.parametrize("host", HOSTS)
def test_two_strategies_one_edited(tmp_path: Path, host: str) -> None:
    files = {
        "__init__.py": "",
        "shared.py": HEAD,
        "edges.py": "def edge():\n    return 'old'\n",
        "fast.py": "from strategy.edges import edge\nfrom strategy.shared import Params, Result, State\n"
        + DECIDE.replace("told()", "'fast ' + edge()"),
        "slow.py": "from strategy.shared import Params, Result, State\n" + DECIDE.replace("told()", "'slow'"),
    }
    with a_program(
        tmp_path, host=host, files=files, strategies=STRATEGIES, strategy_of=lambda key: key.partition("-")[0]
    ) as program:
        assert [program.value("fast-btc"), program.value("slow-btc")] == ["fast old", "slow"]
        slow, pid = program.runtime.seam.strategies["slow"], pid_of(program, "slow")

        verdict = program.deploy({"edges.py": "def edge():\n    return 'new'\n"})

        assert verdict.is_live, verdict.text
        assert verdict.event.strategies == ("fast",)
        assert verdict.event.report.evaluations == 1  # the other strategy's calls are none of its own
        assert [program.value("fast-btc"), program.value("slow-btc")] == ["fast new", "slow"]
        assert program.ask("fast-btc").release == "v2"
        assert program.ask("slow-btc").release == "v1"
        assert program.runtime.seam.strategies["slow"] is slow
        assert pid_of(program, "slow") == pid
        assert program.state("slow-btc") == {"seen": 3}

        assert_refused(
            program, program.deploy({"edges.py": "oops oops\n"}), "edges.py:1", step="stage", running="v2 and v1"
        )
        broken = program.deploy({"shared.py": "oops oops\n"})
        assert broken.text.count("strategy/shared.py:1") == 1, "it is at fault for both"
        program.keep()
        both = program.deploy({"edges.py": files["edges.py"], "shared.py": files["shared.py"] + "\nMORE = 1\n"})
        assert both.event.strategies == ("fast", "slow")
        assert {program.ask("fast-btc").release, program.ask("slow-btc").release} == {both.event.release.name}


def pid_of(program: Program, strategy: str) -> int:
    """The process that answers for a strategy; 0 for a host inside this one."""
    pidfd = getattr(program.runtime.seam.strategies[strategy], "pidfd", None)
    if pidfd is None:
        return 0
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))


READERS = (
    "import csv\nimport importlib.resources\nimport json\nfrom pathlib import Path\n\n"
    "NAMES = json.loads((Path(__file__).parent / 'names.json').read_text())\n\n\n"
    "def told():\n"
    "    text = importlib.resources.files(__package__).joinpath('note.txt').read_text()\n"
    "    with (Path(__file__).parent / 'tables' / 'rows.csv').open() as file:\n"
    "        rows = list(csv.reader(file))\n"
    "    return [NAMES, text, rows]\n"
)


@pytest.mark.parametrize("host", HOSTS)
def test_data_file_in_live_tree(tmp_path: Path, host: str) -> None:
    files = {
        "names.json": '["old"]',
        "note.txt": "old",
        "tables/rows.csv": "old,1\n",
        "__init__.py": entry(READERS),
    }
    with a_program(tmp_path, host=host, files=files) as program:
        assert program.value() == [["old"], "old", [["old", "1"]]]
        digest = program.runtime.seam.strategies[""].spec.release.digest
        told = [
            [["new"], "old", [["old", "1"]]],
            [["new"], "new", [["old", "1"]]],
            [["new"], "new", [["new", "2"]]],
        ]
        edits = [{"names.json": '["new"]'}, {"note.txt": "new"}, {"tables/rows.csv": "new,2\n"}]
        for edit, value in zip(edits, told, strict=True):
            verdict = program.deploy(edit)
            assert verdict.is_live, verdict.text
            assert verdict.event.release.digest != digest
            digest = verdict.event.release.digest
            assert program.value() == value

        program.roll_back()
        assert program.value() == told[1]  # read in the call, from the old release's own copy

        refused(program, {"names.json": None}, "strategy/__init__.py:", "FileNotFoundError", "names.json")


@pytest.mark.parametrize("host", HOSTS)
def test_non_python_noise(tmp_path: Path, host: str) -> None:
    noise = {
        "__pycache__/__init__.cpython-313.pyc": b"\0\1",
        "deep/__pycache__/inner.cpython-313.pyc": b"\0\2",
        "__init__.py~": "an older copy",
        ".__init__.py.swp": b"vim",
        ".#__init__.py": "emacs",
        "#__init__.py#": "emacs",
        "__init__.py.bak": "a copy",
        "__init__.py.orig": "a merge",
        ".git/HEAD": "ref: refs/heads/main\n",
        ".idea/workspace.xml": "<x/>",
    }
    files = {"deep/__init__.py": "", "__init__.py": entry("def told():\n    return 'same'\n")}
    with a_program(tmp_path, host=host, files=files) as program:
        assert program.value() == "same"
        digest, before = program.runtime.seam.strategies[""].spec.release.digest, states_of(program)
        for name, content in noise.items():
            verdict = program.deploy({name: content})
            assert not verdict.is_live, name
            assert not verdict.is_refused, name
            assert verdict.text == "v1 is what runs already; nothing was done"
        assert program.runtime.seam.strategies[""].spec.release.digest == digest
        assert states_of(program) == before

        assert program.deploy({"notes.md": "no noise"}).is_live


@pytest.mark.parametrize("host", HOSTS)
def test_a_change_that_is_undone_while_it_is_staged_does_not_stay_live(tmp_path: Path, host: str) -> None:
    """What a tree differs in is judged at its turn: by then something else runs than when it was read."""
    old, new = (entry(f"def told():\n    return {answer!r}\n") for answer in ("old", "new"))
    with a_program(tmp_path, host=host, files={"__init__.py": old}) as program:
        assert program.value() == "old"
        program.write({"__init__.py": new})
        program.runtime.request(Request(id="new", action="deploy", author="ana"))
        if host == "process":
            program.pause(0.05)  # it has been read, and is being staged
        undone = program.deploy({"__init__.py": old})
        assert undone.is_live, undone.text
        assert [event.release.name for event in program.happened(WentLive)] == ["v1", "v2", "v1"]
        assert program.value() == "old"


@pytest.mark.parametrize("host", HOSTS)
def test_two_strategies_one_edited_after_the_other_are_both_as_the_last_tree_has_them(
    tmp_path: Path, host: str
) -> None:
    body = "from strategy.shared import Params, Result, State\n" + DECIDE.replace("told()", "{!r}")
    files = {"__init__.py": "", "shared.py": HEAD, "fast.py": body.format("fast"), "slow.py": body.format("slow")}
    with a_program(
        tmp_path, host=host, files=files, strategies=STRATEGIES, strategy_of=lambda key: key.partition("-")[0]
    ) as program:
        assert [program.value("fast-btc"), program.value("slow-btc")] == ["fast", "slow"]
        program.write({"fast.py": body.format("other fast")})
        program.runtime.request(Request(id="fast", action="deploy", author="ana"))
        if host == "process":
            program.pause(0.05)
        last = program.deploy({"fast.py": files["fast.py"], "slow.py": body.format("other slow")})
        assert last.is_live, last.text
        assert last.event.strategies == ("fast", "slow")
        assert [program.value("fast-btc"), program.value("slow-btc")] == ["fast", "other slow"]
