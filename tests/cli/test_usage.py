"""What the operator's commands say of themselves, and of wrong usage."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from foresight.bot_folder import init_bot
from foresight.cli.app import app_for


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    init_bot(tmp_path / "bot")
    return tmp_path / "bot"


def invoked(*words: str) -> Result:
    return CliRunner().invoke(app_for(), words, env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    "words",
    [
        ("deploy", "--shadow", "soon"),
        ("deploy", "--wait", "0s"),
        ("deploy", "--canary", ","),
        ("deploy", "bot.toml"),
        ("deploy", ""),
        ("rollback", "yesterday"),
        ("diff", "v1"),
        ("diff", "v1", "two"),
        ("releases", "--limit", "0"),
        ("params", "set"),
        ("params", "set", "aggression"),
        ("params", "set", "aggression=1", "aggression=2"),
        ("params", "nonsense"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_two_and_asks_nothing(
    words: tuple[str, ...], bot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bot)
    assert invoked(*words).exit_code == 2
    assert not (bot / "state").exists()


def test_the_options_before_a_subcommand_of_params_hold_for_it(bot: Path) -> None:
    printed = invoked("params", "--bot", str(bot), "--json", "get", "momentum").output
    assert [each["name"] for each in json.loads(printed)["params"]] == [
        "momentum.s30", "momentum.s60", "momentum.s120", "momentum.s300"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "command",
    ["deploy", "rollback", "keep", "releases", "diff", "params", "params get", "params set", "params history",
     "params undo"],
)  # fmt: skip
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    assert re.search(f"Examples?: foresight {command}", invoked(*command.split(), "--help").output)


def test_text_of_files_is_never_markup(bot: Path) -> None:
    (bot / "strategy/params.py").write_text(
        (bot / "strategy/params.py").read_text().replace('sizing: Literal["fixed"', 'sizing: Literal["[/red] :smile:"')
        .replace('= "fixed"', '= "[/red] :smile:"')
    )  # fmt: skip
    assert '"[/red] :smile:" or "kelly"' in invoked("params", "--bot", str(bot)).output
