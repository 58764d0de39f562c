"""Is this machine, and this bot folder, fit to run the bot? Each answer says what was found and what to do.

Every check gives an answer on every machine: what cannot be found out is a warning that says so, never an exception.
"""

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from foresight.bot_folder import BotFolder
from foresight.config import load_config
from foresight.errors import ConfigRefused, SecretRefused
from foresight.feeds.endpoints import REAL, Endpoints, local
from foresight.secrets import ORACLE_SECRETS, load_secrets

Status = Literal["ok", "warn", "fail"]

PYTHON_MIN = (3, 11)
CLOCK_SAMPLE_S = 0.2
CLOCK_DRIFT_WARN_MS = 5.0
"""In 200 ms a sound clock is slewed by 0.1 ms at most; more is a clock being set, or a machine that stalls."""

SYNC_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 3.0
MEGABYTE, GIGABYTE = 10**6, 10**9
WEEK_DAYS = 7
JOURNAL_DAY_BYTES = 302 * MEGABYTE
"""Journal and ledger of sixteen slots (docs/benchmarks.md); nothing of them is ever deleted."""
RECORD_DAY_BYTES = {"simulated": 132 * MEGABYTE, "local": 2_700 * MEGABYTE, "polymarket": 2_700 * MEGABYTE}
"""By `[venue] source`: with the market inside, and over sockets, where most inputs are small changes of books."""
DISK_FAIL_BYTES = 100 * MEGABYTE
"""Eight hours of the journal."""
DISK_WARN_BYTES = WEEK_DAYS * JOURNAL_DAY_BYTES

HANDLES_FAIL = 64
HANDLES_WARN = 256
"""Sixteen slots with two feeds, the journal, the record and the host of live code use fewer than a hundred."""

NOTHING = "nothing to do"


class Check(msgspec.Struct, frozen=True):
    """One answer. `advice` says what to do, also when that is nothing."""

    name: str
    status: Status
    found: str
    advice: str = NOTHING


def checks(bot: Path) -> list[Check]:
    """All checks, in the order in which a person would put things right. Takes about half a second."""
    folder = BotFolder(bot)
    return [
        *_config(bot),
        _strategy(folder),
        python_check(sys.version_info[:3]),
        clock_check(_clock_drift_ms()),
        clock_sync_check(_clock_sync()),
        _space(folder),
        _writing(folder),
        _loopback(),
        _reachability(folder),
        handles_check(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ]


def python_check(version: tuple[int, ...]) -> Check:
    found = f"Python {'.'.join(map(str, version))}"
    if version < PYTHON_MIN:
        return Check("python", "fail", found, f"install Python {'.'.join(map(str, PYTHON_MIN))} or newer")
    return Check("python", "ok", found)


def clock_check(drift_ms: float) -> Check:
    found = f"wall clock and monotonic clock differ by {abs(drift_ms):.2f} ms over {CLOCK_SAMPLE_S * 1000:.0f} ms"
    if abs(drift_ms) > CLOCK_DRIFT_WARN_MS:
        return Check("clock", "warn", found, "let the clock settle, and look for another program that sets it")
    return Check("clock", "ok", found)


def clock_sync_check(answer: str) -> Check:
    """`answer` is what timedatectl says of the synchronisation: yes, no, or anything else for unknown."""
    match answer:
        case "yes":
            return Check("clock_sync", "ok", "the clock is synchronised")
        case "no":
            return Check("clock_sync", "warn", "the clock is not synchronised", "run `timedatectl set-ntp true`")
    return Check("clock_sync", "warn", "unknown: timedatectl gives no answer", "see that NTP runs on the host")


def space_check(free_bytes: int, folder: Path, record_bytes: int = 0) -> Check:
    """`record_bytes` is what the record will take in a week, of what `[record] keep_gb` leaves it."""
    found = f"{free_bytes // MEGABYTE:,} MB are free at {folder}"
    grows = f"journal and ledger of sixteen slots grow by {JOURNAL_DAY_BYTES // MEGABYTE} MB a day, and never shrink"
    wanted = f"have {DISK_WARN_BYTES / GIGABYTE:.1f} GB free"
    if free_bytes < DISK_FAIL_BYTES:
        return Check("disk_space", "fail", found, f"{wanted}: {grows}; without room for them nothing is entered")
    if free_bytes < DISK_WARN_BYTES:
        return Check("disk_space", "warn", found, f"{wanted}, a week of it: {grows}")
    if free_bytes < DISK_WARN_BYTES + record_bytes:
        takes = f"in a week the record takes {record_bytes / GIGABYTE:.1f} GB, and its oldest part goes on a full disk"
        return Check("disk_space", "warn", found, f"free more, or lower [record] keep_gb: {takes}; {grows}")
    return Check("disk_space", "ok", found)


def handles_check(limit: int) -> Check:
    if limit == resource.RLIM_INFINITY:
        return Check("file_handles", "ok", "no limit")
    found = f"at most {limit} files may be open"
    if limit >= HANDLES_WARN:
        return Check("file_handles", "ok", found)
    status: Status = "fail" if limit < HANDLES_FAIL else "warn"
    return Check("file_handles", status, found, "run `ulimit -n 1024` before the bot is started")


def _config(bot: Path) -> list[Check]:
    try:
        config = load_config(bot)
    except ConfigRefused as refused:
        return [Check("config", "fail", str(problem), "correct it in bot.toml") for problem in refused.problems]
    slots = len(config.slots.assets) * len(config.slots.timeframes)
    valid = Check("config", "ok", f"bot.toml is valid: {slots} slots, source {config.venue.source}")
    try:
        found = load_secrets(config, os.environ)
    except SecretRefused as refused:
        return [valid, Check("secrets", "fail", str(refused), "correct it where the secret is kept, not in bot.toml")]
    return [valid, secrets_check(config.venue.source, found)]


def secrets_check(source: str, found: Collection[str]) -> Check:
    """`found` are the names of the secrets that there are."""
    if source != "polymarket":
        return Check("secrets", "ok", f"{len(found)} found; a venue on this machine needs none")
    missing = [name for name in ORACLE_SECRETS if name not in found]
    if not missing:
        return Check("secrets", "ok", f"{len(found)} found, those of the oracle among them")
    absent = f"{', '.join(missing)} missing: the bot goes without the oracle, and takes prices to beat from the website"
    return Check("secrets", "warn", absent, "keep them as docs/configuration.md says")


def _strategy(folder: BotFolder) -> Check:
    if (folder.strategy / "__init__.py").is_file():
        return Check("strategy", "ok", f"{folder.strategy} is a package")
    advice = "run `foresight init DIR` for a new bot folder, and copy its strategy/ here"
    return Check("strategy", "fail", f"{folder.strategy / '__init__.py'} is missing", advice)


def _clock_drift_ms() -> float:
    """How much more the wall clock advanced than the monotonic one, which nobody can set."""
    before_ns = time.time_ns() - time.monotonic_ns()  # noqa: TID251  the clocks themselves are examined
    time.sleep(CLOCK_SAMPLE_S)
    after_ns = time.time_ns() - time.monotonic_ns()  # noqa: TID251  the clocks themselves are examined
    return (after_ns - before_ns) / 1e6


def _clock_sync() -> str:
    program = shutil.which("timedatectl")
    if program is None:
        return "unknown"
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYNC_TIMEOUT_S, check=False)  # noqa: S603  fixed words
    except (OSError, subprocess.SubprocessError, ValueError):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _data_place(folder: BotFolder) -> Path:
    """The data folder, or, before the first run, the bot folder that it will be made in."""
    return folder.data if folder.data.is_dir() else folder.root


