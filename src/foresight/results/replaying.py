"""A recording straight through the engine, as fast as it goes, by the very code that runs live.

Each source of a recording is replayed by itself, with a fresh engine: sources were recorded on different days by
different people, and an underlying that one of them told last week is no stale feed of the next one, but none at all.

The risk limits of the bot stay in force. Where risk alone kept a window without an entry the score would say less
about the strategy than about the limits, so those windows are counted by rule. One thing is put right: a venue
resolves every window, a recording does not, and a position that waits for ever would fill the limits of exposure and
bind the cash. So both get room for one stake per window whose winner the recording does not tell.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from foresight.broker import PaperBroker
from foresight.contract import CONTRACT
from foresight.effects import GateScored
from foresight.engine import Engine, Settings
from foresight.events import Answer, ReleaseBound, TopicsDeclared
from foresight.ledger import Position, Trade
from foresight.markets import Origin
from foresight.results.collecting import Collector, Look, Progress
from foresight.results.labels import Label, Window, read_labels
from foresight.runtime.clock import LockstepClock
from foresight.runtime.desired import Desired, refuse_unknown
from foresight.runtime.session import Session
from foresight.sources.recording import Recording
from foresight.topics import made_by
from tesseract import Counts, InProcessHost, Release, Seam, flat, take_release, total


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy left behind after one recording, all its sources together.

    `trades` are closed ones in the order of their closing, `open_positions` those that nobody settled. `risk_alone`
    holds, by rule, the windows that have no entry and in which a proposal passed every gate and was refused by risk.
    `rejected_rows` of the recording could not be read as events. `seconds` are real seconds inside the engine's loop.
    `digest` is the engine's digest of decisions, or, of several sources, the digest of theirs; `release` is the
    content hash of the strategy.
    """

    origin: Origin
    sources: tuple[str, ...]
    skipped: dict[str, str]
    rejected_rows: int
    labels: dict[Window, Label]
    looks: tuple[Look, ...]
    trades: tuple[Trade, ...]
    open_positions: tuple[Position, ...]
    gate_answers: dict[str, dict[str, int]]
    gate_scores: tuple[GateScored, ...]
    risk_alone: dict[str, int]
    failures: int
    evaluations: int
    events: int
    seconds: float
    presence: Counts
    digest: str
    release: str
    params: dict[str, object]


class _Pass(msgspec.Struct, frozen=True):
    """One source through one engine."""

    recording: Recording
    engine: Engine
    collected: Collector
    events: int
    seconds: float


def replay(
    recording: Recording,
    strategy: Path,
    settings: Settings,
    *,
    store: Path,
    on_progress: Progress | None = None,
    params: Mapping[str, object] | None = None,
    desired: Desired | None = None,
    budget_s: float = 1.0,
) -> Replayed:
    """Replays `recording` with the live code in `strategy`. The recording's own slots are traded, whatever `settings`
    says of slots. `desired` holds the operator's overrides, as a running bot takes them. `params` overrides the
    strategy's defaults by name; names that it does not have are ignored, so that a baseline can be given the parameters
    of the strategy that it stands beside. `budget_s` is what one evaluation may take.

    `store` takes the copy of the strategy; `on_progress` is told the venue time now and then, source after source in
    the order of their time. Raises `ReleaseRefused` when the strategy cannot be used.
    """
    release = take_release(strategy, store, number=1, origin="replay", now_ns=0)
    overrides = flat(params or {}) if desired is None else desired.params
    passes = []
    for part in one_by_one(recording):
        host = _host(release, overrides, budget_s, 1 if desired is None else desired.revision)
        if desired is not None:
            refuse_unknown(host.loaded.dormant)
        try:
            passes.append(_run(part, settings, host, on_progress))
        finally:
            host.close()
    return _merged(recording, passes, release, host.loaded.params)


def one_by_one(recording: Recording) -> list[Recording]:
    """A recording for each of its sources, in the order of time."""
    if len(recording.sources) == 1:
        return [recording]
    parts = [Recording(recording.folder, (name,)) for name in recording.sources]
    return sorted(parts, key=lambda part: part.start_ns)


