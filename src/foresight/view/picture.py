"""The picture of the live view, laid out for the width and height that there are.

Wide screens have the panels beside the slots. Narrow ones have a line each for money, presence and positions below
the slots. What is short of rows goes in this order: the log, slots without a position, everything below the slots. What
was refused stands in the header, at any size.
"""

from collections.abc import Iterator, Sequence

import msgspec
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from foresight.effects import Notify
from foresight.engine import EngineReport
from foresight.runtime.documents import SlotDocument, StatusDocument, iso
from foresight.view.deploys import deploy_pieces
from foresight.view.tables import slots_table
from foresight.view.writing import one_line, wrapped

NOTICES_MAX = 12
POSITIONS_MAX = 10
ROWS_UNLIMITED = 1000
SIDE_COLUMNS = 45
"""The side panels: the longest line is `hype-15m DOWN v12 0.523 settling +12.34` and its frame."""

WIDE_COLUMNS = 132
WIDE_ROWS = 22
"""From here on the panels have room beside the slots, which take 79 columns in full."""

PANEL_ROWS = 6
LOG_ROWS = 8
SLOTS_ROWS_MIN = 4
"""The table's head, one slot, and how many are not shown."""

NEWEST_LINES_MAX = 3
"""What the log's newest notice may take."""

TIME_COLUMNS = 9
HEADER_FRAME_ROWS = 30
FULL_TIME_COLUMNS = 100
SEPARATOR = " · "
LEVELS = {"info": "", "warning": "yellow", "error": "red"}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the picture shows: one instant of a bot."""

    status: StatusDocument
    report: EngineReport
    notices: tuple[Notify, ...]
    strategy: str


class Picture:
    """Rich asks it for its parts when the room is known."""

    def __init__(self, seen: Seen, *, width: int | None = None, height: int | None = None) -> None:
        self._seen = seen
        self._width = width
        self._rows = height or ROWS_UNLIMITED

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, self._width or options.max_width)
        is_wide = width >= WIDE_COLUMNS and self._rows >= WIDE_ROWS
        header = _header(self._seen, width, is_framed=is_wide or self._rows >= HEADER_FRAME_ROWS)
        rows = self._rows - len(console.render_lines(header, options.update(width=width), pad=False))
        body = _wide(self._seen, width, rows) if is_wide else _narrow(self._seen, width, rows)
        yield header
        yield body
        rows -= len(console.render_lines(body, options.update(width=width), pad=False))
        yield from _log(self._seen, width - 4, rows)


def _wide(seen: Seen, width: int, rows: int) -> RenderableType:
    """The slots with the panels beside them. Rows beyond those of the slots go to positions while the log has some."""
    table_rows = len(seen.status.slots) + 2
    body_rows = min(rows, max(table_rows, rows - LOG_ROWS))
    held_max = max(1, min(POSITIONS_MAX, body_rows - 2 * PANEL_ROWS - 3))
    side = Group(_money(seen.report), _presence(seen.report), _positions(seen.report, held_max))
    body = Table.grid(padding=(0, 2, 0, 0))
    body.add_column(width=width - SIDE_COLUMNS - 2)
    body.add_column(width=SIDE_COLUMNS)
    body.add_row(Group(*_slots(seen, width - SIDE_COLUMNS - 2, body_rows)), side)
    return body


def _narrow(seen: Seen, width: int, rows: int) -> RenderableType:
    lines = (_money_line(seen.report, width), _presence_line(seen.report, width), _positions_line(seen.report, width))
    kept = lines[: max(0, rows - SLOTS_ROWS_MIN)]
    return Group(*_slots(seen, width, rows - len(kept)), *kept)


def _header(seen: Seen, width: int, *, is_framed: bool) -> RenderableType:
    status = seen.status
    inner = width - 4 if is_framed else width
    speed = "" if status.speed in (None, 1.0) else f" ×{status.speed:g}"
    now = f"{status.now[:19]}Z" if width >= FULL_TIME_COLUMNS else f"{status.now[11:19]}Z"
    pieces = (
        Text.assemble(
            (" FORESIGHT ", "bold white on blue"), (f"  paper · {status.source.upper()}{speed}", "bold yellow")
        ),
        Text.assemble("release ", (f"{status.release} r{status.revision}", "bold")),
        Text(f"venue time {now}"),
        Text(one_line(status.source_name)),
        Text(f"code {status.release_digest[:8]}"),
    )
    halted = ["entries are halted"] if status.halted else []
    problems = [Text(one_line(problem), style="bold red") for problem in (*status.problems, *halted)]
    lines = Group(_fitting(pieces, inner), *_deploys(seen, inner), *_news(seen, inner, is_framed=is_framed), *problems)
    return Panel(lines, box=box.ROUNDED) if is_framed else lines


def _deploys(seen: Seen, width: int) -> list[Text]:
    """What runs and is on trial, in as many lines as it takes, and what the person may do where there is room."""
    needed = [Text(one_line(piece)) for piece in deploy_pieces(seen.status)]
    lines = []
    while needed:
        lines.append(_fitting(needed, width))
        needed = needed[lines[-1].plain.count(SEPARATOR) + 1 :]
    hints = (lines[-1], Text(f"edit {one_line(seen.strategy)}"), Text("Ctrl-C leaves in order"))
    return [*lines[:-1], _fitting(hints, width)]


def _news(seen: Seen, width: int, *, is_framed: bool) -> list[Text]:
    """What was refused or went back, until something goes live; where no log has room, also what went well just now."""
    deploy = seen.status.deploy
    told = deploy.setback or ("" if is_framed else deploy.recent)
    style = "red" if deploy.setback else ""
    return [_line(line, style) for line in wrapped(one_line(told), width, 2 if is_framed else 1)]


def _slots(seen: Seen, width: int, rows: int) -> Iterator[RenderableType]:
    """The table, and how many slots have no room in it; the slots with a position come first then."""
    slots: Sequence[SlotDocument] = seen.status.slots
    hidden = 0
    if len(slots) > rows - 2:
        slots = sorted(slots, key=lambda slot: slot.position is None)[: max(1, rows - 3)]
        hidden = len(seen.status.slots) - len(slots)
    yield slots_table(slots, width)
    if hidden:
        yield _line(f"{hidden} of {len(seen.status.slots)} slots are not shown: the window is too low", "dim")


def _money(report: EngineReport) -> Panel:
    money = report.money
    table = Table.grid(padding=(0, 1))
    table.add_row("P&L", Text(f"{money.pnl:+.2f} USD", style=f"bold {_colour(money.pnl)}"), f"({report.origin})")
    table.add_row("realised", f"{money.realised:+.2f}", f"fees {money.fees:.2f}")
    table.add_row("cash", f"{money.cash:,.2f}", f"at cost {money.open_cost:.2f}")
    table.add_row("trades", f"{money.trades}", f"won {money.wins}")
    return _panel(table, "money")


def _money_line(report: EngineReport, width: int) -> Text:
    money = report.money
    pieces = (
        Text.assemble("P&L ", (f"{money.pnl:+.2f} USD", f"bold {_colour(money.pnl)}"), f" ({report.origin})"),
        Text(f"{money.trades} trades, {money.wins} won"),
        Text(f"cash {money.cash:,.2f}"),
        Text(f"fees {money.fees:.2f}"),
        Text(f"realised {money.realised:+.2f}"),
        Text(f"at cost {money.open_cost:.2f}"),
    )
    return _fitting(pieces, width)


def _presence(report: EngineReport) -> Panel:
    counts, lateness = report.presence, report.presence.lateness_ms
    table = Table.grid(padding=(0, 1))
    table.add_row("due", f"{counts.due}", "done", f"{counts.done}")
    table.add_row("late", _alarm(counts.late, "yellow"), "missed", _alarm(counts.missed, "bold red"))
    table.add_row("blind", f"{counts.blind}", "on event", f"{counts.on_event}")
    table.add_row("p50", f"{lateness.p50:.1f} ms", "p99", f"{lateness.p99:.1f} ms")
    return _panel(table, "presence")


def _presence_line(report: EngineReport, width: int) -> Text:
    counts = report.presence
    pieces = (
        Text(f"presence {counts.due} due, {counts.done} done"),
        Text.assemble(_alarm(counts.late, "yellow"), " late"),
        Text.assemble(_alarm(counts.missed, "bold red"), " missed"),
        Text(f"{counts.blind} blind"),
        Text(f"p99 {counts.lateness_ms.p99:.1f} ms"),
        Text(f"{counts.on_event} on event"),
    )
    return _fitting(pieces, width)


def _positions(report: EngineReport, held_max: int) -> Panel:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=bool(report.positions))
    for name in ("position", "price", "now", "P&L"):
        table.add_column(name, justify="left" if name == "position" else "right", no_wrap=True)
    for held in report.positions[-held_max:]:
        now = "settling" if held.mark is None else f"{held.mark:.2f}"
        table.add_row(Text(f"{held.slot} {held.outcome} {held.release}"), f"{held.price:.3f}", now, _gain(held.pnl))
    if not report.positions:
        table.add_row("none yet", "", "", "")
    count = len(report.positions)
    return _panel(table, f"positions {count}" if count <= held_max else f"positions {count}, the newest {held_max}")


def _positions_line(report: EngineReport, width: int) -> Text:
    """The newest first; those that do not fit are in the number."""
    pieces = [Text(f"positions {len(report.positions)}")]
    for held in reversed(report.positions):
        now = "settling" if held.mark is None else f"{held.mark:.2f}"
        pieces.append(Text.assemble(f"{held.slot} {held.outcome} {held.price:.3f} now {now} ", _gain(held.pnl)))
    return _fitting(pieces, width)


def _log(seen: Seen, width: int, rows: int) -> Iterator[Panel]:
    """The newest notices in so many rows, the frame included; nothing where no notice has room. The newest one is told
    in full, the others have a line each."""
    count = min(NOTICES_MAX, rows - 2)
    if count < 1:
        return
    lines: list[Text] = []
    for notice in reversed(seen.notices):
        lines_max = 1 if lines else min(count, NEWEST_LINES_MAX)
        lines = [*_notice(notice, width, lines_max), *lines]
        if len(lines) >= count:
            break
    yield _panel(_line("\n").join(lines), "log")


def _notice(notice: Notify, width: int, lines_max: int) -> list[Text]:
    told = wrapped(one_line(notice.text), max(1, width - TIME_COLUMNS), lines_max)
    times = [f"{iso(notice.at_ns)[11:19]} ", *[" " * TIME_COLUMNS] * len(told)]
    return [Text.assemble((time, "dim"), (line, LEVELS[notice.level])) for time, line in zip(times, told, strict=False)]


def _panel(content: RenderableType, title: str) -> Panel:
    return Panel(content, title=title, box=box.ROUNDED, title_align="left")


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _fitting(pieces: Sequence[Text], width: int) -> Text:
    """As many of the first pieces as a line holds, and always the first."""
    line = _line("")
    for piece in pieces:
        separator = SEPARATOR if line else ""
        if line and line.cell_len + len(separator) + piece.cell_len > width:
            break
        line.append(separator).append_text(piece)
    return line


def _gain(pnl: float | None) -> Text:
    return Text("") if pnl is None else Text(f"{pnl:+.2f}", style=_colour(pnl))


def _colour(pnl: float) -> str:
    return "green" if pnl >= 0 else "red"


def _alarm(count: int, style: str) -> Text:
    return Text(f"{count}", style=style if count else "")
