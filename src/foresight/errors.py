"""What can go wrong in the bot around its engine.

ForesightError
├── ConfigRefused       `bot.toml` is missing or wrong; carries every problem found
├── BotFolderRefused    a bot folder cannot be made or used; nothing in it was changed
├── SecretRefused       a secret cannot be taken from where it is kept; the message never holds its value
├── SourceRefused       a recording cannot be read
├── JournalRefused      the journal cannot be written or read; says what is whole
├── RecordRefused       a run's record cannot be read; says which part
├── LedgerRefused       a ledger file cannot be read; it can be made anew from the journal
├── DesiredRefused      `state/desired.json` is wrong; says which value and why
├── FeedFailed          a venue cannot be reached or does not answer as it should; what was known stays known
├── VenueRefused        a venue cannot be traded at, or a local one not be started; nothing was started
├── BotBusy             another process runs this bot
└── TradeUnknown        no trade has that id
"""

from collections.abc import Sequence

import msgspec


class ForesightError(Exception):
    """The base of every error that the bot raises on purpose."""


class Problem(msgspec.Struct, frozen=True):
    """One wrong thing in a configuration: where it stands, what is there, and what would be right."""

    place: str
    found: str
    right: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found}; {self.right}"


class ConfigRefused(ForesightError):
    """The configuration cannot be used. All problems stand in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        listed = "\n  - ".join(str(problem) for problem in self.problems)
        return f"the configuration is refused; nothing was started or changed:\n  - {listed}"


class BotFolderRefused(ForesightError):
    """A bot folder cannot be made or used."""


class SecretRefused(ForesightError):
    """A secret cannot be taken from where it is kept."""


class SourceRefused(ForesightError):
    """A recording cannot be read."""


class JournalRefused(ForesightError):
    """The journal cannot be written or read."""


class RecordRefused(ForesightError):
    """A run's record, or a part of it, cannot be read."""


class LedgerRefused(ForesightError):
    """A ledger file cannot be read."""


class DesiredRefused(ForesightError):
    """What the operator asks for cannot be done."""


class FeedFailed(ForesightError):
    """A venue cannot be reached, or does not answer as it should."""


class VenueRefused(ForesightError):
    """A venue cannot be traded at, or a local one cannot be started."""


class BotBusy(ForesightError):
    """Another process runs this bot."""


class TradeUnknown(ForesightError):
    """No trade has that id."""
