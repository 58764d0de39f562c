"""What a venue writes down, so that one that is started again goes on as if it had never been away.

Venue time is kept as an anchor on two clocks. Bots follow the machine's monotonic one, which stands still while the
machine sleeps, so that one counts until the machine is booted anew; then the wall clock is all that both lives share.
"""

import os
from pathlib import Path

import msgspec

from foresight.errors import VenueRefused
from foresight.runtime.clock import monotonic_ns, wall_ns
from foresight.sources.simulated import KeptMarket
from foresight.venue.identities import VersionRule

SCHEMA = 1
BOOT = Path("/proc/sys/kernel/random/boot_id")
KEPT_MAX = 6
"""A market is kept four times a day and resumed from a day back: the oldest of six is always that far back."""


class Instant(msgspec.Struct, frozen=True):
    """A reading of both clocks; `boot` names the machine's boot, and is empty where it is not told."""

    wall_ns: int
    monotonic_ns: int
    boot: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`recording` is empty for the simulated market. At `wall_ns`, and at `monotonic_ns` of the boot that is named,
    venue time was `venue_ns`; `kept` is what the simulated market can be gone on with, the oldest first."""

    schema: int = SCHEMA
    seed: int
    slots: tuple[tuple[str, str], ...]
    version: VersionRule
    recording: str
    sources: tuple[str, ...]
    speed: float
    wall_ns: int
    monotonic_ns: int = 0
    boot: str = ""
    venue_ns: int
    port: int
    pid: int
    kept: tuple[KeptMarket, ...] = ()

    def venue_at(self, now: "Instant") -> int:
        """Venue time at an instant; a clock that was put back does not turn it back."""
        is_same_boot = now.boot != "" and now.boot == self.boot and now.monotonic_ns >= self.monotonic_ns
        passed_ns = now.monotonic_ns - self.monotonic_ns if is_same_boot else now.wall_ns - self.wall_ns
        return self.venue_ns + int(max(passed_ns, 0) * self.speed)

    def is_same_market(self, other: "Standing") -> bool:
        names = ("seed", "slots", "version", "recording", "sources", "speed")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def instant() -> Instant:
    """Now."""
    try:
        boot = BOOT.read_text().strip()
    except OSError:
        boot = ""  # no Linux: the wall clock counts
    return Instant(wall_ns(), monotonic_ns(), boot)


def usual_place(port: int) -> Path:
    """Where the venue of a port keeps its state unless it is told: the user's own folder for what programs remember."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "foresight" / f"venue-{port}.json"


def read_standing(path: Path) -> Standing | None:
    """What stands there; None when there is no such file. Raises VenueRefused for one that cannot be read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Standing)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise VenueRefused(
            f"{path} is no venue's state: {error}; nothing was started, and the file is as it was"
        ) from None
    if found.schema != SCHEMA:
        raise VenueRefused(f"{path} has schema {found.schema}, and this venue reads {SCHEMA}; nothing was started")
    return found


def write_standing(path: Path, standing: Standing) -> None:
    """Replaces the file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(standing), indent=2) + b"\n")
    os.replace(beside, path)  # noqa: PTH105 - the name says that it replaces
