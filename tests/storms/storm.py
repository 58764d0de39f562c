"""A storm: a whole bot in its own pace, with processes for its live code, while release after release comes down on it.

One release in three is bad, each time in another way. What must hold at the end: every evaluation that was due has its
answer before its round is over; every answer is of a release that was live or stood by at that moment, and was made by
that release's own code; no order is sent twice; every bad release is gone; and the process holds what it held before.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from conformance.held import Below
from foresight.effects import Evaluate
from foresight.events import Decided, Raised
from foresight.markets import SECOND_NS
from foresight.runtime.bot import Bot
from foresight.runtime.clock import PacedClock
from foresight.sources.simulated import DEFAULT_SLOTS
from over_sockets.running import Run, run_over_sockets
from over_sockets.venue import a_venue
from storms.bots import SLOTS, a_bot_folder, slots_table
from storms.orders import order_problems
from storms.paced import run_bot
from storms.releases import BAD, MARK, write_release
from storms.telling import Holding, Told, holding_of, least, most, spread
from tesseract import Counts, Event, Host, Kept, NotDone, Request, WentBack, WentLive
from tesseract.orders import News, Staged

VERDICT_S = 30.0
WARM_SHARE = 0.25
AIMS_MS = (-20, -10, -5, -1, 0, 1, 5, 10, 20)
LEAD_S = 2.5
"""So long before the instant that is aimed at a deploy is asked for; what is ready earlier is held back until then."""
AFTER_NS = SECOND_NS // 10
"""A bad release that is committed after its instant is bad from then on, and not in what it still has to catch up."""
ORDERS_PER_MINUTE_MAX = 3
"""Of a slot. A good release sends fewer."""
RSS_GROWN_MB_MAX = 24.0
BELOW_MB_MAX = {"stager": 64.0, "zygote": 64.0, "host": 64.0, "writer": 224.0}
VENUE_MB_MAX = 128.0
VENUE = "venue"
"""Of whose files as many may come as the reads' connections have other ends."""
FILLS_LATE = "writer"
"""The record's writer: it holds most when it writes its first segment, which may be after the warm-up."""
REST_IDLE_MAX = 16
"""Connections that the reads of two hosts keep for a while."""
SPARE = {"files": 3, "threads": 2, "children": 1}
"""One host that is just ending, and the loop's pool of threads, which is made when it is needed."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`speed` is venue seconds a real second. Deploys come every `every_s` real seconds, or, without it, so that their
    commit falls around a due instant. It ends after `seconds`, or after so many `deploys`."""

    speed: float
    period_s: int
    budget_ms: int
    rehearse_min: int
    seconds: float
    every_s: float | None = None
    deploys: int = 10**9
    probation_rounds: int = 12
    seed: int = 7
    slots: tuple[tuple[str, str], ...] = SLOTS
    is_over_sockets: bool = False
    """At a local venue in a process of its own, with the real feeds, instead of a market inside."""


SECOND_BY_SECOND = Plan(
    speed=10, period_s=5, budget_ms=200, rehearse_min=0, seconds=60, every_s=1.0, probation_rounds=2
)
"""A round every half second, a deploy every second."""
AT_THE_DUE_INSTANT = Plan(speed=1, period_s=5, budget_ms=400, rehearse_min=1, seconds=60, slots=DEFAULT_SLOTS)
"""The pace of the market itself and all its slots, and commits within 20 ms of a round's beginning."""


OVER_SOCKETS = msgspec.structs.replace(AT_THE_DUE_INSTANT, is_over_sockets=True)
SECONDS_OVER_SOCKETS = msgspec.structs.replace(SECOND_BY_SECOND, is_over_sockets=True)


def run_storm(home: Path, plan: Plan) -> Told:
    """Runs one storm in a new bot folder below `home`, and tells how it went."""
    return _Storm(home, plan).run()


