"""The CLOB's books and market channel as documents (venue spec §5.8, §6.1).

A book's hash is the SHA-1 of its compact JSON with the keys in the order of `BOOK_KEYS` and `hash` empty. The recorded
books that carry all of it agree, with prices and sizes as `decimals` writes them.
"""

import hashlib
from collections.abc import Iterable

from foresight.markets import Outcome
from foresight.money import MICROS
from foresight.venue.decimals import decimal_text, price_text
from foresight.venue.documents import Document, encoded, milliseconds
from foresight.venue.frames import ClobEvent
from foresight.venue.identities import transaction_hash
from foresight.venue.ladders import Change, Level
from foresight.venue.listings import Listing, Trade

BOOK_KEYS = (
    "market", "asset_id", "timestamp", "hash", "bids", "asks", "min_order_size", "tick_size", "neg_risk",
    "last_trade_price",
)  # fmt: skip
OUTCOMES: tuple[Outcome, Outcome] = ("UP", "DOWN")
LABELS: dict[Outcome, str] = {"UP": "Up", "DOWN": "Down"}
FEE_SCHEDULE: Document = {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2}


def book(listing: Listing, outcome: Outcome) -> Document:
    """One outcome's whole book with its hash, as `GET /book` answers it."""
    bids, asks = listing.ladder.sides(outcome)
    last = listing.last_price(outcome)
    told: Document = {
        "market": listing.identity.condition,
        "asset_id": listing.identity.token(outcome),
        "timestamp": str(milliseconds(listing.changed_ns)),
        "hash": "",
        "bids": _levels(bids),
        "asks": _levels(asks),
        "min_order_size": decimal_text(listing.market.min_shares_micros),
        "tick_size": decimal_text(listing.tick_micros),
        "neg_risk": False,
        "last_trade_price": "" if last is None else price_text(last),
    }
    told["hash"] = book_hash(told)
    if listing.identity.version == "v2":
        told["version"] = "v2"
    return told


def book_hash(told: Document) -> str:
    """Of a book document with all of `BOOK_KEYS`."""
    hashed = {key: "" if key == "hash" else told[key] for key in BOOK_KEYS}
    return hashlib.sha1(encoded(hashed)).hexdigest()  # noqa: S324 - the venue's choice, and no secret


def book_event(listing: Listing, outcome: Outcome) -> Document:
    """The same as the market channel sends it."""
    told = book(listing, outcome)
    keys = ("market", "asset_id", "timestamp", "hash", "bids", "asks", "tick_size", "last_trade_price")
    return {"event_type": "book"} | {key: told[key] for key in keys}


def price_change(listing: Listing, changes: Iterable[Change], at_ns: int) -> Document:
    """Both tokens in one frame; `size` is the level's whole size now, `best_*` the top after all of them."""
    tops = {outcome: best_texts(listing, outcome) for outcome in OUTCOMES}
    hashes = {outcome: str(book(listing, outcome)["hash"]) for outcome in OUTCOMES}
    told = [
        {
            "asset_id": listing.identity.token(outcome),
            "price": decimal_text(change.price_micros if outcome == "UP" else MICROS - change.price_micros),
            "size": decimal_text(change.size_micros),
            "side": "BUY" if change.is_bid == (outcome == "UP") else "SELL",
            "hash": hashes[outcome],
            "best_bid": tops[outcome][0],
            "best_ask": tops[outcome][1],
        }
        for change in changes
        for outcome in OUTCOMES
    ]
    return {
        "event_type": "price_change",
        "market": listing.identity.condition,
        "timestamp": str(milliseconds(at_ns)),
        "price_changes": told,
    }


def last_trade_price(listing: Listing, trade: Trade) -> Document:
    return {
        "event_type": "last_trade_price",
        "market": listing.identity.condition,
        "asset_id": listing.identity.token(trade.outcome),
        "price": decimal_text(trade.price_micros),
        "size": decimal_text(trade.size_micros),
        "side": trade.side,
        "fee_rate_bps": "0",
        "timestamp": str(milliseconds(trade.at_ns)),
        "transaction_hash": transaction_hash(listing.slug, trade.number),
    }


def best_bid_ask(listing: Listing, outcome: Outcome, at_ns: int) -> Document:
    bid, ask = listing.ladder.best(outcome)
    bid_text, ask_text = best_texts(listing, outcome)
    return {
        "event_type": "best_bid_ask",
        "market": listing.identity.condition,
        "asset_id": listing.identity.token(outcome),
        "best_bid": bid_text,
        "best_ask": ask_text,
        "spread": "" if bid is None or ask is None else decimal_text(ask - bid),
        "timestamp": str(milliseconds(at_ns)),
    }


def tick_size_change(listing: Listing, outcome: Outcome, old_micros: int, at_ns: int) -> Document:
    return {
        "event_type": "tick_size_change",
        "market": listing.identity.condition,
        "asset_id": listing.identity.token(outcome),
        "old_tick_size": decimal_text(old_micros),
        "new_tick_size": decimal_text(listing.tick_micros),
        "timestamp": str(milliseconds(at_ns)),
    }


def new_market(listing: Listing, question: str, description: str, at_ns: int) -> Document:
    identity = listing.identity
    return {
        "event_type": "new_market",
        "id": identity.gamma_id,
        "market": identity.condition,
        "condition_id": identity.condition,
        "question": question,
        "slug": listing.slug,
        "description": description,
        "assets_ids": list(identity.tokens),
        "clob_token_ids": list(identity.tokens),
        "outcomes": ["Up", "Down"],
        "active": True,
        "tags": ["crypto"],
        "event_message": _event_message(listing, question, description),
        "order_price_min_tick_size": decimal_text(listing.tick_micros),
        "group_item_title": "",
        "taker_base_fee": "1000",
        "fees_enabled": True,
        "fee_schedule": FEE_SCHEDULE,
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "timestamp": str(milliseconds(at_ns)),
    }


def market_resolved(listing: Listing, question: str, description: str, at_ns: int) -> Document:
    assert listing.winner is not None
    identity = listing.identity
    return {
        "event_type": "market_resolved",
        "id": identity.gamma_id,
        "market": identity.condition,
        "assets_ids": list(identity.tokens),
        "winning_asset_id": identity.token(listing.winner),
        "winning_outcome": LABELS[listing.winner],
        "event_message": _event_message(listing, question, description),
        "timestamp": str(milliseconds(at_ns)),
        "tags": ["crypto"],
    }


def event_for(
    listing: Listing, document: Document, tokens: tuple[str, ...] | None = None, *, is_custom: bool = False
) -> ClobEvent:
    """The document as a frame for the subscribers of these tokens; of both without them."""
    kind = str(document["event_type"])
    addressed = listing.identity.tokens if tokens is None else tokens
    return ClobEvent(kind, addressed, encoded(document), is_custom, listing.labels() | {kind})


def best_texts(listing: Listing, outcome: Outcome) -> tuple[str, str]:
    """An outcome's best bid and ask; the empty string for an empty side."""
    bid, ask = listing.ladder.best(outcome)
    return ("" if bid is None else decimal_text(bid), "" if ask is None else decimal_text(ask))


def _event_message(listing: Listing, question: str, description: str) -> Document:
    return {
        "id": listing.identity.event_id,
        "ticker": listing.slug,
        "slug": listing.slug,
        "title": question,
        "description": description,
    }


def _levels(levels: list[Level]) -> list[Document]:
    return [{"price": decimal_text(price), "size": decimal_text(size)} for price, size in levels]
