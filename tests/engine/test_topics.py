"""Further topics in the engine: declared by an event, kept as prices, seen by all, missed by who needs them."""

from foresight.effects import Notify
from foresight.engine import Engine
from foresight.events import Event, ReleaseBack, ReleaseBound, Spot, TopicsDeclared
from foresight.markets import SECOND_NS, SlotId
from foresight.strategy import View
from tests.builders import NOON_NS, Harness, Says, Scripted, a_market, a_spot, an_engine, an_entry, seconds

AVAX = "binance:AVAXUSDT"
ETH = "binance:ETHUSDT"
SLOTS = (("BTC", "5m"), ("ETH", "5m"))


def a_harness(*replies: Says) -> Harness:
    """Two slots with quoted books and fresh underlyings, a second before noon."""
    harness = Harness(an_engine(SLOTS, start_ns=NOON_NS - SECOND_NS), Scripted(*replies))
    for asset, _ in SLOTS:
        market = a_market(asset)
        harness.lists(market)
        harness.quote(market)
    return harness


def declare(harness: Harness, *topics: tuple[str, str]) -> None:
    harness.give(TopicsDeclared(harness.now_ns, topics))


def bind(harness: Harness, *needs: str, slots: tuple[SlotId, ...] = ()) -> None:
    harness.give(ReleaseBound(harness.now_ns, "v2", "e" * 32, 1, slots=slots, needs=needs))


def tick(harness: Harness, name: str, price: float = 14.0) -> None:
    harness.give(a_spot(price, at_ns=harness.now_ns, asset=name))


def keep_fresh(harness: Harness, *names: str, for_s: int) -> None:
    """A price of each of these every second, and quotes of both markets."""
    for _ in range(for_s):
        harness.run_for(1)
        for name in names:
            tick(harness, name)
        for asset, _ in SLOTS:
            harness.quote(a_market(asset))


def views(harness: Harness, slot: str = "btc-5m") -> list[View]:
    return [asked.view for asked in harness.live.asked if asked.slot == slot]


def blind(harness: Harness, slot: str) -> int:
    return harness.engine.markets.slots[SlotId(slot)].presence.counts().blind


def test_prices_of_a_topic_that_nobody_declared_are_not_kept() -> None:
    harness = a_harness()
    tick(harness, AVAX)
    harness.run_to(NOON_NS)
    assert (views(harness)[-1].watched, harness.engine.markets.unused_ticks) == ((), 1)


def test_a_declared_topic_is_seen_by_every_slot_with_its_price_and_age() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    tick(harness, AVAX, 14.5)
    harness.run_to(NOON_NS)
    for slot in ("btc-5m", "eth-5m"):
        watched = views(harness, slot)[-1].watch(AVAX)
        assert watched is not None
        assert (watched.name, watched.last, watched.age_s) == (AVAX, 14.5, 1.0)
    assert views(harness)[-1].prices is None, "it is nobody's underlying"


def test_a_topic_without_a_price_is_there_and_says_that_nothing_is_known() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    harness.run_to(NOON_NS)
    watched = views(harness)[-1].watch(AVAX)
    assert watched is not None
    assert (watched.last, watched.age_s, watched.returns, watched.volatility) == (None, None, (), ())


def test_a_view_from_before_a_topic_was_followed_has_none() -> None:
    harness = a_harness()
    harness.run_to(NOON_NS)
    assert views(harness)[-1].watch(AVAX) is None


def test_history_that_arrives_now_with_old_stamps_makes_returns_and_volatility() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    for age_s in range(400, 0, -1):
        price = 14.0 * (1 + 0.001 * (age_s % 2))
        harness.give(Spot(harness.now_ns, AVAX, "binance", price, harness.now_ns - seconds(age_s)))
    harness.run_to(NOON_NS)
    watched = views(harness)[-1].watch(AVAX)
    assert watched is not None
    assert {horizon for horizon, _ in watched.returns} == {10, 30, 60, 120, 300}
    assert {window for window, _ in watched.volatility} == {60, 300}
    assert (watched.volatility_over(60) or 0) > 0
    assert watched.return_over(900) is None


def test_a_topic_that_is_a_slots_underlying_is_that_and_not_a_second_series() -> None:
    harness = a_harness()
    declare(harness, (ETH, "ETH"))
    tick(harness, "ETH", 2_700.0)
    harness.run_to(NOON_NS)
    watched, own = views(harness, "btc-5m")[-1].watch(ETH), views(harness, "eth-5m")[-1].prices
    assert watched is not None
    assert own is not None
    assert (watched.last, own.last) == (2_700.0, 2_700.0)


