"""The 02:47 scenario: positions are open, and the person at the keyboard has seen what is wrong with the strategy.

Seed 4129 begins at 02:44. At 02:47 two positions are open (a few more by the time one has looked, at speed 10); two
files are edited; before the 5-minute windows close at 02:50 the new code is live in all sixteen slots, nothing was
missed, and the positions are settled to the credit of the release that entered them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from end_to_end.program import Running, answer, eventually, foresight

pytestmark = pytest.mark.process

SEED = "4129"
SPEED = "10"
WEIGHT = "overreaction_weight: Annotated[float, Meta(ge=0, le=1)] = "
EDITS = (
    ("signals/overreaction.py", "BASIS_NOISE = 2e-4", "BASIS_NOISE = 3e-4"),
    ("params.py", f"{WEIGHT}0.05", f"{WEIGHT}0.15"),
    ("params.py", "s30: Weight = 0.4", "s30: Weight = 0.5"),
)


def observed(bot: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((bot / "state" / "observed" / "status.json").read_text())
    return document


def clock(status: dict[str, Any]) -> str:
    return str(status["now"])[11:19]


def test_at_0247_two_positions_are_open_and_the_edit_is_live_before_the_close(tmp_path: Path) -> None:
    bot = tmp_path / "bot"
    foresight("init", str(bot))
    with Running("--bot", str(bot), "--simulate", "--seed", SEED, "--speed", SPEED, "--for", "450s") as running:
        status = bot / "state" / "observed" / "status.json"
        eventually(lambda: status.exists() and clock(observed(bot)) >= "02:47:05", "02:47")
        before = observed(bot)
        held = {slot["slot"]: slot["position"] for slot in before["slots"] if slot["position"]}
        entered = {position["trade_id"] for position in answer("positions", "--bot", str(bot))["positions"]}
        assert len(held) >= 2
        assert {slot["release"] for slot in before["slots"]} == {"v1"}
        for name, old, new in EDITS:
            path = bot / "strategy" / name
            source = path.read_text()
            assert source.count(old) == 1
            path.write_text(source.replace(old, new))
        eventually(lambda: observed(bot)["release"] == "v2", "v2")
        after = observed(bot)
        assert clock(after) < "02:50:00", "before the close of the 5-minute windows"
        still = {slot["slot"]: slot["position"] for slot in after["slots"]}
        assert {slot: still[slot] for slot in held} == held
        eventually(lambda: {slot["release"] for slot in observed(bot)["slots"]} == {"v2"}, "v2 in every slot")
        printed, _ = running.process.communicate(timeout=60)
    presence, trades = observed(bot)["presence"], answer("trades", "--bot", str(bot))["trades"]
    credited = {trade["id"]: (trade["release"], trade["state"]) for trade in trades if trade["id"] in entered}
    assert {release for release, _ in credited.values()} == {"v1"}
    in_five = {trade["id"] for trade in trades if trade["slot"].endswith("-5m")}
    assert {credited[trade] for trade in entered & in_five} == {("v1", "closed")}
    assert (presence["missed"], presence["blind"]) == (0, 0)
    assert presence["due"] == presence["done"] + presence["late"], "late at this speed is 50 ms on a busy machine"
    assert "release v2" in printed
