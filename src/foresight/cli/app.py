"""The commands in one place, and how an error becomes a sentence and an exit code."""

import sys
from importlib import metadata
from typing import Annotated

import typer

from foresight.cli import (
    deploying,
    explaining,
    feeding,
    pinning,
    reading,
    releasing,
    replaying,
    running,
    serving,
    setting_up,
    tuning,
)
from foresight.errors import ForesightError
from tesseract import TesseractError

app = typer.Typer(
    name="foresight",
    help="A bot for short crypto prediction markets that is never not watching.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def foresight(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """A bot for short crypto prediction markets that is never not watching."""
    if version:
        print(f"foresight {metadata.version('foresight')}")  # noqa: T201 - a command prints
        raise typer.Exit


GROUPS = (
    setting_up, running, serving, deploying, pinning, releasing, tuning, reading, feeding, explaining, replaying,
)  # fmt: skip
for group in GROUPS:
    group.register(app)


def main() -> None:
    """Entry point of the console command."""
    try:
        app()
    except (ForesightError, TesseractError, OSError) as error:
        print(f"foresight: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        sys.exit(1)
