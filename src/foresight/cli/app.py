"""The commands in one place, and how an error becomes a sentence and an exit code."""

import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Annotated

import typer

from foresight.errors import ForesightError
from tesseract import TesseractError

MODULES = {
    "setting_up": ("init", "doctor"),
    "running": ("run",),
    "serving": ("venue",),
    "deploying": ("deploy", "rollback", "keep"),
    "pinning": ("pin",),
    "releasing": ("releases", "diff"),
    "tuning": ("params",),
    "reading": ("status", "positions", "trades", "presence"),
    "feeding": ("feeds",),
    "explaining": ("explain",),
    "replaying": ("replay",),
}
"""Which commands each module of this package registers, in the order in which the help names them."""


def app_for(words: Sequence[str] = ()) -> typer.Typer:
    """The command that `words` begin with, alone: to import what the others need takes twice as long as most commands
    do. All of them where the words name none."""
    app = typer.Typer(
        name="foresight",
        help="A bot for short crypto prediction markets that is never not watching.",
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    app.callback()(foresight)
    named = [module for module, commands in MODULES.items() if words and words[0] in commands]
    for module in named or MODULES:
        import_module(f"foresight.cli.{module}").register(app)
    return app


def foresight(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """A bot for short crypto prediction markets that is never not watching."""
    if version:
        print(f"foresight {metadata.version('foresight')}")  # noqa: T201 - a command prints
        raise typer.Exit


def main() -> None:
    """Entry point of the console command."""
    try:
        app_for(sys.argv[1:])()
    except (ForesightError, TesseractError, OSError) as error:
        print(f"foresight: {error}", file=sys.stderr)  # noqa: T201 - a command prints
        sys.exit(1)
