"""A pinned release runs, whatever is saved."""

import json
from pathlib import Path

import pytest

from end_to_end.program import answer, eventually, foresight
from end_to_end.test_deploy_commands import edited, refused, roles, started, told

pytestmark = pytest.mark.process


def test_a_pinned_release_runs_whatever_is_saved_until_the_pin_is_off(tmp_path: Path) -> None:
    bot = tmp_path / "bot"
    foresight("init", str(bot))
    (bot / "bot.toml").write_text('[slots]\nassets = ["BTC"]\n')
    with started(bot):
        told(bot, "keep")
        edited(bot, "= 0.97", "= 0.96")
        eventually(lambda: roles(bot).get("v2", ("", ""))[1] == "live", "the edit is live")

        assert told(bot, "pin", "v1") == "v1 is pinned and live\n"
        assert answer("pin", "--bot", str(bot)) == {"pin": "v1", "live": None}
        edited(bot, "= 0.96", "= 0.95")
        observed = bot / "state/observed/deploy.json"
        eventually(lambda: "v3 refused at pin" in json.loads(observed.read_text())["last_refusal"], "the refusal")
        assert json.loads(observed.read_text())["last_refusal"] == (
            "v3 refused at pin: the release v1 is pinned; take the pin away first; v1 is still running"
        )
        assert "v1 is pinned" in refused(bot, "deploy")
        assert "there is no release v99" in refused(bot, "pin", "v99")
        assert roles(bot)["v1"][1] == "live"

        assert told(bot, "pin", "off") == "nothing is pinned; v1 is live\n"
        told(bot, "deploy")
        assert roles(bot)["v3"][1] == "live"


def test_a_pin_waits_for_the_next_start(tmp_path: Path) -> None:
    bot = tmp_path / "bot"
    foresight("init", str(bot))
    (bot / "bot.toml").write_text('[slots]\nassets = ["BTC"]\n[deploy]\nfollow = "none"\n')
    with started(bot):
        told(bot, "keep")
        edited(bot, "= 0.97", "= 0.96")
        told(bot, "deploy")
        told(bot, "keep")
    assert told(bot, "pin", "v1") == "v1 is pinned\n"

    with started(bot):
        eventually(lambda: roles(bot)["v1"][1] == "live", "the pinned release is live")
        assert "v1 is pinned" in refused(bot, "deploy", "v2")