def _host(release: Release, overrides: Mapping[str, object], budget_s: float, revision: int) -> InProcessHost:
    return InProcessHost(release, CONTRACT, budget_s=budget_s, overrides=dict(overrides), revision=revision)


def _run(recording: Recording, settings: Settings, host: InProcessHost, on_progress: Progress | None) -> _Pass:
    engine = Engine(_settings(settings, recording), recording.start_ns)
    collector = Collector(engine, on_progress)
    clock = LockstepClock(recording.start_ns)
    broker = PaperBroker(engine.markets.books.get)
    seam: Seam[Answer] = Seam(CONTRACT, host)
    session = Session(engine, recording, seam, broker, clock=clock, sink=collector)
    began = time.perf_counter()
    session.begin()
    release, revision = host.spec.release, host.spec.revision
    needs = host.loaded.needs
    bound = ReleaseBound(recording.start_ns, release.name, release.digest, revision, host.loaded.params, needs=needs)
    if needs:
        session.take(TopicsDeclared(recording.start_ns, made_by(needs, [asset for asset, _ in engine.settings.slots])))
    session.take(bound)
    session.run_lockstep(clock)
    return _Pass(recording, engine, collector, session.events, time.perf_counter() - began)


def _settings(settings: Settings, recording: Recording) -> Settings:
    """The bot's settings for the recording's slots, with room for the positions that nobody will settle. A recording
    tells winners itself, and holds no averages of the oracle."""
    untold = sum(label.outcome is None for label in read_labels(recording).values())
    risk, room = settings.risk, untold * settings.risk.stake_max_micros
    return msgspec.structs.replace(
        settings,
        slots=recording.slots,
        origin=recording.origin,
        settle_by="venue",
        deposit_micros=settings.deposit_micros + room,
        risk=msgspec.structs.replace(
            risk,
            slot_exposure_max_micros=risk.slot_exposure_max_micros + room,
            asset_exposure_max_micros=risk.asset_exposure_max_micros + room,
            timeframe_exposure_max_micros=risk.timeframe_exposure_max_micros + room,
            total_exposure_max_micros=risk.total_exposure_max_micros + room,
        ),
    )


def _merged(recording: Recording, passes: Sequence[_Pass], release: Release, params: dict[str, object]) -> Replayed:
    collected = [each.collected for each in passes]
    engines = [each.engine for each in passes]
    return Replayed(
        origin=recording.origin,
        sources=recording.sources,
        skipped=dict(recording.skipped),
        rejected_rows=sum(each.recording.rejected_rows for each in passes),
        labels=read_labels(recording),
        looks=tuple(look for each in collected for look in each.looks),
        trades=tuple(trade for each in collected for trade in each.trades),
        open_positions=tuple(held for each in collected for held in each.books.positions.values()),
        gate_answers=_added(engine.desk.gates.answers for engine in engines),
        gate_scores=tuple(score for each in collected for score in each.gate_scores),
        risk_alone=_risk_alone(collected),
        failures=sum(each.failures for each in collected),
        evaluations=sum(engine.evaluations for engine in engines),
        events=sum(each.events for each in passes),
        seconds=sum(each.seconds for each in passes),
        presence=total([slot.presence for engine in engines for slot in engine.markets.slots.values()]),
        digest=_digest([engine.digest.hex() for engine in engines]),
        release=release.digest,
        params=params,
    )


def _added(tables: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """The sum of tables of counts, names in the order in which they first come."""
    added: dict[str, dict[str, int]] = {}
    for table in tables:
        for gate, answers in table.items():
            row = added.setdefault(gate, dict.fromkeys(answers, 0))
            for answer, count in answers.items():
                row[answer] += count
    return added


def _risk_alone(collected: Iterable[Collector]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in collected:
        counts.update({rule: len(windows - each.entered) for rule, windows in each.risk_alone.items()})
    return {rule: count for rule, count in sorted(counts.items()) if count}


def _digest(digests: Sequence[str]) -> str:
    if len(digests) == 1:
        return digests[0]
    return hashlib.blake2b(" ".join(digests).encode(), digest_size=16).hexdigest()
