"""A bot's record, evaluations, trades and presence as Polars frames, for notebooks: `foresight.open("bot")`.

Everything is opened read-only and looked at anew by each call, so it may be a bot that runs or one that has stopped.
Every column that is a time in `_ns` is nanoseconds since 1970 in UTC of venue time: `pl.from_epoch("at_ns",
time_unit="ns")` makes it a date. `_micros` is millionths of a dollar, of a share, or of $1 per share.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import polars as pl

from foresight.bot_folder import BotFolder
from foresight.errors import BotFolderRefused, RecordRefused
from foresight.events import Decided, Raised
from foresight.ledger.projection import TradeRow, fold_trades
from foresight.record.frames import lazy_frame
from foresight.record.index import run_order
from foresight.record.kinds import KINDS
from foresight.record.reading import RunRecord
from foresight.record.rows import FIELDS, KIND, SEQ
from foresight.runtime.documents import PresenceDocument
from foresight.runtime.journal import ledger_entries, opened_to_read
from foresight.runtime.state_files import read_plain
from foresight.strategy import Enter, Exit

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
ANSWERS_AT_ONCE = 5_000
"""As Python objects an answer takes ten times the room that it takes in a frame."""
VERDICTS = pl.List(
    pl.Struct({"gate": pl.String, "answer": pl.String, "value": pl.Float64, "limit": pl.String, "unit": pl.String})
)
EVALUATIONS: dict[str, pl.DataType] = {
    "seq": pl.Int64(),
    "at_ns": pl.Int64(),
    "evaluation_id": pl.Int64(),
    "slot": pl.String(),
    "market": pl.String(),
    "due_ns": pl.Int64(),
    "release": pl.String(),
    "revision": pl.Int64(),
    "took_ns": pl.Int64(),
    "ended": pl.String(),
    "fair": pl.Float64(),
    "proposal": pl.String(),
    "outcome": pl.String(),
    "limit_micros": pl.Int64(),
    "stake_micros": pl.Int64(),
    "why": pl.String(),
    "verdicts": VERDICTS,
    "text": pl.String(),
}
TRADES: dict[str, pl.DataType] = {
    name: pl.Int64() if "int" in str(kind) else pl.String() for name, kind in TradeRow.__annotations__.items()
}
PRESENCE: dict[str, pl.DataType] = {
    "slot": pl.String(),
    **{name: pl.Int64() for name in ("due", "done", "late", "missed", "blind", "on_event")},
    **{name: pl.Float64() for name in ("lateness_p50_ms", "lateness_p99_ms", "lateness_max_ms")},
    "missed_by_cause": pl.List(pl.Struct({"cause": pl.String, "count": pl.Int64})),
}


class BotData:
    """What a bot has written. `run` is the name of a run, such as `0003-simulated`; by default the newest."""

    def __init__(self, bot: str | Path) -> None:
        """Raises BotFolderRefused for a folder that is no bot's."""
        self.folder = BotFolder(Path(bot))
        if not self.folder.config.exists():
            raise BotFolderRefused(f"{bot} is no bot's folder: it has no bot.toml")

    def __repr__(self) -> str:
        return f"foresight.open({str(self.folder.root)!r})"

    def runs(self) -> list[str]:
        """The names of all runs, oldest first."""
        names = (path.parent.name for path in self.folder.runs.glob("*/journal.sqlite"))
        return sorted(names, key=run_order)

    def record(self, kind: str | None = None, run: str | None = None) -> pl.LazyFrame:
        """Every market input and timer on disk, in the engine's order: lazily, because a day is millions of rows.

        `kind` is the name of an event, such as `"Quote"`; the columns are then its own, else those of all kinds, null
        where a kind has none. The newest half minute of a running bot is not there yet. A segment that is damaged is
        named by a warning when the frame is collected, and left out. Raises RecordRefused for a run that has no
        record, and for a kind that is none."""
        folder = self.folder.record / self._run(run)
        if not folder.is_dir():
            raise RecordRefused(f"run {folder.name} has no record; [record] on was false, or there was no input yet")
        frame = lazy_frame(folder)
        if kind is None:
            return frame
        if kind not in KINDS:
            raise RecordRefused(f"{kind} is no kind of the record; they are {', '.join(KINDS)}")
        columns = [field.column for field in FIELDS[kind]]
        return frame.filter(pl.col(KIND) == kind).select(SEQ, *columns)

    def missing(self, run: str | None = None) -> pl.DataFrame:
        """What the record of a run lacks, after reading all of it: `first_seq`, `last_seq` and why in `text`."""
        record = RunRecord(self.folder.record / self._run(run))
        for _ in record.events():
            pass
        rows = [(hole.first, hole.last, hole.text) for hole in record.holes]
        return _frame(rows, {"first_seq": pl.Int64(), "last_seq": pl.Int64(), "text": pl.String()})

    def evaluations(self, run: str | None = None) -> pl.DataFrame:
        """Every answer of live code: which slot, due when, by which release, what it said. A signal is a column
        `signal_<name>`."""
        parts = [_evaluations([])]
        with opened_to_read(self._journal(run)) as connection:
            answers = connection.execute(
                "SELECT seq, slot, market, due_ns, body FROM inputs WHERE kind IN ('Decided', 'Raised') ORDER BY seq"
            )
            while rows := answers.fetchmany(ANSWERS_AT_ONCE):
                parts.append(_evaluations(rows))
        return pl.concat(parts, how="diagonal")

    def trades(self, run: str | None = None) -> pl.DataFrame:
        """All trades, open and closed, oldest first, folded from the journal: money is exact, in micros."""
        rows = [msgspec.structs.astuple(row) for row in fold_trades(ledger_entries(self._journal(run)))]
        return _frame(rows, TRADES)

    def presence(self) -> pl.DataFrame:
        """Of the newest run, the evaluations of each slot: how many were due, done, late, missed and blind, how late,
        and why they were missed. Raises BotFolderRefused before the bot has run."""
        path = self.folder.observed / "presence.json"
        try:
            document = msgspec.json.decode(read_plain(path, DOCUMENT_BYTES_MAX), type=PresenceDocument)
        except (OSError, msgspec.MsgspecError) as error:
            raise BotFolderRefused(f"{path} cannot be read: {error}") from None
        rows = [
            (
                slot.slot, slot.due, slot.done, slot.late, slot.missed, slot.blind, slot.on_event,
                slot.lateness_ms.p50, slot.lateness_ms.p99, slot.lateness_ms.max,
                [{"cause": cause, "count": count} for cause, count in slot.missed_by_cause.items()],
            )
            for slot in document.slots
        ]  # fmt: skip
        return _frame(rows, PRESENCE)

    def _run(self, run: str | None) -> str:
        runs = self.runs()
        if run is None and runs:
            return runs[-1]
        if run is None or run not in runs:
            told = ", ".join(runs) or "none yet"
            raise BotFolderRefused(f"{self.folder.root} has no run {run or 'at all'}; its runs: {told}")
        return run

    def _journal(self, run: str | None) -> Path:
        return self.folder.runs / self._run(run) / "journal.sqlite"


