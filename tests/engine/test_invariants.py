"""Numbered invariants of the engine, over generated streams of inputs. Invariant 1 stands in `test_presence`."""

from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from foresight.effects import (
    Evaluate,
    Failed,
    FillBooked,
    Journal,
    Judged,
    SendOrder,
    SettlementBooked,
)
from foresight.events import (
    ClockChecked,
    Command,
    Decided,
    DeployRefused,
    Event,
    OrderFilled,
    Reference,
    ReleaseBack,
    ReleaseBound,
    ReleaseKept,
    Resolved,
)
from foresight.ledger import Books, fold
from foresight.markets import SECOND_NS, Market, SlotId
from foresight.money import MICROS
from tests.builders import (
    NOON_NS,
    Fails,
    Harness,
    Reply,
    Says,
    Scripted,
    Silent,
    a_depth,
    a_fill,
    a_held_position,
    a_market,
    a_print,
    a_quote,
    a_resolution,
    a_spot,
    a_twap,
    a_verdict,
    an_engine,
    an_entry,
    an_exit,
    fills_at_limit,
    replayed,
    seconds,
    windows_of,
)

SLOTS = (("BTC", "5m"), ("ETH", "5m"), ("BTC", "15m"))
MARKETS = [market for slot in SLOTS for market in windows_of(*slot, NOON_NS, NOON_NS + seconds(900))]

Step = Callable[[Harness], None]
outcomes = st.sampled_from(["UP", "DOWN"])
cents = st.integers(1, 99).map(lambda number: number / 100)


def _giving(build: Callable[[int], Event]) -> Step:
    """A step that gives an event of the present instant."""
    return lambda harness: (harness.give(build(harness.now_ns)), None)[1]


def _open_markets(now_ns: int) -> list[Market]:
    return [market for market in MARKETS if market.start_ns <= now_ns < market.end_ns] or MARKETS[:1]


