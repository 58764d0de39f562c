"""Strategies to measure against. Each folder is a live package, taken and run exactly like a bot's `strategy/`."""

from pathlib import Path

FAVOURITE = Path(__file__).parent / "favourite"
"""Buy the favourite in the same price band and time as the strategy that ships, and ask nothing else."""
