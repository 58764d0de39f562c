"""Faults of the local venue's menu, switched on one after the other under a running bot, and what each should lead to.

The bot wants to buy in every slot at every look, at a price at which nobody sells: it never holds anything, so only
stale data can keep an order back, and every order that is sent says that its data was fresh.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from foresight.effects import Judged
from foresight.engine.settings import RiskLimits
from foresight.events import Reference, Spot
from foresight.markets import SECOND_NS
from foresight.record.exact import replay_run
from foresight.record.reading import RunRecord
from foresight.runtime.bot import Bot
from foresight.venue.faults import Parameters
from over_sockets.running import Run
from storms.bots import a_bot_folder, journal_of

SLOTS = ("btc-5m", "eth-5m", "hype-5m")
ASSETS = ("--assets", "BTC,ETH,HYPE", "--timeframes", "5m")
SPEED = 5.0
ALL = frozenset(SLOTS)
KNOCKS = '''"""Wants to buy at every look, at a price at which nobody sells."""

import msgspec

from foresight.strategy import Enter

from . import evaluate as shipped
from .params import Params, State

__all__ = ["Params", "State", "evaluate"]


def evaluate(view, state, params):
    done = shipped.evaluate(view, state, params)
    return msgspec.structs.replace(done, verdicts=(), proposal=Enter("UP", 10_000, 1_000_000))
'''
SEEN = os.environ.get("FORESIGHT_FAULTS_SEEN", "")
WELL_WITHIN_S = 12.0
"""The longest that anything of the menu may take: PolyBolt asks for a random pause of up to ten seconds."""
SECONDS_LONGEST = 20.0
"""Until what is expected of a fault shows, and until all is well after it. Generous: a busy machine is no fault."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One fault, and what it should lead to.

    `asked` is what the control endpoint is told besides the name. `blind` names what each affected slot says of itself
    meanwhile; a slot that is not named has no blind round, unless one
    may come in the moment until its book is read (`may_be_blind`). `says` is part of a sentence that a person is told.
    `reconnects`, `renewals` and `rejects` count by line and by kind; where nothing is named, there is none.
    `read_by` are the hosts whose reads fail. A fault that ends by itself, or never, is not taken off (`heals_itself`).
    """

    fault: str
    asked: Mapping[str, object] = {}
    parameters: Parameters = {}
    blind: Mapping[str, str] = {}
    may_be_blind: frozenset[str] = frozenset()
    says: str = ""
    reconnects: Mapping[str, int] = {}
    renewals: Mapping[str, int] = {}
    rejects: Mapping[str, int] = {}
    failing: frozenset[str] = frozenset()
    duplicates: frozenset[str] = frozenset()
    books_by_rest: bool = False
    heals_itself: bool = False
    rounds: float = 1.5
    beside: tuple["Case", ...] = ()


class _Counts(msgspec.Struct, frozen=True):
    """What is counted of a bot and its feeds, at one moment."""

    presence: dict[str, tuple[int, int, int]]
    reconnects: dict[str, int]
    renewals: dict[str, int]
    duplicates: dict[str, int]
    rejects: dict[str, int]
    failed: dict[str, int]
    books_by_rest: int
    told: int


class Seen(msgspec.Struct, frozen=True):
    """What one fault led to: what was not as expected, and the seconds from its end until all was well."""

    fault: str
    problems: tuple[str, ...]
    seconds: float


def a_knocking_bot(home: Path, **changes: dict[str, object]) -> Path:
    """A bot of `SLOTS` that wants to buy at every look and never gets anything."""
    tables: dict[str, dict[str, object]] = {
        "slots": {"assets": ["BTC", "ETH", "HYPE"], "timeframes": ["5m"]},
        "risk": {"orders_per_minute_max": 600, **changes.pop("risk", {})},
    }
    folder = a_bot_folder(home, **{**tables, **changes})
    (folder / "strategy" / "__init__.py").write_text(KNOCKS)
    return folder


async def try_each(run: Run, cases: tuple[Case, ...]) -> list[Seen]:
    """Each fault after the one before is over and all is well, so that none disturbs another. Fails with all that was
    not as expected. With FORESIGHT_FAULTS_SEEN it appends the seconds of each to that file."""
    seen = [await _try(run, case) for case in cases]
    if SEEN:
        lines = "".join(
            f"{case.fault} {dict(case.asked)} {each.seconds:.2f}\n" for case, each in zip(cases, seen, strict=True)
        )
        await asyncio.to_thread(_append, lines)
    problems = [f"{each.fault}: {problem}" for each in seen for problem in each.problems]
    assert not problems, "\n".join(problems)
    return seen


def _append(lines: str) -> None:
    with Path(SEEN).open("a") as file:
        file.write(lines)


async def _try(run: Run, case: Case) -> Seen:
    time = asyncio.get_running_loop().time
    await run.until(lambda: is_calm(run), SECONDS_LONGEST)
    before, began_s = _counts(run), time()
    for each in (*case.beside, case):
        await switch_on(run, each.fault, each.asked, each.parameters)
        if each.fault == "garbage":
            await used_up(run)  # two at once would each come before what the other sends too
    seen: set[str] = set()
    problems: list[str] = []
    try:
        await run.until(lambda: _shows(run, case, before, seen), SECONDS_LONGEST)
    except AssertionError as late:
        problems.append(f"it did not show: {late}"[:300] + f"; {_counts(run)} after {before}")
    lasts = case.asked.get("seconds", 0.0)
    assert isinstance(lasts, int | float)
    ended_s = began_s + lasts
    if not case.heals_itself:
        await run.rounds(case.rounds)
        await run.ask(f"/control/faults?name={case.fault}", method="DELETE")
        ended_s = time()
    await run.until(lambda: is_well(run), SECONDS_LONGEST)
    seconds = max(0.0, time() - ended_s)
    if case.heals_itself:
        await run.rounds(case.rounds)
    await run.until(lambda: is_calm(run), SECONDS_LONGEST)
    await run.rounds(1.5)
    await run.ask("/control/faults", method="DELETE")
    if seconds > WELL_WITHIN_S:
        problems.append(f"all was well only after {seconds:.1f} s")
    problems += _differences(case, before, _counts(run))
    return Seen(case.fault, tuple(problems), seconds)


async def switch_on(run: Run, name: str, asked: Mapping[str, object], parameters: Parameters) -> None:
    body = {"name": name, "parameters": parameters, **asked}
    await run.ask("/control/faults", method="POST", body=body)


async def used_up(run: Run) -> None:
    """Waits until no fault is on any more."""
    async with asyncio.timeout(SECONDS_LONGEST):
        while (await run.ask("/control/status"))["faults"]:
            await asyncio.sleep(0.01)


def is_well(run: Run) -> bool:
    """Every slot is open, every line is up, and nothing is the matter."""
    lines = [each.line for each in run.feeds.health().lines]
    # The market channel counts from its first moment: books are read until it has brought all of them.
    is_heard = all(
        any(connection.is_warm for connection in line.connections)
        for line in run.feeds.lines
        if line.channel.name != "clob"
    )
    is_up = all(line.state == "open" for line in lines)
    return is_heard and is_up and set(run.states().values()) == {"open"} and not run.feeds.problems()


def is_calm(run: Run) -> bool:
    """Also no connection stands beside the one that it is to replace."""
    return is_well(run) and all(each.line.connections == 1 for each in run.feeds.health().lines)


def _counts(run: Run) -> _Counts:
    health = run.feeds.health()
    return _Counts(
        presence=run.presence(),
        reconnects={each.line.name: each.line.reconnects for each in health.lines},
        renewals={each.line.name: each.line.renewals for each in health.lines},
        duplicates={each.line.name: each.duplicates for each in health.lines},
        rejects=dict(health.rejects),
        failed={reads.name: reads.failed for reads in health.reads},
        books_by_rest=health.books_by_rest,
        told=len(run.told()),
    )


def _shows(run: Run, case: Case, before: _Counts, seen: set[str]) -> bool:
    """Whether all that the fault leads to has been seen by now; slots that went blind are noted in `seen`."""
    now, states = _counts(run), run.states()
    seen.update(slot for slot, state in case.blind.items() if states[slot] == state)
    return (
        seen == case.blind.keys()
        and any(case.says in sentence for sentence in ["", *run.told()[before.told :]])
        and _reached(case.reconnects, before.reconnects, now.reconnects)
        and _reached(case.renewals, before.renewals, now.renewals)
        and _reached(case.rejects, before.rejects, now.rejects)
        and _reached(dict.fromkeys(case.failing, 1), before.failed, now.failed)
        and _reached(dict.fromkeys(case.duplicates, 1), before.duplicates, now.duplicates)
        and now.books_by_rest >= before.books_by_rest + case.books_by_rest
    )


def _reached(wanted: Mapping[str, int], before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    return all(now.get(name, 0) >= before.get(name, 0) + count for name, count in wanted.items())


def _differences(case: Case, before: _Counts, after: _Counts) -> list[str]:
    """What has changed otherwise than it should have."""
    problems = []
    for slot, (due, missed, blind) in after.presence.items():
        due_before, missed_before, blind_before = before.presence[slot]
        if due <= due_before:
            problems.append(f"{slot} had no round")
        if missed != missed_before:
            problems.append(f"{slot} missed {missed - missed_before}")
        if slot not in case.may_be_blind and (blind > blind_before) != (slot in case.blind):
            problems.append(f"{slot} was blind {blind - blind_before} times")
    for what, wanted, old, new in (
        ("reconnects", case.reconnects, before.reconnects, after.reconnects),
        ("renewals", case.renewals, before.renewals, after.renewals),
        ("rejects", case.rejects, before.rejects, after.rejects),
    ):
        changed = {name: count - old.get(name, 0) for name, count in new.items() if count != old.get(name, 0)}
        if changed != dict(wanted):
            problems.append(f"{what} {changed}, not {dict(wanted)}")
    failing = {name for name, count in after.failed.items() if count != before.failed[name]}
    if failing != case.failing:
        problems.append(f"reads failed of {failing}, not of {set(case.failing)}")
    return problems


def orders_on_old_data(bot: Bot) -> list[str]:
    """Orders of the run that were sent on data past its limit, by the record of what had arrived and by the view."""
    limits = bot.engine.settings.risk
    events = RunRecord(bot.folder.data / "record" / bot.run.name).events()
    entries = [record for record in journal_of(bot) if isinstance(record.entry, Judged) and record.entry.order_id]
    arrived: dict[tuple[type, str], int] = {}
    problems, event = [], next(events, None)
    for record in entries:
        while event is not None and event[0] <= record.input_seq:
            if isinstance(event[1], Spot | Reference):
                arrived[type(event[1]), event[1].asset] = event[1].at_ns
            event = next(events, None)
        assert isinstance(record.entry, Judged)
        problems += _old(record.entry, record.at_ns, arrived, limits)
    assert entries, "no order was sent at all"
    return problems


def _old(judged: Judged, at_ns: int, arrived: dict[tuple[type, str], int], limits: RiskLimits) -> list[str]:
    view = judged.view
    assert view is not None
    assert view.prices is not None
    book_age_s = min(book.age_s for book in (view.up, view.down) if book.age_s is not None)
    ages_ns = {
        "book": (round(book_age_s * SECOND_NS), limits.book_age_max_ns),
        "underlying": (at_ns - arrived[Spot, view.asset], limits.underlying_age_max_ns),
        "underlying of the view": (round(view.prices.age_s * SECOND_NS), limits.underlying_age_max_ns),
    }
    if (Reference, view.asset) in arrived:
        ages_ns["reference"] = (at_ns - arrived[Reference, view.asset], limits.reference_age_max_ns)
    return [
        f"{judged.order_id} of {judged.slot}: {what} of {age_ns / SECOND_NS:.1f} s"
        for what, (age_ns, limit_ns) in ages_ns.items()
        if age_ns > limit_ns
    ]


def refused_as_stale(bot: Bot) -> set[str]:
    """The slots in which an entry was refused because its data was old."""
    entries = (record.entry for record in journal_of(bot))
    return {
        entry.slot
        for entry in entries
        if isinstance(entry, Judged) and any(refusal.name == "stale_feed" for refusal in entry.refusals)
    }


def assert_replays(bot: Bot) -> None:
    """What the run wrote leads to the same decisions."""
    exact = replay_run(bot.folder.data / "record" / bot.run.name, bot.run / "journal.sqlite")
    assert exact.is_equal, (exact.difference, exact.missing, exact.problems)
    assert exact.has_ended
    assert exact.digest == exact.recorded_digest
