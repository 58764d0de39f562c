"""Making a bot folder: everything or nothing, and never over something that is there."""

from pathlib import Path

import pytest

from foresight.bot_folder import BotFolder, init_bot, write_new
from foresight.config import load_config
from foresight.errors import BotFolderRefused

TEMPLATE = Path(__file__).parents[2] / "src/foresight/template"


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_new_folder_is_a_copy_of_the_template_and_its_configuration_is_valid(tmp_path: Path) -> None:
    made = init_bot(tmp_path / "deep" / "bot")
    ours = {path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file() and "cache" not in str(path)}
    assert {path.relative_to(tmp_path / "deep" / "bot") for path in made} == ours
    assert all(
        path.read_bytes() == (TEMPLATE / path.relative_to(tmp_path / "deep" / "bot")).read_bytes() for path in made
    )
    assert load_config(tmp_path / "deep" / "bot").folder == tmp_path / "deep" / "bot"


def test_a_folder_with_other_files_is_kept_and_completed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    init_bot(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "bot.toml").is_file()


@pytest.mark.parametrize("name", ["bot.toml", "strategy"])
def test_what_exists_is_named_and_nothing_is_changed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(BotFolderRefused, match=f"{name} already there; nothing was changed"):
        init_bot(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_second_init_changes_nothing(tmp_path: Path) -> None:
    init_bot(tmp_path)
    (tmp_path / "bot.toml").write_text("[bot]\n")
    before = contents(tmp_path)
    with pytest.raises(BotFolderRefused):
        init_bot(tmp_path)
    assert contents(tmp_path) == before


def test_a_failure_at_any_write_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    writes = len(init_bot(tmp_path / "whole"))
    for failing in range(writes):
        left = [failing]

        def write(path: Path, content: bytes, left: list[int] = left) -> None:
            if left[0] == 0:
                raise OSError(28, "No space left on device", str(path))
            left[0] -= 1
            write_new(path, content)

        (tmp_path / "bot").mkdir(exist_ok=True)
        (tmp_path / "bot" / "notes.txt").write_text("mine")
        with pytest.raises(BotFolderRefused, match="No space left on device; nothing was changed"):
            init_bot(tmp_path / "bot", write=write)
        assert contents(tmp_path / "bot") == {"notes.txt": b"mine"}


def test_a_file_in_place_of_a_folder_around_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BotFolderRefused, match="nothing was changed"):
        init_bot(tmp_path / "file" / "bot")
    assert contents(tmp_path) == {"file": b"mine"}


def test_the_layout_is_below_the_root() -> None:
    bot = BotFolder(Path("/b"))
    found = [bot.config, bot.strategy, bot.state, bot.data, bot.observed, bot.requests, bot.releases]
    named = ["bot.toml", "strategy", "state", "data", "state/observed", "state/requests", "data/releases"]
    assert found == [Path("/b") / name for name in named]
