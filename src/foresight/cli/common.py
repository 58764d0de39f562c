"""What the commands share: options, finding the bot folder, and printing."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from foresight.bot_folder import BotFolder
from foresight.errors import BotFolderRefused

BotOption = Annotated[
    Path | None,
    typer.Option("--bot", metavar="DIR", help="The bot's folder; by default this folder, or ./bot when it is one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
PIPED_WIDTH = 200
"""Columns of tables that go to a file or a pipe, where nobody's window cuts them."""


class _Out(Console):
    """Standard output. A reader that has left (`| head -1`) ends no command: what follows leads nowhere."""

    def on_broken_pipe(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


out = _Out(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False)


def bot_folder(given: Path | None) -> BotFolder:
    """The bot folder that is meant. Raises BotFolderRefused when there is none."""
    if given is not None:
        return BotFolder(given)
    for candidate in (Path(), Path("bot")):
        if (candidate / "bot.toml").exists():
            return BotFolder(candidate)
    raise BotFolderRefused("no bot.toml here or in ./bot; make one with `foresight init DIR`, or name --bot DIR")


def print_json(document: object) -> None:
    """One document, indented, to standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def seconds_of(text: str) -> float:
    """`90s`, `10m`, `12h`, `2d` as seconds. Raises a usage error for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None or float(found[1]) <= 0:
        raise typer.BadParameter(f"{text!r} is not a time; write 90s, 10m, 12h or 2d", param_hint="--for")
    return float(found[1]) * UNITS[found[2]]
