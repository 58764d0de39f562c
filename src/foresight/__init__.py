"""Foresight: a bot for short prediction markets that is never not watching."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foresight.notebook import BotData

__all__ = ["open"]


def open(bot: str | Path) -> "BotData":  # noqa: A001 - `foresight.open("bot")` is how a notebook says it
    """What a bot has written, running or stopped, as Polars frames. Read-only. Raises BotFolderRefused for a folder
    that is no bot's."""
    from foresight.notebook import BotData  # noqa: PLC0415 - a bot that runs never loads polars

    return BotData(bot)
