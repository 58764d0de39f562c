"""The simulated market as a source: all slots' streams in one order.

Its parameters are fitted to recordings: `docs/simulated-market.md` shows by how far, and `tools/compare_simulated.py`
measures it anew. What makes money here says nothing of a real market: the makers' mistakes are put in.
"""

from collections.abc import Generator, Iterator, Sequence
from heapq import heappop
from operator import attrgetter

import msgspec

from foresight.events import Depth, MarketEvent, Reference, Spot
from foresight.markets import DEFAULT_ASSETS, MINUTE_NS, SECOND_NS, TIMEFRAME_NS, Origin, SettlesOn
from foresight.sources.simulated.books import MirroredBook
from foresight.sources.simulated.kept import Keep, KeptMarket, is_kept_at
from foresight.sources.simulated.makers import Makers
from foresight.sources.simulated.noise import exponential, normal_of, uniform_stream
from foresight.sources.simulated.paths import AVERAGE_S, AssetPath, Shocks
from foresight.sources.simulated.windows import Later, Windows

DEFAULT_SLOTS = tuple((asset, timeframe) for asset in DEFAULT_ASSETS for timeframe in ("5m", "15m"))

HISTORY_NS = 30 * MINUTE_NS
_BOOKS_BEFORE_S = 60
"""Who takes the history at once needs books only as they are at its end; each is told again every second."""
_LEAD_S = 60
_QUARTER_S = 900
_YEAR_2026_S = 1_767_225_600
_QUOTED_AHEAD_S = 5
_EVEN_TICK = 50
_WARM_UP_S = 2 * AVERAGE_S["twap60"]
_RESOLVED_BY_S = 120
"""A window is resolved 20 to 90 s after its end; before a resumed market begins its books, the last ones are."""
_TOLD_AGAIN_S = 31 * 60
_DAY_S = 86_400
_AWAY_MAX_S = 3 * _DAY_S
"""A resumed market is walked through, some 3 s for a day of eight assets, and who waits for it waits 30 s."""
_DEPTH_DEVIATION = 0.35
"""Of the logarithm of a window's usual level size: some windows have twice the depth of others."""

_at_ns = attrgetter("at_ns")


