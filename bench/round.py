"""One round: sixteen evaluations together, with the strategy that ships.

The default bot trades its simulated market in lock-step, journal and ledger included. A round is timed from the timer
that makes the evaluations due to the last effect of the last answer: windows rolled, prices sampled, views built and
encoded for the tape, live code called through the seam, proposals judged, orders sent, entries handed to the journal.
Every round after the first half hour counts, the garbage collector's pauses included. Prints one JSON document.
"""

import tempfile
import time
from pathlib import Path

from foresight.bot_folder import init_bot
from foresight.broker import PaperBroker
from foresight.config import load_config
from foresight.events import Event, Timer
from foresight.markets import SECOND_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock
from foresight.runtime.session import Session
from foresight.sources.simulated import SimulatedMarket
from measuring import Document, arguments, json_of, machine, middle, script, spread, tell

BAR_MS = 5.0
SEEDS = (7, 8, 9)
HOURS = 3
SETTLING_S = 1_800
TOLD = ("p50", "p99", "max")


class TimedSession(Session):
    """A session that times its full rounds: those in which every slot is evaluated."""

    def begin(self) -> None:
        self.rounds_ns: list[int] = []
        super().begin()

    def take(self, event: Event) -> None:
        if type(event) is not Timer:
            super().take(event)
            return
        asked = self.engine.evaluations
        begun = time.perf_counter_ns()
        super().take(event)
        taken = time.perf_counter_ns() - begun
        if self.engine.evaluations - asked == len(self.engine.markets.slots):
            self.rounds_ns.append(taken)


def measured(seed: int, seconds: int) -> Document:
    """One bot in this process."""
    with tempfile.TemporaryDirectory() as folder:
        init_bot(Path(folder) / "bot")
        config = load_config(Path(folder) / "bot")
        market = SimulatedMarket(seed)
        clock = LockstepClock(market.start_ns)
        bot = Bot(config, market, clock, speed=None)
        try:
            broker = PaperBroker(bot.engine.markets.books.get)
            seam = bot.live.runtime.seam
            session = TimedSession(bot.engine, market, seam, broker, clock=clock, sink=bot.sink)
            session.begin()
            bot.start_here()
            session.run_lockstep(clock, market.start_ns + seconds * SECOND_NS)
        finally:
            bot.close()
    skipped = len(session.rounds_ns) * min(SETTLING_S, seconds // 2) // seconds
    rounds_ms = [taken / 1e6 for taken in session.rounds_ns[skipped:]]
    return {"seed": seed, "slots": len(market.slots), "round_ms": spread(rounds_ms)}


def in_processes(seeds: tuple[int, ...], hours: int) -> Document:
    """Each seed in a process of its own, one after the other."""
    runs = [json_of(script("round.py", "--seed", str(seed), "--hours", str(hours))) for seed in seeds]
    told = [run["round_ms"] for run in runs]
    summary = {name: middle([spread_[name] for spread_ in told if isinstance(spread_, dict)]) for name in TOLD}
    return {"bar_ms_p99": BAR_MS, "runs": runs, "round_ms": summary, "met": summary["p99"]["median"] <= BAR_MS}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--seed", type=int, help="one run with this seed, in this process")
    parser.add_argument("--hours", type=int, default=HOURS)
    chosen = parser.parse_args()
    if chosen.quick:
        tell({"machine": machine(), **measured(SEEDS[0], 300)})
    elif chosen.seed is not None:
        tell(measured(chosen.seed, chosen.hours * 3_600))
    else:
        tell({"machine": machine(), **in_processes(SEEDS, chosen.hours)})


if __name__ == "__main__":
    main()