def _frame(rows: Sequence[tuple[object, ...]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """One column after the other: nested values keep their types so."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pl.DataFrame(
        [pl.Series(name, values, dtype=dtype) for (name, dtype), values in zip(schema.items(), columns, strict=True)]
    )


def _evaluations(rows: Iterable[tuple[int, str, str, int, bytes]]) -> pl.DataFrame:
    decoder = msgspec.msgpack.Decoder(Decided | Raised)
    told: list[tuple[object, ...]] = []
    signals: dict[str, list[float | None]] = {}
    for place, (seq, slot, market, due_ns, body) in enumerate(rows):
        answer = decoder.decode(body)
        told.append((seq, answer.at_ns, answer.evaluation_id, slot, market, due_ns, *_said(answer)))
        for name, value in (answer.signals if isinstance(answer, Decided) else {}).items():
            signals.setdefault(name, [])
            signals[name] += [None] * (place - len(signals[name]))
            signals[name].append(value)
    frame = _frame(told, EVALUATIONS)
    padded = {name: values + [None] * (len(told) - len(values)) for name, values in signals.items()}
    return frame.with_columns(pl.Series(f"signal_{name}", padded[name], dtype=pl.Float64) for name in padded)


def _said(answer: Decided | Raised) -> tuple[object, ...]:
    who = (answer.release, answer.revision, answer.took_ns)
    if isinstance(answer, Raised):
        return *who, answer.kind, None, None, None, None, None, None, [], answer.text
    verdicts = [msgspec.structs.asdict(verdict) for verdict in answer.verdicts]
    return *who, "decided", answer.fair, *_proposed(answer.proposal), verdicts, None


def _proposed(proposal: Enter | Exit | None) -> tuple[object, ...]:
    """Which, the outcome, its limit, the stake and why."""
    if proposal is None:
        return None, None, None, None, None
    stake = proposal.stake_micros if isinstance(proposal, Enter) else None
    name = "enter" if isinstance(proposal, Enter) else "exit"
    return name, proposal.outcome, proposal.limit_micros, stake, proposal.why
