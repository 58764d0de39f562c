"""The Data API v2: trades and resolutions (venue spec §8).

A trade has a row of its taker and one of the maker on the other side; only the first is shown with `taker_only`, which
is the default.
"""

import msgspec

from foresight.markets import SECOND_NS
from foresight.money import MICROS
from foresight.venue import wording
from foresight.venue.clob_frames import LABELS
from foresight.venue.documents import Document
from foresight.venue.identities import transaction_hash, wallet
from foresight.venue.listings import Listing, Trade

LIMIT_MAX = 1_000
LIMIT_USUAL = 100
CONDITIONS_MAX = 20
_DOLLAR = 1_000_000
_OTHER_SIDE = {"BUY": "SELL", "SELL": "BUY"}


class TradesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request for trades wants; `start_s` and `end_s` are Unix seconds, both included."""

    takers_only: bool = True
    side: str = ""
    user: str = ""
    start_s: int = 0
    end_s: int = 2**62
    limit: int = LIMIT_USUAL
    offset: int = 0


def trades(listings: list[Listing], asked: TradesAsked) -> Document:
    """The newest first; the cursor is the offset of the next page."""
    rows = [row for listing in listings for row in _rows(listing, asked)]
    rows.sort(key=_newest_first)
    page = rows[asked.offset : asked.offset + asked.limit]
    following = asked.offset + len(page)
    has_more = following < len(rows)
    return {
        "data": page,
        "pagination": {"has_more": has_more, "next_cursor": str(following) if has_more else None},
    }


def resolutions(listings: list[Listing]) -> Document:
    return {"data": [_resolution(listing) for listing in listings]}


def _rows(listing: Listing, asked: TradesAsked) -> list[Document]:
    roles = ("taker",) if asked.takers_only else ("taker", "maker")
    rows = [_row(listing, trade, role) for trade in listing.trades for role in roles]
    return [row for row in rows if _is_asked(row, asked)]


def _is_asked(row: Document, asked: TradesAsked) -> bool:
    at_s = row["timestamp"]
    assert isinstance(at_s, int)
    return (
        asked.side in ("", row["side"])
        and asked.user in ("", row["proxy_wallet"])
        and asked.start_s <= at_s <= asked.end_s
    )


def _row(listing: Listing, trade: Trade, role: str) -> Document:
    index = 0 if trade.outcome == "UP" else 1
    return {
        "proxy_wallet": wallet(listing.slug, trade.number, role),
        "token_id": listing.identity.tokens[index],
        "condition_id": listing.identity.condition,
        "side": trade.side if role == "taker" else _OTHER_SIDE[trade.side],
        "size": trade.size_micros / MICROS,
        "price": trade.price_micros / MICROS,
        "timestamp": trade.at_ns // SECOND_NS,
        "transaction_hash": transaction_hash(listing.slug, trade.number),
        "title": wording.question(listing.market),
        "slug": listing.slug,
        "event_slug": listing.slug,
        "outcome": LABELS[trade.outcome],
        "outcome_index": index,
        "name": "",
        "pseudonym": "",
        "bio": "",
        "profile_image": "",
    }


def _newest_first(row: Document) -> tuple[int, str]:
    at_s = row["timestamp"]
    assert isinstance(at_s, int)
    return -at_s, str(row["transaction_hash"])


def _resolution(listing: Listing) -> Document:
    is_resolved = listing.winner is not None
    payouts = [_DOLLAR, 0] if listing.winner == "UP" else [0, _DOLLAR]
    resolved_s = listing.resolved_ns // SECOND_NS
    return {
        "condition_id": listing.identity.condition,
        "status": "resolved" if is_resolved else "active",
        "reporter": "CHAINLINK",
        "payouts": payouts if is_resolved else None,
        "resolved_at": resolved_s if is_resolved else None,
        "last_update_timestamp": resolved_s if is_resolved else listing.listed_ns // SECOND_NS,
        "was_disputed": False,
        "new_version_q": False,
        "extended_review": False,
        "market_type": "BINARY",
        "resolution_source": "reported",
    }
