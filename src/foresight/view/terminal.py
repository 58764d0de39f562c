"""The live terminal view: draws the picture of the instant twice a second."""

import asyncio
import io
import sys

from rich.console import Console
from rich.control import Control
from rich.live import Live

from foresight.engine import report_of
from foresight.runtime.bot import Bot
from foresight.runtime.documents import Context, status_document
from foresight.view.picture import Picture, Seen
from foresight.view.writing import pause, stdout_writer

REFRESH_S = 0.5
STRAY_CHARACTERS_MAX = 100_000
"""What live code prints meanwhile stands above the picture; beyond this, while nobody reads, it is dropped."""

FRAME_BEGINS, FRAME_ENDS = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized update: what stands between them is shown at once. A terminal that does not know it passes it over.
https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036"""


class Paper(io.StringIO):
    """What a console writes, kept until it is taken as one frame, in the encoding of the terminal that it is meant
    for."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute; C gives a read-only one
        return self._encoding

    def write(self, text: str, /) -> int:
        return super().write(text) if self.tell() < STRAY_CHARACTERS_MAX else len(text)

    def take(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return f"{FRAME_BEGINS}{text}{FRAME_ENDS}" if text else text


async def terminal_screen(bot: Bot, stop: asyncio.Event) -> None:
    """Draws until asked to stop; the last picture stays on the screen. While a picture waits for its reader none is
    drawn, and the next one is the newest. Raises OSError when the terminal has gone."""
    writer = stdout_writer()
    paper = Paper(sys.stdout.encoding)
    console = Console(file=paper, force_terminal=True)
    try:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            size = console.size
            while not stop.is_set():
                if writer.is_free():
                    if size != (size := console.size):
                        console.control(Control.clear(), Control.home())
                    _refresh(live, bot)
                    writer.post_nowait(paper.take())
                await pause(stop, REFRESH_S)
            _refresh(live, bot)
        await writer.finish(paper.take())
    finally:
        writer.close()


def draw(bot: Bot, *, width: int | None = None, height: int | None = None) -> Picture:
    """The picture of this instant, as wide as the console and as high as it likes, or within the given limits."""
    report = report_of(bot.engine, bot.clock.now_ns())
    context = Context(
        source_name=bot.source.name,
        speed=bot.speed,
        pid=0,
        running=True,
        run=bot.run.name,
        written_at_ns=0,
        problems=bot.problems(),
        deploy=bot.live.document(),
    )
    status = status_document(report, context)
    seen = Seen(status=status, report=report, notices=tuple(bot.sink.notices), strategy=str(bot.folder.strategy))
    return Picture(seen, width=width, height=height)


def _refresh(live: Live, bot: Bot) -> None:
    width, height = live.console.size
    live.update(draw(bot, width=width, height=height), refresh=True)
