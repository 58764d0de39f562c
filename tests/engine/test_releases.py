"""What changes of live code mean for the slots: who answers where, when a slot is paused, what a release may not do."""

from foresight.effects import Commanded, Effect, Judged, Notify, ReleaseEnded, ReleaseLive, Trip
from foresight.engine.releases import FAILURES_MAX, PAUSED
from foresight.engine.settings import RiskLimits
from foresight.events import Command, DeployRefused, ReleaseBack, ReleaseBound, ReleaseKept
from foresight.markets import SlotId
from tests.builders import (
    NOON_NS,
    Fails,
    Harness,
    Reply,
    Says,
    Scripted,
    a_market,
    a_running_harness,
    an_engine,
    an_entry,
    seconds,
)

BTC, ETH = SlotId("btc-5m"), SlotId("eth-5m")


def two_slots(*replies: Reply) -> Harness:
    """BTC and ETH, listed and quoted, one instant before their first round; v1 r1 is live."""
    harness = Harness(an_engine([("BTC", "5m"), ("ETH", "5m")]), Scripted(*replies))
    for market in (a_market(), a_market("ETH")):
        harness.lists(market)
        harness.quote(market)
    return harness


def a_bound(release: str = "v2", revision: int = 1, **more: object) -> ReleaseBound:
    return ReleaseBound(NOON_NS, release, "e" * 32, revision, **more)  # type: ignore[arg-type]


def a_back(release: str = "v2", revision: int = 1, to: str = "v1") -> ReleaseBack:
    line = "btc-5m: strategy/evaluate.py:12 ZeroDivisionError: oh"
    return ReleaseBack(NOON_NS, release, revision, to, "d" * 32, 1, line, f"Traceback …\n{line}")


def who(harness: Harness) -> list[tuple[str, int]]:
    """Release and revision of BTC and ETH."""
    slots = harness.engine.markets.slots
    return [(slots[slot].release, slots[slot].revision) for slot in (BTC, ETH)]


def notice_of(effects: list[Effect]) -> tuple[str, str]:
    (notice,) = [effect for effect in effects if isinstance(effect, Notify)]
    return notice.level, notice.text


# Who answers where


def test_a_release_answers_every_slot_from_its_commit_on() -> None:
    harness = two_slots()

    harness.give(a_bound("v2", 3, params={"price_max": 0.9}))

    assert who(harness) == [("v2", 3), ("v2", 3)]
    live = harness.engine.live
    assert (live.release, live.digest, live.revision, live.params) == ("v2", "e" * 32, 3, {"price_max": 0.9})


def test_a_canary_answers_its_slots_and_the_bot_runs_what_it_ran() -> None:
    harness = two_slots()

    harness.give(a_bound("v2", slots=(BTC,)))

    assert who(harness) == [("v2", 1), ("v1", 1)]
    assert harness.engine.live.release == "v1"


def test_a_release_that_goes_live_is_journaled_with_where_it_comes_from_and_told() -> None:
    harness = two_slots()
    event = a_bound("v2", origin="git", author="ana", replaced="v1", slots=(BTC,), note="nothing was on the tape")

    effects = harness.give(event)

    assert harness.entries(ReleaseLive)[-1] == ReleaseLive("v2", "e" * 32, 1, {}, (BTC,), "git", "ana", "v1")
    text = "release v2 (eeeeeeeeeeee) with parameters r1 is live in btc-5m in place of v1; nothing was on the tape"
    assert notice_of(effects) == ("info", text)


def test_a_rollback_gives_the_slots_back_where_the_release_was_and_nowhere_else() -> None:
    harness = two_slots()
    harness.give(a_bound("v2", slots=(BTC,)))
    harness.give(a_bound("v3", slots=(ETH,)))

    harness.give(a_back("v2"))

    assert who(harness) == [("v1", 1), ("v3", 1)]