quotes = st.builds(
    lambda number, outcome, price, spread: _giving(
        lambda now_ns: a_quote(
            price * 0.9,
            min(0.99, price * 0.9 + spread),
            at_ns=now_ns,
            market=_open_markets(now_ns)[number % len(_open_markets(now_ns))],
            outcome=outcome,
            ask_size=20,
        )
    ),
    st.integers(0, 2), outcomes, cents, st.sampled_from([0.01, 0.02, 0.1]),
)  # fmt: skip
depths = st.builds(
    lambda outcome, price: _giving(
        lambda now_ns: a_depth(
            [(price * 0.9, 10)], [(price, 5)], at_ns=now_ns, market=_open_markets(now_ns)[0], outcome=outcome
        )
    ),
    outcomes, cents,
)  # fmt: skip
spots = st.builds(
    lambda asset, price, feed: _giving(lambda now_ns: a_spot(price, at_ns=now_ns, asset=asset, feed=feed)),
    st.sampled_from(["BTC", "ETH"]), st.floats(90, 110), st.sampled_from(["binance", "binance", "coinbase"]),
)  # fmt: skip
prints = st.builds(
    lambda price: _giving(lambda now_ns: a_print(price, 3, at_ns=now_ns, market=_open_markets(now_ns)[0])), cents
)
averages = st.builds(
    lambda asset, price: _giving(
        lambda now_ns: a_twap(price, stamped_ns=now_ns // seconds(300) * seconds(300), at_ns=now_ns, asset=asset)
    ),
    st.sampled_from(["BTC", "ETH"]), st.floats(99, 101),
)  # fmt: skip
resolutions = st.builds(
    lambda number, outcome: _giving(lambda now_ns: a_resolution(MARKETS[number], outcome, at_ns=now_ns)),
    st.integers(0, len(MARKETS) - 1), outcomes,
)  # fmt: skip
commands = st.sampled_from(["halt", "resume", "resume"]).map(
    lambda name: _giving(lambda now_ns: Command(now_ns, name, "ann"))
)
clocks = st.sampled_from([0.0, 0.0, 900.0]).map(lambda drift: _giving(lambda now_ns: ClockChecked(now_ns, drift)))
changes = st.sampled_from(
    [
        lambda now_ns, n: ReleaseBound(now_ns, f"v{n}", "e" * 32, n),
        lambda now_ns, n: ReleaseBound(now_ns, f"v{n}", "e" * 32, n, slots=(SlotId("btc-5m"),)),
        lambda now_ns, n: ReleaseKept(now_ns, f"v{n}", n, "probation"),
        lambda now_ns, n: ReleaseBack(now_ns, f"v{n}", n, "v1", "d" * 32, 1, "oh", "ZeroDivisionError: oh"),
        lambda now_ns, n: DeployRefused(now_ns, f"v{n}", f"v{n} refused at stage: it is empty; v1 is still running"),
    ]
)
releases = st.builds(lambda change, n: _giving(lambda now_ns: change(now_ns, n)), changes, st.integers(2, 9))
waits = st.sampled_from([0.2, 1, 5, 5, 13, 60, 120]).map(lambda gap: lambda harness: harness.run_for(gap))
stalls = st.sampled_from([6, 40, 320]).map(lambda gap: lambda harness: harness.stall_to(harness.now_ns + seconds(gap)))
told = st.one_of(quotes, quotes, quotes, depths, spots, prints, averages, resolutions)
steps = st.lists(st.one_of(told, told, waits, waits, stalls, commands, clocks, releases), min_size=10, max_size=80)

proposals = st.one_of(
    st.none(),
    st.builds(
        lambda outcome, limit, stake, kind: an_entry(outcome, limit=limit, stake=stake, kind=kind),
        outcomes, cents, st.sampled_from([0.5, 1, 3, 5, 5, 6]), st.sampled_from(["FAK", "FOK"]),
    ),
    st.builds(lambda outcome, limit: an_exit(outcome, limit=limit), outcomes, cents),
)  # fmt: skip
verdicts = st.lists(
    st.builds(a_verdict, st.sampled_from(["spread", "edge", "depth"]), st.sampled_from(["pass", "pass", "refuse"])),
    max_size=2,
).map(tuple)
replies: st.SearchStrategy[Reply] = st.one_of(
    st.builds(
        lambda fair, proposal, said, after_ns: Says(fair=fair, proposal=proposal, verdicts=said, after_ns=after_ns),
        st.one_of(st.none(), st.floats(0, 1)), proposals, verdicts, st.sampled_from([0, 0, 0, SECOND_NS]),
    ),
    st.sampled_from([Fails(), Silent(), Says(fair=float("nan"))]),
)  # fmt: skip
scripts = st.lists(replies, min_size=1, max_size=40)


def a_busy_harness(script: list[Reply]) -> Harness:
    """Three slots over a quarter of an hour, each eager to trade, with a broker that fills at the limit."""
    live = Scripted(*script, otherwise=Says(proposal=an_entry(limit=0.6, stake=2)))
    harness = Harness(an_engine(SLOTS, start_ns=NOON_NS + seconds(20)), live, broker=fills_at_limit, history_ns=NOON_NS)
    harness.lists(*MARKETS)
    for market in MARKETS:
        harness.quote(market)
    return harness


def after(actions: list[Step], script: list[Reply], *, watch: Callable[[Harness], None] | None = None) -> Harness:
    harness = a_busy_harness(script)
    if watch is not None:
        harness.after_each = lambda: watch(harness)
    for act in actions:
        act(harness)
    harness.run_for(30)
    return harness


busy = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@busy
@given(steps, scripts)
def test_replaying_the_recorded_inputs_gives_the_same_digest_and_effects(
    actions: list[Step], script: list[Reply]
) -> None:
    """Invariant 7: same inputs, same decisions."""
    harness = after(actions, script)
    engine, effects = replayed(harness)
    assert engine.digest.hex() == harness.engine.digest.hex()
    assert engine.seq == harness.engine.seq == len(harness.inputs)
    assert effects == harness.effects
    assert engine.desk.books == harness.engine.desk.books


@busy
@given(steps, scripts, st.integers(0, 10_000))
def test_another_decision_gives_another_digest(actions: list[Step], script: list[Reply], which: int) -> None:
    """Invariant 7, the other way: the digest notices one changed answer."""
    harness = after(actions, script)
    decided = [
        index
        for index, event in enumerate(harness.inputs)
        if isinstance(event, Decided) and event.fair is not None and event.at_ns - _due_ns(harness, event) == 0
    ]
    assume(decided)
    index = decided[which % len(decided)]
    event = harness.inputs[index]
    del harness.inputs[index + 1 :]
    before, _ = replayed(harness)
    harness.inputs[index] = msgspec.structs.replace(event, fair=0.123456, proposal=None, verdicts=(), signals={})
    engine, _ = replayed(harness)
    assert engine.digest.hex() != before.digest.hex()


def _due_ns(harness: Harness, event: Decided) -> int:
    return next(asked.view.now_ns for asked in harness.live.asked if asked.evaluation_id == event.evaluation_id)


@busy
@given(steps, scripts)
def test_everything_decided_names_its_release_and_revision(actions: list[Step], script: list[Reply]) -> None:
    """Invariant 4: every decision, order, fill and settlement names the release and revision that made it."""
    harness = after(actions, script)
    asked = {effect.evaluation_id: (harness.live.release, harness.live.revision) for effect in harness.live.asked}
    judged = harness.entries(Judged)
    for entry in [*judged, *harness.entries(Failed)]:
        assert (entry.release, entry.revision) == asked[entry.evaluation_id]
    by_order = {entry.order_id: (entry.release, entry.revision) for entry in judged if entry.order_id is not None}
    sent = [effect.order.item.order_id for effect in harness.effects if isinstance(effect, SendOrder)]
    assert sent == list(by_order)
    fills = harness.entries(FillBooked)
    assert all((fill.release, fill.revision) == by_order[fill.order_id] for fill in fills)
    entered = {fill.trade_id: (fill.release, fill.revision) for fill in reversed(fills)}
    assert all(settlement.trade_id in entered for settlement in harness.entries(SettlementBooked))


def test_a_settled_trade_is_credited_to_the_release_that_entered_it() -> None:
    """Invariant 4: a release that is bound later, and even one that sells, does not take the credit."""
    harness, market = a_held_position()
    harness.give(ReleaseBound(harness.now_ns, "v2", "e" * 32, 7))
    harness.live.release, harness.live.revision = "v2", 7
    harness.live.says_next(Says(proposal=an_exit()))
    harness.run_for(5)
    harness.fill(a_fill(0.5, 4))
    harness.close()
    bought, sold = harness.entries(FillBooked)
    assert ((bought.release, bought.revision), (sold.release, sold.revision)) == (("v1", 1), ("v2", 7))
    (position,) = harness.engine.desk.books.positions.values()
    assert (position.release, position.revision) == ("v1", 1)
    harness.run_to(market.end_ns)
    effects = harness.give(a_resolution(market))
    books, trade = fold(_books_before(position), harness.now_ns, _settlement(effects))
    assert trade is not None
    assert (trade.position.release, trade.position.revision, books.trades) == ("v1", 1, 1)


def _books_before(position: object) -> Books:
    held = position
    assert hasattr(held, "trade_id")
    cost = held.cost_micros
    return Books(deposits_micros=MICROS, cash_micros=MICROS - cost, positions={held.trade_id: held})


def _settlement(effects: list[object]) -> SettlementBooked:
    entries = [effect.entry for effect in effects if isinstance(effect, Journal)]
    (settlement,) = [entry for entry in entries if isinstance(entry, SettlementBooked)]
    return settlement


@busy
@given(steps, scripts)
def test_money_reconciles_after_every_input(actions: list[Step], script: list[Reply]) -> None:
    """Invariant 12: cash plus open cost is deposits plus realised, to the micro, after every input."""

    def reconciles(harness: Harness) -> None:
        books = harness.engine.desk.books
        assert books.cash_micros + books.open_cost_micros() == books.deposits_micros + books.realised_micros

    after(actions, script, watch=reconciles)


@busy
@given(steps, scripts)
def test_the_journal_alone_gives_the_books_and_reconciles_after_every_entry(
    actions: list[Step], script: list[Reply]
) -> None:
    """Invariant 12: the books are a fold over the journal's entries, exact at each of them."""
    harness = after(actions, script)
    books, replay_effects = Books(), replayed(harness)[1]
    for effect in replay_effects:
        if isinstance(effect, Journal) and _moves_money(effect.entry):
            books, _ = fold(books, effect.at_ns, effect.entry)  # type: ignore[arg-type]
            assert books.cash_micros + books.open_cost_micros() == books.deposits_micros + books.realised_micros
    assert books == harness.engine.desk.books


def _moves_money(entry: object) -> bool:
    return type(entry).__name__ in ("Deposited", "FillBooked", "SettlementBooked")


@busy
@given(steps, scripts)
def test_live_code_is_only_ever_asked_and_never_sends(actions: list[Step], script: list[Reply]) -> None:
    """Invariant 8, the engine's share: each order goes with a judgement that nobody refused."""
    harness = after(actions, script)
    assert [asked for asked in harness.effects if isinstance(asked, Evaluate)]
    for judged in harness.entries(Judged):
        assert (judged.order_id is None) == bool(judged.refusals)
        assert (judged.view is None) == (judged.order_id is None)


def test_the_generated_streams_trade_and_settle() -> None:
    """The streams above are worth their name: a plain one opens, fills and settles trades."""
    harness = a_busy_harness([Says()])
    for _ in range(70):
        for market in _open_markets(harness.now_ns):
            harness.quote(market)
        harness.run_for(5)
    harness.give(a_resolution(a_market(), "UP", at_ns=harness.now_ns))
    harness.give(Reference(harness.now_ns, "BTC", "twap60", 100.0, NOON_NS, "oracle"))
    assert [event for event in harness.inputs if isinstance(event, OrderFilled)]
    assert [event for event in harness.inputs if isinstance(event, Resolved)]
    assert harness.entries(SettlementBooked)
