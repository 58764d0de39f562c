"""A pinned release runs, whatever is saved."""

import json
from pathlib import Path

import pytest

from end_to_end.program import a_bot, answer, eventually
from end_to_end.test_deploy_commands import edited, refused, roles, started, told

pytestmark = pytest.mark.process

BOT = '[slots]\nassets = ["BTC"]\n'


def keep_and_edit(bot: Path) -> None:
    """v1 is kept, and what becomes v2 is saved."""
    told(bot, "keep")
    edited(bot, "= 0.97", "= 0.96")


def last_refusal(bot: Path) -> str:
    text: str = json.loads((bot / "state/observed/deploy.json").read_text())["last_refusal"]
    return text


def test_a_pinned_release_runs_whatever_is_saved_until_the_pin_is_off(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", BOT)
    with started(bot):
        keep_and_edit(bot)
        eventually(lambda: roles(bot).get("v2", ("", ""))[1] == "live", "the edit is live")

        assert told(bot, "pin", "v1") == "v1 is pinned and live\n"
        assert answer("pin", "--bot", str(bot)) == {"pin": "v1", "live": None}
        edited(bot, "= 0.96", "= 0.95")
        eventually(lambda: "v3 refused at pin" in last_refusal(bot), "the refusal")
        assert last_refusal(bot) == (
            "v3 refused at pin: the release v1 is pinned; take the pin away first; v1 is still running"
        )
        assert "v1 is pinned" in refused(bot, "deploy")
        assert "there is no release v99" in refused(bot, "pin", "v99")
        assert roles(bot)["v1"][1] == "live"

        assert told(bot, "pin", "off") == "nothing is pinned; v1 is live\n"
        told(bot, "deploy")
        assert roles(bot)["v3"][1] == "live"


def test_a_pin_waits_for_the_next_start(tmp_path: Path) -> None:
    bot = a_bot(tmp_path / "bot", BOT + '[deploy]\nfollow = "none"\n')
    with started(bot):
        keep_and_edit(bot)
        told(bot, "deploy")
        told(bot, "keep")
    assert told(bot, "pin", "v1") == "v1 is pinned\n"

    with started(bot):
        eventually(lambda: roles(bot)["v1"][1] == "live", "the pinned release is live")
        assert "v1 is pinned" in refused(bot, "deploy", "v2")
