"""The documents that a running bot writes for others to read: `state/observed/*.json`.

Every document says where its numbers come from (`source`), when it was written, and by which process; a reader can
tell a running bot from one that has stopped.
"""

from datetime import UTC, datetime

import msgspec

from foresight.engine import EngineReport, PositionReport, SlotReport
from foresight.engine.report import Money
from foresight.engine.shadow import ShadowReport
from foresight.feeds.health import FeedsHealth
from foresight.markets import Origin
from foresight.runtime.deploys import DeployDocument
from tesseract import Lateness


class SlotDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One slot. Prices are dollars per share, `fair` the probability of UP, times ISO 8601 in UTC."""

    slot: str
    asset: str
    timeframe: str
    market: str | None
    window_start: str | None
    window_end: str | None
    seconds_left: float | None
    reference: float | None
    reference_source: str | None
    underlying: float | None
    move: float | None
    fair: float | None
    up_bid: float | None
    up_ask: float | None
    position: str | None
    state: str
    signals: dict[str, float | None]
    release: str
    revision: int


class PresenceCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Evaluations: `due` is the sum of the others and of those that wait for their answer."""

    due: int
    done: int
    late: int
    missed: int
    blind: int
    on_event: int


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot is doing. `now` and `started_at` are venue time, `written_at` is wall time; money is dollars."""

    release: str
    release_digest: str
    revision: int
    mode: str
    source: Origin
    source_name: str
    speed: float | None
    now: str
    started_at: str
    written_at: str
    pid: int
    running: bool
    run: str
    halted: bool
    slots: list[SlotDocument]
    presence: PresenceCounts
    pnl: float
    money: Money
    evaluations: int
    orders: int
    refusals: dict[str, int]
    gates: dict[str, dict[str, int]]
    digest: str
    problems: list[str]
    deploy: DeployDocument
    shadow: ShadowReport | None


class SlotPresence(msgspec.Struct, frozen=True, kw_only=True):
    slot: str
    due: int
    done: int
    late: int
    missed: int
    blind: int
    on_event: int
    lateness_ms: Lateness
    missed_by_cause: dict[str, int]


class PresenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    source: Origin
    due: int
    done: int
    late: int
    missed: int
    blind: int
    on_event: int
    lateness_ms: Lateness
    missed_by_cause: dict[str, int]
    slots: list[SlotPresence]


class PositionsDocument(msgspec.Struct, frozen=True, kw_only=True):
    source: Origin
    now: str
    positions: tuple[PositionReport, ...]
    cash: float
    open_cost: float
    unrealised: float


class FeedsDocument(msgspec.Struct, frozen=True, kw_only=True):
    source: Origin
    feeds: FeedsHealth


def feeds_document(health: FeedsHealth, source: Origin) -> FeedsDocument:
    return FeedsDocument(source=source, feeds=health)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the process knows besides the engine."""

    source_name: str
    speed: float | None
    pid: int
    running: bool
    run: str
    written_at_ns: int
    problems: list[str]
    deploy: DeployDocument


def iso(at_ns: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_document(report: EngineReport, context: Context) -> StatusDocument:
    counts = report.presence
    return StatusDocument(
        release=report.release,
        release_digest=report.release_digest,
        revision=report.revision,
        mode="paper",
        source=report.origin,
        source_name=context.source_name,
        speed=context.speed,
        now=iso(report.now_ns),
        started_at=iso(report.start_ns),
        written_at=iso(context.written_at_ns),
        pid=context.pid,
        running=context.running,
        run=context.run,
        halted=report.is_halted,
        slots=[_slot(slot) for slot in report.slots],
        presence=PresenceCounts(
            due=counts.due,
            done=counts.done,
            late=counts.late,
            missed=counts.missed,
            blind=counts.blind,
            on_event=counts.on_event,
        ),
        pnl=report.money.pnl,
        money=report.money,
        evaluations=report.evaluations,
        orders=report.orders,
        refusals=report.refusals,
        gates=report.gates,
        digest=report.digest,
        problems=context.problems,
        deploy=context.deploy,
        shadow=report.shadow,
    )


def _slot(slot: SlotReport) -> SlotDocument:
    return SlotDocument(
        slot=slot.slot,
        asset=slot.asset,
        timeframe=slot.timeframe,
        market=slot.market,
        window_start=None if slot.window_start_ns is None else iso(slot.window_start_ns),
        window_end=None if slot.window_end_ns is None else iso(slot.window_end_ns),
        seconds_left=None if slot.seconds_left is None else round(slot.seconds_left, 3),
        reference=slot.reference,
        reference_source=slot.reference_source,
        underlying=slot.underlying,
        move=slot.move,
        fair=slot.fair,
        up_bid=slot.up_bid,
        up_ask=slot.up_ask,
        position=slot.position,
        state=slot.state,
        signals=slot.signals,
        release=slot.release,
        revision=slot.revision,
    )


def presence_document(report: EngineReport) -> PresenceDocument:
    counts = report.presence
    return PresenceDocument(
        source=report.origin,
        **msgspec.structs.asdict(counts),
        slots=[SlotPresence(slot=slot.slot, **msgspec.structs.asdict(slot.presence)) for slot in report.slots],
    )


def positions_document(report: EngineReport) -> PositionsDocument:
    return PositionsDocument(
        source=report.origin,
        now=iso(report.now_ns),
        positions=report.positions,
        cash=report.money.cash,
        open_cost=report.money.open_cost,
        unrealised=report.money.unrealised,
    )
