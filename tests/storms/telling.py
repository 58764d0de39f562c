"""What a storm tells of itself when it is over."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import psutil

from conformance.held import Below, below_now
from foresight.runtime.bot import Bot
from tesseract import Counts

MEGABYTE = 1024 * 1024
OWN = ("rss_mb", "files", "threads", "children")


class Holding(msgspec.Struct, frozen=True):
    """What the main process holds; the tape's files, which it keeps on purpose, are not among `files`. `below` it are
    the stager, the zygotes and the hosts: of each kind the most that one of it holds."""

    rss_mb: float
    files: int
    threads: int
    children: int
    below: dict[str, Below]


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
        below=below_now(),
    )


def most(held: list[Holding]) -> Holding:
    """The most of each that was held at any of these moments. Of processes below it is the least: a host that is just
    being killed for what it holds is no leak, and what leaks is held at every moment."""
    return _taken(held, max)


def least(held: list[Holding]) -> Holding:
    """The least of each that was held at any of these moments: what leaks is held at every one, and a host that is
    just ending is not."""
    return _taken(held, min)


def _taken(held: list[Holding], pick: Callable[[Iterable[float]], float]) -> Holding:
    own: dict[str, Any] = {name: pick(getattr(each, name) for each in held) for name in OWN}
    below = [each.below for each in held]
    return Holding(
        **own, below={kind: _least(kind, below) for kind in sorted({kind for each in below for kind in each})}
    )


def _least(kind: str, below: list[dict[str, Below]]) -> Below:
    found = [each[kind] for each in below if kind in each]
    return Below(min(each.rss_mb for each in found), min(each.files for each in found))


def spread(samples: list[float]) -> dict[str, float]:
    """The median, the 99th percentile and the maximum."""
    ordered = sorted(samples) or [0.0]
    places = {"p50": len(ordered) // 2, "p99": len(ordered) * 99 // 100, "max": len(ordered) - 1}
    return {name: round(ordered[place], 1) for name, place in places.items()}
