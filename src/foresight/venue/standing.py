"""What a venue writes down at its start, so that one that is started again goes on as if it had never been away.

Venue time is kept as an anchor on the wall clock: the only clock that both lives share.
"""

import os
from pathlib import Path

import msgspec

from foresight.errors import VenueRefused
from foresight.markets import SECOND_NS
from foresight.venue.identities import VersionRule

SCHEMA = 1
AWAY_MAX_NS = 7 * 24 * 3_600 * SECOND_NS
"""A simulated market is walked through from its beginning, some seconds for a day; one that lies further back in venue
time begins anew."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`recording` is empty for the simulated market. At `wall_ns` venue time was `venue_ns`; `began_ns` is where the
    market began."""

    schema: int = SCHEMA
    seed: int
    slots: tuple[tuple[str, str], ...]
    version: VersionRule
    recording: str
    sources: tuple[str, ...]
    speed: float
    wall_ns: int
    venue_ns: int
    began_ns: int
    port: int
    pid: int

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
