"""Group E, timing: a change that meets calls and orders which are under way.

The order of things: a commit falls between calls. What was asked before it is answered by the release that was live
when it was asked, and everything that is asked after it by the new one; no call is lost, none is answered twice, and a
key's state takes every call once. A rollback does not wait: what the release that is taken back has not answered yet,
its standby answers. An order belongs to the release that decided on it, whatever runs when it is filled.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.program import Program, a_program
from conformance.resident import Given
from conformance.timing import deploy_folder, encoded_state, generation, value_of, went_live
from foresight.effects import FillBooked, Judged
from foresight.engine.slots import SlotState
from foresight.events import Command
from foresight.markets import MINUTE_NS
from foresight.runtime.bot import Bot
from storms.bots import a_bot_folder, a_lockstep_bot, deploy_copy, journal_of, step
from tesseract import Event, Request, WentLive

KEYS = ("btc", "eth", "sol", "xrp")
ANSWERS_S = 0.01


class Caller:
    """Submits calls without waiting, and keeps what was asked, answered and committed, in their order."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.log: list[tuple[Any, ...]] = []
        self._at_ns = 10**12
        self._happened = program.runtime._on_event
        program.runtime._on_event = self._note

    def _note(self, event: Event) -> None:
        if isinstance(event, WentLive):
            self.log.append(("live", event.release.name))
        self._happened(event)

    def submit(self, key: str) -> int:
        number = sum(1 for entry in self.log if entry[0] == "asked")
        self.log.append(("asked", number, key))
        self._at_ns += 5_000_000_000

        def deliver(outcome: Any) -> None:
            self.log.append(("answered", number, outcome.release, value_of(outcome)))

        self.program.runtime.submit(key, Given(number), deliver, at_ns=self._at_ns)
        return number

    def answers(self) -> dict[int, list[tuple[str, int]]]:
        found: dict[int, list[tuple[str, int]]] = {}
        for what, number, *answer in self.log:
            if what == "answered":
                found.setdefault(number, []).append((answer[0], answer[1]))
        return found

    def wait_for_all(self) -> None:
        for _ in range(1000):
            if len(self.answers()) == sum(1 for entry in self.log if entry[0] == "asked"):
                return
            self.program.pause(0.01)
        raise AssertionError(self.log[-10:])


@contextmanager
def calling(folder: Path) -> Iterator[tuple[Program, Caller]]:
    """A program whose calls take a while, with one round of calls behind it."""
    files = generation(1, answers_s=ANSWERS_S)
    with a_program(folder, host="process", files=files, rounds=1_000_000, rehearse_s=0.0) as program:
        caller = Caller(program)
        for key in KEYS:
            caller.submit(key)
        caller.wait_for_all()
        yield program, caller


@pytest.mark.process
def test_deploy_while_order_in_flight(tmp_path: Path) -> None:
    """Calls of four keys, two deep, are under way all the time; the deploy still finds its place between them."""
    with calling(tmp_path) as (program, caller):
        deploy_folder(program, "b", generation(2, answers_s=ANSWERS_S))
        while went_live(program) == ["v1"]:
            for key in (*KEYS, *KEYS[:2]):
                caller.submit(key)
            program.pause(ANSWERS_S * 8)
        for key in KEYS:
            caller.submit(key)
        caller.wait_for_all()

        one_order_of_things(caller)
        asked = [entry[2] for entry in caller.log if entry[0] == "asked"]
        states = {key: program.runtime.seam.state_of(key) for key in KEYS}
        assert states == {key: encoded_state(asked.count(key)) for key in KEYS}, "each call once, in one state"


def one_order_of_things(caller: Caller) -> None:
    commit = caller.log.index(("live", "v2"))
    before = {entry[1] for entry in caller.log[:commit] if entry[0] == "asked"}
    answers = caller.answers()
    assert [number for number, given in answers.items() if len(given) != 1] == [], "each call is answered once"
    assert {answers[number][0] for number in before} == {("v1", 1)}
    assert {given[0] for number, given in answers.items() if number not in before} == {("v2", 2)}
    late = [entry for entry in caller.log[commit:] if entry[0] == "answered" and entry[2] == "v1"]
    assert late == [], "the commit waited for every answer of the old release"


