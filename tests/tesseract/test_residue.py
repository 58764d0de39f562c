"""What live code leaves behind is found and named, and what Python does by itself is not mistaken for it."""

import gc
import itertools
import json
import locale
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from tesseract.fingerprint import changed, fingerprint
from tesseract.residue import PROBLEMS_MAX, Baseline

SOURCE = str(Path(__file__).parents[2] / "src")

STRATEGY = """
import collections, dataclasses, enum, functools, itertools, random
from types import MappingProxyType
import msgspec

NUMBER = 1
SEEN = {}
NAMES = ["a"]
GROUPS = {("a", 1)}
RECENT = collections.deque(maxlen=3)
COUNTER = collections.Counter()
BY_KEY = collections.defaultdict(list)
NESTED = {"a": {"b": [1, 2, {"c": set()}]}}
TICKS = itertools.count()
ROUND = iter([1, 2, 3])
NOISE = random.Random(1)
FROZEN = MappingProxyType(SEEN_BELOW := {})
CYCLE = []
CYCLE.append(CYCLE)

def squares():
    n = 0
    while True:
        yield n * n
        n += 1

SQUARES = squares()

@dataclasses.dataclass
class Point:
    x: int = 0
    @functools.cached_property
    def slow(self): return 1
    def __eq__(self, other): raise RuntimeError("live code was called")
    def __hash__(self): raise RuntimeError("live code was called")
    def __repr__(self): raise RuntimeError("live code was called")

class Slotted:
    __slots__ = ("x",)

class Record(msgspec.Struct):
    x: int = 0

class Bag(dict):
    def __iter__(self): raise RuntimeError("live code was called")
    def items(self): raise RuntimeError("live code was called")

class Side(enum.Flag):
    UP = 1
    DOWN = 2

class Counted:
    total = 0
    def method(self, seen=[]): seen.append(1)
    @staticmethod
    def still(seen=[]): seen.append(1)

POINT, SLOTTED, RECORD, BAG = Point(), Slotted(), Record(), Bag()
INSIDE = [Point()]

def remembers(seen=[], *, also={}): seen.append(1)
def labelled(): labelled.calls = getattr(labelled, "calls", 0) + 1

def _counter():
    count = 0
    def counted():
        nonlocal count
        count += 1
    return counted

counted = _counter()
TABLE = {"count": _counter()}

@functools.cache
def memo(number): return number * 2

def pure(number): return NUMBER + number
"""


