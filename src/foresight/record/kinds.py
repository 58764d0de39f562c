"""Which of the engine's inputs go to the record. All the others go to the journal."""

from typing import get_args

from foresight.events import MarketEvent, Timer

Recorded = MarketEvent | Timer

KINDS: dict[str, type[Recorded]] = {kind.__name__: kind for kind in get_args(Recorded)}
RECORDED = frozenset(KINDS.values())
