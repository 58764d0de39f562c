"""What a venue is told at its start, and the pace of its connections."""

import msgspec

from foresight.venue.identities import VersionRule


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Rules in real seconds, whatever the speed of venue time; defaults are the venues' (spec §6.1, §7.1, §10.2)."""

    clob_ping_patience_s: float = 20.0
    binance_ping_every_s: float = 20.0
    binance_pong_within_s: float = 60.0
    binance_life_s: float = 24 * 3_600.0
    binance_messages_per_s: int = 5
    binance_attempts: int = 300
    binance_attempts_within_s: float = 300.0
    polybolt_ping_every_s: float = 25.0
    polybolt_missed_pings: int = 2
    polybolt_subscribes_per_s: int = 20
    rtds_ping_patience_s: float = 30.0


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`accepts_after_ns` is how long a window takes orders after its end, `beat_told_after_ns` when Gamma begins to
    tell the price to beat, `final_told_after_ns` how long after the resolution it tells the final one,
    `website_after_ns` when the website tells the open (venue spec §3.3, §7.3, §13.3). `ticks_change` makes a tick of
    0.001 outside 0.04 to 0.96. `flicker` is the part of the recorded rate at which levels change between two books."""

    version: VersionRule = "v1"
    accepts_after_ns: int = 60_000_000_000
    beat_told_after_ns: int = 60_000_000_000
    final_told_after_ns: int = 5_000_000_000
    website_after_ns: int = 4_000_000_000
    ticks_change: bool = True
    flicker: float = 0.0
    flicker_seed: int = 0
    pace: Pace = Pace()