def a_strategy(source: str = STRATEGY) -> ModuleType:
    module = ModuleType("strategy.signals")
    sys.modules[module.__name__] = module  # as an import would: dataclasses look themselves up
    try:
        exec(compile(source, "strategy/signals.py", "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    return module


def changed_by(act: str) -> list[str]:
    module = a_strategy()
    before = fingerprint({"strategy.signals": module})
    exec(act, vars(module), {})
    return changed(before, fingerprint({"strategy.signals": module}))


@pytest.mark.parametrize(
    ("act", "name"),
    [
        ("global NUMBER; NUMBER = 2", "NUMBER"),
        ("SEEN['x'] = 1", "SEEN"),
        ("NAMES.append('b')", "NAMES"),
        ("NAMES[0] = 'b'", "NAMES"),
        ("GROUPS.add(('b', 2))", "GROUPS"),
        ("RECENT.append(1)", "RECENT"),
        ("COUNTER['x'] += 1", "COUNTER"),
        ("BY_KEY['x']", "BY_KEY"),
        ("NESTED['a']['b'][2]['c'].add(1)", "NESTED"),
        ("next(TICKS)", "TICKS"),
        ("next(ROUND)", "ROUND"),
        ("next(SQUARES); next(SQUARES)", "SQUARES"),
        ("NOISE.random()", "NOISE"),
        ("CYCLE.append(1)", "CYCLE"),
        ("POINT.x = 2", "POINT"),
        ("POINT.new = 2", "POINT"),
        ("SLOTTED.x = 2", "SLOTTED"),
        ("RECORD.x = 2", "RECORD"),
        ("BAG['x'] = 1", "BAG"),
        ("INSIDE[0].x = 1", "INSIDE"),
        ("Counted.total += 1", "Counted.total"),
        ("Counted().method()", "Counted.method.<default 0>"),
        ("Counted.still()", "Counted.still.<default 0>"),
        ("remembers.__kwdefaults__['also'][1] = 1", "remembers.<default also>"),
        ("labelled()", "labelled.calls"),
        ("counted()", "counted.<closure count>"),
        ("TABLE['count']()", "TABLE"),
    ],
)
def test_data_that_changes_is_named_by_module_and_variable(act: str, name: str) -> None:
    assert f"strategy.signals.{name}" in changed_by(act.replace("global NUMBER; NUMBER", "globals()['NUMBER']"))


def test_a_default_argument_that_collects_is_named_and_nothing_else_is() -> None:
    assert changed_by("remembers()") == ["strategy.signals.remembers", "strategy.signals.remembers.<default 0>"]


def test_a_table_behind_a_read_only_view_is_seen_through_it() -> None:
    assert changed_by("SEEN_BELOW[1] = 1") == ["strategy.signals.FROZEN", "strategy.signals.SEEN_BELOW"]


@pytest.mark.parametrize(
    "act",
    [
        "pure(3)",
        "memo(3)",
        "POINT.slow",
        "Side.UP | Side.DOWN",
        "len(SEEN); list(NAMES)",
        "import decimal",
        "NAMES.sort()",
    ],
)
def test_what_is_no_state_changes_nothing(act: str) -> None:
    assert changed_by(act if act != "import decimal" else "__import__('decimal')") == []


def test_a_set_that_came_about_in_another_order_is_the_same() -> None:
    numbers = [f"name{number}" for number in range(50)]
    one = a_strategy(f"A = set({numbers!r}); B = {{(n, 1) for n in {numbers!r}}}")
    other = a_strategy(f"A = set({numbers[::-1]!r}); B = {{(n, 1) for n in {numbers[::-1]!r}}}")

    assert fingerprint({"s": one}) == fingerprint({"s": other})


def test_a_variable_that_appears_or_disappears_is_named() -> None:
    assert changed({"s: A": b"1"}, {"s: B": b"1"}) == ["s.A", "s.B"]


def test_no_code_of_the_release_is_called() -> None:
    module = a_strategy("class Loud:\n    def __getattribute__(self, name): raise RuntimeError(name)\nLOUD = [Loud()]")

    assert "s: LOUD" in fingerprint({"s": module})


def test_large_and_deep_data_is_bounded() -> None:
    module = a_strategy("WIDE = [[n] for n in range(300_000)]\nFLAT = list(range(2_000_000))\nDEEP = []")
    for _ in range(50_000):
        vars(module)["DEEP"] = [vars(module)["DEEP"]]

    began_ns = time.perf_counter_ns()
    fingerprint({"s": module})

    assert time.perf_counter_ns() - began_ns < 2_000_000_000
    while module.DEEP:  # taken apart by hand: freeing it at once would be as deep
        module.DEEP = module.DEEP[0]


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.taken()


def found_by(baseline: Baseline, act: Callable[[], object], undo: Callable[[], object]) -> list[str]:
    before = baseline.problems()
    act()
    try:
        return [problem for problem in baseline.problems() if problem not in before]
    finally:
        undo()


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    old = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, old)


@pytest.mark.parametrize(
    ("owner", "name", "value", "sentence"),
    [
        (json, "dumps", print, "it replaced json.dumps"),
        (json.encoder.JSONEncoder, "default", print, "it replaced json.encoder.JSONEncoder.default"),
        (json.encoder.JSONEncoder, "item_separator", ";", "it replaced json.encoder.JSONEncoder.item_separator"),
        (sys, "excepthook", print, "it replaced sys.excepthook"),
        (time, "time_ns", print, "it replaced time.time_ns"),
        (json.dumps, "__code__", (lambda: None).__code__, "it changed the inside of json.dumps"),
    ],
)
def test_what_was_replaced_is_named(owner: object, name: str, value: object, sentence: str) -> None:
    baseline = Baseline.taken()

    with replaced(owner, name, value):
        problems = baseline.problems()

    assert problems == [sentence]
    assert baseline.problems() == []


def test_what_was_added_or_removed_is_named(baseline: Baseline) -> None:
    kept = json.loads
    added = found_by(baseline, lambda: setattr(json, "faster", 1), lambda: delattr(json, "faster"))
    removed = found_by(baseline, lambda: delattr(json, "loads"), lambda: setattr(json, "loads", kept))

    assert added == ["it added json.faster"]
    assert removed == ["it removed json.loads"]


def test_a_module_that_was_swapped_is_named(baseline: Baseline) -> None:
    module = sys.modules["json"]
    act = lambda: sys.modules.__setitem__("json", ModuleType("json"))  # noqa: E731

    assert found_by(baseline, act, lambda: sys.modules.__setitem__("json", module)) == ["it replaced the module json"]


def test_a_changed_environment_is_named(baseline: Baseline) -> None:
    act, undo = lambda: os.environ.update(LEFT="1"), lambda: os.environ.pop("LEFT")

    assert found_by(baseline, act, undo) == ["it changed the environment variable LEFT"]


def test_a_changed_working_directory_is_named(baseline: Baseline, tmp_path: Path) -> None:
    home = Path.cwd()
    problems = found_by(baseline, lambda: os.chdir(tmp_path), lambda: os.chdir(home))

    assert problems == [f"it changed the working directory from {str(home)!r:.200} to {str(tmp_path)!r:.200}"]


def test_a_signal_handler_is_named(baseline: Baseline) -> None:
    old = signal.getsignal(signal.SIGUSR1)
    act, undo = lambda: signal.signal(signal.SIGUSR1, print), lambda: signal.signal(signal.SIGUSR1, old)

    assert found_by(baseline, act, undo) == ["it set a handler for SIGUSR1"]


@pytest.mark.parametrize(
    ("act", "undo", "word"),
    [
        (lambda: sys.setrecursionlimit(5000), lambda: sys.setrecursionlimit(1000), "recursion limit"),
        (lambda: sys.setswitchinterval(0.1), lambda: sys.setswitchinterval(0.005), "switch interval"),
        (lambda: os.umask(0o077), lambda: os.umask(0o022), "umask"),
        (gc.disable, gc.enable, "garbage collector's switch"),
        (lambda: sys.path.append("/x"), lambda: "/x" in sys.path and sys.path.remove("/x"), "sys.path"),
        (lambda: signal.setitimer(signal.ITIMER_REAL, 100), lambda: signal.setitimer(signal.ITIMER_REAL, 0), "timer"),
    ],
)
def test_a_changed_setting_is_named(act: Callable[[], object], undo: Callable[[], object], word: str) -> None:
    undo()
    baseline = Baseline.taken()
    problems = found_by(baseline, act, undo)

    assert len(problems) == 1
    assert word in problems[0]


def test_a_changed_locale_is_named(baseline: Baseline) -> None:
    old = locale.setlocale(locale.LC_CTYPE)
    other = "C" if old != "C" else "C.UTF-8"
    problems = found_by(
        baseline, lambda: locale.setlocale(locale.LC_CTYPE, other), lambda: locale.setlocale(locale.LC_CTYPE, old)
    )

    assert [problem.split(" from ")[0] for problem in problems] == ["it changed the locale"]


def test_a_thread_that_still_runs_is_named(baseline: Baseline) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="left behind")

    def undo() -> None:
        end.set()
        thread.join()

    assert found_by(baseline, thread.start, undo) == ["it left a thread running: left behind"]


