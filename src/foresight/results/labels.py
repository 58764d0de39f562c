"""What became of each market, read for the score alone, after the replay: no part of the engine sees this table.

Not every label is worth the same. A `final_quote…` label is the market's own last quote: for a favourite bought in
the last minute it repeats what was bought, so it proves nothing. Where another venue's prices at both ends of the
window were recorded, their sign is a second opinion that owes nothing to the quotes.
"""

import msgspec
import polars as pl

from foresight.markets import Market, MarketId, Outcome
from foresight.sources.recording import Recording

UNRESOLVED = "unresolved"
CIRCULAR_PREFIX = "final_quote"
"""What docs/venue.md says of outcomes that were read off the market's own last quote."""
LAST_MINUTE_S = 60.0


Window = tuple[str, MarketId]
"""(source, market): two sources may have recorded the same market, each with a label of its own."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """`outcome` is the one that settled, None where nobody told; `second` is the sign of another venue's move."""

    market: Market
    outcome: Outcome | None
    outcome_source: str
    second: Outcome | None


def read_labels(recording: Recording) -> dict[Window, Label]:
    """The label of every market that the recording replays."""
    path = recording.folder / "markets.parquet"
    wanted = ["slug", "source", "outcome", "outcome_source", "ref_open", "ref_close"]
    table = pl.read_parquet(path)
    labels = {}
    for row in table.select([name for name in wanted if name in table.columns]).iter_rows(named=True):
        market = recording.markets.get(f"{row['source']}/{row['slug']}")
        if market is not None:
            labels[market.source, market.market_id] = _label(market, row)
    return labels


def is_circular(outcome_source: str) -> bool:
    return outcome_source.startswith(CIRCULAR_PREFIX)


def _label(market: Market, row: dict[str, object]) -> Label:
    outcome = _outcome(row["outcome"])
    return Label(
        market=market,
        outcome=outcome,
        outcome_source=UNRESOLVED if outcome is None else str(row["outcome_source"]),
        second=_sign(row.get("ref_open"), row.get("ref_close")),
    )


def _outcome(value: object) -> Outcome | None:
    if value is None:
        return None
    return "UP" if value == "UP" else "DOWN"


def _sign(opened: object, closed: object) -> Outcome | None:
    if not isinstance(opened, float) or not isinstance(closed, float):
        return None
    return "UP" if closed >= opened else "DOWN"
