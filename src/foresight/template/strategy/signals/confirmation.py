"""Confirmation: has the favourite been the favourite for a while, and does the underlying agree?

The first touch of a price band selects jumps of the quote: recorded favourites that had stood more than ten cents
lower within the minute before lost 0.6 to 1.3 cents a share. So the lowest ask over the last N seconds counts, with N a
third of the time left, between 15 s and 60 s.
"""

from foresight.strategy import Outcome, View

LOOK_S = 5
LOOKS_MIN = 2


def lowest_ask(view: View, outcome: Outcome) -> float | None:
    """The lowest ask of the last N seconds, this moment included; None with fewer than two looks that had one."""
    looks = int(min(max(view.seconds_left / 3, 15), 60) // LOOK_S)
    asks = [ask for ask in view.book(outcome).ask_history[-1 - looks :] if ask is not None]
    return min(asks) if len(asks) >= LOOKS_MIN else None


def agreement(view: View) -> float | None:
    """1 when the market's favourite is on the side of the underlying's move, -1 when against, 0 when undecided."""
    mid = view.up.mid
    if view.prices is None or view.prices.move is None or mid is None:
        return None
    product = (mid - 0.5) * view.prices.move
    return 1.0 if product > 0 else -1.0 if product < 0 else 0.0