def _space(folder: BotFolder) -> Check:
    place = _data_place(folder)
    try:
        return space_check(shutil.disk_usage(place).free, place, _record_week_bytes(folder))
    except OSError as error:
        return Check("disk_space", "fail", f"{place}: {error.strerror}", "name the bot folder with --bot")


def _record_week_bytes(folder: BotFolder) -> int:
    """What the record will take in a week, until it is at its limit. To look at 100,000 segments takes a second."""
    try:
        config = load_config(folder.root)
    except ConfigRefused:  # a check of its own
        return 0
    if not config.record.on:
        return 0
    there_bytes = 0
    for path in folder.record.glob("*/[0-9]*.parquet"):
        with contextlib.suppress(OSError):  # a bot that runs deletes the oldest
            there_bytes += path.stat().st_size
    left_bytes = max(0, config.record.keep_gb * GIGABYTE - there_bytes)
    return min(left_bytes, WEEK_DAYS * RECORD_DAY_BYTES[config.venue.source])


def _writing(folder: BotFolder) -> Check:
    """Do what every state file needs: write, make it durable, and put it in its place in one step."""
    place = _data_place(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as scratch:
            new, final = Path(scratch, "new"), Path(scratch, "final")
            with new.open("wb") as file:
                file.write(b"doctor")
                file.flush()
                os.fsync(file.fileno())
            new.replace(final)
            is_sound = final.read_bytes() == b"doctor"
    except OSError as error:
        return Check("disk_write", "fail", f"{place}: {error.strerror}", "make it a folder that this user may write to")
    if not is_sound:
        return Check("disk_write", "fail", f"{place} gives back other bytes than were written", "use another disk")
    return Check("disk_write", "ok", f"write, fsync and rename work at {place}")


def _loopback() -> Check:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
    except OSError as error:
        advice = 'bring the loopback interface up, or keep the market inside the bot: [venue] source = "simulated"'
        return Check("ports", "fail", f"loopback, where the local venue is, cannot be used: {error.strerror}", advice)
    return Check("ports", "ok", f"loopback works (tried port {port}); a local venue takes a port that is free")


def _reachability(folder: BotFolder) -> Check:
    try:
        venue = load_config(folder.root).venue
    except ConfigRefused:
        return Check("reachability", "warn", "unknown: bot.toml names no venue", "correct bot.toml first")
    if venue.source == "polymarket":
        return reachability_check(REAL)
    if venue.source == "local" and venue.address:
        return reachability_check(local(venue.address))
    return Check("reachability", "ok", f"the source is {venue.source}: nothing outside this machine is needed")


def reachability_check(endpoints: Endpoints) -> Check:
    """Whether each host takes connections."""
    hosts = sorted({_host_of(url) for url in msgspec.structs.astuple(endpoints) if url})
    with ThreadPoolExecutor(len(hosts)) as pool:
        answers = dict(zip(hosts, pool.map(_refusal_of, hosts), strict=True))
    refusals = [f"{host}:{port} {why}" for (host, port), why in answers.items() if why]
    if refusals:
        advice = "see that this machine may reach them; a local venue must have been started: `foresight venue`"
        return Check("reachability", "fail", f"{len(refusals)} of {len(hosts)} hosts: {'; '.join(refusals)}", advice)
    return Check("reachability", "ok", f"{len(hosts)} hosts take connections")


def _host_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def _refusal_of(host: tuple[str, int]) -> str:
    """Why no connection can be made; empty where one can."""
    try:
        socket.create_connection(host, timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
