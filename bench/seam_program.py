"""A small program on the seam for the benchmarks: sixteen keys, live code of any length, and process hosts.

The live code is written here: a package of modules with constants, tables, Structs, classes and functions, of which one
call uses a few. An edit changes one constant, so each is a release.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from measuring import BENCH
from seam_contract import Given, Told
from seam_saver import PLACE, save
from tesseract import Event, NotDone, Outcome, Rules, Runtime, Strategy, WentLive, Workplace

KEYS = tuple(f"key-{number:02}" for number in range(16))
SECOND_NS = 1_000_000_000
PERIOD_NS = 5 * SECOND_NS
TAPE_NS = 900 * SECOND_NS
PRICES = tuple(100.0 + number % 7 / 8 for number in range(60))
LIVE_S = 30.0
"""A deploy that takes longer has not come: the benchmark says so instead of waiting."""

HEAD = '''"""The live code of a benchmark."""

import msgspec

from .edit import EDIT
{imports}


class Params(msgspec.Struct, frozen=True):
    step: float = 0.5
    limit: int = 120


class State(msgspec.Struct, frozen=True):
    seen: int = 0
    window: tuple[float, ...] = ()
    scores: dict[str, float] = {{}}


class Result(msgspec.Struct, frozen=True):
    state: State
    edit: int
    score: float


def decide(given, state, params):
    window = (state.window + given.prices[-1:])[-params.limit :]
    scores = {{"first": {first}(given.prices), "last": {last}(window)}}
    score = params.step * sum(scores.values())
    return Result(State(state.seen + 1, window, scores), EDIT, score)
'''

BLOCK = '''
WEIGHTS_{n} = {{"fast": 0.{n:03}1, "slow": 0.{n:03}2, "names": ("a", "b", "c"), "limit": {n}}}


class Reading{n}(msgspec.Struct, frozen=True):
    """One reading of a window."""

    mean: float
    spread: float
    label: str = "reading {n}"

    @property
    def is_wide(self) -> bool:
        return self.spread > WEIGHTS_{n}["fast"] * abs(self.mean)


class Tracker{n}:
    """Follows a series with one weight."""

    def __init__(self, weight: float = WEIGHTS_{n}["slow"]) -> None:
        self.weight = weight
        self.level = 0.0

    def follow(self, series: tuple[float, ...]) -> float:
        for value in series:
            self.level += self.weight * (value - self.level)
        return self.level


def reading_{n}(series: tuple[float, ...]) -> Reading{n}:
    """The mean of a series and its spread."""
    if not series:
        return Reading{n}(0.0, 0.0)
    mean = sum(series) / len(series)
    spread = max(series) - min(series)
    return Reading{n}(mean, spread, label="many" if len(series) > {n} else "few")


def score_{n}(series: tuple[float, ...]) -> float:
    """A number for a series."""
    found = reading_{n}(series)
    tracked = Tracker{n}().follow(series[-8:])
    ranked = sorted(((value - found.mean) ** 2 for value in series), reverse=True)
    if found.is_wide and ranked:
        return tracked + ranked[0] * WEIGHTS_{n}["fast"]
    return tracked + sum(ranked[:3])

'''
BLOCKS_PER_MODULE = 4


def tree_of(lines: int) -> dict[str, str]:
    """The files of live code with about so many lines, never fewer than two modules."""
    blocks = max(2, round((lines - HEAD.count("\n")) / BLOCK.count("\n")))
    modules = [range(first, min(first + BLOCKS_PER_MODULE, blocks)) for first in range(0, blocks, BLOCKS_PER_MODULE)]
    files = {f"part_{at}.py": _module(numbers) for at, numbers in enumerate(modules)}
    imports = "\n".join(f"from .part_{at} import score_{numbers[-1]}" for at, numbers in enumerate(modules))
    first, last = (f"score_{modules[at][-1]}" for at in (0, -1))
    return {
        "__init__.py": HEAD.format(imports=imports, first=first, last=last),
        "edit.py": f'"""What an edit changes."""\n\n{PLACE}0\n',
        **files,
    }


def _module(numbers: range) -> str:
    return '"""Readings of a series."""\n\nimport msgspec\n' + "".join(BLOCK.format(n=number) for number in numbers)


class Program:
    """A running program; everything on its loop's thread."""

    runtime: Runtime[Told]

    def __init__(self, tree: Path) -> None:
        self.edit = tree / "edit.py"
        self.edits = 0
        self.live = 0
        self.at_ns = 0
        self._waits: asyncio.Future[WentLive] | None = None

    def happened(self, event: Event) -> None:
        waits = self._waits
        if isinstance(event, WentLive):
            self.live += 1
            if waits is not None and not waits.done():
                waits.set_result(event)
        elif isinstance(event, NotDone) and event.is_refused and waits is not None and not waits.done():
            waits.set_exception(RuntimeError(event.text))

    def save(self) -> int:
        """Saves the next edit, and returns the monotonic time of its close."""
        self.edits += 1
        self._waits = asyncio.get_running_loop().create_future()
        return save(self.edit, self.edits)

    async def went_live(self) -> WentLive:
        """Waits for what was saved. Raises RuntimeError when it is refused, TimeoutError when nothing comes."""
        assert self._waits is not None, "nothing has been saved"
        return await asyncio.wait_for(self._waits, LIVE_S)

    async def ask(self, key: str, number: int = 0) -> Outcome[Told]:
        return await self.runtime.ask(key, Given(number, PRICES), at_ns=self.at_ns)

    async def ask_all(self) -> list[Outcome[Told]]:
        """One round: every key at one instant of the program's time."""
        self.at_ns += PERIOD_NS
        return list(await asyncio.gather(*(self.ask(key) for key in KEYS)))

    def fill_tape(self) -> None:
        """Fifteen minutes of every key, every 5 s."""
        encoded = msgspec.msgpack.encode(Given(0, PRICES))
        for _ in range(TAPE_NS // PERIOD_NS):
            self.at_ns += PERIOD_NS
            for key in KEYS:
                self.runtime.seam.keep_on_tape(key, encoded, self.at_ns)


@asynccontextmanager
async def a_program(folder: Path, *, lines: int, rehearse_ns: int = 0, follow: str = "files") -> AsyncIterator[Program]:
    """Starts a program whose keys have states and whose tape holds fifteen minutes; it has ended when the block is
    left."""
    tree = folder / "strategy"
    tree.mkdir(parents=True)
    for name, text in tree_of(lines).items():
        (tree / name).write_text(text)
    place = Workplace(
        tree=str(tree),
        store=str(folder / "data" / "releases"),
        contract="seam_contract:CONTRACT",
        strategies=(Strategy("", "strategy"),),
        follow=follow,
        rules=Rules(rehearse_ns=rehearse_ns),
    )
    program = Program(tree)
    runtime: Runtime[Told] = Runtime(place, on_event=program.happened, path=[str(BENCH)])
    program.runtime = runtime
    await runtime.start()
    try:
        program.fill_tape()
        for _ in range(3):
            await program.ask_all()
        gc.collect()  # what the start has left would else be looked through once, for 8 ms, in the midst of a deploy
        yield program
    finally:
        runtime.close()