class _Storm:
    def __init__(self, home: Path, plan: Plan) -> None:
        self.plan = plan
        self.orders_per_minute_max = ORDERS_PER_MINUTE_MAX * len(plan.slots)
        self.folder = a_bot_folder(
            home,
            slots=slots_table(plan.slots),
            evaluation={"period_s": plan.period_s, "budget_ms": plan.budget_ms},
            deploy={
                "rehearse_min": plan.rehearse_min,
                "probation_rounds": plan.probation_rounds,
                "memory_mb": 192,
                "keep_releases": 50,
            },
            risk={"orders_per_minute_max": self.orders_per_minute_max},
        )
        self.live, self.standby = "", ""
        self.marks: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.answers = self.kept = self.rolled_back = self.refused = self.committed = 0
        self.evaluated: dict[str, asyncio.Event] = {}
        self.words: dict[str, asyncio.Future[Event]] = {}
        self.took_ms: list[float] = []
        self.aimed_ms: list[float] = []
        self.held: list[Holding] = []
        self.problems: list[str] = []
        self.last_mark = 1
        self.aim = -1
        self.hold_s = 0.0

    def run(self) -> Told:
        plan = self.plan
        write_release(self.folder / "strategy", 1)
        began_s = time.monotonic()
        if plan.is_over_sockets:
            self.bot = self._run_over_sockets()
        else:
            self.bot = run_bot(
                self.folder, self._work, speed=plan.speed, seed=plan.seed, slots=plan.slots, prepare=self._listen
            )
        presence = self.bot.report().presence
        self._judge(presence)
        return self._told(presence, time.monotonic() - began_s)

    def _run_over_sockets(self) -> Bot:
        plan, names = self.plan, slots_table(self.plan.slots)
        arguments = [f"--{name}={','.join(map(str, names[name]))}" for name in ("assets", "timeframes")]
        with a_venue(self.folder.parent / "venue", f"--seed={plan.seed}", f"--speed={plan.speed}", *arguments) as venue:
            return run_over_sockets(self.folder, venue, self._on_sockets, prepare=self._listen)

    async def _on_sockets(self, run: Run) -> None:
        """The storm, after which every connection is the one of its beginning."""
        before = {each.line.name: each.line.frames for each in run.feeds.health().lines}
        await self._work(run.bot, run.clock)
        for each in run.feeds.health().lines:
            line = each.line
            if (line.state, line.reconnects, line.renewals) != ("open", 0, 0):
                self.problems.append(f"{line.name} is {line.state} after {line.reconnects} reconnects: {line.last_end}")
            if line.frames <= before[line.name]:
                self.problems.append(f"{line.name} brought nothing")

    async def _work(self, bot: Bot, clock: PacedClock) -> None:
        self.bot, self.clock = bot, clock
        self._hold_back()
        await self._deploys()

    # Deploys

    async def _deploys(self) -> None:
        began_s = time.monotonic()
        for number in range(1, self.plan.deploys + 1):
            due_ns = await self._moment(began_s + number * (self.plan.every_s or 0.0))
            if time.monotonic() - began_s > self.plan.seconds:
                return
            kind = BAD[(number // 3 - 1) % len(BAD)] if number % 3 == 0 else "good"
            await self._deploy(number + 1, kind, due_ns)
            self.held.append(holding_of(self.bot))

    async def _moment(self, at_s: float) -> int:
        """Waits until a deploy should be asked for; returns the venue time from which a bad one is bad."""
        if self.plan.every_s is not None:
            await asyncio.sleep(max(at_s - time.monotonic(), 0.0))
            return 0
        self.aim = (self.aim + 1) % len(AIMS_MS)
        aim_s, period_ns = AIMS_MS[self.aim] / 1e3, self.plan.period_s * SECOND_NS
        due_ns = (self.clock.now_ns() // period_ns + 1) * period_ns
        while self.clock.seconds_until(due_ns) + aim_s < LEAD_S:
            due_ns += period_ns
        self.hold_s = asyncio.get_running_loop().time() + self.clock.seconds_until(due_ns) + aim_s
        await asyncio.sleep(self.clock.seconds_until(due_ns) + aim_s - LEAD_S)
        return due_ns if aim_s <= 0 else due_ns + AFTER_NS

    async def _deploy(self, mark: int, kind: str, from_ns: int) -> None:
        """One release, to its verdict, and, when it is live, to its first answer."""
        request = Request(id=f"storm-{mark}", action="deploy", author="storm", note=kind)
        self.last_mark = mark
        await asyncio.to_thread(write_release, self.folder / "strategy", mark, kind=kind, from_ns=from_ns)
        word = self.words[request.id] = asyncio.get_running_loop().create_future()
        asked_s = time.monotonic()
        self.bot.live.runtime.request(request)
        event = await asyncio.wait_for(word, VERDICT_S)
        del self.words[request.id]
        if isinstance(event, NotDone):
            self.refused += 1
            self.ended[f"{kind} {mark}"] = f"refused: {event.text}"
            return
        assert isinstance(event, WentLive)
        self.took_ms.append((time.monotonic() - asked_s) * 1e3)
        await asyncio.wait_for(self.evaluated[event.release.name].wait(), VERDICT_S)

    def _distance_ms(self) -> float:
        """From the nearest due instant to now, in real milliseconds."""
        period_ns = self.plan.period_s * SECOND_NS
        past_ns = self.clock.now_ns() % period_ns
        return (past_ns if past_ns < period_ns / 2 else past_ns - period_ns) / self.plan.speed / 1e6

    # What happens

    def _listen(self, bot: Bot) -> None:
        runtime: Any = bot.live.runtime
        happened: Callable[[Event], None] = runtime._on_event

        def both(event: Event) -> None:
            self._happened(event)
            happened(event)

        runtime._on_event = both
        sink: Any = bot.sink
        sink.answered = self._answered

    def _hold_back(self) -> None:
        """News that a release is ready come at the instant that is aimed at, as if its preparation ended just then."""
        link, loop = self.bot.live.runtime._link, asyncio.get_running_loop()
        assert link is not None
        heard = link.on_news

        def held(news: News, hosts: list[Host]) -> None:
            wait_s = self.hold_s - loop.time()
            if isinstance(news, Staged) and wait_s > 0:
                loop.call_later(wait_s, heard, news, hosts)
            else:
                heard(news, hosts)

        link.on_news = held

    def _happened(self, event: Event) -> None:
        if isinstance(event, WentLive):
            self._went_live(event)
        elif isinstance(event, WentBack):
            self._went_back(event)
        elif isinstance(event, Kept):
            self.kept += 1
            self.standby = ""
        if isinstance(event, WentLive | NotDone) and (word := self.words.get(event.request)) and not word.done():
            word.set_result(event)

    def _went_live(self, event: WentLive) -> None:
        name = event.release.name
        self.live, self.standby = name, self.live
        self.committed += 1
        self.evaluated[name] = asyncio.Event()
        self.marks[name] = self.last_mark
        self.kinds[name] = event.release.note
        if self.committed > 1:
            self.aimed_ms.append(self._distance_ms())

    def _went_back(self, event: WentBack) -> None:
        name = event.release.name
        self.rolled_back += 1
        self.evaluated[name].set()
        kind = self.kinds[name]
        self.ended[f"{kind} {self.marks[name]}"] = f"rolled back: {event.line}"
        if kind == "good":
            self.problems.append(f"{name} is good and was rolled back: {event.line}")
        self.live, self.standby = event.to.name, ""

    def _answered(self, asked: Evaluate, answer: Decided | Raised) -> None:
        self.answers += 1
        if answer.release not in (self.live, self.standby):
            self.problems.append(f"{answer.release} answered while {self.live} was live, {self.standby} beside it")
        if isinstance(answer, Raised):
            self.problems.append(f"{asked.slot} had no answer: {answer.release} {answer.kind}")
            return
        self.evaluated[answer.release].set()
        if answer.signals.get(MARK) != self.marks[answer.release]:
            self.problems.append(f"{answer.release} answered with the code of {answer.signals.get(MARK)}")

    # How it went

    def _judge(self, presence: Counts) -> None:
        found = self.problems
        if presence.missed:
            found.append(f"{presence.missed} evaluations were missed: {presence.missed_by_cause}")
        if presence.due != presence.done + presence.late + presence.blind + presence.missed:
            found.append("the record of presence does not add up")
        if self.kinds[self.live] in BAD and self.kinds[self.live] != "order_storm":
            found.append(f"{self.live} ({self.kinds[self.live]}) is still live")
        found += order_problems(self.bot.run / "journal.sqlite", set(self.marks), self.orders_per_minute_max)
        before, after = self._halves()
        if after.rss_mb - before.rss_mb > RSS_GROWN_MB_MAX:
            found.append(f"memory grew from {before.rss_mb} to {after.rss_mb} MB")
        idle = REST_IDLE_MAX if self.plan.is_over_sockets else 0
        for name, spare in {**SPARE, "files": SPARE["files"] + idle}.items():
            if getattr(after, name) > getattr(before, name) + spare:
                found.append(f"{name}: {getattr(before, name)} became {getattr(after, name)}")
        found += _grown_below(before.below, after.below)

    def _halves(self) -> tuple[Holding, Holding]:
        """The most of each that was held while it warmed up and shortly after, and what was held all through the last
        part."""
        warm = max(round(len(self.held) * WARM_SHARE), 1)
        return most(self.held[warm : 2 * warm] or self.held), least(self.held[-warm:])

    def _told(self, presence: Counts, seconds: float) -> Told:
        before, after = self._halves()
        lateness = presence.lateness_ms
        speed = self.plan.speed
        return Told(
            seconds=round(seconds, 1),
            deploys=self.last_mark - 1,
            live=self.committed - 1,
            refused=self.refused,
            rolled_back=self.rolled_back,
            kept=self.kept,
            answers=self.answers,
            orders=self.bot.engine.desk.orders_sent,
            presence=presence,
            lateness_ms={name: round(getattr(lateness, name) / speed, 2) for name in ("p50", "p99", "max")},
            deploy_ms=spread(self.took_ms),
            aimed_ms=[round(value, 1) for value in self.aimed_ms],
            before=before,
            after=after,
            bad={name: text[:160] for name, text in self.ended.items() if not name.startswith("good")},
            problems=self.problems,
        )


def _grown_below(before: Mapping[str, Below], after: Mapping[str, Below]) -> list[str]:
    """Kinds of processes below the main one that are missing, hold more than before, or more than any may."""
    found = [f"no {kind} was seen" for kind in sorted(BELOW_MB_MAX.keys() - after.keys())]
    for kind, now in after.items():
        was = before.get(kind, now)
        most_mb = BELOW_MB_MAX.get(kind, VENUE_MB_MAX)
        if now.rss_mb > (most_mb if kind == FILLS_LATE else min(was.rss_mb + RSS_GROWN_MB_MAX, most_mb)):
            found.append(f"a {kind}'s memory grew from {was.rss_mb} to {now.rss_mb} MB, at most {most_mb}")
        idle = REST_IDLE_MAX if kind == VENUE else 0  # the other ends of the reads' connections
        if now.files > was.files + SPARE["files"] + idle:
            found.append(f"a {kind}'s files: {was.files} became {now.files}")
    return found
