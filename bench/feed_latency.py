"""What the feeds cost: from a frame's sending to the engine's having taken it, in a bot that trades sixteen slots.

    paced         p50 and p99 at 5,000 frames a second, beside the floor: a client that only receives and decodes
    saturation    more and more frames a second, until the queue grows, and then as fast as the sender can

The bot is whole: sixteen slots at a local venue in a process of its own, live code in processes of its own. Its
underlyings come from `feed_sender.py`, every frame with another price, so every frame is an event for the engine; their
times are taken. The rates are those of all frames: the sender adds what is missing to the venue's own, which are
changes of the sixteen slots' books at the recorded rate, each an event for both tokens. One core is the bot's loop.
"""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from foresight.bot_folder import BotFolder, init_bot
from foresight.cli.sockets import LOCAL_CREDENTIALS
from foresight.config import load_config
from foresight.effects import Effect
from foresight.engine.settings import WAY_NS
from foresight.events import Spot
from foresight.feeds import binance, exchange
from foresight.feeds.connection import Connection, connect
from foresight.feeds.endpoints import local
from foresight.feeds.feeds import Feeds, Plan
from foresight.runtime.bot import Bot
from foresight.runtime.embedded_venue import EmbeddedVenue
from foresight.runtime.live_market import join, opened
from foresight.runtime.runner import run_paced
from foresight.wire.binance import BinanceDecoder, BookTicker
from measuring import BENCH, arguments, keep, machine, percentile, tell

RATE = 5_000
P99_MS_MAX = 1.0
PACED_TIMES = 3
"""The middle one by its p99 is told, and the times of all."""
RATES = (5_000, 10_000, 20_000, 30_000, 40_000, 60_000)
FULL_SPEED = -1.0
SENT_MIN = 500
"""Frames a second of the sender, where the venue alone brings nearly as many as are asked for."""
LOOK_S = 1.0


