"""A reproducible stream of binary-market quotes, for running several engines on equal input.

Every instrument is a seeded random walk of a price between 0.05 and 0.95 in ticks of 0.01, quoted
one or two ticks wide. Quotes come 20 ms apart over all instruments together, so a million of them
cover 20,000 s. Amounts are integers in millionths; times are nanoseconds since the Unix epoch.

Only `Random.random()` is drawn from: its sequence for a given seed is the same in every version of
Python, which is not promised for `choice`, `randrange` or `shuffle`.
"""

from collections.abc import Iterator
from random import Random

START_NS = 1_750_000_000_000_000_000
GAP_NS = 20_000_000
TICK_MICROS = 10_000
LOWEST_TICK = 5
HIGHEST_TICK = 95
MOVE_SHARE = 0.2
WIDE_SHARE = 0.3
SMALLEST_SIZE = 10
SIZE_STEPS = 990
MICROS = 1_000_000

Quote = tuple[int, int, int, int, int]


def moved(bid: int, draw: float) -> int:
    """The next bid, in ticks: mostly unchanged, else one up or down, turned back at the ends."""
    if draw >= MOVE_SHARE:
        return bid
    step = 1 if draw < MOVE_SHARE / 2 else -1
    return bid + step if LOWEST_TICK <= bid + step <= HIGHEST_TICK - 2 else bid - step


def quotes(events: int, instruments: int, seed: int) -> Iterator[Quote]:
    """Yield (at_ns, instrument_index, bid_micros, ask_micros, size_micros), oldest first."""
    draw = Random(seed).random
    bids = [int(LOWEST_TICK + 20 + draw() * 50) for _ in range(instruments)]
    for number in range(events):
        index = int(draw() * instruments)
        bid = bids[index] = moved(bids[index], draw())
        ask = bid + (2 if draw() < WIDE_SHARE else 1)
        size = SMALLEST_SIZE + int(draw() * SIZE_STEPS)
        at_ns = START_NS + number * GAP_NS
        yield at_ns, index, bid * TICK_MICROS, ask * TICK_MICROS, size * MICROS
