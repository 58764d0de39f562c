"""One run put together in this process: what it reports, draws and refuses."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from foresight.bot_folder import BotFolder, init_bot
from foresight.cli.reading import is_running
from foresight.config import load_config
from foresight.errors import BotBusy, BotFolderRefused, DesiredRefused
from foresight.markets import MINUTE_NS
from foresight.runtime import live_code
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.runtime.documents import presence_document
from foresight.sources.simulated import SimulatedMarket
from foresight.view.plain import status_line
from foresight.view.summary import summary_text
from foresight.view.tables import presence_table
from foresight.view.terminal import draw
from tesseract import ReleaseRefused


def a_bot(folder: Path, *, slots: tuple[tuple[str, str], ...] = (("BTC", "5m"), ("HYPE", "5m"), ("ZEC", "15m"))) -> Bot:
    market = SimulatedMarket(7, slots)
    return Bot(load_config(folder), market, LockstepClock(market.start_ns), speed=2.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    init_bot(tmp_path / "bot")
    return tmp_path / "bot"


@pytest.fixture
def bot(folder: Path) -> Iterator[Bot]:
    bot = a_bot(folder)
    try:
        bot.session.begin()
        bot.start_here()
        clock = bot.clock
        assert isinstance(clock, LockstepClock)
        bot.session.run_lockstep(clock, bot.engine.start_ns + 3 * MINUTE_NS)
        yield bot
    finally:
        bot.close()


def text_of(thing: object) -> str:
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(thing)
    return console.export_text()


def test_the_picture_says_what_it_shows_and_where_its_numbers_come_from(bot: Bot) -> None:
    picture = text_of(draw(bot))
    for word in ("SIMULATED", "paper", "release v1 r1", "×2", "btc-5m", "no market", "money", "presence", "log"):
        assert word in picture


class Failing:
    """A journal on a full disk."""

    def problem(self) -> str:
        return "database or disk is full"


def test_a_problem_of_the_journal_stands_in_the_picture_and_in_the_documents(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot.sink, "journal_writer", Failing())
    bot.check_journal()
    assert "the journal cannot be written: database or disk is full" in text_of(draw(bot))
    assert b"the journal cannot be written" in bot.documents(running=True)["status.json"]
    assert not bot.engine.desk.account.has_journal
    monkeypatch.undo()


def test_lines_and_summary_name_the_origin(bot: Bot) -> None:
    report = bot.report()
    assert "simulated" in status_line(bot)
    assert "Trades (simulated)" in summary_text(report, "run")


def test_a_state_file_that_cannot_be_written_is_a_warning_and_the_bot_goes_on(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("foresight.runtime.bot.write_atomic", refuse)
    bot.write(bot.documents(running=True))
    assert "state files cannot be written: no space left on device" in bot.sink.notices[-1].text


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Bot]:
    with contextlib.closing(a_bot(folder)) as bot:
        bot.start_here()
        yield bot


def test_a_refused_start_lets_the_next_one_in(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state/desired.json").write_text('{"params": ')
    with pytest.raises(DesiredRefused):
        a_bot(folder)
    (folder / "state/desired.json").write_text('{"params": {"price_max": "high"}}')
    with pytest.raises(ReleaseRefused, match="parameter price_max = 'high'"), started(folder):
        pass
    (folder / "state/desired.json").unlink()
    (folder / "strategy/fair.py").write_text("1 / 0\n")
    with pytest.raises(ReleaseRefused, match=r"strategy/fair\.py:1 ZeroDivisionError"), started(folder):
        pass
    (folder / "strategy/fair.py").write_text("def fair_up(*_):\n    return None\n")
    with started(folder) as bot:
        assert bot.engine.live.release != "v0"


def a_kept_release(folder: Path) -> None:
    """One run that ends with v1 kept."""
    with started(folder) as bot:
        assert isinstance(bot.clock, LockstepClock)
        bot.session.begin()
        bot.session.run_lockstep(bot.clock, bot.engine.start_ns + 2 * MINUTE_NS)
        assert bot.live.document().last == "v1 r1 is kept by probation"


def test_an_edit_that_is_refused_at_the_start_leaves_what_was_kept_running(folder: Path) -> None:
    a_kept_release(folder)
    (folder / "strategy/fair.py").write_text("def broken(:\n")
    with started(folder) as bot:
        assert bot.engine.live.release == "v1"
        told = [notice.text for notice in bot.sink.notices if notice.level == "error"]
    assert told[0].startswith("v2 refused at stage: strategy/fair.py:1 SyntaxError")
    assert told[0].endswith("v1 is still running")


def test_an_edit_is_taken_at_the_start_and_what_was_kept_stands_by(folder: Path) -> None:
    a_kept_release(folder)
    path = folder / "strategy/params.py"
    path.write_text(path.read_text().replace("0.90", "0.91"))
    with started(folder) as bot:
        assert (bot.live.document().live, bot.engine.live.release) == ("v2", "v2")
        bot.live.runtime.seam.route("btc-5m")
        assert bot.live.document().standby == "v1"


def test_a_parameter_that_the_release_does_not_have_is_dormant_and_told(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state/desired.json").write_text('{"params": {"nonsense": 1}}')
    with started(folder) as bot:
        assert "parameter nonsense is dormant" in " ".join(notice.text for notice in bot.sink.notices)


def test_two_bots_cannot_run_in_one_folder(folder: Path) -> None:
    first = a_bot(folder)
    with pytest.raises(BotBusy):
        a_bot(folder)
    first.close()


def test_a_bot_does_not_wait_for_a_writer_of_a_pipe_in_place_of_its_lock(folder: Path) -> None:
    lock = folder / "state/lock"
    a_bot(folder).close()
    assert not is_running(BotFolder(folder))
    lock.unlink()
    os.mkfifo(lock)

    told = re.escape(f"the lock {lock} cannot be opened: it is a named pipe and no plain file")
    with pytest.raises(BotFolderRefused, match=told):
        a_bot(folder)
    with pytest.raises(BotFolderRefused, match=told):
        is_running(BotFolder(folder))


def test_tables_show_every_slot(bot: Bot) -> None:
    report = bot.report()
    told = text_of(presence_table(presence_document(report)))
    assert all(slot in told for slot in ("btc-5m", "zec-15m", "all"))


@pytest.mark.parametrize(("said", "meant"), [("", "bot"), (".", "bot"), ("../code", "code")])
def test_the_repository_is_found_from_the_bots_folder_also_when_that_is_a_relative_path(
    said: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    init_bot(Path("bot"))
    Path("bot/bot.toml").write_text(f'[deploy]\nrepository = "{said}"\n' if said else "")

    place = live_code._workplace(load_config(Path("bot")), BotFolder(Path("bot")), in_process=False)

    assert Path(place.repository) == tmp_path / meant