def test_an_import_hook_and_a_blanket_filter_of_warnings_are_named() -> None:
    class Finder:
        def find_spec(self, *arguments: object) -> None:
            return None

    finder = Finder()
    with warnings.catch_warnings():
        baseline = Baseline.taken()
        sys.meta_path.append(finder)
        warnings.simplefilter("ignore", UserWarning)
        warnings.filterwarnings("ignore", message="numpy.ndarray size changed")
        problems = baseline.problems()
        sys.meta_path.remove(finder)

    assert len(problems) == 2
    assert problems[0].endswith("Finder to sys.meta_path")
    assert problems[1] == "it changed which warnings are shown"


def test_many_problems_are_counted() -> None:
    baseline = Baseline.taken()
    names = [f"added{number}" for number in range(PROBLEMS_MAX + 5)]
    act = lambda: vars(json).update(dict.fromkeys(names, 1))  # noqa: E731
    problems = found_by(baseline, act, lambda: [delattr(json, name) for name in names])

    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1].endswith("more")


CLEAN_RUN = """
import asyncio, json, logging, msgspec
from tesseract.residue import Baseline
baseline = Baseline.taken()
import importlib, sys, warnings
noisy = {"antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "lib2to3"}
with warnings.catch_warnings(action="ignore"):
    for name in [*sorted(sys.stdlib_module_names - noisy), "rich.console", "pydantic", "structlog", "numpy",
                 "xml.etree.ElementTree", "concurrent.futures.process", "email.mime.text", "importlib.metadata"]:
        try: importlib.import_module(name)
        except ImportError: pass
import datetime, decimal, functools, locale, mimetypes, platform, re, statistics, tempfile, typing, uuid, zoneinfo
mimetypes.guess_type("a.txt"); tempfile.gettempdir(); datetime.datetime.strptime("2020", "%Y"); platform.uname()
zoneinfo.ZoneInfo("UTC"); uuid.getnode(); asyncio.run(asyncio.sleep(0)); logging.getLogger("x").info("hi")
decimal.Decimal(1) / 3; statistics.mean([1, 2]); locale.getlocale(); re.compile("a+").match("aa"); json.dumps({1: 2})
class Told(msgspec.Struct):
    number: int = 1
msgspec.json.decode(msgspec.json.encode(Told()), type=Told)
print(len(sys.modules), baseline.problems())
"""


