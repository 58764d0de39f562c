"""The Data API v2: trades and resolutions (venue spec §8).

A trade has a row of its taker and one of the maker on the other side; only the first is shown with `taker_only`, which
is the default.
"""

from foresight.markets import SECOND_NS
from foresight.money import MICROS
from foresight.venue import wording
from foresight.venue.clob_frames import LABELS
from foresight.venue.data_trades import Page, Row
from foresight.venue.documents import Document
from foresight.venue.identities import transaction_hash
from foresight.venue.listings import Listing

LIMIT_MAX = 1_000
CONDITIONS_MAX = 20
_DOLLAR = 1_000_000


def trades(page: Page) -> Document:
    return {
        "data": [_row(row) for row in page.rows],
        "pagination": {"has_more": page.following is not None, "next_cursor": page.following},
    }


def resolutions(listings: list[Listing]) -> Document:
    return {"data": [_resolution(listing) for listing in listings]}


def _row(row: Row) -> Document:
    listing, trade = row.listing, row.trade
    index = 0 if trade.outcome == "UP" else 1
    return {
        "proxy_wallet": row.wallet,
        "token_id": listing.identity.tokens[index],
        "condition_id": listing.identity.condition,
        "side": row.side,
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
