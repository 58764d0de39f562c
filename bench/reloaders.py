"""The conformance cases of groups A, B, C (import time) and F, run against tools that reload code in place.

The very tables of `tests/conformance` are used: the same trees, the same edits, the same values wanted. Each case is a
process of its own in the tools' environment; Tesseract runs the same cases on its process host. Then save to visible,
and what a reload costs a loop that ticks every millisecond. One table, and JSON.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from conformance import (  # noqa: E402 - the tests' folder must be on the path first
    test_bad_source,
    test_code_classes,
    test_code_constants,
    test_code_data,
    test_code_decorators,
    test_code_functions,
    test_modules_imports,
)
from conformance.program import HEAD, Program, a_program  # noqa: E402
from conformance.resident import Given  # noqa: E402
from measuring import Document, arguments, keep, machine, tell  # noqa: E402
from peer_setup import PeerUnavailableError  # noqa: E402
from reloaders_setup import PEERS, reloaders_python  # noqa: E402
from reloaders_table import OURS, TOOLS, table  # noqa: E402

DRIVER = Path(__file__).resolve().parent / "reloaders" / "driver.py"
CODE = (test_code_functions, test_code_classes, test_code_constants, test_code_data, test_code_decorators)
CASE_S_MAX = 60
TICK_S = 0.001
PAUSE_S = 0.2
EDITS = 20
STATEMENTS = 60
"""Of five lines each: a strategy of 300 lines."""

Files = dict[str, str | None]


class Case(NamedTuple):
    """One edit. Refused means that the value must stay what it was."""

    group: str
    name: str
    before: Files
    after: Files
    was: object
    wanted: object
    is_refused: bool


def cases() -> Iterator[Case]:
    """All cases that these tools can be asked about."""
    for module in CODE:
        for name, swap in module.CASES.items():
            yield Case("A", name, _texts(swap.before()), _texts(swap.after()), swap.was, swap.now, False)
    for name, case in test_modules_imports.CASES.items():
        before, after = test_modules_imports.whole(case.files), test_modules_imports.whole(case.edit)
        yield Case("B", name, _texts(before), _texts(after), case.told, case.told_then, False)
    for name, bad in test_bad_source.CASES.items():
        good = {"__init__.py": test_bad_source.good()}
        if all(isinstance(content, str) for content in bad.files.values()):
            yield Case("C", name, _texts(good), _texts(bad.files), "good", "good", True)


def _texts(files: object) -> Files:
    assert isinstance(files, dict)
    return {str(name): content if content is None else str(content) for name, content in files.items()}


def of_peer(python: Path, tool: str, case: Case) -> dict[str, bool]:
    """Whether a tool passes one case: by its group, and by what people look at afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, content in case.before.items():
            if content is not None:
                path = folder / "strategy" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        (folder / "after.json").write_text(json.dumps(case.after))
        (folder / "wanted.json").write_text(json.dumps({"value": case.wanted, "is_refused": case.is_refused}))
        told = _driven(python, [tool, "case", temporary])
    passed = {case.group: told.get("before") == case.was and told.get("after") == case.wanted and "failed" not in told}
    if case.group == "A" and passed["A"]:
        passed |= {f"F {name}": bool(is_right) for name, is_right in dict(told.get("looks", {})).items()}
    elif case.group == "A":
        passed |= {"F getsource": False, "F traceback_lines": False}
    return passed


def _driven(python: Path, words: list[str]) -> dict[str, object]:
    try:
        done = subprocess.run(
            [str(python), str(DRIVER), *words], capture_output=True, text=True, timeout=CASE_S_MAX, check=False
        )
        found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError) as error:
        return {"failed": f"{type(error).__name__}"}
    return found


def of_tesseract(case: Case) -> dict[str, bool]:
    with tempfile.TemporaryDirectory() as temporary:
        before = {name: content for name, content in case.before.items() if content is not None}
        with a_program(Path(temporary), host="process", files=before) as program:
            was = _value(program.ask(number=3))
            verdict = program.deploy(case.after)
            then = _value(program.ask(number=3))
    is_right = verdict.is_refused if case.is_refused else verdict.is_live
    passed = {case.group: is_right and was == case.was and then == case.wanted}
    if case.group == "A":  # tests/conformance/test_looks.py holds both of every release
        passed |= {"F getsource": passed["A"], "F traceback_lines": passed["A"]}
    return passed


def _value(outcome: object) -> object:
    value = getattr(outcome, "value", None)
    return getattr(value, "value", None)


