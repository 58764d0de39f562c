"""Tells when a narrative accelerates. Edit it while `watch.py` runs: a save is live within the same second.

What it knows of a narrative is in `State`, and comes back with the narrative's next headline.
"""

import msgspec
from newsroom import Headline

from .pace import paces

TIMES_MAX = 500
"""A state may take 64 KiB; this many instants take 4.5."""


class Params(msgspec.Struct, frozen=True):
    """What an operator may tune: the window and what it is compared with, in seconds; how many times faster than usual
    is told, and from how many headlines a minute; and for how many seconds nothing more is told then."""

    window_s: float = 20.0
    usual_s: float = 300.0
    times: float = 2.5
    least: float = 20.0
    quiet_s: float = 30.0


class State(msgspec.Struct, frozen=True):
    """A counter, the instants of the last minutes, and until when nothing more is told."""

    count: int = 0
    times_s: tuple[float, ...] = ()
    quiet_until_s: float = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """What the program gets: its `newsroom.Verdict`, with this release's own State in it."""

    state: State
    alert: str


def detect(headline: Headline, state: State, params: Params) -> Verdict:
    """The next state, and an alert where the narrative accelerates."""
    since_s = headline.at_s - params.usual_s
    times_s = (*(at_s for at_s in state.times_s[-TIMES_MAX:] if at_s > since_s), headline.at_s)
    now, usual = paces(times_s, params.window_s)
    count, quiet_until_s, alert = state.count + 1, state.quiet_until_s, ""
    if usual and now >= max(params.least, params.times * usual) and headline.at_s >= quiet_until_s:
        alert = f"{now:.0f} a minute, {now / usual:.1f} times the usual, {count} in all: {headline.text}"
        quiet_until_s = headline.at_s + params.quiet_s
    return Verdict(State(count, times_s, quiet_until_s), alert)
