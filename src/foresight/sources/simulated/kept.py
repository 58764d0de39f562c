"""What is kept of a simulated market at some instants, so that it can be gone on with from there.

At such an instant nothing is decided that is not told yet: it lies two minutes after windows have turned, and the last
one is resolved 90 s after its end. What paths remember of their last minute is not kept: they are walked for more than
that before it counts. So a price, the state of its regimes, and the places of the streams are all there is.
"""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from foresight.sources.simulated.noise import STREAM_BYTES

KEPT_EVERY_S = 6 * 3_600
_AFTER_A_TURN_S = 120

State = Annotated[int, Meta(ge=0, le=2)]
Place = Annotated[bytes, Meta(min_length=STREAM_BYTES, max_length=STREAM_BYTES)]


class KeptShocks(Struct, frozen=True):
    """The regime, and the place in the stream that it has in common with its shocks."""

    regime: State
    stream: Place


class KeptPath(Struct, frozen=True, kw_only=True):
    own: KeptShocks
    stream: Place
    price: float
    basis: float
    variance: float
    has_half_step: bool


class KeptWindows(Struct, frozen=True):
    """`strike_total` is that of the window that is open then."""

    strike_total: int
    stream: Place


class KeptMarket(Struct, frozen=True, kw_only=True):
    """A market just before this second: its paths by asset, its windows in the order of its slots."""

    second: int
    common: KeptShocks
    paths: dict[str, KeptPath]
    windows: tuple[KeptWindows, ...]


Keep = Callable[[KeptMarket], None]


def is_kept_at(second: int) -> bool:
    """Whether the market is kept just before this second: four times a day, the same times on every day."""
    return second % KEPT_EVERY_S == _AFTER_A_TURN_S
