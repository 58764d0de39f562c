"""Whole bots for tests that change their code: on a simulated market or a recording, in lock-step or in its pace."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from foresight.bot_folder import init_bot
from foresight.config import load_config
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.runtime.journal import Record, read_journal
from foresight.sources import Source
from foresight.sources.simulated import SimulatedMarket
from tesseract import Request

SLOTS = (("BTC", "5m"), ("ETH", "5m"))
SEED = 7


def slots_table(slots: Sequence[tuple[str, str]]) -> dict[str, object]:
    """`[slots]` of `bot.toml`; every asset has every timeframe."""
    assets, timeframes = (list(dict.fromkeys(names)) for names in zip(*slots, strict=True))
    return {"assets": assets, "timeframes": timeframes}


SETTINGS: dict[str, dict[str, object]] = {
    "slots": slots_table(SLOTS),
    "deploy": {"follow": "none", "rehearse_min": 0},
}


def a_bot_folder(home: Path, **changes: dict[str, object]) -> Path:
    """A new bot, by default of two slots. `changes` are tables of `bot.toml`, over `SETTINGS`."""
    folder = home / "bot"
    init_bot(folder)
    tables = {name: {**SETTINGS.get(name, {}), **changes.get(name, {})} for name in {**SETTINGS, **changes}}
    (folder / "bot.toml").write_text("".join(_table(name, keys) for name, keys in tables.items()))
    return folder


def _table(name: str, keys: dict[str, object]) -> str:
    lines = (f"{key} = {_toml(value)}\n" for key, value in keys.items())
    return f"[{name}]\n{''.join(lines)}"


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


@contextlib.contextmanager
def a_lockstep_bot(folder: Path, source: Source | None = None) -> Iterator[Bot]:
    """A bot inside this process, at its first instant; by default on the simulated market."""
    market = SimulatedMarket(SEED, SLOTS) if source is None else source
    bot = Bot(load_config(folder), market, LockstepClock(market.start_ns), speed=None)
    with contextlib.closing(bot):
        bot.session.begin()
        bot.start_here()
        yield bot


def step(bot: Bot) -> int | None:
    """Takes one step of the session at its own time, and returns that time; None when nothing comes any more."""
    at_ns = bot.session.next_ns()
    if at_ns is not None:
        assert isinstance(bot.clock, LockstepClock)
        bot.clock.move_to(at_ns)
        bot.session.step()
    return at_ns


def deploy_copy(bot: Bot, mark: str) -> None:
    """Deploys the same code with another comment, which gives it a number of its own."""
    (bot.folder.strategy / "mark.txt").write_text(mark)
    bot.live.runtime.request(Request(id=f"mark-{mark}", action="deploy", author="a test"))


def journal_of(bot: Bot) -> list[Record]:
    """Every entry of the bot's run, which must have ended."""
    return list(read_journal(bot.run / "journal.sqlite"))