def test_a_rollback_of_what_the_bot_runs_is_journaled_with_the_whole_text_and_told_in_one_line() -> None:
    harness = two_slots()
    harness.give(a_bound("v2"))

    effects = harness.give(a_back("v2"))

    assert harness.engine.live.release == "v1"
    assert harness.engine.live.digest == "d" * 32
    (ended,) = harness.entries(ReleaseEnded)
    assert (ended.release, ended.revision, ended.state, ended.to) == ("v2", 1, "rolled back", "v1")
    assert ended.text.startswith("Traceback")
    line = "btc-5m: strategy/evaluate.py:12 ZeroDivisionError: oh"
    assert notice_of(effects) == ("error", f"release v2 r1 was rolled back: {line}; v1 answers in its place")


def test_a_rollback_of_parameters_leaves_the_release_and_takes_the_revision_back() -> None:
    harness = two_slots()
    harness.give(a_bound("v1", 2))

    harness.give(a_back("v1", 2))

    assert who(harness) == [("v1", 1), ("v1", 1)]
    assert harness.engine.live.revision == 1


def test_a_kept_release_is_journaled_and_told_and_nothing_else_changes() -> None:
    harness = two_slots()

    effects = harness.give(ReleaseKept(NOON_NS, "v1", 1, "probation"))

    assert harness.entries(ReleaseEnded) == [ReleaseEnded("v1", 1, "kept", "", "kept by probation")]
    assert notice_of(effects) == ("info", "release v1 r1 is kept by probation")
    assert who(harness) == [("v1", 1), ("v1", 1)]


def test_a_refused_deploy_is_journaled_and_told_and_nothing_else_changes() -> None:
    harness = two_slots()
    text = "v2 refused at stage: strategy/evaluate.py:12 SyntaxError: oh; v1 is still running"

    effects = harness.give(DeployRefused(NOON_NS, "v2", text))

    assert harness.entries(ReleaseEnded) == [ReleaseEnded("v2", 0, "refused", "", text)]
    assert notice_of(effects) == ("error", text)
    assert who(harness) == [("v1", 1), ("v1", 1)]


def test_what_an_operator_asks_about_live_code_is_journaled_and_halts_nothing() -> None:
    harness = two_slots()

    effects = harness.give(Command(NOON_NS, "deploy", "ana", "v7 btc-5m"))

    assert harness.entries(Commanded) == [Commanded("deploy", "ana", "v7 btc-5m")]
    assert notice_of(effects) == ("warning", "deploy v7 btc-5m by ana")
    assert not harness.engine.desk.account.is_halted


def test_a_command_about_live_code_ends_no_halt() -> None:
    harness = two_slots()
    harness.give(Command(NOON_NS, "halt", "ana"))

    harness.give(Command(NOON_NS, "keep", "ana"))

    assert harness.engine.desk.account.is_halted


def test_an_answer_of_the_standby_credits_the_standby() -> None:
    """Invariant 4: the standby's answer to the request that the live one failed on names the standby."""
    harness, _ = a_running_harness(Says(proposal=an_entry()))
    harness.give(a_bound("v2"))

    harness.run_to(NOON_NS)  # the harness's live code answers as v1

    assert [(each.release, each.revision) for each in harness.entries(Judged)] == [("v1", 1)]
    slot = harness.engine.markets.slots[BTC]
    assert (slot.release, slot.revision) == ("v1", 1)


# A slot that is paused


def test_a_slot_whose_rounds_fail_three_times_in_a_row_is_paused_and_the_others_go_on() -> None:
    harness = two_slots()
    harness.live.says_in("btc-5m", *[Fails()] * 9)

    harness.run_to(NOON_NS + seconds(5 * FAILURES_MAX))

    assert harness.rounds("btc-5m") == [NOON_NS + seconds(5 * n) for n in range(FAILURES_MAX)]
    assert len(harness.rounds("eth-5m")) == FAILURES_MAX + 1
    told = f"btc-5m is {PAUSED}; it goes on when another release is live there; the other slots go on"
    assert harness.notices().count(told) == 1


def test_the_rounds_of_a_paused_slot_are_missed_with_their_cause() -> None:
    """Invariant 1."""
    harness = two_slots()
    harness.live.says_in("btc-5m", *[Fails()] * 9)

    harness.run_to(NOON_NS + seconds(25))

    seen = harness.presence("btc-5m")
    assert (seen.due, seen.missed) == (6, 6)
    assert seen.missed_by_cause == {"live code raised": 3, PAUSED: 3}


