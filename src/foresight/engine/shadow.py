"""A shadow's own paper book: what a candidate would have done with everything it was shown, for information only.

Its entries fill at once at the best ask when that is within the limit, its exits at the best bid, the market's fee
included; sizes in the book, the taker delay and the limits of exposure are not looked at, so it is kinder than the
paper broker. Beside it stand the live trades of the same time and slots: those that were opened while the slot had
answers of the shadow. Nothing of it reaches the ledger.
"""

import msgspec

from foresight.engine import gates
from foresight.engine.books import BookState
from foresight.engine.settings import Settings
from foresight.engine.slots import Window
from foresight.events import Shadowed
from foresight.ledger import Trade
from foresight.markets import Market, MarketId, Outcome, SlotId
from foresight.money import MICROS, cost_of, fee_of, proceeds_of, shares_for
from foresight.strategy import Enter, Exit, Holding, View

NS_PER_S = 1_000_000_000


class ShadowPosition(msgspec.Struct, frozen=True):
    outcome: Outcome
    shares_micros: int
    cost_micros: int
    fee_micros: int
    opened_ns: int


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a shadow has made so far; `pnl` is dollars after fees over closed trades. `live_` is the same of the live
    trades in its time and slots."""

    release: str
    answers: int
    entries: int
    trades: int
    wins: int
    pnl: float
    open: int
    live_trades: int
    live_wins: int
    live_pnl: float


class ShadowBook:
    """One candidate's book. A new release begins a new one."""

    def __init__(self, settings: Settings, release: str, begun_ns: int) -> None:
        self.release = release
        self._begun_ns = begun_ns
        self._heard_ns: dict[SlotId, int] = {}
        """When it answered last in each slot."""
        self._settings = settings
        self._positions: dict[MarketId, ShadowPosition] = {}
        self._traded: set[MarketId] = set()
        self._answers = self._entries = self._trades = self._wins = self._pnl_micros = 0
        self._live_trades = self._live_wins = self._live_pnl_micros = 0

    def view_of(self, view: View) -> View:
        """What the shadow sees: the same, with its own position in place of the bot's."""
        market = MarketId(view.market)
        held = self._positions.get(market)
        holding = None if held is None else _holding(held, view.now_ns, self.release)
        return msgspec.structs.replace(view, holding=holding, can_enter=market not in self._traded)

    def take(self, event: Shadowed, window: Window | None) -> None:
        """One answer. A proposal is judged by its gates and by the limit of one stake."""
        self._answers += 1
        self._heard_ns[event.slot] = event.at_ns
        proposal = event.proposal
        if proposal is None or window is None or gates.refusals_of(event.verdicts, self._settings):
            return
        market = window.market
        book = window.up if proposal.outcome == "UP" else window.down
        if isinstance(proposal, Enter):
            self._enter(proposal, market, book, event.at_ns)
        else:
            self._exit(proposal, market, book, event.at_ns)

    def _enter(self, proposal: Enter, market: Market, book: BookState, at_ns: int) -> None:
        price = book.best_ask(at_ns)[0]
        too_much = proposal.stake_micros > self._settings.risk.stake_max_micros
        if market.market_id in self._traded or not 0 < price <= proposal.limit_micros or too_much:
            return
        shares = shares_for(proposal.stake_micros, price)
        if shares < market.min_shares_micros:
            return
        fee = fee_of(price, shares, market.fee_rate_micros)
        self._positions[market.market_id] = ShadowPosition(proposal.outcome, shares, cost_of(price, shares), fee, at_ns)
        self._traded.add(market.market_id)
        self._entries += 1

    def _exit(self, proposal: Exit, market: Market, book: BookState, at_ns: int) -> None:
        held = self._positions.get(market.market_id)
        price = book.best_bid(at_ns)[0]
        if held is None or held.outcome != proposal.outcome or price < proposal.limit_micros or price <= 0:
            return
        fee = fee_of(price, held.shares_micros, market.fee_rate_micros)
        self._close(market.market_id, proceeds_of(price, held.shares_micros) - fee)

    def settle(self, market_id: MarketId, winner: Outcome) -> None:
        """A window has a winner: a winning share pays one dollar."""
        self._traded.discard(market_id)
        held = self._positions.get(market_id)
        if held is not None:
            self._close(market_id, held.shares_micros if held.outcome == winner else 0)

    def _close(self, market_id: MarketId, got_micros: int) -> None:
        held = self._positions.pop(market_id)
        pnl = got_micros - held.cost_micros - held.fee_micros
        self._trades += 1
        self._wins += pnl > 0
        self._pnl_micros += pnl

    def live_closed(self, trade: Trade) -> None:
        """A trade of the bot itself. It counts when it was opened between the shadow's beginning and the round after
        its last answer in the slot."""
        opened_ns, heard_ns = trade.position.opened_ns, self._heard_ns.get(trade.position.slot)
        if heard_ns is None or not self._begun_ns <= opened_ns < heard_ns + self._settings.period_ns:
            return
        self._live_trades += 1
        self._live_wins += trade.pnl_micros > 0
        self._live_pnl_micros += trade.pnl_micros

    def report(self) -> ShadowReport:
        return ShadowReport(
            release=self.release,
            answers=self._answers,
            entries=self._entries,
            trades=self._trades,
            wins=self._wins,
            pnl=self._pnl_micros / MICROS,
            open=len(self._positions),
            live_trades=self._live_trades,
            live_wins=self._live_wins,
            live_pnl=self._live_pnl_micros / MICROS,
        )


def _holding(held: ShadowPosition, now_ns: int, release: str) -> Holding:
    return Holding(
        held.outcome,
        held.shares_micros / MICROS,
        held.cost_micros / MICROS,
        (now_ns - held.opened_ns) / NS_PER_S,
        release,
    )
