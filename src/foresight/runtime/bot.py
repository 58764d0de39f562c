"""One bot, put together: configuration, live code, engine, broker, journal, and one folder for each run.

A simulated or recorded market begins anew at each start, so its books do too: every run has a folder of its own below
`data/runs/`, and what earlier runs wrote stays there.
"""

import contextlib
import gc
import os
from collections import deque
from pathlib import Path
from typing import Literal

import msgspec

from foresight.bot_folder import BotFolder
from foresight.broker import PaperBroker
from foresight.config import Config
from foresight.effects import Evaluate, Journal, Notify
from foresight.engine import Engine, EngineReport, report_of
from foresight.engine.settings import way_ns_at
from foresight.events import ClockChecked, Command, Decided, Event, JournalChecked, Raised
from foresight.feeds.health import Feeding
from foresight.ledger.projection import Projection
from foresight.record import Recorder
from foresight.record.tap import Tap
from foresight.runtime.alarm import Alarm
from foresight.runtime.clock import Clock, wall_ns
from foresight.runtime.desired import Desired, Numbers
from foresight.runtime.documents import (
    Context,
    feeds_document,
    iso,
    positions_document,
    presence_document,
    status_document,
)
from foresight.runtime.journal import JournalWriter
from foresight.runtime.live_code import LiveCode
from foresight.runtime.log import open_log
from foresight.runtime.operator import AnswerDocument, Found, Inbox, answer, params_document
from foresight.runtime.run_folder import lock, new_run
from foresight.runtime.session import Session
from foresight.runtime.state_files import encode, write_atomic
from foresight.runtime.topics import Topics
from foresight.sources import Source
from foresight.strategy import View
from tesseract import Request, RequestRefused

NOTICES_SHOWN = 200
ASKED_MAX = 1_000
"""Ids of requests that are remembered, so that none is carried out twice."""
GIGABYTE = 1_000_000_000