def source() -> str:
    """A strategy of 300 lines with an edited constant."""
    functions = "".join(
        f"def part_{number}(given, weight=1.0):\n    total = given.number * weight\n    for step in range(3):\n"
        f"        total += step * {number}\n    return total\n"
        for number in range(STATEMENTS)
    )
    body = "def decide(given, state, params):\n    return Result(State(state.seen + 1), EDITED)\n"
    return f"{HEAD}\nEDITED = 0\n{functions}{body}"


def speed_of_peer(python: Path, tool: str, edits: int) -> Document:
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "strategy"
        tree.mkdir()
        (tree / "__init__.py").write_text(source())
        told = _driven(python, [tool, "speed", temporary, str(edits)])
    if "failed" in told:
        return {"failed": told["failed"]}
    visible, stalls = told["visible_s"], told["stall_s"]
    assert isinstance(visible, list)
    assert isinstance(stalls, list)
    return {
        "visible_ms": round(median(visible) * 1e3, 1),
        "stall_median_ms": round(median(stalls) * 1e3, 2),
        "stall_worst_ms": round(max(stalls) * 1e3, 2),
    }


def speed_of_tesseract(edits: int) -> Document:
    """The same edits of the same file, followed and rehearsed on nothing, beside the same loop."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        a_program(
            Path(temporary), host="process", files={"__init__.py": source()}, follow="files", rehearse_s=0
        ) as program,
    ):
        told: list[tuple[float, float]] = program.run(_edited(program, edits))
    return {
        "visible_ms": round(median(visible for visible, _ in told) * 1e3, 1),
        "stall_median_ms": round(median(stall for _, stall in told) * 1e3, 2),
        "stall_worst_ms": round(max(stall for _, stall in told) * 1e3, 2),
    }


async def _edited(program: Program, edits: int) -> list[tuple[float, float]]:
    """Of each edit the seconds until a call shows it, and the longest lateness of a tick until a moment after it."""
    lateness: list[float] = []
    ticker = asyncio.create_task(_tick(lateness))
    told = []
    for number in range(edits):
        await asyncio.sleep(PAUSE_S)
        lateness.clear()
        began = time.perf_counter()
        (program.tree / "__init__.py").write_text(source().replace("EDITED = 0", f"EDITED = {1_000 + number}"))
        while _value(await program.runtime.ask("btc", Given(3), at_ns=0)) != 1_000 + number:  # noqa: ASYNC110 - as a user looks
            await asyncio.sleep(0.002)
        visible = time.perf_counter() - began
        await asyncio.sleep(0.05)
        told.append((visible, max(lateness)))
    ticker.cancel()
    return told


async def _tick(lateness: list[float]) -> None:
    while True:
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        lateness.append(time.perf_counter() - due)


def main() -> int:
    parser = arguments("Conformance cases and speed of tools that reload code in place.")
    options = parser.parse_args()
    try:
        python = reloaders_python()
    except PeerUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    found = list(cases())[:: 10 if options.quick else 1]
    rows: dict[str, dict[str, list[str]]] = {}
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    with ThreadPoolExecutor(2) as pool:
        for tool in TOOLS:
            results = list(pool.map(lambda case, tool=tool: of_peer(python, tool, case), found))
            counts[tool], rows[tool] = _counted(found, results)
    counts[OURS], rows[OURS] = _counted(found, [of_tesseract(case) for case in found])
    edits = 2 if options.quick else EDITS
    speeds = {tool: speed_of_peer(python, tool, edits) for tool in TOOLS} | {OURS: speed_of_tesseract(edits)}
    document: Document = {
        "what": "reloaders",
        "machine": machine(),
        "peers": list(PEERS),
        "cases": len(found),
        "passed": {tool: {group: list(pair) for group, pair in each.items()} for tool, each in counts.items()},
        "failed": rows,
        "speed": speeds,
    }
    print(table(counts, speeds), file=sys.stderr)
    if not options.quick:
        keep("reloaders.json", document)
    tell(document)
    return 0 if all(passed == count for passed, count in counts[OURS].values()) else 1


def _counted(
    found: list[Case], results: list[dict[str, bool]]
) -> tuple[dict[str, tuple[int, int]], dict[str, list[str]]]:
    """(passed, asked) by group, and the names of the cases that failed."""
    counts: dict[str, tuple[int, int]] = {}
    failed: dict[str, list[str]] = {}
    for case, result in zip(found, results, strict=True):
        for key, is_passed in result.items():
            group = key.partition(" ")[0]
            passed, asked = counts.get(group, (0, 0))
            counts[group] = (passed + is_passed, asked + 1)
            if not is_passed:
                failed.setdefault(group, []).append(f"{case.name} {key[2:]}".strip())
    return counts, failed


if __name__ == "__main__":
    sys.exit(main())
