"""Puts every input of the engine where it belongs: market data and timers to the record, all else to the journal."""

import platform
from importlib import metadata

from foresight.effects import Evaluate
from foresight.engine import Engine
from foresight.events import Decided, Event, Raised
from foresight.record.kinds import RECORDED
from foresight.record.recorder import Recorder
from foresight.runtime.journal import JournalWriter
from foresight.runtime.journal_inputs import Begun, Checkpoint, Taken

CHECK_EVERY = 1_000
"""Inputs between two digests in the journal: a crashed run can be compared up to its last one."""


class Tap:
    """One run's. `recorder` is None where the operator keeps no record."""

    def __init__(self, engine: Engine, journal: JournalWriter, recorder: Recorder | None, source: str) -> None:
        self._engine = engine
        self._journal = journal
        self._recorder = recorder
        self._source = source
        self._asked: Evaluate | None = None

    def begin(self, history_ns: int) -> None:
        """What the engine is told at its start, which a replay is told too."""
        self._journal.keep(
            Begun(
                foresight=metadata.version("foresight"),
                python=platform.python_version(),
                settings=self._engine.settings,
                start_ns=self._engine.start_ns,
                history_ns=history_ns,
                source=self._source,
            )
        )

    def asked(self, asked: Evaluate) -> None:
        """What the next input is the answer to."""
        self._asked = asked

    def take(self, seq: int, event: Event) -> None:
        """An input, after the engine has taken it."""
        if type(event) in RECORDED:
            if self._recorder is not None:
                self._recorder.take(seq, event)  # type: ignore[arg-type]  # its type is one of these
        else:
            is_answer = isinstance(event, Decided | Raised)
            self._journal.keep(Taken(seq, event, self._asked if is_answer else None))  # type: ignore[arg-type]
        if seq % CHECK_EVERY == 0:
            self._journal.keep(Checkpoint(seq, self._engine.digest.hex()))

    def close(self) -> None:
        """The run has ended in order: its last digest, and the record made whole."""
        try:
            self._journal.keep(Checkpoint(self._engine.seq, self._engine.digest.hex(), is_last=True))
        finally:
            if self._recorder is not None:
                self._recorder.close()
