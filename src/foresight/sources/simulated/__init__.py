"""A seeded market to run the bot against: underlyings, their oracle, windows, books and the trades of others."""

from foresight.sources.simulated.kept import Keep, KeptMarket
from foresight.sources.simulated.market import DEFAULT_SLOTS, SimulatedMarket

__all__ = ["DEFAULT_SLOTS", "Keep", "KeptMarket", "SimulatedMarket"]
