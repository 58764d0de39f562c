"""Words of others on the screen are shown as they are: none is read as markup or moves the cursor."""

from pathlib import Path

import pytest
from running_bots import lines_of
from typer.testing import CliRunner

from foresight.cli.app import app_for
from foresight.runtime.documents import SlotDocument
from foresight.view.tables import slots_table
from foresight.view.writing import one_line


@pytest.mark.parametrize(("toml", "word"), [('[bot]\n"[/z]" = 1\n', "[/z]"), ('["[bold]"]\nx = 1\n', "[bold]")])
def test_the_doctor_shows_keys_and_sections_with_brackets(tmp_path: Path, toml: str, word: str) -> None:
    (tmp_path / "bot.toml").write_text(toml)
    answer = CliRunner().invoke(app_for(), ["doctor", "--bot", str(tmp_path)])
    assert answer.exit_code == 1
    assert isinstance(answer.exception, SystemExit)
    assert word in answer.output


def test_a_bot_can_be_made_in_a_folder_with_brackets(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app_for(), ["init", str(tmp_path / "[/z]")])
    assert answer.exit_code == 0, answer.output
    assert "[/z]" in answer.output


def a_slot(name: str, state: str) -> SlotDocument:
    return SlotDocument(
        slot=name, asset="X", timeframe="5m", market=None, window_start=None, window_end=None, seconds_left=None,
        reference=None, reference_source=None, underlying=None, move=None, fair=None, up_bid=None, up_ask=None,
        position=None, state=state, signals={}, release="v1", revision=1,
    )  # fmt: skip


def test_a_slot_and_its_state_are_shown_with_their_brackets() -> None:
    text = "\n".join(lines_of(slots_table([a_slot("[/x]-5m", "live code [red]failed[/z]")]), width=100))
    assert "[/x]-5m" in text
    assert "live code [red]failed[/z]" in text


def test_one_line_keeps_letters_and_takes_what_moves_the_cursor() -> None:
    assert one_line("é · 東 [/x]") == "é · 東 [/x]"
    assert one_line("a\r\n\x1b[2Jb\tc") == "a   [2Jb c"