@pytest.mark.process
def test_deploy_while_order_in_flight_and_it_is_rolled_back_meanwhile(tmp_path: Path) -> None:
    """The standby answers what the release that is taken back has not; and nothing comes twice."""
    with calling(tmp_path) as (program, caller):
        program.deploy(generation(2, answers_s=1.0), where="")
        numbers = [caller.submit(key) for key in (*KEYS, *KEYS)]
        program.pause(ANSWERS_S / 2)
        program.roll_back()
        caller.wait_for_all()
        program.pause(0.05)
        assert [caller.answers()[number] for number in numbers] == [[("v1", 1)]] * 8
        assert [program.runtime.seam.state_of(key) for key in KEYS] == [encoded_state(3)] * 4
        assert program.value() == 1


# The same with a whole bot, in lock-step: every moment can be met exactly.


def is_order_in_flight(bot: Bot) -> bool:
    return bool(list(bot.engine.desk.orders))


def test_deploy_while_order_in_flight_of_the_bot(tmp_path: Path) -> None:
    """The order that v1 sent is filled while v2 runs: it is booked to v1, and nobody sends it again."""
    with a_lockstep_bot(a_bot_folder(tmp_path)) as bot:
        while not is_order_in_flight(bot):
            step(bot)
        deploy_copy(bot, "2")
        assert is_order_in_flight(bot)
        assert bot.live.runtime.seam.running() == "v2"
        end_ns = bot.clock.now_ns() + 10 * MINUTE_NS
        while bot.clock.now_ns() < end_ns:
            step(bot)
        run = bot
    entries = [record.entry for record in journal_of(run)]
    judged = [entry for entry in entries if isinstance(entry, Judged) and entry.order_id is not None]
    fills = {entry.order_id: entry.release for entry in entries if isinstance(entry, FillBooked)}
    assert judged[0].order_id is not None
    assert judged[0].release == fills[judged[0].order_id] == "v1"
    assert "v2" in {entry.release for entry in judged}
    sides = [(entry.market_id, entry.proposal.outcome) for entry in judged if entry.order_id in fills]
    assert len(sides) == len(set(sides))


def window_start_ns(slot: SlotState) -> int | None:
    return None if slot.window is None else slot.window.market.start_ns


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_deploy_at_window_boundary(tmp_path: Path, moment: str) -> None:
    """At the very instant at which a window ends and the next one opens: before anything of it, after its market data
    and before its round, after its round. No round is missed, and the new window is evaluated by the new release."""
    with a_lockstep_bot(a_bot_folder(tmp_path)) as bot:
        slots = bot.engine.markets.slots.values()
        boundary_ns = bot.engine.start_ns + 6 * MINUTE_NS
        session: Any = bot.session
        while session.next_ns() < boundary_ns:
            step(bot)
        while moment == "between" and session._next.at_ns <= boundary_ns:
            step(bot)
        while moment == "after" and session._due_ns == boundary_ns:
            step(bot)
        assert [window_start_ns(slot) == boundary_ns for slot in slots] == [moment == "after"] * len(slots)

        deploy_copy(bot, "2")
        minutes(bot, 1)
        assert {slot.release for slot in slots} == {"v2"}
        assert {window_start_ns(slot) for slot in slots} == {boundary_ns}
        for slot in slots:
            counts = slot.presence.counts()
            assert (counts.missed, counts.late, counts.due) == (0, 0, counts.done + counts.blind)


FAILS = "def fair_up(*_):\n    raise ValueError('not today')\n"


def minutes(bot: Bot, count: float) -> None:
    end_ns = bot.clock.now_ns() + count * MINUTE_NS
    while bot.clock.now_ns() < end_ns:
        step(bot)


def test_deploy_while_paused_or_halted(tmp_path: Path) -> None:
    """A halt is the operator's and stays through every deploy; a pause is of the release that failed, and ends with
    it."""
    with a_lockstep_bot(a_bot_folder(tmp_path)) as bot:
        slots = bot.engine.markets.slots.values()
        bot.session.take(Command(bot.clock.now_ns(), "halt", "ana"))
        good = (bot.folder.strategy / "fair.py").read_text()
        (bot.folder.strategy / "fair.py").write_text(FAILS)
        deploy_copy(bot, "2")
        bot.live.runtime.request(Request(id="keep", action="keep", author="ana"))
        minutes(bot, 2)
        assert all(slot.is_paused for slot in slots)
        assert bot.engine.desk.account.is_halted

        (bot.folder.strategy / "fair.py").write_text(good)
        deploy_copy(bot, "3")
        assert not any(slot.is_paused for slot in slots)
        assert bot.engine.desk.account.is_halted
        before = bot.report().presence
        minutes(bot, 1)
        after = bot.report().presence
        assert (after.missed, after.done - before.done) == (before.missed, 12 * len(slots))
        assert {slot.release for slot in slots} == {"v3"}
