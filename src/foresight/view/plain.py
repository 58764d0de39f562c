"""What a run says when nobody looks at a terminal: notices as they come, and a line of status each minute."""

import asyncio

from foresight.effects import Notify
from foresight.runtime.bot import Bot
from foresight.runtime.documents import iso
from foresight.view.writing import one_line, pause, stdout_writer

LOOK_S = 0.5
STATUS_EVERY_NS = 60 * 10**9
LINES_WAITING_MAX = 1000
"""Lines that are kept for a reader who does not read, about 100 KB; the log has the notices that come after them."""


class WaitingLines:
    """Lines for the reader. A full one takes no more, counts them, and says so where they are missing."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left_out = 0

    def add(self, line: str) -> None:
        if len(self._lines) < LINES_WAITING_MAX:
            self._lines.append(line)
        else:
            self._left_out += 1

    def leave_out(self, count: int) -> None:
        self._left_out += count

    def take(self) -> str:
        """All lines as one text; none are left."""
        lines = self._lines
        if self._left_out:
            lines.append(f"{self._left_out} lines are left out here: they were not read in time; see data/log.jsonl")
        self._lines, self._left_out = [], 0
        return "".join(f"{line}\n" for line in lines)


async def plain_lines(bot: Bot, stop: asyncio.Event) -> None:
    """Prints until asked to stop, and then what is left. Raises OSError when the reader has left."""
    writer = stdout_writer()
    waiting = WaitingLines()
    noticed = 0
    status_ns = 0
    try:
        while not stop.is_set():
            noticed = add_new(bot, noticed, waiting)
            now_ns = bot.clock.now_ns()
            if now_ns - status_ns >= STATUS_EVERY_NS:
                status_ns = now_ns
                waiting.add(status_line(bot))
            if writer.is_free():
                writer.post_nowait(waiting.take())
            await pause(stop, LOOK_S)
        add_new(bot, noticed, waiting)
        await writer.finish(waiting.take())
    finally:
        writer.close()


def status_line(bot: Bot) -> str:
    report = bot.report()
    counts, money = report.presence, report.money
    return (
        f"{iso(report.now_ns)} {report.origin} {report.release}: {counts.due} due, {counts.done} done,"
        f" {counts.late} late, {counts.missed} missed, {counts.blind} blind; {len(report.positions)} positions,"
        f" {money.trades} trades, P&L {money.pnl:+.2f} USD"
    )


def add_new(bot: Bot, noticed: int, waiting: WaitingLines) -> int:
    """Adds the notices since `noticed` of them had come; those that the memory has dropped by then are counted."""
    new = min(bot.sink.noticed - noticed, len(bot.sink.notices))
    waiting.leave_out(bot.sink.noticed - noticed - new)
    for notice in list(bot.sink.notices)[len(bot.sink.notices) - new :]:
        waiting.add(f"{iso(notice.at_ns)} {_label(notice)}{one_line(notice.text)}")
    return bot.sink.noticed


def _label(notice: Notify) -> str:
    return "" if notice.level == "info" else f"{notice.level}: "
