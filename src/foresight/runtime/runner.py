"""Runs a bot: in the pace of its venue's time, or in lock-step as fast as it goes.

Five tasks in one group: the engine's loop, the reporter of state files, the watch over clock and journal, the reader of
the operator's files, and the screen, if there is one. Nothing of the bot is started anywhere else. Live code has
processes of its own (see `tesseract`), whose sockets are read by the same loop.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

from foresight.errors import ForesightError
from foresight.markets import SECOND_NS
from foresight.runtime.alarm import Alarm
from foresight.runtime.bot import Bot
from foresight.runtime.clock import LockstepClock, PacedClock, wall_ns
from foresight.runtime.session import FOREVER_NS

REPORT_S = 1.0
CHECK_S = 1.0
LOOK_S = 0.1
"""How often the operator's files are looked at: what is asked begins within this."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a run to leave in order: Ctrl-C, a service manager, a terminal that goes away."""
STRETCH_NS = 60 * SECOND_NS
LAST_ANSWERS_S = 1.0
ANSWER_LOOK_S = 0.005
STEPS_PER_TURN = 64
"""Steps that the loop may take while behind, before other tasks get a turn."""

Screen = Callable[[Bot, asyncio.Event], Awaitable[None]]
Beside = tuple[str, Callable[[asyncio.Event], Coroutine[None, None, None]]]


def _ask_to_stop(stop: asyncio.Event, alarm: Alarm) -> None:
    stop.set()
    alarm.ring()


async def run_paced(
    bot: Bot, clock: PacedClock, *, until_ns: int | None, screen: Screen | None, beside: Sequence[Beside] = ()
) -> None:
    """Runs until the source ends, `until_ns` has come, or a signal asks to stop; leaves the session where it is.
    `beside` are coroutines that run as long, by name: what keeps a live source alive."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, _ask_to_stop, stop, bot.alarm)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_step_until(bot, clock, stop, until_ns), name="engine")
            group.create_task(_report(bot, stop), name="reporter")
            group.create_task(_watch(bot, clock, stop), name="watch")
            group.create_task(_obey(bot, stop), name="operator")
            for name, work in beside:
                group.create_task(work(stop), name=name)
            if screen is not None:
                group.create_task(_show(screen, bot, stop), name="screen")
    except* (ForesightError, OSError) as failed:
        raise failed.exceptions[0] from None


async def _step_until(bot: Bot, clock: PacedClock, stop: asyncio.Event, until_ns: int | None) -> None:
    session = bot.session
    limit_ns = FOREVER_NS if until_ns is None else until_ns
    try:
        while not stop.is_set():
            at_ns = session.next_ns()
            if at_ns is None and not session.is_live:
                return
            if clock.seconds_until(limit_ns) <= 0 and (at_ns is None or at_ns > limit_ns):
                return
            delay_s = clock.seconds_until(limit_ns if at_ns is None else min(at_ns, limit_ns))
            if delay_s > 0:
                await bot.alarm.wait(delay_s)
                continue
            session.run_due(min(clock.now_ns(), limit_ns), STEPS_PER_TURN)
            await asyncio.sleep(0)
    finally:
        await _last_answers(bot)
        stop.set()


async def _last_answers(bot: Bot) -> None:
    """What was due when the run ended is still answered, so that nothing of it is left open."""
    for _ in range(round(LAST_ANSWERS_S / ANSWER_LOOK_S)):
        if not bot.engine.is_waiting:
            return
        await asyncio.sleep(ANSWER_LOOK_S)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Waits, or less when asked to stop."""
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return


async def _report(bot: Bot, stop: asyncio.Event) -> None:
    """Writes the observed documents once a second; the files are written off the loop."""
    while not stop.is_set():
        documents = bot.documents(running=True)
        await asyncio.to_thread(bot.write, documents)
        await _wait(stop, REPORT_S)


async def _watch(bot: Bot, clock: PacedClock, stop: asyncio.Event) -> None:
    """Tells the engine how far the clock has moved, and whether the journal can be written."""
    while not stop.is_set():
        bot.check_clock(clock.drift_ms())
        bot.check_journal()
        await _wait(stop, CHECK_S)


async def _obey(bot: Bot, stop: asyncio.Event) -> None:
    """Looks at the operator's files, off the loop, and does what they ask."""
    while not stop.is_set():
        bot.obey(await asyncio.to_thread(bot.inbox.look))
        await _wait(stop, LOOK_S)


async def _show(screen: Screen, bot: Bot, stop: asyncio.Event) -> None:
    """A screen whose reader has left is a warning: the run needs nobody who looks."""
    try:
        await screen(bot, stop)
    except (OSError, UnicodeError) as error:
        bot.warn(f"the screen cannot be written: {error}; the bot goes on")


def run_lockstep(
    bot: Bot,
    clock: LockstepClock,
    *,
    stop: threading.Event,
    until_ns: int | None,
    on_progress: Callable[[int], None],
) -> None:
    """Runs as fast as it goes, a minute of venue time at a stretch, reporting after each. Asked to stop it finishes the
    stretch. State files are written once a second."""
    session, written_ns = bot.session, 0
    end_ns = FOREVER_NS if until_ns is None else until_ns
    while not stop.is_set() and (at_ns := session.next_ns()) is not None and at_ns <= end_ns:
        limit_ns = min(at_ns + STRETCH_NS, end_ns)
        session.run_lockstep(clock, limit_ns)
        bot.sink.journal_writer.wait_for_disk()
        on_progress(limit_ns)
        if wall_ns() - written_ns > REPORT_S * SECOND_NS:
            written_ns = wall_ns()
            bot.check_journal()
            bot.obey(bot.inbox.look())
            bot.write(bot.documents(running=True))
    if until_ns is not None and not stop.is_set():
        clock.move_to(until_ns)


@contextlib.contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """An event that the stop signals set, instead of what they do otherwise."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
