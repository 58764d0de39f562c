"""One bot, put together: configuration, live code, engine, broker, journal, and one folder for each run.

A simulated or recorded market begins anew at each start, so its books do too: every run has a folder of its own below
`data/runs/`, and what earlier runs wrote stays there.
"""

import contextlib
import fcntl
import os
import re
import time
from collections import deque
from pathlib import Path
from typing import IO, Literal

import msgspec

from foresight.bot_folder import BotFolder
from foresight.broker import PaperBroker
from foresight.config import Config
from foresight.effects import Evaluate, Journal, Notify
from foresight.engine import Engine, EngineReport, report_of
from foresight.errors import BotBusy, DesiredRefused
from foresight.events import Answer, Command, Decided, JournalChecked, Raised
from foresight.ledger.projection import Projection
from foresight.runtime.clock import Clock, wall_ns
from foresight.runtime.desired import overridden, read_desired
from foresight.runtime.documents import (
    Context,
    positions_document,
    presence_document,
    status_document,
)
from foresight.runtime.journal import JournalWriter
from foresight.runtime.log import open_log
from foresight.runtime.session import Session
from foresight.runtime.state_files import encode, write_atomic
from foresight.sources import Source
from tesseract import Contract, InProcessHost, Release, Seam, take_release

CONTRACT = Contract(entry="evaluate", answer=Answer)
NOTICES_SHOWN = 200
LOCK_ATTEMPTS = 5
LOCK_RETRY_S = 0.05


class RunSink:
    """Journal entries go to the journal, notices to the log and to the screen's memory."""

    def __init__(self, folder: BotFolder, run: Path) -> None:
        self.notices: deque[Notify] = deque(maxlen=NOTICES_SHOWN)
        self.noticed = 0
        self._log, self._close_log = open_log(folder.data / "log.jsonl")
        self.projection = Projection(run / "ledger.sqlite")
        self.projection.rebuild(())
        self.journal_writer = JournalWriter(run / "journal.sqlite", self.projection)

    def answered(self, asked: Evaluate, answer: Decided | Raised) -> None:
        """The engine's own memory of the last answer is enough for the screen."""

    def journal(self, effect: Journal) -> None:
        self.journal_writer.append(effect)

    def notify(self, effect: Notify) -> None:
        self.notices.append(effect)
        self.noticed += 1
        say = {"info": self._log.info, "warning": self._log.warning, "error": self._log.error}[effect.level]
        say(effect.text, at_ns=effect.at_ns)

    def close(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_log)
            stack.callback(self.projection.close)
            stack.callback(self.journal_writer.close)


