"""What a storm tells of itself when it is over."""

import msgspec
import psutil

from foresight.runtime.bot import Bot
from tesseract import Counts

MEGABYTE = 1024 * 1024


class Holding(msgspec.Struct, frozen=True):
    """What the main process holds; the tape's files, which it keeps on purpose, are not among `files`."""

    rss_mb: float
    files: int
    threads: int
    children: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How a storm went. Times are real milliseconds; `aimed_ms` are distances of commits from the due instant."""

    seconds: float
    deploys: int
    live: int
    refused: int
    rolled_back: int
    kept: int
    answers: int
    orders: int
    presence: Counts
    lateness_ms: dict[str, float]
    deploy_ms: dict[str, float]
    aimed_ms: list[float]
    before: Holding
    after: Holding
    bad: dict[str, str]
    problems: list[str]


def holding_of(bot: Bot) -> Holding:
    """What this process, which runs the bot, holds now."""
    process = psutil.Process()
    tape = bot.live.runtime.seam.tape
    return Holding(
        rss_mb=round(process.memory_info().rss / MEGABYTE, 1),
        files=process.num_fds() - (len(tape.parts()) if tape is not None else 0),
        threads=process.num_threads(),
        children=len(process.children(recursive=True)),
    )


def most(held: list[Holding]) -> Holding:
    """The most of each that was held at any of these moments."""
    return Holding(*(max(getattr(each, name) for each in held) for name in Holding.__struct_fields__))


def spread(samples: list[float]) -> dict[str, float]:
    """The median, the 99th percentile and the maximum."""
    ordered = sorted(samples) or [0.0]
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {name: round(ordered[place], 1) for name, place in places.items()}