class SimulatedMarket:
    """A whole market from a seed. The same seed and slots give the same events on every machine.

    It starts 60 s before a quarter of an hour on a day of 2026, after 30 minutes of history, and is endless without
    `duration_ns`. Books are told from a minute before the start on. A path depends on the seed and its asset only, a
    book on the seed and its slot. Raises ValueError for a timeframe that the venue does not have, for no slots or one
    named twice, and for a negative duration.

    With `resume_ns` it starts at that instant of the same market, as if it had run until then: the same paths, windows,
    prices to beat and winners. Its history tells the windows of the last day, and of the last 31 minutes all prices;
    books go on from the last quarter of an hour that is two minutes past, and differ from those that a market that ran
    through would have, for takers and makers begin anew. Raises ValueError for an instant before the start.

    `keep` is told what the market can be gone on with, four times a day of its own. A market that is resumed with what
    was `kept`, the oldest first, is walked from the newest that is a day back and not from its beginning. What would be
    walked for more than three days is left out: prices go on from where they were kept, and windows are those of the
    time.

    `settles_on="spot"` is the rule of before 2026-08-07, under which the recordings were made: paths and seeds are the
    same, a window is won by the oracle's last price, and no averages are told.
    """

    origin: Origin = "simulated"
    is_live = False

    def __init__(
        self,
        seed: int,
        slots: tuple[tuple[str, str], ...] = DEFAULT_SLOTS,
        duration_ns: int | None = None,
        *,
        resume_ns: int | None = None,
        kept: Sequence[KeptMarket] = (),
        keep: Keep | None = None,
        settles_on: SettlesOn = "twap60",
    ) -> None:
        for asset, timeframe in slots:
            if timeframe not in TIMEFRAME_NS:
                raise ValueError(f"{asset} {timeframe}: the timeframes are {', '.join(TIMEFRAME_NS)}")
        if not slots or len(dict.fromkeys(slots)) != len(slots):
            raise ValueError("there must be at least one slot, and none may be named twice")
        if duration_ns is not None and duration_ns < 0:
            raise ValueError(f"a market cannot last {duration_ns} ns")
        self.name = f"simulated seed {seed}"
        self.slots = slots
        self.start_ns = _start_s(seed) * SECOND_NS
        self._seed = seed
        self._began_s = (self.start_ns - HISTORY_NS) // SECOND_NS
        self._end_ns = None if duration_ns is None else self.start_ns + duration_ns
        self._settles_on: SettlesOn = settles_on
        self._resumes = resume_ns is not None
        self._keep = keep
        self._kept: KeptMarket | None = None
        if resume_ns is not None:
            if resume_ns < self.start_ns:
                raise ValueError(f"{self.name} starts at {self.start_ns}, and cannot resume at {resume_ns}")
            self.start_ns = resume_ns // SECOND_NS * SECOND_NS
            told_s = self.start_ns // SECOND_NS - _DAY_S
            self._kept = next((each for each in reversed(kept) if each.second <= told_s), None)

    def events(self) -> Iterator[MarketEvent]:
        """All events in the order of their `at_ns`, from 30 minutes before `start_ns` on."""
        second = self._began_s if self._kept is None else self._kept.second
        floor = _Floor(self._seed, self.slots, second, self._settles_on, kept=self._kept)
        end_ns = self._end_ns
        if self._resumes:
            second = yield from self._again(floor, second)
        books_s = self.start_ns // SECOND_NS - _BOOKS_BEFORE_S
        while end_ns is None or (second + 1) * SECOND_NS <= end_ns:
            if self._keep is not None and is_kept_at(second):
                self._keep(floor.kept(second))
            told = floor.step(second)
            yield from told if second >= books_s else (event for event in told if not isinstance(event, Depth))
            second += 1
        yield from (event for event in floor.step(second) if event.at_ns < end_ns)

    def _again(self, floor: "_Floor", second: int) -> Generator[MarketEvent, None, int]:
        """What has been before it resumes; returns the second at which its books begin."""
        resume_s = self.start_ns // SECOND_NS
        books_s = (resume_s - _RESOLVED_BY_S) // _QUARTER_S * _QUARTER_S - _QUOTED_AHEAD_S
        while second < books_s:
            if is_kept_at(second):
                second = self._kept_near(floor, second, resume_s)
            told = floor.pass_by(second)
            if second >= resume_s - _TOLD_AGAIN_S:
                yield from told
            elif second >= resume_s - _DAY_S:
                yield from (event for event in told if not isinstance(event, Spot | Reference) or _is_beat(event))
            second += 1
        return second

    def _kept_near(self, floor: "_Floor", second: int, resume_s: int) -> int:
        """Keeps the market, and leaves out whole days where there are too many; returns the second to go on with."""
        kept = floor.kept(second)
        if resume_s - second > _AWAY_MAX_S:
            kept = msgspec.structs.replace(kept, second=second + ((resume_s - second) // _DAY_S - 1) * _DAY_S)
            floor.go_on(kept)
        if self._keep is not None:
            self._keep(kept)
        return kept.second


class _Floor:
    """Everything that moves, one second at a time. What it holds does not grow with time."""

    def __init__(
        self,
        seed: int,
        slots: tuple[tuple[str, str], ...],
        second: int,
        settles_on: SettlesOn,
        *,
        kept: KeptMarket | None,
    ) -> None:
        self._later: Later = []
        self._common = Shocks(uniform_stream(seed, "common"))
        self._paths = {asset: AssetPath(seed, asset, settles_on) for asset, _ in slots}
        self._pits = [_Pit(seed, slot, number, self._paths[slot[0]], settles_on) for number, slot in enumerate(slots)]
        if kept is not None:
            self.go_on(kept)
            return
        for before in range(second - _WARM_UP_S, second):
            self._walk(before, [])
        for pit in self._pits:
            pit.windows.begin(second, self._later)

    def step(self, second: int) -> list[MarketEvent]:
        """The events from this second up to the next, in order; those at the same instant in the order of the slots."""
        out: list[MarketEvent] = []
        self._walk(second, out)
        later = self._later
        for pit in self._pits:
            pit.step(second, out, later)
        self._take_due(second, out)
        return out

    def pass_by(self, second: int) -> list[MarketEvent]:
        """The same without books and trades: paths and windows go on as they would have."""
        out: list[MarketEvent] = []
        self._walk(second, out)
        for pit in self._pits:
            pit.pass_by(second, self._later)
        self._take_due(second, out)
        return out

    def kept(self, second: int) -> KeptMarket:
        """What it can be gone on with from this second, which `is_kept_at` names and which is not stepped yet."""
        assert not self._later, "two minutes after windows have turned, all that they decided is told"
        return KeptMarket(
            second=second,
            common=self._common.kept(),
            paths={asset: path.kept() for asset, path in self._paths.items()},
            windows=tuple(pit.windows.kept() for pit in self._pits),
        )

    def go_on(self, kept: KeptMarket) -> None:
        """From where it was kept; that may be at another time of the same slots."""
        self._common.go_on(kept.common)
        for asset, path in self._paths.items():
            path.go_on(kept.paths[asset])
        for pit, windows in zip(self._pits, kept.windows, strict=True):
            pit.windows.go_on(windows, kept.second)

    def _take_due(self, second: int, out: list[MarketEvent]) -> None:
        later, next_ns = self._later, (second + 1) * SECOND_NS
        while later and later[0][0] < next_ns:
            out.append(heappop(later)[3])
        out.sort(key=_at_ns)

    def _walk(self, second: int, out: list[MarketEvent]) -> None:
        self._common.step()
        for path in self._paths.values():
            path.step(second, self._common, out)


class _Pit:
    """One slot's trading: its windows, the makers' quotes, and takers."""

    def __init__(self, seed: int, slot: tuple[str, str], number: int, path: AssetPath, settles_on: SettlesOn) -> None:
        self.windows = Windows(seed, slot, number=number, path=path, settles_on=settles_on)
        self._path = path
        self._uniform = uniform_stream(seed, "book", *slot)
        self._makers = Makers(uniform_stream(seed, "makers", *slot), path.average_s)
        self._phase_ns = int(self._uniform() * 500_000_000) + 100_000_000
        self._book: MirroredBook | None = None
        self._next_book: MirroredBook | None = None

    def step(self, second: int, out: list[MarketEvent], later: Later) -> None:
        windows, uniform = self.windows, self._uniform
        if second == windows.end_s - _QUOTED_AHEAD_S:
            self._quote_ahead(second, out)
        if second == windows.end_s:
            windows.turn(second, later)
            self._book = self._next_book
            self._makers.open()
        book = self._book
        if book is None:
            return
        quote = self._makers.quote(second, self._path, strike_total=windows.strike_total, end_s=windows.end_s)
        book.requote(*quote)
        at_ns = second * SECOND_NS + self._phase_ns + int(uniform() * 100_000_000)
        book.publish(at_ns, out)
        if uniform() < self._path.profile.trades_per_second:
            self._trade(at_ns + 50_000_000 + int(uniform() * 200_000_000), book, out)

    def pass_by(self, second: int, later: Later) -> None:
        """Nobody trades; the windows turn."""
        if second == self.windows.end_s:
            self.windows.turn(second, later)

    def _quote_ahead(self, second: int, out: list[MarketEvent]) -> None:
        """The next window's book opens a few seconds before the window does, around one half."""
        market = self.windows.next_market()
        level_shares = self._path.profile.level_shares * exponential(_DEPTH_DEVIATION * normal_of(self._uniform()))
        book = MirroredBook(market, level_shares=level_shares, uniform=self._uniform)
        book.requote(_EVEN_TICK - 1, _EVEN_TICK + 1)
        book.publish(second * SECOND_NS + self._phase_ns, out)
        self._next_book = book

    def _trade(self, at_ns: int, book: MirroredBook, out: list[MarketEvent]) -> None:
        uniform = self._uniform
        buys_up = uniform() < 0.5
        draw = uniform()
        lots = 500 + int(1_500 * draw / (1.02 - draw))
        taken = book.take(at_ns, out, lots=lots, buys_up=buys_up)
        if taken:
            weight = min(taken / 10_000, 1.0) * 0.03
            self._makers.push(weight if buys_up else -weight)
            book.publish(at_ns + 15_000_000, out)


def _is_beat(event: MarketEvent) -> bool:
    return isinstance(event, Reference) and event.kind == "price_to_beat"


def _start_s(seed: int) -> int:
    """60 s before a quarter of an hour, from the second day of 2026 on, so that the history lies in 2026 too."""
    quarters = int(uniform_stream(seed, "start")() * 364 * 96)
    return _YEAR_2026_S + 86_400 + quarters * _QUARTER_S - _LEAD_S
