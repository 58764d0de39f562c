"""Hayden's test: the same recorded run with and without a change to an identical release, at one event or at every one.

A change to code that does the same must change nothing, wherever it falls (Hayden, Smith, Hardisty, Hicks and Foster,
"Evaluating dynamic software updating safety using systematic testing", IEEE TSE 38(6), 2012). Everything is inside one
process and in lock-step, so that two runs differ in nothing but the change.

Two ways to change:

- `deployed`: the whole pipeline, before one step. The copy has another file and so another number, which decisions
  carry; they are compared with the names of releases left out, everything else of the journal in its order.
- `Changer`: straight into the seam's table, with the states of that moment. The copy is the same release under another
  content hash: the runtime takes it for another one, and the engine sees one name all the time, so that its own digest
  over all decisions must be equal. This is cheap enough for every single input of a whole run.

What is compared is the engine's digest, every answer with all its signals (one of which tells the state), every slot's
state, the journal, and the record of presence.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from foresight import contract
from foresight.effects import Evaluate
from foresight.events import Decided, Event, MarketEvent, Raised
from foresight.markets import Origin
from foresight.runtime.bot import Bot
from foresight.runtime.journal import read_journal
from foresight.sources.recording import Recording
from storms.bots import a_bot_folder, a_lockstep_bot, deploy_copy, step
from tesseract import InProcessHost

RECORDING = Path(__file__).parents[1] / "recordings" / "simulated"
NAMES = frozenset({"release", "revision"})
NOT_COMPARED = frozenset({"ReleaseLive", "ReleaseEnded", "Commanded"})
ROUNDS_AFTER = 2
"""After so many answers of every slot a change has shown what it does: the engine is not touched by it, and all that
it moved (states and routes) has been read, used and compared."""
COUNTING = """
import msgspec

from . import evaluate as shipped
from .params import Params, State

__all__ = ["Params", "State", "evaluate"]


def evaluate(view, state, params):
    done = shipped.evaluate(view, state, params)
    return msgspec.structs.replace(done, signals={**done.signals, "looks": float(state.looks)})
"""
"""The shipped strategy, which also tells its state."""


class Kept:
    """A recording whose events are read once, for many runs."""

    origin: Origin = "simulated"
    is_live = False

    def __init__(self, folder: Path = RECORDING) -> None:
        recording = Recording(folder)
        self.name, self.start_ns, self.slots = recording.name, recording.start_ns, recording.slots
        self._events: list[MarketEvent] = list(recording.events())

    def events(self) -> Iterator[MarketEvent]:
        return iter(self._events)


class Run(msgspec.Struct, frozen=True):
    """What a run decided. `prints` is the fingerprint before every step; `moments` names some steps worth a look."""

    digest: str
    answers: str
    decisions: bytes
    presence: bytes
    states: dict[str, bytes]
    prints: list[bytes]
    moments: dict[str, int]
    changes: int = 0


class Recorder:
    """Listens to every answer of a bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._answers = hashlib.blake2b(digest_size=16)
        self.count: dict[str, int] = {}
        sink: Any = bot.sink
        sink.answered = self._answered

    def _answered(self, asked: Evaluate, answer: Decided | Raised) -> None:
        self.count[asked.slot] = self.count.get(asked.slot, 0) + 1
        fields = msgspec.structs.asdict(answer)
        told = [
            asked.slot,
            *(value for name, value in fields.items() if name not in ("release", "revision", "took_ns")),
        ]
        self._answers.update(msgspec.msgpack.encode(told))

    def answers(self) -> str:
        return self._answers.hexdigest()

    def states(self) -> dict[str, bytes]:
        return {key: route.state for key, route in self._bot.live.runtime.seam.routes.items()}

    def fingerprint(self) -> bytes:
        """Of everything that was decided up to now, and of every state."""
        parts = (self._bot.engine.digest.hex(), self.answers(), sorted(self.states().items()))
        return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16).digest()


class NeverClosed(InProcessHost):
    """A host that is put back again and again."""

    def close(self) -> None:
        """Its modules stay until `end`."""

    def end(self) -> None:
        super().close()


