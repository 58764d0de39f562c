"""What the parts of a running venue share."""

import asyncio

import msgspec

from foresight.runtime.clock import PacedClock
from foresight.sources import Source
from foresight.venue.faults import Faults
from foresight.venue.hub import Hub
from foresight.venue.pump import Pump
from foresight.venue.settings import VenueSettings
from foresight.venue.state import VenueState


class Desk(msgspec.Struct):
    """`stop` is set when the venue is to leave."""

    source: Source
    settings: VenueSettings
    state: VenueState
    hub: Hub
    faults: Faults
    pump: Pump
    clock: PacedClock
    stop: asyncio.Event
