"""Group F, what people look at: tracebacks, sources, texts and names are those of the release that runs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import pytest

from conformance.program import HEAD, HOSTS, Files, Program, a_program
from conformance.swaps import ELSEWHERE, LOOKING, live, stored
from conformance.timing import ask_for, generation
from tesseract import Event, WentBack

FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\w+)\n\s+(.+)')


@contextmanager
def two_releases(
    folder: Path, host: str, one: str, two: str, *, beside: Files = MappingProxyType({})
) -> Iterator[Program]:
    """`v2` is on probation and `v1` its standby; `parts.py` of the live tree has changed again since."""
    with a_program(folder, host=host, files={"__init__.py": LOOKING, "parts.py": one, **beside}) as program:
        program.value(number=3)
        verdict = program.deploy({"parts.py": two})
        assert verdict.is_live, verdict.text
        program.write({"parts.py": ELSEWHERE + one})
        yield program


def frames(text: str) -> list[tuple[str, int, str, str]]:
    """File, line, function and source text of every step of a traceback."""
    return [(file, int(line), function, source) for file, line, function, source in FRAME.findall(text)]


WORST = """class TooHigh(Exception):
    pass


def worst(number):
    if number == 13:
        raise TooHigh("said by one")
    return number


def look(number):
    return worst(number)
"""
WORSE = "LIMIT = 13\n\n\n" + WORST.replace("said by one", "said by two").replace("number == 13", "number == LIMIT")


@pytest.mark.parametrize("host", HOSTS)
def test_traceback_lines(tmp_path: Path, host: str) -> None:
    with two_releases(tmp_path, host, WORST, WORSE) as program:
        two = stored(program)
        fault = program.ask(number=13).fault
        one = stored(program)
        failed = program.happened(WentBack)[0].details

        assert one != two
        assert fault is not None
        assert frames(fault.text)[-2:] == [
            (str(one), 12, "look", "return worst(number)"),
            (str(one), 7, "worst", 'raise TooHigh("said by one")'),
        ]
        assert frames(failed)[-2:] == [
            (str(two), 15, "look", "return worst(number)"),
            (str(two), 10, "worst", 'raise TooHigh("said by two")'),
        ]
        line = LOOKING[: LOOKING.index("    return Result")].count("\n") + 1
        at = (str(one.with_name("__init__.py")), line, "decide")
        assert frames(fault.text)[-3][:3] == at
        assert fault.text.strip().splitlines()[-1].endswith("strategy.parts.TooHigh: said by one")
        assert str(program.tree) not in fault.text + failed


SOURCES = """import inspect
import sys


class Scale:
    def score(self, number):
        return number * 2


def score(number):
    return number * 2


double = lambda number: number * 2


def look(number):
    found = [inspect.getsource(each) for each in (score, Scale, Scale().score, double, sys.modules[__name__])]
    places = [inspect.getsourcefile(Scale), inspect.getsourcelines(score)[1], inspect.getsourcelines(Scale.score)[1]]
    return [*found, *places, inspect.getmodule(score) is sys.modules[__name__]]
"""


@pytest.mark.parametrize("host", HOSTS)
def test_getsource(tmp_path: Path, host: str) -> None:
    def expected(source: str, program: Program) -> list[object]:
        whole = dict(zip(("class Scale", "def score", "double"), source.split("\n\n\n")[1:], strict=False))
        texts = [f"{text}\n" for text in (whole["def score"], whole["class Scale"])]
        method, double = whole["class Scale"].partition("\n")[2] + "\n", whole["double"] + "\n"
        lines = [1 + source[: source.index(text)].count("\n") for text in ("\ndef score", "    def score")]
        return [*texts, method, double, source, str(stored(program)), lines[0] + 1, lines[1], True]

    shifted = "# one line more\n" + SOURCES.replace("number * 2", "number * 10")
    with two_releases(tmp_path, host, SOURCES, shifted) as program:
        assert program.value() == expected(shifted, program)
        program.roll_back()
        assert program.value() == expected(SOURCES, program)


DOCUMENTED = '''"""The module of one."""

import inspect

from strategy.further import Further


class Scale:
    """The class of one."""

    def score(self):
        """The method of one."""

    @property
    def factor(self):
        """The property of one."""


class Narrow(Scale, Further):
    def score(self):
        pass


def score(number, factor=1):
    """The function of one."""


def look(number):
    plain = [__doc__, Scale.__doc__, Scale.score.__doc__, Scale.factor.__doc__, score.__doc__]
    return [*plain, inspect.getdoc(Narrow().score), str(inspect.signature(score)), Further.__doc__]
'''


@pytest.mark.parametrize("host", HOSTS)
def test_docstring(tmp_path: Path, host: str) -> None:
    def expected(name: str, signature: str) -> list[str]:
        kinds = ("module", "class", "method", "property", "function", "method")
        return [*(f"The {kind} of {name}." for kind in kinds), signature, "Never edited."]

    two = DOCUMENTED.replace("of one.", "of two.").replace("factor=1", "factor=2")
    beside = {"further.py": 'class Further:\n    """Never edited."""\n'}
    with two_releases(tmp_path, host, DOCUMENTED, two, beside=beside) as program:
        assert program.value() == expected("two", "(number, factor=2)")
        program.roll_back()
        assert program.value() == expected("one", "(number, factor=1)")


LOGS = """import io
import logging

