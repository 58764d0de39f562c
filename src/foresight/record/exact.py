"""Replays a run from what it wrote: the same inputs into a fresh engine, and everything it decides compared.

The engine is told what it was told at its start, and takes the inputs of record and journal in the order of their
numbers. The journal entries that it makes are compared with those on disk, one by one, and the digest over all
decisions with those that the run left on its way (invariant 7).
"""

import heapq
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import msgspec

from foresight.effects import Effect, Journal, JournalEntry
from foresight.engine import Engine
from foresight.errors import JournalRefused
from foresight.events import Event
from foresight.markets import Origin
from foresight.record.reading import RunRecord
from foresight.runtime.journal import Record, opened_to_read, read_journal
from foresight.runtime.journal_inputs import Begun, Checkpoint, read_begun, read_checkpoints, read_inputs

PROGRESS_EVERY = 20_000
SHOWN_MAX = 300

Progress = Callable[[int], None]


class Difference(msgspec.Struct, frozen=True):
    """The first thing that came out otherwise: after which input, of what kind, and both sides."""

    seq: int
    kind: str
    text: str


class Exact(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found. `inputs` were taken, from 1 on without a gap; `missing` says why no more were, None where
    there are no more. `digest` is the replay's after the last of them, `recorded_digest` the run's own after input
    `compared_to`, the last at which both are known. `has_ended` says that the run ended in order, at its last input.
    `origin` is where the inputs came from."""

    run: str
    origin: Origin
    foresight: str
    inputs: int
    entries: int
    digest: str
    recorded_digest: str | None
    compared_to: int
    has_ended: bool
    difference: Difference | None
    missing: str | None
    problems: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Everything was there, and came out the same."""
        return self.difference is None and self.missing is None


def replay_run(record_folder: Path, journal: Path, on_progress: Progress | None = None) -> Exact:
    """Replays the run whose record lies in `record_folder`. Raises JournalRefused and RecordRefused where nothing can
    be begun with."""
    record = RunRecord(record_folder)
    with opened_to_read(journal) as connection:
        begun = read_begun(connection, journal)
        inputs = _Inputs(record, connection, journal)
        replay = _Replay(begun, list(read_checkpoints(connection)), _Entries(journal))
        replay.run(inputs.merged(), on_progress)
    if replay.difference is None and replay.missing is None and inputs.missing is None:
        replay.look_behind_the_end(inputs.ends())
    return Exact(
        run=record_folder.name,
        origin=begun.settings.origin,
        foresight=begun.foresight,
        inputs=replay.engine.seq,
        entries=replay.entries,
        digest=replay.engine.digest.hex(),
        recorded_digest=replay.recorded_digest,
        compared_to=replay.compared_to,
        has_ended=replay.has_ended,
        difference=replay.difference,
        missing=inputs.missing or replay.missing,
        problems=tuple(record.problems),
    )


class _Replay:
    """One run through one engine, and what was found on the way."""

    def __init__(self, begun: Begun, checkpoints: list[Checkpoint], recorded: "_Entries") -> None:
        self.engine = Engine(begun.settings, begun.start_ns)
        self.entries = 0
        self.difference: Difference | None = None
        self.missing: str | None = None
        self.recorded_digest: str | None = None
        self.compared_to = 0
        self.has_ended = False
        self._recorded = recorded
        self._history_ns = begun.history_ns
        self._checkpoints = {each.seq: each for each in checkpoints}
        self._ends_in_order = any(each.is_last for each in checkpoints)

    def run(self, inputs: Iterator[tuple[int, Event]], on_progress: Progress | None) -> None:
        """To the last input, or to the first difference."""
        handle, checkpoints = self.engine.handle, self._checkpoints
        self._compare(self.engine.start(self._history_ns), "start")
        for seq, event in inputs:
            effects = handle(event)
            if effects:
                self._compare(effects, type(event).__name__)
            if seq in checkpoints:
                self._check(checkpoints[seq], type(event).__name__)
            if on_progress is not None and seq % PROGRESS_EVERY == 0:
                on_progress(seq)
            if self.difference is not None or self.missing is not None:
                return

    def look_behind_the_end(self, ends: str) -> None:
        """What the run wrote about inputs after the last that is there; `ends` says where these end."""
        kept = self._recorded.next()
        if kept is not None and kept.input_seq <= self.engine.seq:
            text = f"journal entry {kept.seq} is {_shown(kept)}; the replay makes none"
            self.difference = Difference(kept.input_seq, "end", text)
            return
        last = max([*self._checkpoints, 0 if kept is None else kept.input_seq])
        if last > self.engine.seq:
            self.missing = f"{_span(self.engine.seq + 1, last)} not there: {ends}"

    def _compare(self, effects: Sequence[Effect], kind: str) -> None:
        for effect in effects:
            if isinstance(effect, Journal) and self.difference is None and self.missing is None:
                self._compare_entry(effect, kind)

    def _compare_entry(self, made: Journal, kind: str) -> None:
        kept = self._recorded.next()
        if kept is None:
            self._without_entry(made, kind)
            return
        self.entries += 1
        if (kept.input_seq, kept.at_ns, _body(kept.entry)) != (made.seq, made.at_ns, _body(made.entry)):
            at = _common(_text(kept), _text(made))
            text = f"journal entry {kept.seq} is {_shown(kept, at)}; the replay makes {_shown(made, at)}"
            self.difference = Difference(made.seq, kind, text)

    def _without_entry(self, made: Journal, kind: str) -> None:
        """The journal gives no more. A run that was killed may have lost its last entries, and still has their
        inputs."""
        if self._recorded.damage is not None:
            self.missing = self._recorded.damage
        elif self._ends_in_order:
            self.difference = Difference(
                made.seq, kind, f"the journal has no more entries; the replay makes {_shown(made)}"
            )

    def _check(self, kept: Checkpoint, kind: str) -> None:
        self.recorded_digest, self.compared_to, self.has_ended = kept.digest, kept.seq, kept.is_last
        if kept.digest != self.engine.digest.hex():
            text = f"the digest over all decisions was {kept.digest}; the replay's is {self.engine.digest.hex()}"
            self.difference = Difference(kept.seq, kind, text)


class _Entries:
    """The run's journal entries, one after the other; `damage` says where they cannot be read any more."""

    def __init__(self, journal: Path) -> None:
        self._entries = read_journal(journal)
        self.damage: str | None = None

    def next(self) -> Record | None:
        try:
            return next(self._entries, None)
        except JournalRefused as refused:
            self.damage = str(refused)
            return None


class _Inputs:
    """The inputs of record and journal in the order of their numbers. `missing` says why they ended, where they did so
    before their end."""

    def __init__(self, record: RunRecord, connection: sqlite3.Connection, journal: Path) -> None:
        self.missing: str | None = None
        self._record = record
        self._connection = connection
        self._journal = journal
        self._damage: str | None = None
        self._last_of_journal = 0

    def merged(self) -> Iterator[tuple[int, Event]]:
        """From 1 on, without a gap."""
        expected = 1
        for seq, event in heapq.merge(self._record.events(), self._of_journal(), key=itemgetter(0)):
            if seq != expected:
                self.missing = self._hole(expected, seq - 1)
                return
            yield seq, event
            expected += 1
        self.missing = self._damage

    def _of_journal(self) -> Iterator[tuple[int, Event]]:
        try:
            for seq, event in read_inputs(self._connection, self._journal):
                self._last_of_journal = seq
                yield seq, event
        except JournalRefused as refused:
            self._damage = str(refused)

    def _hole(self, first: int, last: int) -> str:
        """Whose inputs are not there, as far as it can be told: what the record does not lack is the journal's."""
        why = self._record.why(first)
        if why is None and first <= self._record.complete_to:
            why = self._damage or f"missing in {self._journal}"
        return f"{_span(first, last)} not there: {why or self.ends()}"

    def ends(self) -> str:
        """Where the inputs on disk end."""
        return f"{self._record.end()}, and {self._journal} has inputs up to {self._last_of_journal:,}"


def _span(first: int, last: int) -> str:
    return f"input {first:,} is" if first == last else f"inputs {first:,} to {last:,} are"


def _body(entry: JournalEntry) -> bytes:
    return msgspec.json.encode(entry)


def _text(made: Record | Journal) -> str:
    seq = made.input_seq if isinstance(made, Record) else made.seq
    return f"{_body(made.entry).decode()} after input {seq:,} at {made.at_ns}"


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def _shown(made: Record | Journal, at: int = 0) -> str:
    """An entry as people read it; of a long one what stands around the place `at`."""
    text = _text(made)
    start = max(0, at - SHOWN_MAX // 2) if len(text) > SHOWN_MAX else 0
    end = start + SHOWN_MAX
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
