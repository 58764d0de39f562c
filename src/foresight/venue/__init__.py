"""The local venue: a server on loopback that speaks the venues' public protocols, from a simulation or a recording.

It encodes on its own and shares nothing with the bot's decoding: two independent readings of the venue spec.
"""

from foresight.venue.server import VenueServer, greeting
from foresight.venue.settings import Pace, VenueSettings

__all__ = ["Pace", "VenueServer", "VenueSettings", "greeting"]