def test_two_failures_in_a_row_pause_nothing() -> None:
    harness = two_slots()
    harness.live.says_in("btc-5m", Fails(), Fails(), Says(), Fails(), Fails())

    harness.run_to(NOON_NS + seconds(25))

    assert not harness.engine.markets.slots[BTC].is_paused
    assert len(harness.rounds("btc-5m")) == 6


def test_failures_between_rounds_count_for_nothing() -> None:
    harness, market = a_running_harness()
    harness.run_to(market.end_ns - seconds(59))
    harness.live.says_in("btc-5m", *[Fails()] * 3)

    for n, bid in enumerate((0.7, 0.8, 0.9)):
        harness.run_to(market.end_ns - seconds(58.9 - 1.1 * n))
        harness.quote(market, bid, bid + 0.01)

    slot = harness.engine.markets.slots[BTC]
    assert harness.presence().on_event == 3
    assert (slot.failures, slot.is_paused) == (0, False)


def test_a_paused_slot_is_not_evaluated_on_events_either() -> None:
    harness, market = a_running_harness()
    harness.run_to(market.end_ns - seconds(75))
    harness.live.says_in("btc-5m", *[Fails()] * 9)
    harness.run_to(market.end_ns - seconds(59))
    assert harness.engine.markets.slots[BTC].is_paused
    asked = len(harness.live.asked)

    harness.quote(market, 0.9, 0.91)

    assert len(harness.live.asked) == asked


def paused() -> Harness:
    harness = two_slots()
    harness.live.says_in("btc-5m", *[Fails()] * 3)
    harness.run_to(NOON_NS + seconds(10))
    assert harness.engine.markets.slots[BTC].is_paused
    return harness


def test_a_paused_slot_goes_on_with_the_next_release() -> None:
    harness = paused()

    harness.give(a_bound("v2"))
    harness.run_for(5)

    assert harness.rounds("btc-5m")[-1] == NOON_NS + seconds(15)
    assert harness.presence("btc-5m").done == 1


def test_a_paused_slot_goes_on_after_a_rollback_of_its_release() -> None:
    harness = two_slots()
    harness.give(a_bound("v2"))
    for slot in harness.engine.markets.slots.values():
        slot.is_paused = True

    harness.give(a_back("v2"))
    harness.run_to(NOON_NS)

    assert harness.presence("btc-5m").done == 1


def test_a_release_in_other_slots_leaves_a_paused_slot_paused() -> None:
    harness = paused()

    harness.give(a_bound("v2", slots=(ETH,)))
    harness.run_for(5)

    assert harness.presence("btc-5m").missed_by_cause[PAUSED] == 1


# What a release may not do


def test_a_release_that_wants_more_orders_than_the_limit_is_tripped() -> None:
    limits = RiskLimits(orders_per_minute_max=1)
    harness, _ = a_running_harness(risk=limits)
    harness.live.otherwise = Says(proposal=an_entry())
    harness.run_to(NOON_NS)
    harness.close("killed")

    harness.run_for(5)

    trips = [effect for effect in harness.effects if isinstance(effect, Trip)]
    assert trips == [Trip("v1", "order storm: 1 orders in the last minute have reached 1")]


def test_a_release_is_not_tripped_by_the_orders_of_the_one_before_it() -> None:
    harness, _ = a_running_harness(risk=RiskLimits(orders_per_minute_max=1))
    harness.live.otherwise = Says(proposal=an_entry())
    harness.run_to(NOON_NS)
    harness.close("killed")

    harness.live.release = "v2"
    harness.give(a_bound("v2"))
    harness.run_for(5)

    first, second = harness.entries(Judged)
    assert (first.release, second.release) == ("v1", "v2")
    assert [refusal.name for refusal in second.refusals] == ["order_rate"], "the limit is the bot's"
    assert not [effect for effect in harness.effects if isinstance(effect, Trip)]


def test_another_refusal_trips_nothing() -> None:
    harness, _ = a_running_harness(Says(proposal=an_entry(stake=1_000_000)))

    harness.run_to(NOON_NS)

    assert harness.entries(Judged)[0].refusals
    assert not [effect for effect in harness.effects if isinstance(effect, Trip)]