log = logging.getLogger(__name__)
FORMAT = "%(name)s|%(module)s|%(pathname)s|%(lineno)d|%(funcName)s|%(message)s"


def look(number):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT))
    log.addHandler(handler)
    log.propagate = False
    try:
        log.warning("one has %d", number)
    finally:
        log.removeHandler(handler)
    return [stream.getvalue().strip().split("|"), [__name__, __package__, look.__module__]] if number == 13 else None
"""


@pytest.mark.parametrize("host", HOSTS)
def test_module_name_in_logs(tmp_path: Path, host: str) -> None:
    def shown_by(program: Program, message: str, line: int) -> None:
        (name, *record), names = program.value(number=13)
        prefix = "" if host == "process" else name.partition(".")[0] + "."
        assert record == ["parts", str(stored(program)), str(line), "look", message]
        assert names == [name, f"{prefix}strategy", name]
        assert name == f"{prefix}strategy.parts"
        pattern = rf"_release_{live(program).spec.release.digest[:12]}_\d+\."
        assert host == "process" or re.fullmatch(pattern, prefix), "it names the release by its content"

    with two_releases(tmp_path, host, LOGS, "\n" + LOGS.replace("one has", "two has")) as program:
        shown_by(program, "two has 13", 16)
        program.roll_back()
        shown_by(program, "one has 13", 15)


def test_a_log_record_that_nobody_handles_is_shown_to_the_operator(tmp_path: Path) -> None:
    source = (
        "import logging\n\nlog = logging.getLogger(__name__)\n\ndef look(number):\n    log.warning('has %d', number)\n"
    )
    with a_program(tmp_path, host="process", files={"__init__.py": LOOKING, "parts.py": source}) as program:
        program.value(number=3)
        assert program.printed == ["v1 printed: has 3"]


def test_every_event_has_a_sentence_of_its_own(tmp_path: Path) -> None:
    assert all("text" in dir(kind) for kind in get_args(Event))
    with a_program(tmp_path, host="in_process", files=generation(1)) as program:
        program.ask("btc")
        program.deploy(generation(2), canary=("btc",))
        program.roll_back()
        program.deploy(generation(3))
        program.keep()
        ask_for(program, "deploy", what="release", where="v1", is_forced=True, shadow_s=600)
        said = [event.text for event in program.events]
    rehearsed = r"rehearsed on 1 evaluations \(.*\); [01] of 1 decisions differ"
    patterns = [
        "v1 r1 is live; nothing was on the tape to rehearse",
        f"v2 r1 is live for btc; {rehearsed}",
        "v2 r1 was rolled back: asked for by ana; v1 is running",
        f"v3 r1 is live; {rehearsed}",
        "v3 r1 is kept by ana",
        f"v1 is a shadow for 10 min; {rehearsed}",
    ]
    assert [pattern for pattern, text in zip(patterns, said, strict=True) if not re.fullmatch(pattern, text)] == [], (
        said
    )


NAMED = """
def decide(given, state, params):
    return Result(State(state.seen + 1), [__name__, State.__module__, repr(State)])
"""


@pytest.mark.parametrize("host", HOSTS)
def test_live_code_may_answer_with_its_own_name(tmp_path: Path, host: str) -> None:
    with a_program(tmp_path, host=host, files={"__init__.py": HEAD + NAMED}) as program:
        for _ in range(3):
            assert program.value()[0].endswith("strategy")
        for number in range(10):
            verdict = program.deploy({"__init__.py": f"{HEAD}{NAMED}NUMBER = {number}\n"})
            assert verdict.is_live, verdict.text
