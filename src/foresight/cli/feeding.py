"""`feeds`: how the bot's connections and reads are."""

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.cli.reading import observed
from foresight.feeds.health import FeedsHealth, LineHealth
from foresight.runtime.documents import FeedsDocument
from foresight.view.writing import one_line


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: foresight feeds --json")(feeds)


def feeds(bot: BotOption = None, json: JsonOption = False) -> None:
    """Connections and reads: what is open, how late data comes, what did not parse."""
    document = observed(bot_folder(bot), "feeds.json", FeedsDocument)
    if json:
        print_json(document)
        return
    health = document.feeds
    out.print(_lines(health, document.source))
    out.print(_reads(health))
    joined = f", {health.conflated} joined with newer ones" if health.conflated else ""
    out.print(
        Text(f"{health.waiting} events wait for the engine{joined}; {health.winners_awaited} winners are awaited")
    )
    for kind, count in sorted(health.rejects.items()):
        out.print(Text(f"{count} frames did not parse: {one_line(kind)}; the first is in data/rejects", style="red"))
    for slug, why in sorted(health.problems.items()):
        out.print(Text(f"{one_line(slug)}: {one_line(why)}", style="red"))


def _lines(health: FeedsHealth, source: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(f"connections ({source})"), title_justify="left")
    for name in (
        "feed",
        "state",
        "open",
        "frames",
        "silent s",
        "lag p50 ms",
        "p99 ms",
        "lost",
        "renewed",
        "twice",
        "last",
    ):
        table.add_column(name, justify="left" if name in ("feed", "state", "last") else "right")
    for each in health.lines:
        line = each.line
        cells = (
            line.name, line.state, str(line.connections), str(line.frames), _number(line.silent_s),
            _number(each.lag_p50_ms), _number(each.lag_p99_ms), str(line.reconnects), str(line.renewals),
            str(each.duplicates), one_line(line.last_end),
        )  # fmt: skip
        table.add_row(*(Text(cell, style=_style(line)) for cell in cells))
    return table


def _reads(health: FeedsHealth) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text("reads"), title_justify="left")
    for name in ("host", "asked", "failed", "last failure"):
        table.add_column(name, justify="left" if name in ("host", "last failure") else "right")
    for each in health.reads:
        cells = (each.name, str(each.asked), str(each.failed), one_line(each.last_failure))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _style(line: LineHealth) -> str:
    return "" if line.state == "open" else "red"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
