"""`init` and `doctor`: making a bot folder, and checking that it can run here."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from foresight.bot_folder import init_bot
from foresight.cli.common import BotOption, JsonOption, bot_folder, out, print_json
from foresight.doctor import checks
from foresight.view.writing import one_line

STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: foresight init mybot")(init)
    app.command(epilog="Example: foresight doctor --bot mybot")(doctor)


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make the bot in.")],
    json: JsonOption = False,
) -> None:
    """Make a bot folder: bot.toml and the strategy that ships. Never overwrites."""
    made = init_bot(directory)
    if json:
        print_json({"bot": str(directory), "made": [str(path) for path in made]})
        return
    out.print(Text(f"Made {len(made)} files in {directory}."))
    strategy = (f"{directory / 'strategy'}", "bold")
    out.print(Text.assemble("Edit ", strategy, f", then: foresight run --bot {directory}"))


def doctor(bot: BotOption = None, json: JsonOption = False) -> None:
    """Check configuration, clock, disk, ports and reachability, and say what to do about each."""
    found = checks(bot_folder(bot).root)
    if json:
        print_json({"checks": found})
    else:
        table = Table("check", "", "found", "what to do", box=None)
        for check in found:
            status = Text(check.status, style=STYLES[check.status])
            table.add_row(check.name, status, Text(one_line(check.found)), Text(one_line(check.advice)))
        out.print(table)
    if any(check.status == "fail" for check in found):
        raise typer.Exit(1)
