"""What the engine reports of itself: plain data for state files, commands and screens."""

import msgspec

from foresight.engine.desk import Desk
from foresight.engine.engine import Engine
from foresight.engine.shadow import ShadowReport
from foresight.engine.slots import SlotState, Window
from foresight.ledger import Position
from foresight.markets import Origin, Outcome, SlotId
from foresight.money import MICROS
from tesseract import Counts, total


class PositionReport(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars and shares. `mark` is the bid that a sale would meet, None once the window has ended; `pnl` is what
    the position would make at the mark, fees of the entry included."""

    trade_id: str
    slot: SlotId
    market: str
    outcome: Outcome
    shares: float
    cost: float
    fees: float
    price: float
    mark: float | None
    pnl: float | None
    opened_ns: int
    release: str
    revision: int
    source: str
    assumed: tuple[str, ...]
    state: str


class SlotReport(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is `open`, `blind: …` (topics past their staleness limit), `live code …` (it failed), `paused: …`, or
    `no market`. `release` and `revision` are what answers there. `basis` is
    ln(oracle / underlying), None before it is known."""

    slot: SlotId
    asset: str
    timeframe: str
    market: str | None
    window_start_ns: int | None
    window_end_ns: int | None
    seconds_left: float | None
    reference: float | None
    reference_source: str | None
    underlying: float | None
    move: float | None
    basis: float | None
    fair: float | None
    up_bid: float | None
    up_ask: float | None
    position: Outcome | None
    state: str
    signals: dict[str, float | None]
    release: str
    revision: int
    presence: Counts


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars. `pnl` is realised plus `unrealised`, which values open positions at the bid (at cost where there is
    none)."""

    cash: float
    open_cost: float
    realised: float
    unrealised: float
    pnl: float
    fees: float
    today: float
    trades: int
    wins: int


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one instant, with the origin of its numbers."""

    origin: Origin
    release: str
    release_digest: str
    revision: int
    start_ns: int
    now_ns: int
    seq: int
    is_halted: bool
    evaluations: int
    orders: int
    slots: tuple[SlotReport, ...]
    positions: tuple[PositionReport, ...]
    presence: Counts
    money: Money
    refusals: dict[str, int]
    gates: dict[str, dict[str, int]]
    digest: str
    shadow: ShadowReport | None


def report_of(engine: Engine, now_ns: int) -> EngineReport:
    """The engine as it is; reading it changes nothing."""
    states = list(engine.markets.slots.values())
    positions = tuple(_position(engine, held, now_ns) for held in engine.desk.books.positions.values())
    return EngineReport(
        origin=engine.settings.origin,
        release=engine.live.release,
        release_digest=engine.live.digest,
        revision=engine.live.revision,
        start_ns=engine.start_ns,
        now_ns=now_ns,
        seq=engine.seq,
        is_halted=engine.desk.account.is_halted,
        evaluations=engine.evaluations,
        orders=engine.desk.orders_sent,
        slots=tuple(_slot(engine, state, now_ns) for state in states),
        positions=positions,
        presence=total([state.presence for state in states]),
        money=_money(engine.desk, positions),
        refusals=dict(engine.desk.refusals),
        gates={name: dict(answers) for name, answers in engine.desk.gates.answers.items()},
        digest=engine.digest.hex(),
        shadow=None if engine.shadow is None else engine.shadow.report(),
    )


def _slot(engine: Engine, state: SlotState, now_ns: int) -> SlotReport:
    window = state.window
    series = engine.markets.prices[state.asset]
    book = None if window is None else window.up.view(now_ns)
    market = None if window is None else window.market
    held = None if market is None else engine.desk.positions().get(market.market_id)
    return SlotReport(
        slot=state.id,
        asset=state.asset,
        timeframe=state.timeframe,
        market=market.market_id if market else None,
        window_start_ns=market.start_ns if market else None,
        window_end_ns=market.end_ns if market else None,
        seconds_left=max(0.0, (market.end_ns - now_ns) / 1e9) if market else None,
        reference=window.reference if window else None,
        reference_source=window.reference_source if window else None,
        underlying=series.last if series.feed else None,
        move=window.move(series, engine.markets.bases[state.asset]) if window else None,
        basis=engine.markets.bases[state.asset].value,
        fair=state.fair,
        up_bid=book.bid if book else None,
        up_ask=book.ask if book else None,
        position=held.outcome if held else None,
        state=_state(engine, state, window, now_ns),
        signals=state.signals,
        release=state.release,
        revision=state.revision,
        presence=state.presence.counts(),
    )


def _state(engine: Engine, state: SlotState, window: Window | None, now_ns: int) -> str:
    if window is None:
        return "no market"
    blind = engine.markets.topics_blind(state, window, now_ns)
    if blind:
        return f"blind: {', '.join(blind)}"
    return state.note if state.note.startswith(("live code", "paused")) else "open"


def _position(engine: Engine, held: Position, now_ns: int) -> PositionReport:
    mark_micros = _mark(engine, held, now_ns)
    pnl_micros = None
    if mark_micros is not None:
        pnl_micros = mark_micros * held.shares_micros // MICROS - held.cost_micros + held.realised_micros
    return PositionReport(
        trade_id=held.trade_id,
        slot=held.slot,
        market=held.market_id,
        outcome=held.outcome,
        shares=held.shares_micros / MICROS,
        cost=held.cost_micros / MICROS,
        fees=held.fees_micros / MICROS,
        price=held.bought_micros / held.bought_shares_micros,
        mark=None if mark_micros is None else mark_micros / MICROS,
        pnl=None if pnl_micros is None else pnl_micros / MICROS,
        opened_ns=held.opened_ns,
        release=held.release,
        revision=held.revision,
        source=held.source,
        assumed=held.assumed,
        state="awaiting resolution" if held.market_id in engine.markets.ended else "open",
    )


def _mark(engine: Engine, held: Position, now_ns: int) -> int | None:
    window = engine.markets.window_of(held.market_id)
    if window is None or held.market_id in engine.markets.ended:
        return None
    book = window.up if held.outcome == "UP" else window.down
    bid = book.best_bid(now_ns)[0]
    return bid if bid > 0 else None


def _money(desk: Desk, positions: tuple[PositionReport, ...]) -> Money:
    books = desk.books
    unrealised = sum((held.mark - held.price) * held.shares for held in positions if held.mark is not None)
    realised = books.realised_micros / MICROS
    return Money(
        cash=books.cash_micros / MICROS,
        open_cost=books.open_cost_micros() / MICROS,
        realised=realised,
        unrealised=round(unrealised, 6),
        pnl=round(realised + unrealised, 6),
        fees=books.fees_micros / MICROS,
        today=desk.account.day_pnl_micros / MICROS,
        trades=books.trades,
        wins=books.wins,
    )
