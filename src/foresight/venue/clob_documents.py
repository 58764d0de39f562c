"""The CLOB's public REST answers besides the book itself (venue spec §5.8)."""

from foresight.markets import Outcome
from foresight.money import MICROS
from foresight.venue import wording
from foresight.venue.clob_frames import LABELS, OUTCOMES
from foresight.venue.decimals import decimal_text
from foresight.venue.documents import Document, iso
from foresight.venue.listings import Listing
from foresight.venue.settings import VenueSettings

BASE_FEE = 1000


def midpoint(listing: Listing, outcome: Outcome) -> Document | None:
    """None where a side is empty."""
    bid, ask = listing.ladder.best(outcome)
    return None if bid is None or ask is None else {"mid": decimal_text((bid + ask) // 2)}


def spread(listing: Listing, outcome: Outcome) -> Document | None:
    bid, ask = listing.ladder.best(outcome)
    return None if bid is None or ask is None else {"spread": decimal_text(ask - bid)}


def price(listing: Listing, outcome: Outcome, side: str) -> Document | None:
    """BUY is the best bid, as the one live check of the spec found; documents say the opposite (venue spec §5.8)."""
    bid, ask = listing.ladder.best(outcome)
    found = bid if side == "BUY" else ask
    return None if found is None else {"price": decimal_text(found)}


def last_trade(listing: Listing, outcome: Outcome) -> Document:
    """A price of one half and no side before the first trade."""
    trade, last = listing.last_trade, listing.last_price(outcome)
    if trade is None or last is None:
        return {"price": "0.5", "side": ""}
    side = trade.side if trade.outcome == outcome else {"BUY": "SELL", "SELL": "BUY"}[trade.side]
    return {"price": decimal_text(last), "side": side}


def by_token(listing: Listing) -> Document:
    return {
        "condition_id": listing.identity.condition,
        "primary_token_id": listing.identity.up,
        "secondary_token_id": listing.identity.down,
    }


def compact_market(listing: Listing, settings: VenueSettings, now_ns: int) -> Document:
    """`/clob-markets/{condition}`: `nr` is absent, which means false."""
    return {
        "c": listing.identity.condition,
        "t": [{"t": listing.identity.token(outcome), "o": LABELS[outcome]} for outcome in OUTCOMES],
        "mos": listing.market.min_shares_micros // MICROS,
        "mts": listing.tick_micros / MICROS,
        "mbf": BASE_FEE,
        "tbf": BASE_FEE,
        "ao": _accepts(listing, settings, now_ns),
        "cbos": False,
        "itode": True,
        "fd": {"r": 0.07, "e": 1, "to": True},
        "r": {"mi": 50, "ma": 4.5, "moas": 0},
        "v": listing.identity.version,
    }


def long_market(listing: Listing, settings: VenueSettings, now_ns: int) -> Document:
    """`/markets/{condition}`."""
    noun, is_closed = listing.market, listing.winner is not None
    return {
        "enable_order_book": not is_closed,
        "active": True,
        "closed": is_closed,
        "archived": False,
        "accepting_orders": _accepts(listing, settings, now_ns),
        "accepting_order_timestamp": iso(listing.listed_ns),
        "minimum_order_size": noun.min_shares_micros // MICROS,
        "minimum_tick_size": listing.tick_micros / MICROS,
        "condition_id": listing.identity.condition,
        "question_id": listing.identity.question_id,
        "question": wording.question(noun),
        "description": wording.description(noun),
        "market_slug": listing.slug,
        "end_date_iso": iso(noun.end_ns),
        "game_start_time": None,
        "seconds_delay": 0,
        "fpmm": "",
        "maker_base_fee": BASE_FEE,
        "taker_base_fee": BASE_FEE,
        "notifications_enabled": False,
        "neg_risk": False,
        "neg_risk_market_id": "",
        "neg_risk_request_id": "",
        "is_50_50_outcome": False,
        "tokens": [_token(listing, outcome) for outcome in OUTCOMES],
        "tags": ["crypto"],
    }


def _accepts(listing: Listing, settings: VenueSettings, now_ns: int) -> bool:
    return listing.winner is None and now_ns < listing.market.end_ns + settings.accepts_after_ns


def _token(listing: Listing, outcome: Outcome) -> Document:
    return {
        "token_id": listing.identity.token(outcome),
        "outcome": LABELS[outcome],
        "price": _token_price(listing, outcome),
        "winner": listing.winner == outcome,
    }


def _token_price(listing: Listing, outcome: Outcome) -> float:
    if listing.winner is not None:
        return 1.0 if listing.winner == outcome else 0.0
    bid, ask = listing.ladder.best(outcome)
    return ((bid or 0) + (MICROS if ask is None else ask)) / 2 / MICROS