def test_what_is_declared_again_keeps_its_prices_and_what_is_not_is_forgotten() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    tick(harness, AVAX, 14.5)
    declare(harness, ("binance:LINKUSDT", "binance:LINKUSDT"), (AVAX, AVAX))
    harness.run_to(NOON_NS)
    watched = views(harness)[-1].watch(AVAX)
    assert watched is not None
    assert watched.last == 14.5
    declare(harness, ("binance:LINKUSDT", "binance:LINKUSDT"))
    declare(harness, (AVAX, AVAX))
    harness.run_for(5)
    anew = views(harness)[-1].watch(AVAX)
    assert anew is not None
    assert anew.last is None


def test_a_stale_topic_blinds_the_slots_whose_live_release_declared_it_and_no_others() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    tick(harness, AVAX)
    bind(harness, AVAX, slots=(SlotId("btc-5m"),))
    keep_fresh(harness, "BTC", "ETH", for_s=11)
    assert (blind(harness, "btc-5m"), blind(harness, "eth-5m")) == (0, 0)
    keep_fresh(harness, "BTC", "ETH", for_s=9)
    assert (blind(harness, "btc-5m"), blind(harness, "eth-5m")) == (1, 0)
    assert harness.engine.markets.slots[SlotId("btc-5m")].note == f"blind: {AVAX}"
    tick(harness, AVAX)
    keep_fresh(harness, "BTC", "ETH", AVAX, for_s=5)
    assert blind(harness, "btc-5m") == 1, "it sees again"


def test_a_topic_is_stale_past_the_underlyings_limit_and_not_at_it() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    tick(harness, AVAX)
    bind(harness, AVAX)
    slot, limit_ns = harness.engine.markets.slots[SlotId("btc-5m")], harness.engine.settings.underlying_stale_ns
    stale = harness.engine.markets.stale_topics
    assert stale(slot, harness.now_ns + limit_ns, limit_ns) == []
    assert stale(slot, harness.now_ns + limit_ns + 1, limit_ns) == [AVAX]


def test_a_topic_that_never_told_anything_is_blindness_for_who_needs_it() -> None:
    harness = a_harness()
    bind(harness, AVAX)
    keep_fresh(harness, "BTC", "ETH", for_s=2)
    assert (blind(harness, "btc-5m"), blind(harness, "eth-5m")) == (1, 1)


def test_a_rollback_gives_the_slots_the_needs_of_what_answers_again() -> None:
    harness = a_harness()
    bind(harness, AVAX)
    harness.give(ReleaseBack(harness.now_ns, "v2", 1, "v1", "d" * 32, 1, "asked for", "asked for"))
    assert harness.engine.markets.slots[SlotId("btc-5m")].needs == ()
    bind(harness)
    harness.give(ReleaseBack(harness.now_ns, "v2", 1, "v0", "d" * 32, 1, "asked for", "", (AVAX,)))
    assert harness.engine.markets.slots[SlotId("btc-5m")].needs == (AVAX,)


def test_no_entry_is_made_on_a_topic_past_its_limit() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    bind(harness, AVAX)
    keep_fresh(harness, "BTC", "ETH", AVAX, for_s=2)
    keep_fresh(harness, "BTC", "ETH", for_s=11)
    harness.live.says_in("btc-5m", Says(proposal=an_entry()))
    keep_fresh(harness, "BTC", "ETH", for_s=5)
    refused = harness.engine.desk.refusals
    assert (harness.orders, refused.get("risk:stale_feed")) == ([], 1)


def test_what_is_declared_is_told_to_people() -> None:
    harness = a_harness()
    declare(harness, (AVAX, AVAX))
    declare(harness)
    told = [effect.text for effect in harness.effects if isinstance(effect, Notify)]
    assert told[-2:] == [f"further topics: {AVAX}", "further topics: none"]


def test_the_same_inputs_give_the_same_decisions_with_topics() -> None:
    harness = a_harness()
    keep_fresh(harness, "BTC", "ETH", AVAX, for_s=3)
    declare(harness, (AVAX, AVAX))
    bind(harness, AVAX)
    keep_fresh(harness, "BTC", "ETH", AVAX, for_s=12)
    again = an_engine(SLOTS, start_ns=NOON_NS - SECOND_NS)
    again.start(harness.history_ns)
    assert effects_of(again, harness.inputs) == harness.effects[1:]
    assert again.digest.hex() == harness.engine.digest.hex()


def effects_of(engine: Engine, inputs: list[Event]) -> list[object]:
    return [effect for event in inputs for effect in engine.handle(event)]
