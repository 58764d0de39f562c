"""Patterns: does the last two minutes' path of the market's price look like a trend or like a saw?

The efficiency ratio (Kaufman, Trading Systems and Methods): the net change divided by the sum of all changes, signed.
1 is a straight climb of UP, -1 a straight fall, near 0 a price that goes back and forth and may turn again.
"""

from itertools import pairwise

from foresight.strategy import View

SAMPLES_MIN = 6


def score(view: View) -> float | None:
    """Between -1 and 1; None with fewer than half a minute of prices, or when nothing moved."""
    mids = view.up.mid_history
    if len(mids) < SAMPLES_MIN:
        return None
    path = sum(abs(after - before) for before, after in pairwise(mids))
    return None if path == 0 else (mids[-1] - mids[0]) / path
