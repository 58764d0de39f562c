"""Builds what live code sees. Each view is frozen plain data, and complete: live code asks for nothing else."""

import msgspec

from foresight.engine.markets_state import MarketsState
from foresight.engine.prices import PriceSeries
from foresight.engine.settings import Settings
from foresight.engine.slots import SlotState, Window
from foresight.ledger import Position
from foresight.markets import SECOND_NS, TIMEFRAME_NS, MarketId
from foresight.money import MICROS
from foresight.strategy import Board, Holding, Prices, View, Watched

Moment = tuple[int, int, int, float]
"""Now, and the time, second and price of the last tick: slots of one asset that ask at one moment see the same."""


class Views:
    """One round's views share what is the same for all: the board, and each asset's prices."""

    def __init__(self, settings: Settings, markets: MarketsState) -> None:
        self._settings = settings
        self._markets = markets
        self._board: tuple[Board, ...] = ()
        self._shared: dict[str, tuple[Moment, Prices]] = {}

    def new_round(self, now_ns: int, held: dict[MarketId, Position]) -> None:
        """Draws the board of this moment; views until the next round carry it."""
        self._shared.clear()
        self._board = tuple(
            self._line(slot, slot.window, now_ns, held)
            for slot in self._markets.slots.values()
            if slot.window is not None
        )

    def _line(self, slot: SlotState, window: Window, now_ns: int, held: dict[MarketId, Position]) -> Board:
        position = held.get(window.market.market_id)
        return Board(
            slot.id,
            (window.market.end_ns - now_ns) / SECOND_NS,
            window.up.mid(now_ns),
            window.move(self._markets.prices[slot.asset], self._markets.bases[slot.asset]),
            position.outcome if position is not None else None,
        )

    def build(self, slot: SlotState, window: Window, position: Position | None, *, due_ns: int, now_ns: int) -> View:
        market = window.market
        series = self._markets.prices[slot.asset]
        return View(
            slot=slot.id,
            asset=slot.asset,
            timeframe=slot.timeframe,
            market=market.market_id,
            origin=self._settings.origin,
            source=market.source,
            due_ns=due_ns,
            now_ns=now_ns,
            window_s=TIMEFRAME_NS[slot.timeframe] / SECOND_NS,
            seconds_left=(market.end_ns - now_ns) / SECOND_NS,
            average_s=60 if market.settles_on == "twap60" else 0,
            reference=window.reference,
            reference_source=window.reference_source,
            prices=self._prices(window, series, now_ns) if series.feed else None,
            up=window.up.view(now_ns),
            down=window.down.view(now_ns),
            tick=market.tick_micros / MICROS,
            min_shares=market.min_shares_micros / MICROS,
            fee_rate=market.fee_rate_micros / MICROS,
            holding=None if position is None else _holding(position, now_ns),
            can_enter=position is None and slot.pending_order is None,
            board=self._board,
            watched=self._watched(now_ns) if self._markets.topics else (),
        )

    def _watched(self, now_ns: int) -> tuple[Watched, ...]:
        return tuple(self._topic(name, now_ns) for name in self._markets.topics)

    def _topic(self, name: str, now_ns: int) -> Watched:
        series = self._markets.watched(name)
        if series is None or not series.feed:
            return Watched(name, None, None, (), ())
        prices = self._of_moment(name, series, now_ns)
        return Watched(name, prices.last, prices.age_s, prices.returns, prices.volatility)

    def _prices(self, window: Window, series: PriceSeries, now_ns: int) -> Prices:
        asset = window.market.asset
        basis = self._markets.bases[asset]
        opened = window.open_of(series, basis)
        settling_s, settling_move = window.settling(series, basis)
        return msgspec.structs.replace(
            self._of_moment(asset, series, now_ns),
            move=window.move(series, basis),
            settling_s=settling_s,
            settling_move=settling_move,
            open_by=None if opened is None else opened[1],
            basis=basis.value,
        )

    def _of_moment(self, name: str, series: PriceSeries, now_ns: int) -> Prices:
        moment = (now_ns, series.at_ns, series.second, series.last)
        known = self._shared.get(name)
        if known is None or known[0] != moment:
            known = (moment, series.shared(now_ns))
            self._shared[name] = known
        return known[1]


def _holding(position: Position, now_ns: int) -> Holding:
    return Holding(
        position.outcome,
        position.shares_micros / MICROS,
        position.cost_micros / MICROS,
        (now_ns - position.opened_ns) / SECOND_NS,
        position.release,
    )