class Bot:
    """Everything of one run but the waiting. `close` leaves in order."""

    def __init__(self, config: Config, source: Source, clock: Clock, *, speed: float | None) -> None:
        """Raises BotBusy while another process runs this bot, ReleaseRefused for live code that breaks its contract,
        DesiredRefused for overrides that do not fit, and JournalRefused or LedgerRefused for a disk that takes nothing;
        nothing is left running then."""
        self.folder = BotFolder(config.folder)
        self.source = source
        self.clock = clock
        self.speed = speed
        self._told: str | None = None
        with contextlib.ExitStack() as stack:
            stack.enter_context(_lock(self.folder))
            self.seam = _seam(self.folder, config)
            stack.callback(self.seam.close)
            self.run = _new_run(self.folder, source.origin)
            self.engine = Engine(config.settings(source.origin), source.start_ns)
            self.sink = RunSink(self.folder, self.run)
            stack.callback(self._write_stopped)
            stack.callback(self.sink.close)
            broker = PaperBroker(self.engine.markets.books.get)
            self.session = Session(self.engine, source, self.seam, broker, clock=clock, sink=self.sink)
            self._on_close = stack.pop_all()

    def use_clock(self, clock: Clock) -> None:
        """From now on time is this clock's: the one that runs, once the history has been taken."""
        self.clock = clock
        self.session.use_clock(clock)

    def report(self) -> EngineReport:
        return report_of(self.engine, max(self.clock.now_ns(), self.engine.start_ns))

    def warn(self, text: str) -> None:
        """A notice from the process itself, beside the engine's own."""
        self.sink.notify(Notify(self.clock.now_ns(), "warning", text))

    def problems(self) -> list[str]:
        """What a person should know now, worst first."""
        found = []
        failure = self.sink.journal_writer.problem()
        if failure is not None:
            found.append(f"the journal cannot be written: {failure}; no entries meanwhile")
        limit_ms, drift_ms = self.engine.settings.risk.clock_drift_max_ms, self.engine.desk.account.drift_ms
        if abs(drift_ms) > limit_ms:
            found.append(f"the wall clock has stepped by {drift_ms:.0f} ms; no orders until the bot is started again")
        return found

    def documents(self, *, running: bool) -> dict[str, bytes]:
        """The observed documents of this instant, by file name."""
        report = self.report()
        context = Context(
            source_name=self.source.name,
            speed=self.speed,
            pid=os.getpid(),
            running=running,
            run=self.run.name,
            written_at_ns=wall_ns(),
            problems=self.problems(),
        )
        return {
            "status.json": encode(status_document(report, context)),
            "presence.json": encode(presence_document(report)),
            "positions.json": encode(positions_document(report)),
        }

    def write(self, documents: dict[str, bytes]) -> None:
        """Replaces the observed documents. A disk that refuses is told once: the old ones then still stand, and
        the next second tries again."""
        try:
            for name, content in documents.items():
                write_atomic(self.folder.observed / name, content)
        except OSError as error:
            self._warn_once(f"state files cannot be written: {error}; the old ones still stand")
        else:
            self._told = None

    def _warn_once(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self.warn(text)

    def check_journal(self) -> None:
        """Tells the engine whether the journal can be written; it takes no entries while it cannot."""
        self.session.take(JournalChecked(self.clock.now_ns(), self.sink.journal_writer.problem() is None))

    def check_halt(self) -> None:
        """Halts entries, or resumes them, as `state/desired.json` asks; a document that is wrong changes nothing."""
        try:
            desired = read_desired(self.folder.state / "desired.json")
        except DesiredRefused as error:
            self._warn_once(str(error))
            return
        if desired.halted != self.engine.desk.account.is_halted:
            name: Literal["halt", "resume"] = "halt" if desired.halted else "resume"
            self.session.take(Command(self.clock.now_ns(), name, desired.author))

    def close(self) -> None:
        """Makes the journal whole, says in the state files that the bot has stopped, and lets another one start;
        each of these whatever became of the one before."""
        self._on_close.close()

    def _write_stopped(self) -> None:
        self.write(self.documents(running=False))


def _lock(folder: BotFolder) -> IO[str]:
    for part in (folder.state, folder.observed, folder.requests, folder.data, folder.releases, folder.runs):
        part.mkdir(parents=True, exist_ok=True)
    file = (folder.state / "lock").open("a+")
    try:
        _take(file)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise BotBusy(
            f"{folder.root} is already run by process {holder}; stop it first, or use another --bot"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _take(file: IO[str]) -> None:
    """Takes the lock. Somebody who only looks at it holds it for a moment, so it is tried a few times."""
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt == LOCK_ATTEMPTS - 1:
                raise
            time.sleep(LOCK_RETRY_S)
        else:
            return


def _seam(folder: BotFolder, config: Config) -> Seam[Answer]:
    release = _numbered(take_release(folder.strategy, folder.releases, number=0, origin="start", now_ns=wall_ns()))
    host = InProcessHost(release, CONTRACT, budget_s=config.evaluation.budget_ms / 1000)
    try:
        desired = read_desired(folder.state / "desired.json")
        return Seam(host, Answer, params=overridden(host.params_type, desired), revision=desired.revision)
    except DesiredRefused:
        host.close()
        raise


def _numbered(release: Release) -> Release:
    """The release with its number: that of its content when it ran before, else the next one of this bot."""
    index = release.path.parent.parent / "numbers.json"
    try:
        numbers = msgspec.json.decode(index.read_bytes(), type=dict[str, int])
    except (FileNotFoundError, msgspec.MsgspecError):
        numbers = {}
    number = numbers.get(release.digest, max(numbers.values(), default=0) + 1)
    write_atomic(index, msgspec.json.encode({**numbers, release.digest: number}))
    return msgspec.structs.replace(release, number=number)


def _new_run(folder: BotFolder, origin: str) -> Path:
    """A new folder, numbered after the last; other names there do not count."""
    found = (re.match(r"(\d+)-", path.name) for path in folder.runs.iterdir())
    run = folder.runs / f"{max((int(name[1]) for name in found if name), default=0) + 1:04d}-{origin}"
    run.mkdir()
    return run
