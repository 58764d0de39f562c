"""What a venue writes down, so that one that is started again goes on as if it had never been away.

Venue time is kept as an anchor on the wall clock: the only clock that both lives share.
"""

import os
from pathlib import Path

import msgspec

from foresight.errors import VenueRefused
from foresight.sources.simulated import KeptMarket
from foresight.venue.identities import VersionRule

SCHEMA = 1
KEPT_MAX = 6
"""A market is kept four times a day and resumed from a day back: the oldest of six is always that far back."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`recording` is empty for the simulated market. At `wall_ns` venue time was `venue_ns`; `kept` is what the
    simulated market can be gone on with, the oldest first."""

    schema: int = SCHEMA
    seed: int
    slots: tuple[tuple[str, str], ...]
    version: VersionRule
    recording: str
    sources: tuple[str, ...]
    speed: float
    wall_ns: int
    venue_ns: int
    port: int
    pid: int
    kept: tuple[KeptMarket, ...] = ()

    def venue_at(self, wall_ns: int) -> int:
        """Venue time at a reading of the wall clock; a clock that was put back does not turn it back."""
        return self.venue_ns + int(max(wall_ns - self.wall_ns, 0) * self.speed)

    def is_same_market(self, other: "Standing") -> bool:
        names = ("seed", "slots", "version", "recording", "sources", "speed")
        return all(getattr(self, name) == getattr(other, name) for name in names)


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