class Changer:
    """Changes between two copies of what is live in a bot."""

    def __init__(self, bot: Bot) -> None:
        self.count = 0
        self.seam = bot.live.runtime.seam
        self.seam.on_rolled_back = lambda _event: None
        self._copies = [self._copy(mark) for mark in ("0" * 64, "f" * 64)]

    def _copy(self, digest: str) -> NeverClosed:
        spec = self.seam.strategies[""].spec
        copy = NeverClosed(spec.release, contract.CONTRACT)
        release = msgspec.structs.replace(spec.release, digest=digest)
        copy.spec = msgspec.structs.replace(copy.spec, release=release, revision=spec.revision)
        return copy

    def commit(self, *, with_states: bool = True) -> None:
        """The other copy, in every slot, with the states of now."""
        self.count += 1
        states = {key: route.state for key, route in self.seam.routes.items()} if with_states else {}
        self.seam.commit(self._copies[self.count % 2], states)

    def commit_or_roll_back(self) -> None:
        """One in two is a rollback of the one before."""
        live = self.seam.strategies[""]
        if self.count % 2 and self.seam.has_standby(live):
            self.count += 1
            self.seam.roll_back(live, "it is this one's turn")
        else:
            self.commit()

    def close(self) -> None:
        for copy in self._copies:
            copy.end()


Change = Callable[[Bot, int], None]


def unchanged(home: Path, source: Kept) -> Run:
    """The run that everything is compared with."""
    return _run(home, source, lambda _bot, _number: None)


def deployed(home: Path, source: Kept, at: int) -> Run:
    """One deploy of an identical copy, through the whole pipeline, before the step with this number."""

    def change(bot: Bot, number: int) -> None:
        if number == at:
            deploy_copy(bot, "a copy")
            assert bot.live.runtime.seam.running() == "v2"

    return _run(home, source, change)


def committed(home: Path, source: Kept, at: int, *, with_states: bool = True) -> Run:
    """One change of the table alone; without the states it is a fault, which must show."""
    return _changing(home, source, lambda changer, n: changer.commit(with_states=with_states) if n == at else None)


def changed_everywhere(home: Path, source: Kept, change: Callable[[Changer], None]) -> Run:
    """A change before every step, before every input of the engine, and after every answer that has been taken."""

    def everywhere(changer: Changer, bot: Bot) -> None:
        seam, take = changer.seam, bot.session.take
        settled = seam.on_settled
        seam.on_settled = partial(_one_after_the_other, settled, partial(change, changer))
        bot.session.take = partial(_take_after, partial(change, changer), take)  # type: ignore[method-assign]

    return _changing(home, source, lambda changer, _number: change(changer), everywhere)


def _one_after_the_other(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()


def _take_after(change: Callable[[], None], take: Callable[[Event], None], event: Event) -> None:
    change()
    take(event)


def _changing(
    home: Path,
    source: Kept,
    before_step: Callable[[Changer, int], None],
    prepare: Callable[[Changer, Bot], None] = lambda _changer, _bot: None,
) -> Run:
    changers: list[Changer] = []

    def change(bot: Bot, number: int) -> None:
        if number == 0:
            changers.append(Changer(bot))
            prepare(changers[0], bot)
        before_step(changers[0], number)

    run = _run(home, source, change)
    changers[0].close()
    return msgspec.structs.replace(run, changes=changers[0].count)


def a_counting_bot_folder(home: Path) -> Path:
    folder = a_bot_folder(home)
    (folder / "strategy" / "__init__.py").write_text(COUNTING)
    return folder


def _run(home: Path, source: Kept, before_step: Change) -> Run:
    with a_lockstep_bot(a_counting_bot_folder(home), source) as bot:
        recorder = Recorder(bot)
        prints: list[bytes] = []
        moments: dict[str, int] = {}
        while bot.session.next_ns() is not None:
            before_step(bot, len(prints))
            _note_moments(bot, moments, len(prints))
            prints.append(recorder.fingerprint())
            step(bot)
        presence = msgspec.json.encode(bot.report().presence)
        digest, answers, states = bot.engine.digest.hex(), recorder.answers(), recorder.states()
    return Run(digest, answers, decisions_of(bot.run / "journal.sqlite"), presence, states, prints, moments)


def _note_moments(bot: Bot, moments: dict[str, int], number: int) -> None:
    """The first steps of some kinds: with an order in flight, with a position held, before a round, at its last one."""
    if list(bot.engine.desk.orders):
        moments.setdefault("an order is in flight", number)
    if bot.engine.desk.books.positions:
        moments.setdefault("a position is held", number)
        moments["the last with a position"] = number
    if bot.session.next_ns() == bot.session._due_ns:
        moments["before a round"] = number


def decisions_of(journal: Path) -> bytes:
    """Every decision, order, fill and settlement in its order, without the names of releases and the numbers of inputs
    (a deploy is an input, too)."""
    records = (record for record in read_journal(journal) if type(record.entry).__name__ not in NOT_COMPARED)
    kept = [(record.at_ns, _without_names(msgspec.to_builtins(record.entry))) for record in records]
    return msgspec.json.encode(kept, order="deterministic")


def _without_names(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_names(item) for key, item in value.items() if key not in NAMES}
    return value
