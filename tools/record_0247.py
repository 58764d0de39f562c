"""Draws the 02:47 scenario as docs/0247.svg: a real run whose strategy is edited while it runs, in six pictures.

python tools/record_0247.py

The bot runs at ten times the speed of the market, with live code in processes of its own. The pictures are those of
its terminal view, shown one after the other by the SVG itself.
"""

import asyncio
import contextlib
import io
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from foresight.bot_folder import init_bot
from foresight.config import load_config
from foresight.markets import MINUTE_NS, SECOND_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock, PacedClock
from foresight.runtime.documents import iso
from foresight.runtime.runner import run_paced
from foresight.sources.simulated import SimulatedMarket
from foresight.view.terminal import draw

OUT = Path(__file__).parent.parent / "docs" / "0247.svg"
SEED = 4129
SPEED = 10.0
WIDTH, HEIGHT = 132, 34
FRAME_S = 4
EDIT = ("signals/overreaction.py", "BASIS_NOISE = 2e-4", "BASIS_NOISE = 3e-4")
TYPO = ("fair.py", "def fair_up(view", "def fair_up(view,,")


async def scenario(bot: Bot, clock: PacedClock, frames: list[str], home: str) -> None:
    """What the person at the keyboard does, and a picture of each step."""
    strategy = bot.folder.strategy
    started = bot.engine.start_ns - bot.engine.start_ns % (15 * MINUTE_NS) + 14 * MINUTE_NS

    async def at(minute: int, second: int) -> None:
        await asyncio.sleep(max(0.0, clock.seconds_until(started + (minute - 44) * MINUTE_NS + second * SECOND_NS)))

    def shoot(caption: str) -> None:
        frames.append(_svg(bot, f"{iso(clock.now_ns())[11:19]}  {caption}", home))

    await at(47, 0)
    await _until(lambda: len(bot.engine.desk.books.positions) >= 2)
    held = len(bot.engine.desk.books.positions)
    shoot(f"{held} positions are open, entered by v1; the windows close at 02:50")
    _edit(strategy, EDIT)
    await _until(lambda: bot.engine.live.release == "v2")
    shoot("signals/overreaction.py was saved: v2 is live, v1 stands by, the positions are held")
    await at(48, 15)
    _edit(strategy, TYPO)
    await _until(lambda: bool(bot.live.document().last_refusal))
    shoot("a typo is saved: it is refused with file and line, and v2 goes on")
    _edit(strategy, (TYPO[0], TYPO[2], TYPO[1]))
    await at(49, 20)
    shoot("v2 has been answering every slot every five seconds")
    await at(51, 15)
    shoot("the windows have closed: each position is settled to the credit of the release that entered it")


async def _until(is_there: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_there():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("it did not happen within half a minute")


def _edit(strategy: Path, edit: tuple[str, str, str]) -> None:
    name, old, new = edit
    path = strategy / name
    source = path.read_text()
    assert source.count(old) == 1, f"{name} holds {old!r} {source.count(old)} times"
    path.write_text(source.replace(old, new))


def _svg(bot: Bot, caption: str, home: str) -> str:
    console = Console(record=True, width=WIDTH, force_terminal=True, file=io.StringIO())
    console.print(draw(bot, width=WIDTH, height=HEIGHT))
    console.print(Text(caption, style="bold black on yellow"))
    return console.export_svg(title="foresight run").replace(home, ".")


def animated(frames: list[str]) -> str:
    """One SVG in which each picture shows for a few seconds, again and again. Names of styles are made distinct."""
    total = FRAME_S * len(frames)
    share = 100 / len(frames)
    inner = []
    for number, frame in enumerate(frames):
        body = re.sub(r"terminal-\d+-", f"frame-{number}-", frame)
        inner.append(f'<g class="picture" style="animation-delay:{number * FRAME_S}s">{body}</g>')
    box = re.search(r'viewBox="([^"]+)"', frames[0])
    assert box is not None
    style = (
        f".picture{{opacity:0;animation:show {total}s step-end infinite}}.picture:first-of-type{{opacity:1}}"
        f"@keyframes show{{0%{{opacity:1}}{share:.4f}%{{opacity:0}}100%{{opacity:0}}}}"
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box[1]}"><style>{style}</style>{"".join(inner)}</svg>\n'


async def record(home: str) -> list[str]:
    folder = Path(home) / "bot"
    init_bot(folder)
    market = SimulatedMarket(SEED)
    bot = Bot(load_config(folder), market, LockstepClock(market.start_ns), speed=SPEED, in_process=False)
    frames: list[str] = []
    with contextlib.closing(bot):
        bot.session.begin()
        await bot.start()
        clock = PacedClock(market.start_ns, SPEED)
        bot.use_clock(clock)
        until_ns = market.start_ns + 450 * SECOND_NS
        async with asyncio.TaskGroup() as group:
            group.create_task(run_paced(bot, clock, until_ns=until_ns, screen=None), name="bot")
            group.create_task(scenario(bot, clock, frames, home), name="keyboard")
    return frames


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        OUT.write_text(animated(asyncio.run(record(home))))


if __name__ == "__main__":
    main()
