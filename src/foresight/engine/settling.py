"""Whose word settles a window, and when: the venue's, or the oracle's averages at both of its ends.

Where the averages are to settle, one of them can be missed. So the venue's word is kept at its window, and settles it
where the opening average was not heard, or the closing one has not come in time. No position waits for ever then.
"""

import msgspec

from foresight.engine.markets_state import MarketsState
from foresight.engine.settings import Settings
from foresight.engine.slots import Window
from foresight.events import Reference, Resolved
from foresight.markets import MINUTE_NS, Outcome

CLOSE_WAIT_NS = 2 * MINUTE_NS
"""PolyBolt's snapshot reaches back so far (venue spec §7.1): later than this no closing average comes by it either."""


class Settling:
    """Every answer is the words that settle their windows now. A window is settled by the engine."""

    def __init__(self, settings: Settings, markets: MarketsState) -> None:
        self._by_averages = settings.settle_by == "twap60"
        self._markets = markets

    def by_average(self, event: Reference) -> list[Resolved]:
        """What an observation of the oracle says of the windows whose closing average it is."""
        words = []
        for window, opened in self._markets.take_reference(event):
            if self._is_for_averages(window):
                winner: Outcome = "UP" if event.price >= opened else "DOWN"
                words.append(Resolved(event.at_ns, window.market.market_id, winner, event.source))
        return words

    def by_venue(self, event: Resolved) -> list[Resolved]:
        """The venue's word, unless the averages may still settle its window: then it is kept there."""
        window = self._markets.window_of(event.market_id)
        if window is None or not self._waits_for_close(window, event.at_ns):
            return [event]
        window.word = event
        return []

    def overdue(self, now_ns: int) -> list[Resolved]:
        """The venue's words that were kept for windows whose closing average has not come in time."""
        return [
            msgspec.structs.replace(window.word, at_ns=now_ns)
            for window in self._markets.ended.values()
            if window.word is not None and not self._waits_for_close(window, now_ns)
        ]

    def next_overdue_ns(self) -> int | None:
        """When the first of the words that are kept comes to settle its window."""
        kept = [window.market.end_ns for window in self._markets.ended.values() if window.word is not None]
        return min(kept) + CLOSE_WAIT_NS if kept else None

    def _waits_for_close(self, window: Window, now_ns: int) -> bool:
        is_in_time = now_ns < window.market.end_ns + CLOSE_WAIT_NS
        return is_in_time and window.twap_open is not None and self._is_for_averages(window)

    def _is_for_averages(self, window: Window) -> bool:
        """The averages settle where the operator wants it and the market's rule is made of them."""
        return self._by_averages and window.market.settles_on == "twap60"