class Sender:
    """The sending process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(BENCH / "feed_sender.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def rate(self, frames_per_second: float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{frames_per_second}\n".encode())
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


@contextlib.contextmanager
def a_sender() -> Iterator[Sender]:
    sender = Sender()
    try:
        yield sender
    finally:
        sender.close()


class Timed(binance.BinanceChannel):
    """Stamps prices with the time of their sending; the engine takes any stamp of the right order."""

    def _quote(self, message: BookTicker, behind_ns: int) -> None:
        del behind_ns
        now_ns, asset = self._around.now_ns(), self._assets[message.symbol]
        price = (message.bid + message.ask) / 2
        self._witnesses.quoted_ns[asset] = now_ns
        self._told[asset] = (price, now_ns)
        self._around.put(Spot(now_ns, asset, "binance", price, now_ns - (time.monotonic_ns() - message.update_id)))


async def floor(sender: Sender, seconds: float) -> dict[str, float]:
    """Receiving and decoding alone."""
    taken: list[int] = []
    decoder = BinanceDecoder(lambda *_: None)

    def took(_connection: Connection, frame: bytes) -> None:
        message = decoder.decode(frame)
        assert isinstance(message, BookTicker)
        taken.append(time.monotonic_ns() - message.update_id)

    connection = await connect(f"ws://127.0.0.1:{sender.port}/stream", 1, took, lambda _: None)
    sender.rate(RATE)
    await asyncio.sleep(seconds)
    sender.rate(0)
    connection.close("done")
    return _microseconds(taken)


def _microseconds(taken: list[int]) -> dict[str, float]:
    ordered = sorted(taken[len(taken) // 10 :])
    told = {"p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99), "max": ordered[-1]}
    return {"frames": len(taken), **{name: round(value / 1e3, 1) for name, value in told.items()}}


class Measured:
    """Takes the time of every price that the engine has handled."""

    def __init__(self, bot: Bot) -> None:
        self.taken: list[int] = []
        self._now_ns = bot.clock.now_ns
        handlers = bot.engine._handlers  # noqa: SLF001 - nothing is added to what is done for other events
        self._handle = handlers[Spot]
        handlers[Spot] = self

    def __call__(self, tick: Spot) -> Sequence[Effect]:
        effects = self._handle(tick)
        self.taken.append(self._now_ns() - tick.stamped_ns)
        return effects


async def whole_bot(home: Path, sender: Sender, *, quick: bool) -> dict[str, Any]:
    """A bot on sixteen slots, and what it does at each rate."""
    folder = BotFolder(home / "bot")
    init_bot(folder.root)
    config = load_config(folder.root)
    venue = EmbeddedVenue(("--seed", "7"), log=home / "venue.log", state=home / "venue.json", tell=print)
    endpoints = local(await venue.start())
    endpoints = msgspec.structs.replace(endpoints, binance_stream=f"ws://127.0.0.1:{sender.port}")
    joined = await join(endpoints)
    slots = tuple((asset, timeframe) for asset in config.slots.assets for timeframe in config.slots.timeframes)
    plan = Plan(slots=slots, endpoints=endpoints, credentials=lambda: LOCAL_CREDENTIALS)
    exchange.BinanceChannel = Timed  # type: ignore[misc]  # the one thing that is not the bot's own: stamps of the sending
    feeds = Feeds(
        plan,
        now_ns=joined.clock.now_ns,
        way_ns=WAY_NS,
        rejects=folder.data / "rejects",
        tell=lambda _: None,
        spot=plan.assets,
    )
    sender.rate(RATE)
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(feeds.run())
            market = await opened(feeds, joined, lambda _: None)
            bot = Bot(config, market, joined.clock, speed=1.0, in_process=False, feeds=feeds)
            with contextlib.closing(bot):
                measured = Measured(bot)
                feeds.intake.on_first = bot.alarm.ring
                bot.session.begin()
                await bot.start()
                going = group.create_task(run_paced(bot, joined.clock, until_ns=None, screen=None))
                found = await _rates(bot, feeds, sender, measured, quick=quick)
                going.cancel()
            running.cancel()
    finally:
        await venue.stop()
    return found


async def _rates(bot: Bot, feeds: Feeds, sender: Sender, measured: Measured, *, quick: bool) -> dict[str, Any]:
    seconds = 1.0 if quick else 10.0
    await asyncio.sleep(5 * seconds)
    paced = [await _at(RATE, 1.0 if quick else 30.0, bot, feeds, sender, measured) for _ in range(PACED_TIMES)]
    paced.sort(key=lambda each: float(each["taken_us"]["p99"]))
    steps = [await _at(rate, seconds, bot, feeds, sender, measured) for rate in RATES[:2] if quick] or [
        await _at(rate, seconds, bot, feeds, sender, measured) for rate in (*RATES, FULL_SPEED)
    ]
    return {"paced": paced[PACED_TIMES // 2], "paced_us": [each["taken_us"] for each in paced], "saturation": steps}


async def _at(
    rate: float, seconds: float, bot: Bot, feeds: Feeds, sender: Sender, measured: Measured
) -> dict[str, Any]:
    """One rate: what came in, how late it was taken, how long the queue was, and what became of the rounds."""
    filling = Filling(rate, feeds, sender)
    await asyncio.sleep(LOOK_S)
    filling.adjust()
    await asyncio.sleep(0.5)
    measured.taken.clear()
    events, feeds.intake.longest = feeds.intake.taken, 0
    (sent, others), conflated, cpu_s = _frames(feeds), feeds.intake.conflated, time.thread_time()
    before, began_s = bot.report().presence, time.monotonic()
    longest, waited_ms = 0, 0.0
    while time.monotonic() - began_s < seconds:
        await asyncio.sleep(0.02)
        filling.adjust()
        longest = max(longest, len(feeds.intake), feeds.intake.longest)
        since_ns = feeds.intake.waits_since_ns()
        waited_ms = max(waited_ms, 0.0 if since_ns is None else (bot.clock.now_ns() - since_ns) / 1e6)
    took_s, after = time.monotonic() - began_s, bot.report().presence
    sent_now, others_now = _frames(feeds)
    frames = sent_now - sent + others_now - others
    return {
        "asked_per_s": rate if rate > 0 else "as fast as it goes",
        "frames_per_s": round(frames / took_s),
        "of_venue_per_s": round((others_now - others) / took_s),
        "events_per_s": round((feeds.intake.taken - events) / took_s),
        "loop_cpu_share": round((time.thread_time() - cpu_s) / took_s, 3),
        "taken_us": _microseconds(list(measured.taken)),
        "conflated_share": round((feeds.intake.conflated - conflated) / max(1, frames), 4),
        "queue_longest": longest,
        "queue_ms_max": round(waited_ms, 1),
        "rounds": {
            "due": after.due - before.due,
            "late": after.late - before.late,
            "missed": after.missed - before.missed,
        },
    }


def _frames(feeds: Feeds) -> tuple[int, int]:
    """How many have come from the sender, and from everybody else."""
    counts = [(line.channel.name == "binance", line.health().frames) for line in feeds.lines]
    return sum(count for ours, count in counts if ours), sum(count for ours, count in counts if not ours)


class Filling:
    """The sender adds what is missing to the venue's frames, by what the venue has sent in the last second."""

    def __init__(self, rate: float, feeds: Feeds, sender: Sender) -> None:
        self._rate, self._feeds, self._sender = rate, feeds, sender
        self._looked_s, self._seen = time.monotonic(), _frames(feeds)[1]
        sender.rate(rate)

    def adjust(self) -> None:
        now_s = time.monotonic()
        if self._rate < 0 or now_s - self._looked_s < LOOK_S:
            return
        others = _frames(self._feeds)[1]
        self._sender.rate(max(SENT_MIN, self._rate - (others - self._seen) / (now_s - self._looked_s)))
        self._looked_s, self._seen = now_s, others


def measure(*, quick: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as home, a_sender() as sender:
        alone = asyncio.run(floor(sender, 2.0 if quick else 20.0))
    with tempfile.TemporaryDirectory() as home, a_sender() as sender:
        found = asyncio.run(whole_bot(Path(home), sender, quick=quick))
    p99_ms = found["paced"]["taken_us"]["p99"] / 1e3
    return {
        "floor_us": alone,
        **found,
        "ratio_p50": round(found["paced"]["taken_us"]["p50"] / alone["p50"], 2),
        "ratio_p99": round(found["paced"]["taken_us"]["p99"] / alone["p99"], 2),
        "bar_ms": P99_MS_MAX,
        "met": p99_ms < P99_MS_MAX,
    }


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="also write bench/results/feed_latency.json")
    options = parser.parse_args()
    document = {"machine": machine(), "quick": options.quick, **measure(quick=options.quick)}
    if options.keep:
        keep("feed_latency.json", document)
    tell(document)


if __name__ == "__main__":
    main()