@pytest.mark.process
def test_importing_and_using_the_whole_standard_library_raises_no_alarm() -> None:
    told = subprocess.run(
        [sys.executable, "-c", CLEAN_RUN],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    count, problems = told.stdout.split(maxsplit=1)

    assert int(count) > 400
    assert problems.strip() == "[]"


def test_the_baseline_and_its_check_are_quick_enough_for_every_deploy() -> None:
    began_ns = time.perf_counter_ns()
    baseline = Baseline.taken()
    baseline.problems()

    assert time.perf_counter_ns() - began_ns < 1_000_000_000  # 20 ms on a quiet machine with 300 modules


def test_the_fingerprint_of_a_large_strategy_is_quick() -> None:
    lines = "".join(f"    a += {line}\n" for line in range(12))
    body = "\n".join(
        f"def f{n}(a, b={n}):\n{lines}    return a + b\n"
        f"T{n} = {{'a': [{n}, 2], 'b': ({n}, None)}}\n"
        f"class C{n}:\n    total = 0\n    def method(self, a=1): return a\n"
        for n in range(160)
    )
    module = a_strategy(body)
    samples = []
    for _ in itertools.repeat(None, 5):
        began_ns = time.thread_time_ns()
        fingerprint({"s": module})
        samples.append(time.thread_time_ns() - began_ns)

    assert body.count("\n") > 2_900
    assert min(samples) < 50_000_000  # below 10 ms on a quiet machine
