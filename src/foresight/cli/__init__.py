"""The command `foresight`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."""

from foresight.cli.app import main

__all__ = ["main"]
