"""Time NautilusTrader's BacktestEngine on the quotes of `quotes.py`, with a plain Python strategy.

On every quote the strategy brings two moving averages and a variance of the mid price up to date;
every 5 s of data time, for each instrument, it decides whether to be in the market. Only
`engine.run()` is timed: quotes are made, converted and loaded before. Prints one line of JSON.

    venv/bin/python nautilus_peer.py --instruments 8 --events 1000000 --seed 7
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from itertools import batched
from math import sqrt

from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import ExecutionEngineConfig, FixedFeeModel
from nautilus_trader.model import (
    AccountType,
    AssetClass,
    BinaryOption,
    Currency,
    InstrumentId,
    Money,
    OmsType,
    OrderFilled,
    OrderSide,
    Price,
    Quantity,
    QuoteTick,
    Symbol,
    TimeInForce,
    Venue,
)
from nautilus_trader.risk import RiskEngineConfig
from nautilus_trader.trading import Strategy, StrategyConfig

from quotes import GAP_NS, MICROS, START_NS, TICK_MICROS, quotes

FAST_WEIGHT = 2 / (200 + 1)
SLOW_WEIGHT = 2 / (1_000 + 1)
BAND = 0.15
DECISION_GAP_NS = 5_000_000_000
ORDER_SIZE = 5
PRICE_PRECISION = 2
SIZE_PRECISION = 6
LOAD_BATCH = 50_000
VENUE = Venue("BINARY")
CASH = Currency.from_str("USDC")


class Signal:
    """What the strategy knows of one instrument."""

    __slots__ = ("decide_ns", "fast", "holding", "slow", "variance")

    def __init__(self, mid: float) -> None:
        self.fast = self.slow = mid
        self.variance = 0.0
        self.holding = False
        self.decide_ns = 0

    def wanted(self) -> bool:
        """Whether to hold: a change of mind takes a gap wider than the band."""
        gap = self.fast - self.slow
        band = BAND * sqrt(self.variance)
        return gap >= -band if self.holding else gap > band


class Crossing(Strategy):
    """Buys when the fast average rises above the slow one, sells again when it falls below."""

    def __init__(self, config: StrategyConfig) -> None:
        super().__init__(config)
        self.signals: dict[InstrumentId, Signal] = {}
        self.instruments: list[InstrumentId] = []
        self.quotes = self.orders = self.fills = 0

    def on_start(self) -> None:
        for instrument in self.instruments:
            self.subscribe_quotes(instrument)

    def on_quote(self, quote: QuoteTick) -> None:
        self.quotes += 1
        mid = (quote.bid_price.as_double() + quote.ask_price.as_double()) / 2
        signal = self.signals.get(quote.instrument_id)
        if signal is None:
            signal = self.signals[quote.instrument_id] = Signal(mid)
        signal.fast += FAST_WEIGHT * (mid - signal.fast)
        away = mid - signal.slow
        step = SLOW_WEIGHT * away
        signal.slow += step
        signal.variance = (1 - SLOW_WEIGHT) * (signal.variance + away * step)
        if quote.ts_event >= signal.decide_ns:
            signal.decide_ns = quote.ts_event + DECISION_GAP_NS
            if signal.wanted() != signal.holding:
                self.turn(quote.instrument_id, signal)

    def turn(self, instrument: InstrumentId, signal: Signal) -> None:
        """Go in or out by a market order that is filled at once or not at all."""
        signal.holding = not signal.holding
        side = OrderSide.BUY if signal.holding else OrderSide.SELL
        size = Quantity(ORDER_SIZE, SIZE_PRECISION)
        order = self.order_factory.market(instrument, side, size, TimeInForce.IOC)
        self.orders += 1
        self.submit_order(order)

    def on_order_filled(self, event: OrderFilled) -> None:  # noqa: ARG002 - the name is Nautilus's
        self.fills += 1


@cache
def price(micros: int) -> Price:
    return Price(micros / MICROS, PRICE_PRECISION)


@cache
def size(micros: int) -> Quantity:
    return Quantity(micros / MICROS, SIZE_PRECISION)


def binary(index: int, until_ns: int) -> BinaryOption:
    symbol = Symbol(f"OUTCOME-{index}")
    return BinaryOption(
        instrument_id=InstrumentId(symbol, VENUE),
        raw_symbol=symbol,
        asset_class=AssetClass.ALTERNATIVE,
        currency=CASH,
        activation_ns=0,
        expiration_ns=until_ns,
        price_precision=PRICE_PRECISION,
        size_precision=SIZE_PRECISION,
        price_increment=price(TICK_MICROS),
        size_increment=size(1),
        ts_event=0,
        ts_init=0,
    )


def ticks(ids: list[InstrumentId], events: int, seed: int) -> Iterator[QuoteTick]:
    """The shared quotes in the engine's own type, the same size on both sides."""
    for at_ns, index, bid, ask, amount in quotes(events, len(ids), seed):
        depth = size(amount)
        yield QuoteTick(ids[index], price(bid), price(ask), depth, depth, at_ns, at_ns)


def quiet_engine() -> BacktestEngine:
    """An engine that writes no log, makes no statistics and waits for nothing."""
    return BacktestEngine(
        BacktestEngineConfig(
            bypass_logging=True,
            logging=LoggerConfig(bypass_logging=True),
            run_analysis=False,
            risk_engine=RiskEngineConfig(bypass=True),
            exec_engine=ExecutionEngineConfig(snapshot_orders=False, snapshot_positions=False),
        )
    )


def loaded_engine(instruments: int, events: int, seed: int) -> tuple[BacktestEngine, Crossing]:
    """An engine holding every quote in order, and the strategy that will read them."""
    engine = quiet_engine()
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        starting_balances=[Money(1_000_000, CASH)],
        base_currency=CASH,
        fee_model=FixedFeeModel(Money(0, CASH)),
    )
    strategy = Crossing(StrategyConfig(log_events=False, log_commands=False))
    for index in range(instruments):
        option = binary(index, START_NS + (events + 1) * GAP_NS)
        engine.add_instrument(option)
        strategy.instruments.append(option.id)
    for batch in batched(ticks(strategy.instruments, events, seed), LOAD_BATCH):
        engine.add_data(list(batch), sort=False)
    engine.sort_data()
    engine.add_strategy(strategy)
    return engine, strategy


def measured(instruments: int, events: int, seed: int) -> dict[str, object]:
    """Run once; fail rather than report a run that lost quotes or fills."""
    engine, strategy = loaded_engine(instruments, events, seed)
    begun = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - begun
    if (strategy.quotes, strategy.fills) != (events, strategy.orders):
        raise RuntimeError(f"{strategy.quotes=} {strategy.orders=} {strategy.fills=}")
    return {
        "engine": "nautilus_trader",
        "version": version("nautilus_trader"),
        "instruments": instruments,
        "events": events,
        "seconds": round(seconds, 4),
        "events_per_second": round(events / seconds),
        "orders": engine.get_result().total_orders,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time NautilusTrader on a million quotes.")
    parser.add_argument("--instruments", type=int, choices=(1, 8), default=1)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    line = json.dumps(measured(chosen.instruments, chosen.events, chosen.seed))
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