class RunSink:
    """Journal entries go to the journal, notices to the log and to the screen's memory."""

    def __init__(self, folder: BotFolder, run: Path) -> None:
        self.notices: deque[Notify] = deque(maxlen=NOTICES_SHOWN)
        self.noticed = 0
        self.tap: Tap | None = None
        self._log, self._close_log = open_log(folder.data / "log.jsonl")
        self.projection = Projection(run / "ledger.sqlite")
        self.projection.rebuild(())
        self.journal_writer = JournalWriter(run / "journal.sqlite", self.projection)

    def answered(self, asked: Evaluate, answer: Decided | Raised) -> None:  # noqa: ARG002 - the answer is an input
        """The journal keeps beside an answer what was asked."""
        if self.tap is not None:
            self.tap.asked(asked)

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

    def __init__(
        self,
        config: Config,
        source: Source,
        clock: Clock,
        *,
        speed: float | None,
        in_process: bool = True,
        feeds: Feeding | None = None,
        is_locked: bool = False,
    ) -> None:
        """Without a `speed` it is driven in lock-step, with nobody to be late for. With `in_process` live code runs in
        this process, and is not followed; else it has processes of its own. It does not run before `start` or
        `start_here`. `is_locked`: who makes it holds the folder's lock already.

        Raises BotBusy while another process runs this bot, DesiredRefused for a document that cannot be understood, and
        JournalRefused or LedgerRefused for a disk that takes nothing; nothing is left running then."""
        self.folder = BotFolder(config.folder)
        self.source = source
        self.feeds = feeds
        self.alarm = Alarm()
        self.clock = clock
        self.speed = speed
        self._told: str | None = None
        self._asked: dict[str, None] = {}
        self._params_asked = ""
        self._refused_number = ""
        with contextlib.ExitStack() as stack:
            if not is_locked:
                stack.enter_context(lock(self.folder))
            self.inbox = Inbox(self.folder)
            self._desired = self.inbox.start()
            self._numbers = Numbers(self._desired)
            self.run = new_run(self.folder, source.origin)
            settings = config.settings(source.origin)
            settings = msgspec.structs.replace(settings, way_ns=way_ns_at(speed))
            self.engine = Engine(settings, source.start_ns)
            self.sink = RunSink(self.folder, self.run)
            stack.callback(self._write_stopped)
            stack.callback(self.sink.close)
            self.recorder = self._new_recorder(config)
            self.tap = self.sink.tap = Tap(self.engine, self.sink.journal_writer, self.recorder, source.name)
            stack.callback(self.tap.close)
            self.live = LiveCode(
                config,
                self.folder,
                in_process=in_process,
                now_ns=self._venue_ns,
                on_engine_event=self._take,
                on_answer=self._answer,
                on_progress=self._progress,
                shadow_sees=self._shadow_sees,
                shadow_report=lambda: None if self.engine.shadow is None else self.engine.shadow.report(),
                warn=self.warn,
                topics=Topics(feeds, config.slots.assets, declare=self._take, now_ns=self._venue_ns),
            )
            stack.callback(self.live.runtime.close)
            broker = PaperBroker(self.engine.markets.books.get)
            self.session = Session(
                self.engine, source, self.live.runtime.seam, broker, clock=clock, sink=self.sink, tap=self.tap.take
            )
            self.session.on_trip = self.live.trip
            self.session.on_begin = self.tap.begin
            if feeds is not None:
                self.session.on_rebuild = feeds.rebuild
            self._on_close = stack.pop_all()

    def _new_recorder(self, config: Config) -> Recorder | None:
        """In lock-step nothing is hurt when it waits for its writer."""
        if not config.record.on:
            return None
        folder = self.folder.record / self.run.name
        return Recorder(folder, config.record.keep_gb * GIGABYTE, self.warn, is_patient=self.speed is None)

    def _take(self, event: Event) -> None:
        self.session.take(event)

    def _venue_ns(self) -> int:
        return max(self.clock.now_ns(), self.engine.start_ns)

    async def start(self) -> None:
        """Brings live code up in processes of its own. Raises ReleaseRefused, with every reason, when none can be
        used."""
        await self.live.runtime.start(overrides=self._desired.params, revision=self._desired.revision)
        self._after_start()
        gc.collect()
        gc.freeze()  # what the start has made stays; to look through it later would hold the loop up for 16 ms
        self._on_close.callback(gc.unfreeze)

    def start_here(self) -> None:
        """As `start`, inside this process."""
        self.live.runtime.start_in_process(overrides=self._desired.params, revision=self._desired.revision)
        self._after_start()
        self.live.take_tree()

    def _shadow_sees(self, view: View) -> View:
        return view if self.engine.shadow is None else self.engine.shadow.view_of(view)

    def _after_start(self) -> None:
        self.live.started()
        for request in self.inbox.old_requests():
            self._answer(request, False, "it was asked before this run began, and nothing was done; ask again")
        self._halt_or_resume(self._desired)
        self.live.pin(self._desired.pin, self._desired.author)

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
        record = None if self.recorder is None else self.recorder.problem()
        if record is not None:
            found.append(f"market data is not recorded: {record}; the bot goes on")
        if self.feeds is not None:
            found += self.feeds.problems()
        limit_ms, drift_ms = self.engine.settings.risk.clock_drift_max_ms, self.engine.desk.account.drift_ms
        if abs(drift_ms) > limit_ms:
            found.append(self._clock_problem(drift_ms))
        return found

    def _clock_problem(self, drift_ms: float) -> str:
        if self.feeds is not None and round(self.feeds.clock_offset_ms()) == drift_ms:
            return f"the venue's clock is {drift_ms:+.0f} ms from ours; no orders until they agree"
        until = "the bot is started again" if self.feeds is None else "the venue tells its own"
        return f"the wall clock has stepped by {drift_ms:.0f} ms; no orders until {until}"

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
            deploy=self.live.document(),
        )
        feeds = (
            {}
            if self.feeds is None
            else {"feeds.json": encode(feeds_document(self.feeds.health(), self.source.origin))}
        )
        return {
            **feeds,
            "status.json": encode(status_document(report, context)),
            "presence.json": encode(presence_document(report)),
            "positions.json": encode(positions_document(report)),
            "deploy.json": encode(context.deploy),
            "params.json": encode(params_document(self.live.runtime.seam.strategies, iso(context.written_at_ns))),
        }

    def write(self, documents: dict[str, bytes]) -> None:
        """Replaces the observed documents. A disk that refuses is told once: the old ones then still stand, and
        the next second tries again."""
        try:
            self.folder.observed.mkdir(parents=True, exist_ok=True)
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
        """Tells the engine when it changes whether the journal can be written; it takes no entries while it cannot."""
        is_writable = self.sink.journal_writer.problem() is None
        if is_writable != self.engine.desk.account.has_journal:
            self.session.take(JournalChecked(self.clock.now_ns(), is_writable))
        if self.recorder is not None:
            self.recorder.hand_over()

    def check_clock(self, drift_ms: float) -> None:
        """Tells the engine when it changes by how many milliseconds the clock is off: against the venue's, and where
        the venue does not tell its own, by how far the wall's has stepped, if that is more."""
        offset_ms = 0.0 if self.feeds is None else self.feeds.clock_offset_ms()
        is_told = self.feeds is not None and self.feeds.clock_is_told()
        whole_ms = float(round(offset_ms if is_told or abs(offset_ms) > abs(drift_ms) else drift_ms))
        if whole_ms != self.engine.desk.account.drift_ms:
            self.session.take(ClockChecked(self.clock.now_ns(), whole_ms))

    def obey(self, found: Found) -> None:
        """Carries out what one look at the operator's files has found."""
        for told in (found.desired_problem, found.requests_problem, *(problem for _, problem in found.bad)):
            if told is not None:
                self.warn(told)
        if found.desired is not None:
            self._desire(found.desired)
        for name, problem in found.bad:
            self._answer(name, False, problem)
        for request in found.requests:
            self._request(request.request())

    def _desire(self, desired: Desired) -> None:
        self._halt_or_resume(desired)
        self.live.pin(desired.pin, desired.author)
        problem = self._numbers.problem_with(desired)
        if problem is not None:
            self._refuse_number(desired, problem)
            return
        if desired.name == self._refused_number:
            self._write_answer(desired.name, "done", f"r{desired.revision} is what it has been again; nothing was done")
        self._refused_number = ""
        before, self._desired = self._desired, desired
        if (desired.params, desired.revision) == (before.params, before.revision) or self._is_in_force(desired):
            return
        self._numbers.asked(desired)
        request = Request(
            id=desired.name,
            action="params",
            author=desired.author,
            overrides=desired.params,
            revision=desired.revision,
        )
        self._asked.pop(request.id, None)  # a document that goes back to an earlier revision means it
        self._params_asked = request.id
        self._request(request)

    def _refuse_number(self, desired: Desired, problem: str) -> None:
        """The parameters of before stay what is desired; a request that is on its way under the number goes on."""
        self._refused_number = desired.name
        text = self.live.refuse(f"parameters r{desired.revision}", problem)
        self._write_answer(desired.name, "refused", text)

    def _is_in_force(self, desired: Desired) -> bool:
        """Whether nothing is on its way and what runs is what is desired: a refused document was put back."""
        specs = [host.spec for host in self.live.runtime.seam.strategies.values()]
        runs_it = all((each.overrides, each.revision) == (desired.params, desired.revision) for each in specs)
        return runs_it and not self._params_asked

    def _halt_or_resume(self, desired: Desired) -> None:
        if desired.halted != self.engine.desk.account.is_halted:
            name: Literal["halt", "resume"] = "halt" if desired.halted else "resume"
            self.session.take(Command(self._venue_ns(), name, desired.author))

    def _request(self, request: Request) -> None:
        if request.id in self._asked:
            return
        self._asked[request.id] = None
        while len(self._asked) > ASKED_MAX:
            self._asked.pop(next(iter(self._asked)))
        what = " ".join((request.where, *request.canary)) if request.overrides is None else str(request.overrides)
        self.session.take(Command(self._venue_ns(), _command(request), request.author, what))
        self._write_answer(request.id, "accepted", "")
        try:
            self.live.request(request)
        except RequestRefused as error:
            self.warn(f"the {_command(request)} refused: {error}")
            self._answer(request.id, False, str(error))

    def _answer(self, request: str, is_done: bool, text: str) -> None:
        self._numbers.answered(request, is_done=is_done)
        if request == self._params_asked:
            self._params_asked = ""
        if request in self._asked or not request.startswith(("watch-", "start")):
            self._write_answer(request, "done" if is_done else "refused", text)

    def _progress(self, request: str, text: str) -> None:
        if request in self._asked:
            self._write_answer(request, "accepted", text)

    def _write_answer(self, request: str, state: Literal["accepted", "done", "refused"], text: str) -> None:
        if not request:
            return
        document = AnswerDocument(id=request, state=state, text=text, answered_at=iso(wall_ns()))
        try:
            answer(self.folder, document)
        except OSError as error:
            self._warn_once(f"the answer to {request} cannot be written: {error}; it was {state}: {text}")

    def close(self) -> None:
        """Makes the journal whole, says in the state files that the bot has stopped, and lets another one start;
        each of these whatever became of the one before."""
        self._on_close.close()

    def _write_stopped(self) -> None:
        self.write(self.documents(running=False))


def _command(request: Request) -> Literal["deploy", "rollback", "keep", "params"]:
    match request.action:
        case "rollback" | "keep" | "params" as name:
            return name
    return "deploy"
